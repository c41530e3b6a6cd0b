"""How fast something is of late: a decaying mean, and decaying quantiles over a histogram of logarithmic buckets."""

from __future__ import annotations

import math
from collections.abc import Iterable

WEIGHT_OF_LATEST = 0.05
"""How much the newest time counts against all before it: after sixty answers the past weighs a twentieth."""

SHORTEST = 0.001
"""Seconds: the upper bound of the first bucket."""

STEP = 1.15
"""Each bucket ends so many times later than the one before: a quantile is off by 7 % at most."""

_LOG_STEP = math.log(STEP)

BUCKETS = 96
"""The last bucket begins at ten minutes and has no end."""

LARGEST_GAIN = 1e12
"""Where the histogram is brought back to its measure."""

Weights = list[float]
"""How much each bucket weighs. Those of several paces may be added up."""


class Pace:
    """The times of one thing that happens again and again, in seconds."""

    __slots__ = ("_gain", "_weights", "count", "mean")

    def __init__(self) -> None:
        self.count = 0
        self.mean: float | None = None
        self._weights: Weights = [0.0] * BUCKETS
        self._gain = 1.0

    def __repr__(self) -> str:
        return f"<Pace {self.count} times, mean {self.mean}>"

    @property
    def weights(self) -> Weights:
        """The histogram; what is a step older weighs less by `WEIGHT_OF_LATEST`, the newest time weighs 1."""
        return [weight / self._gain for weight in self._weights]

    def note(self, seconds: float) -> None:
        """It took so long this time."""
        self.count += 1
        # instead of making all that is past lighter, the newest is made heavier
        self._gain /= 1.0 - WEIGHT_OF_LATEST
        self._weights[_bucket(seconds)] += self._gain
        if self._gain > LARGEST_GAIN:
            self._weights, self._gain = self.weights, 1.0
        self.mean = seconds if self.mean is None else self.mean + WEIGHT_OF_LATEST * (seconds - self.mean)


def quantile(paces: Iterable[Weights], share: float) -> float | None:
    """The time that so large a share of the latest ones stays below, all paces together; None where nothing was noted."""
    weights = [sum(each) for each in zip(*paces, strict=True)]
    wanted, below = share * sum(weights), 0.0
    for index, weight in enumerate(weights):
        below += weight
        if weight and below >= wanted:
            return SHORTEST * math.pow(STEP, index - 0.5)
    return None


def _bucket(seconds: float) -> int:
    if seconds <= SHORTEST:
        return 0
    return min(math.ceil(math.log(seconds / SHORTEST) / _LOG_STEP), BUCKETS - 1)
