"""`routebook decisions`: list recorded decisions."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from routebook.documents.visible import visible

if TYPE_CHECKING:
    from routebook.edge.journal.records import Filters, Records

HELP = """\
List recorded decisions, newest first; with `--follow`, new ones as they end.

Works on a state directory whether a service runs on it or not. `routebook explain ID` says why in plain words."""

FORMATS = ("text", "json", "csv")

LOOK_SECONDS = 0.25
"""How often `--follow` looks."""

FOLLOWED = 10_000
"""How many records in flight `--follow` keeps in mind."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--state-dir",
        type=Path,
        default=Path("var"),
        metavar="DIR",
        help="the state directory of the service (default: %(default)s)",
    )
    parser.add_argument("--since", metavar="TIME", help="not older than `15m`, `2h`, `3d`, or an ISO date and time")
    parser.add_argument("--client", help="only this client's")
    parser.add_argument("--rule", help="only what this rule decided")
    parser.add_argument("--model", help="only what this model answered")
    parser.add_argument("--status", help="only this status: `429`, or a class such as `5xx`")
    parser.add_argument("--end", help="only this end code, such as `UD`; `ok` stands for `--`")
    parser.add_argument("--failed", action="store_true", help="only what did not end well")
    parser.add_argument("--limit", type=int, default=20, metavar="N", help="at most so many (default: %(default)s)")
    parser.add_argument("--before", metavar="ID", help="only older ones than this: the next page")
    parser.add_argument("--follow", action="store_true", help="go on with new ones as they end")
    parser.add_argument(
        "--format", choices=FORMATS, default="text", help="for people or programs (default: %(default)s)"
    )


def run(args: argparse.Namespace) -> int:
    """List; 0, or 2 for a filter that cannot be read."""
    from routebook.edge.journal.records import Filters, Records, read_since, status_range

    try:
        if args.status is not None:
            status_range(args.status)
        since = None if args.since is None else read_since(args.since, time.time())
    except ValueError as error:
        print(f"routebook decisions: {error}", file=sys.stderr)
        return 2
    if not args.state_dir.is_dir():
        print(f"routebook decisions: there is no `{args.state_dir}`", file=sys.stderr)
        return 1
    # the code of a good end, `--`, cannot be written as a value on a command line
    end = "--" if args.end == "ok" else args.end
    filters = Filters(since, args.client, args.rule, args.model, args.status, end, args.before, args.failed)
    with Records(args.state_dir) as records:
        rows = records.select(filters, args.limit)
        printer = Printer(args.format)
        printer.show(rows if not args.follow else rows[::-1])
        if args.follow:
            for row in followed(records, filters):
                printer.show([row])
    return 0


def followed(records: Records, filters: Filters) -> Iterator[dict[str, Any]]:
    """Rows of records as they end, from now on."""
    ended = {row["id"] for row in records.select(filters, FOLLOWED) if row["end"] is not None}
    while True:
        time.sleep(LOOK_SECONDS)
        records.refresh()
        rows = records.select(filters, FOLLOWED)
        for row in reversed(rows):
            if row["end"] is not None and row["id"] not in ended:
                ended.add(row["id"])
                yield row
        ended &= {row["id"] for row in rows}


class Printer:
    """Writes rows in one of the formats."""

    def __init__(self, form: str) -> None:
        self._form = form
        self._began = False

    def show(self, rows: list[dict[str, Any]]) -> None:
        """Print these rows, and a heading before the first of all."""
        match self._form:
            case "json":
                import json

                lines = [json.dumps(row, ensure_ascii=True) for row in rows]
            case "csv":
                lines = _csv(rows, heading=not self._began)
            case _:
                lines = ([] if self._began else [HEADING]) + [as_line(row) for row in rows]
        self._began = True
        if lines:
            print("\n".join(lines), flush=True)


HEADING = (
    f"{'id':26}  {'time':19}  {'client':14}  {'rule':28}  {'model':18}  {'st':>3}  {'end':3}  {'tokens':>13}  "
    f"{'cost':>11}  {'time':>8}"
)
"""Above the rows of the text format."""


def as_line(row: dict[str, Any]) -> str:
    """A row for people."""
    tokens = "" if row["input"] is None else f"{row['input']}+{row['output'] or 0}"
    cost = "" if row["cost"] is None else f"${row['cost'] / 1e9:.6f}"
    seconds = "" if row["seconds"] is None else f"{row['seconds']:.3f}s"
    return (
        f"{row['id']:26}  {visible(row['time'])[:19]:19}  {visible(row['client']):14}  {visible(row['rule']):28}  "
        f"{visible(row['model'] or row['requested']):18}  {row['status'] or '':>3}  {row['end'] or '..':3}  {tokens:>13}  "
        f"{cost:>11}  {seconds:>8}"
    )


def _csv(rows: list[dict[str, Any]], *, heading: bool) -> list[str]:
    import csv
    import io

    from routebook.edge.journal.records import SHOWN

    text = io.StringIO()
    writer = csv.DictWriter(text, SHOWN, lineterminator="\n")
    if heading:
        writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().splitlines()
