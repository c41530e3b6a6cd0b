"""A team's own outcomes -> weights of its own: as much as they can teach, and no more.

Few outcomes teach how good each model is at each class of task, and how hard the team's prompts usually are; a thousand
prompts that several models have answered teach the scorer's weights too, around those that it had. What a journal holds of a prompt (its
class, its difficulty) is enough for the first, and not for the second. A third of the outcomes, chosen by the digests of their ids, is kept out of all this and says whether the new weights are better.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Final

from routebook.scoring.contests import Contest, Pool, compete, pairs_of
from routebook.scoring.fitting import Outcome, fit, logit
from routebook.scoring.outcomes import Row
from routebook.scoring.scorer import Scorer
from routebook.scoring.signals import NAMES, read, signals_of
from routebook.scoring.signs import wanted_around
from routebook.scoring.tasks import TASKS, task_of
from routebook.scoring.weighing import USUAL, Weights

PSEUDO: Final = 20.0
"""Outcomes that what was known before counts as (the k0 of a Beta distribution)."""

ENOUGH: Final = 1_000
"""Prompts with outcomes of two models or more, from which on weights are fitted."""

MOST: Final = 20_000
"""Rows that weights are fitted on; further ones hardly change them, and take their time."""

RIDGE: Final = 30.0
"""How strongly fitted weights are held to those before, in squared weights against one row's loss."""

PASSES: Final = 60

UNKNOWN_TASK: Final = "short_ask"
"""The class of a prompt of which nobody has said or can say one."""

OLD, TABLE, FITTED, LENGTH, RANDOM = "old", "table", "table and weights", "length", "random"


@dataclass(frozen=True, slots=True)
class Sample:
    """One prompt of the team: what its row says, its signals (None: only its level is known), its class of task."""

    row: Row
    signals: Sequence[float] | None
    task: str

    def level(self, scorer: Scorer) -> tuple[float, float]:
        """Difficulty and gain, in log-odds. What a record says of them is of the scorer that judged then."""
        if self.signals is None:
            assert self.row.level is not None, "a row has a prompt, signals or a level"
            return self.row.level
        return scorer.judge(self.signals)


@dataclass(frozen=True, slots=True)
class Trained:
    """What came of it: the weights to write (None: nothing is better than what there was), how all did on what was
    held out, and the mean squared error of the predicted qualities there."""

    weights: Weights | None
    chosen: str
    contest: Contest
    errors: Mapping[str, float]
    taught: int
    held_out: int
    paired: int


class TooFew(ValueError):
    """The outcomes cannot teach anything; the message says why."""


def train(
    samples: Sequence[Sample],
    old: Weights,
    declared: Mapping[str, float],
    *,
    seed: int = 0,
    pair: tuple[str | None, str | None] = (None, None),
    report: Callable[[int, float], None] = lambda done, loss: None,
) -> Trained:
    """Learn from two thirds, measure on one: better is who has the higher APGR, of equal ones the smaller error. `declared` are the qualities that a policy says of models; `pair` names the
    strong and the weak model to measure with. Raises TooFew."""
    taught = [each for each in samples if not is_held_out(each.row.id, seed)]
    held_out = [each for each in samples if is_held_out(each.row.id, seed)]
    pool = _pool(taught, held_out, *pair)
    usual = _usual(taught, declared)
    before = old if old.qualities else replace(old, qualities={model: {USUAL: usual[model]} for model in usual})
    table = Weights(_levelled(old.scorer, taught), _table(taught, usual, old.qualities))
    entrants = {OLD: before, TABLE: table}
    paired = [each for each in taught if len(each.row.quality) > 1]
    if len(paired) >= ENOUGH and all(each.signals is not None for each in samples):
        entrants[FITTED] = replace(table, scorer=_levelled(_fitted(old.scorer, paired[:MOST], report), taught))
    scores = {name: _scores(each, pool, held_out) for name, each in entrants.items()}
    if all(row.prompt is not None for row in pool.rows):
        scores[LENGTH] = [float(len(row.prompt or "")) for row in pool.rows]
    contest = compete(pool, {**scores, RANDOM: [0.0] * len(pool.rows)})
    errors = {name: _error(each, held_out) for name, each in entrants.items()}
    worth = {name: (round(contest.standings[name].curve.apgr, 9), -errors[name]) for name in entrants}
    chosen = next((name for name in (FITTED, TABLE) if name in worth and worth[name] > worth[OLD]), OLD)
    weights = None if chosen == OLD else _named(entrants[chosen])
    return Trained(weights, chosen, contest, errors, len(taught), len(held_out), len(paired))


def sample_of(row: Row) -> Sample:
    """A row with the signals of its prompt, and its class of task, where nobody has named it."""
    known = row.signals
    said = row.task if row.task in TASKS else None
    if known is not None:
        signals = [known.get(name, 0.0) for name in NAMES]
    elif row.prompt is not None or row.level is None:
        signals = signals_of(read(row.prompt or ""))
    else:
        return Sample(row, None, said or UNKNOWN_TASK)
    return Sample(row, signals, said or task_of(dict(zip(NAMES, signals, strict=True))))


def is_held_out(identity: str | int, seed: int) -> bool:
    """Whether an outcome belongs to the third that nothing is learnt from; the same for ever."""
    digest = hashlib.blake2b(f"{seed} {identity}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big") % 3 == 0


def predicted(weights: Weights, sample: Sample, model: str) -> float | None:
    """The quality that weights predict of a model; None where they know nothing of it."""
    row = weights.qualities.get(model)
    if row is None:
        return None
    scorer = weights.scorer
    logits = [logit(each[USUAL]) for each in weights.qualities.values()]
    strength = logit(row[USUAL]) - fmean(logits)
    task = sample.task if sample.task in row and sample.task in scorer.levels else ""
    return scorer.chance(*sample.level(scorer), row[task or USUAL], strength, task)


def _pool(taught: Sequence[Sample], held_out: Sequence[Sample], strong: str | None, weak: str | None) -> Pool:
    pairs = pairs_of("", [each.row for each in taught if each.row.quality], strong, weak)
    if not pairs:
        raise TooFew("it takes outcomes of two models to compare them")
    best, cheapest = pairs[0]
    both = [each.row for each in held_out if best in each.row.quality and cheapest in each.row.quality]
    if len(both) < PSEUDO:
        raise TooFew(
            f"only {len(both)} prompts of the third that is held out have outcomes of both `{best}` and `{cheapest}`; "
            f"{PSEUDO:.0f} are needed"
        )
    gap = sum(row.quality[best] - row.quality[cheapest] for row in both)
    if abs(gap) < 1e-9:
        raise TooFew(f"`{best}` and `{cheapest}` are equally good on what is held out, so there is nothing to recover")
    return Pool("held out", best, cheapest, both, [1.0] * len(both))


def _usual(taught: Sequence[Sample], declared: Mapping[str, float]) -> dict[str, float]:
    """Each model's quality over all tasks: what outcomes say, around what is declared."""
    found: dict[str, float] = {}
    for model, values in _by_model(taught).items():
        prior = declared.get(model)
        found[model] = fmean(values) if prior is None else _around(values, prior)
    return found


def _table(
    taught: Sequence[Sample], usual: Mapping[str, float], before: Mapping[str, Mapping[str, float]]
) -> dict[str, dict[str, float]]:
    """Each model's quality by class of task, around what it was, else around the usual."""
    table = {model: {**before.get(model, {}), USUAL: quality} for model, quality in usual.items()}
    by_task: dict[str, list[Sample]] = {}
    for each in taught:
        by_task.setdefault(each.task, []).append(each)
    for task, some in by_task.items():
        for model, values in _by_model(some).items():
            table[model][task] = _around(values, table[model].get(task, usual[model]))
    return {**{model: dict(row) for model, row in before.items()}, **table}


def _by_model(samples: Sequence[Sample]) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    for each in samples:
        for model, quality in each.row.quality.items():
            found.setdefault(model, []).append(quality)
    return found


def _around(values: Sequence[float], prior: float) -> float:
    return (sum(values) + PSEUDO * prior) / (len(values) + PSEUDO)


def _levelled(scorer: Scorer, taught: Sequence[Sample]) -> Scorer:
    """The scorer with the usual difficulty of the team's own prompts: over all, and by class."""
    by_task: dict[str, list[tuple[float, float]]] = {"": []}
    for each in taught:
        level = each.level(scorer)
        by_task[""].append(level)
        by_task.setdefault(each.task, []).append(level)
    levels = dict(scorer.levels)
    for task, found in by_task.items():
        prior = scorer.levels.get(task) or scorer.levels[""]
        levels[task] = (_around([each[0] for each in found], prior[0]), _around([each[1] for each in found], prior[1]))
    return replace(scorer, levels=levels)


def _fitted(scorer: Scorer, paired: Sequence[Sample], report: Callable[[int, float], None]) -> Scorer:
    """The scorer with weights fitted around its own; each class of task has its own level."""
    rows = [Outcome(each.signals, each.row.quality, group=each.task) for each in paired if each.signals is not None]
    ridge = RIDGE / len(rows)
    heads = fit(rows, wanted_around(scorer.heads, ridge, ridge), passes=PASSES, report=report)
    return replace(scorer, heads=heads)


def _named(weights: Weights) -> Weights:
    """With a version of its own."""
    scorer = weights.scorer
    version = scorer.version if scorer.version.endswith("+own") else f"{scorer.version}+own"
    return replace(weights, scorer=replace(scorer, version=version))


def _scores(weights: Weights, pool: Pool, held_out: Sequence[Sample]) -> list[float]:
    by_row = {id(each.row): each for each in held_out}
    found = []
    for row in pool.rows:
        strong, weak = (predicted(weights, by_row[id(row)], model) for model in (pool.strong, pool.weak))
        found.append(0.0 if strong is None or weak is None else strong - weak)
    return found


def _error(weights: Weights, held_out: Sequence[Sample]) -> float:
    """The mean squared error of the qualities predicted (the Brier score, where outcomes are 0 or 1)."""
    errors = [
        (quality - guess) ** 2
        for each in held_out
        for model, quality in each.row.quality.items()
        if (guess := predicted(weights, each, model)) is not None
    ]
    return fmean(errors) if errors else 0.0
