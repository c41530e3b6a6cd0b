"""One table per fact: from the answer to the lines that still stand after it.

A table holds one row for each line that asks about its fact; lines that do not ask stand whatever the answer is.
Tables are bounded. What does not fit is left standing in doubt: `doubtful` are the lines that a table may leave
standing although their test fails, so that they must be looked at again before they win. A line is never dropped
wrongly.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from routebook.policy.clauses import Atoms, Clauses, clauses_of
from routebook.policy.conditions import Every, Predicate, Test, satisfies
from routebook.policy.facts import FactType, Value
from routebook.policy.globs import GlobIndex
from routebook.policy.masks import Postings, mask_of
from routebook.policy.number_line import stretches_of

_KEPT_LENGTH = 256
"""The longest text (or set, in all) whose answer is kept: a client could send long ones to fill the memory."""


@dataclass(frozen=True, slots=True)
class Row:
    """What the line with a bit asks of the fact.

    `predicate`: what must hold of a known value (None: nothing). `known`: whether the line stands for any known value
    at all; `missing`: whether it stands when the fact is missing.
    """

    bit: int
    predicate: Predicate | None
    known: bool
    missing: bool


@dataclass(frozen=True, slots=True)
class Limits:
    """How large tables may grow.

    `stride`: turns of a number's tests from one note to the next. `tries`: patterns tried for one text and key.
    `clauses`: layers of one table. `few`: facts with so few lines get no masks where there are more than `wide` lines
    in all. `masks`: ready sets of lines in one table. `kept`: remembered answers of one table. `lines`: ways of meeting
    one rule.
    """

    stride: int = 4
    tries: int = 64
    clauses: int = 3
    few: int = 8
    wide: int = 1024
    masks: int = 4096
    kept: int = 1024
    lines: int = 16


def row_of(bit: int, tests: Sequence[Test]) -> Row:
    """The row of a line that puts these tests to one fact."""
    predicates = tuple(test.predicate for test in tests if test.predicate is not None)
    predicate = None if not predicates else predicates[0] if len(predicates) == 1 else Every(predicates)
    known = all(test.known for test in tests if test.predicate is None)
    missing = all(test.missing_holds if test.predicate is not None else not test.known for test in tests)
    return Row(bit, predicate, known, missing)


class Table(Protocol):
    """Answers for one fact."""

    ready: dict[Value | None, int]
    """Answers that are known already: always that of a missing fact (None)."""
    doubtful: frozenset[int]
    """The bits of lines that may stand although their test fails."""

    def answer(self, value: Value) -> int:
        """The lines that stand after an answer that is not ready."""


def table_for(kind: FactType, rows: Sequence[Row], width: int, limits: Limits) -> Table:
    """The table of one fact whose rows are given, for lines `width` bits wide."""
    if len(rows) <= limits.few and width > limits.wide:
        return FewTable(rows)
    if kind is FactType.FLAG:
        return FlagTable(rows, width)
    if kind is FactType.NUMBER:
        return NumberTable(rows, width, limits)
    return WordTable(rows, width, limits)


def _missing(rows: Iterable[Row], others: int, width: int) -> int:
    return others | mask_of((row.bit for row in rows if row.missing), width)


def _others(rows: Iterable[Row], width: int) -> int:
    """The lines that do not ask about the fact."""
    return (1 << width) - 1 ^ mask_of((row.bit for row in rows), width)


class FlagTable:
    """A flag: three answers, all ready."""

    __slots__ = ("doubtful", "ready")

    def __init__(self, rows: Sequence[Row], width: int) -> None:
        others = _others(rows, width)
        self.doubtful: frozenset[int] = frozenset()
        self.ready: dict[Value | None, int] = {
            flag: others | mask_of((row.bit for row in rows if _holds(row, flag)), width) for flag in (True, False)
        }
        self.ready[None] = _missing(rows, others, width)

    def answer(self, value: Value) -> int:
        """Never asked: both answers are ready."""
        return self.ready[value]


def _holds(row: Row, value: Value) -> bool:
    return row.known and (row.predicate is None or satisfies(value, row.predicate))


class FewTable:
    """A fact that few lines of many ask about: no masks, each line's own question is put to the answer."""

    __slots__ = ("_rows", "doubtful", "ready")

    def __init__(self, rows: Sequence[Row]) -> None:
        self._rows = tuple(rows)
        self.doubtful: frozenset[int] = frozenset()
        # A negative integer has every higher bit: "all lines but these" without spelling out all lines.
        self.ready: dict[Value | None, int] = {None: ~_sum_of(row.bit for row in rows if not row.missing)}

    def answer(self, value: Value) -> int:
        """All lines but those whose test fails."""
        return ~_sum_of(row.bit for row in self._rows if not _holds(row, value))


def _sum_of(bits: Iterable[int]) -> int:
    mask = 0
    for bit in bits:
        mask |= 1 << bit
    return mask


class NumberTable:
    """A number: walking up the line of numbers, each place where some test turns puts one line down or up again.

    The lines that stand are noted at every `stride` turns; an answer starts at the nearest note and follows the turns
    from there. So thousands of different thresholds cost little memory, and an answer little time, with nothing lost.
    """

    __slots__ = ("_at", "_before", "_notes", "_numbers", "_stride", "_turning", "doubtful", "ready")

    def __init__(self, rows: Sequence[Row], width: int, limits: Limits) -> None:
        others = _others(rows, width)
        self.doubtful: frozenset[int] = frozenset()
        self.ready: dict[Value | None, int] = {None: _missing(rows, others, width)}
        lines = [(row.bit, stretches_of(row.predicate or Every(()))) for row in rows if row.known]
        turns = sorted((place, bit) for bit, stretches in lines for place in stretches.turns)
        self._turning = [bit for _, bit in turns]
        self._stride = 1 if width <= limits.wide else limits.stride
        if len(turns) > self._stride * limits.masks:
            self._stride = -(-len(turns) // max(1, limits.masks))
        standing = others | mask_of((bit for bit, stretches in lines if stretches.begins), width)
        self._notes = [standing]
        for start in range(0, len(turns), self._stride):
            for bit in self._turning[start : start + self._stride]:
                standing ^= 1 << bit
            self._notes.append(standing)
        self._numbers = sorted({place[0] for place, _ in turns})
        self._before = [0]
        self._at: list[int] = []
        counted = Counter(place for place, _ in turns)
        for number in self._numbers:
            self._at.append(self._before[-1] + counted[number, False])
            self._before.append(self._at[-1] + counted[number, True])

    def answer(self, value: Value) -> int:
        """The lines that stand at a number: after every turn that lies before it."""
        numbers = self._numbers
        place = bisect_left(numbers, value)
        passed = self._at[place] if place < len(numbers) and numbers[place] == value else self._before[place]
        stride = self._stride
        note = (passed + stride // 2) // stride
        nearest = note * stride
        standing = self._notes[note]
        if nearest != passed:
            for bit in self._turning[nearest:passed] or self._turning[passed:nearest]:
                standing ^= 1 << bit
        return standing


class WordTable:
    """A text or a set: each value makes some atoms true, each atom stands for lines.

    Clauses are kept in layers: a line's first clause in the first layer, and so on. In a layer stand the lines without
    a clause there, and those one of whose atoms is true; a line stands where it stands in every layer and no barred
    atom is true. Answers are remembered while there is room.
    """

    __slots__ = ("_globs", "_kept", "_layers", "_once", "_patterns", "_words", "doubtful", "ready")

    def __init__(self, rows: Sequence[Row], width: int, limits: Limits) -> None:
        others = _others(rows, width)
        self._kept = limits.kept
        self._once: set[Value] = set()
        self.ready: dict[Value | None, int] = {None: _missing(rows, others, width)}
        lines = [(row.bit, clauses_of(row.predicate)) for row in rows if row.known]
        globs = GlobIndex(
            (
                pattern
                for _, clauses in lines
                for atoms in (*clauses.needed, clauses.barred)
                for pattern in atoms.patterns
            ),
            limits.tries,
        )
        self._globs = globs or None
        self.doubtful = frozenset(bit for bit, clauses in lines if _is_doubtful(clauses, limits.clauses, globs.opaque))
        # Slot 0 is for what bars a line, the others are the layers.
        slots = [[(bit, clauses.barred) for bit, clauses in lines]]
        slots += _by_layer(lines, limits.clauses, globs.opaque) or [[]]
        alive = others | mask_of((bit for bit, _ in lines), width)
        self._layers = [0, *(alive ^ mask_of((bit for bit, _ in layer), width) for layer in slots[1:])]
        words = _mentions(slots, lambda atoms: atoms.words)
        patterns = _mentions(slots, lambda atoms: atoms.patterns)
        share = limits.masks * len(words) // max(1, len(words) + len(patterns))
        self._words = Postings(words, width, share)
        self._patterns = Postings(patterns, width, limits.masks - share)

    def answer(self, value: Value) -> int:
        """The lines that stand for a text or a set."""
        slots = self._layers.copy()
        if isinstance(value, str):
            size = len(value)
            self._words.spread((value,), slots)
            if self._globs is not None:
                self._patterns.spread(self._globs.matching(value), slots)
        else:
            assert isinstance(value, frozenset), f"neither a text nor a set: {value!r}"
            size = sum(map(len, value))
            self._words.spread(value, slots)
        standing = slots[1]
        if len(slots) > 2:
            for layer in slots[2:]:
                standing &= layer
        if slots[0]:
            # Quicker than `standing & ~barred` by half: no negative number comes into being.
            standing ^= standing & slots[0]
        if value in self._once:
            self._keep(value, standing)
        elif size <= _KEPT_LENGTH:
            if len(self._once) >= self._kept:
                self._once.clear()
            self._once.add(value)
        return standing

    def _keep(self, value: Value, standing: int) -> None:
        """Have an answer ready for the next time: its value has come for the second time, which most never do."""
        if len(self.ready) > self._kept:
            missing = self.ready[None]
            self.ready.clear()
            self.ready[None] = missing
        self.ready[value] = standing


def _mentions(
    slots: Sequence[Sequence[tuple[int, Atoms]]], names: Callable[[Atoms], frozenset[str]]
) -> dict[tuple[str, int], list[int]]:
    """The lines that mention each name in each slot."""
    mentions: dict[tuple[str, int], list[int]] = defaultdict(list)
    for slot, clauses in enumerate(slots):
        for bit, atoms in clauses:
            for name in names(atoms):
                mentions[name, slot].append(bit)
    return mentions


def _is_doubtful(clauses: Clauses, layers: int, opaque: set[str]) -> bool:
    patterns = [pattern for atoms in (*clauses.needed, clauses.barred) for pattern in atoms.patterns]
    return clauses.loose or len(clauses.needed) > layers or not opaque.isdisjoint(patterns)


def _by_layer(lines: Iterable[tuple[int, Clauses]], layers: int, opaque: set[str]) -> list[list[tuple[int, Atoms]]]:
    """The clauses by layer. One with an opaque pattern could be true for any value, so it is left out."""
    found: list[list[tuple[int, Atoms]]] = []
    for bit, clauses in lines:
        telling = [atoms for atoms in clauses.needed if opaque.isdisjoint(atoms.patterns)]
        for number, atoms in enumerate(telling[:layers]):
            if number == len(found):
                found.append([])
            found[number].append((bit, atoms))
    return found
