"""When calls fail too often."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from routebook.health.breakers import SLICES, Thresholds, Window, why_ejected, why_open

SOME = Thresholds(failures=0.5, of=4, within=10.0, in_a_row=3)


def window(outcomes: str, begins: float = 0.0, step: float = 0.1) -> Window:
    """Calls one after the other: `x` failed, `.` did not."""
    found = Window()
    for index, outcome in enumerate(outcomes):
        found.note(begins + index * step, SOME.within, outcome == "x")
    return found


def test_it_opens_at_a_share_of_failures_among_enough_calls() -> None:
    """Three calls are too few to speak of a share; four of which two failed are enough."""
    assert why_open(window("x.x"), SOME, 1.0) is None
    assert why_open(window("x.x."), SOME, 1.0) == "2 of 4 calls failed"
    assert why_open(window("x...."), SOME, 1.0) is None


def test_it_opens_at_failures_in_a_row_however_few_calls_there_are() -> None:
    """An account that is called once a minute must not need twenty minutes to be left alone."""
    slow = Window()
    for minute in range(3):
        slow.note(minute * 60.0, SOME.within, True)
    assert why_open(slow, SOME, 120.0) == "3 failures in a row"


def test_what_is_past_no_longer_counts() -> None:
    """After `within`, failures are forgotten."""
    found = window("x.x.")
    assert why_open(found, SOME, 10.5) is None
    assert found.counts(10.5, SOME.within) == (0, 0)


@given(st.lists(st.tuples(st.floats(0, 3), st.booleans()), max_size=60))
def test_the_window_holds_what_it_says(calls: list[tuple[float, bool]]) -> None:
    """No call younger than nine tenths of it is missing, none older than all of it and a slice is in it."""
    found, at, noted = Window(), 0.0, []
    for wait, failed in calls:
        at += wait
        noted.append((at, failed))
        found.note(at, SOME.within, failed)
    count, failed = found.counts(at, SOME.within)
    surely = [each for each in noted if each[0] > at - SOME.within * (1 - 1 / SLICES)]
    perhaps = [each for each in noted if each[0] > at - SOME.within * (1 + 1 / SLICES)]
    assert len(surely) <= count <= len(perhaps)
    assert sum(each[1] for each in surely) <= failed <= sum(each[1] for each in perhaps)


def test_an_account_that_fails_far_more_often_than_the_others_stands_out() -> None:
    """Where all fail alike, none does; where too little is known, neither."""
    assert why_ejected(window("x.x."), [window("....")], SOME, 1.0) == "50% failed, 0% with the other accounts"
    assert why_ejected(window("x.x."), [window("x.x.")], SOME, 1.0) is None
    assert why_ejected(window("xx"), [window("....")], SOME, 1.0) is None
    assert why_ejected(window("x.x."), [], SOME, 1.0) is None
