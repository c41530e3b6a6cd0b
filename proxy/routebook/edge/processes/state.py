"""The state directory: everything that outlives a process, and who owns it.

lock               held by the supervisor that owns the directory
drawing.lock       held by the workers that may draw on what the ledger's owner granted them
routebook.json     the running service: process id, addresses (gone when nothing runs, or stale after a crash)
journal/           segments of the journal (`edge.journal.writer`)
index.sqlite       the index of the journal (`edge.journal.index`); may be deleted, it is built again
ledger.sqlite      the ledger's books (`edge.ledger.books`), which hold what no journal tells any more
digest.key         the key of digests, of prompts and admin tokens: whoever has it can test whether a guess was sent
policies/          the policies that have served, by digest (`edge.journal.snapshots`)
policy-history.jsonl  which policies came into force when (`edge.journal.history`)
ledger-host        what this service calls itself in a ledger that several hosts share
keys.json          digests of the clients' keys (`edge.identity.store`), with `keys.lock` for those who write it
keys.pepper        the secret that these digests are made with; without it no key is known
admin-tokens.json  tokens of the admin listener, by their digests (`edge.admin.tokens`)
admin-token        the running service's own token, for commands on this machine
"""

from __future__ import annotations

import fcntl
import os
from dataclasses import asdict, dataclass
from pathlib import Path

import orjson

LOCK = "lock"
DRAWING = "drawing.lock"
DIGEST_KEY = "digest.key"
RUNNING = "routebook.json"
HOST_NAME = "ledger-host"


class StateInUse(Exception):
    """Another service owns the state directory."""


@dataclass(frozen=True, slots=True)
class Running:
    """A running service, for the commands that talk to it. `admin` None: it has no admin listener. `trusted` is what the
    certificate of the admin listener is known by, as PEM (None: it speaks no TLS)."""

    pid: int
    listen: str
    admin: str | None
    version: str
    trusted: str | None = None


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


def begin_drawing(state_dir: Path) -> int:
    """Say that this process may draw on budgets, until the returned file descriptor is closed or it dies; raises OSError."""
    lock = _drawing(state_dir)
    fcntl.flock(lock, fcntl.LOCK_SH)
    return lock


def may_be_drawn(state_dir: Path) -> bool:
    """Whether a worker may still draw: one whose supervisor has died, and that has not noticed yet; raises OSError."""
    lock = _drawing(state_dir)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(lock)
    return False


def drawers(state_dir: Path) -> list[int]:
    """The processes that may draw, as far as the system tells (Linux does)."""
    number = (state_dir / DRAWING).stat().st_ino
    try:
        lines = Path("/proc/locks").read_text().splitlines()
    except OSError:
        return []
    fields = [line.replace("->", "").split() for line in lines]
    return sorted({int(each[4]) for each in fields if len(each) > 5 and each[5].endswith(f":{number}")})


def _drawing(state_dir: Path) -> int:
    return os.open(state_dir / DRAWING, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)


def digest_key(state_dir: Path) -> bytes:
    """The key of the prompts' digests, made where there is none yet; raises OSError."""
    return secret(state_dir / DIGEST_KEY)


def secret(path: Path) -> bytes:
    """32 random bytes that stand in a file for good, made where there is none yet; raises OSError."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        beside = _beside(path, os.urandom(32))
        try:
            os.link(beside, path)
        except FileExistsError:
            pass
        finally:
            beside.unlink()
        return path.read_bytes()


def host_name(state_dir: Path, host: str) -> str:
    """What this service calls itself among the hosts that share a ledger: the same for as long as its directory lives."""
    path = state_dir / HOST_NAME
    if not path.exists():
        replace_secretly(path, f"{host}-{os.urandom(4).hex()}".encode())
    return path.read_text()


def replace_secretly(path: Path, content: bytes) -> None:
    """Write a file that only its owner may read: whole or not at all, and on the disk when this returns; raises OSError."""
    beside = _beside(path, content)
    try:
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def give_to_owner(path: Path) -> None:
    """Where root works on a service's directory, the service must be able to read what root wrote."""
    if os.geteuid() == 0:
        owner = path.parent.stat()
        os.chown(path, owner.st_uid, owner.st_gid)


def _beside(path: Path, content: bytes) -> Path:
    """A file beside another one, for its owner only, that will take its place."""
    beside = path.with_name(f"{path.name}.{os.getpid()}.new")
    beside.unlink(missing_ok=True)  # left by a process that died
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(descriptor)
    give_to_owner(beside)
    return beside


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
