"""How good a model's answer to this prompt is likely to be: what the policy says of the model, and how hard the prompt is.

The declared quality is the model's mean over all prompts, or over those of a class of task; the scorer says how far this
prompt is from the usual one, and how much a strong model gains there. Nothing is learnt here, so the same policy and the
same prompt give the same figure.
"""

from __future__ import annotations

from collections.abc import Iterable

from routebook.catalogue.models import Model
from routebook.scoring.fitting import logit
from routebook.scoring.judged import Judged
from routebook.scoring.scorer import Scorer


class Predictor:
    """Predicts for the models of one policy."""

    def __init__(self, models: Iterable[Model], scorer: Scorer) -> None:
        declared = {model.name: logit(model.quality) for model in models if model.quality is not None}
        middle = sum(declared.values()) / len(declared) if declared else 0.0
        self._strengths = {name: value - middle for name, value in declared.items()}
        self.scorer = scorer

    def __repr__(self) -> str:
        return f"<Predictor of {len(self._strengths)} models by {self.scorer.version}>"

    def quality(self, model: Model, judged: Judged | None) -> float | None:
        """From 0 to 1; None where the policy says nothing of the model. What is declared where nobody judged."""
        by_task = None if judged is None else model.qualities.get(judged.task)
        declared = model.quality if by_task is None else by_task
        if judged is None or declared is None:
            return declared
        strength = self._strengths.get(model.name, 0.0)
        task = "" if by_task is None else judged.task
        return round(self.scorer.chance(judged.difficulty, judged.gain, declared, strength, task), 4)
