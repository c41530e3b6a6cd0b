"""`routebook check`: is this policy fit to serve, and if not, why not."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from routebook.cli.problem_formats.forms import add_format, written

if TYPE_CHECKING:
    from routebook.routing.reading.loading import LoadResult
    from routebook.routing.reading.proving import Progress

HELP = """Read, compile and test a policy, and say all that is wrong with it, each with its place and what to do.

Nothing is changed and nothing is contacted. The exit code is 0 where the policy is fit to serve (there may be
warnings) and 1 where it is not."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `check`."""
    parser.add_argument(
        "policy", nargs="?", default="rules", metavar="POLICY", help="a policy directory or file (default: rules)"
    )
    add_format(parser)
    parser.add_argument("--strict", action="store_true", help="let warnings count as errors, for use in CI")


def run(args: argparse.Namespace) -> int:
    """Check a policy and print what was found."""
    from routebook.routing.reading.loading import load_policy

    result = load_policy(Path(args.policy), progress=shown_progress(sys.stderr))
    colour = wants_colour(sys.stdout)
    sys.stdout.write(written(args.format, result.problems, result.documents, colour=colour, strict=args.strict))
    if args.format == "text":
        print(f"{args.policy}: {summary(result)}")
    return 1 if result.policy is None or (args.strict and result.problems.found) else 0


PATIENCE = 1.0
"""Seconds of silence before progress is shown."""


def shown_progress(stream: TextIO, after: float = PATIENCE) -> Progress | None:
    """Says on a terminal how far the proofs are, where they take longer than so many seconds; None elsewhere."""
    if not stream.isatty():
        return None
    import time

    shown = time.monotonic() + after

    def show(what: str, done: int, of: int) -> None:
        nonlocal shown
        now = time.monotonic()
        if now >= shown:
            shown = now + 0.1
            stream.write(f"\r\033[Kproving {what}: {done} of {of}" if done < of else "\r\033[K")
            stream.flush()

    return show


def wants_colour(stream: TextIO) -> bool:
    """Whether a stream is a terminal whose owner has not asked for plain text (https://no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def summary(result: LoadResult) -> str:
    """What was found, on one line: how many problems, or what the policy holds."""
    errors = len(result.problems.errors)
    warnings = len(result.problems.found) - errors
    found = ", ".join(
        text for count, text in ((errors, counted(errors, "error")), (warnings, counted(warnings, "warning"))) if count
    )
    policy = result.policy
    if policy is None:
        return f"not fit to serve: {found}"
    holds = ", ".join(
        (
            counted(len(policy.rules), "rule"),
            counted(len(policy.catalogue.models), "model"),
            counted(len(policy.tests), "test") + " passed",
        )
    )
    return f"ok: {holds}, digest {policy.digest}" + (f"; {found}" if found else "")


def counted(number: int, noun: str) -> str:
    """A number with its noun: `1 rule`, `3 rules`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
