"""`routebook reload`: make a running service read its policy again."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

HELP = """\
Make the service that owns a state directory read its policy again.

Without `--wait` it is told and nothing more (SIGHUP). With it, the command waits for what comes of it and prints
every problem; the exit code is 0 where the files as they stand now serve, and 1 where the service keeps the old policy."""

SECONDS = 120.0
"""How long an answer may take: the service bounds the reading itself (`serve --reload-limit`)."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--wait", action="store_true", help="wait for the outcome, print problems, say it in the exit code"
    )
    parser.add_argument(
        "--state-dir",
        type=Path,
        default=Path("var"),
        metavar="DIR",
        help="the state directory of the service (default: %(default)s)",
    )


def run(args: argparse.Namespace) -> int:
    """Reload; 0 done, 1 rejected or nobody there."""
    from routebook.edge.processes.state import find_running

    running = find_running(args.state_dir)
    if running is None:
        return _fail(f"no service runs on `{args.state_dir}`")
    if not args.wait:
        import os
        import signal

        os.kill(running.pid, signal.SIGHUP)
        print(f"told process {running.pid} to read its policy again")
        return 0
    if running.admin is None:
        return _fail("the service has no admin listener to wait on (`serve --admin none`)")
    try:
        return _show(ask(running.admin))
    except OSError as error:
        return _fail(f"the admin listener at {running.admin} does not answer ({error})")


def ask(admin: str) -> dict[str, Any]:
    """POST /reload; the outcome. Raises OSError where the listener cannot be reached."""
    import http.client
    import json

    connection = http.client.HTTPConnection(admin, timeout=SECONDS)
    try:
        connection.request("POST", "/reload")
        outcome: dict[str, Any] = json.loads(connection.getresponse().read())
    except (http.client.HTTPException, ValueError) as error:
        raise ConnectionError(f"not a routebook: {error}") from error
    finally:
        connection.close()
    return outcome


def _show(outcome: dict[str, Any]) -> int:
    """Print an outcome for people."""
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
            return _fail(f"the service answered: {outcome.get('error', 'nothing known')}")
    return 0


def _fail(message: str) -> int:
    print(f"routebook reload: {message}", file=sys.stderr)
    return 1
