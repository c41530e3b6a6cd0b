"""What the same traffic would have cost had one model served all of it: the sums behind `routebook savings`.

Answers are priced anew by what was used for them, at the catalogue's prices of one policy. Nobody knows how many tokens
another model would have counted or written, so `ASSUMPTIONS` stand beside every figure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from routebook.catalogue.models import Model
from routebook.chat.usage import Usage
from routebook.ledger.cost import cost_of
from routebook.routing.policy import Policy
from routebook.routing.predicting import Predictor
from routebook.scoring.judged import Judged

ASSUMPTIONS: Final = (
    "another model counts as many tokens in the prompt, writes as long an answer and thinks as long",
    "as much of each prompt is found in another vendor's cache",
    "prices are those of the policy; what was paid is as it was recorded, failed calls included",
    "quality is predicted: what the policy declares of a model, moved by how hard each prompt is where it was judged",
    "answers that came from the cache of answers, and requests that nobody answered, are left out",
)


@dataclass(slots=True)
class Alternative:
    """One model for all: what it would have cost in nano-dollars, how many of the answers it could not have given, the
    sum of the qualities predicted and of how many, and kinds of tokens that have no price (then it costs more)."""

    cost: int = 0
    unable: int = 0
    quality: float = 0.0
    predicted: int = 0
    unpriced: set[str] = field(default_factory=set)

    @property
    def mean_quality(self) -> float | None:
        """The mean of the qualities predicted; None where the policy says nothing of the model."""
        return self.quality / self.predicted if self.predicted else None


@dataclass(slots=True)
class Sums:
    """A part of the traffic: answers, what was paid, how good they are predicted to be, and each alternative."""

    answers: int = 0
    paid: int = 0
    actual: Alternative = field(default_factory=Alternative)
    alternatives: dict[str, Alternative] = field(default_factory=dict)


class Savings:
    """Adds up records, by day, team or rule, or all in one. `cached` counts answers out of the cache and what they
    saved, `copies` those that rules sent to another model to compare (`shadow`) and what they cost."""

    def __init__(self, policy: Policy, by: str | None = None) -> None:
        self.parts: dict[str, Sums] = {}
        self.requests = self.cached = self.cached_saved = self.copies = self.copies_paid = 0
        self._models = [model for model in policy.catalogue.models.values() if "chat" in model.operations]
        self._predictor = Predictor(policy.catalogue.models.values(), policy.scorer)
        self._by_name = policy.catalogue.models
        self._by = by

    def __repr__(self) -> str:
        return f"<Savings of {self.requests} requests in {len(self.parts)} parts>"

    def add(self, decided: Mapping[str, Any], ended: Mapping[str, Any]) -> None:
        """Count one record; only answers of chats can be compared."""
        if decided["operation"] != "chat":
            return
        if "shadow" in decided:
            self.copies += 1
            self.copies_paid += ended["cost"]
            return
        self.requests += 1
        if (cached := ended.get("cached")) is not None:
            self.cached += 1
            self.cached_saved += cached["cost"] or 0
        elif ended["model"] is not None and ended["usage"]:
            self._add(decided, ended, self.parts.setdefault(self._part(decided), Sums()))

    def _part(self, decided: Mapping[str, Any]) -> str:
        match self._by:
            case None:
                return "all"
            case "day":
                return str(decided["time"])[:10]
        return str(decided[self._by] or "none")

    def _add(self, decided: Mapping[str, Any], ended: Mapping[str, Any], sums: Sums) -> None:
        asked = decided["asked"]
        usage, needs = Usage(**ended["usage"]), frozenset(asked.get("needs", ()))
        judged = msgspec.convert(asked["judged"], Judged) if "judged" in asked else None
        sums.answers += 1
        sums.paid += ended["cost"]
        served = self._by_name.get(ended["model"])
        if served is not None:
            _count(sums.actual, self._predictor.quality(served, judged))
        for model in self._models:
            found = sums.alternatives.setdefault(model.name, Alternative())
            cost = cost_of(usage, model.price)
            found.cost += cost.total
            found.unpriced.update(cost.unpriced)
            found.unable += not _can(model, usage, needs)
            _count(found, self._predictor.quality(model, judged))


def _count(found: Alternative, quality: float | None) -> None:
    if quality is not None:
        found.quality += quality
        found.predicted += 1


def _can(model: Model, usage: Usage, needs: frozenset[str]) -> bool:
    """Whether a model could have given an answer of this size to such a request."""
    tokens = usage.total_input + usage.total_output
    return needs <= model.capabilities and (model.context is None or tokens <= model.context)


def as_json(found: Savings) -> dict[str, Any]:
    """For programs; money in nano-dollars."""
    return {
        "requests": found.requests,
        "copies": {"requests": found.copies, "paid": found.copies_paid},
        "cached": {"answers": found.cached, "saved": found.cached_saved},
        "parts": [
            {
                "part": name,
                "answers": sums.answers,
                "paid": sums.paid,
                "quality": _rounded(sums.actual.mean_quality),
                "models": {
                    model: {
                        "cost": each.cost,
                        "quality": _rounded(each.mean_quality),
                        "unable": each.unable,
                        "unpriced": sorted(each.unpriced),
                    }
                    for model, each in sums.alternatives.items()
                },
            }
            for name, sums in sorted(found.parts.items())
        ],
        "assumed": ASSUMPTIONS,
    }


def _rounded(quality: float | None) -> float | None:
    return None if quality is None else round(quality, 4)
