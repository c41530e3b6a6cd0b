"""What outcomes mean, who is next, and that nobody is after the first byte."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routebook.routing.attempts import OF_THE_ACCOUNT, Attempt, AttemptOutcome, Attempts, Meaning
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


def test_candidates_are_called_in_order_until_one_answers() -> None:
    """And then no more."""
    attempts = Attempts(FIVE, 4)
    assert attempts.take() is FIVE[0]
    attempts.ended(Attempt(FIVE[0], AttemptOutcome(status=429, retry_after=3.0), 0.1, ended=0.2))
    assert attempts.take() is FIVE[1]
    attempts.ended(Attempt(FIVE[1], AttemptOutcome(status=200)))
    assert attempts.take() is None
    assert [each.candidate for each in attempts.made] == [FIVE[0], FIVE[1]]
    assert attempts.retry_after == 3.0
    assert repr(attempts) == "<Attempts large upstream.overloaded -> large answered>"


def test_attempts_are_bounded() -> None:
    """However long the plan is."""
    attempts = Attempts(FIVE, 2)
    for candidate in FIVE[:2]:
        assert attempts.take() is candidate
        attempts.ended(Attempt(candidate, AttemptOutcome("upstream.unreachable")))
    assert attempts.take() is None


def test_what_speaks_of_an_account_alone_is_no_failed_attempt() -> None:
    """Every account is tried before a client hears that one was busy, refused or out of quota."""
    attempts = Attempts(FIVE, 2)
    for candidate, status in zip(FIVE, (429, 401, 402, 503, 500), strict=True):
        assert attempts.take() is candidate
        attempts.ended(Attempt(candidate, AttemptOutcome(status=status)))
    assert attempts.is_over


def test_another_round_is_made_of_those_whose_failure_may_pass() -> None:
    """And of nobody else, as often as the policy says."""
    attempts = Attempts(FIVE[:3], 10, rounds=2)
    for status in (429, 401, 503):
        candidate = attempts.take()
        assert candidate is not None
        attempts.ended(Attempt(candidate, AttemptOutcome(status=status)))
    assert attempts.take() is None
    assert attempts.again()
    assert [attempts.take(), attempts.take(), attempts.take()] == [FIVE[0], FIVE[2], None]
    assert not attempts.again()


def test_nobody_follows_the_first_byte() -> None:
    """Once the client has something of an answer, no other can take its place."""
    attempts = Attempts(FIVE, 4)
    attempts.take()
    attempts.commit()
    attempts.ended(Attempt(FIVE[0], AttemptOutcome("upstream.cut")))
    assert attempts.take() is None
    assert not attempts.again()


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
        before = attempts.committed
        candidate = attempts.take()
        if candidate is None:
            break
        assert not before
        called.append(candidate)
        if commits:
            attempts.commit()
        attempts.ended(Attempt(candidate, outcome))
        if commits or outcome.meaning is Meaning.ANSWER:
            assert not attempts.has_next
    assert called == list(candidates[: len(called)])
    failed = [outcome for outcome, _ in story[: len(called)] if outcome.failure not in OF_THE_ACCOUNT]
    assert len(failed) <= max(limit, 1) or limit == 0
