"""What outcomes mean, who is next, and that nobody is after the first byte."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routebook.routing.attempts import AttemptOutcome, Attempts, Meaning
from routebook.routing.candidates import Candidate
from tests.support.routes import plan, policy

FIVE = plan(policy()).kept


@pytest.mark.parametrize(
    ("outcome", "meaning", "failure"),
    [
        (AttemptOutcome(status=200), Meaning.ANSWER, None),
        (AttemptOutcome(status=400), Meaning.ANSWER, "upstream.rejected"),
        (AttemptOutcome(status=422), Meaning.ANSWER, "upstream.rejected"),
        (AttemptOutcome(status=400, error_code="context_length_exceeded"), Meaning.NEXT, "upstream.rejected"),
        (AttemptOutcome(status=302), Meaning.NEXT, "upstream.redirected"),
        (AttemptOutcome(status=401), Meaning.NEXT, "upstream.refused-key"),
        (AttemptOutcome(status=403), Meaning.NEXT, "upstream.refused-key"),
        (AttemptOutcome(status=402), Meaning.NEXT, "upstream.no-quota"),
        (AttemptOutcome(status=429, error_code="insufficient_quota"), Meaning.NEXT, "upstream.no-quota"),
        (AttemptOutcome(status=404), Meaning.NEXT, "upstream.unknown-model"),
        (AttemptOutcome(status=408), Meaning.NEXT, "upstream.failed"),
        (AttemptOutcome(status=429), Meaning.NEXT, "upstream.overloaded"),
        (AttemptOutcome(status=500), Meaning.NEXT, "upstream.failed"),
        (AttemptOutcome(status=529), Meaning.NEXT, "upstream.failed"),
        (AttemptOutcome("upstream.unreachable"), Meaning.NEXT, "upstream.unreachable"),
        (AttemptOutcome("upstream.error-event", status=200), Meaning.NEXT, "upstream.error-event"),
    ],
)
def test_what_an_outcome_means(outcome: AttemptOutcome, meaning: Meaning, failure: str | None) -> None:
    """A refusal that every candidate would repeat is the answer; anything else may go better elsewhere."""
    assert (outcome.meaning, outcome.failure) == (meaning, failure)


@pytest.mark.parametrize(
    ("outcome", "failures", "rest"),
    [
        (AttemptOutcome(status=200), 0, None),
        (AttemptOutcome(status=400), 9, None),
        (AttemptOutcome(status=404), 9, None),
        (AttemptOutcome(status=429, retry_after=7.0), 1, (7.0, "429")),
        (AttemptOutcome(status=429), 1, (5.0, "429")),
        (AttemptOutcome(status=401), 1, (300.0, "401")),
        (AttemptOutcome(status=503, retry_after=2.0), 1, (2.0, "503")),
        (AttemptOutcome(status=500), 1, None),
        (AttemptOutcome(status=500), 2, None),
        (AttemptOutcome(status=500), 3, (2.0, "3 failures in a row")),
        (AttemptOutcome("upstream.unreachable"), 5, (8.0, "5 failures in a row")),
        (AttemptOutcome("upstream.unreachable"), 10**6, (60.0, "1000000 failures in a row")),
    ],
)
def test_how_long_an_account_is_left_alone(
    outcome: AttemptOutcome, failures: int, rest: tuple[float, str] | None
) -> None:
    """As long as the upstream asks; for refused keys, long; for failures, after the third and longer each time."""
    assert outcome.rest(failures) == rest


def test_candidates_are_called_in_order_until_one_answers() -> None:
    """And then no more."""
    attempts = Attempts(FIVE, 4)
    assert attempts.current is FIVE[0]
    assert attempts.ended(AttemptOutcome(status=429, retry_after=3.0), started=0.1, ended=0.2) is FIVE[1]
    assert attempts.ended(AttemptOutcome(status=200)) is None
    assert [each.candidate for each in attempts.made] == [FIVE[0], FIVE[1]]
    assert attempts.retry_after == 3.0
    assert repr(attempts) == "<Attempts large upstream.overloaded -> large answered>"


def test_attempts_are_bounded() -> None:
    """However long the plan is."""
    attempts = Attempts(FIVE, 2)
    attempts.ended(AttemptOutcome("upstream.unreachable"))
    assert attempts.ended(AttemptOutcome("upstream.unreachable")) is None


def test_nobody_follows_the_first_byte() -> None:
    """Once the client has something of an answer, no other can take its place."""
    attempts = Attempts(FIVE, 4)
    attempts.commit()
    assert attempts.ended(AttemptOutcome("upstream.cut")) is None
    assert attempts.current is None


OUTCOMES = st.builds(
    AttemptOutcome,
    code=st.none() | st.just("upstream.unreachable"),
    status=st.none() | st.integers(100, 599),
    retry_after=st.none() | st.floats(0, 100),
)


@settings(deadline=None)
@given(st.integers(0, 5), st.integers(0, 6), st.lists(st.tuples(OUTCOMES, st.booleans()), max_size=10))
def test_attempts_end_keep_their_order_and_never_move_on_after_commitment(
    many: int, limit: int, story: list[tuple[AttemptOutcome, bool]]
) -> None:
    """Law 7: for every story of outcomes, with commitment anywhere in it."""
    candidates = FIVE[:many]
    attempts = Attempts(candidates, limit)
    called: list[Candidate] = []
    for outcome, commits in story:
        candidate = attempts.current
        if candidate is None:
            break
        assert not attempts.committed
        called.append(candidate)
        if commits:
            attempts.commit()
        following = attempts.ended(outcome)
        if commits or outcome.meaning is Meaning.ANSWER:
            assert following is None
    assert called == list(candidates[: len(called)])
    assert len(called) <= min(many, limit)
