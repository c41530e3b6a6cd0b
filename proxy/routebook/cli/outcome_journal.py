"""What a journal knows of prompts and how good the answers were, as `routebook router` reads it beside files.

An answer that was rated is an outcome of the model that gave it; a copy of the same request that was rated too (`shadow`) is
one of another model for the same prompt: such pairs teach most. No prompt is there: what stands for it is its class of task
and its difficulty, which the scorer that judged it worked out.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from routebook.cli.outcome_files import Unusable, read_sets
from routebook.scoring.outcomes import Row

SET = "journal"
"""The set to which such outcomes belong."""

DOLLAR = 1e9
"""Nano-dollars."""


def read_outcomes(args: argparse.Namespace, scorer: str, only: frozenset[str] = frozenset()) -> dict[str, list[Row]]:
    """The outcomes that the command line names, by set: files, and a state directory's journal. `scorer` is the digest of
    the weights that they are measured with. Raises Unusable."""
    sets = read_sets(args.data, only) if args.data else {}
    if args.state_dir is not None and (not only or SET in only):
        rows = read_journal(args.state_dir, args.since, scorer)
        if rows:
            sets.setdefault(SET, []).extend(rows)
    if not sets:
        raise Unusable("no rows" + (f" of the sets {', '.join(sorted(only))}" if only else " in what was given"))
    return sets


def read_journal(state_dir: Path, since: str | None, scorer: str) -> list[Row]:
    """The rated answers of a state directory, each prompt once with all models whose answers to it were rated. What another
    scorer has judged, or nobody, is passed over, and said. Raises Unusable."""
    from routebook.edge.journal.records import Records, first_id, read_since

    if not state_dir.is_dir():
        raise Unusable(f"there is no `{state_dir}`")
    try:
        begins = "" if since is None else first_id(read_since(since, time.time()))
    except ValueError as error:
        raise Unusable(str(error)) from error
    found: dict[str, Row] = {}
    strange = 0
    with Records(state_dir) as records:
        for identity, model, quality in records.feedback(begins):
            record = records.find(identity)
            decided = {} if record is None else record.decided or {}
            judged = (decided.get("asked") or {}).get("judged")
            if judged is None or judged["scorer"] != scorer:
                strange += 1
                continue
            prompt = (decided.get("shadow") or {}).get("of", identity)
            ended = None if record is None else record.ended
            found[prompt] = _with(found.get(prompt), prompt, judged, model, quality, (ended or {}).get("cost", 0))
    if strange:
        print(
            f"routebook router: {strange:,} rated answers are passed over: their prompts were not judged, or by another "
            "scorer than the one measured with",
            file=sys.stderr,
        )
    return list(found.values())


def _with(row: Row | None, prompt: str, judged: Mapping[str, Any], model: str, quality: float, cost: int) -> Row:
    """The prompt's row with one more model."""
    qualities = {} if row is None else row.quality
    costs = {} if row is None else row.cost
    return Row(
        id=prompt,
        quality={**qualities, model: quality},
        set=SET,
        level=(judged["difficulty"], judged["gain"]),
        task=judged.get("scored") or judged["task"],
        cost={**costs, model: cost / DOLLAR},
    )
