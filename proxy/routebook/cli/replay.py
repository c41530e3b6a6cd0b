"""`routebook replay`: decide recorded requests again, under a policy that is proposed or under their own."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from routebook.edge.journal.kept import KeptPolicies
    from routebook.edge.journal.sweeping import Piece

HELP = """\
Decide recorded requests again, and say which would go elsewhere.

    routebook replay --policy new-rules --since 7d      last week's requests, under another policy
    routebook replay --own                              each under the policy that it was decided by: all must agree
    routebook replay --policy new-rules var/journal/*.jsonl

Every request is decided with the facts, the memory and the draws of its record. Where that depends on a fact that the
record does not hold, the request counts as one that cannot be decided, under the fact's name; nothing is guessed.
Nobody is called and nothing is written. The exit code is 1 where a record does not replay to itself, where
`--fail-on-move` finds a request that moves or may move, or where there is nothing to replay with."""

FORMATS = ("text", "json")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "files", nargs="*", type=Path, metavar="FILE", help="journal files (default: all in --state-dir)"
    )
    under = parser.add_mutually_exclusive_group(required=True)
    under.add_argument("--policy", type=Path, metavar="PATH", help="the proposed policy: a directory or a file")
    under.add_argument("--own", action="store_true", help="check that each record replays to itself")
    parser.add_argument("--since", metavar="TIME", help="not older than `15m`, `2h`, `7d`, or an ISO date and time")
    parser.add_argument(
        "--state-dir",
        type=Path,
        default=Path("var"),
        metavar="DIR",
        help="the state directory of the service, with its journal and the policies that served (default: %(default)s)",
    )
    parser.add_argument(
        "--fail-on-move", action="store_true", help="exit code 1 where a request moves, or cannot be decided"
    )
    parser.add_argument(
        "--limit", type=int, default=20, metavar="N", help="at most so many of each kind in text (default: %(default)s)"
    )
    parser.add_argument(
        "--format", choices=FORMATS, default="text", help="for people or programs (default: %(default)s)"
    )


def run(args: argparse.Namespace) -> int:
    """Replay; 0, 1 as HELP says, or 2 for a time that cannot be read."""
    from routebook.edge.journal.kept import KeptPolicies
    from routebook.edge.journal.records import first_id, read_since
    from routebook.edge.journal.sweeping import pieces_of, segments_since

    try:
        since = None if args.since is None else read_since(args.since, time.time())
    except ValueError as error:
        print(f"routebook replay: {error}", file=sys.stderr)
        return 2
    missing = next((path for path in args.files if not path.is_file()), None)
    if missing is not None or not (args.files or args.state_dir.is_dir()):
        print(f"routebook replay: there is no `{missing or args.state_dir}`", file=sys.stderr)
        return 1
    pieces = pieces_of(args.files or segments_since(args.state_dir, since))
    first = "" if since is None else first_id(since)
    kept = KeptPolicies(dict.fromkeys([args.state_dir, *(file.absolute().parent.parent for file in args.files)]))
    return _own(pieces, kept, first, args) if args.own else _proposed(pieces, kept, first, args)


def _proposed(pieces: Sequence[Piece], kept: KeptPolicies, first: str, args: argparse.Namespace) -> int:
    from routebook.cli.explain import load
    from routebook.edge.replays import ProposedCounts, counted
    from routebook.routing.telling.replays import as_json, as_text, moved, undecidable

    proposed = load(str(args.policy))
    if proposed is None:
        return 1
    tally = counted(pieces, ProposedCounts(proposed, kept, first), shown_progress())
    _print(
        args.format, lambda: as_text(tally, f"`{args.policy}` ({proposed.digest})", args.limit), lambda: as_json(tally)
    )
    return 1 if args.fail_on_move and moved(tally) + undecidable(tally) else 0


def _own(pieces: Sequence[Piece], kept: KeptPolicies, first: str, args: argparse.Namespace) -> int:
    from routebook.edge.replays import OwnCounts, counted_own
    from routebook.routing.telling.replays import own_as_json, own_as_text

    tally = counted_own(pieces, OwnCounts(kept, first), shown_progress())
    _print(args.format, lambda: own_as_text(tally), lambda: own_as_json(tally))
    return 1 if tally.otherwise or (tally.without and not tally.alike) else 0


def shown_progress() -> Callable[[int, int], None]:
    """Says on a terminal how much of the journal has been gone through."""

    def show(done: int, whole: int) -> None:
        text = f"replaying: {done * 100 // max(1, whole)} % of {whole:,} bytes" if done < whole else ""
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)

    return show if sys.stderr.isatty() else lambda done, whole: None


def _print(form: str, text: Callable[[], str], content: Callable[[], object]) -> None:
    if form == "json":
        import json

        print(json.dumps(content(), indent=2))
    else:
        from routebook.documents.visible import visible

        sys.stdout.write("\n".join(map(visible, text().split("\n"))))
