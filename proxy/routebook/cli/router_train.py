"""`routebook router train`: weights from a team's own outcomes."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from routebook.cli.outcome_files import Unusable, progress, read_weights
from routebook.cli.outcome_journal import read_outcomes
from routebook.scoring.training import OLD, PASSES, TooFew, Trained, sample_of, train


def run(args: argparse.Namespace) -> int:
    """Learn, measure, and write where it is better; 0 written, 1 refused or nothing to learn from."""
    try:
        declared = _declared(args.policy)
        old = read_weights(args.weights)
        sets = read_outcomes(args, old.scorer.digest)
        samples = [sample_of(row) for rows in sets.values() for row in rows if row.quality]
        found = train(
            samples,
            old,
            declared,
            seed=args.seed,
            pair=(args.strong, args.weak),
            report=lambda done, loss: progress("fitting", done, PASSES),
        )
        if found.weights is not None:
            _write(args.out, found.weights.written())
    except (Unusable, TooFew) as error:
        print(f"routebook router: {error}", file=sys.stderr)
        return 1
    if args.format == "json":
        print(json.dumps(as_json(found), indent=2))
    else:
        print("\n".join(as_text(found, args.out)))
    return 0 if found.weights is not None else 1


def _declared(path: str | None) -> Mapping[str, float]:
    from routebook.cli.explain import load

    if path is None:
        return {}
    policy = load(path)
    if policy is None:
        raise Unusable(f"{path}: the policy has mistakes")
    models = policy.catalogue.models.values()
    return {model.name: model.quality for model in models if model.quality is not None}


def _write(file: Path, content: Mapping[str, Any]) -> None:
    """Whole or not at all."""
    beside = file.with_name(file.name + ".new")
    try:
        beside.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        beside.replace(file)
    except OSError as error:
        raise Unusable(f"{file}: {error.strerror}") from error


def as_text(found: Trained, out: Path) -> Iterator[str]:
    """For people."""
    pool = found.contest.pool
    yield f"learnt from {found.taught:,} outcomes ({found.paired:,} of them of two models or more)"
    yield f"measured on {found.held_out:,} others, {len(pool.rows):,} of them with both {pool.strong} and {pool.weak}"
    yield f"  {'':18}   APGR  CPT50  CPT80  squared error of predicted quality"
    for name, standing in found.contest.standings.items():
        curve, error = standing.curve, found.errors.get(name)
        shown = "" if error is None else f"{error:.4f}"
        yield f"  {name:18}  {curve.apgr:5.3f}  {curve.cpt(0.5):5.1%}  {curve.cpt(0.8):5.1%}  {shown}".rstrip()
    if found.weights is None:
        yield "refused: nothing that was learnt is better than the old weights on what was held out; nothing is written"
    else:
        yield f"written: {found.chosen}, as {out} ({found.weights.scorer.version}, {found.weights.scorer.digest})"


def as_json(found: Trained) -> dict[str, Any]:
    """For programs."""
    return {
        "written": found.weights is not None,
        "chosen": None if found.chosen == OLD else found.chosen,
        "digest": None if found.weights is None else found.weights.scorer.digest,
        "taught": found.taught,
        "paired": found.paired,
        "held_out": found.held_out,
        "strong": found.contest.pool.strong,
        "weak": found.contest.pool.weak,
        "measured": {
            name: {
                "apgr": standing.curve.apgr,
                "cpt50": standing.curve.cpt(0.5),
                "cpt80": standing.curve.cpt(0.8),
                "squared_error": found.errors.get(name),
            }
            for name, standing in found.contest.standings.items()
        },
    }
