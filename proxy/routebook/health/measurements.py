"""What was measured of models and accounts: first-token times, load, failures, cool-downs.

The clock is an argument (`at`, monotonic seconds). All of it is memory of one worker: a hint for choosing among
candidates, never a condition of correctness.
"""

from __future__ import annotations

from dataclasses import dataclass, field

WEIGHT_OF_LATEST = 0.2
"""How much the newest first-token time counts against all before it: after ten answers the past weighs a tenth."""

LONGEST_COOL_DOWN = 3600.0
"""Seconds: an upstream that asks for more is tried again after an hour all the same."""

DEFAULT_COOL_DOWN = 5.0
"""Seconds an account rests after a 429 that did not say for how long."""

AccountKey = tuple[str, str]
"""Provider's name and account's name."""


@dataclass(slots=True)
class _Account:
    """One account as this worker has known it."""

    in_flight: int = 0
    failures_in_a_row: int = 0
    rests_until: float = float("-inf")
    rests_because: str = ""


@dataclass(slots=True)
class Measurements:
    """What one worker remembers of its upstreams."""

    _first_token: dict[str, float] = field(default_factory=dict)
    _accounts: dict[AccountKey, _Account] = field(default_factory=dict)

    def __repr__(self) -> str:
        busy = sum(account.in_flight for account in self._accounts.values())
        return (
            f"<Measurements of {len(self._first_token)} models, {len(self._accounts)} accounts, {busy} calls running>"
        )

    def began(self, account: AccountKey) -> None:
        """A call of the account has begun; every one of them must be reported by `ended`."""
        self._of(account).in_flight += 1

    def ended(self, account: AccountKey, failed: bool) -> None:
        """A call of the account is over, in whatever way."""
        known = self._of(account)
        known.in_flight -= 1
        known.failures_in_a_row = known.failures_in_a_row + 1 if failed else 0

    def answered(self, model: str, seconds: float) -> None:
        """The first byte of an answer came so many seconds after the call."""
        before = self._first_token.get(model)
        self._first_token[model] = seconds if before is None else before + WEIGHT_OF_LATEST * (seconds - before)

    def rest(self, account: AccountKey, at: float, seconds: float | None, because: str) -> None:
        """Leave the account alone for so long (None: a default); a longer rest already begun stays."""
        known = self._of(account)
        until = at + min(max(DEFAULT_COOL_DOWN if seconds is None else seconds, 0.0), LONGEST_COOL_DOWN)
        if until > known.rests_until:
            known.rests_until, known.rests_because = until, because

    def resting(self, account: AccountKey, at: float) -> tuple[float, str] | None:
        """How many seconds the account still rests, and why; None where it does not."""
        known = self._accounts.get(account)
        if known is None or known.rests_until <= at:
            return None
        return known.rests_until - at, known.rests_because

    def first_token(self, model: str) -> float | None:
        """The decaying mean of first-token times in seconds; None where nothing was measured."""
        return self._first_token.get(model)

    def in_flight(self, account: AccountKey) -> int:
        """Calls of the account that are running."""
        known = self._accounts.get(account)
        return 0 if known is None else known.in_flight

    def failures(self, account: AccountKey) -> int:
        """Calls of the account that failed since the last one that did not."""
        known = self._accounts.get(account)
        return 0 if known is None else known.failures_in_a_row

    def _of(self, account: AccountKey) -> _Account:
        return self._accounts.setdefault(account, _Account())
