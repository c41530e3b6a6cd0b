"""`routebook ledger`: the audit of the ledger, and what was spent as a table."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from routebook.cli import admin_calls
from routebook.documents.visible import visible

if TYPE_CHECKING:
    from routebook.edge.ledger.recount import Fault
    from routebook.edge.ledger.verify import Audit, OwnersView

HELP = """\
`verify` counts all of the ledger again from the journal and compares: every counter's settled and held amounts with the
books, every record's settlement with its own cost and usage, and, where a service runs, the counters of its owner with
both. Whatever differs is named with the records concerned. The exit code is 0 where all is equal and 1 where it is not.

`export` prints what was settled of every counter as CSV: amounts in nano-dollars, tokens or requests.

Both read the state directory, write nothing there, and need no running service."""

ACTIONS = ("verify", "export")
FORMATS = ("text", "json")

LOOKS, PAUSE = 5, 0.5
"""How often a running owner is looked at, and seconds between two looks: a difference counts where it stays the same."""

MOST_RECORDS = 10
"""Records of one fault that the text names."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("action", choices=ACTIONS, metavar="ACTION", help="`verify` or `export`")
    admin_calls.add_arguments(parser)
    parser.add_argument(
        "--format", choices=FORMATS, default="text", help="of `verify`, for people or programs (default: %(default)s)"
    )


def run(args: argparse.Namespace) -> int:
    """Audit or export; 0 equal, 1 differences or nothing to read."""
    from routebook.edge.ledger.books import BooksDamaged

    if not args.state_dir.is_dir():
        return _fail(f"there is no `{args.state_dir}`")
    try:
        return _export(args.state_dir) if args.action == "export" else _verify(args)
    except BooksDamaged as error:
        return _fail(f"the books in `{args.state_dir}` cannot be read ({error}); `serve` folds the journal anew")


def _verify(args: argparse.Namespace) -> int:
    from routebook.edge.ledger.verify import as_json, audit

    found = audit(args.state_dir, _progress if sys.stderr.isatty() else lambda done, all: None)
    if sys.stderr.isatty():
        print("\r\x1b[K", end="", file=sys.stderr)
    asked, differing = _of_owner(args)
    if args.format == "json":
        import json

        shown = as_json(found)
        shown["owner"] = asked
        shown["equal"] = shown["equal"] and not differing
        shown["faults"] += [{"code": each.code, "words": each.words, "records": []} for each in differing]
        print(json.dumps(shown, indent=2))
    else:
        print("\n".join(_lines(found, asked, differing)))
    return 1 if found.faults or differing else 0


def _of_owner(args: argparse.Namespace) -> tuple[str, list[Fault]]:
    """What came of asking the running owner, in a word, and where it goes on counting otherwise."""
    from routebook.edge.ledger.verify import against_owner
    from routebook.edge.processes.state import find_running

    if find_running(args.state_dir) is None:
        return "no service runs", []
    staying: list[Fault] = []
    for look in range(LOOKS):
        try:
            found = list(against_owner(args.state_dir, owners_view(args)))
        except (admin_calls.NoAnswer, ValueError) as error:
            return f"the owner does not say ({error})", []
        staying = found if look == 0 else [fault for fault in staying if fault in found]
        if not staying:
            break
        time.sleep(PAUSE)
    return "compared", staying


def owners_view(args: argparse.Namespace) -> OwnersView:
    """What the running owner counts. Raises NoAnswer where nobody answers, ValueError where it is something else."""
    import msgspec

    from routebook.edge.ledger.verify import OwnersView

    answered = admin_calls.call(args, "GET", "/ledger")
    if answered.refused is not None:
        raise ValueError(answered.refused)
    return msgspec.convert(answered.content, OwnersView)


def _lines(found: Audit, asked: str, differing: list[Fault]) -> list[str]:
    lines = [
        f"journal  {found.segments} segments, {found.records:,} records, {found.bytes:,} bytes read",
        f"books    {len(found.sums)} counters, {found.behind:,} bytes behind the journal",
        f"owner    {asked}",
    ]
    if found.rebuilt is not None:
        lines.append(f"rebuilt  {_moment(found.rebuilt)}: what stood in segments removed before is not counted")
    carried = sum(each.carried != 0 for each in found.sums)
    if carried:
        lines.append(f"carried  {carried} counters hold sums of removed segments, which nobody can count again")
    faults = [*found.faults, *differing]
    for fault in faults:
        lines.append(f"{fault.code}: {visible(fault.words)}")
        lines += [f"  {visible(record)}" for record in fault.records[:MOST_RECORDS]]
    lines.append("equal" if not faults else f"{len(faults)} differences")
    return lines


def _export(state_dir: Path) -> int:
    import csv

    from routebook.edge.ledger.books import Books

    books = Books.copy(state_dir)
    try:
        books.catch_up()
        totals = books.totals()
    finally:
        books.close()
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(("pot", "start", "from", "settled", "held", "exceeded"))
    for counter in sorted(totals.settled.keys() | totals.held.keys()):
        row: list[Any] = [*counter, _moment(counter[1]), totals.settled.get(counter, 0)]
        writer.writerow([*row, sum(totals.held.get(counter, {}).values()), totals.exceeded.get(counter, 0)])
    return 0


def _progress(done: int, every: int) -> None:
    print(f"\r{done * 100 // max(1, every)} % of {every:,} bytes", end="", file=sys.stderr, flush=True)


def _moment(at: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))


def _fail(message: str) -> int:
    print(f"routebook ledger: {message}", file=sys.stderr)
    return 1
