"""How fast something is of late: a decaying mean, and decaying quantiles over a histogram of logarithmic buckets."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Mapping

WEIGHT_OF_LATEST = 0.05
"""How much the newest time counts against all before it: after sixty answers the past weighs a twentieth."""

SHORTEST = 0.001
"""Seconds: the upper bound of the first bucket."""

STEP = 1.15
"""Each bucket ends so many times later than the one before: a quantile is off by 7 % at most."""

BUCKETS = 96
"""The last bucket begins at ten minutes and has no end."""

_ENDS = tuple(SHORTEST * STEP**index for index in range(BUCKETS - 1))

LARGEST_GAIN = 1e12
"""Where the histogram is brought back to its measure."""

MOST_TOGETHER = 40
"""Of times that are told together, so many count as if each came after the other."""

MOST_HALVINGS = 40.0
"""What is older than so many half-lives weighs nothing."""

Weights = list[float]
"""How much each bucket weighs. Those of several paces may be added up."""


class Pace:
    """The times of one thing that happens again and again, in seconds."""

    __slots__ = ("_gain", "_weight_of_latest", "_weights", "count", "mean")

    def __init__(self, weight_of_latest: float = WEIGHT_OF_LATEST) -> None:
        self._weight_of_latest = weight_of_latest
        self.count = 0
        self.mean: float | None = None
        self._weights: Weights = [0.0] * BUCKETS
        self._gain = 1.0

    def __repr__(self) -> str:
        return f"<Pace {self.count} times, mean {self.mean}>"

    @property
    def weights(self) -> Weights:
        """The histogram; what is a step older weighs less by the weight of the latest, the newest time weighs 1."""
        return [weight / self._gain for weight in self._weights]

    def note(self, seconds: float) -> None:
        """It took so long this time."""
        self.count += 1
        latest = self._weight_of_latest
        # instead of making all that is past lighter, the newest is made heavier
        self._gain /= 1.0 - latest
        self._weights[bucket_of(seconds)] += self._gain
        if self._gain > LARGEST_GAIN:
            self._weights, self._gain = self.weights, 1.0
        self.mean = seconds if self.mean is None else self.mean + latest * (seconds - self.mean)

    def add(self, counts: Mapping[int, int], halvings: float = 0.0) -> None:
        """So many times fell into each bucket, in whatever order; all before them has aged by so many half-lives. The
        mean stays what it was."""
        number = sum(counts.values())
        together = min(number, MOST_TOGETHER)
        kept = (1.0 - self._weight_of_latest) ** together
        self._gain *= 2.0 ** min(halvings, MOST_HALVINGS) / kept
        # together they weigh what they would have weighed one after the other
        each = self._gain * (1.0 - kept) / self._weight_of_latest / number
        for bucket, count in counts.items():
            self._weights[bucket] += each * count
        self.count += number
        if self._gain > LARGEST_GAIN:
            self._weights, self._gain = self.weights, 1.0


def quantile(paces: Iterable[Weights], share: float) -> float | None:
    """The time that so large a share of the latest ones stays below, all paces together; None where nothing was noted."""
    weights = [sum(each) for each in zip(*paces, strict=True)]
    wanted, below = share * sum(weights), 0.0
    for index, weight in enumerate(weights):
        below += weight
        if weight and below >= wanted:
            return SHORTEST * math.pow(STEP, index - 0.5)
    return None


def bucket_of(seconds: float) -> int:
    """The bucket into which a time falls."""
    return bisect_left(_ENDS, seconds)
