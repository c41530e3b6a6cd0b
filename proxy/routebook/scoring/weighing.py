"""A file of weights: the scorer, and where a team has trained its own, the qualities that its outcomes show.

{"version": "...", "signals": {NAME: [difficulty, gain, everyday]}, "middle": ..., "scale": ..., "levels": {...},
 "qualities": {MODEL: {"usual": ..., TASK: ...}}}
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Annotated, Any, Final

import msgspec

from routebook.scoring.scorer import Scorer, scorer_of
from routebook.scoring.signals import NAMES
from routebook.scoring.tasks import TASKS

LARGEST_FILE: Final = 1024 * 1024
"""Bytes of a file of weights."""

USUAL: Final = "usual"
"""The word for a model's quality over all classes of task."""

Share = Annotated[float, msgspec.Meta(ge=0, le=1)]


class BadWeights(ValueError):
    """A file of weights cannot be used; the message says why."""


class _Written(msgspec.Struct, forbid_unknown_fields=True):
    """What stands in the file."""

    version: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
    signals: dict[str, tuple[float, float, float]]
    middle: float
    scale: Annotated[float, msgspec.Meta(gt=0)]
    levels: dict[str, tuple[float, float]]
    qualities: dict[str, dict[str, Share]] = {}


@dataclass(frozen=True, slots=True)
class Weights:
    """A scorer, and the quality of models by class of task (`usual`: over all), where outcomes have shown it."""

    scorer: Scorer
    qualities: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    def written(self) -> dict[str, Any]:
        """What its file says."""
        found = self.scorer.written()
        if self.qualities:
            found["qualities"] = {
                model: {task: round(quality, 4) for task, quality in sorted(row.items())}
                for model, row in sorted(self.qualities.items())
            }
        return found


def weights_of(text: bytes | str) -> Weights:
    """The weights in a file's text. Raises BadWeights."""
    if len(text) > LARGEST_FILE:
        raise BadWeights(f"it is larger than {LARGEST_FILE:,} bytes")
    try:
        written = msgspec.json.decode(text, type=_Written)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise BadWeights(str(error)) from error
    missing = next((name for name in NAMES if name not in written.signals), None)
    if missing is not None:
        raise BadWeights(f"the signal `{missing}` is missing: the weights are of another version")
    unknown = next((name for name in written.signals if name not in NAMES), None)
    if unknown is not None:
        raise BadWeights(f"`{unknown}` is no signal of this version")
    if "" not in written.levels:
        raise BadWeights("`levels` lacks the level over all prompts, under an empty name")
    tasks = {task for row in written.qualities.values() for task in row} | set(written.levels)
    strange = next((task for task in sorted(tasks) if task not in TASKS and task not in (USUAL, "")), None)
    if strange is not None:
        raise BadWeights(f"`{strange}` is no class of task")
    lacking = next((model for model, row in written.qualities.items() if USUAL not in row), None)
    if lacking is not None:
        raise BadWeights(f"`{USUAL}` is missing under the model `{lacking}`")
    numbers = [value for row in (*written.signals.values(), *written.levels.values()) for value in row]
    if not all(map(isfinite, (*numbers, written.middle, written.scale))):
        raise BadWeights("a number is not finite")
    content = msgspec.to_builtins(written)
    return Weights(scorer_of(content), written.qualities)
