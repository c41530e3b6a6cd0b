"""Branches of conditions: what makes the difference, by its definition; where that is so, exactly; the ends of stretches."""

from __future__ import annotations

import pytest
from hypothesis import given

from routebook.documents.problems import Problems
from routebook.documents.quantities import Unit
from routebook.policy import coverage
from routebook.policy.axes import Aspect
from routebook.policy.branches import NEVER, Branch, Way, branches_of, decisive, nearest, region_of_branch, weighing
from routebook.policy.conditions import ALWAYS, AllOf, AnyOf, Condition, Named, holds
from routebook.policy.conditions import Test as FactTest
from routebook.policy.facts import Value
from routebook.policy.number_line import Place
from routebook.policy.reading import read_condition
from routebook.policy.regions import Box, Space, TooLarge, Work
from tests.policy.enumerated import Sheet, sheets_of, size_of
from tests.policy.worlds import TABLE, Dice, conditions, sheets
from tests.support.authored import node


def condition(text: str) -> Condition:
    problems = Problems()
    found = read_condition(node(text), TABLE, {}, problems)
    assert not problems.found, problems.found
    return found


def ways(text: str) -> list[str]:
    """The branches of a condition, as people read them."""
    found = []
    for branch in branches_of(condition(text), TABLE):
        spec = TABLE.find(branch.test.fact)
        assert spec is not None
        found.append(f"{branch.test.fact} {branch.in_words(spec.unit)}")
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{stream: true}", ["stream holds", "stream does not hold"]),
        ("{tokens: {at_least: 32k}}", ["tokens below 32k", "tokens from 32k"]),
        ("{tokens: {above: 8k}}", ["tokens up to 8k", "tokens above 8k"]),
        ("{tokens: {between: [1k, 2k]}}", ["tokens below 1k", "tokens from 1k up to 2k", "tokens above 2k"]),
        ("{tokens: {at_least: 0}}", ["tokens from 0"]),
        ("{tokens: [5, 6]}", ["tokens below 5", "tokens exactly 5", "tokens exactly 6", "tokens above 6"]),
        (
            "{hour: {from: '22:00', to: '06:00'}}",
            ["hour below 06:00", "hour from 06:00 below 22:00", "hour from 22:00"],
        ),
        ("{budget.m.left: {below: $5}}", ["budget.m.left[amount] below $5.00", "budget.m.left[amount] from $5.00"]),
        ("{tokens: {below: 1k, missing: holds}}", ["tokens below 1k", "tokens from 1k", "tokens is missing"]),
        ("{team: {known: true}}", ["team holds", "team does not hold"]),
        ("{team: {not: a, missing: holds}}", ["team holds", "team does not hold", "team is missing"]),
        (
            "{any_of: [{stream: true}, {tags: {any: [a]}}]}",
            ["stream holds", "stream does not hold", "tags holds", "tags does not hold"],
        ),
    ],
)
def test_the_ways_of_a_test(text: str, expected: list[str]) -> None:
    """Two for most; of a number one for each stretch; one for what is missing only where its author spoke of that."""
    assert ways(text) == expected


def replaced(whole: Condition, leaf: int, value: bool) -> Condition:
    """A condition with one of its tests taken for true or false: written apart from the room's own way."""
    count = -1

    def walk(part: Condition) -> Condition:
        nonlocal count
        match part:
            case FactTest():
                count += 1
                return (ALWAYS if value else NEVER) if count == leaf else part
            case Named(name, inner):
                return Named(name, walk(inner))
            case AllOf(parts):
                return AllOf(tuple(map(walk, parts)))
            case AnyOf(parts):
                return AnyOf(tuple(map(walk, parts)))

    return walk(whole)


@given(conditions(), sheets())
def test_a_test_makes_the_difference_where_the_condition_turns_with_it(
    whole: Condition, sheet: dict[str, Value]
) -> None:
    """By the definition: the condition holds with the test taken for true, and not with it taken for false."""
    verdict, leaves = decisive(whole, sheet.get)
    by_definition = tuple(
        leaf
        for leaf, _ in enumerate(coverage.tests_of(whole))
        if holds(replaced(whole, leaf, True), sheet.get) and not holds(replaced(whole, leaf, False), sheet.get)
    )
    assert verdict is holds(whole, sheet.get)
    assert leaves == by_definition
    assert weighing(whole)(sheet.get) == (verdict, leaves)


@given(conditions(), sheets())
def test_a_value_takes_at_most_one_branch_of_a_test(whole: Condition, sheet: dict[str, Value]) -> None:
    """And exactly one where the value is known and one that requests have."""
    branches = branches_of(whole, TABLE)
    for leaf, test in enumerate(coverage.tests_of(whole)):
        value = sheet.get(test.fact)
        taken = [branch for branch in branches if branch.leaf == leaf and branch.takes(value)]
        assert len(taken) <= 1
        if value is not None and not (isinstance(value, int | float) and not isinstance(value, bool)):
            assert len(taken) == 1
        for branch in taken:
            assert (branch.way is Way.FAILED) is not holds(test, sheet.get)


def lies(space: Space, box: Box, sheet: Sheet) -> bool:
    """Whether a sheet of sample values lies in a box."""
    for number, mask in box.items():
        axis = space.axes[number]
        value = sheet[axis.fact]
        match axis.aspect:
            case Aspect.VALUE:
                cells = [each == value and type(each) is type(value) for each in axis.values]
                cell = len(cells) - 1 if value is None else cells.index(True)
            case Aspect.KNOWN:
                cell = 0 if value is not None else 1
            case _ if value is None:
                continue
            case _:
                assert isinstance(value, frozenset)
                cell = 0 if axis.name in value else 1
        if not mask >> cell & 1:
            return False
    return True


@pytest.mark.parametrize("seed", range(150))
def test_the_region_of_a_branch_is_exactly_where_it_is_taken(seed: int) -> None:
    """Over every sheet of facts that a small condition can tell apart."""
    whole = Dice(seed).condition(2)
    space = Space([whole], TABLE)
    if size_of(space) > 2000 or any(axis.aspect is Aspect.PATTERN for axis in space.axes):
        return
    found: list[tuple[Branch, tuple[Box, ...]]] = []
    for branch in branches_of(whole, TABLE):
        try:
            found.append((branch, region_of_branch(space, whole, branch, Work())))
        except TooLarge:
            continue
    for sheet in sheets_of(space):
        _, leaves = decisive(whole, sheet.get)
        for branch, region in found:
            is_taken = branch.leaf in leaves and branch.takes(sheet.get(branch.test.fact))
            assert any(lies(space, box, sheet) for box in region) is is_taken, (branch, sheet)


@pytest.mark.parametrize(
    ("place", "beside", "unit", "after", "amount"),
    [
        ((32000, False), None, Unit.TOKENS, False, 31999),
        ((32000, False), None, Unit.TOKENS, True, 32000),
        ((32000, True), None, Unit.TOKENS, True, 32001),
        ((32000, True), None, Unit.TOKENS, False, 32000),
        ((32000, False), (31999, False), Unit.TOKENS, False, 31999),
        ((32000, False), (31999, True), Unit.TOKENS, False, None),
        ((0, False), None, Unit.TOKENS, False, None),
        ((79200, False), None, Unit.CLOCK, False, 79199),
        ((86400, False), None, Unit.CLOCK, True, None),
        ((0.1, False), None, Unit.SHARE, False, 0.099),
        ((0.1, True), None, Unit.SHARE, True, 0.101),
        ((0.1, False), (0.0995, True), Unit.SHARE, False, 0.0998),
        ((0.1, False), None, Unit.SHARE, True, 0.1),
        ((0.8, True), None, Unit.DURATION, True, 0.801),
        ((1, False), None, Unit.SCORE, True, 1),
        ((1, True), None, Unit.SCORE, True, None),
        ((0, True), None, Unit.SHARE, True, 0.001),
        ((5_000_000_000, False), None, Unit.MONEY, False, 4_990_000_000),
        ((5_000_000_000, True), None, Unit.MONEY, True, 5_010_000_000),
        ((5_000_000_000, False), None, Unit.MONEY, True, 5_000_000_000),
        ((5_000_000_000, True), (5_001_000_000, False), Unit.MONEY, True, 5_000_000_001),
        ((0, True), None, Unit.MONEY, False, 0),
    ],
)
def test_the_amount_beside_a_threshold(
    place: Place, beside: Place | None, unit: Unit, after: bool, amount: float | None
) -> None:
    """Whole numbers are next to each other; others a thousandth away, within what is asked beside it."""
    assert nearest(place, beside, unit, after=after) == amount
