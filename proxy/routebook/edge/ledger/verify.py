"""The audit of the ledger: the books against the journal counted again, and the running owner against the books.

What the journal comes to is compared with the books as far as these have read it, so an audit is exact beside a service
that goes on writing. What stood in segments that were removed in time cannot be counted again; it is said how much it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from routebook.edge.journal.segments import living, segment_names, size_of
from routebook.edge.ledger.books import CARRIED, Books
from routebook.edge.ledger.recount import Fault, Recount
from routebook.ledger.claims import Counter


@dataclass(frozen=True, slots=True)
class Sum:
    """What a counter comes to: settled and held as the books have it, and how much of it is carried from segments that
    were removed. `again` is what the journal and what is carried come to."""

    counter: Counter
    settled: int
    held: int
    carried: int
    exceeded: int
    again: tuple[int, int]

    @property
    def is_equal(self) -> bool:
        """Whether books and journal say the same."""
        return (self.settled, self.held) == self.again


@dataclass(frozen=True, slots=True)
class Audit:
    """What was looked at and what was found. `behind` are bytes that the books have not read yet; `rebuilt` is when they
    were begun anew (seconds since 1970)."""

    segments: int
    records: int
    bytes: int
    behind: int
    rebuilt: int | None
    sums: tuple[Sum, ...]
    faults: tuple[Fault, ...]


class OwnersCounter(msgspec.Struct, frozen=True):
    """A counter as the running owner has it."""

    pot: str
    start: int
    settled: int
    drawn: int


class OwnersView(msgspec.Struct, frozen=True):
    """What `GET /ledger` of the admin listener answers: every counter of a window that the owner knows."""

    counters: tuple[OwnersCounter, ...]
    holders: int = 0


def audit(state_dir: Path, progress: Callable[[int, int], object] = lambda done, all: None) -> Audit:
    """Count everything again; `progress` hears bytes done and bytes in all. Raises BooksDamaged."""
    books = Books.copy(state_dir)
    try:
        alive = living(books.folder)
        read = {name: read for name, (_, read) in books.segments().items()}
        every_byte = sum(size_of(books.folder / name) for name in segment_names(books.folder))
        recount = Recount(read, frozenset(books.parted()))
        recount.walk(books.folder, lambda done: progress(done, every_byte))
        _carry_holds(books, recount)
        recount.finish(alive | living(books.folder))
        sums = tuple(_sums(books, recount))
        faults = [*recount.faults, *_missing(books), *_differences(books, recount, sums)]
        return Audit(
            len(segment_names(books.folder)),
            recount.records,
            recount.size,
            books.behind(),
            books.notes().get("rebuilt"),
            sums,
            tuple(faults),
        )
    finally:
        books.close()


def against_owner(state_dir: Path, owner: OwnersView) -> Iterator[Fault]:
    """Where the running owner counts otherwise than the journal as it is now. While requests run both move, so what is
    found counts only when it is found again and again."""
    books = Books.copy(state_dir)
    try:
        books.catch_up()
        totals = books.totals()
    finally:
        books.close()
    for each in owner.counters:
        counter = (each.pot, each.start)
        settled, held = totals.settled.get(counter, 0), sum(totals.held.get(counter, {}).values())
        if each.settled != settled:
            words = f"{_named(counter)}: the running owner has {each.settled} settled, the journal says {settled}"
            yield Fault("ledger.owner-differs", words)
        if each.drawn < settled + held:
            words = (
                f"{_named(counter)}: the running owner has {each.drawn} drawn, {settled + held} are settled and held"
            )
            yield Fault("ledger.owner-differs", words)


def as_json(found: Audit) -> dict[str, Any]:
    """An audit, ready for JSON."""
    return {
        "version": 1,
        "equal": not found.faults,
        "segments": found.segments,
        "records": found.records,
        "bytes": found.bytes,
        "behind": found.behind,
        "rebuilt": found.rebuilt,
        "counters": [
            {
                "pot": each.counter[0],
                "start": each.counter[1],
                "settled": each.settled,
                "held": each.held,
                "carried": each.carried,
                "exceeded": each.exceeded,
                "settled_again": each.again[0],
                "held_again": each.again[1],
            }
            for each in found.sums
        ],
        "faults": [{"code": each.code, "words": each.words, "records": list(each.records)} for each in found.faults],
    }


def _carry_holds(books: Books, recount: Recount) -> None:
    """Holds of records whose beginning was removed with its segment are taken from the books: no line tells them."""
    for records in books.open_holds().values():
        for identity in recount.parted & records.keys() - recount.open.keys():
            for draw in records[identity]:
                counter = (draw.pot, draw.start)
                recount.held[counter] = recount.held.get(counter, 0) + draw.amount


def _sums(books: Books, recount: Recount) -> Iterator[Sum]:
    totals, kept_from = books.totals(), books.notes().get("kept_from")
    carried = books.sums_by_segment().get(CARRIED, {})
    again: dict[Counter, int] = dict(carried)
    for sums in recount.settled.values():
        for counter, amount in sums.items():
            again[counter] = again.get(counter, 0) + amount
    known: Iterable[Counter] = totals.settled.keys() | totals.held.keys() | again.keys() | recount.held.keys()
    for counter in sorted(known):
        if kept_from is not None and counter[1] < kept_from and counter not in totals.settled:
            continue  # dropped long after its window
        yield Sum(
            counter,
            totals.settled.get(counter, 0),
            sum(totals.held.get(counter, {}).values()),
            carried.get(counter, 0),
            totals.exceeded.get(counter, 0),
            (again.get(counter, 0), recount.held.get(counter, 0)),
        )


def _differences(books: Books, recount: Recount, sums: Iterable[Sum]) -> Iterator[Fault]:
    """Counters that are not equal, with the segments in which they differ."""
    names = {number: name for name, (number, _) in books.segments().items()}
    booked: Mapping[str, Mapping[Counter, int]] = {
        names.get(number, "a segment that is gone"): sums for number, sums in books.sums_by_segment().items() if number
    }
    for each in sums:
        settled, held = each.again
        if each.settled != settled:
            where = [
                name
                for name in sorted(booked.keys() | recount.settled.keys())
                if booked.get(name, {}).get(each.counter, 0) != recount.settled.get(name, {}).get(each.counter, 0)
            ]
            words = f"{_named(each.counter)}: {each.settled} are settled in the books, {settled} by the journal"
            yield Fault("ledger.settled-differs", f"{words} (in {', '.join(where)})")
        if each.held != held:
            words = f"{_named(each.counter)}: {each.held} are held in the books, {held} by the journal"
            yield Fault("ledger.held-differs", words)


def _missing(books: Books) -> Iterator[Fault]:
    there = set(segment_names(books.folder))
    for name in sorted(books.segments().keys() - there):
        yield Fault(
            "ledger.segment-missing", f"the segment `{name}` was read, and is gone without having been forgotten"
        )


def _named(counter: Counter) -> str:
    return f"`{counter[0]}` from {counter[1]}"
