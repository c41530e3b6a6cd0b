"""What can be told of one fact: its values cut into *cells* that no question of the policy tells apart further.

An axis is one thing that is free to vary: a fact's value, a set's member being in it or not. Its cells are bits of an
integer, so that what a question holds for is a mask. Being missing is a cell of its own, the last.
"""

from __future__ import annotations

import enum
import math
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from routebook.documents.quantities import Unit
from routebook.policy.conditions import Every, Glob, HasAll, HasAny, IsFlag, Not, OneOf, Predicate
from routebook.policy.facts import FactSpec, FactType, Value
from routebook.policy.number_line import Place, Stretches, stretches_of
from routebook.policy.texts import text_classes

WHOLE = frozenset({Unit.COUNT, Unit.TOKENS, Unit.BYTES, Unit.MONEY, Unit.CLOCK, Unit.DATE})
"""Units whose quantities are whole numbers: between 5 and 6 there is none."""

RANGES: Mapping[Unit, tuple[int, int | None]] = {Unit.SCORE: (0, 1), Unit.CLOCK: (0, 86399), Unit.DATE: (1, 3652059)}
"""The least and the greatest value of a unit; of all others the least is 0: the language has no negative quantities."""


class Aspect(enum.Enum):
    """What of a fact an axis stands for."""

    VALUE = "value"
    KNOWN = "known"
    MEMBER = "member"
    PATTERN = "pattern"


@dataclass(frozen=True, slots=True)
class Axis:
    """One thing free to vary. `name` is the member or pattern, `values` a value of each cell (None: missing).

    `full` has the bits of all cells that any value lies in. An axis of a PATTERN is whether an opaque pattern matches:
    a free choice, for which no value can be shown. `places` are where numbers are cut: cell n lies before the nth.
    """

    fact: str
    aspect: Aspect
    values: tuple[Value | None, ...]
    full: int
    name: str = ""
    unit: Unit | None = None
    places: tuple[Place, ...] = ()


Cells = tuple[tuple[int, int], ...]
"""A conjunction of (number of an axis, mask of its cells), for one fact."""

ANYTHING: Cells = ()


def conjoined(one: Cells, other: Cells) -> Cells | None:
    """What both hold for; None for nothing."""
    if not one or not other:
        return one or other
    found = dict(one)
    for axis, mask in other:
        narrowed = found.get(axis, -1) & mask
        if not narrowed:
            return None
        found[axis] = narrowed
    return tuple(found.items())


def product(one: Sequence[Cells], other: Sequence[Cells]) -> list[Cells]:
    """What one of the first and one of the second hold for together."""
    return [both for left in one for right in other if (both := conjoined(left, right)) is not None]


class FactAxes:
    """The axes of one fact, numbered from `first` on, and what each question about it holds for."""

    def __init__(
        self, fact: str, spec: FactSpec, unit: Unit | None, asked: Sequence[Predicate], words: Iterable[str], first: int
    ) -> None:
        self.axes: list[Axis] = []
        self.first = first
        self._fact, self._spec = fact, spec
        self._unit = unit
        self._masks: dict[object, int] = {}
        self._missing: Cells = ()
        self._known: Cells = ()
        self._numbers: dict[str, int] = {}
        self.unnamed = 0
        match spec.type:
            case FactType.FLAG:
                self._masks = {IsFlag(True): 1, IsFlag(False): 2}
                self._add_values([True, False])
            case FactType.NUMBER:
                self._cut_numbers(list(_leaves(asked)))
            case FactType.TEXT:
                self._cut_texts(list(_leaves(asked)), words)
            case FactType.SET:
                self._cut_sets(list(_leaves(asked)), words)

    @property
    def places(self) -> Sequence[Place]:
        """Where a number line is cut: cell n lies before the nth place."""
        return self.axes[0].places if self.axes else ()

    def known(self, known: bool) -> list[Cells]:
        """Where the fact is known, or missing."""
        if known:
            return [self._known]
        return [self._missing] if self._spec.may_be_missing else []

    def holding(self, predicate: Predicate, missing: bool) -> list[Cells]:
        """Where a predicate holds; `missing` where it also holds for the missing fact."""
        found = [both for each in self._boxes(predicate, True) if (both := conjoined(each, self._known)) is not None]
        if missing and self._spec.may_be_missing:
            found.append(self._missing)
        return _merged(found)

    def _boxes(self, predicate: Predicate, holds: bool) -> list[Cells]:
        match predicate:
            case Not(inner):
                return self._boxes(inner, not holds)
            case Every(parts) if holds:
                found: list[Cells] = [ANYTHING]
                for part in parts:
                    found = _merged(product(found, self._boxes(part, True)))
                return found
            case Every(parts):
                return _merged([each for part in parts for each in self._boxes(part, False)])
            case HasAny(members) | HasAll(members):
                return self._of_members(members, isinstance(predicate, HasAll), holds)
            case Glob(pattern) if pattern in self._numbers:
                return [((self._numbers[pattern], 1 if holds else 2),)]
            case _:
                mask = self._mask(predicate)
                mask = mask if holds else self.axes[0].full & ~mask
                return [((self.first, mask),)] if mask else []

    def _mask(self, predicate: Predicate) -> int:
        found = self._masks.get(predicate)
        if found is None:
            found = 0
            if isinstance(predicate, OneOf):
                for word in predicate.words:
                    found |= self._masks.get(word, 0)
            self._masks[predicate] = found
        return found

    def _of_members(self, members: Iterable[str], every: bool, holds: bool) -> list[Cells]:
        """All in, or all out: one box. One of them in, or one out: a box for each."""
        each = [(self._numbers[member], 1 if holds else 2) for member in sorted(members)]
        return [tuple(each)] if every == holds else [(cell,) for cell in each]

    def _add_values(
        self, values: Sequence[Value | None], full: int | None = None, places: Sequence[Place] = ()
    ) -> None:
        """The axis of the fact's value, with a last cell for the missing one."""
        cells = (1 << len(values)) - 1 if full is None else full
        self._known = ((self.first, cells),)
        if self._spec.may_be_missing:
            self._missing = ((self.first, 1 << len(values)),)
            values, cells = [*values, None], cells | 1 << len(values)
        self.axes.append(Axis(self._fact, Aspect.VALUE, tuple(values), cells, unit=self._unit, places=tuple(places)))

    def _cut_numbers(self, asked: Sequence[Predicate]) -> None:
        stretches = {each: stretches_of(each) for each in asked}
        places = sorted({place for each in stretches.values() for place in each.turns})
        unit = self._unit or self._spec.unit
        values: list[Value | None] = []
        full = 0
        for number in range(len(places) + 1):
            begin = places[number - 1] if number else None
            end = places[number] if number < len(places) else None
            value = number_between(begin, end, unit)
            values.append(value)
            full |= (value is not None) << number
        self._add_values(values, full, places)
        self._masks.update({each: _mask_of(found, places) & full for each, found in stretches.items()})

    def _cut_texts(self, asked: Sequence[Predicate], words: Iterable[str]) -> None:
        spec = self._spec
        patterns = [each.pattern for each in asked if isinstance(each, Glob)]
        named = {word for each in asked if isinstance(each, OneOf) for word in each.words}
        found = text_classes(spec.words or {*named, *words}, patterns)
        count = len(spec.words) or len(found.samples)
        samples = [text for text in found.samples if not spec.words or text in spec.words]
        order = [found.samples.index(text) for text in samples[:count]]
        self._add_values(list(samples[:count]))
        for bit, place in enumerate(order):
            text, matched = found.samples[place], found.matched[place]
            if place < found.words:
                self._masks[text] = 1 << bit
            else:
                self.unnamed |= 1 << bit
            for pattern in matched:
                self._masks[Glob(pattern)] = self._masks.get(Glob(pattern), 0) | 1 << bit
        for each in asked:
            if isinstance(each, Glob) and each not in self._masks and each.pattern in self._masks:
                self._masks[each] = self._masks[each.pattern]
        for pattern in sorted(found.opaque):
            self._add_pair(Aspect.PATTERN, pattern)

    def _cut_sets(self, asked: Sequence[Predicate], words: Iterable[str]) -> None:
        if self._spec.may_be_missing:
            self._known, self._missing = ((self.first, 1),), ((self.first, 2),)
            self._add_pair(Aspect.KNOWN, "")
        named = {member for each in asked if isinstance(each, HasAny | HasAll) for member in each.members}
        for member in sorted({*named, *words}):
            self._add_pair(Aspect.MEMBER, member)

    def _add_pair(self, aspect: Aspect, name: str) -> None:
        if aspect is not Aspect.KNOWN:
            self._numbers[name] = self.first + len(self.axes)
        self.axes.append(Axis(self._fact, aspect, (True, False), 3, name))

    def number_of(self, member: str) -> int | None:
        """The axis of a set's member."""
        return self._numbers.get(member)

    def masks_of_patterns(self) -> dict[str, int]:
        """The patterns that are asked for and are not opaque, each with the cells of the texts that match it."""
        return {key.pattern: mask for key, mask in self._masks.items() if isinstance(key, Glob)}

    def mask_of_word(self, word: str) -> int:
        """The cell of a text; 0 where it has none of its own."""
        return self._masks.get(word, 0)


def _leaves(predicates: Iterable[Predicate]) -> Iterator[Predicate]:
    for predicate in predicates:
        match predicate:
            case Not(inner):
                yield from _leaves((inner,))
            case Every(parts):
                yield from _leaves(parts)
            case _:
                yield predicate


def _merged(boxes: list[Cells]) -> list[Cells]:
    """The same with alternatives along one axis taken together."""
    if len(boxes) < 2:
        return boxes
    along: dict[int, int] = {}
    others: dict[Cells, None] = {}
    for box in boxes:
        if not box:
            return [ANYTHING]
        if len(box) == 1:
            along[box[0][0]] = along.get(box[0][0], 0) | box[0][1]
        else:
            others[box] = None
    return [*(((axis, mask),) for axis, mask in along.items()), *others]


def _mask_of(stretches: Stretches, places: Sequence[Place]) -> int:
    """The cells that stretches are made of; cell n lies before the nth place."""
    all_cells = (1 << len(places) + 1) - 1
    mask = all_cells if stretches.begins else 0
    for turn in stretches.turns:
        behind = bisect_right(places, turn)
        mask ^= all_cells >> behind << behind
    return mask


def number_between(begin: Place | None, end: Place | None, unit: Unit) -> int | float | None:
    """A number between two places of the line (None: its ends) that an amount of the unit may be; None where there is
    none."""
    low, high = RANGES.get(unit, (0, None))
    begin = max(begin, (low, False)) if begin is not None else (low, False)
    if high is not None:
        end = min(end, (high, True)) if end is not None else (high, True)
    if unit in WHOLE:
        return _whole_between(begin, end)
    least, after = begin
    if end is not None and begin >= end:
        return None
    if not after:
        return least
    if end is None:
        return least * 2 if least else 1
    return _short_between(least, end[0])


def _whole_between(begin: Place, end: Place | None) -> int | None:
    least = math.floor(begin[0]) + 1 if begin[1] else math.ceil(begin[0])
    if end is None:
        return least
    most = math.floor(end[0]) if end[1] else math.ceil(end[0]) - 1
    return least if least <= most else None


def _short_between(low: float, high: float) -> float | None:
    """A number strictly between two, with few digits where there is one."""
    middle = low + (high - low) / 2
    for digits in range(1, 17):
        short = round(middle, digits)
        if low < short < high:
            return short
    return middle if low < middle < high else None
