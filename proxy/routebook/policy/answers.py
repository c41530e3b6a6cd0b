"""Classes of answers to the question about one fact: all values that the rules tell apart in the same way.

A class is said in the language's own words: `at_least 120k`, `any: [phi]`, `sat, sun`. Classes stand in an order in
which the first that fits is meant, so that one which says less than another comes after it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from routebook.documents.quantities import Unit
from routebook.policy.axes import Aspect, Axis
from routebook.policy.conditions import Every, Not, OneOf, Predicate, Test, test_holds
from routebook.policy.facts import FactTable, FactType, Value
from routebook.policy.number_line import Place
from routebook.policy.regions import EVERYTHING, Region, Space, Work, intersect, subtract
from routebook.policy.saying import say_value

ELSE = "else"
"""What is left when no other class fits."""

MISSING = "missing"

MOST_WORDS = 3
"""Words that one class names before it only counts them."""


@dataclass(frozen=True, slots=True)
class Way:
    """What some tests say of a value, and the values of which they say it."""

    says: tuple[tuple[Test, bool], ...] = ()
    region: Region = EVERYTHING

    def takes(self, value: Value | None) -> bool:
        """Whether a value lies here."""
        return all(test_holds(test, value) is holds for test, holds in self.says)


class Answers:
    """The answers to one fact, as far as these tests of it tell them apart."""

    def __init__(self, fact: str, tests: Iterable[Test], table: FactTable) -> None:
        self.fact = fact
        self._table = table
        self._space = Space(tests, table)
        self._regions: dict[Test, Region] = {}
        spec = table.find(fact)
        self._kind = FactType.TEXT if spec is None else spec.type
        self._is_line = len(self._space.axes) == 1 and self._space.axes[0].aspect is Aspect.VALUE
        self._order = {test: number for number, test in enumerate(dict.fromkeys(tests))}

    def __repr__(self) -> str:
        return f"<Answers to {self.fact}: {len(self._order)} tests>"

    @property
    def are_free(self) -> bool:
        """Whether tests of this fact can hold in any combination (members of a set), rather than along one line."""
        return not self._is_line

    def split(self, way: Way, test: Test, work: Work) -> tuple[Way | None, Way | None]:
        """The part of a way in which a test holds, and that in which it does not; None for nothing. Raises TooLarge."""
        held = self._regions.get(test)
        if held is None:
            held = self._regions[test] = self._space.region(test)
        work.spend(1)
        yes, no = intersect(way.region, held), subtract(self._space, way.region, held, work)
        if not no:
            return way, None
        if not yes:
            return None, way
        return Way((*way.says, (test, True)), yes), Way((*way.says, (test, False)), no)

    def example(self, way: Way) -> Value | None:
        """A value of a way (None: missing). Raises LookupError where a pattern leaves it open."""
        found = self._space.example(way.region[0])
        if found is None:
            raise LookupError(self.fact)
        return found.get(self.fact, self._anything())

    def _anything(self) -> Value | None:
        whole = {number: axis.full for number, axis in enumerate(self._space.axes) if axis.aspect is Aspect.VALUE}
        return (self._space.example(whole) or {}).get(self.fact, frozenset())

    def merged(self, ways: Sequence[Way]) -> Way | None:
        """Several ways that lead to the same place as one; None where no words would be right for it.

        Along one line any can be joined; others only where one test, the last, is all that tells two of them apart.
        """
        if self._is_line:
            masks = [self._mask(way) for way in ways]
            whole = 0
            for mask in masks:
                whole |= mask
            return replace(ways[0], region=({0: whole},), says=())
        one, other = ways
        if one.says and other.says and one.says[:-1] == other.says[:-1] and one.says[-1][0] is other.says[-1][0]:
            return Way(one.says[:-1], (*one.region, *other.region))
        return None

    def _mask(self, way: Way) -> int:
        mask = 0
        for box in way.region:
            mask |= box.get(0, self._space.full[0])
        return mask

    def words(self, way: Way) -> str:
        """What a way says, in few words."""
        if not self._is_line:
            held = [_asked(test) for test, holds in way.says if holds]
            return " and ".join(held) or ELSE
        axis, mask = self._space.axes[0], self._mask(way)
        if mask == axis.full:
            return "whatever it is"
        if self._kind is FactType.NUMBER:
            return ", or ".join(number_words(self.fact, axis, mask, self._table))
        return self._listed(axis, mask)

    def _listed(self, axis: Axis, mask: int) -> str:
        """Words in a row; by the test that holds for just these where they are too many, or not all can be named."""
        values = [value for bit, value in enumerate(axis.values) if mask >> bit & 1 and axis.full >> bit & 1]
        known = [value for value in values if value is not None]
        missing = [MISSING] if None in values else []
        named = {word for test in self._order for word in words_in(test.predicate)}
        spec = self._table.find(self.fact)
        closed = self._kind is FactType.FLAG or (spec is not None and bool(spec.words))
        if spec is not None and spec.words:
            known.sort(key=lambda value: spec.words.index(str(value)))
        if known and ((not closed and any(value not in named for value in known)) or len(known) > MOST_WORDS + 1):
            if not any(test_holds(test, value) for test in self._order for value in known):
                return ELSE
            asked = self._test_for(axis, known)
            if asked is not None:
                return ", or ".join([asked, *missing])
        said = [say_value(self.fact, value, self._table) for value in known]
        if len(said) > MOST_WORDS + 1 and not closed:
            said[MOST_WORDS:] = [f"{len(said) - MOST_WORDS} more"]
        return ", ".join([*said, *missing])

    def _test_for(self, axis: Axis, values: Sequence[Value]) -> str | None:
        """A test that holds for exactly these known values, in its own words."""
        others = [each for bit, each in enumerate(axis.values) if axis.full >> bit & 1 and each not in (None, *values)]
        for test in self._order:
            if all(test_holds(test, each) for each in values) and not any(test_holds(test, each) for each in others):
                return _asked(test)
        return None


def number_words(fact: str, axis: Axis, mask: int, table: FactTable) -> Iterator[str]:
    """The stretches of the number line that cells make up: `below 8k`, `from 32k, below 120k`, `missing`."""
    stretches = list(stretches_of_cells(axis, mask))

    def said(place: Place) -> str:
        return say_value(fact, place[0], table, axis.unit)

    spec = table.find(fact)
    is_clock = spec is not None and spec.unit is Unit.CLOCK
    match stretches:
        case [(None, (_, _) as dawn), ((_, _) as dusk, None)] if is_clock:
            yield f"from {said(dusk)} to {said(dawn)}"
            stretches = []
    for begin, end in stretches:
        match begin, end:
            case None, None:
                yield "any number"
            case None, (number, after):
                yield f"{'at_most' if after else 'below'} {said((number, after))}"
            case (number, after), None:
                yield f"{'above' if after else 'at_least'} {said((number, after))}"
            case (low, above), (high, _) if low == high and not above:
                yield say_value(fact, low, table, axis.unit)
            case (low, above), (high, upto):
                yield (
                    f"{'above' if above else 'from'} {said((low, above))}, "
                    f"{'at_most' if upto else 'below'} {said((high, upto))}"
                )
    if axis.values[-1] is None and mask >> len(axis.places) + 1 & 1:
        yield MISSING


def stretches_of_cells(axis: Axis, mask: int) -> Iterator[tuple[Place | None, Place | None]]:
    """Where stretches of neighbouring cells begin and end; None is unbounded. Cells that hold no number join any."""
    places, begin, inside, empty = axis.places, -1, False, ~axis.full
    for cell in range(len(places) + 1):
        here = mask >> cell & 1 or (inside and empty >> cell & 1)
        if here and not inside:
            begin, inside = cell, True
        elif not here and inside:
            inside = False
            yield (places[begin - 1] if begin else None), places[cell - 1]
    if inside:
        yield (places[begin - 1] if begin else None), None


def words_in(predicate: Predicate | None) -> Iterator[str]:
    """The texts that a predicate names."""
    match predicate:
        case OneOf(words):
            yield from words
        case Not(inner):
            yield from words_in(inner)
        case Every(parts):
            for part in parts:
                yield from words_in(part)


def _asked(test: Test) -> str:
    """What a test asks, without the fact's name: `any: [phi]`."""
    _, _, asked = test.text.partition(": ")
    return asked[1:-1] if asked.startswith("{") and asked.endswith("}") else asked
