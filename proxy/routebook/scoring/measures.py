"""What a router is worth: the field's metrics over prompts whose outcomes on a strong and a weak model are known.

Prompts go to the strong model in the order of their scores, highest first. With r(c) the mean quality when a share c goes
there, PGR(c) = (r(c) - r(0)) / (r(1) - r(0)) is the gap that is recovered; APGR its integral over c (a random router has
0.5), CPT(x) the least share that recovers x of the gap (RouteLLM, arXiv 2406.18665). Ties count as their expectation.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise


@dataclass(frozen=True, slots=True)
class Trial:
    """One prompt: how much its router wants the strong model, how good either's answer was, how much it counts."""

    score: float
    strong: float
    weak: float
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Curve:
    """Mean quality by share of calls to the strong model, at every distinct score: both from 0 to 1, shares ascending."""

    shares: tuple[float, ...]
    qualities: tuple[float, ...]

    @property
    def gap(self) -> float:
        """How much better the strong model is."""
        return self.qualities[-1] - self.qualities[0]

    def quality(self, share: float) -> float:
        """The mean quality where this share goes to the strong model."""
        place = bisect_left(self.shares, share)
        if place == 0:
            return self.qualities[0]
        if place == len(self.shares):
            return self.qualities[-1]
        before, after = self.shares[place - 1], self.shares[place]
        low, high = self.qualities[place - 1], self.qualities[place]
        return low + (high - low) * (share - before) / (after - before)

    def recovered(self, share: float) -> float:
        """PGR: how much of the gap this share recovers."""
        return (self.quality(share) - self.qualities[0]) / self.gap

    @property
    def apgr(self) -> float:
        """The mean of PGR over all shares."""
        points = zip(self.shares, self.qualities, strict=True)
        area = sum((x1 - x0) * (y1 + y0) / 2 for (x0, y0), (x1, y1) in pairwise(points))
        return (area - self.qualities[0]) / self.gap

    @property
    def apgr10(self) -> float:
        """APGR on ten steps, as it is often published."""
        steps = [self.recovered(step / 10) for step in range(11)]
        return sum((before + after) / 20 for before, after in pairwise(steps))

    def cpt(self, wanted: float) -> float:
        """The least share of calls to the strong model that recovers so much of the gap, on ten steps as published."""
        steps = [step / 10 for step in range(11)]
        for low, high in pairwise(steps):
            before, after = self.recovered(low), self.recovered(high)
            if before >= wanted:
                return low
            if after >= wanted:
                return low + (high - low) * (wanted - before) / (after - before)
        return 1.0


def curve_of(trials: Sequence[Trial]) -> Curve:
    """The cost-quality curve of a router. At least one prompt is needed."""
    total = sum(trial.weight for trial in trials)
    shares, qualities = [0.0], [sum(trial.weak * trial.weight for trial in trials) / total]
    ranked = sorted(trials, key=lambda trial: -trial.score)
    for _, tied in groupby(ranked, key=lambda trial: trial.score):
        group = list(tied)
        shares.append(shares[-1] + sum(trial.weight for trial in group) / total)
        won = sum((trial.strong - trial.weak) * trial.weight for trial in group)
        qualities.append(qualities[-1] + won / total)
    return Curve(tuple(shares), tuple(qualities))


def frontier_quality(costs: Sequence[float], qualities: Sequence[float]) -> float | None:
    """AIQ (RouterBench, arXiv 2403.12031): the mean height of the non-decreasing convex hull of (cost, quality) between
    the least and the greatest cost; None where all cost the same. Higher is better; it is a quality."""
    hull: list[tuple[float, float]] = []
    best = float("-inf")
    for cost, quality in sorted(zip(costs, qualities, strict=True), key=lambda point: (point[0], -point[1])):
        if quality <= best:
            continue
        best = quality
        while len(hull) > 1 and _is_below(hull[-2], hull[-1], (cost, quality)):
            hull.pop()
        hull.append((cost, quality))
    end = max(costs)
    if end - hull[0][0] <= 0:
        return None
    hull.append((end, best))
    area = sum((x1 - x0) * (y1 + y0) / 2 for (x0, y0), (x1, y1) in pairwise(hull))
    return area / (end - hull[0][0])


def _is_below(left: tuple[float, float], middle: tuple[float, float], right: tuple[float, float]) -> bool:
    """Whether the middle of three points, from left to right, is on the line between the others or below it."""
    return (middle[1] - left[1]) * (right[0] - left[0]) <= (right[1] - left[1]) * (middle[0] - left[0])


def auc(higher: Sequence[float], lower: Sequence[float]) -> float:
    """The share of pairs in which the one that should have the higher score has it; half where they are equal."""
    ordered = sorted(lower)
    below = sum(bisect_left(ordered, value) + bisect_right(ordered, value) for value in higher)
    return below / 2 / (len(higher) * len(lower))
