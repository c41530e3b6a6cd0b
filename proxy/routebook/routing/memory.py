"""What a decision may remember of upstreams, and the same written down so that the decision can be made again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

AccountKey = tuple[str, str]
"""Provider's name and account's name."""


class Memory(Protocol):
    """What was measured (`health.measurements` is one); `at` is the moment of the request, monotonic seconds."""

    def resting(self, account: AccountKey, at: float) -> tuple[float, str] | None:
        """How many seconds the account still rests, and why; None where it does not."""

    def first_token(self, model: str) -> float | None:
        """Seconds to the first byte, as measured; None where nothing was."""

    def in_flight(self, account: AccountKey) -> int:
        """Calls of the account that are running."""


@dataclass(frozen=True, slots=True)
class Remembered:
    """Memory as it was: what a record says of it, or nothing at all."""

    rests: Mapping[AccountKey, tuple[float, str]] = field(default_factory=dict)
    first_tokens: Mapping[str, float] = field(default_factory=dict)
    running: Mapping[AccountKey, int] = field(default_factory=dict)

    def resting(self, account: AccountKey, at: float) -> tuple[float, str] | None:
        """As it was at the request's moment, whatever `at` is."""
        return self.rests.get(account)

    def first_token(self, model: str) -> float | None:
        """As it was."""
        return self.first_tokens.get(model)

    def in_flight(self, account: AccountKey) -> int:
        """As it was."""
        return self.running.get(account, 0)


BLANK = Remembered()
"""A memory of nothing: every account is ready, nothing was measured."""


class Recollection:
    """A memory that notes what was asked of it and was not the usual, for the record."""

    __slots__ = ("_memory", "first_tokens", "rests", "running")

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self.rests: dict[AccountKey, tuple[float, str]] = {}
        self.first_tokens: dict[str, float] = {}
        self.running: dict[AccountKey, int] = {}

    def __repr__(self) -> str:
        return f"<Recollection rests {self.rests}, first tokens {self.first_tokens}, running {self.running}>"

    def resting(self, account: AccountKey, at: float) -> tuple[float, str] | None:
        """How many seconds the account still rests, and why; None where it does not."""
        rest = self._memory.resting(account, at)
        if rest is not None:
            self.rests[account] = rest
        return rest

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
