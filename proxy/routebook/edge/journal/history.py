"""Which policies came into force when, and which were turned away: a line of JSON for each, beside the journal.

Where the policy's files stand in a Git work tree as they were committed, the line says by whom and with which words. Git is
asked for what it has stored and nothing else: no hook, filter or pager of the work tree's own configuration runs.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import orjson

from routebook.edge.journal.snapshots import DIRECTORY

FILE: Final = "policy-history.jsonl"
"""Inside a state directory."""

MOST_BYTES: Final = 4 * 1024 * 1024
"""The newest part of the file that is read."""

GIT_SECONDS: Final = 3.0
"""How long Git may take to answer."""


class Commit(msgspec.Struct, frozen=True):
    """The commit that last changed a policy's files."""

    commit: str
    author: str
    date: str
    subject: str


class Change(msgspec.Struct, frozen=True):
    """A policy that came into force (`began` with the service, `swapped` by a reload) or was `rejected`.

    `at` is Unix seconds; `problems` how many were found, `first` the first of them in words. `commit` is None where Git
    does not know these very files.
    """

    at: float
    result: str
    digest: str
    before: str | None = None
    problems: int = 0
    first: str | None = None
    commit: Commit | None = None


def note(state_dir: Path, change: Change) -> None:
    """Add a line; raises OSError."""
    with open(state_dir / FILE, "ab", buffering=0) as file:
        file.write(msgspec.json.encode(change) + b"\n")


def read(state_dir: Path) -> list[Change]:
    """All changes that are known, the newest first; a line that is none is passed over."""
    try:
        with open(state_dir / FILE, "rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - MOST_BYTES))
            lines = file.read().split(b"\n")
    except FileNotFoundError:
        return []
    found = []
    for line in lines:
        try:
            found.append(msgspec.json.decode(line, type=Change))
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue
    return found[::-1]


def kept_digests(state_dir: Path) -> Mapping[str, float]:
    """The policies whose files are kept, and since when (Unix seconds)."""
    folder = state_dir / DIRECTORY
    return {path.stem: path.stat().st_mtime for path in folder.glob("*.json")} if folder.is_dir() else {}


def commit_of(policy: Path, sources: Sequence[tuple[str, str]]) -> Commit | None:
    """The commit that last changed these files, where all of them are as it has them; None where Git cannot say."""
    folder = policy if policy.is_dir() else policy.parent
    names = [name for name, _ in sources]
    try:
        stored = _git(folder, "ls-tree", "-z", "--full-name", "HEAD", "--", *names)
        blobs = {line.split()[2] for line in stored.split("\0") if line}
        if blobs != {_blob(text) for _, text in sources}:
            return None
        said = _git(folder, "log", "-1", "--no-show-signature", "--format=%H%x00%an%x00%aI%x00%s", "--", *names)
        return Commit(*said.rstrip("\n").split("\0"))
    except (OSError, subprocess.SubprocessError, ValueError, TypeError, IndexError):
        return None


def _blob(text: str) -> str:
    """What Git calls a file of this content (gitformat-pack, object names)."""
    content = text.encode("utf-8", "surrogateescape")
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def _git(folder: Path, *arguments: str) -> str:
    environment: dict[str, Any] = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")} | {
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_PAGER": "cat",
        "LC_ALL": "C.UTF-8",
    }
    safe: Iterable[str] = ("-c", "core.fsmonitor=false", "-c", "log.showSignature=false")
    done = subprocess.run(
        ["git", *safe, "-C", str(folder), *arguments],
        capture_output=True,
        check=True,
        timeout=GIT_SECONDS,
        env=environment,
        stdin=subprocess.DEVNULL,
    )
    return done.stdout.decode("utf-8", "replace")


def as_json(change: Change) -> dict[str, Any]:
    """A change ready for JSON."""
    found: dict[str, Any] = orjson.loads(msgspec.json.encode(change))
    return found
