"""The numbers for which a predicate holds, as places on the number line."""

from __future__ import annotations

from hypothesis import given

from routebook.policy.conditions import Every, InIntervals, Interval, Not, Predicate, satisfies
from routebook.policy.facts import FactType, Value
from routebook.policy.number_line import Stretches, stretches_of
from tests.policy.worlds import predicates, values


def contains(stretches: Stretches, number: float) -> bool:
    """Whether a number belongs to a set of numbers: count the turns before it."""
    passed = sum(place < (number, True) for place in stretches.turns)
    return stretches.begins ^ (passed % 2 == 1)


@given(predicates(FactType.NUMBER), values("tokens"))
def test_the_places_tell_the_same_as_the_predicate(predicate: Predicate, number: Value) -> None:
    """Unions, gaps and negations, with open and closed ends, integers and floats."""
    assert isinstance(number, int | float)
    assert contains(stretches_of(predicate), number) is satisfies(number, predicate)


@given(predicates(FactType.NUMBER))
def test_places_are_in_order_and_each_once(predicate: Predicate) -> None:
    """So a sweep along the line meets each turn once."""
    turns = stretches_of(predicate).turns
    assert list(turns) == sorted(set(turns))


def test_adjoining_stretches_become_one() -> None:
    """Two intervals that meet leave no seam, so that no table is cut there."""
    met = InIntervals((Interval(1, 2, high_closed=False), Interval(2, 3)))
    assert stretches_of(met) == Stretches(False, ((1, False), (3, True)))


def test_nothing_and_everything() -> None:
    """The empty set and the whole line are told apart from all others."""
    assert stretches_of(InIntervals(())).is_empty
    assert stretches_of(Every(())) == Stretches(True)
    assert stretches_of(Not(Every(()))).is_empty
    apart = (InIntervals((Interval(5, None),)), InIntervals((Interval(None, 5, high_closed=False),)))
    assert stretches_of(Every(apart)).is_empty
