"""One request's attempts: what the outcome of each means, and who is next. Pure: nothing is called here.

INVARIANT: once the first byte went to the client (`commit`), no other candidate is ever tried.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import Final

import msgspec

from routebook.chat.loss import Loss
from routebook.routing.candidates import Candidate


class Meaning(enum.Enum):
    """What an outcome asks for."""

    ANSWER = "answer"
    """Pass it on: an answer, or a refusal that every candidate would repeat."""
    NEXT = "next"
    """Try the next candidate."""


class AttemptOutcome(msgspec.Struct, frozen=True, gc=False):
    """How a call ended. `code` None: an answer came, with `status`. Otherwise why none came (`upstream.unreachable`).

    `retry_after` is seconds, as the upstream asked; `error_code` what its error body says (`insufficient_quota`).
    """

    code: str | None = None
    status: int | None = None
    retry_after: float | None = None
    error_code: str | None = None

    @property
    def meaning(self) -> Meaning:
        """Whether another candidate may do better."""
        if self.code is None and (self.status is None or self.status < 300):
            return Meaning.ANSWER
        if self.code is not None or self.status is None:
            return Meaning.NEXT
        if self.status in _ELSEWHERE or self.status >= 500 or self.status < 400:
            return Meaning.NEXT
        return Meaning.NEXT if self.error_code in _ELSEWHERE_CODES else Meaning.ANSWER

    @property
    def failure(self) -> str | None:
        """The stable code of what went wrong; None for an answer."""
        if self.code is not None or self.status is None or self.status < 300:
            return self.code
        if self.error_code in _QUOTA_CODES:
            return "upstream.no-quota"
        return next((code for low, high, code in _FAILURES if low <= self.status <= high), "upstream.rejected")


_ELSEWHERE: Final = frozenset({401, 402, 403, 404, 408, 409, 425, 429})
"""Refusals below 500 that another account or model may not repeat: keys, quotas, models unknown there, load."""

_QUOTA_CODES: Final = frozenset({"insufficient_quota", "billing_hard_limit_reached"})
_ELSEWHERE_CODES: Final = frozenset({"context_length_exceeded", "model_not_found", *_QUOTA_CODES})
"""The same, as error bodies with another status say it."""

_FAILURES: Final = (
    (300, 399, "upstream.redirected"),
    (401, 401, "upstream.refused-key"),
    (402, 402, "upstream.no-quota"),
    (403, 403, "upstream.refused-key"),
    (404, 404, "upstream.unknown-model"),
    (408, 409, "upstream.failed"),
    (425, 425, "upstream.failed"),
    (429, 429, "upstream.overloaded"),
    (500, 999, "upstream.failed"),
)


class Attempt(msgspec.Struct, frozen=True, gc=False):
    """One call that was made. `started`, `first_byte` and `ended` are seconds since the request began; `cost` is what
    a call that brought no answer may have cost all the same, in nano-dollars (estimated)."""

    candidate: Candidate
    outcome: AttemptOutcome
    started: float = 0.0
    first_byte: float | None = None
    ended: float | None = None
    cost: int = 0
    losses: tuple[Loss, ...] = ()


class Attempts:
    """Walks a plan's candidates, each handed out once a round; stops at the first answer, and for good at `commit`.

    At most `limit` calls may fail. A refusal that speaks of the account alone (its key, its quota, its load) does not
    count: every account is tried before a client hears of that.
    """

    __slots__ = ("_candidates", "_limit", "_next", "_rounds", "committed", "made")

    def __init__(self, candidates: Sequence[Candidate], limit: int, rounds: int = 1) -> None:
        self._candidates = candidates
        self._limit = limit
        self._next = 0
        self._rounds = rounds
        self.made: list[Attempt] = []
        self.committed = False

    def __repr__(self) -> str:
        tried = " -> ".join(f"{each.candidate.name} {each.outcome.failure or 'answered'}" for each in self.made)
        return f"<Attempts {tried or 'none yet'}{', committed' if self.committed else ''}>"

    @property
    def first(self) -> Candidate:
        """Whom the plan names first; there must be somebody."""
        return self._candidates[0]

    @property
    def is_over(self) -> bool:
        """Whether nobody may be called any more: an answer has come or begun, or too many have failed."""
        if not self.made or self.committed:
            return self.committed
        if self.made[-1].outcome.meaning is Meaning.ANSWER:
            return True
        return sum(each.outcome.failure not in OF_THE_ACCOUNT for each in self.made) >= self._limit

    @property
    def has_next(self) -> bool:
        """Whether somebody is left in this round."""
        return self._next < len(self._candidates) and not self.is_over

    @property
    def is_spent(self) -> bool:
        """Whether nobody will be called any more, in this round or another."""
        return not self.has_next and (self._rounds <= 1 or self.is_over)

    @property
    def next_repeats(self) -> bool:
        """Whether the next candidate is of a provider that has failed already, of something else than an account."""
        if not self.made:
            return False
        provider = self._candidates[self._next].key[0]
        return any(
            each.candidate.key[0] == provider and each.outcome.failure not in OF_THE_ACCOUNT for each in self.made
        )

    def take(self) -> Candidate | None:
        """Whom to call now; None where nobody is left, the limit is reached, or an answer has begun."""
        if not self.has_next:
            return None
        self._next += 1
        return self._candidates[self._next - 1]

    def ended(self, attempt: Attempt) -> None:
        """Note how a call ended."""
        self.made.append(attempt)

    def again(self) -> bool:
        """Begin another round with those whose failure may pass by itself; whether there is one."""
        passing = {(each.candidate.name, each.candidate.key) for each in self.made if each.outcome.failure in PASSING}
        if self.is_over or self._rounds <= 1 or not passing:
            return False
        self._rounds -= 1
        self._candidates = tuple(each for each in self._candidates if (each.name, each.key) in passing)
        self._next = 0
        return True

    def answered_by(self, candidate: Candidate) -> bool:
        """Whether a call of this candidate brought an answer, and no refusal."""
        return any(each.candidate is candidate and each.outcome.failure is None for each in self.made)

    def commit(self) -> None:
        """The first byte goes to the client now: from here on, nobody else may answer."""
        self.committed = True

    @property
    def retry_after(self) -> float | None:
        """The soonest moment that any of the upstreams asked to be called again, in seconds; None: none said."""
        said = [each.outcome.retry_after for each in self.made if each.outcome.retry_after is not None]
        return min(said) if said else None


OF_THE_ACCOUNT: Final = frozenset(
    {"upstream.refused-key", "upstream.no-quota", "upstream.overloaded", "request.not-carried"}
)
"""Failures that speak of an account alone, or after which nobody was called: another candidate may well answer."""

PASSING: Final = frozenset(
    {"upstream.overloaded", "upstream.failed", "upstream.unreachable", "upstream.connect-timeout"}
)
"""Failures after which the same candidate may answer a moment later, and that cost nothing to repeat."""
