"""Constraints that a client puts on its own request: they narrow what the policy allows, and never widen it."""

from __future__ import annotations

from typing import Final, Protocol

from routebook.chat.asked import Asked
from routebook.documents.quantities import EXAMPLES, Unit, parse_quantity
from routebook.routing.outcomes import UNCONSTRAINED, Within

WITHIN_HEADER: Final = "x-routebook-within"
WITHIN_ENTRY: Final = "routebook_within"
"""Where a client says them: in this header, or under this entry of the body's metadata."""

_UNITS: Final = {"cost": Unit.MONEY, "first_token": Unit.DURATION, "first_audio": Unit.DURATION, "quality": Unit.SCORE}
_WORDS: Final = ("cost", "first_token", "first_audio", "quality", "region")
_MOST: Final = 500


class Headers(Protocol):
    """A request's headers, found without regard to case."""

    def get(self, name: str, /) -> str | None:
        """The first value of a header."""


def asked_within(headers: Headers, asked: Asked) -> Within:
    """The constraints that a request brings, in its header or else in its metadata; raises ValueError as `read_within`."""
    return read_within(headers.get(WITHIN_HEADER) or asked.metadata.get(WITHIN_ENTRY))


def read_within(text: str | None) -> Within:
    """`cost=$0.01, first_token=300ms, first_audio=1s, quality=0.7, region=eu` as constraints.

    Raises ValueError with a message for the client: what cannot be understood must not be taken for no constraint.
    """
    if not text:
        return UNCONSTRAINED
    if len(text) > _MOST:
        raise ValueError(f"constraints of more than {_MOST} characters")
    said: dict[str, str] = {}
    for part in text.split(","):
        name, equals, written = (piece.strip() for piece in part.partition("="))
        if name not in _WORDS or not equals or not written:
            raise ValueError("a constraint is one of " + ", ".join(f"`{word}=...`" for word in _WORDS))
        if name in said:
            raise ValueError(f"`{name}` is said twice")
        said[name] = written
    numbers = {name: _number(name, written) for name, written in said.items() if name in _UNITS}
    cost = numbers.get("cost")
    regions = frozenset(said["region"].split("|")) if "region" in said else None
    return Within(
        cost=None if cost is None else int(cost),
        first_token=numbers.get("first_token"),
        quality=numbers.get("quality"),
        regions=regions,
        first_audio=numbers.get("first_audio"),
    )


def _number(name: str, written: str) -> int | float:
    value = parse_quantity(written, _UNITS[name])
    if value is None:
        raise ValueError(f"`{name}` is written as {EXAMPLES[_UNITS[name]]}")
    return value
