"""The state directory: everything that outlives a process, and who owns it.

lock             held by the supervisor that owns the directory
routebook.json   the running service: process id, addresses (gone when nothing runs, or stale after a crash)
journal/         segments of the journal (`edge.journal.writer`)
index.sqlite     the index of the journal (`edge.journal.index`); may be deleted, it is built again
ledger.sqlite    the books of the ledger (`edge.ledger.books`): a fold of the journal, and the sums of what was removed from it
digest.key       the key of the prompts' digests: whoever has it can test whether a guessed prompt was sent
policies/        the policies that have served, by digest (`edge.journal.snapshots`)
"""

from __future__ import annotations

import fcntl
import os
from dataclasses import asdict, dataclass
from pathlib import Path

import orjson

LOCK = "lock"
DIGEST_KEY = "digest.key"
RUNNING = "routebook.json"


class StateInUse(Exception):
    """Another service owns the state directory."""


@dataclass(frozen=True, slots=True)
class Running:
    """A running service, for the commands that talk to it. `admin` None: it has no admin listener."""

    pid: int
    listen: str
    admin: str | None
    version: str


def own(state_dir: Path) -> int:
    """Create the directory where it is missing and lock it for the life of this process; raises StateInUse, OSError.

    The lock is the returned file descriptor: the kernel gives it back however the process ends.
    """
    state_dir.mkdir(parents=True, exist_ok=True)
    lock = os.open(state_dir / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock)
        raise StateInUse(f"`{state_dir}` belongs to a service that is running") from error
    return lock


def digest_key(state_dir: Path) -> bytes:
    """The key of the prompts' digests, made where there is none yet; raises OSError."""
    path = state_dir / DIGEST_KEY
    try:
        return path.read_bytes()
    except FileNotFoundError:
        beside = path.with_suffix(f".{os.getpid()}.new")
        beside.touch(0o600)
        beside.write_bytes(os.urandom(32))
        try:
            os.link(beside, path)
        except FileExistsError:
            pass
        finally:
            beside.unlink()
        return path.read_bytes()


def is_owned(state_dir: Path) -> bool:
    """Whether a service is running on this directory now."""
    try:
        lock = os.open(state_dir / LOCK, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(lock)
    return False


def announce(state_dir: Path, running: Running) -> None:
    """Write down how to reach this service; whole or not at all."""
    beside = state_dir / f"{RUNNING}.new"
    beside.write_bytes(orjson.dumps(asdict(running), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    beside.replace(state_dir / RUNNING)


def withdraw(state_dir: Path) -> None:
    """Say that nothing runs any more."""
    (state_dir / RUNNING).unlink(missing_ok=True)


def find_running(state_dir: Path) -> Running | None:
    """The service that owns this directory, or None where none does."""
    if not is_owned(state_dir):
        return None
    try:
        return Running(**orjson.loads((state_dir / RUNNING).read_bytes()))
    except (FileNotFoundError, orjson.JSONDecodeError, TypeError):
        return None
