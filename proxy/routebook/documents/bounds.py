"""Quantities with a lowest and a highest sensible value."""

from __future__ import annotations

from routebook.documents.nodes import Node, Scalar
from routebook.documents.problems import Problems
from routebook.documents.quantities import Unit, parse_quantity
from routebook.documents.reading import Fields, read_quantity


def read_bounded(
    node: Node, unit: Unit, problems: Problems, least: str | None = None, most: str | None = None
) -> int | float | None:
    """A quantity between two others, written as an author would write them (`least="1s"`)."""
    value = read_quantity(node, unit, problems)
    if value is None:
        return None
    low = None if least is None else parse_quantity(least, unit)
    high = None if most is None else parse_quantity(most, unit)
    if (low is not None and value < low) or (high is not None and value > high):
        written = node.text if isinstance(node, Scalar) else ""
        problems.error("document.out-of-range", f"`{written}` is out of range", node.location, _range(least, most))
        return None
    return value


def bounded(
    fields: Fields, name: str, unit: Unit, least: str | None = None, most: str | None = None
) -> int | float | None:
    """The quantity under a key, between two others; None where the key is absent or its value is wrong."""
    node = fields.node(name)
    return None if node is None else read_bounded(node, unit, fields.problems, least, most)


def whole(fields: Fields, name: str, unit: Unit, least: str | None = None, most: str | None = None) -> int | None:
    """Like `bounded`, for units that are counted in whole numbers."""
    value = bounded(fields, name, unit, least, most)
    return None if value is None else int(value)


def _range(least: str | None, most: str | None) -> str:
    if most is None:
        return f"it must be at least `{least}`"
    if least is None:
        return f"it must be at most `{most}`"
    return f"it must be between `{least}` and `{most}`"
