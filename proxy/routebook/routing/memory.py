"""What a decision may remember of upstreams, and the same written down so that the decision can be made again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

AccountKey = tuple[str, str]
"""Provider's name and account's name."""


Bar = tuple[str, float, str]
"""Why an account may not be called now: the reason's code, for how many seconds, and because of what."""

RESTING = "account.resting"
"""The reason's code of an account that cools down, whatever the model."""


class Memory(Protocol):
    """What was measured (`health.measurements` is one); `at` is the moment of the request, monotonic seconds."""

    def barred(self, account: AccountKey, model: str, at: float) -> Bar | None:
        """Why the account may not be called for the model; None where it may."""

    def first_token(self, model: str) -> float | None:
        """Seconds to the first byte, as measured; None where nothing was."""

    def in_flight(self, account: AccountKey) -> int:
        """Calls of the account that are running."""

    def turn(self, provider: str) -> int:
        """Which turn it is among the provider's accounts."""


@dataclass(frozen=True, slots=True)
class Remembered:
    """Memory as it was: what a record says of it, or nothing at all.

    `rests` are accounts that cooled down (seconds, because), `bars` whatever else kept an account from a model.
    """

    rests: Mapping[AccountKey, tuple[float, str]] = field(default_factory=dict)
    first_tokens: Mapping[str, float] = field(default_factory=dict)
    running: Mapping[AccountKey, int] = field(default_factory=dict)
    bars: Mapping[tuple[AccountKey, str], Bar] = field(default_factory=dict)
    turns: Mapping[str, int] = field(default_factory=dict)

    def barred(self, account: AccountKey, model: str, at: float) -> Bar | None:
        """As it was at the request's moment, whatever `at` is."""
        rest = self.rests.get(account)
        return self.bars.get((account, model)) if rest is None else (RESTING, *rest)

    def first_token(self, model: str) -> float | None:
        """As it was."""
        return self.first_tokens.get(model)

    def in_flight(self, account: AccountKey) -> int:
        """As it was."""
        return self.running.get(account, 0)

    def turn(self, provider: str) -> int:
        """As it was."""
        return self.turns.get(provider, 0)


BLANK = Remembered()
"""A memory of nothing: every account is ready, nothing was measured."""


class Recollection:
    """A memory that notes what was asked of it and was not the usual, for the record."""

    __slots__ = ("_memory", "bars", "first_tokens", "rests", "running", "turns")

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self.rests: dict[AccountKey, tuple[float, str]] = {}
        self.first_tokens: dict[str, float] = {}
        self.running: dict[AccountKey, int] = {}
        self.bars: dict[tuple[AccountKey, str], Bar] = {}
        self.turns: dict[str, int] = {}

    def __repr__(self) -> str:
        return f"<Recollection rests {self.rests}, first tokens {self.first_tokens}, running {self.running}>"

    def barred(self, account: AccountKey, model: str, at: float) -> Bar | None:
        """Why the account may not be called for the model; None where it may."""
        bar = self._memory.barred(account, model, at)
        if bar is None:
            return None
        code, seconds, because = bar
        if code == RESTING:
            self.rests[account] = seconds, because
        else:
            self.bars[account, model] = bar
        return bar

    def first_token(self, model: str) -> float | None:
        """Seconds to the first byte, as measured; None where nothing was."""
        seconds = self._memory.first_token(model)
        if seconds is not None:
            self.first_tokens[model] = seconds
        return seconds

    def in_flight(self, account: AccountKey) -> int:
        """Calls of the account that are running."""
        running = self._memory.in_flight(account)
        if running:
            self.running[account] = running
        return running

    def turn(self, provider: str) -> int:
        """Which turn it is among the provider's accounts: the same for the whole of a plan."""
        turn = self.turns.get(provider)
        if turn is None:
            turn = self.turns[provider] = self._memory.turn(provider)
        return turn
