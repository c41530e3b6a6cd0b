"""How hard a prompt is, from 0 to 1, by which signals, and what that says of a model's chances with it.

Linear on purpose: the score is the sum of what its signals contribute, so a reason is the arithmetic itself. The weights
(`weights.json`) were fitted on public outcomes of 2023 and 2024; `docs/model-router.md` says what they are worth.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from math import exp
from typing import Any, Final

from routebook.scoring.fitting import Heads, dot, logit, sigmoid
from routebook.scoring.signals import NAMES, read, signals_of
from routebook.scoring.tasks import task_of

LEAST: Final = 0.02
"""A contribution that is told, at least."""


@dataclass(frozen=True, slots=True)
class Contribution:
    """What one signal adds to the difficulty, in log-odds, compared with an everyday turn of a conversation."""

    signal: str
    value: float
    adds: float


@dataclass(frozen=True)
class Score:
    """One prompt, judged. `complexity` is 0 to 1; `difficulty` and `gain` are in log-odds; `task` is a class."""

    complexity: float
    difficulty: float
    gain: float
    task: str
    signals: tuple[float, ...]
    scorer: Scorer

    @cached_property
    def contributions(self) -> list[Contribution]:
        """What made it hard or easy, the strongest first."""
        scorer = self.scorer
        found = [
            Contribution(name, value, weight * (value - usual))
            for name, value, weight, usual in zip(
                NAMES, self.signals, scorer.heads.difficulty, scorer.everyday, strict=True
            )
        ]
        return sorted((each for each in found if abs(each.adds) >= LEAST), key=lambda each: -abs(each.adds))


@dataclass(frozen=True)
class Scorer:
    """Weights, and what an everyday turn looks like. `middle` is the difficulty at complexity one half, `scale` how many
    log-odds of complexity one of difficulty is; `levels` the mean difficulty of each class of task."""

    version: str
    heads: Heads
    everyday: tuple[float, ...]
    middle: float
    scale: float
    levels: Mapping[str, tuple[float, float]]

    def score(self, prompt: str) -> Score:
        """Judge a prompt. At most half a millisecond for any length: the text is read within bounds."""
        signals = signals_of(read(prompt))
        difficulty, gain = self.judge(signals)
        task = task_of(dict(zip(NAMES, signals, strict=True)))
        complexity = sigmoid(self.scale * (difficulty - self.middle))
        return Score(round(complexity, 4), difficulty, gain, task, tuple(signals), self)

    def judge(self, signals: Sequence[float]) -> tuple[float, float]:
        """Difficulty and gain of a prompt by its signals, in log-odds."""
        return dot(self.heads.difficulty, signals), dot(self.heads.gain, signals)

    def chance(self, difficulty: float, gain: float, quality: float, strength: float, task: str = "") -> float:
        """The predicted quality of a model's answer to a prompt of this difficulty and gain. `quality` is the model's
        mean over prompts of the class `task`, or over all where that is empty; `strength` how far it stands above the
        other models (`fitting.strengths`)."""
        usual_difficulty, usual_gain = self.levels.get(task) or self.levels[""]
        return sigmoid(logit(quality) - (difficulty - usual_difficulty) + strength * _gained(gain - usual_gain))

    @cached_property
    def digest(self) -> str:
        """Eight bytes of what the weights are, in hexadecimal: which scorer judged."""
        return blake2b(repr(self.written()).encode(), digest_size=8).hexdigest()

    def written(self) -> dict[str, Any]:
        """The scorer as its file says it."""
        heads = self.heads
        return {
            "version": self.version,
            "signals": {
                name: [round(value, 4) for value in row]
                for name, *row in zip(NAMES, heads.difficulty, heads.gain, self.everyday, strict=True)
            },
            "middle": round(self.middle, 4),
            "scale": round(self.scale, 4),
            "levels": {task: [round(value, 4) for value in level] for task, level in sorted(self.levels.items())},
        }


def _gained(above: float) -> float:
    """The gain above the usual, never at or below -1: the lead of a better model shrinks with easy prompts, and is never
    turned round."""
    return above if above > -0.5 else 0.5 * exp(2 * above + 1) - 1


def scorer_of(written: Mapping[str, Any]) -> Scorer:
    """A scorer from its file. Raises KeyError where a signal is missing."""
    rows = [written["signals"][name] for name in NAMES]
    return Scorer(
        written["version"],
        Heads(tuple(row[0] for row in rows), tuple(row[1] for row in rows)),
        tuple(row[2] for row in rows),
        written["middle"],
        written["scale"],
        {task: (level[0], level[1]) for task, level in written["levels"].items()},
    )
