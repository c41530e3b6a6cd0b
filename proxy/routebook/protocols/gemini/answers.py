"""Words of an upstream that go into the record, and what they are cut to."""

from __future__ import annotations

from typing import Final

LONGEST: Final = 100
"""Characters of an upstream's word that are kept: it goes into the record."""


def short(word: str | None) -> str | None:
    """The word, as much of it as is kept."""
    return None if word is None else word[:LONGEST]
