"""Where two ordered lists of rules decide otherwise: regions of requests, by the rule that decides in each.

A request moves where one list's first match and the other's are not alike. Pairs of rules are gone through, but only
those that can meet: behind a rule of the same region in the other list nothing of it is left. What is found for a pair
is exact, or a region that all that moves lies in, and said to be that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from routebook.policy.conditions import ALWAYS, Condition
from routebook.policy.covering import Barrier, Barriers, Escape
from routebook.policy.proofs import region_of
from routebook.policy.regions import EVERYTHING, Box, Region, Space, TooLarge, Work, intersect, subtract
from routebook.policy.simplifying import simplified

SEARCH = 50_000
"""Boxes looked at to find out whether anything moves between two rules."""

EXACTLY = 3_000
"""Boxes looked at to say exactly what moves between two rules."""

MOST_PIECES, MOST_BOXES = 150, 12
"""Boxes that what moves may come to before it is made shorter, and after: nobody reads more."""

Apart = Callable[[int | None, int | None], Region]
"""Where what two rules decide is not alike, by their numbers (None: no rule matches); nothing where it is alike."""


@dataclass(frozen=True, slots=True)
class Change:
    """What moves from one rule to another (None: no rule). `example` lies in it, None where whether anything moves is
    undecided. Where it is not `exact`, all that moves lies in the region, and other requests too."""

    old: int | None
    new: int | None
    region: Region
    example: Box | None
    exact: bool


Progress = Callable[[int, int], None]
"""Told how many rules have been gone through, and of how many."""


class Side:
    """One of the two lists, with a last rule for what no other matches."""

    def __init__(self, space: Space, conditions: Sequence[Condition]) -> None:
        self.count = len(conditions)
        self.regions = [region_of(space, condition) for condition in (*conditions, ALWAYS)]
        self.barriers = Barriers(space, self.regions)

    def __repr__(self) -> str:
        return f"<Side of {self.count} rules>"

    def number(self, rule: int) -> int | None:
        """The rule's number; None for the last, which stands for no rule."""
        return None if rule == self.count else rule

    def ends_for(self, other: Side) -> list[int]:
        """For each rule of the other list, the first of this one that matches whatever it matches by itself: no later
        one decides any of it."""
        first: dict[frozenset[tuple[tuple[int, int], ...]], int] = {}
        for rule, region in enumerate(self.regions):
            if region is not None:
                first.setdefault(_form(region), rule)
        everything = first[_form(EVERYTHING)]
        return [
            everything if region is None else min(everything, first.get(_form(region), everything))
            for region in other.regions
        ]


def _form(region: Region) -> frozenset[tuple[tuple[int, int], ...]]:
    return frozenset(tuple(sorted(box.items())) for box in region)


class Differing:
    """The changes from one list of conditions to another, in one space that knows the words of both."""

    def __init__(self, space: Space, old: Sequence[Condition], new: Sequence[Condition], apart: Apart) -> None:
        self.space = space
        self.old, self.new = Side(space, old), Side(space, new)
        self._apart = apart

    def __repr__(self) -> str:
        return f"<Differing: {self.old!r} and {self.new!r} in {self.space!r}>"

    def changes(self, progress: Progress | None = None) -> Iterator[Change]:
        """Every pair of rules between which requests move, in the order of the old list."""
        new_ends, old_ends = self.new.ends_for(self.old), self.old.ends_for(self.new)
        for old, region in enumerate(self.old.regions):
            for new in self._meeting(region, new_ends[old]):
                if old <= old_ends[new]:
                    apart = self._apart(self.old.number(old), self.new.number(new))
                    change = self._between(old, new, apart) if apart else None
                    if change is not None:
                        yield change
            if progress is not None:
                progress(old + 1, len(self.old.regions))

    def _meeting(self, region: Region | None, end: int) -> Iterator[int]:
        """The new rules, up to one, that may decide some of a region."""
        found = {rule for rule, other in enumerate(self.new.regions[: end + 1]) if other is None}
        for box in EVERYTHING if region is None else region:
            found.update(barrier.rule for barrier in self.new.barriers.meeting(box, end + 1))
        yield from sorted(found)

    def _between(self, old: int, new: int, apart: Region) -> Change | None:
        whole = self._common(self.old.regions[old], self.new.regions[new])
        whole = self._narrowed(intersect(whole, apart), old, new)
        known = self.old.regions[old] is not None and self.new.regions[new] is not None
        example, undecided = None, False
        work = Work(SEARCH)
        for box in whole:
            try:
                example = Escape(self.space.full, work).find(box, self._barriers(box, old, new))
            except TooLarge:
                undecided = True
                break
            if example is not None:
                break
        if example is None and not undecided:
            return None
        numbers = self.old.number(old), self.new.number(new)
        exact = self._exactly(whole, old, new) if known and not undecided else None
        if not exact:
            return Change(*numbers, simplified(self.space, whole), example, False)
        return Change(*numbers, exact, exact[0], True)

    @staticmethod
    def _common(one: Region | None, other: Region | None) -> Region:
        return intersect(EVERYTHING if one is None else one, EVERYTHING if other is None else other)

    def _narrowed(self, region: Region, old: int, new: int) -> Region:
        """A region without what a rule before takes from one of its sides: what is left of a box is one box again."""
        found: list[Box] = []
        for box in region:
            narrow: dict[int, int] | None = dict(box)
            standing = self._barriers(box, old, new)
            before = -1
            while narrow is not None and before != len(standing):
                before = len(standing)
                narrow, standing = self._past(narrow, standing)
            if narrow is not None:
                found.append(narrow)
        return tuple(found)

    def _past(self, box: dict[int, int], barriers: Sequence[Barrier]) -> tuple[dict[int, int] | None, list[Barrier]]:
        """A box past every barrier that leaves one way out of it, and the barriers that leave several; None where one
        leaves none."""
        standing: list[Barrier] = []
        for barrier in barriers:
            here = [(axis, box.get(axis, self.space.full[axis]), mask) for axis, mask in barrier.cells]
            if not all(cells & mask for _, cells, mask in here):
                continue
            ways = [(axis, cells & ~mask) for axis, cells, mask in here if cells & ~mask]
            if not ways:
                return None, []
            if len(ways) == 1:
                box[ways[0][0]] = ways[0][1]
            else:
                standing.append(barrier)
        return box, standing

    def _barriers(self, box: Box, old: int, new: int) -> list[Barrier]:
        """What stands before either rule and has something in common with a box, each once."""
        found = (*self.old.barriers.meeting(box, old), *self.new.barriers.meeting(box, new))
        return list({barrier.cells: barrier for barrier in found}.values())

    def _exactly(self, whole: Region, old: int, new: int) -> Region | None:
        """What is left for both rules by those before them; None where that is too much to say."""
        work = Work(EXACTLY)
        left: list[Box] = []
        try:
            for box in whole:
                parts: Region = (box,)
                for barrier in sorted(self._barriers(box, old, new), key=lambda each: len(each.cells)):
                    parts = subtract(self.space, parts, (dict(barrier.cells),), work)
                    if len(parts) > MOST_PIECES:
                        return None
                left += [part for part in parts if part not in left]
        except TooLarge:
            return None
        if len(left) > MOST_PIECES:
            return None
        region = simplified(self.space, tuple(left))
        return region if len(region) <= MOST_BOXES else None
