"""A document as its author wrote it: scalars as text, each value with its place.

A scalar keeps its text and is read by the type that the language expects at that place
(`documents.reading`), so YAML 1.1's guesses (`NO`, `22:00`, `010`) never happen.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from routebook.documents.problems import Location


@dataclass(frozen=True, slots=True)
class Scalar:
    """One written word or text; `quoted` tells "80" from 80."""

    text: str
    location: Location
    quoted: bool = False

    @property
    def is_null(self) -> bool:
        """Whether nothing was written (`key:`), or `null` or `~`."""
        return not self.quoted and self.text in ("", "~", "null", "Null", "NULL")


@dataclass(frozen=True, slots=True)
class Sequence:
    """A list."""

    items: tuple[Node, ...]
    location: Location

    def __iter__(self) -> Iterator[Node]:
        return iter(self.items)


@dataclass(frozen=True, slots=True)
class Mapping:
    """Keys with values, in the author's order; keys are unique (the loader reports duplicates)."""

    entries: tuple[tuple[Scalar, Node], ...]
    location: Location

    def get(self, name: str) -> Node | None:
        """The value under a key, or None."""
        return next((value for key, value in self.entries if key.text == name), None)

    def key(self, name: str) -> Scalar | None:
        """The key itself, for its place."""
        return next((key for key, _ in self.entries if key.text == name), None)

    def __iter__(self) -> Iterator[tuple[Scalar, Node]]:
        return iter(self.entries)


Node = Scalar | Sequence | Mapping


def scalars_of(node: Node | None) -> Iterator[Scalar]:
    """Every scalar in a node, keys included, in the order they stand."""
    match node:
        case Scalar():
            yield node
        case Sequence(items):
            for item in items:
                yield from scalars_of(item)
        case Mapping(entries):
            for key, value in entries:
                yield key
                yield from scalars_of(value)


@dataclass(frozen=True, slots=True)
class Document:
    """One file: its name as problems show it, its text for carets, and its content.

    `root` is None where the file is empty, or where it could not be read; `readable` tells the two apart, since nothing
    can be said to be absent while a file is unread.
    """

    file: str
    text: str
    root: Node | None
    readable: bool = True
