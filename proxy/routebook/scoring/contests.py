"""Routers against each other: which prompts each would send to the strong model of a pair, and what that is worth.

A contest is one set of prompts, or a mix of sets of one weight each, and one pair of models. In it stand this program's
two scores, the length of the prompt, which is hard to beat, and chance. Intervals are of 95 %, by resampling the prompts;
the same resamples for all, so that differences have intervals too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean
from typing import Final

from routebook.scoring.fitting import Outcome, strengths
from routebook.scoring.measures import Curve, Trial, curve_of, frontier_quality
from routebook.scoring.outcomes import Row
from routebook.scoring.published_figures import PAIRS
from routebook.scoring.resampling import Ranking, interval

GAIN, COMPLEXITY, LENGTH, RANDOM = "gain", "complexity", "length", "random"
ROUTERS: Final[Mapping[str, str]] = {
    GAIN: "the difference of the qualities predicted of both models: what `pick: balanced` and `best` go by",
    COMPLEXITY: "`prompt.complexity` alone: it knows nothing of the models",
    LENGTH: "the longer the prompt, the more it wants the strong model",
    RANDOM: "chance: what is expected of it",
}
"""Who competes."""

SMALLEST_GAP: Final = 1e-9
"""Models whose mean qualities differ less have no gap to recover."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a scorer says of a prompt, in log-odds."""

    difficulty: float
    gain: float


Judge = Callable[[Row], Judgement]
Chance = Callable[[Judgement, str], float]
"""The predicted quality of a model's answer, by the model's name."""


@dataclass(frozen=True, slots=True)
class Pool:
    """The prompts of a contest, each with its weight."""

    name: str
    strong: str
    weak: str
    rows: Sequence[Row]
    weights: Sequence[float]


@dataclass(frozen=True, slots=True)
class Standing:
    """How a router did: its curve, the interval of its APGR, that of its lead over length alone, and its AIQ where costs
    are known."""

    router: str
    curve: Curve
    interval: tuple[float, float]
    lead: tuple[float, float] | None = None
    aiq: float | None = None


@dataclass(frozen=True, slots=True)
class Contest:
    """A pool and how each router did in it."""

    pool: Pool
    standings: Mapping[str, Standing] = field(default_factory=dict)

    @property
    def remarks(self) -> list[str]:
        """Where this program's own scores are worth no more than chance, or than the prompt's length."""
        found = []
        for name in (GAIN, COMPLEXITY):
            if (standing := self.standings.get(name)) is None:
                continue
            low, high = standing.interval
            if high < 0.5:
                found.append(f"`{name}` is worse than random here: APGR at most {high:.3f}")
            elif low <= 0.5:
                found.append(f"`{name}` is not shown to be better than random here: {low:.3f} to {high:.3f}")
            if standing.lead is None:
                continue
            behind, ahead = standing.lead
            if ahead < 0:
                found.append(f"`{name}` is worse than length alone here: by at least {-ahead:.3f}")
            elif behind <= 0:
                found.append(
                    f"`{name}` is not shown to be better than length alone here: lead {behind:+.3f} to {ahead:+.3f}"
                )
        return found


def pools_of(sets: Mapping[str, Sequence[Row]], strong: str | None = None, weak: str | None = None) -> Iterator[Pool]:
    """The contests that the sets allow: each with its pairs, then each pair's mix of two sets or more."""
    by_pair: dict[tuple[str, str], list[Pool]] = {}
    for name, rows in sets.items():
        for pair in pairs_of(name, rows, strong, weak):
            pool = _pool(name, pair, rows)
            if pool is not None:
                by_pair.setdefault(pair, []).append(pool)
                yield pool
    for pair, pools in by_pair.items():
        if len(pools) > 1:
            yield mix_of(pair, pools)


def pairs_of(
    name: str, rows: Sequence[Row], strong: str | None = None, weak: str | None = None
) -> list[tuple[str, str]]:
    """The pair that is given, or those that the set is known for, or its best model and its cheapest (where costs are
    not known, its least good)."""
    seen = {model for row in rows for model in row.quality}
    if strong is None or weak is None:
        known = [pair for pair in PAIRS.get(name, ()) if seen.issuperset(pair)]
        if known and strong is None and weak is None:
            return known
    means = {model: fmean(row.quality[model] for row in rows if model in row.quality) for model in sorted(seen)}
    if len(means) < 2:
        return []
    costs = {
        model: fmean(known_costs)
        for model in means
        if (known_costs := [row.cost[model] for row in rows if model in row.cost])
    }
    best = strong or max((model for model in means if model != weak), key=means.__getitem__)
    others = [model for model in means if model != best]
    cheapest = weak or min(others, key=costs.__getitem__ if len(costs) == len(means) else means.__getitem__)
    return [(best, cheapest)] if best in means and cheapest in means else []


def _pool(name: str, pair: tuple[str, str], rows: Sequence[Row]) -> Pool | None:
    strong, weak = pair
    both = [row for row in rows if strong in row.quality and weak in row.quality]
    gap = sum(row.quality[strong] - row.quality[weak] for row in both)
    return None if abs(gap) < SMALLEST_GAP else Pool(name, strong, weak, both, [1.0] * len(both))


def mix_of(pair: tuple[str, str], pools: Sequence[Pool]) -> Pool:
    """Several sets as one, each of the same weight: closer to mixed traffic than any of them."""
    rows = [row for pool in pools for row in pool.rows]
    weights = [1000 / len(pool.rows) for pool in pools for _ in pool.rows]
    return Pool(f"mix of {len(pools)}", *pair, rows, weights)


def means_of(pool: Pool) -> dict[str, float]:
    """What an operator would declare: the mean quality of both models over the pool."""
    total = sum(pool.weights)
    return {
        model: sum(row.quality[model] * weight for row, weight in zip(pool.rows, pool.weights, strict=True)) / total
        for model in (pool.strong, pool.weak)
    }


def strengths_of(rows: Sequence[Row]) -> dict[str, float]:
    """How far each model stands above the others of the same sets, in log-odds."""
    return strengths([Outcome((), row.quality, group=row.set) for row in rows if row.quality])


def contest(
    pool: Pool, judge: Judge, chance: Chance, draw: Callable[[int], int] | None = None, resamples: int = 0
) -> Contest:
    """Let all routers compete. `draw(n)` gives a whole number below n by chance; with the same draws come the same
    intervals."""
    judged = [judge(row) for row in pool.rows]
    scores = {
        GAIN: [chance(each, pool.strong) - chance(each, pool.weak) for each in judged],
        COMPLEXITY: [each.difficulty for each in judged],
        LENGTH: [float(len(row.prompt)) for row in pool.rows if row.prompt is not None],
        RANDOM: [0.0] * len(judged),
    }
    return compete(pool, {name: found for name, found in scores.items() if len(found) == len(judged)}, draw, resamples)


def compete(
    pool: Pool, scores: Mapping[str, Sequence[float]], draw: Callable[[int], int] | None = None, resamples: int = 0
) -> Contest:
    """How routers of these scores did."""
    strong = [row.quality[pool.strong] for row in pool.rows]
    weak = [row.quality[pool.weak] for row in pool.rows]
    rankings = {name: Ranking(each, strong, weak, pool.weights) for name, each in scores.items()}
    drawn = _resampled(rankings, len(pool.rows), draw, resamples)
    standings = {}
    for name, each in scores.items():
        trials = [Trial(*values) for values in zip(each, strong, weak, pool.weights, strict=True)]
        curve = curve_of(trials)
        standing = Standing(name, curve, interval(drawn[name]) if drawn[name] else (curve.apgr, curve.apgr))
        if name in (GAIN, COMPLEXITY) and drawn.get(LENGTH):
            leads = [own - other for own, other in zip(drawn[name], drawn[LENGTH], strict=True)]
            standing = replace(standing, lead=interval(leads))
        standings[name] = replace(standing, aiq=_aiq(pool, each))
    return Contest(pool, standings)


def _resampled(
    rankings: Mapping[str, Ranking], count: int, draw: Callable[[int], int] | None, resamples: int
) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {name: [] for name in rankings}
    if draw is None:
        return found
    for _ in range(resamples):
        times = [0] * count
        for _ in range(count):
            times[draw(count)] += 1
        areas = {name: ranking.apgr(times) for name, ranking in rankings.items()}
        for name, area in areas.items():
            if area is not None:
                found[name].append(area)
    return found


def _aiq(pool: Pool, scores: Sequence[float]) -> float | None:
    """AIQ of a router's points, where the costs of both models are known for every prompt."""
    strong, weak = pool.strong, pool.weak
    if not all(strong in row.cost and weak in row.cost for row in pool.rows):
        return None
    quality = curve_of(
        [
            Trial(score, row.quality[strong], row.quality[weak], weight)
            for score, row, weight in zip(scores, pool.rows, pool.weights, strict=True)
        ]
    )
    cost = curve_of(
        [
            Trial(score, row.cost[strong], row.cost[weak], weight)
            for score, row, weight in zip(scores, pool.rows, pool.weights, strict=True)
        ]
    )
    return frontier_quality(cost.qualities, quality.qualities)
