"""What a call's outcome says of the account that paid for it."""

from __future__ import annotations

import pytest

from routebook.health.verdicts import Kind, Rest, Verdict
from routebook.routing.attempts import AttemptOutcome
from routebook.routing.blame import verdict_of

NOW = 1_763_719_200.0


@pytest.mark.parametrize(
    ("outcome", "kind"),
    [
        (AttemptOutcome(status=200), Kind.GOOD),
        (AttemptOutcome(status=400), Kind.GOOD),
        (AttemptOutcome(status=404), Kind.GOOD),
        (AttemptOutcome(status=401), Kind.KEY_REFUSED),
        (AttemptOutcome(status=403), Kind.KEY_REFUSED),
        (AttemptOutcome(status=402), Kind.NO_QUOTA),
        (AttemptOutcome(status=429), Kind.OVERLOADED),
        (AttemptOutcome(status=429, error_code="insufficient_quota"), Kind.NO_QUOTA),
        (AttemptOutcome(status=500), Kind.FAILED),
        (AttemptOutcome(status=302), Kind.FAILED),
        (AttemptOutcome("upstream.first-byte-timeout"), Kind.FAILED),
        (AttemptOutcome("upstream.cut"), Kind.FAILED),
        (AttemptOutcome("upstream.too-large"), Kind.BLAMELESS),
        (AttemptOutcome("client.gone"), Kind.BLAMELESS),
        (AttemptOutcome("gateway.draining"), Kind.BLAMELESS),
    ],
)
def test_whose_fault_it_is(outcome: AttemptOutcome, kind: Kind) -> None:
    """The upstream's, the account's, its quota's; what a client or this program did wrong says nothing."""
    assert verdict_of(outcome, {}, b"", NOW).kind is kind


def test_what_the_answer_asks_for_comes_along() -> None:
    """Of a refusal, its word about retrying; of a good answer, that it was the last for now."""
    headers = {"retry-after": "7", "x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "2s"}
    assert verdict_of(AttemptOutcome(status=429), headers, b"", NOW) == Verdict(
        Kind.OVERLOADED, "429", Rest(7.0, "retry-after")
    )
    assert verdict_of(AttemptOutcome(status=200), headers, b"", NOW, 0.4) == Verdict(
        Kind.GOOD, "", Rest(2.0, "x-ratelimit-remaining-tokens"), 0.4
    )


def test_only_an_answer_measures_the_first_token() -> None:
    """A rejection is quick because nothing was done."""
    assert verdict_of(AttemptOutcome(status=400), {}, b"", NOW, 0.01).first_byte is None
