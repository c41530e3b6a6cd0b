"""`routebook router`: what the judgement of prompts is worth, on outcomes, and how to better it by a team's own."""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path

HELP = """\
`evaluate` measures what the scorer behind `prompt.complexity` and `pick: balanced` is worth on prompts whose outcomes on
several models are known, beside chance, the prompt's length alone, and figures that others have published.

`train` learns from a team's own outcomes: how good each model is at each class of task, how hard the prompts usually are,
and from a thousand prompts with outcomes of two models on, the scorer's weights, around those that it had. It measures
old and new on a third of the outcomes that it did not learn from, and refuses to write what is not better. A policy uses
the file that it writes by `settings: {router: {weights: FILE}}`.

Rated answers of a service (`POST /feedback`) are outcomes too: `--state-dir` reads them from its journal, and where copies
(`shadow`) were rated beside their originals, as pairs. No prompts are kept there, so they teach qualities by class of task.

Data are files of JSON lines (`.jsonl`, `.jsonl.gz`), or directories of them:
{"set": "...", "id": "...", "prompt": "...", "q": {MODEL: quality 0..1}, "cost": {MODEL: dollars}}"""

FORMATS = ("text", "json")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the commands and their options."""
    does = parser.add_subparsers(dest="does", metavar="COMMAND", required=True)
    evaluate = does.add_parser("evaluate", help="measure the scorer on outcomes")
    _add_outcomes(evaluate)
    evaluate.add_argument("--sets", metavar="NAMES", help="only these sets, separated by commas")
    evaluate.add_argument("--strong", metavar="MODEL", help="the model to send hard prompts to (default: see below)")
    evaluate.add_argument(
        "--weak",
        metavar="MODEL",
        help="the model for the others (default: the pairs that a set is known for, else its best model and its "
        "cheapest, or where costs are not known its least good)",
    )
    evaluate.add_argument("--svg", type=Path, metavar="FILE", help="draw the cost-quality curves into this file")
    evaluate.add_argument(
        "--resamples", type=int, default=200, metavar="N", help="of the intervals (default: %(default)s; 0: none)"
    )
    evaluate.add_argument("--seed", type=int, default=1, metavar="N", help="of the resamples (default: %(default)s)")
    _add_common(evaluate)
    train = does.add_parser("train", help="fit the scorer to own outcomes, if that makes it better")
    _add_outcomes(train)
    train.add_argument("--out", type=Path, required=True, metavar="FILE", help="where the new weights are written")
    train.add_argument(
        "--policy", metavar="PATH", help="the policy whose models' declared qualities count as twenty outcomes each"
    )
    train.add_argument(
        "--strong", metavar="MODEL", help="measure with this model as the strong one (default: the best)"
    )
    train.add_argument(
        "--weak", metavar="MODEL", help="and this as the weak one (default: the cheapest, or the least good)"
    )
    train.add_argument(
        "--seed", type=int, default=0, metavar="N", help="of which third is held out (default: %(default)s)"
    )
    _add_common(train)


def _add_outcomes(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("data", nargs="*", type=Path, metavar="DATA", help="files or directories of outcomes")
    parser.add_argument(
        "--state-dir", type=Path, metavar="DIR", help="a service's state directory: the answers in it that were rated"
    )
    parser.add_argument("--since", metavar="TIME", help="of these, not older than this, as in `decisions`")


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--weights", type=Path, metavar="FILE", help="the scorer's weights (default: those shipped)")
    parser.add_argument(
        "--format", choices=FORMATS, default="text", help="for people or programs (default: %(default)s)"
    )


def run(args: argparse.Namespace) -> int:
    """Do it; 0, 1 where data or weights cannot be used, 2 for options that do not fit."""
    if not args.data and args.state_dir is None:
        print("routebook router: name files of outcomes, or a `--state-dir` with rated answers", file=sys.stderr)
        return 2
    code: int = importlib.import_module(f"routebook.cli.router_{args.does}").run(args)
    return code
