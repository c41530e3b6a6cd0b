"""How things stand, and that what several workers know is one."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from routebook.health.standings import TRIAL_SECONDS, WELL, Standing, Standings, State

TIMES = st.floats(0, 1000, allow_nan=False)
TRIALS = st.tuples(st.integers(0, 3), TIMES, st.sampled_from(["w0", "w1"]), st.booleans())
STANDINGS = st.builds(
    Standing,
    st.integers(0, 2),
    TIMES,
    TIMES,
    st.sampled_from(["", "429", "503"]),
    st.integers(0, 4),
    st.sampled_from(["", "401", "403"]),
    TRIALS,
)


@given(STANDINGS, STANDINGS, STANDINGS)
def test_what_is_known_does_not_depend_on_who_heard_what_first(a: Standing, b: Standing, c: Standing) -> None:
    """Merging commutes, associates, and changes nothing the second time."""
    assert a.merged(b) == b.merged(a)
    assert a.merged(b).merged(c) == a.merged(b.merged(c))
    assert a.merged(a) == a
    assert a.merged(b).merged(b) == a.merged(b)


@given(st.permutations(range(6)), st.lists(STANDINGS, min_size=6, max_size=6))
def test_news_come_to_the_same_in_any_order(order: list[int], news: list[Standing]) -> None:
    """And twice is as good as once."""
    one, other = Standings(), Standings()
    for index in range(6):
        one.hear({"x": news[index]})
    for index in (*order, *order):
        other.hear({"x": news[index]})
    assert one.of("x") == other.of("x")


@given(STANDINGS, TIMES, TIMES, st.floats(-5, 100), TIMES)
def test_a_rest_never_gets_shorter(standing: Standing, at: float, began: float, seconds: float, later: float) -> None:
    """Whatever else is heard within an era, a rest ends when it was to end or later."""
    for after in (standing.struck(at, began, seconds, "429"), standing.paused(at, seconds, "429")):
        assert after.until >= standing.until
        assert after.until >= min(at, at + seconds)
        assert not (standing.state(later) is State.RESTING and after.state(later) is State.READY)


@given(STANDINGS, TIMES)
def test_whoever_is_tried_lets_nobody_else_try(standing: Standing, at: float) -> None:
    """Once a trial has begun, there is no second one until it is over or too old."""
    if standing.state(at) is State.ON_TRIAL:
        tried = standing.tried(at, "w0")
        assert tried.state(at) is State.PROBING
        assert tried.judged(tried).state(at) is State.ON_TRIAL
        assert tried.state(at + TRIAL_SECONDS + 1) is State.ON_TRIAL


@given(STANDINGS)
def test_it_survives_the_way_to_another_process(standing: Standing) -> None:
    """As JSON, to the last bit."""
    assert msgspec.json.decode(msgspec.json.encode(standing), type=Standing) == standing


def test_a_failure_rests_it_then_it_is_tried_then_it_is_well() -> None:
    """Ready, resting, on trial, probing, ready."""
    struck = WELL.struck(at=10.0, began=9.0, seconds=7.0, because="429")
    assert [struck.state(at) for at in (10.0, 16.9, 17.0)] == [State.RESTING, State.RESTING, State.ON_TRIAL]
    tried = struck.tried(18.0, "w0")
    assert tried.state(18.5) is State.PROBING
    assert tried.proven(19.0, began=18.0).state(19.0) is State.READY


def test_an_answer_to_an_older_call_proves_nothing() -> None:
    """A stream that was running when another call got a 429 does not end the rest."""
    struck = WELL.struck(at=10.0, began=9.0, seconds=0.0, because="429")
    assert struck.proven(11.0, began=8.0) is struck
    assert struck.proven(11.0, began=10.0).strikes == 0


def test_many_failures_at_once_are_one() -> None:
    """Fifty calls that were all running when the quota ran out are one strike; a call that began later is another."""
    standing = WELL
    for number in range(50):
        standing = standing.struck(at=10.0 + number / 100, began=9.0, seconds=1.0, because="429")
    assert standing.strikes == 1
    assert standing.struck(at=20.0, began=15.0, seconds=1.0, because="429").strikes == 2


def test_out_is_out_until_somebody_forgives() -> None:
    """No time ends it and no success; a new era does, on whatever worker it begins."""
    out = WELL.taken_out("401")
    assert out.state(1e9) is State.OUT
    assert out.proven(5.0, began=4.0).state(5.0) is State.OUT
    back = out.forgiven(6.0)
    assert out.merged(back).state(6.0) is State.READY
    assert back.merged(out).state(6.0) is State.READY


def test_a_pause_leaves_no_suspicion() -> None:
    """An account that said it had no more for now is simply ready afterwards."""
    assert WELL.paused(0.0, 5.0, "x").state(5.0) is State.READY
