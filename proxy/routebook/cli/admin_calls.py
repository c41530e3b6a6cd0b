"""Calls to the admin listener of the service that owns a state directory, for the commands that steer it.

`add_arguments(parser)` declares `--state-dir` and `--admin-token-file`; `call(args, "POST", "/reload")` does the rest.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SECONDS = 120.0
"""How long an answer may take: the service bounds what it does itself (`serve --reload-limit`)."""

TOKEN_VARIABLE = "ROUTEBOOK_ADMIN_TOKEN"
"""The environment's variable with a token, for where no file is at hand."""


class NoAnswer(Exception):
    """Nobody answered; the message says why, for the operator."""


@dataclass(frozen=True, slots=True)
class Answered:
    """What the listener said. `refused` is the message of a request that was not carried out, with its code, or None."""

    status: int
    content: dict[str, Any]

    @property
    def refused(self) -> str | None:
        """Why it was not carried out, for the operator."""
        error = self.content.get("error")
        return f"{error['message']} [{error['code']}]" if isinstance(error, dict) else None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options that every call needs."""
    parser.add_argument(
        "--state-dir",
        type=Path,
        default=Path("var"),
        metavar="DIR",
        help="the state directory of the service (default: %(default)s)",
    )
    parser.add_argument(
        "--admin-token-file",
        type=Path,
        metavar="FILE",
        help=f"a file with a token of the admin listener (default: {TOKEN_VARIABLE}, or the service's own token in "
        "the state directory)",
    )


def call(args: argparse.Namespace, method: str, path: str, content: object = None) -> Answered:
    """Ask the running service, with the token that is at hand. Raises NoAnswer."""
    status, body = asked(args, method, path, content)
    try:
        return Answered(status, json.loads(body))
    except ValueError as error:
        raise NoAnswer(f"what answers is not a routebook: {error}") from error


def asked(args: argparse.Namespace, method: str, path: str, content: object = None) -> tuple[int, bytes]:
    """The same for what is no JSON: the status, and the body as it came. Raises NoAnswer."""
    from routebook.edge.processes.state import find_running

    running = find_running(args.state_dir)
    if running is None:
        raise NoAnswer(f"no service runs on `{args.state_dir}`")
    if running.admin is None:
        raise NoAnswer("the service has no admin listener (`serve --admin none`)")
    headers = {"Content-Type": "application/json"}
    if (token := find_token(args.admin_token_file, args.state_dir)) is not None:
        headers["Authorization"] = f"Bearer {token}"
    body = None if content is None else json.dumps(content)
    try:
        return _answer(_connection(running.admin, running.trusted), method, path, body, headers)
    except OSError as error:
        raise NoAnswer(f"the admin listener at {running.admin} does not answer ({error})") from error


def find_token(file: Path | None, state_dir: Path) -> str | None:
    """A token from the file, the environment or the state directory; None where there is none. Raises NoAnswer."""
    from routebook.edge.admin.tokens import LOCAL

    if file is None and (token := os.environ.get(TOKEN_VARIABLE, "").strip()):
        return _sendable(token, TOKEN_VARIABLE)
    path = file or state_dir / LOCAL
    try:
        return _sendable(path.read_text("utf-8").strip(), str(path))
    except (OSError, UnicodeDecodeError) as error:
        if file is None:
            return None
        reason = (getattr(error, "strerror", None) or "it is no text").lower()
        raise NoAnswer(f"the token in `{file}` cannot be read ({reason})") from error


def _sendable(token: str, place: str) -> str:
    if not (token.isascii() and token.isprintable() and token):
        raise NoAnswer(f"`{place}` holds no token: one line of printable characters")
    return token


def _connection(admin: str, trusted: str | None) -> http.client.HTTPConnection:
    """A connection to the listener. Of TLS the service's own certificate alone is trusted, which its state directory
    holds, whatever its name is: that it is this one says who answers."""
    if trusted is None:
        return http.client.HTTPConnection(admin, timeout=SECONDS)
    from routebook.edge.tls.pair import trusting

    return http.client.HTTPSConnection(admin, timeout=SECONDS, context=trusting(trusted))


def _answer(
    connection: http.client.HTTPConnection, method: str, path: str, body: str | None, headers: dict[str, str]
) -> tuple[int, bytes]:
    try:
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        return response.status, response.read()
    except http.client.HTTPException as error:
        raise ConnectionError(f"not a routebook: {error}") from error
    finally:
        connection.close()
