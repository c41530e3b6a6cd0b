"""The journal counted again from its first line, one record at a time: what the books and the records are held against.

It shares no arithmetic with the books: they fold what is new into sums, this walks each record from its beginning to its
end and says what is wrong with it. Ids of records that ended go to a database of its own, which may grow beyond memory.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from routebook.documents.quantities import Unit
from routebook.edge.journal.segments import complete_lines, instance_of, segment_names, size_of
from routebook.edge.ledger.entries import Draw, Held, Settled
from routebook.ledger.claims import Counter
from routebook.ledger.pot_names import pot_named

MOST_CALLS = 8
"""Calls of one record whose costs are tried in all combinations; with more, any amount up to their sum is taken."""


class Fault(NamedTuple):
    """Something that is not as it should be: a stable code, what it is, and the records concerned."""

    code: str
    words: str
    records: tuple[str, ...] = ()


class Call(msgspec.Struct):
    """What is looked at of one call of an upstream."""

    cost: int = 0


class Line(msgspec.Struct):
    """What is looked at of a line of the journal."""

    event: str
    id: str
    instance: str | None = None
    hold: Held | None = None
    draws: tuple[Draw, ...] | None = None
    settled: tuple[Settled, ...] | None = None
    cost: int = 0
    cost_parts: Mapping[str, int] = {}
    input: int = 0
    output: int = 0
    usage_by: str = ""
    attempts: tuple[Call, ...] = ()
    unpriced: tuple[str, ...] = ()
    crashed: bool = False


@dataclass(slots=True)
class Open:
    """A record that has begun and not ended, or whose ending the books have not read: what it holds, and what it holds
    as far as the books know."""

    instance: str
    draws: tuple[Draw, ...]
    booked: tuple[Draw, ...] | None
    has_ended: bool = False


class Ended(NamedTuple):
    """An ending whose beginning is not known (yet), its segment, and whether the books have read it."""

    line: Line
    segment: str
    booked: bool


@dataclass(slots=True)
class Recount:
    """What the journal comes to. `settled` is by segment, and like `held` only what the books have read too.

    `read` is how far these have read each segment, `parted` the records of which one line was removed with its segment.
    """

    read: Mapping[str, int]
    parted: frozenset[str] = frozenset()
    settled: dict[str, dict[Counter, int]] = field(default_factory=dict)
    held: dict[Counter, int] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    open: dict[str, Open] = field(default_factory=dict)
    early: dict[str, Ended] = field(default_factory=dict)
    records: int = 0
    size: int = 0
    unreadable: int = 0
    _closed: sqlite3.Connection = field(default_factory=lambda: sqlite3.connect(""))
    _closing: set[str] = field(default_factory=set)

    def walk(self, folder: Path, progress: Callable[[int], object] = lambda done: None) -> None:
        """Read all segments; `progress` hears how many bytes are done."""
        self._closed.execute("CREATE TABLE closed(id TEXT PRIMARY KEY) WITHOUT ROWID")
        for name in segment_names(folder):
            until = self.read.get(name, 0)
            for lines in complete_lines(folder / name, 0):
                for place, text in lines:
                    self._take(text, name, place < until)
                self.size += sum(len(text) + 1 for _, text in lines)
                self._note_closed()
                progress(self.size)
            if size_of(folder / name) < until:
                self.faults.append(
                    Fault("ledger.segment-cut", f"the segment `{name}` is shorter than what the books have read of it")
                )

    def finish(self, living: set[str]) -> None:
        """Judge what was left over: endings without a beginning, beginnings without an ending."""
        for identity, ended in self.early.items():
            if self._is_closed(identity):
                self.faults.append(Fault("ledger.doubled-ending", "the record ended twice", (identity,)))
            elif identity in self.parted:
                # its beginning was removed with its segment, and held what its ending settles
                self._count(ended.line.settled or (), ended.segment, ended.booked)
            else:
                self.faults.append(
                    Fault("ledger.ending-without-beginning", "the record ended and never began", (identity,))
                )
        for identity, record in self.open.items():
            for draw in record.booked or ():
                counter = (draw.pot, draw.start)
                self.held[counter] = self.held.get(counter, 0) + draw.amount
            if record.draws and not record.has_ended and record.instance not in living:
                words = f"the record holds {_amounts(record.draws)}, and its process `{record.instance}` is dead"
                self.faults.append(Fault("ledger.beginning-without-ending", words, (identity,)))
        if self.unreadable:
            self.faults.append(Fault("ledger.unreadable-line", f"lines that nobody can read: {self.unreadable}"))
        self._closed.close()

    def _take(self, text: bytes, segment: str, booked: bool) -> None:
        try:
            line = _DECODE(text)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            self.unreadable += 1
            return
        match line.event:
            case "decided":
                self.records += 1
                self._begin(line, segment, booked)
            case "held" if line.draws is not None:
                self._hold(line.id, line.draws, instance_of(segment), booked)
            case "ended":
                self._end(Ended(line, segment, booked))

    def _begin(self, line: Line, segment: str, booked: bool) -> None:
        draws = () if line.hold is None else line.hold.draws
        if line.id in self.open or self._is_closed(line.id):
            self.faults.append(Fault("ledger.doubled-beginning", "the record began twice", (line.id,)))
        if line.id in self.parted:
            self._closing.add(line.id)  # its ending was removed with its segment, and has settled what it held
            return
        self.open[line.id] = Open(line.instance or instance_of(segment), draws, draws if booked else None)
        early = self.early.pop(line.id, None)
        if early is not None:
            self._end(early)

    def _hold(self, identity: str, draws: tuple[Draw, ...], instance: str, booked: bool) -> None:
        record = self.open.get(identity)
        if record is not None:
            record.draws = draws
            record.booked = draws if booked else record.booked
        elif identity in self.parted:
            self.open[identity] = Open(instance, draws, draws if booked else None)
        else:
            self.faults.append(Fault("ledger.hold-without-beginning", "the record holds and is not open", (identity,)))

    def _end(self, ended: Ended) -> None:
        line = ended.line
        record = self.open.get(line.id)
        if record is None or record.has_ended:
            self.early[line.id] = ended
            return
        settled = line.settled
        if settled is None:
            settled = tuple(Settled(draw.pot, draw.start, draw.orphan) for draw in record.draws)
        self.faults += (Fault("ledger.record-miscounted", words, (line.id,)) for words in _wrong(line, record.draws))
        if record.booked is not None and ended.booked:
            self._count(settled, ended.segment, True)
        if ended.booked or record.booked is None:
            del self.open[line.id]
        else:
            record.has_ended = True
        self._closing.add(line.id)

    def _count(self, settled: Iterable[Settled], segment: str, booked: bool) -> None:
        if booked:
            sums = self.settled.setdefault(segment, {})
            for pot, start, amount in settled:
                sums[pot, start] = sums.get((pot, start), 0) + amount

    def _note_closed(self) -> None:
        self._closed.executemany("INSERT OR IGNORE INTO closed VALUES (?)", ((identity,) for identity in self._closing))
        self._closing.clear()

    def _is_closed(self, identity: str) -> bool:
        found = identity in self._closing
        return found or self._closed.execute("SELECT 1 FROM closed WHERE id = ?", (identity,)).fetchone() is not None


_DECODE = msgspec.json.Decoder(Line).decode


def _wrong(line: Line, draws: tuple[Draw, ...]) -> Iterator[str]:
    """What is wrong with the amounts that a record settles."""
    if line.settled is None:
        if draws:
            yield "the record held something and does not say what it used"
        return
    held = {(draw.pot, draw.start): draw for draw in draws}
    for pot, start, amount in line.settled:
        draw = held.get((pot, start))
        if draw is None:
            if amount:
                yield f"{amount} are settled on `{pot}` and nothing was held there"
        elif line.crashed:
            if amount != draw.orphan:
                yield f"{amount} are settled on `{pot}`, and {draw.orphan} were to be booked for a process that died"
        elif line.usage_by == "held" and amount == draw.amount:
            continue
        elif (wrong := _wrong_amount(line, pot, amount, alone=_is_alone(pot, line.settled))) is not None:
            yield wrong
    settled = {(pot, start) for pot, start, _ in line.settled}
    for counter in held.keys() - settled:
        yield f"`{counter[0]}` was held and is not settled"


def _is_alone(pot: str, settled: Iterable[Settled]) -> bool:
    """Whether a record drew on one pot only of this budget, so that all its calls did."""
    kind, name, _ = pot_named(pot)
    return sum(pot_named(each.pot)[:2] == (kind, name) for each in settled) == 1


def _wrong_amount(line: Line, pot: str, amount: int, *, alone: bool) -> str | None:
    calls = len(line.attempts)
    match pot_named(pot).unit:
        case Unit.MONEY:
            exact = amount == line.cost if alone else _is_sum(amount, _costs(line))
            fits = amount >= line.cost if line.unpriced and alone else exact or bool(line.unpriced)
            return None if fits else f"{amount} are settled on `{pot}`, and the record cost {line.cost}"
        case Unit.TOKENS:
            used = line.input + line.output
            # calls without an answer may have used tokens too, which a record does not tell one by one
            fits = amount == used or (calls > 1 and ("lost" in line.cost_parts or (amount == 0 and not alone)))
            return None if fits else f"{amount} are settled on `{pot}`, and the record used {used} tokens"
    return None if amount <= max(1, calls) else f"{amount} are settled on `{pot}`, and the record made {calls} calls"


def _costs(line: Line) -> list[int]:
    """What the calls of a record cost, each by itself."""
    lost = [each.cost for each in line.attempts if each.cost]
    answer = line.cost - sum(lost)
    return [*lost, answer] if answer else lost


def _is_sum(amount: int, costs: list[int]) -> bool:
    """Whether an amount is what some of the calls cost: a pot may be drawn on by some of a record's calls only."""
    if len(costs) > MOST_CALLS:
        return amount <= sum(costs)
    return any(amount == sum(some) for count in range(len(costs) + 1) for some in combinations(costs, count))


def _amounts(draws: Iterable[Draw]) -> str:
    return ", ".join(f"{draw.amount} of `{draw.pot}`" for draw in draws)


def as_json(fault: Fault) -> dict[str, Any]:
    """A fault, ready for JSON."""
    return {"code": fault.code, "words": fault.words, "records": list(fault.records)}
