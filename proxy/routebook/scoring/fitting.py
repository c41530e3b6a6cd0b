"""Weights from outcomes: how much each signal makes a prompt harder, and how much it favours the better model.

The form is one difficulty and one gain, both linear in the signals, shared by all models:
`logit P(model answers well) = offset(group, model) - difficulty(prompt) + strength(model) * gain(prompt)`.
Fitted by projected gradients with momentum (FISTA: Beck, Teboulle 2009), without any chance in it, so that a sign can be
asked of a weight: a prompt is never called easier for holding more mathematics.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import exp, log, sqrt
from operator import mul
from typing import Final

PASSES: Final = 150
SHORTEST: Final = 1e-6
"""A step that is not halved again."""
FLOOR: Final = 0.02
"""Shares beyond which a mean is not believed: nobody is always right."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One prompt's signals, how good each model's answer was (0 to 1), how much the prompt counts, and the group (a
    benchmark, a class of task) whose level it shares: weights explain differences within groups alone."""

    signals: Sequence[float]
    quality: Mapping[str, float]
    weight: float = 1.0
    group: str = ""


@dataclass(frozen=True, slots=True)
class Heads:
    """The two weight vectors: signals to difficulty, signals to gain."""

    difficulty: tuple[float, ...]
    gain: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked of the weights before any outcome is seen.

    `harder` and `easier` are signals whose weights may not be negative, and not positive, in both heads; `prior` is what
    the weights are drawn towards, the more the larger the two ridges are.
    """

    harder: frozenset[int]
    easier: frozenset[int]
    prior: Heads
    ridge_of_difficulty: float = 1e-3
    ridge_of_gain: float = 3e-4


def logit(share: float) -> float:
    """The log-odds of a share, of one that is believed."""
    share = min(1 - FLOOR, max(FLOOR, share))
    return log(share / (1 - share))


def dot(left: Sequence[float], right: Sequence[float]) -> float:
    """The inner product."""
    return float(sum(map(mul, left, right)))


def sigmoid(value: float) -> float:
    """The logistic function, for any value."""
    if value >= 0:
        return 1 / (1 + exp(-value))
    small = exp(value)
    return small / (1 + small)


def strengths(rows: Sequence[Outcome]) -> dict[str, float]:
    """Each model's standing: how far the log-odds of its mean quality in a group are above the middle of the models
    there, averaged over its groups."""
    sums: dict[tuple[str, str], tuple[float, float]] = {}
    for row in rows:
        for name, quality in row.quality.items():
            total, weight = sums.get((row.group, name), (0.0, 0.0))
            sums[row.group, name] = total + quality * row.weight, weight + row.weight
    levels: dict[str, dict[str, float]] = {}
    for (group, name), (total, weight) in sums.items():
        levels.setdefault(group, {})[name] = logit(total / weight)
    found: dict[str, list[float]] = {}
    for level in levels.values():
        middle = sum(level.values()) / len(level)
        for name, value in level.items():
            found.setdefault(name, []).append(value - middle)
    return {name: sum(values) / len(values) for name, values in found.items()}


def fit(
    rows: Sequence[Outcome],
    wanted: Wanted,
    *,
    passes: int = PASSES,
    report: Callable[[int, float], None] = lambda done, loss: None,
) -> Heads:
    """The heads that predict the outcomes best. `report` hears the mean loss after each pass over the rows, which takes
    some 15 microseconds a row."""
    found = _descend(_Problem(rows, wanted), passes, report)
    width = len(rows[0].signals)
    return Heads(tuple(found[:width]), tuple(found[width : 2 * width]))


class _Problem:
    """The loss and its slope at a point: both heads, then the offset of each model in each group."""

    def __init__(self, rows: Sequence[Outcome], wanted: Wanted) -> None:
        self.width = len(rows[0].signals)
        self.signals = [row.signals for row in rows]
        self.columns = list(zip(*self.signals, strict=True))
        self.wanted = wanted
        strength = strengths(rows)
        places: dict[tuple[str, str], int] = {}
        total = sum(row.weight for row in rows)
        self.observed = [
            [
                (
                    places.setdefault((row.group, name), len(places)),
                    strength[name],
                    quality,
                    row.weight / len(row.quality) / total,
                )
                for name, quality in row.quality.items()
            ]
            for row in rows
        ]
        self.offsets = len(places)
        self.prior = (*wanted.prior.difficulty, *wanted.prior.gain)
        self.ridge = (wanted.ridge_of_difficulty,) * self.width + (wanted.ridge_of_gain,) * self.width

        self.steps = [1 / curve for curve in self._curves()]

    def _curves(self) -> list[float]:
        """About the second derivative along each coordinate, at even odds: steps are measured by it, because signals
        that are seldom there would else hardly move."""
        own = [sum(share for *_, share in observed) / 4 for observed in self.observed]
        strong = [sum(share * strength**2 for _, strength, _, share in observed) / 4 for observed in self.observed]
        curves = [dot([value * value for value in column], own) for column in self.columns]
        curves += [dot([value * value for value in column], strong) for column in self.columns]
        curves = [curve + 2 * ridge for curve, ridge in zip(curves, self.ridge, strict=True)]
        levels = [1e-9] * self.offsets
        for observed in self.observed:
            for place, _, _, share in observed:
                levels[place] += share / 4
        return curves + levels

    def start(self) -> list[float]:
        """The prior, with all offsets at nothing."""
        return self.project([*self.prior, *([0.0] * self.offsets)])

    def project(self, point: list[float]) -> list[float]:
        """The nearest point whose weights have the signs that are wanted."""
        for base in (0, self.width):
            for place in self.wanted.harder:
                point[base + place] = max(0.0, point[base + place])
            for place in self.wanted.easier:
                point[base + place] = min(0.0, point[base + place])
        return point

    def at(self, point: Sequence[float]) -> tuple[float, list[float]]:
        """Loss and slope."""
        width = self.width
        difficulty, gain, offsets = point[:width], point[width : 2 * width], point[2 * width :]
        slope_of_offsets = [0.0] * self.offsets
        of_difficulty: list[float] = []
        of_gain: list[float] = []
        loss = 0.0
        for signals, observed in zip(self.signals, self.observed, strict=True):
            hard, gained = dot(difficulty, signals), dot(gain, signals)
            slope_d = slope_g = 0.0
            for place, strength, quality, share in observed:
                value = offsets[place] - hard + strength * gained
                loss += share * (_softplus(value) - quality * value)
                error = share * (sigmoid(value) - quality)
                slope_of_offsets[place] += error
                slope_d -= error
                slope_g += error * strength
            of_difficulty.append(slope_d)
            of_gain.append(slope_g)
        slopes = [dot(column, of_difficulty) for column in self.columns]
        slopes += [dot(column, of_gain) for column in self.columns]
        for place, (ridge, prior) in enumerate(zip(self.ridge, self.prior, strict=True)):
            away = point[place] - prior
            loss += ridge * away * away
            slopes[place] += 2 * ridge * away
        return loss, slopes + slope_of_offsets


def _softplus(value: float) -> float:
    return max(value, 0.0) + log(1 + exp(-abs(value)))


def _descend(problem: _Problem, passes: int, report: Callable[[int, float], None]) -> list[float]:
    """FISTA with a step that is found by halving, begun anew where the momentum leads uphill (O'Donoghue, Candes 2015)."""
    point = ahead = problem.start()
    momentum, step = 1.0, 1.0
    steps = problem.steps
    last, slope = problem.at(point)
    for done in range(1, passes + 1):
        base, slope = problem.at(ahead)
        while True:
            new = problem.project(
                [value - step * own * change for value, own, change in zip(ahead, steps, slope, strict=True)]
            )
            moved = [after - before for after, before in zip(new, ahead, strict=True)]
            length = sum(move * move / own for move, own in zip(moved, steps, strict=True))
            loss, _ = problem.at(new)
            if loss <= base + dot(slope, moved) + length / (2 * step) or step < SHORTEST:
                break
            step /= 2
        if loss > last:
            ahead, momentum = point, 1.0
            continue
        following = (1 + sqrt(1 + 4 * momentum * momentum)) / 2
        inertia = (momentum - 1) / following
        ahead = [after + inertia * (after - before) for after, before in zip(new, point, strict=True)]
        point, momentum, last = new, following, loss
        step *= 1.2
        report(done, loss)
    return point
