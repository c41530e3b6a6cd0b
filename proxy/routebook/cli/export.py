"""`routebook export`: tell ended records to a collector, a file or standard output, as the journal gains them."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from routebook.edge.telemetry.following import Follower, Tell, Told

HELP = """\
Tell every record that has ended: to an OpenTelemetry collector by OTLP (spans with the names of its GenAI conventions,
histograms, log records; needs the extra `otel`), to a file, or to standard output, one JSON object a record.

It follows the journal beside the service, goes on where it was when it ended, and tells again what was not taken."""

LOOK_SECONDS = 0.5
"""How often it looks for what is new."""

LONGEST_PAUSE = 30.0
"""Seconds between two attempts at most, while nobody takes anything."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--state-dir",
        type=Path,
        default=Path("var"),
        metavar="DIR",
        help="the state directory of the service (default: %(default)s)",
    )
    parser.add_argument(
        "--to",
        required=True,
        metavar="URL|FILE|-",
        help="a collector (`http://127.0.0.1:4318`), a file that is appended to, or `-` for standard output",
    )
    parser.add_argument(
        "--signals",
        default="traces,metrics,logs",
        metavar="LIST",
        help="what a collector is told: `traces`, `metrics`, `logs` (default: %(default)s)",
    )
    parser.add_argument(
        "--sample", default="100%", metavar="SHARE", help="the share of traces that are told (default: %(default)s)"
    )
    parser.add_argument(
        "--place",
        type=Path,
        default=None,
        metavar="FILE",
        help="where it is noted how far the journal was told; one for each destination (default: `export.sqlite` in "
        "the state directory)",
    )
    parser.add_argument(
        "--from-now", action="store_true", help="begin with what comes, the first time; not with all that is kept"
    )
    parser.add_argument("--once", action="store_true", help="tell what there is and end")


def run(args: argparse.Namespace) -> int:
    """Tell; 0 when told or interrupted, 1 where nobody takes it with `--once` or nothing is there, 2 for wrong options."""
    from routebook.edge.telemetry.following import Follower

    if not args.state_dir.is_dir():
        print(f"routebook export: there is no `{args.state_dir}`", file=sys.stderr)
        return 1
    try:
        tell = _teller(args)
    except ValueError as error:
        print(f"routebook export: {error}", file=sys.stderr)
        return 2
    place = args.place or args.state_dir / "export.sqlite"
    with Follower(args.state_dir, place, args.from_now) as follower:
        try:
            return _once(follower, tell) if args.once else _on(follower, tell)
        except KeyboardInterrupt:
            return 0


def _once(follower: Follower, tell: Tell) -> int:
    from routebook.edge.telemetry.following import NotTaken

    try:
        follower.tell(tell)
    except NotTaken as error:
        print(f"routebook export: {error}; it is told again the next time", file=sys.stderr)
        return 1
    return 0


def _on(follower: Follower, tell: Tell) -> int:
    """Until interrupted; each trouble is said once."""
    from routebook.edge.telemetry.following import NotTaken

    pause = LOOK_SECONDS
    while True:
        try:
            follower.tell(tell)
        except NotTaken as error:
            if pause == LOOK_SECONDS:
                print(f"routebook export: {error}; it is tried again", file=sys.stderr)
            pause = min(LONGEST_PAUSE, pause * 2)
        else:
            pause = LOOK_SECONDS
        time.sleep(pause)


def _teller(args: argparse.Namespace) -> Tell:
    """Who is told; raises ValueError for options that cannot be."""
    if not args.to.startswith(("http://", "https://")):
        return _lines(None if args.to == "-" else Path(args.to))
    from routebook.documents.quantities import Unit, parse_quantity

    signals = [each.strip() for each in args.signals.split(",")]
    if unknown := set(signals) - {"traces", "metrics", "logs"}:
        raise ValueError(f"`--signals`: there is no `{min(unknown)}`")
    sample = parse_quantity(args.sample, Unit.SHARE)
    if sample is None or not 0 <= sample <= 1:
        raise ValueError(f"`--sample`: `{args.sample}` is no share such as `10%`")
    try:
        from routebook.edge.telemetry.otlp import Collector
    except ImportError:
        raise ValueError("a collector is told by the extra `otel`: `pip install 'routebook[otel]'`") from None
    return Collector(args.to, signals, sample).tell


def _lines(file: Path | None) -> Tell:
    import json

    from routebook.edge.telemetry.following import NotTaken

    def tell(records: Sequence[Told]) -> None:
        text = "".join(json.dumps({"decided": each.decided, "ended": each.ended}) + "\n" for each in records)
        try:
            if file is None:
                print(text, end="", flush=True)
            else:
                with open(file, "a", encoding="ascii") as opened:
                    opened.write(text)
        except OSError as error:
            raise NotTaken(f"`{file or '-'}` cannot be written to ({(error.strerror or '').lower()})") from error

    return tell
