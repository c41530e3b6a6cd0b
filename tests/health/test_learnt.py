"""What is learnt of answers: it decays, it is bounded, and several workers know together what one would."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routebook.health.habits import HALF_LIFE, Habits
from routebook.health.learnt import Learnt
from routebook.health.ratings import MOST_COUNT, Ratings
from routebook.health.speeds import ALL, Speeds

A, B = ("p", "a"), ("p", "b")


def output(of: Habits, client: str = "ann", model: str = "m", at: float = 0.0) -> float:
    known = of.of(client, model, at)
    assert known is not None
    return known[0]


def test_an_answer_is_expected_to_be_like_those_before_it() -> None:
    """The mean of the first ten; after that, the newest counts a tenth."""
    habits = Habits()
    assert habits.of("ann", "m", 0.0) is None
    for tokens in range(100, 1100, 100):
        habits.answered("ann", "m", tokens, 0.5, 0.0)
    assert output(habits) == pytest.approx(550.0, rel=0.05)
    habits.answered("ann", "m", 10_000, 0.5, 0.0)
    assert output(habits) == pytest.approx(550 * 0.9 + 1000, rel=0.05)


def test_a_client_is_like_the_others_until_it_is_known() -> None:
    """Its own answers soon count for more than those of everybody."""
    habits = Habits()
    for _ in range(20):
        habits.answered("terse", "m", 10, 0.0, 0.0)
    assert output(habits, "new") == pytest.approx(10.0)
    for _ in range(20):
        habits.answered("wordy", "m", 1000, 0.0, 0.0)
    assert output(habits, "wordy") > 900 and output(habits, "terse") < 300 < output(habits, "new")


def test_what_is_old_counts_less() -> None:
    """After ten half-lives a single answer says nearly everything."""
    habits = Habits()
    for _ in range(50):
        habits.answered("ann", "m", 1000, 0.0, 0.0)
    habits.answered("ann", "m", 100, 0.0, 10 * HALF_LIFE)
    assert output(habits, at=10 * HALF_LIFE) < 130


def test_the_table_is_bounded() -> None:
    """Who was not heard of for longest is forgotten first, and is taken for one of the others."""
    habits = Habits(most=3)
    for client in ("a", "b", "c", "a", "d"):
        habits.answered(client, "m", 10, 0.0, 0.0)
    assert len(habits) == 3
    assert {row[0] for row in habits.known()} == {"c", "a", "d"}


def test_four_slower_answers_make_a_model_slow() -> None:
    """And four faster ones make it fast again, however long it was slow."""
    speeds = Speeds()
    seen = []
    for seconds in (*[0.1] * 200, *[2.0] * 4, *[2.0] * 200, *[0.1] * 4):
        speeds.began(A, "m", seconds, 0.0)
        known = speeds.of(A, "m", 0.0)
        assert known is not None and known[0] is not None
        seen.append(known[0])
    assert seen[199] == pytest.approx(0.1, rel=0.08)
    assert seen[202] < 0.2, "three slow ones in a row may be chance"
    assert seen[203] == pytest.approx(2.0, rel=0.08)
    assert seen[-2] > 1.0 and seen[-1] == pytest.approx(0.1, rel=0.08)


def test_times_are_known_by_account_and_of_all_together() -> None:
    """With how long ago the last was measured."""
    speeds = Speeds()
    speeds.began(A, "m", 0.1, 5.0)
    speeds.ended(A, "m", 3.0, 6.0)
    assert speeds.of(B, "m", 10.0) is None
    for account in (A, ALL):
        known = speeds.of(account, "m", 10.0)
        assert known is not None
        assert known == (pytest.approx(0.1, rel=0.08), pytest.approx(3.0, rel=0.08), 4.0)


def test_ratings_add_up_within_bounds() -> None:
    """Ten thousand do not outweigh all that may come."""
    ratings = Ratings()
    assert ratings.of("m", "code") is None
    for _ in range(10_000):
        ratings.rated("m", "code", 1.0)
    assert ratings.of("m", "code") == (MOST_COUNT, MOST_COUNT)
    ratings.rated("m", "code", 0.0)
    known = ratings.of("m", "code")
    assert known is not None and known[0] < MOST_COUNT


EVENTS = st.lists(
    st.tuples(
        st.integers(0, 1), st.sampled_from("ab"), st.sampled_from("mn"), st.integers(0, 5000), st.floats(0.001, 500.0)
    ),
    max_size=60,
)


@given(EVENTS)
def test_workers_that_tell_each_other_know_about_the_same(events: list[tuple[int, str, str, int, float]]) -> None:
    """As news goes over a wire: after each event the other one hears of it, and both stand where one alone would. Who
    comes later is near enough."""
    alone, workers = Learnt(), (Learnt(), Learnt())
    for at, (who, client, model, tokens, seconds) in enumerate(events):
        for one in (alone, workers[who]):
            one.habits.answered(client, model, tokens, 0.25, float(at))
            one.speeds.began(A, model, seconds, float(at))
            one.ratings.rated(model, "code", 0.5)
        workers[1 - who].hear(json.loads(json.dumps(workers[who].news())))
    now = float(len(events))
    for worker in workers:
        for model in "mn":
            assert worker.speeds.of(A, model, now) == alone.speeds.of(A, model, now)
            assert worker.ratings.of(model, "code") == alone.ratings.of(model, "code")
            for client in "ab":
                assert worker.habits.of(client, model, now) == pytest.approx(alone.habits.of(client, model, now))
    assert workers[0].news() == {} and workers[1].news() == {}
    late = Learnt()
    late.hear(json.loads(json.dumps(alone.known())))
    for model in "mn":
        speed, was = late.speeds.of(A, model, now), alone.speeds.of(A, model, now)
        assert (speed is None) == (was is None)
        assert speed is None or was is None or speed[0] == pytest.approx(was[0], rel=0.16)
        assert late.ratings.of(model, "code") == alone.ratings.of(model, "code")
