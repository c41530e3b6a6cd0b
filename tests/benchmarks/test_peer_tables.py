"""The tables of the comparison with other gateways say what was measured, and the pages hold them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bench.gateways import LEFT_OUT, PEERS, POLICY, policy
from bench.pages import block, write_block
from bench.peer_tables import PAGE, README, RESULTS, TESTS, load, short_table, stored, whole_tables
from bench.peers import body
from routebook.protocols.openai_chat.request import read_chat
from routebook.routing.reading.loading import load_sources


def test_the_pages_hold_what_was_measured() -> None:
    """The blocks of README.md and docs/benchmarks.md are what the stored results give."""
    results = load()
    assert block(README.read_text(), "peers") == short_table(results)
    assert block(PAGE.read_text(), "peers") == whole_tables(results)


def test_everything_that_was_to_be_compared_is_told_of() -> None:
    """Each gateway has figures of each test, or a reason why it has none."""
    results = load()
    for name in [each.name for each in PEERS] + ["Routebook"]:
        if name not in results["left_out"]:
            assert all(results["runs"][test.name][name] for test in TESTS)
    assert LEFT_OUT.items() <= results["left_out"].items()


def run(cpu_us: float, p50: float, failures: int = 0) -> dict[str, Any]:
    """One run as it is stored."""
    return {
        "rps": 1e6 / cpu_us,
        "cpu_us": cpu_us,
        "p50": p50,
        "p99": 2 * p50,
        "first_p50": p50 / 2,
        "first_p99": p50,
    } | {"requests": 100, "failures": failures, "all": 120}


@pytest.fixture
def results() -> dict[str, Any]:
    """Two gateways in three rounds, of which one was disturbed."""
    told = {"version": "1", "what": "x", "needs": "-", "seconds_to_answer": 1.0, "mib_before": 10.0, "mib_after": 20.4}
    rounds = {
        "direct": [run(1, 100), run(1, 100), run(1, 900)],
        "aiohttp relay": [run(100, 300), run(100, 300), run(900, 300)],
        "Routebook": [run(150, 500), run(9000, 9000), run(150, 500, failures=3)],
    }
    return {
        "date": "2026-01-31",
        "command": "make bench-peers",
        "machine": "2 cores",
        "python": "3.11",
        "rounds": 3,
        "seconds": 1.0,
        "gateways": {"aiohttp relay": told, "Routebook": told},
        "left_out": {"Other": "nobody has it"},
        "runs": {test.name: rounds for test in TESTS},
    }


def test_medians_ratios_and_what_is_added(results: dict[str, Any]) -> None:
    """One round that was disturbed changes nothing; failures are shown however few."""
    short = short_table(results)
    assert "| **Routebook** 1 | 6,667 | 6,667 | 6,667 | 1.50x | 0.40 | 0.20 | 20 |" in short
    assert "2026-01-31" in short and "make bench-peers" in short
    whole = whole_tables(results)
    assert "| Routebook | 150 | 1.50x | 6,667 | 6,667 | 0.40 | 0.80 | 0.20 | 3 |" in whole
    assert "- Other: nobody has it." in whole
    assert json.loads(stored(results)) == results


def test_a_block_is_written_and_nothing_else(tmp_path: Path) -> None:
    """What stands around it stays; a page without the block is an error."""
    page = tmp_path / "page.md"
    page.write_text("before\n\n<!-- measured: a, by `x` -->\n\nold\n\n<!-- end of what was measured -->\n\nafter\n")
    write_block(page, "a", "| new \\1 |\n")
    assert block(page.read_text(), "a") == "| new \\1 |\n"
    write_block(page, "a", "newer\n")
    assert page.read_text().startswith("before\n") and page.read_text().endswith("\nafter\n")
    assert "old" not in page.read_text() and page.read_text().count("newer") == 1
    with pytest.raises(KeyError):
        write_block(page, "b", "")


def test_the_measured_policy_is_one_without_a_warning() -> None:
    """A hundred rules that can all decide, budgets and limits; and requests are what clients send."""
    found = load_sources([("policy.yaml", policy(9))])
    assert found.policy is not None and not found.problems.errors
    assert len(found.policy.tree.rules) == 100
    assert "budgets:" in POLICY and "limits:" in POLICY
    assert RESULTS.name == "peers.json"
    for test in TESTS:
        assert read_chat(body(test.form, "bench").encode()).model == "bench"
