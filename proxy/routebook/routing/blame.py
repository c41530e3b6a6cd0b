"""What a call's outcome says of the account that paid for it: never the client's fault, never ours."""

from __future__ import annotations

from collections.abc import Mapping

from routebook.health.quota_headers import LONGEST_QUOTA, asked_rest, last_for_now
from routebook.health.verdicts import Kind, Verdict
from routebook.routing.attempts import AttemptOutcome

_KINDS = {
    "upstream.rejected": Kind.GOOD,
    "upstream.unknown-model": Kind.GOOD,
    "upstream.overloaded": Kind.OVERLOADED,
    "upstream.no-quota": Kind.NO_QUOTA,
    "upstream.refused-key": Kind.KEY_REFUSED,
    "upstream.too-large": Kind.BLAMELESS,
}
"""What failures come to. Further ones of `upstream` are its own; all others say nothing of it."""


def verdict_of(
    outcome: AttemptOutcome, headers: Mapping[str, str], body: bytes, now: float, first_byte: float | None = None
) -> Verdict:
    """The verdict of one call: `headers` and `body` as the upstream sent them (empty where it sent none), `now` in
    seconds since 1970, `first_byte` how many seconds after the call a good answer began."""
    failure = outcome.failure
    if failure is None and outcome.status is None:
        return Verdict(Kind.BLAMELESS)  # nobody was called
    if failure is None:
        return Verdict(Kind.GOOD, rest=last_for_now(headers, now), first_byte=first_byte)
    kind = _KINDS.get(failure) or (Kind.FAILED if failure.startswith("upstream.") else Kind.BLAMELESS)
    because = str(outcome.status or failure)
    match kind:
        case Kind.GOOD:
            return Verdict(kind, rest=last_for_now(headers, now))
        case Kind.OVERLOADED | Kind.FAILED:
            return Verdict(kind, because, asked_rest(headers, body, now))
        case Kind.NO_QUOTA:
            return Verdict(kind, because, asked_rest(headers, body, now, LONGEST_QUOTA))
        case _:
            return Verdict(kind, because)
