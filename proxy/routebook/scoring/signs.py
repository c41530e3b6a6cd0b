"""Which way a signal may point: said before any outcome is seen, so that reasons never read backwards."""

from __future__ import annotations

from typing import Final

from routebook.scoring.fitting import Heads, Wanted
from routebook.scoring.signals import NAMES

EASIER: Final = ("greeting", "words of small talk", "starts as a question", "words of factoid")
"""Signals that never make a prompt harder."""

FREE: Final = (
    "choices",
    "length of choices",
    "question before choices",
    "repetition",
    "quotations",
    "other scripts",
    "proper names",
    "words of role",
    "words of writing",
    "words of extraction",
    "words of humanities",
    "words of psychology",
)
"""Signals whose direction the outcomes decide; all others never make a prompt easier."""


def wanted_around(prior: Heads, ridge_of_difficulty: float = 1e-3, ridge_of_gain: float = 3e-4) -> Wanted:
    """The signs, and weights drawn towards these."""
    return Wanted(
        harder=frozenset(place for place, name in enumerate(NAMES) if name not in EASIER + FREE),
        easier=frozenset(NAMES.index(name) for name in EASIER),
        prior=prior,
        ridge_of_difficulty=ridge_of_difficulty,
        ridge_of_gain=ridge_of_gain,
    )
