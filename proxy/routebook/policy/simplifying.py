"""A region in few and general boxes, so that it can be read: the same requests, said shorter."""

from __future__ import annotations

from collections.abc import Sequence

from routebook.policy.regions import Box, Region, Space, TooLarge, Work, meet, subtract, within

WORK = 20_000
"""Boxes looked at to make one region shorter."""


def simplified(space: Space, region: Region, work: Work | None = None) -> Region:
    """The same region in as few boxes as are easily found, the most general first; boxes may overlap.

    What does not get shorter within the budget of work stays as it is.
    """
    work = work or Work(WORK)
    boxes = _merged(space, list(region))
    try:
        boxes = _merged(space, [_widened(space, box, boxes, work) for box in boxes])
        boxes = _needed(space, boxes, work)
    except TooLarge:
        pass
    return tuple(sorted(boxes, key=lambda box: (len(box), -sum(mask.bit_count() for mask in box.values()), repr(box))))


def _merged(space: Space, boxes: list[Box]) -> list[Box]:
    """Boxes that differ along one axis only are one; a box within another is none."""
    merged = True
    while merged:
        merged = False
        groups: dict[tuple[int, frozenset[tuple[int, int]]], list[dict[int, int]]] = {}
        taken: list[Box] = []
        for box in boxes:
            for axis in box:
                rest = frozenset((other, mask) for other, mask in box.items() if other != axis)
                groups.setdefault((axis, rest), []).append(dict(box))
        used: set[int] = set()
        by_cells = {frozenset(box.items()): number for number, box in enumerate(boxes)}
        for (axis, rest), group in groups.items():
            numbers = [by_cells[frozenset(box.items())] for box in group]
            if len(group) < 2 or used.intersection(numbers):
                continue
            mask = 0
            for box in group:
                mask |= box[axis]
            taken.append(_box(space, {**dict(rest), axis: mask}))
            used.update(numbers)
            merged = True
        boxes = [box for number, box in enumerate(boxes) if number not in used] + taken
        boxes = _outermost(space, boxes)
    return boxes


def _outermost(space: Space, boxes: Sequence[Box]) -> list[Box]:
    """Without those that lie within others; of equal ones, the first."""
    kept: list[Box] = []
    for number, box in enumerate(boxes):
        others = (*kept, *boxes[number + 1 :])
        if not any(within(box, other, space.full) and (other in kept or other != box) for other in others):
            kept.append(box)
    return kept


def _box(space: Space, box: Box) -> Box:
    """Without axes along which everything is in."""
    return {axis: mask for axis, mask in box.items() if mask & space.full[axis] != space.full[axis]}


def _widened(space: Space, box: Box, region: Sequence[Box], work: Work) -> Box:
    """As few axes as are needed to stay within a region."""
    wide = dict(box)
    for axis in sorted(box, key=lambda axis: (-box[axis].bit_count(), -axis)):
        work.spend(len(region) // 4)
        beyond = {**wide, axis: space.full[axis] & ~wide[axis]}
        near = [other for other in region if meet(beyond, other) is not None]
        if near and not subtract(space, (beyond,), near, work):
            del wide[axis]
    return wide


def _needed(space: Space, boxes: Sequence[Box], work: Work) -> list[Box]:
    """Without those that the others cover together, the narrowest first."""
    kept = list(boxes)
    for box in sorted(boxes, key=lambda box: (-len(box), sum(mask.bit_count() for mask in box.values()))):
        others = [other for other in kept if other is not box]
        near = [other for other in others if meet(box, other) is not None]
        if near and not subtract(space, (box,), near, work):
            kept = others
    return kept
