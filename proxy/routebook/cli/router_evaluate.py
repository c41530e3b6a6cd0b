"""`routebook router evaluate`: the scorer against length and chance."""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from routebook.cli.outcome_files import Unusable, progress, read_weights
from routebook.cli.outcome_journal import read_outcomes
from routebook.scoring.contests import (
    COMPLEXITY,
    LENGTH,
    RANDOM,
    ROUTERS,
    Chance,
    Contest,
    Judgement,
    contest,
    means_of,
    pools_of,
    strengths_of,
)
from routebook.scoring.drawing import as_svg
from routebook.scoring.measures import auc
from routebook.scoring.published_figures import published
from routebook.scoring.training import sample_of

if TYPE_CHECKING:
    from routebook.scoring.outcomes import Row
    from routebook.scoring.scorer import Scorer

STEPS = 20
"""Points of a curve in the JSON format."""

ASSUMPTIONS = (
    "the models' mean qualities are those of the contest's prompts, as an operator would declare them",
    "`random` is what is expected of chance; published figures are of whole test sets, on ten steps",
    "a mix gives each of its sets the same weight",
)


def run(args: argparse.Namespace) -> int:
    """Measure and show; 0, 1 where the data cannot be used."""
    if args.resamples < 0 or (args.strong is not None and args.strong == args.weak):
        print(
            "routebook router: `--resamples` is 0 or more, and `--strong` and `--weak` are two models", file=sys.stderr
        )
        return 2
    try:
        scorer = read_weights(args.weights).scorer
        sets = read_outcomes(args, scorer.digest, frozenset(args.sets.split(",")) if args.sets else frozenset())
        found = _contests(sets, scorer, args)
        sanity = _sanity(sets, scorer)
        if not found and not sanity:
            raise Unusable("no set has outcomes of two models whose qualities differ")
        if args.svg is not None:
            _draw(found, args)
    except Unusable as error:
        print(f"routebook router: {error}", file=sys.stderr)
        return 1
    if args.format == "json":
        import json

        print(json.dumps(as_json(found, sanity, scorer), indent=2))
    else:
        print("\n".join(as_text(found, sanity, scorer)))
    return 0


def _contests(sets: Mapping[str, Sequence[Row]], scorer: Scorer, args: argparse.Namespace) -> list[Contest]:
    judged: dict[int, Judgement] = {}

    def judge(row: Row) -> Judgement:
        if id(row) not in judged:
            judged[id(row)] = judgement(row, scorer)
        return judged[id(row)]

    strengths = strengths_of([row for rows in sets.values() for row in rows])
    pools = list(pools_of(sets, args.strong, args.weak))
    found = []
    for done, pool in enumerate(pools):
        progress("contests", done, len(pools))
        chance = _chance(scorer, means_of(pool), strengths)
        found.append(contest(pool, judge, chance, random.Random(args.seed).randrange, args.resamples))
    progress("contests", len(pools), len(pools))
    return found


def _chance(scorer: Scorer, means: Mapping[str, float], strengths: Mapping[str, float]) -> Chance:
    return lambda each, model: scorer.chance(each.difficulty, each.gain, means[model], strengths[model])


def judgement(row: Row, scorer: Scorer) -> Judgement:
    """What the scorer says of a row's prompt, or of its signals."""
    return Judgement(*sample_of(row).level(scorer))


def _sanity(sets: Mapping[str, Sequence[Row]], scorer: Scorer) -> dict[str, dict[str, float]]:
    """By set in which people have said what is hard: how often the harder of two prompts gets the higher score."""
    found = {}
    for name, rows in sets.items():
        hard = [row for row in rows if row.hard is True and row.prompt is not None]
        easy = [row for row in rows if row.hard is False and row.prompt is not None]
        if hard and easy:
            scores = [[judgement(row, scorer).difficulty for row in group] for group in (hard, easy)]
            sizes = [[float(len(row.prompt or "")) for row in group] for group in (hard, easy)]
            found[name] = {"hard": len(hard), "easy": len(easy), COMPLEXITY: auc(*scores), LENGTH: auc(*sizes)}
    return found


def _draw(found: list[Contest], args: argparse.Namespace) -> None:
    try:
        args.svg.write_text(as_svg(found), encoding="utf-8")
    except OSError as error:
        raise Unusable(f"{args.svg}: {error.strerror}") from error


def as_text(found: Sequence[Contest], sanity: Mapping[str, Mapping[str, float]], scorer: Scorer) -> Iterator[str]:
    """For people."""
    yield f"scorer {scorer.version} ({scorer.digest})"
    for each in found:
        yield ""
        yield from _contest_lines(each)
    for name, row in sanity.items():
        yield ""
        yield (
            f"{name}: {row['hard']:.0f} prompts that people call hard, {row['easy']:.0f} easy ones: the harder of two "
            f"has the higher score in {row[COMPLEXITY]:.1%} (length: {row[LENGTH]:.1%})"
        )
    yield ""
    yield from _means(found)
    yield from (f"{name:10}  {meaning}" for name, meaning in ROUTERS.items())
    yield from (f"assumed: {each}" for each in ASSUMPTIONS)


def _contest_lines(each: Contest) -> Iterator[str]:
    pool = each.pool
    any_curve = next(iter(each.standings.values())).curve
    low, high = any_curve.qualities[0], any_curve.qualities[-1]
    yield f"{pool.name}: {pool.strong} over {pool.weak}, {len(pool.rows):,} prompts, quality {low:.3f} to {high:.3f}"
    costs = any(standing.aiq is not None for standing in each.standings.values())
    yield f"  {'router':38}   APGR         95 %  APGR10  CPT50  CPT80" + ("     AIQ" if costs else "")
    for name, standing in each.standings.items():
        curve, (lowest, highest) = standing.curve, standing.interval
        interval = "" if name == RANDOM else f"{lowest:.3f}-{highest:.3f}"
        aiq = f"  {standing.aiq:.4f}" if standing.aiq is not None else ""
        yield (
            f"  {name:38}  {curve.apgr:5.3f}  {interval:>11}   {curve.apgr10:5.3f}  {curve.cpt(0.5):5.1%}  "
            f"{curve.cpt(0.8):5.1%}{aiq}"
        )
    for figure in published(pool.name, pool.strong, pool.weak):
        yield (
            f"  {'published, ' + figure.router:47}  {'':>11}   {figure.apgr:5.3f}  {figure.cpt50:5.1%}  "
            f"{figure.cpt80:5.1%}  {figure.source}"
        )
    yield from (f"  ! {remark}" for remark in each.remarks)


def _means(found: Sequence[Contest]) -> Iterator[str]:
    mixes = [each for each in found if each.pool.name.startswith("mix")]
    for what, some in (("sets", [each for each in found if each not in mixes]), ("mixes", mixes)):
        if some:
            yield f"mean APGR of {len(some)} {what}: " + ", ".join(
                f"{name} {sum(values) / len(values):.3f}"
                for name in ROUTERS
                if (values := [each.standings[name].curve.apgr for each in some if name in each.standings])
            )


def as_json(found: Sequence[Contest], sanity: Mapping[str, Mapping[str, float]], scorer: Scorer) -> dict[str, Any]:
    """For programs."""
    return {
        "scorer": {"version": scorer.version, "digest": scorer.digest},
        "contests": [_contest_as_json(each) for each in found],
        "sanity": sanity,
        "routers": ROUTERS,
        "assumed": ASSUMPTIONS,
    }


def _contest_as_json(each: Contest) -> dict[str, Any]:
    pool = each.pool
    figures = published(pool.name, pool.strong, pool.weak)
    return {
        "set": pool.name,
        "strong": pool.strong,
        "weak": pool.weak,
        "prompts": len(pool.rows),
        "routers": {
            name: {
                "apgr": standing.curve.apgr,
                "interval": standing.interval,
                "apgr10": standing.curve.apgr10,
                "cpt50": standing.curve.cpt(0.5),
                "cpt80": standing.curve.cpt(0.8),
                "aiq": standing.aiq,
                "lead_over_length": standing.lead,
                "curve": [[step / STEPS, standing.curve.quality(step / STEPS)] for step in range(STEPS + 1)],
            }
            for name, standing in each.standings.items()
        },
        "published": [
            {"router": it.router, "apgr": it.apgr, "cpt50": it.cpt50, "cpt80": it.cpt80, "source": it.source}
            for it in figures
        ],
        "remarks": each.remarks,
    }
