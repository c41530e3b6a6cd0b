"""What is kept of a judged prompt: enough to choose among models again, and to say why."""

from __future__ import annotations

import msgspec

from routebook.scoring.scorer import Score

MOST_TOLD = 6
"""Signals that are named with what they add."""


class Judged(msgspec.Struct, frozen=True, gc=False):
    """A prompt's class of task, its complexity (0 to 1), its difficulty and gain (log-odds), the digest of the scorer
    that judged, and which signals counted most: name and what it adds to the difficulty of an everyday turn.
    `scored` is the scorer's own class, where `task` is one that the policy defines (empty: elsewhere)."""

    task: str
    complexity: float
    difficulty: float
    gain: float
    scorer: str
    signals: tuple[tuple[str, float], ...] = ()
    scored: str = ""


def judged(score: Score) -> Judged:
    """A score as it is kept."""
    return Judged(
        score.task,
        score.complexity,
        round(score.difficulty, 4),
        round(score.gain, 4),
        score.scorer.digest,
        tuple((each.signal, round(each.adds, 3)) for each in score.contributions[:MOST_TOLD]),
    )


def classed(found: Judged, own: str | None) -> Judged:
    """The same prompt in a class of the policy's own; in the scorer's where that is None."""
    scored = found.scored or found.task
    return msgspec.structs.replace(found, task=own or scored, scored="" if own is None else scored)
