"""Regions of requests: what a condition holds for, as a union of boxes, each a set of cells along some of the axes.

    space = Space([rule.when for rule in rules], table)
    region = space.region(rules[3].when)
    rest = subtract(space, region, earlier_boxes, Work())      # what the earlier ones leave of it
    space.example(rest[0])                                     # {"tags": frozenset({"phi"}), "client.team": None}

Exact for flags, numbers, texts with their patterns, sets and missing facts. Facts are free of each other: two clocks of
different zones, or what is left and what is used of one budget, are taken to vary independently.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from routebook.documents.quantities import Unit
from routebook.policy.axes import Aspect, Axis, Cells, FactAxes, conjoined, product
from routebook.policy.conditions import AllOf, AnyOf, Condition, Named, Predicate, Test
from routebook.policy.coverage import tests_of
from routebook.policy.facts import FactTable, Value
from routebook.policy.number_line import Place

Box = Mapping[int, int]
"""Masks by number of axis; an axis that is not named varies freely. Never empty: every mask has a cell."""

Region = tuple[Box, ...]
"""A union of boxes, which may overlap. Without any it is empty."""

EVERYTHING: Region = ({},)

MAX_BOXES = 2000
"""Boxes that one condition may come to; alternatives under alternatives multiply."""


class TooLarge(Exception):
    """A question is more than the budget of work allows: it is undecided."""


@dataclass(slots=True)
class Work:
    """A budget: steps that are left, each a box looked at. Raises TooLarge where there are none."""

    left: int = 200_000

    def spend(self, steps: int) -> None:
        """Take steps off the budget."""
        self.left -= steps
        if self.left < 0:
            raise TooLarge


class Space:
    """All that some conditions can tell apart. Further `words` by fact may be told apart too (names of clients)."""

    def __init__(
        self, conditions: Iterable[Condition], table: FactTable, words: Mapping[str, Iterable[str]] | None = None
    ) -> None:
        self.table = table
        self.axes: list[Axis] = []
        self._facts: dict[str, FactAxes] = {}
        asked: dict[str, dict[Predicate, None]] = {fact: {} for fact in words or {}}
        units: dict[str, Unit | None] = {}
        for condition in conditions:
            for test in tests_of(condition):
                predicates = asked.setdefault(test.fact, {})
                units.setdefault(test.fact, test.unit)
                if test.predicate is not None:
                    predicates[test.predicate] = None
        for fact, predicates in asked.items():
            spec = table.find(fact)
            if spec is None:
                raise ValueError(f"not a fact: {fact}")
            axes = FactAxes(fact, spec, units.get(fact), tuple(predicates), (words or {}).get(fact, ()), len(self.axes))
            self._facts[fact] = axes
            self.axes += axes.axes
        self.full = [axis.full for axis in self.axes]
        self._tests: dict[Test, list[Cells]] = {}

    def __repr__(self) -> str:
        return f"<Space of {len(self.axes)} axes>"

    def __contains__(self, fact: str) -> bool:
        return fact in self._facts

    def axes_of(self, fact: str) -> FactAxes:
        """The axes of a fact that is asked for."""
        return self._facts[fact]

    def region(self, condition: Condition, *, missing_holds: bool = False) -> Region:
        """What a condition holds for; with `missing_holds`, a test of a missing value holds whatever its author wrote.

        Raises TooLarge where it comes to more than `MAX_BOXES`.
        """
        found = dict.fromkeys(tuple(sorted(cells)) for cells in self._cells(condition, missing_holds))
        return tuple(dict(cells) for cells in found)

    def word(self, fact: str, word: str | None) -> Box:
        """Where a text fact is this word, or missing (None). The word must be told apart, or nothing is asked of it."""
        axes = self._facts.get(fact)
        if axes is None:
            return {}
        if word is None:
            return dict(next(iter(axes.known(False)), ()))
        return self.words(fact, (word,))

    def words(self, fact: str, words: Iterable[str]) -> Box:
        """Where a text fact is one of these; nothing where nobody asks for it. Words not told apart are left out."""
        axes = self._facts.get(fact)
        if axes is None:
            return {}
        mask = 0
        for word in words:
            mask |= axes.mask_of_word(word)
        return {axes.first: mask}

    def values(self, fact: str, fits: Callable[[Value | None], bool]) -> Box:
        """Where a fact's value fits, by a value of each cell: the least, of numbers. Nothing where nobody asks for it."""
        axes = self._facts.get(fact)
        if axes is None:
            return {}
        axis = self.axes[axes.first]
        mask = sum(1 << bit for bit, value in enumerate(axis.values) if fits(value)) & axis.full
        return {axes.first: mask}

    def between(self, fact: str, begin: Place | None, end: Place | None) -> Box:
        """Where a number lies between two places of its line (None: the line's ends); empty where no value does.

        The places must be told apart.
        """
        axes = self._facts[fact]
        first = 0 if begin is None else axes.places.index(begin) + 1
        last = len(axes.places) if end is None else axes.places.index(end)
        return {axes.first: ((1 << last + 1) - (1 << first)) & self.full[axes.first]}

    def around(self, fact: str, place: Place) -> tuple[Place | None, Place | None]:
        """The places next to one on the number line of a fact: the cells on both sides of it end there."""
        places = self._facts[fact].places
        number = places.index(place)
        return places[number - 1] if number else None, places[number + 1] if number + 1 < len(places) else None

    def unnamed(self, fact: str) -> Box:
        """Where a text fact is none of the words that are told apart; nothing where nobody asks for it."""
        axes = self._facts.get(fact)
        return {} if axes is None else {axes.first: axes.unnamed}

    def named(self, fact: str) -> Iterator[str]:
        """The texts that a fact is asked for by name, and others of its classes."""
        axes = self._facts.get(fact)
        for value in self.axes[axes.first].values if axes else ():
            if isinstance(value, str):
                yield value

    def member(self, fact: str, member: str, within: bool) -> Box:
        """Where a set has a member, or has it not. Nothing where nobody asks for the member."""
        axes = self._facts.get(fact)
        number = None if axes is None else axes.number_of(member)
        return {} if number is None else {number: 1 if within else 2}

    def members(self, fact: str) -> Iterator[str]:
        """The members of a set fact that are told apart."""
        axes = self._facts.get(fact)
        return (axis.name for axis in (axes.axes if axes else ()) if axis.aspect is Aspect.MEMBER)

    def _cells(self, condition: Condition, missing_holds: bool) -> list[Cells]:
        match condition:
            case Test():
                return self._of_test(condition, missing_holds)
            case Named(_, inner):
                return self._cells(inner, missing_holds)
            case AnyOf(parts):
                found = [cells for part in parts for cells in self._cells(part, missing_holds)]
            case AllOf(parts):
                found = [()]
                for part in parts:
                    more = self._cells(part, missing_holds)
                    if len(found) * len(more) > MAX_BOXES:
                        raise TooLarge
                    found = product(found, more)
        if len(found) > MAX_BOXES:
            raise TooLarge
        return found

    def _of_test(self, test: Test, missing_holds: bool) -> list[Cells]:
        if test.predicate is None:
            found = self._facts[test.fact].known(test.known)
        else:
            found = self._facts[test.fact].holding(test.predicate, test.missing_holds or missing_holds)
        return [tuple((axis, mask) for axis, mask in cells if mask != self.full[axis]) for cells in found]

    def example(self, box: Box) -> dict[str, Value | None] | None:
        """Values of the facts that a box speaks of (None: missing); None where an opaque pattern leaves it open."""
        is_open = any(self.axes[number].aspect is Aspect.PATTERN for number in box)
        return None if is_open else self._example(box)

    def guess(self, box: Box) -> dict[str, Value | None]:
        """Such values where opaque patterns leave it open: a shortest text of one that matches, whether or not others
        do. Whoever takes it must see for himself that it is what was wanted."""
        found = self._example(box)
        for number, mask in box.items():
            axis = self.axes[number]
            if axis.aspect is Aspect.PATTERN and mask & 1:
                found[axis.fact] = axis.name.replace("*", "").replace("?", "x") or "x"
        return found

    def _example(self, box: Box) -> dict[str, Value | None]:
        found: dict[str, Value | None] = {}
        members: dict[str, set[str]] = {}
        missing: set[str] = set()
        for number, mask in box.items():
            axis = self.axes[number]
            value = axis.values[(mask & -mask).bit_length() - 1]
            match axis.aspect:
                case Aspect.VALUE:
                    found[axis.fact] = value
                case Aspect.KNOWN:
                    members.setdefault(axis.fact, set())
                    if not value:
                        missing.add(axis.fact)
                case Aspect.MEMBER:
                    held = members.setdefault(axis.fact, set())
                    if value:
                        held.add(axis.name)
                case Aspect.PATTERN:
                    pass
        for fact, held in members.items():
            found[fact] = None if fact in missing else frozenset(held)
        return found


def meet(one: Box, other: Box) -> Box | None:
    """What two boxes have in common; None for nothing."""
    both = conjoined(tuple(one.items()), tuple(other.items()))
    return None if both is None or not all(mask for _, mask in both) else dict(both)


def intersect(one: Region, other: Region) -> Region:
    """What two regions have in common."""
    return tuple(both for left in one for right in other if (both := meet(left, right)) is not None)


def within(inner: Box, outer: Box, full: Sequence[int]) -> bool:
    """Whether a box lies within another."""
    return all(not inner.get(axis, full[axis]) & ~mask for axis, mask in outer.items())


def subtract(space: Space, region: Region, others: Iterable[Box], work: Work) -> Region:
    """What others leave of a region, as boxes that do not overlap where those of the region do not.

    Raises TooLarge where that is more than the budget of work allows.
    """
    left = list(region)
    for other in others:
        work.spend(len(left))
        kept: list[Box] = []
        for box in left:
            kept += _without(box, other, space.full)
        left = kept
    return tuple(left)


def _without(box: Box, other: Box, full: Sequence[int]) -> Iterator[Box]:
    """The parts of a box outside another: for each axis, what lies beyond it there and within it on those before."""
    if meet(box, other) is None:
        yield box
        return
    inside = dict(box)
    for axis, mask in other.items():
        here = inside.get(axis, full[axis])
        if here & ~mask:
            yield {**inside, axis: here & ~mask}
        inside[axis] = here & mask
