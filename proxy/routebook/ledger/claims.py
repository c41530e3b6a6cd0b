"""What a request draws on, and what it is told: the words that workers, the ledger's owner and shared stores exchange.

A *pot* is whatever a request draws on: a budget as one team has it, the slots of an account, the tokens a minute of a
client. A claim says how much of it a request may need at most, and carries all that is needed to decide about it: who
decides knows no policy.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping

import msgspec

Counter = tuple[str, int]
"""A pot and the start of the slice of time that is drawn on (seconds since 1970; 0 for rates and slots)."""


class Kind(enum.Enum):
    """How a pot empties and fills."""

    WINDOW = "window"
    """So much in a window of time: what was drawn comes back when its slice has left the window. Durable."""
    RATE = "rate"
    """So much a minute, flowing back evenly (GCRA)."""
    SLOTS = "slots"
    """So much at the same time: what was drawn comes back when it is given back."""


class Claim(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One pot that a request draws on; a request names each pot once. Amounts are nano-dollars, tokens or requests, whatever the pot counts.

    `limit` is the pot's size: in the window, a minute, or at the same time. For a window, `start` is the slice that is
    drawn on, `first` the oldest slice that still counts (the same as `start` for a window of the calendar), `ends` when
    the slice that leaves the window next does so (seconds since 1970). `wait` is how many seconds a request may queue
    for it, among at most `places` others. `allowance` is what one host may draw while a shared store is away; None: nothing.
    `request` is what the request needs of the pot in all, where the claim is for a part of that (0: it is for all).
    """

    pot: str
    kind: Kind
    limit: int
    amount: int
    start: int = 0
    first: int = 0
    ends: int = 0
    wait: float = 0.0
    places: int = 0
    allowance: int | None = None
    request: int = 0

    @property
    def size(self) -> int:
        """What the request needs of the pot in all: by that it is judged how much is plenty."""
        return max(self.request, self.amount)

    @property
    def counter(self) -> Counter:
        """What it is counted under."""
        return self.pot, self.start


class Why(enum.Enum):
    """Why nothing was granted."""

    EXHAUSTED = "exhausted"
    UNAVAILABLE = "unavailable"
    """The shared store is away, and the budget denies without it (or its allowance is drawn)."""
    QUEUE_FULL = "queue-full"
    QUEUE_TIMEOUT = "queue-timeout"
    UNPRICED = "unpriced"
    """The model's price is not known, and the budget counts money."""


class Refusal(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The first claim that cannot be met; nothing was drawn on any. `drawn` is what is settled and held there already;
    `retry_after` seconds after which it may be met (None: never, it is larger than the pot)."""

    claim: Claim
    drawn: int
    retry_after: float | None
    why: Why = Why.EXHAUSTED


class Grant(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What the holder may draw from now on, as (pot, slice, amount): at least what it claimed, more where there is plenty.

    A slice may be a later one than was claimed, where a clock went back: a window that was left is never drawn on
    again. `tight` are pots in which little is left: what is not used of them is to be given back at once. `drawn` is
    what all holders together have settled and hold, by pot.
    """

    amounts: tuple[tuple[str, int, int], ...]
    tight: tuple[str, ...] = ()
    drawn: Mapping[str, int] = {}


class Report(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What a holder says of what it was granted: spent, and given back (negative: more was used than was held), both
    since its report before. Reports are numbered from 1, so that one that is heard twice counts once."""

    spent: tuple[tuple[str, int, int], ...] = ()
    returned: tuple[tuple[str, int, int], ...] = ()
    number: int = 0
