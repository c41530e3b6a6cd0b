"""Is there a request in this box that none of those rules match? The one question that all proofs come down to.

A box is narrowed until it escapes every box of the rules before: a box to escape from with one way out forces it, an
axis on which some cell escapes from all that ask about it is settled at once, and else the box with the fewest ways out
is tried way by way. NP-complete at worst, so a budget of work bounds it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from routebook.policy.regions import Box, Region, Space, TooLarge, Work

MAX_DEPTH = 300
"""Choices within choices at most."""

Literal = tuple[int, int]
"""A number of an axis and the cells along it."""


@dataclass(frozen=True, slots=True)
class Barrier:
    """A box to escape from, and the number of the rule that it belongs to."""

    rule: int
    cells: tuple[Literal, ...]


@dataclass(slots=True)
class Barriers:
    """The boxes of ordered regions, found by what they may have in common with a box.

    Regions that are not known (None) are no barrier: then more seems possible than is, never less.
    """

    space: Space
    regions: Sequence[Region | None]
    all: list[Barrier] = field(default_factory=list)
    _ends: list[int] = field(default_factory=list)
    _by_cells: dict[int, dict[int, int]] = field(default_factory=dict)
    _asking: dict[int, int] = field(default_factory=dict)
    _kept: dict[Literal, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for rule, region in enumerate(self.regions):
            for box in region or ():
                bit = 1 << len(self.all)
                self.all.append(Barrier(rule, tuple(box.items())))
                for axis, mask in box.items():
                    masks = self._by_cells.setdefault(axis, {})
                    masks[mask] = masks.get(mask, 0) | bit
                    self._asking[axis] = self._asking.get(axis, 0) | bit
            self._ends.append(len(self.all))

    def meeting(self, box: Box, before: int) -> list[Barrier]:
        """Those of the rules with numbers below `before` that have something in common with a box, in order."""
        standing = (1 << (self._ends[before - 1] if before else 0)) - 1
        for axis, mask in box.items():
            standing &= ~self._apart(axis, mask)
        return [self.all[bit] for bit in _bits(standing)]

    def _apart(self, axis: int, mask: int) -> int:
        """The barriers that have nothing in common with cells of an axis."""
        found = self._kept.get((axis, mask))
        if found is None:
            found = 0
            for other, bits in self._by_cells.get(axis, {}).items():
                if not other & mask:
                    found |= bits
            self._kept[axis, mask] = found
        return found


def _bits(mask: int) -> Iterator[int]:
    while mask:
        low = mask & -mask
        yield low.bit_length() - 1
        mask ^= low


@dataclass(slots=True)
class Escape:
    """One search. `used` are the rules that stood in the way: where no way is found, they cover the box together."""

    full: Sequence[int]
    work: Work
    used: set[int] = field(default_factory=set)

    def find(self, box: Box, barriers: Sequence[Barrier], depth: int = 0) -> Box | None:
        """A box within this one that escapes all barriers; None where there is none. Raises TooLarge."""
        narrowed = dict(box)
        if depth > MAX_DEPTH:
            raise TooLarge
        while True:
            self.work.spend(len(barriers) + 1)
            look = self._look(narrowed, barriers)
            if look is None:
                return None
            barriers, ways, by = look
            if not barriers:
                return narrowed
            if len(ways) > 1:
                return self._try(narrowed, barriers, ways, by, depth + 1)

    def _look(
        self, box: dict[int, int], barriers: Sequence[Barrier]
    ) -> tuple[list[Barrier], list[Literal], int] | None:
        """The barriers that still stand, the fewest ways out of one of them, and whose it is; one way is taken at once.

        None where there is no way out of one of them.
        """
        standing: list[Barrier] = []
        asked: dict[int, int] = {}
        fewest: list[Literal] = []
        whose, full, forced = -1, self.full, False
        for barrier in barriers:
            ways: list[Literal] = []
            for axis, mask in barrier.cells:
                here = box.get(axis)
                if here is None:
                    here = full[axis]
                if not here & mask:
                    break
                if here & ~mask:
                    ways.append((axis, mask))
            else:
                if len(ways) < 2:
                    self.used.add(barrier.rule)
                    if not ways:
                        return None
                    axis, mask = ways[0]
                    box[axis] = box.get(axis, full[axis]) & ~mask
                    forced = True
                    continue
                standing.append(barrier)
                for axis, mask in ways:
                    asked[axis] = asked.get(axis, 0) | mask
                if whose < 0 or len(ways) < len(fewest):
                    fewest, whose = ways, barrier.rule
        free = {axis: rest for axis, mask in asked.items() if (rest := box.get(axis, full[axis]) & ~mask)}
        box.update(free)
        return standing, ([] if free or forced else fewest), whose

    def _try(self, box: Box, barriers: Sequence[Barrier], ways: list[Literal], by: int, depth: int) -> Box | None:
        """Each way out of one barrier in turn, those before it closed."""
        self.used.add(by)
        inside = dict(box)
        for axis, mask in ways:
            here = inside.get(axis, self.full[axis])
            if here & ~mask:
                found = self.find({**inside, axis: here & ~mask}, barriers, depth)
                if found is not None:
                    return found
            if not here & mask:
                return None
            inside[axis] = here & mask
        return None


def escape(
    space: Space, region: Region, barriers: Barriers, before: int, work: Work, towards: Box | None = None
) -> Box | None:
    """A box of a region that none of the first rules match; None where they cover it.

    It names no axis that could as well vary as far as its box of the region does, or a wider one to go `towards`.
    Raises TooLarge.
    """
    for box in region:
        found = Escape(space.full, work).find(box, barriers.meeting(box, before))
        if found is not None:
            goal = box if towards is None else towards
            wide = _widened(found, goal, barriers.meeting(goal, before), space.full)
            return {axis: mask & box.get(axis, mask) for axis, mask in wide.items()}
    return None


def _widened(found: Box, within: Box, barriers: Iterable[Barrier], full: Sequence[int]) -> Box:
    """Take back whatever narrowing is not needed, so that an example speaks of few facts."""
    apart = [
        {axis: mask for axis, mask in barrier.cells if not found.get(axis, full[axis]) & mask} for barrier in barriers
    ]
    wide = dict(found)
    for axis in sorted(set(found) - set(within), reverse=True) + sorted(set(found) & set(within)):
        goal = within.get(axis, full[axis])
        touched = [each for each in apart if goal & each.get(axis, 0)]
        if all(len(each) > 1 for each in touched):
            for each in touched:
                del each[axis]
            if axis in within:
                wide[axis] = goal
            else:
                del wide[axis]
    return wide


def cover_of(space: Space, region: Region, barriers: Barriers, before: int, work: Work) -> list[int] | None:
    """The rules, as few as are needed, that together match all of a region; None where something escapes them.

    Raises TooLarge where that is not decided; where only the fewest are not found in time, some are too many.
    """
    used: set[int] = set()
    for box in region:
        search = Escape(space.full, work)
        if search.find(box, barriers.meeting(box, before)) is not None:
            return None
        used |= search.used
    needed = sorted(used)
    for rule in sorted(used, reverse=True):
        fewer = [each for each in needed if each != rule]
        if fewer and _covers(space, region, barriers, set(fewer), before):
            needed = fewer
    return needed


def _covers(space: Space, region: Region, barriers: Barriers, rules: set[int], before: int) -> bool:
    work = Work(5_000)
    try:
        return all(
            Escape(space.full, work).find(box, [each for each in barriers.meeting(box, before) if each.rule in rules])
            is None
            for box in region
        )
    except TooLarge:
        return False
