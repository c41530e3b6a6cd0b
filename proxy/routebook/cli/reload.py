"""`routebook reload`: make a running service read its policy again."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from routebook.cli import admin_calls
from routebook.cli.admin_calls import Answered

HELP = """\
Make the service that owns a state directory read its policy again.

Without `--wait` it is told and nothing more (SIGHUP). With it, the command waits for what comes of it and prints
every problem; the exit code is 0 where the files as they stand now serve, and 1 where the service keeps the old policy."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--wait", action="store_true", help="wait for the outcome, print problems, say it in the exit code"
    )
    admin_calls.add_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Reload; 0 done, 1 rejected or nobody there."""
    if not args.wait:
        return _hang_up(args.state_dir)
    try:
        return _show(admin_calls.call(args, "POST", "/reload"))
    except admin_calls.NoAnswer as error:
        return _fail(str(error))


def _hang_up(state_dir: Path) -> int:
    """Tell the service and do not wait."""
    import os
    import signal

    from routebook.edge.processes.state import find_running

    running = find_running(state_dir)
    if running is None:
        return _fail(f"no service runs on `{state_dir}`")
    os.kill(running.pid, signal.SIGHUP)
    print(f"told process {running.pid} to read its policy again")
    return 0


def _show(answered: Answered) -> int:
    """Print an outcome for people."""
    outcome = answered.content
    if outcome.get("text"):
        print(outcome["text"].rstrip(), file=sys.stderr)
    match outcome.get("result"):
        case "swapped":
            print(f"policy {outcome['digest']} serves")
        case "unchanged":
            print(f"policy {outcome['digest']} serves; its files have not changed")
        case "rejected":
            return _fail(f"rejected; policy {outcome['digest']} goes on serving")
        case _:
            return _fail(f"the service answered: {answered.refused or 'nothing known'}")
    return 0


def _fail(message: str) -> int:
    print(f"routebook reload: {message}", file=sys.stderr)
    return 1
