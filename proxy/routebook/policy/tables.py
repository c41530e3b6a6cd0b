"""One table per fact: from the answer to the lines that still stand after it.

A table holds one row for each line that asks about its fact; lines that do not ask stand whatever the answer is.
Tables are bounded. What does not fit is left standing in doubt: `doubtful` are the lines that a table may leave standing
although their test fails, so that they must be looked at again before they win. A line is never dropped wrongly.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from routebook.policy.clauses import Atoms, Clauses, clauses_of
from routebook.policy.conditions import Every, Predicate, Test, satisfies
from routebook.policy.facts import FactType, Value
from routebook.policy.globs import GlobIndex
from routebook.policy.masks import Postings, mask_of
from routebook.policy.number_line import Place, stretches_of

_KEPT_LENGTH = 256
"""The longest text (or set, in all) whose answer is remembered."""


@dataclass(frozen=True, slots=True)
class Row:
    """What one line asks of the fact: its bit, the predicate on a known value (None: any will do), whether it stands
    for any known value at all, and whether it stands when the fact is missing."""

    bit: int
    predicate: Predicate | None
    known: bool
    missing: bool


@dataclass(frozen=True, slots=True)
class Limits:
    """How large tables may grow.

    `cuts`: numbers at which one table is cut. `tries`: patterns tried for one text and key. `clauses`: layers of one
    table. `few`: facts with so few lines get no masks where there are more than `wide` lines in all. `masks`: ready sets
    of lines in one table. `kept`: remembered answers of one table. `lines`: ways of meeting one rule.
    """

    cuts: int = 256
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
    if kind is FactType.FLAG:
        return FlagTable(rows, width)
    if len(rows) <= limits.few and width > limits.wide:
        return FewTable(rows)
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
            flag: others | mask_of((row.bit for row in rows if _holds(row, flag)), width) for flag in (True, False)}
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
    """A number: the line of numbers is cut where some test turns; between two cuts the same lines stand.

    Cell 0 lies before the first cut, cell 1 is the first cut's number itself, cell 2 lies between it and the second, and
    so on. Where there are more numbers than cuts, a test that turns within a cell is in doubt there.
    """

    __slots__ = ("_cells", "_cuts", "doubtful", "ready")

    def __init__(self, rows: Sequence[Row], width: int, limits: Limits) -> None:
        others = _others(rows, width)
        self.ready: dict[Value | None, int] = {None: _missing(rows, others, width)}
        lines = [(row.bit, stretches_of(row.predicate or Every(()))) for row in rows if row.known]
        numbers = Counter(place[0] for _, stretches in lines for place in stretches.turns)
        self._cuts = _most_telling(numbers, min(limits.cuts, max(limits.masks // 2, 0)))
        exact = frozenset(self._cuts)
        self.doubtful = frozenset(bit for bit, stretches in lines
                                  if any(place[0] not in exact for place in stretches.turns))
        turning: dict[int, list[int]] = defaultdict(list)
        for bit, stretches in lines:
            for cell in _cells_where_it_turns(stretches.begins, stretches.turns, self._cuts):
                turning[cell].append(bit)
        self._cells = [others ^ mask_of(turning.get(0, ()), width)]
        for cell in range(1, 2 * len(self._cuts) + 1):
            before = self._cells[-1]
            self._cells.append(before ^ mask_of(turning[cell], width) if cell in turning else before)

    def answer(self, value: Value) -> int:
        """The lines that stand in the value's cell."""
        cuts = self._cuts
        place = bisect_left(cuts, value)
        if place < len(cuts) and cuts[place] == value:
            return self._cells[2 * place + 1]
        return self._cells[2 * place]


def _most_telling(numbers: Counter[int | float], limit: int) -> list[int | float]:
    """At most `limit` of the numbers, in order, spread so that about as many tests turn in each gap."""
    ordered = sorted(numbers)
    if len(ordered) <= limit:
        return ordered
    chosen: list[int | float] = []
    total, passed = sum(numbers.values()), 0
    for number in ordered:
        passed += numbers[number]
        if passed * limit >= total * (len(chosen) + 1) and len(chosen) < limit:
            chosen.append(number)
    return chosen


def _cells_where_it_turns(begins: bool, turns: Sequence[Place], cuts: list[int | float]) -> list[int]:
    """The cells in which a line begins or ceases to stand; a cell that it covers in part counts as covered."""
    ends = ([0] if begins else []) + [
        _cell_of(place, cuts, beginning=(number % 2 == 0) != begins) for number, place in enumerate(turns)]
    kept: list[int] = []
    for cell in ends:
        # Two turns in one place cancel out: the stretch goes on, or is none.
        if kept and kept[-1] >= cell and len(kept) % 2 == 0:
            kept.pop()
        else:
            kept.append(cell)
    return [cell for cell in kept if cell <= 2 * len(cuts)]


def _cell_of(place: Place, cuts: list[int | float], *, beginning: bool) -> int:
    """The first cell that a stretch beginning at a place covers, or the first after one that ends there."""
    number, after = place
    left = bisect_left(cuts, number)
    if bisect_right(cuts, number) > left:
        return 2 * left + (2 if after else 1)
    return 2 * left if beginning else 2 * left + 1


class WordTable:
    """A text or a set: each value makes some atoms true, each atom stands for lines.

    Clauses are kept in layers: a line's first clause in the first layer, and so on. In a layer stand the lines without a
    clause there, and those one of whose atoms is true; a line stands where it stands in every layer and no barred atom
    is true. Answers are remembered while there is room.
    """

    __slots__ = ("_barred", "_globs", "_kept", "_layers", "doubtful", "ready")

    def __init__(self, rows: Sequence[Row], width: int, limits: Limits) -> None:
        others = _others(rows, width)
        self._kept = limits.kept
        self.ready: dict[Value | None, int] = {None: _missing(rows, others, width)}
        lines = [(row.bit, clauses_of(row.predicate)) for row in rows if row.known]
        self._globs = GlobIndex((pattern for _, clauses in lines for atoms in (*clauses.needed, clauses.barred)
                                 for pattern in atoms.patterns), limits.tries)
        opaque = self._globs.opaque
        self.doubtful = frozenset(bit for bit, clauses in lines if _is_doubtful(clauses, limits.clauses, opaque))
        layers = [_Layer(clauses_at) for clauses_at in _by_layer(lines, limits.clauses, opaque)] or [_Layer([])]
        barred = _Layer([(bit, clauses.barred) for bit, clauses in lines])
        mentions = sum(layer.mentions for layer in (*layers, barred)) or 1
        alive = others | mask_of((bit for bit, _ in lines), width)
        self._layers = tuple((alive ^ mask_of((bit for bit, _ in layer.clauses), width),
                              *layer.postings(width, limits.masks * layer.mentions // mentions)) for layer in layers)
        self._barred = barred.postings(width, limits.masks * barred.mentions // mentions)

    def answer(self, value: Value) -> int:
        """The lines that stand for a text or a set."""
        words, patterns = self._atoms(value)
        standing = -1
        for layer, by_word, by_pattern in self._layers:
            for word in words:
                layer |= by_word.mask(word)
            for pattern in patterns:
                layer |= by_pattern.mask(pattern)
            standing &= layer
        by_word, by_pattern = self._barred
        if by_word or by_pattern:
            fallen = 0
            for word in words:
                fallen |= by_word.mask(word)
            for pattern in patterns:
                fallen |= by_pattern.mask(pattern)
            standing &= ~fallen
        self._remember(value, words, standing)
        return standing

    def _atoms(self, value: Value) -> tuple[Iterable[str], Iterable[str]]:
        """The words and the patterns that are true of a value."""
        if isinstance(value, str):
            return (value,), tuple(self._globs.matching(value)) if self._globs else ()
        assert isinstance(value, frozenset), f"neither a text nor a set: {value!r}"
        return value, ()

    def _remember(self, value: Value, words: Iterable[str], standing: int) -> None:
        """Keep an answer at hand; not for long values, which a client could send to fill the memory."""
        if sum(map(len, words)) <= _KEPT_LENGTH:
            if len(self.ready) > self._kept:
                missing = self.ready[None]
                self.ready.clear()
                self.ready[None] = missing
            self.ready[value] = standing


@dataclass(slots=True)
class _Layer:
    """Clauses by line, on the way to becoming postings."""

    clauses: list[tuple[int, Atoms]]

    @property
    def mentions(self) -> int:
        return sum(len(atoms.words) + len(atoms.patterns) for _, atoms in self.clauses)

    def postings(self, width: int, allowance: int) -> tuple[Postings, Postings]:
        words: dict[str, list[int]] = defaultdict(list)
        patterns: dict[str, list[int]] = defaultdict(list)
        for bit, atoms in self.clauses:
            for word in atoms.words:
                words[word].append(bit)
            for pattern in atoms.patterns:
                patterns[pattern].append(bit)
        share = allowance * len(patterns) // max(1, len(words) + len(patterns))
        return Postings(words, width, allowance - share), Postings(patterns, width, share)


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
