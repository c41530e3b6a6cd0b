"""The ledger as metrics: bounded, whoever draws."""

from __future__ import annotations

import asyncio

from routebook.documents.problems import Location
from routebook.documents.quantities import Unit
from routebook.edge.ledger.books import Totals
from routebook.edge.ledger.entries import Change
from routebook.edge.ledger.gauges import MOST_SCOPES, ledger_facts, store_facts
from routebook.edge.ledger.owner import Owner
from routebook.edge.ledger.store_breaker import StoreBreaker
from routebook.edge.scrape import as_text
from routebook.ledger.budgets import Budget, Counting
from routebook.ledger.claims import Claim, Kind
from routebook.ledger.windows import slice_of
from tests.support.clock import SetClock

HERE = Location("policy.yaml", 1, 1)
MONEY = Budget("day", 2_500_000_000, Unit.MONEY, "day", None, HERE, per="client.name")
CALLS = Budget("calls", 1000, Unit.COUNT, None, 3600.0, HERE)


def lines(owner: Owner) -> list[str]:
    """The samples as Prometheus reads them."""
    text = as_text({}, ledger_facts(Counting((MONEY, CALLS)), owner)).decode()
    return [line for line in text.splitlines() if line.startswith("routebook_budget")]


async def test_budgets_are_shown_in_their_unit_and_bounded() -> None:
    """Dollars for money, and of many who draw on one budget those who have used most."""
    clock = SetClock(1_795_219_200.0)
    day, hour = slice_of(MONEY, clock.now()), slice_of(CALLS, clock.now())
    spent = {(f"budget/day/c{number:03}", day.start): number * 1_000_000 for number in range(100)}
    gone = {("budget/day/c000", day.start - 86_400): 900_000_000_000}
    owner = Owner(Totals({**spent, **gone, ("requests/calls/-", hour.first): 7}), 1, clock)
    owner.read_on({"elsewhere": {("budget/day/c001", day.start): Change(0, 500_000_000)}}, frozenset())
    shown = lines(owner)
    used = [line for line in shown if line.startswith('routebook_budget_used{budget="day"')]
    assert len(used) == MOST_SCOPES
    assert used[0] == 'routebook_budget_used{budget="day",scope="c001",unit="dollars"} 0.501'
    assert used[1] == 'routebook_budget_used{budget="day",scope="c099",unit="dollars"} 0.099'
    assert 'routebook_budget_used{budget="calls",scope="-",unit="requests"} 7.0' in shown
    assert 'routebook_budget_limit{budget="day",unit="dollars"} 2.5' in shown


async def test_what_exceeded_its_hold_is_kept_as_long_as_its_window() -> None:
    """It is added up over what the journal tells, and forgotten with its counter."""
    clock = SetClock(1_795_219_200.0)
    start = slice_of(MONEY, clock.now()).start
    counter = ("budget/day/c", start)
    owner = Owner(Totals({counter: 10}, {}, {counter: 3}), 1, clock)
    owner.read_on({"elsewhere": {counter: Change(5, 0, 2)}, "old": {("budget/day/c", 0): Change(5, 0)}}, frozenset())
    assert (owner.figures().exceeded, owner.figures().settled[counter]) == ({counter: 5}, 15)
    tomorrow = start + 86_400
    owner.vault.lease("a", [Claim(counter[0], Kind.WINDOW, 100, 1, tomorrow, tomorrow, tomorrow + 86_400)], tomorrow)
    owner.read_on({}, frozenset())
    assert owner.figures().exceeded == {}


async def test_the_store_before_which_a_breaker_stands_is_shown() -> None:
    """Whether it is taken to be away, how often, and why."""
    breaker = StoreBreaker("redis://store", asyncio.get_running_loop().time)
    for _ in range(3):
        breaker.failed("refused")
    text = as_text({}, store_facts(breaker)).decode()
    assert "routebook_shared_ledger_away 1.0" in text
    assert 'routebook_shared_ledger_breaker_transitions_total{to="opened"} 1.0' in text
    assert 'routebook_shared_ledger_failures_total{reason="refused"} 3.0' in text
    breaker.succeeded()
    assert "routebook_shared_ledger_away 0.0" in as_text({}, store_facts(breaker)).decode()
