"""What a worker remembers of its upstreams."""

from __future__ import annotations

import pytest

from routebook.health.measurements import DEFAULT_COOL_DOWN, LONGEST_COOL_DOWN, Measurements

MAIN = ("openai", "main")


def test_nothing_is_known_of_what_was_never_called() -> None:
    """No measurement is not a measurement of zero."""
    memory = Measurements()
    assert (memory.first_token("m"), memory.in_flight(MAIN), memory.resting(MAIN, 0.0)) == (None, 0, None)


def test_first_token_times_follow_what_is_measured() -> None:
    """The first measurement counts whole, later ones decay the past."""
    memory = Measurements()
    memory.answered("m", 1.0)
    assert memory.first_token("m") == 1.0
    memory.answered("m", 2.0)
    assert memory.first_token("m") == pytest.approx(1.2)
    for _ in range(50):
        memory.answered("m", 3.0)
    assert memory.first_token("m") == pytest.approx(3.0, abs=0.001)


def test_a_rest_ends_by_itself_and_says_why() -> None:
    """Retry-After of seven seconds keeps the account out for seven seconds."""
    memory = Measurements()
    memory.rest(MAIN, at=100.0, seconds=7.0, because="429")
    assert memory.resting(MAIN, 101.0) == (6.0, "429")
    assert memory.resting(MAIN, 107.0) is None


@pytest.mark.parametrize(("asked", "kept"), [(None, DEFAULT_COOL_DOWN), (1e9, LONGEST_COOL_DOWN)])
def test_absurd_rests_are_bounded(asked: float | None, kept: float) -> None:
    """No upstream can take an account out for days, and one that says nothing gets the default."""
    memory = Measurements()
    memory.rest(MAIN, at=0.0, seconds=asked, because="429")
    assert memory.resting(MAIN, 0.0) == (kept, "429")


@pytest.mark.parametrize("seconds", [0.0, -1.0])
def test_a_rest_of_nothing_is_none(seconds: float) -> None:
    """Retry-After: 0 and nonsense below it."""
    memory = Measurements()
    memory.rest(MAIN, at=5.0, seconds=seconds, because="429")
    assert memory.resting(MAIN, 5.0) is None


def test_a_shorter_rest_does_not_end_a_longer_one() -> None:
    """Two answers in flight: the one that asks for more is heard."""
    memory = Measurements()
    memory.rest(MAIN, at=0.0, seconds=60.0, because="429")
    memory.rest(MAIN, at=1.0, seconds=2.0, because="503")
    assert memory.resting(MAIN, 10.0) == (50.0, "429")


def test_calls_are_counted_in_and_out() -> None:
    """Load is what has begun and not ended; failures in a row start again after a success."""
    memory = Measurements()
    for failed in (True, True):
        memory.began(MAIN)
        memory.ended(MAIN, failed)
    memory.began(MAIN)
    assert (memory.in_flight(MAIN), memory.failures(MAIN)) == (1, 2)
    memory.ended(MAIN, failed=False)
    assert (memory.in_flight(MAIN), memory.failures(MAIN)) == (0, 0)
    assert repr(memory) == "<Measurements of 0 models, 1 accounts, 0 calls running>"
