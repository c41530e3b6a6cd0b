"""`routebook tap`: decisions as they come."""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from routebook.documents.visible import visible

HELP = """\
Show decisions as they come, each when it is made (`>`) and when it has ended (`<`), until somebody ends it.

    routebook tap --rule 'batch-*'                     what these rules decide
    routebook tap --outcome failed --format json       whole records of what goes wrong, a line each

Names are globs: `*` stands for anything, `?` for one character. All filters given must hold; `--outcome` is known at the
end only, so with it a decision is shown once. It reads the journal in the state directory, and asks no service anything;
what it has to say itself stands on standard error."""

LOOK_SECONDS = 0.1
"""How often the journal is looked at."""

MOST_OPEN = 100_000
"""Decisions that are kept in mind until they end; the oldest is forgotten first, and looked up where it ends after all."""

PHASES = ("both", "decided", "ended")


class WrongFilter(ValueError):
    """A filter that cannot be read; the message is for the operator."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--state-dir",
        type=Path,
        default=Path("var"),
        metavar="DIR",
        help="the state directory of the service (default: %(default)s)",
    )
    parser.add_argument("--rule", metavar="GLOB", help="only what such a rule decided")
    parser.add_argument("--client", metavar="GLOB", help="only of such a client")
    parser.add_argument(
        "--model", metavar="GLOB", help="only for such a model: the first candidate, then the one that served"
    )
    parser.add_argument(
        "--outcome",
        metavar="WORD",
        help="only what ended so: `ok`, `failed`, a status (`429`, `5xx`) or an end code (`UD`)",
    )
    parser.add_argument("--phase", choices=PHASES, default="both", help="which moments (default: %(default)s)")
    parser.add_argument("--limit", type=int, metavar="N", help="end after so many lines")
    parser.add_argument(
        "--format", choices=("text", "json"), default="text", help="for people or programs (default: %(default)s)"
    )


@dataclass(frozen=True, slots=True)
class Moment:
    """A decision when it was made (`ended` None) or when it had ended."""

    decided: dict[str, Any]
    ended: dict[str, Any] | None

    @property
    def model(self) -> str:
        """The one that served, before that the first candidate that was kept; empty where there is none."""
        if self.ended is not None and self.ended.get("model"):
            return str(self.ended["model"])
        kept = (each["model"] for each in self.decided.get("candidates") or () if each["verdict"] == "kept")
        return str(next(kept, ""))


def run(args: argparse.Namespace) -> int:
    """Show until it is ended; 0, 1 where there is no such directory, 2 for a filter that cannot be read."""
    from routebook.edge.journal.tailing import Tail

    try:
        wanted = wanted_by(args)
    except WrongFilter as error:
        print(f"routebook tap: {error}", file=sys.stderr)
        return 2
    if not args.state_dir.is_dir():
        print(f"routebook tap: there is no `{args.state_dir}`", file=sys.stderr)
        return 1
    tail = Tail(args.state_dir)
    print(f"routebook tap: listening to `{args.state_dir}`; end with Ctrl-C", file=sys.stderr, flush=True)
    written = as_json if args.format == "json" else as_line
    left = args.limit
    for moment in moments(tail.lines, args.state_dir):
        if not wanted(moment):
            continue
        print(written(moment), flush=True)
        if left is not None and (left := left - 1) <= 0:
            break
    return 0


def moments(lines: Callable[[], Iterator[dict[str, Any]]], state_dir: Path) -> Iterator[Moment]:
    """Decisions and their ends as the journal gains them, for ever."""
    from routebook.edge.journal.records import find_record

    running: dict[str, dict[str, Any]] = {}
    while True:
        for line in lines():
            identity = line.get("id", "")
            if line["event"] == "decided":
                running[identity] = line
                if len(running) > MOST_OPEN:
                    del running[next(iter(running))]
                yield Moment(line, None)
            elif line["event"] == "ended":
                decided = running.pop(identity, None)
                if decided is None and (found := find_record(state_dir, identity)) is not None:
                    decided = found.decided
                yield Moment(decided or {"id": identity}, line)
        time.sleep(LOOK_SECONDS)


def wanted_by(args: argparse.Namespace) -> Callable[[Moment], bool]:
    """Whether a moment passes all filters. Raises WrongFilter."""
    rule, client, model = (_glob(pattern) for pattern in (args.rule, args.client, args.model))
    ending = None if args.outcome is None else outcome(args.outcome)
    if ending is not None and args.phase == "decided":
        raise WrongFilter("`--outcome` is known when a request has ended: it does not go with `--phase decided`")
    phases = {"both": (True, False), "decided": (False,), "ended": (True,)}[args.phase]

    def wanted(moment: Moment) -> bool:
        return (
            (moment.ended is not None) in phases
            and rule(moment.decided.get("rule"))
            and client(moment.decided.get("client"))
            and model(moment.model)
            and (ending is None or (moment.ended is not None and ending(moment.ended)))
        )

    return wanted


def outcome(word: str) -> Callable[[dict[str, Any]], bool]:
    """Whether an ending is of this kind. Raises WrongFilter."""
    from routebook.edge.journal.records import status_range

    if word == "ok":
        return lambda ended: bool(ended["end"] == "--")
    if word == "failed":
        return lambda ended: bool(ended["end"] != "--")
    if re.fullmatch("[A-Z]{2}", word):
        return lambda ended: bool(ended["end"] == word)
    try:
        low, high = status_range(word)
    except ValueError:
        raise WrongFilter(
            f"`{word}` is no outcome: `ok`, `failed`, a status such as `429` or `5xx`, or a code such as `UD`"
        ) from None
    return lambda ended: low <= int(ended["status"] or 0) <= high


def _glob(pattern: str | None) -> Callable[[object], bool]:
    from routebook.policy.conditions import glob_regex

    if pattern is None:
        return lambda name: True
    compiled = glob_regex(pattern)
    return lambda name: compiled.match(str(name or "")) is not None


def as_json(moment: Moment) -> str:
    """A moment for programs: the journal's own line, and at the end both of them."""
    import json

    if moment.ended is None:
        return json.dumps({"event": "decided", "decided": moment.decided})
    return json.dumps({"event": "ended", "decided": moment.decided, "ended": moment.ended})


def as_line(moment: Moment) -> str:
    """A moment for people."""
    decided, ended = moment.decided, moment.ended
    who = f"{visible(decided.get('client')):14}  {visible(decided.get('rule') or '(no rule)'):24}"
    if ended is None:
        kept = sum(each["verdict"] == "kept" for each in decided.get("candidates") or ())
        more = f", {kept - 1} behind it" if kept > 1 else ""
        to = visible(moment.model) + more if moment.model else visible(decided.get("outcome") or "nobody")
        time_of = str(decided.get("time", ""))[11:23]
        return f"{time_of:12} > {decided['id']}  {who}  {visible(decided.get('requested'))} -> {to}"
    usage = ended.get("usage") or {}
    tokens = f"{usage.get('input', 0)}+{usage.get('output', 0)}"
    cost = f"${(ended.get('cost') or 0) / 1e9:.6f}"
    error = ended.get("error")
    why = f"  {visible(error['code'] if isinstance(error, dict) else error)}" if error else ""
    return (
        f"{str(ended.get('time', ''))[11:23]:12} < {decided['id']}  {who}  {visible(moment.model):18}  "
        f"{ended.get('status') or '':>3} {ended.get('end')}  {tokens:>11}  {cost}  {ended.get('seconds') or 0:.3f}s{why}"
    )
