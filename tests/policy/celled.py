"""Requests by the cells they lie in: whether a region holds one can be looked up, without any rule being asked."""

from __future__ import annotations

import random

from routebook.policy.facts import Value
from routebook.policy.regions import Region, Space

Cells = dict[int, int]
"""A request as the number of its cell on each axis."""


def some_cells(space: Space, dice: random.Random) -> Cells:
    """Any request that a space can tell apart from others."""
    return {
        number: dice.choice([bit for bit in range(full.bit_length()) if full >> bit & 1])
        for number, full in enumerate(space.full)
    }


def sheet_at(space: Space, cells: Cells) -> dict[str, Value | None]:
    """The facts of such a request."""
    sheet = space.example({number: 1 << bit for number, bit in cells.items()})
    assert sheet is not None, "an opaque pattern has no values"
    return sheet


def lies_in(region: Region, cells: Cells) -> bool:
    """Whether a region holds a request."""
    return any(all(mask >> cells[number] & 1 for number, mask in box.items()) for box in region)
