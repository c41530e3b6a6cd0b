"""How good a model's answer to this prompt is likely to be: what the policy says of the model, and how hard the prompt is.

The declared quality is the model's mean over all prompts, or over those of a class of task (of the scorer's class, where it declares
none for the policy's own); the scorer says how far this
prompt is from the usual one, and how much a strong model gains there. How answers were rated moves the quality in the
class: what is declared counts for `DECLARED` ratings (a Beta distribution's pseudo-counts). The same policy, prompt and
ratings give the same figure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from routebook.catalogue.models import Model
from routebook.routing.memory import Rating
from routebook.scoring.fitting import logit, sigmoid
from routebook.scoring.judged import Judged
from routebook.scoring.scorer import Scorer

DECLARED: Final = 20.0
"""Ratings that the declared quality counts for."""

Rated = Callable[[str, str], Rating | None]
"""How a model's answers to prompts of a class were rated."""


def unrated(model: str, task: str) -> None:
    """Nobody has rated anything."""


class Predictor:
    """Predicts for the models of one policy."""

    def __init__(self, models: Iterable[Model], scorer: Scorer) -> None:
        declared = {model.name: logit(model.quality) for model in models if model.quality is not None}
        middle = sum(declared.values()) / len(declared) if declared else 0.0
        self._strengths = {name: value - middle for name, value in declared.items()}
        self.scorer = scorer

    def __repr__(self) -> str:
        return f"<Predictor of {len(self._strengths)} models by {self.scorer.version}>"

    def quality(self, model: Model, judged: Judged | None, rated: Rated = unrated) -> float | None:
        """From 0 to 1; None where the policy says nothing of the model. What is declared where nobody judged."""
        task = "" if judged is None else next((it for it in (judged.task, judged.scored) if it in model.qualities), "")
        by_task = model.qualities.get(task)
        declared = model.quality if by_task is None else by_task
        if judged is None or declared is None:
            return declared
        strength = self._strengths.get(model.name, 0.0)
        chance = self.scorer.chance(judged.difficulty, judged.gain, declared, strength, task)
        rating = rated(model.name, judged.task)
        if rating is not None:
            level = self.scorer.levels.get(judged.task) or self.scorer.levels[""]
            in_class = self.scorer.chance(*level, declared, strength, task)
            chance = sigmoid(logit(chance) + logit(after(in_class, rating)) - logit(in_class))
        return round(chance, 4)


def after(prior: float, rating: Rating) -> float:
    """The quality in a class of task after its ratings: the mean of the Beta distribution."""
    total, count = rating
    return (DECLARED * prior + total) / (DECLARED + count)
