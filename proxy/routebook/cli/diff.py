"""`routebook diff`: what changes in meaning from one policy to another."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from routebook.routing.comparing.regions import Comparison
    from routebook.routing.policy import Policy
    from routebook.routing.telling.comparisons import Requests

HELP = """\
Say what changes in meaning from one policy to another: which requests go elsewhere, as conditions in the policy's own
words, each with an example and with what both policies do with it; and what else changes what happens to them.

    routebook diff rules new-rules
    routebook diff rules new-rules --format github          a comment for a pull request
    routebook diff rules new-rules --replay --since 7d      with how many of last week's requests each region holds

Nothing is said of another layout, of comments, of conditions that are only named, or of rules in another order that
cannot both match."""

FORMATS = ("text", "json", "github", "markdown")

PATIENCE = 1.0
"""Seconds of silence before progress is shown."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("old", metavar="OLD", help="a policy directory or file")
    parser.add_argument("new", metavar="NEW", help="the one that it is to become")
    parser.add_argument("--exit-code", action="store_true", help="exit code 1 where the two mean something else")
    parser.add_argument("--replay", action="store_true", help="count the recorded requests in each region")
    parser.add_argument(
        "--since", metavar="TIME", help="with --replay: not older than `15m`, `2h`, `7d`, or an ISO time"
    )
    parser.add_argument(
        "--state-dir",
        type=Path,
        default=Path("var"),
        metavar="DIR",
        help="with --replay: the state directory of the service (default: %(default)s)",
    )
    parser.add_argument(
        "--limit", type=int, default=20, metavar="N", help="at most so many regions, but in JSON (default: %(default)s)"
    )
    parser.add_argument(
        "--format",
        choices=FORMATS,
        default="text",
        help="for people, for programs, or as a comment on a pull request (default: %(default)s)",
    )


def run(args: argparse.Namespace) -> int:
    """Compare; 0, 1 where a policy has mistakes or `--exit-code` asks for it, 2 for a time that cannot be read."""
    from routebook.cli.explain import load
    from routebook.edge.journal.records import read_since
    from routebook.routing.comparing.regions import compare

    try:
        since = None if args.since is None else read_since(args.since, time.time())
    except ValueError as error:
        print(f"routebook diff: {error}", file=sys.stderr)
        return 2
    if args.replay and not args.state_dir.is_dir():
        print(f"routebook diff: there is no `{args.state_dir}`", file=sys.stderr)
        return 1
    old = load(args.old)
    new = load(args.new)
    if old is None or new is None:
        return 1
    found = compare(old, new, _progress())
    _show(found, args, _requests(new, args.state_dir, since) if args.replay else None)
    return 1 if args.exit_code and not found.is_empty else 0


def _requests(new: Policy, state_dir: Path, since: float | None) -> Requests:
    """Recorded requests by the rule that decided them and the one that would."""
    from routebook.cli.replay import shown_progress
    from routebook.edge.journal.kept import KeptPolicies
    from routebook.edge.journal.records import first_id
    from routebook.edge.journal.sweeping import pieces_of, segments_since
    from routebook.edge.replays import ProposedCounts, by_rules, counted

    pieces = pieces_of(segments_since(state_dir, since))
    first = "" if since is None else first_id(since)
    return by_rules(counted(pieces, ProposedCounts(new, KeptPolicies([state_dir]), first), shown_progress()))


def _show(found: Comparison, args: argparse.Namespace, requests: Requests | None) -> None:
    from routebook.routing.telling.comparisons import as_json, as_markdown, as_text

    match args.format:
        case "json":
            import json

            print(json.dumps(as_json(found, requests), ensure_ascii=False, indent=2))
        case "github" | "markdown":
            sys.stdout.write(as_markdown(found, args.new, args.limit, requests))
        case _:
            sys.stdout.write(as_text(found, args.new, args.limit, requests))


def _progress() -> Callable[[int, int], None] | None:
    """Says on a terminal how many rules have been compared, where that takes longer than a second."""
    if not sys.stderr.isatty():
        return None
    shown = time.monotonic() + PATIENCE

    def show(done: int, of: int) -> None:
        nonlocal shown
        now = time.monotonic()
        if now >= shown:
            shown = now + 0.1
            print(
                f"\r\x1b[K{f'comparing rules: {done} of {of}' if done < of else ''}",
                end="",
                file=sys.stderr,
                flush=True,
            )

    return show
