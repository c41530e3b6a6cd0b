"""What can be told of a condition by looking at it: whether it always holds, what it asks, and what it cannot do without."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from routebook.policy.conditions import AllOf, AnyOf, Condition, Every, InIntervals, Named, Not, Predicate, Test


def always_holds(condition: Condition) -> bool:
    """Whether a condition plainly holds for every request, whatever is missing."""
    match condition:
        case AllOf(parts):
            return all(always_holds(part) for part in parts)
        case AnyOf(parts):
            return any(always_holds(part) for part in parts)
        case Named(_, inner):
            return always_holds(inner)
        case Test():
            return False


def tests_of(condition: Condition) -> Iterator[Test]:
    """Every test in a condition, named ones spelled out."""
    match condition:
        case Test():
            yield condition
        case AllOf(parts) | AnyOf(parts):
            for part in parts:
                yield from tests_of(part)
        case Named(_, inner):
            yield from tests_of(inner)


def numbers_of(fact: str, conditions: Iterable[Condition]) -> tuple[float, ...]:
    """The numbers that conditions put a fact to, the least first: it is the same to all of them between two of these."""
    tests = (test for condition in conditions for test in tests_of(condition) if test.fact == fact)
    return tuple(sorted({end for test in tests if test.predicate is not None for end in _ends(test.predicate)}))


def _ends(predicate: Predicate) -> Iterator[float]:
    match predicate:
        case InIntervals(intervals):
            for each in intervals:
                yield from (end for end in (each.low, each.high) if end is not None)
        case Not(inner):
            yield from _ends(inner)
        case Every(inner):
            for part in inner:
                yield from _ends(part)
        case _:
            return


def needed(condition: Condition) -> Iterator[Test]:
    """The tests that must hold for the condition to hold: those under no alternative."""
    match condition:
        case Test():
            yield condition
        case AllOf(parts):
            for part in parts:
                yield from needed(part)
        case Named(_, inner):
            yield from needed(inner)
        case AnyOf():
            return
