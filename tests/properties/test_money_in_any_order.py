"""No budget is passed, whatever happens in whatever order and whoever is killed between any two things that he does.

A whole host is simulated (`tests.support.simulated_host`): the program's own gateways, tills, journals, owner, archive
and books, with chance as the scheduler. After every line that is written, what the journal settles and holds is within
the limit: so whoever is killed just then, what is booked for him is so too. At the end nothing is held any more, the
owner, the books and the journal agree, and what upstreams billed is settled.
"""

from __future__ import annotations

import random
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from routebook.edge.ledger.books import Books
from tests.support.processes import run_command
from tests.support.proxy import compiled
from tests.support.simulated_host import SimulatedHost

LIMIT = 60_000_000
STEPS = 3000


def policy(more: str = "") -> str:
    """A dear model that mostly fails, then two cheap ones; a tight budget over all, and one for each model, so that a
    hop has to ask for more."""
    return f"""\
version: 1
settings:
  breaker: {{in_a_row: 100000, of: 100000}}
{more}
providers:
  p: {{dialect: openai, base_url: "http://127.0.0.1:1/v1", accounts: [{{name: main, limits: {{concurrent: 50}}}}]}}
models:
  dear: {{provider: p, id: dear, price: {{input: 10, output: 20}}, context: 128k, max_output: 16k}}
  small: {{provider: p, id: small, price: {{input: 1, output: 2}}, context: 128k, max_output: 16k}}
  last: {{provider: p, id: last, price: {{input: 1, output: 2}}, context: 128k, max_output: 16k}}
budgets:
  all: {{limit: $0.06, window: day}}
  each: {{limit: $100, window: month, per: model}}
  tokens: {{limit: 100M tokens, window: 24h}}
rules:
  - {{name: everything, route: {{to: [dear, small, last]}}}}
"""


POLICIES = {
    "one after the other": compiled(policy("  ledger: {abandoned: hold}")),
    "rounds": compiled(policy("  retries: {rounds: 3, backoff: 20ms, attempts: 9}")),
    "hedged": compiled(policy("  retries: {hedge: 20ms}\n  ledger: {abandoned: hold}")),
}

seeds = st.integers(0, 2**32)


def simulate(folder: Path, seed: int, kind: str, supervisors_die: bool) -> SimulatedHost:
    """A host after all has happened and come to rest; raises Overspent where a budget is passed on the way."""
    host = SimulatedHost(folder, POLICIES[kind], random.Random(seed), {"budget/all/-": LIMIT}, supervisors_die)
    try:
        for _ in range(STEPS):
            host.step()
        host.settle_down()
        assert not host.faults(), host.faults()
        settled = host.truth.settled["budget/all/-"]
        assert settled <= LIMIT
        if kind != "rounds":  # there, what is booked of a call whose client left is an estimate
            assert host.billed <= settled
        totals = {counter[0]: total for counter, total in host.supervisor.owner.vault.counters()}
        assert totals["budget/all/-"] == (settled, settled)
    finally:
        host.close()
    return host


@pytest.mark.timeout(900)
@pytest.mark.parametrize("kind", POLICIES)
@settings(max_examples=8, deadline=None, phases=(Phase.generate,))  # a seed cannot be made simpler
@given(seed=seeds)
def test_no_budget_is_passed_whatever_worker_is_killed_whenever(kind: str, seed: int) -> None:
    """Hops, rounds, calls beside each other; recalls, reports, burials, and a journal that is read in the midst of it."""
    with TemporaryDirectory() as folder:
        host = simulate(Path(folder), seed, kind, supervisors_die=False)
        books = Books.copy(Path(folder)).totals()
        assert {pot: amount for (pot, _), amount in books.settled.items() if amount} == dict(+host.truth.settled)
        assert not books.held


@pytest.mark.timeout(900)
@settings(max_examples=10, deadline=None, phases=(Phase.generate,))
@given(seed=seeds)
def test_no_budget_is_passed_when_the_owner_is_killed_too(seed: int) -> None:
    """Its workers may not have noticed when the next one begins."""
    with TemporaryDirectory() as folder:
        simulate(Path(folder), seed, "one after the other", supervisors_die=True)


def test_the_audit_agrees_with_what_was_simulated(tmp_path: Path) -> None:
    """The simulation's own sums are held against those of `ledger verify`, which share nothing with them."""
    simulate(tmp_path, 7, "one after the other", supervisors_die=False)
    told = run_command("ledger", "verify", "--state-dir", str(tmp_path))
    assert told.returncode == 0, told.stdout + told.stderr
