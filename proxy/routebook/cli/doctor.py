"""`routebook doctor`: what a service stands on, looked at before it starts and while it runs."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from routebook.cli.listeners import add_tls_arguments, tls_files

if TYPE_CHECKING:
    from routebook.edge.doctor.finding import Finding

HELP = """\
Look at what a service stands on: descriptors, clock, aiohttp and its parser, the state directory with its disk and its
databases, the listeners' certificates and the shared ledger where they are named, what the policy's sound needs (its transcoder, and what resamples
sessions that cross), and the upstreams of the policy as far as name, connection and certificate. Nothing is changed, and no model is asked anything.

Run it as the user of the service, with its options and variables. One line a check; the exit code is 0 where nothing
fails, 1 where something does (with `--strict`, also where something is worth a look), 2 for wrong options."""

_COLOURS = {"ok": "32", "warn": "33", "fail": "31"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--policy",
        type=Path,
        default=None,
        metavar="PATH",
        help="policy file or directory (default: `rules`, or the policy that comes with the program)",
    )
    parser.add_argument(
        "--state-dir",
        type=Path,
        default=Path("var"),
        metavar="DIR",
        help="the state directory of the service (default: %(default)s)",
    )
    parser.add_argument(
        "--shared-ledger", default=None, metavar="URL", help="the Redis or Valkey that `serve` is given, to look at too"
    )
    add_tls_arguments(parser)
    parser.add_argument("--offline", action="store_true", help="leave the upstreams alone: no DNS, no connections")
    parser.add_argument("--strict", action="store_true", help="end with 1 also where something is worth a look")
    parser.add_argument(
        "--format", choices=("text", "json"), default="text", help="for people or programs (default: %(default)s)"
    )


def run(args: argparse.Namespace) -> int:
    """Look and tell; 0 where nothing fails, 1 where something does."""
    import asyncio

    try:
        listeners = _listeners(args)
    except ValueError as error:
        print(f"routebook doctor: {error}", file=sys.stderr)
        return 2
    found = [*_at_home(args.state_dir), *listeners, *asyncio.run(_abroad(args))]
    print(_as_json(found) if args.format == "json" else _as_text(found))
    failing = {"fail", "warn"} if args.strict else {"fail"}
    return int(any(each.verdict.value in failing for each in found))


def _at_home(state_dir: Path) -> list[Finding]:
    import time

    from routebook.edge.doctor import directory, machine

    return [
        machine.descriptors(state_dir),
        machine.clock(state_dir, time.time()),
        machine.aiohttp_version(),
        machine.parser(),
        *directory.state_directory(state_dir),
        directory.file_system(state_dir),
        directory.disk(state_dir),
        *directory.databases(state_dir),
    ]


def _listeners(args: argparse.Namespace) -> list[Finding]:
    """The certificates that `serve` is given with the same options; raises ValueError for half of them."""
    import time

    from routebook.edge.doctor.listeners import certificate

    named = zip(("public listener", "admin listener"), tls_files(args), strict=True)
    return [found for name, files in named if files for found in certificate(files, time.time(), name)]


async def _abroad(args: argparse.Namespace) -> list[Finding]:
    """The policy, and where it leads."""
    import time

    from routebook.cli.serve import policy_at_hand
    from routebook.edge.doctor import network
    from routebook.edge.doctor.finding import fail, ok
    from routebook.edge.doctor.sound import sound
    from routebook.routing.reading.loading import load_policy

    found = [] if args.shared_ledger is None else [await network.shared_ledger(args.shared_ledger)]
    place = args.policy or policy_at_hand()
    policy = load_policy(place, proving=False).policy
    if policy is None:
        return [*found, fail("policy", f"`{place}` has errors", f"`routebook check {place}` names each with its line")]
    found.append(ok("policy", f"`{place}` can be read"))
    found += await sound(policy)
    if not args.offline:
        found += await network.upstreams(policy.catalogue.providers.values(), time.time())
    return found


def _as_text(found: list[Finding]) -> str:
    from routebook.cli.check import wants_colour

    coloured = wants_colour(sys.stdout)
    lines = []
    for each in found:
        verdict = f"{each.verdict.value:4}"
        if coloured:
            verdict = f"\x1b[{_COLOURS[each.verdict.value]}m{verdict}\x1b[0m"
        about = "" if each.about is None else f"{each.about}: "
        advice = "" if each.advice is None else f"; {each.advice}"
        lines.append(f"{verdict}  {each.check:13}  {about}{each.says}{advice}")
    return "\n".join(lines)


def _as_json(found: list[Finding]) -> str:
    import json
    from dataclasses import asdict

    rows = [asdict(each) | {"verdict": each.verdict.value} for each in found]
    return json.dumps({"checks": rows}, ensure_ascii=True, indent=2)
