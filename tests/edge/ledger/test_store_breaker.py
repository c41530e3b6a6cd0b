"""The breaker of the shared store: when it opens, when it closes, and what it says then."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from routebook.edge.ledger.store_breaker import StoreBreaker


class Clock:
    """A clock that a test turns."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    """A clock that stands still."""
    return Clock()


def test_three_failures_in_a_row_open_it(clock: Clock) -> None:
    """Two do not, and an answer between them begins the row anew."""
    breaker = StoreBreaker("store", clock)
    for _ in range(2):
        breaker.failed("unreachable")
    breaker.succeeded()
    for _ in range(2):
        breaker.failed("unreachable")
    assert not breaker.is_open
    breaker.failed("unreachable")
    assert breaker.is_open
    assert breaker.reason == "unreachable"


def test_two_time_outs_within_a_second_open_it(clock: Clock) -> None:
    """A store that hangs costs most: the second time-out is the last that anybody pays."""
    breaker = StoreBreaker("store", clock)
    breaker.failed("timeout", timed_out=True)
    clock.now += 0.9
    breaker.failed("timeout", timed_out=True)
    assert breaker.is_open


def test_two_time_outs_far_from_each_other_do_not(clock: Clock) -> None:
    """A time-out now and then is not an outage."""
    breaker = StoreBreaker("store", clock)
    for _ in range(5):
        breaker.failed("timeout", timed_out=True)
        breaker.succeeded()
        clock.now += 1.1
    assert not breaker.is_open


def test_each_change_is_one_line_and_one_count(clock: Clock) -> None:
    """However many failures there are, opening is said once and closing is said once."""
    breaker = StoreBreaker("store", clock)
    with capture_logs() as lines:
        for _ in range(10):
            breaker.failed("read-only")
        clock.now += 5
        breaker.succeeded()
        breaker.succeeded()
    assert [(line["event"], line["log_level"]) for line in lines] == [
        ("shared ledger away", "warning"),
        ("shared ledger is back", "info"),
    ]
    assert lines[0]["reason"] == "read-only"
    assert lines[1]["away_seconds"] == 5
    assert dict(breaker.changes) == {"opened": 1, "closed": 1}
    assert dict(breaker.failures) == {"read-only": 10}
