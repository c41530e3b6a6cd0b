"""The three kinds of pots as the owner of the ledger keeps them: who was granted how much, and what is left.

Whatever was granted counts as drawn until its holder gives it back: what is left can be too little, never too much.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import msgspec

from routebook.ledger.claims import Claim, Kind

SECOND: Final = 1_000_000_000
MINUTE: Final = 60 * SECOND
"""Nanoseconds in which a rate flows back: a rate pot holds one minute's worth."""

SOON: Final = 1.0
"""Seconds after which a slot may be free again."""


@dataclass(slots=True)
class Part:
    """What one holder was granted of a counter and has not given back, and what of it is spent."""

    granted: int = 0
    spent: int = 0

    @property
    def open(self) -> int:
        """What the holder holds or may still draw."""
        return self.granted - self.spent


@dataclass(slots=True)
class Count:
    """One counter. `settled` and `held` are of processes that nothing is leased to, `granted` is the sum of the parts;
    `entitled` is what a shared store lets this host draw, None where none was asked."""

    settled: int = 0
    held: int = 0
    granted: int = 0
    entitled: int | None = None
    parts: dict[str, Part] = field(default_factory=dict)

    @property
    def drawn(self) -> int:
        """All that is settled, held or granted."""
        return self.settled + self.held + self.granted

    @property
    def spent(self) -> int:
        """All that is settled, as far as the holders have reported."""
        return self.settled + sum(part.spent for part in self.parts.values())

    @property
    def at_rest(self) -> bool:
        """Whether nothing is held and nobody may still draw."""
        return not self.held and not any(part.open for part in self.parts.values())

    def grant(self, holder: str, amount: int) -> None:
        """Let a holder draw so much more."""
        part = self.parts.setdefault(holder, Part())
        part.granted += amount
        self.granted += amount

    def spend(self, holder: str, amount: int) -> None:
        """Note what a holder says that it spent."""
        self.parts.setdefault(holder, Part()).spent += amount

    def use_up(self, holder: str, amount: int) -> None:
        """Count what a holder says that it spent no longer as drawn."""
        part = self.parts.setdefault(holder, Part())
        part.granted -= amount
        self.granted -= amount
        if not part.granted:
            del self.parts[holder]

    def take_back(self, holder: str, amount: int) -> None:
        """Take back what a holder gives, never more than it has. Less than nothing is what it used without having it."""
        part = self.parts.setdefault(holder, Part())
        back = min(amount, max(part.open, 0))
        part.granted -= back
        self.granted -= back
        if not part.granted and not part.spent:
            del self.parts[holder]

    def bury(self, holder: str) -> None:
        """Forget what a holder was granted."""
        part = self.parts.pop(holder, None)
        if part is not None:
            self.granted -= part.granted


class Pot(ABC):
    """What every kind of pot can do. Amounts are whatever the pot counts, `now` is seconds since 1970."""

    def __init__(self) -> None:
        self.counts: dict[int, Count] = {}

    def count(self, start: int) -> Count:
        """The counter of a slice."""
        count = self.counts.get(start)
        if count is None:
            count = self.counts[start] = Count()
        return count

    def counted(self, first: int) -> Iterator[Count]:
        """The counters that a window from `first` on counts."""
        return (count for start, count in self.counts.items() if start >= first)

    def placed(self, claim: Claim) -> Claim:
        """The claim on the slice that it is to be drawn on."""
        return claim

    def drawn(self, claim: Claim, now: float) -> int:
        """What is drawn of the pot already."""
        return sum(count.drawn for count in self.counted(claim.first))

    def level(self, now: float) -> int:
        """What is drawn of the pot in all slices, whoever asks."""
        return sum(count.drawn for count in self.counts.values())

    def spend(self, holder: str, start: int, amount: int, now: float) -> None:
        """Note what a holder says that it spent."""
        self.count(start).spend(holder, amount)

    def bury(self, holder: str) -> None:
        """Forget what a holder that is dead was granted."""
        for count in self.counts.values():
            count.bury(holder)

    @abstractmethod
    def retry_after(self, claim: Claim, short: int, now: float) -> float:
        """Seconds after which the claim may be met, which now falls short by so much."""

    def at_rest(self, now: float) -> bool:
        """Whether forgetting the pot would change nothing."""
        return all(count.at_rest for count in self.counts.values())


class SlotPot(Pot):
    """So much at the same time."""

    def retry_after(self, claim: Claim, short: int, now: float) -> float:
        """Soon: nobody knows when a request ends."""
        return SOON


class RatePot(Pot):
    """So much a minute, flowing back evenly: the generic cell rate algorithm, with a minute's worth at once.

    What holders have and did not spend counts as drawn, and begins to flow back when it is spent: so no minute sees more
    than a minute's worth and what flowed back in it, however long a holder keeps what it was granted.
    """

    def __init__(self) -> None:
        super().__init__()
        self._behind = 0  # what was spent and has not flowed back, in units times nanoseconds of a minute: exact
        self._seen, self._limit = 0, 1

    def drawn(self, claim: Claim, now: float) -> int:
        """What is held, and what has not flowed back yet, rounded up."""
        self._flow(now)
        self._limit = claim.limit
        return self.level(now)

    def level(self, now: float) -> int:
        """What is held, and what has not flowed back yet, rounded up."""
        self._flow(now)
        return super().level(now) - (-self._behind // MINUTE)

    def spend(self, holder: str, start: int, amount: int, now: float) -> None:
        """Note what a holder says that it spent: it flows back from now on."""
        self._flow(now)
        self.count(start).use_up(holder, amount)
        self._behind += amount * MINUTE

    def bury(self, holder: str) -> None:
        """Count all that a dead holder had as spent: nobody knows."""
        had = sum(count.parts[holder].open for count in self.counts.values() if holder in count.parts)
        self._behind += had * MINUTE
        super().bury(holder)

    def retry_after(self, claim: Claim, short: int, now: float) -> float:
        """Seconds until enough has flowed back, if all that is held is spent now."""
        over = super().drawn(claim, now) + claim.amount - claim.limit
        return max(self._behind + over * MINUTE, 0) / claim.limit / SECOND

    def at_rest(self, now: float) -> bool:
        """Whether all has flowed back and nobody may still draw."""
        self._flow(now)
        return not self._behind and super().at_rest(now)

    def _flow(self, now: float) -> None:
        """Let flow back what has done so by now; a clock that goes back makes it neither more nor less."""
        at = int(now * SECOND)
        self._behind = max(self._behind - max(at - self._seen, 0) * self._limit, 0)
        self._seen = at


class WindowPot(Pot):
    """So much in a window of time. `start` is the newest slice that was drawn on: what lies before is never drawn on
    again, whatever the clock says."""

    def __init__(self, start: int = 0) -> None:
        super().__init__()
        self.start, self._first, self._ends = start, 0, 0

    def placed(self, claim: Claim) -> Claim:
        """The claim on its own slice, or on the newest one where its own is over."""
        shift = self.start - claim.start
        if self.start >= claim.ends:
            claim = msgspec.structs.replace(claim, start=self.start, first=claim.first + shift, ends=claim.ends + shift)
        self.start, self._first, self._ends = max(self.start, claim.start), claim.first, claim.ends
        return claim

    def book(self, start: int, settled: int, held: int) -> None:
        """Add what was learned of processes that nothing is leased to."""
        count = self.count(start)
        count.settled += settled
        count.held += held
        self.start = max(self.start, start)

    def retry_after(self, claim: Claim, short: int, now: float) -> float:
        """Seconds until the window ends, or until enough slices have left it."""
        leaves = claim.ends
        if claim.first < claim.start:
            freed = 0
            for start in sorted(start for start in self.counts if start >= claim.first):
                freed += self.counts[start].drawn
                leaves = claim.ends + start - claim.first
                if freed >= short:
                    break
        return max(leaves - now, 0.0)

    @property
    def over_at(self) -> int | None:
        """When nothing that was drawn so far counts any more; None where no claim has told how long the window is."""
        return self._ends + max(self.start - self._first, 0) if self._ends else None

    def at_rest(self, now: float) -> bool:
        """Whether the window is over, nothing is held and nobody may still draw."""
        return self.over_at is not None and self.over_at <= now and super().at_rest(now)

    def sweep(self) -> None:
        """Forget slices that have left the window, where nothing is held and nobody may still draw."""
        for start in [start for start, count in self.counts.items() if start < self._first and count.at_rest]:
            del self.counts[start]


def new_pot(kind: Kind, forgotten: int) -> Pot:
    """An untouched pot; `forgotten` is where windows ended of which nothing is known any more."""
    match kind:
        case Kind.WINDOW:
            return WindowPot(forgotten)
        case Kind.RATE:
            return RatePot()
        case Kind.SLOTS:
            return SlotPot()
