"""Which numbers a predicate holds for, as the places on the number line where it turns.

A place is `(number, after)`: just before the number, or just after it. Integers and floats compare exactly, so
nothing is lost to rounding, however large the numbers are.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from routebook.policy.conditions import Every, InIntervals, Interval, Not, Predicate

Place = tuple[int | float, bool]
"""Just before a number (False) or just after it (True); places sort as they lie on the line."""


@dataclass(frozen=True, slots=True)
class Stretches:
    """A set of numbers: whether it begins at minus infinity, and the places where it stops or begins again."""

    begins: bool
    turns: tuple[Place, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether no number belongs to it."""
        return not self.begins and not self.turns

    def but_not(self) -> Stretches:
        """All other numbers."""
        return Stretches(not self.begins, self.turns)


def stretches_of(predicate: Predicate) -> Stretches:
    """The numbers that a predicate on a number holds for."""
    match predicate:
        case InIntervals(intervals):
            return _union(_interval(interval) for interval in intervals)
        case Not(inner):
            return stretches_of(inner).but_not()
        case Every(predicates):
            return _union(stretches_of(each).but_not() for each in predicates).but_not()
        case _:
            raise ValueError(f"not a predicate on numbers: {predicate}")


def _interval(interval: Interval) -> Stretches:
    low = None if interval.low is None else (interval.low, not interval.low_closed)
    high = None if interval.high is None else (interval.high, interval.high_closed)
    if low is not None and high is not None and low >= high:
        return Stretches(begins=False)
    return Stretches(low is None, tuple(place for place in (low, high) if place is not None))


def _union(parts: Iterable[Stretches]) -> Stretches:
    """The numbers in any of the parts: sweep the line, counting how many parts cover the ground."""
    covering = 0
    turns: list[tuple[Place, int]] = []
    for part in parts:
        inside = part.begins
        covering += inside
        for place in part.turns:
            turns.append((place, -1 if inside else 1))
            inside = not inside
    begins = covering > 0
    kept: list[Place] = []
    for place, change in sorted(turns, key=lambda turn: (turn[0], -turn[1])):
        was = covering > 0
        covering += change
        if was != (covering > 0):
            kept.append(place)
    return Stretches(begins, tuple(kept))
