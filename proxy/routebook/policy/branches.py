"""The branches of a condition: for each of its tests, the ways in which it may come out and make the difference.

A test *makes the difference* where the condition would come out otherwise had this test alone come out otherwise: all
else that is asked together with it holds, and no alternative to it does. Whoever has seen every branch of a condition
has seen each test both let requests through and keep them away (modified condition/decision coverage, as DO-178C has it,
with masking; Chilenski and Miller 1994).
"""

from __future__ import annotations

import enum
import math
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from routebook.documents.quantities import NANO, Unit
from routebook.policy.axes import WHOLE, number_between
from routebook.policy.conditions import ALWAYS, AllOf, AnyOf, Condition, Named, Test, test_holds
from routebook.policy.coverage import tests_of
from routebook.policy.facts import Ask, FactTable, FactType, Value
from routebook.policy.number_line import Place, stretches_of
from routebook.policy.regions import EVERYTHING, Region, Space, Work, intersect, subtract
from routebook.policy.saying import say_amount

CENT = NANO // 100

NEVER = AnyOf(())
"""The condition that no request meets."""


class Way(enum.Enum):
    """How a test came out."""

    HELD = "holds"
    FAILED = "does not hold"
    MISSING = "is missing"


@dataclass(frozen=True, slots=True)
class Branch:
    """One way in which one test of a condition comes out; `leaf` is the test's number in the order of `tests_of`.

    Of a test on a number, it is one stretch of the number line, between `begin` and `end` (None: the line's ends).
    A fact that is missing has a branch of its own only where its author wrote `missing: holds`; else the test does not
    hold, but for a fact that no request lacks (`may_be_missing` is false), which takes no branch while it is not known.
    """

    leaf: int
    test: Test
    way: Way
    begin: Place | None = None
    end: Place | None = None
    may_be_missing: bool = True

    @property
    def is_stretch(self) -> bool:
        """Whether it is a stretch of the number line."""
        return self.begin is not None or self.end is not None

    def takes(self, value: Value | None) -> bool:
        """Whether the test came out so for a value of its fact (None: missing)."""
        if self.way is Way.MISSING:
            return value is None
        if value is None and (self.test.missing_holds or not self.may_be_missing):
            return False
        if test_holds(self.test, value) != (self.way is Way.HELD):
            return False
        if not self.is_stretch:
            return True
        return isinstance(value, int | float) and _lies(value, self.begin, self.end)

    def in_words(self, unit: Unit) -> str:
        """Which way it is, for people: `holds`, `below 32k`, `from 22:00`."""
        return _said(self.begin, self.end, self.test.unit or unit) if self.is_stretch else self.way.value


def branches_of(condition: Condition, table: FactTable) -> tuple[Branch, ...]:
    """The branches of all tests of a condition, in order; a stretch of a line on which no amount lies is none."""
    found: list[Branch] = []
    for leaf, test in enumerate(tests_of(condition)):
        spec = table.find(test.fact)
        missing = spec is None or spec.may_be_missing
        if test.predicate is not None and spec is not None and spec.type is FactType.NUMBER:
            found += _stretches(leaf, test, test.unit or spec.unit)
        else:
            found += (Branch(leaf, test, way, may_be_missing=missing) for way in (Way.HELD, Way.FAILED))
        if test.missing_holds and test.predicate is not None and missing:
            found.append(Branch(leaf, test, Way.MISSING))
    return tuple(found)


def _stretches(leaf: int, test: Test, unit: Unit) -> Iterator[Branch]:
    assert test.predicate is not None
    stretches = stretches_of(test.predicate)
    inside = stretches.begins
    for begin, end in zip((None, *stretches.turns), (*stretches.turns, None), strict=True):
        if number_between(begin, end, unit) is not None:
            yield Branch(leaf, test, Way.HELD if inside else Way.FAILED, begin, end)
        inside = not inside


def _lies(value: float, begin: Place | None, end: Place | None) -> bool:
    turns = [place for place in (begin, end) if place is not None]
    # a value lies just behind the place before it and just before the place after it
    return bisect_right(turns, (value, False)) == (begin is not None)


def decisive(condition: Condition, ask: Ask) -> tuple[bool, tuple[int, ...]]:
    """Whether a condition holds, and the numbers of the tests that make the difference."""
    verdict, leaves, _ = _weighed(condition, ask, 0)
    return verdict, leaves


def weighing(condition: Condition) -> Callable[[Ask], tuple[bool, tuple[int, ...]]]:
    """The same, ready to be asked often: most conditions are plain lists of tests, two that fail settle them, and the
    same values come again and again (each is kept, so this is for some thousands of requests)."""
    tests = _plain_tests(condition)
    if tests is None:
        return lambda ask: decisive(condition, ask)
    everything = tuple(range(len(tests)))
    kept: list[tuple[Test, dict[Value | None, bool]]] = [(test, {}) for test in tests]

    def weigh(ask: Ask) -> tuple[bool, tuple[int, ...]]:
        failed: tuple[int, ...] = ()
        for leaf, (test, verdicts) in enumerate(kept):
            value = ask(test.fact)
            verdict = verdicts.get(value)
            if verdict is None:
                verdict = verdicts[value] = test_holds(test, value)
            if not verdict:
                if failed:
                    return False, ()
                failed = (leaf,)
        return (False, failed) if failed else (True, everything)

    return weigh


def _plain_tests(condition: Condition) -> tuple[Test, ...] | None:
    """The tests of a condition that asks for all of them; None where it has alternatives."""
    match condition:
        case Test():
            return (condition,)
        case Named(_, inner):
            return _plain_tests(inner)
        case AllOf(parts):
            found: tuple[Test, ...] = ()
            for part in parts:
                tests = _plain_tests(part)
                if tests is None:
                    return None
                found += tests
            return found
        case AnyOf():
            return None


def _weighed(condition: Condition, ask: Ask, first: int) -> tuple[bool, tuple[int, ...], int]:
    """The verdict, the tests that make the difference, and the number of the test that follows."""
    match condition:
        case Test(fact):
            return test_holds(condition, ask(fact)), (first,), first + 1
        case Named(_, inner):
            return _weighed(inner, ask, first)
        case AllOf(parts) | AnyOf(parts):
            usual = isinstance(condition, AllOf)
            unusual: list[tuple[int, ...]] = []
            leaves: tuple[int, ...] = ()
            for part in parts:
                verdict, own, first = _weighed(part, ask, first)
                leaves += own
                if verdict is not usual:
                    unusual.append(own)
            if not unusual:
                return usual, leaves, first
            return not usual, unusual[0] if len(unusual) == 1 else (), first


def region_of_branch(space: Space, condition: Condition, branch: Branch, work: Work) -> Region:
    """The requests for which a test comes out so and makes the difference to its condition. Raises TooLarge."""
    open_to = space.region(_with(condition, branch.leaf, ALWAYS))
    met_anyway = space.region(_with(condition, branch.leaf, NEVER))
    return subtract(space, intersect(open_to, _region_of_way(space, branch, work)), met_anyway, work)


def _region_of_way(space: Space, branch: Branch, work: Work) -> Region:
    test = branch.test
    if branch.is_stretch:
        box = space.between(test.fact, branch.begin, branch.end)
        return (box,) if all(box.values()) else ()
    match branch.way:
        case Way.HELD:
            return space.region(replace(test, missing_holds=False))
        case Way.FAILED:
            return subtract(space, EVERYTHING, space.region(test), work)
        case Way.MISSING:
            return space.region(replace(test, predicate=None, known=False))


def _with(condition: Condition, leaf: int, instead: Condition) -> Condition:
    """A condition with something else for one of its tests."""
    return _replaced(condition, leaf, instead, 0)[0]


def _replaced(condition: Condition, leaf: int, instead: Condition, first: int) -> tuple[Condition, int]:
    match condition:
        case Test():
            return (instead if first == leaf else condition), first + 1
        case Named(_, inner):
            return _replaced(inner, leaf, instead, first)
        case AllOf(parts) | AnyOf(parts):
            changed: list[Condition] = []
            for part in parts:
                other, first = _replaced(part, leaf, instead, first)
                changed.append(other)
            joined = tuple(changed)
            return (AllOf(joined) if isinstance(condition, AllOf) else AnyOf(joined)), first


def nearest(place: Place, beside: Place | None, unit: Unit, *, after: bool) -> int | float | None:
    """The amount next to a place of the number line, just behind it or just before it, and not beyond another; None
    where there is none. Where amounts are no whole numbers, it is a thousandth or so away."""
    number, is_after = place
    begin, end = (place, beside) if after else (beside, place)
    if unit is Unit.MONEY and is_after is after:
        cents = number + CENT if after else number - CENT
        if _lies(cents, begin, end) and cents >= 0:
            return cents
    if unit in WHOLE:
        return number_between(place, beside, unit) if after else _last_whole(begin, place, unit)
    if is_after is not after:
        found: float = number
    elif number:
        step = 10.0 ** (math.floor(math.log10(abs(number))) - 2)
        found = round(number + (step if after else -step), 12)
    else:
        found = 0.001
    if _lies(found, begin, end) and number_between((found, False), (found, True), unit) is not None:
        return found
    return number_between(begin, end, unit)


def _last_whole(begin: Place | None, end: Place, unit: Unit) -> int | float | None:
    number, is_after = end
    last = math.floor(number) if is_after else math.ceil(number) - 1
    if begin is not None and not _lies(last, begin, None):
        return None
    return number_between((last, False), (last, True), unit)


def _said(begin: Place | None, end: Place | None, unit: Unit) -> str:
    if begin is not None and end is not None and begin[0] == end[0]:
        return f"exactly {say_amount(begin[0], unit)}"
    parts = []
    if begin is not None:
        parts.append(f"{'above' if begin[1] else 'from'} {say_amount(begin[0], unit)}")
    if end is not None:
        parts.append(f"{'up to' if end[1] else 'below'} {say_amount(end[0], unit)}")
    return " ".join(parts)
