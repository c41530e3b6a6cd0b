"""The lines of the journal as the ledger reads them, and what they do to the books.

A record holds what its last line `decided` or `held` says; its line `ended` settles that, once. An ending that finds no
hold (it was settled before, or its beginning is not known) settles nothing and is kept as a stray: should the beginning
turn up later, because a clock went back between two processes, it is settled then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Annotated, NamedTuple

import msgspec

from routebook.ledger.claims import Counter

Amount = Annotated[int, msgspec.Meta(ge=0, le=2**62)]
Moment = Annotated[int, msgspec.Meta(ge=-(2**62), le=2**62)]


class Draw(NamedTuple):
    """What a record holds of a counter, and what is booked of it should its process die before it ends."""

    pot: str
    start: Moment
    amount: Amount
    orphan: Amount


class Settled(NamedTuple):
    """What a record used of a counter."""

    pot: str
    start: Moment
    amount: Amount


class Held(msgspec.Struct):
    """What a record's first line says of budgets and limits."""

    draws: tuple[Draw, ...] = ()


class Entry(msgspec.Struct):
    """What the ledger needs of a line of the journal."""

    event: str
    id: str
    instance: str | None = None
    hold: Held | None = None
    draws: tuple[Draw, ...] | None = None
    settled: tuple[Settled, ...] | None = None


class Hold(NamedTuple):
    """What an open record holds, and the process that holds it."""

    instance: str
    draws: tuple[Draw, ...]


class Stray(NamedTuple):
    """An ending that found no hold, and the segment that it stands in."""

    settled: tuple[Settled, ...]
    segment: int


class Change(NamedTuple):
    """By how much the sums of a counter have changed; `exceeded` is what was settled beyond what was held for it."""

    settled: int
    held: int
    exceeded: int = 0

    def plus(self, more: Change) -> Change:
        """Both changes together."""
        return Change(self.settled + more.settled, self.held + more.held, self.exceeded + more.exceeded)


_SETTLED, _HELD, _EXCEEDED = range(3)
"""Where the figures of a `Change` stand in sums that are still counted."""


Changes = dict[str, dict[Counter, Change]]
"""What a reading of the journal brought, by process and counter."""

decode = msgspec.json.Decoder(Entry).decode
"""A line of the journal; raises msgspec.DecodeError, UnicodeDecodeError, RecursionError."""


class Page:
    """What some lines of the journal do to the books, gathered before it is written.

    `recall` gives what is held by a record and `recall_stray` the stray ending of one, as the books have them.
    """

    def __init__(self, recall: Callable[[str], Hold | None], recall_stray: Callable[[str], Stray | None]) -> None:
        self.holds: dict[str, Hold | None] = {}
        self.strays: dict[str, Stray | None] = {}
        self.settled: dict[tuple[str, int, str, int], list[int]] = {}
        self.unreadable = 0
        self._sums: dict[str, dict[Counter, list[int]]] = {}
        self._recall = recall
        self._recall_stray = recall_stray

    def __repr__(self) -> str:
        return f"<Page of {len(self.holds)} records>"

    @property
    def changes(self) -> Changes:
        """What the lines have changed, by process and counter."""
        return {
            instance: {counter: Change(*sums) for counter, sums in counters.items()}
            for instance, counters in self._sums.items()
        }

    def read(self, entry: Entry, instance: str, segment: int) -> None:
        """Take a line that stands in a segment of this process."""
        match entry.event:
            case "decided" if entry.hold is not None and entry.hold.draws:
                self._hold(entry.id, Hold(entry.instance or instance, entry.hold.draws))
            case "held" if entry.draws is not None:
                self._hold(entry.id, Hold(instance, entry.draws))
            case "ended":
                self._end(entry, segment)

    def _hold(self, identity: str, hold: Hold) -> None:
        before = self._held(identity)
        self._count(before, -1)
        self.holds[identity] = hold if hold.draws else None
        self._count(hold, 1)
        stray = self._stray(identity)
        if stray is not None:
            self.strays[identity] = None
            self._settle(identity, hold, stray.settled, stray.segment)

    def _end(self, entry: Entry, segment: int) -> None:
        hold = self._held(entry.id)
        if hold is not None:
            # an ending that does not say what was used: all that its hold says of a process that died, never too little
            orphans = tuple(Settled(draw.pot, draw.start, draw.orphan) for draw in hold.draws)
            self._settle(entry.id, hold, orphans if entry.settled is None else entry.settled, segment)
        elif entry.settled:
            self.strays[entry.id] = Stray(entry.settled, segment)

    def _settle(self, identity: str, hold: Hold, settled: Iterable[Settled], segment: int) -> None:
        self._count(hold, -1)
        self.holds[identity] = None
        held = {(draw.pot, draw.start): draw.amount for draw in hold.draws}
        for pot, start, amount in settled:
            exceeded = max(0, amount - held.get((pot, start), 0))
            sums = self.settled.setdefault((pot, start, hold.instance, segment), [0, 0])
            sums[0] += amount
            sums[1] += exceeded
            change = self._change(hold.instance, (pot, start))
            change[_SETTLED] += amount
            change[_EXCEEDED] += exceeded

    def _count(self, hold: Hold | None, sign: int) -> None:
        if hold is not None:
            for draw in hold.draws:
                self._change(hold.instance, (draw.pot, draw.start))[_HELD] += sign * draw.amount

    def _change(self, instance: str, counter: Counter) -> list[int]:
        """The sums of a counter, to be added to."""
        counters = self._sums.get(instance)
        if counters is None:
            counters = self._sums[instance] = {}
        sums = counters.get(counter)
        if sums is None:
            sums = counters[counter] = [0, 0, 0]
        return sums

    def _held(self, identity: str) -> Hold | None:
        return self.holds[identity] if identity in self.holds else self._recall(identity)

    def _stray(self, identity: str) -> Stray | None:
        return self.strays[identity] if identity in self.strays else self._recall_stray(identity)


_NONE = Change(0, 0)


def add_changes(to: Changes, more: Changes) -> None:
    """Add up what two readings brought; what comes to nothing is left out."""
    for instance, counters in more.items():
        sums = to.setdefault(instance, {})
        for counter, change in counters.items():
            both = sums.pop(counter, _NONE).plus(change)
            if both != _NONE:
                sums[counter] = both
        if not sums:
            del to[instance]
