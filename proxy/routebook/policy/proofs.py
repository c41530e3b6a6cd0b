"""What can be proven of ordered rules: which decide nothing and why, and which requests meet none.

Everything is exact, or said to be undecided: a proof costs work, of which each question has a budget.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from routebook.policy.conditions import AllOf, Condition, Named
from routebook.policy.covering import Barriers, cover_of, escape
from routebook.policy.regions import EVERYTHING, Box, Region, Space, TooLarge, Work

Progress = Callable[[int], None]
"""Told how many questions have been answered so far."""


class Undecided:
    """Neither proven nor refuted within the budget of work."""

    def __repr__(self) -> str:
        return "<undecided>"


UNDECIDED = Undecided()


@dataclass(frozen=True, slots=True)
class Contradicted:
    """The rule's own conditions exclude each other; `between` are those that do, as few as are needed."""

    between: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Covered:
    """The rules before it with these numbers match, together, whatever it matches."""

    by: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Decides:
    """The rule decides the requests of this box, among others."""

    box: Box


Standing = Contradicted | Covered | Decides | Undecided
"""What becomes of one rule."""


class Ordered:
    """The conditions of ordered rules in one space, and what is left for each by those before it."""

    def __init__(self, space: Space, conditions: Sequence[Condition]) -> None:
        self.space = space
        self.conditions = conditions
        self.regions = [region_of(space, condition) for condition in conditions]
        self.barriers = Barriers(space, self.regions)

    def __repr__(self) -> str:
        return f"<Ordered: {len(self.conditions)} rules in {self.space!r}>"

    def standings(self, progress: Progress | None = None) -> Iterator[Standing]:
        """What becomes of each rule, in order."""
        for number in range(len(self.conditions)):
            yield self._standing(number)
            if progress is not None:
                progress(number + 1)

    def gap(self, work: Work | None = None) -> Box | Undecided | None:
        """Requests that meet no rule; None where there are none."""
        return self.left_of(EVERYTHING, len(self.conditions), work)

    def left_of(
        self, region: Region, before: int, work: Work | None = None, towards: Box | None = None
    ) -> Box | Undecided | None:
        """Requests of a region that none of the first rules match; None where there are none.

        The box found goes as far as the region does, or as `towards` does, which the region lies in: what else was
        asked of the requests is then left out of it where no rule asks for it.
        """
        try:
            return escape(self.space, region, self.barriers, before, work or Work(), towards)
        except TooLarge:
            return UNDECIDED

    def _standing(self, number: int) -> Standing:
        region = self.regions[number]
        if region is None:
            return UNDECIDED
        if not region:
            return Contradicted(contradiction(self.space, self.conditions[number]))
        found = self.left_of(region, number)
        if isinstance(found, Undecided):
            return found
        if found is not None:
            return Decides(found)
        try:
            return Covered(tuple(cover_of(self.space, region, self.barriers, number, Work()) or ()))
        except TooLarge:
            return UNDECIDED


def region_of(space: Space, condition: Condition, *, missing_holds: bool = False) -> Region | None:
    """What a condition holds for; None where that is too large to say."""
    try:
        return space.region(condition, missing_holds=missing_holds)
    except TooLarge:
        return None


def contradiction(space: Space, condition: Condition) -> tuple[Condition, ...]:
    """Which parts of a condition that never holds exclude each other: as few as are needed."""
    parts = list(_parts(condition))
    for part in list(parts):
        fewer = [each for each in parts if each is not part]
        if fewer and region_of(space, AllOf(tuple(fewer))) == ():
            parts = fewer
    return tuple(parts)


def _parts(condition: Condition) -> Iterator[Condition]:
    match condition:
        case AllOf(parts):
            for part in parts:
                yield from _parts(part)
        case Named(_, AllOf() as inner):
            yield from _parts(inner)
        case _:
            yield condition
