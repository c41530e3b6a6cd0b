"""Intervals by resampling prompts: how far a figure could lie elsewhere had other prompts of the same kind been asked."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Final

LOWER: Final = 0.025
UPPER: Final = 0.975
"""Where an interval of 95 % begins and ends among the resamples in order."""

_NO_GAP: Final = 1e-9


class Ranking:
    """Prompts in the order in which a router sends them to the strong model, sorted once for all resamples."""

    def __init__(
        self, scores: Sequence[float], strong: Sequence[float], weak: Sequence[float], weights: Sequence[float]
    ) -> None:
        order = sorted(range(len(scores)), key=lambda place: -scores[place])
        self._tied = [tuple(group) for _, group in groupby(order, key=lambda place: scores[place])]
        self._weak, self._weights = weak, weights
        self._won = [(high - low) * weight for high, low, weight in zip(strong, weak, weights, strict=True)]

    def __repr__(self) -> str:
        return f"<Ranking of {len(self._weights)} prompts>"

    def apgr(self, times: Sequence[int]) -> float | None:
        """APGR where each prompt counts so many times; None where the models are equally good then."""
        weights, won = self._weights, self._won
        area = share = height = 0.0
        for tied in self._tied:
            width = gained = 0.0
            for place in tied:
                count = times[place]
                if count:
                    width += count * weights[place]
                    gained += count * won[place]
            area += width * (height + gained / 2)
            share += width
            height += gained
        return None if abs(height) < _NO_GAP * share else area / (share * height)


def interval(values: Sequence[float]) -> tuple[float, float]:
    """From the lowest to the highest of the middle 95 %."""
    ordered = sorted(values)
    return ordered[int(LOWER * len(ordered))], ordered[int(UPPER * len(ordered))]
