"""`routebook savings`: what the same traffic would have cost on each single model."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from routebook.edge.journal.records import Records
    from routebook.routing.policy import Policy
    from routebook.routing.telling.savings import Alternative, Savings, Sums

HELP = """\
Show what the same traffic would have cost had each model of the policy served all of it alone, beside what was paid, with
the quality that is predicted of either; what is assumed is printed with it.

It reads the journal in a state directory, whether a service runs on it or not. Prices are those of the policy that
decided last, or of `--policy`."""

FORMATS = ("text", "json")
PARTS = ("day", "team", "rule")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--since", default="7d", metavar="TIME", help="not older than this, as in `decisions` (default: %(default)s)"
    )
    parser.add_argument("--by", choices=PARTS, help="each day, team or rule by itself")
    parser.add_argument("--policy", type=Path, metavar="PATH", help="price by this policy: a directory or a file")
    parser.add_argument(
        "--state-dir",
        type=Path,
        default=Path("var"),
        metavar="DIR",
        help="the state directory of the service (default: %(default)s)",
    )
    parser.add_argument(
        "--format", choices=FORMATS, default="text", help="for people or programs (default: %(default)s)"
    )


def run(args: argparse.Namespace) -> int:
    """Add up and show; 0, 1 where there is nothing to read or the policy has mistakes, 2 for a time that is none."""
    from routebook.edge.journal.records import Filters, Records, read_since
    from routebook.routing.telling.savings import Savings, as_json

    try:
        filters = Filters(since=read_since(args.since, time.time()))
    except ValueError as error:
        return _fail(str(error), 2)
    if not args.state_dir.is_dir():
        return _fail(f"there is no `{args.state_dir}`")
    with Records(args.state_dir) as records:
        policy = _policy(args, records)
        if policy is None:
            return 1
        found = Savings(policy, args.by)
        for done, record in enumerate(records.walk(filters), 1):
            if record.decided is not None and record.ended is not None:
                found.add(record.decided, record.ended)
            if done % 1000 == 0 and sys.stderr.isatty():
                print(f"\r{done:,} records", end="", file=sys.stderr, flush=True)
    if sys.stderr.isatty():
        print("\r\x1b[K", end="", file=sys.stderr)
    if args.format == "json":
        import json

        print(json.dumps(as_json(found), indent=2))
    else:
        print("\n".join(as_text(found, args.since)))
    return 0


def _policy(args: argparse.Namespace, records: Records) -> Policy | None:
    """The policy to price by; None after saying why there is none."""
    from routebook.cli.explain import load
    from routebook.edge.journal.kept import policy_of
    from routebook.edge.journal.records import Filters

    if args.policy is not None:
        return load(str(args.policy))
    newest = records.select(Filters(), 1)
    if not newest:
        _fail(f"`{args.state_dir}` holds no records")
        return None
    policy = policy_of(args.state_dir, newest[0]["digest"])
    if policy is None:
        _fail("the policy that decided last was not kept; name one with `--policy`")
    return policy


def as_text(found: Savings, since: str) -> Iterator[str]:
    """For people."""
    from routebook.documents.visible import visible
    from routebook.routing.reasons import dollars
    from routebook.routing.telling.savings import ASSUMPTIONS

    answers = sum(sums.answers for sums in found.parts.values())
    yield f"since {since}: {answers:,} answers to {found.requests:,} requests"
    if found.cached:
        yield f"beside them, {found.cached:,} came from the cache of answers, which saved {dollars(found.cached_saved)}"
    if found.copies:
        yield f"beside them, {found.copies:,} copies went to other models to compare, for {dollars(found.copies_paid)}"
    for name, sums in sorted(found.parts.items()):
        yield ""
        if list(found.parts) != ["all"]:
            yield visible(name)
        yield from _lines(sums)
    yield ""
    yield from (f"assumed: {each}" for each in ASSUMPTIONS)


def _lines(sums: Sums) -> Iterator[str]:
    from routebook.routing.reasons import dollars

    yield f"  {'':28}  {'cost':>14}  {'saved':>8}  {'quality':>7}  could not"
    yield f"  {'paid':28}  {dollars(sums.paid):>14}  {'':>8}  {_quality(sums.actual):>7}"
    for model, each in sorted(sums.alternatives.items(), key=lambda pair: (-pair[1].cost, pair[0])):
        cost = (">= " if each.unpriced else "") + dollars(each.cost)
        saved = f"{1 - sums.paid / each.cost:.1%}" if each.cost else ""
        unable = f"{each.unable:,} of {sums.answers:,}" if each.unable else ""
        yield f"  {model:28}  {cost:>14}  {saved:>8}  {_quality(each):>7}  {unable}".rstrip()


def _quality(each: Alternative) -> str:
    quality = each.mean_quality
    return "" if quality is None else f"{quality:.3f}"


def _fail(message: str, code: int = 1) -> int:
    print(f"routebook savings: {message}", file=sys.stderr)
    return code
