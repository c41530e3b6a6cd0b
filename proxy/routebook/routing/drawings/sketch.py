"""A picture before it is drawn: shapes with words in them, and arrows between them. No arrow leads back."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass


class Kind(enum.Enum):
    """What a shape stands for; each kind has a form of its own, so that colour is never all that tells them apart."""

    QUESTION = "question"
    ROUTE = "route"
    REFUSAL = "refusal"
    GAP = "gap"
    TABLE = "table"
    FOLDED = "folded"
    KEPT = "kept"
    DROPPED = "dropped"


@dataclass(frozen=True, slots=True)
class Shape:
    """One box: a title, and lines below it. `lit` is on the way that one request took; `rules` are the names of those that
    decide there or, where the box is not unfolded, below it; `idle` is where nobody came."""

    kind: Kind
    title: str
    lines: tuple[str, ...] = ()
    lit: bool = False
    rules: tuple[str, ...] = ()
    idle: bool = False


@dataclass(frozen=True, slots=True)
class Arrow:
    """From one shape to another, by their numbers, with the answer that leads there."""

    source: int
    target: int
    words: str = ""
    lit: bool = False


@dataclass(frozen=True, slots=True)
class Sketch:
    """A picture. `says` is what it shows, in sentences, for whoever cannot see it."""

    title: str
    says: str
    shapes: tuple[Shape, ...]
    arrows: tuple[Arrow, ...]

    @property
    def has_light(self) -> bool:
        """Whether one way through it is lit."""
        return any(shape.lit for shape in self.shapes)

    def leaving(self) -> list[list[Arrow]]:
        """The arrows that leave each shape, in their order."""
        found: list[list[Arrow]] = [[] for _ in self.shapes]
        for arrow in self.arrows:
            found[arrow.source].append(arrow)
        return found


def counted(number: int, noun: str) -> str:
    """A number with its noun: `1 rule`, `3 rules`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def listed(names: Iterable[str], most: int = 3) -> str:
    """A few names in a row, the rest counted."""
    names = list(names)
    shown = names if len(names) <= most + 1 else names[:most]
    more = len(names) - len(shown)
    return ", ".join(shown) + (f" and {more:,} more" if more else "")
