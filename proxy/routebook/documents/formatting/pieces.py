"""What a file consists of for whoever lays it out: values as they are written, and comments with what they belong to."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Comment:
    """One comment from its `#` on, with its place in the text. `blank` says that a blank line stands above it."""

    text: str
    index: int
    column: int
    blank: bool


@dataclass(slots=True)
class Word:
    """A scalar or an alias. `lines` are its source lines, those after the first without their indentation; `header` is
    that of a text block (`|-`), whose lines are all in `lines`, indented against each other as they were."""

    lines: list[str]
    anchor: str | None = None
    header: str | None = None
    null: bool = False


@dataclass(slots=True)
class Entry:
    """An item of a list (`key` is None) or a key with its value, and its comments: above it, behind its colon, behind it."""

    key: Word | None
    value: Piece
    name: str | None = None
    above: list[Comment] = field(default_factory=list)
    head: Comment | None = None
    behind: Comment | None = None
    blank: bool = False


@dataclass(slots=True)
class Collection:
    """A list or a mapping; `flow` is whether it was written in brackets, `foot` are the comments behind its last entry."""

    mapping: bool
    flow: bool
    entries: list[Entry]
    anchor: str | None = None
    foot: list[Comment] = field(default_factory=list)


Piece = Word | Collection


def is_commented(piece: Piece) -> bool:
    """Whether a comment stands within a value, so that it cannot be on one line."""
    if isinstance(piece, Word):
        return False
    return bool(piece.foot) or any(
        entry.above or entry.head or entry.behind or is_commented(entry.value) for entry in piece.entries
    )
