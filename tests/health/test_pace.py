"""How fast something is of late."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routebook.health.pace import BUCKETS, Pace, quantile


def test_nothing_is_known_of_what_never_happened() -> None:
    """No time is not a time of zero."""
    assert Pace().mean is None
    assert quantile([Pace().weights], 0.5) is None
    assert quantile([], 0.5) is None


def test_quantiles_are_those_of_what_was_noted() -> None:
    """To within a bucket: nineteen fast ones and a slow one in twenty."""
    pace = Pace()
    for _ in range(20):
        for seconds in (*[0.2] * 18, 4.0, 4.0):
            pace.note(seconds)
    assert quantile([pace.weights], 0.5) == pytest.approx(0.2, rel=0.08)
    assert quantile([pace.weights], 0.95) == pytest.approx(4.0, rel=0.08)


def test_the_past_decays() -> None:
    """Once fast, now slow: slow."""
    pace = Pace()
    for seconds in (*[0.1] * 1000, *[2.0] * 100):
        pace.note(seconds)
    assert quantile([pace.weights], 0.05) == pytest.approx(2.0, rel=0.08)
    assert pace.mean == pytest.approx(2.0, rel=0.02)


def test_paces_of_several_workers_add_up() -> None:
    """Half of what either has seen."""
    fast, slow = Pace(), Pace()
    for _ in range(50):
        fast.note(0.1)
        slow.note(1.0)
    assert quantile([fast.weights, slow.weights], 0.4) == pytest.approx(0.1, rel=0.08)
    assert quantile([fast.weights, slow.weights], 0.6) == pytest.approx(1.0, rel=0.08)


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=50))
def test_whatever_is_noted_the_histogram_holds_it(times: list[float]) -> None:
    """Nothing falls out at either end, and the newest weighs 1."""
    pace = Pace()
    for seconds in times:
        pace.note(seconds)
    assert len(pace.weights) == BUCKETS
    assert max(pace.weights) >= 0.99
    assert sum(pace.weights) <= len(times) + 1e-6


def test_a_long_life_does_not_run_over() -> None:
    """After ten thousand answers weights are as they were after a hundred."""
    pace = Pace()
    for _ in range(10_000):
        pace.note(0.5)
    assert sum(pace.weights) == pytest.approx(20.0, rel=0.01)
