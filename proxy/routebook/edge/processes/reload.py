"""Reading a policy without risk to the service: in a helper process, with limits (`edge.processes.policy_helper`)."""

from __future__ import annotations

import asyncio
import io
import pickle
import signal
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from routebook.documents.printing import problem_to_json
from routebook.documents.problems import Location, Problem
from routebook.ledger.budgets import NOTHING_COUNTED, Counting

_LENGTH_BYTES = 4
_LAST_WORDS = 400


@dataclass(frozen=True, slots=True)
class Compiled:
    """A policy that may serve: its digest, its files, what it holds, and itself as bytes for the workers.

    `problems` are warnings, ready for JSON; `text` the same for people. `unkeyed` are clients whose keys can only stand in
    the key store, `counting` its budgets and limits.
    """

    digest: str
    sources: tuple[tuple[str, str], ...]
    holds: dict[str, int]
    pickled: bytes
    problems: tuple[dict[str, Any], ...] = ()
    text: str = ""
    unkeyed: tuple[str, ...] = ()
    counting: Counting = NOTHING_COUNTED

    def __repr__(self) -> str:
        return f"<Compiled {self.digest}: {self.holds.get('rules', 0)} rules, {len(self.pickled)} bytes>"


@dataclass(frozen=True, slots=True)
class Rejected:
    """A policy that may not serve, and why: problems ready for JSON, and the same as text for people."""

    problems: tuple[dict[str, Any], ...]
    text: str = field(default="")

    @property
    def first_error(self) -> dict[str, Any]:
        """The problem that a log line names."""
        errors = [problem for problem in self.problems if problem.get("severity") == "error"]
        return (errors or list(self.problems))[0]


def rejected(code: str, message: str, path: Path, hint: str | None = None) -> Rejected:
    """A rejection that no reader found: the helper died, or the service cannot use the policy as it runs."""
    problem = Problem(code, message, Location(str(path), 1, 1), hint)
    return Rejected((problem_to_json(problem),), f"{problem.location}: error[{code}]: {message}")


async def compile_policy(path: Path, within: float) -> Compiled | Rejected:
    """Read, compile and test the policy at a path; whatever happens there, this returns within the time limit."""
    helper = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "routebook.edge.processes.policy_helper",
        str(path),
        str(within),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        process_group=0,
    )
    try:
        output, errors = await asyncio.wait_for(helper.communicate(), within)
    except TimeoutError:
        return rejected(
            "reload.too-slow",
            f"reading the policy took longer than {within:g} s",
            path,
            "raise `--reload-limit`, or make the policy smaller",
        )
    finally:
        if helper.returncode is None:
            helper.kill()
            await helper.wait()
    if helper.returncode != 0:
        return rejected(
            "reload.helper-died",
            _last_words(helper.returncode or 0, errors),
            path,
            "the service goes on with the policy it has",
        )
    return _result(output)


def _result(output: bytes) -> Compiled | Rejected:
    start = _LENGTH_BYTES + int.from_bytes(output[:_LENGTH_BYTES], "big")
    head = orjson.loads(output[_LENGTH_BYTES:start])
    problems = tuple(head["problems"])
    if head["digest"] is None:
        return Rejected(problems, head["text"])
    rest = io.BytesIO(output[start:])
    counting: Counting = pickle.load(rest)
    return Compiled(
        digest=head["digest"],
        sources=tuple((name, text) for name, text in head["sources"]),
        holds=head["holds"],
        pickled=rest.read(),
        problems=problems,
        text=head["text"],
        unkeyed=tuple(head["unkeyed"]),
        counting=counting,
    )


def _last_words(code: int, errors: bytes) -> str:
    """How the helper ended, with the end of what it said."""
    if code < 0:
        return f"reading the policy killed the helper process ({signal.Signals(-code).name})"
    words = errors[-_LAST_WORDS:].decode(errors="replace").strip().splitlines()
    return f"reading the policy failed: {words[-1] if words else f'exit code {code}'}"
