"""The state directory: whose it is, what disk it stands on, and whether its databases are sound."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from routebook.edge.doctor.finding import Finding, fail, ok, warn
from routebook.edge.journal import index
from routebook.edge.ledger import books

SECRETS: Final = ("keys.pepper", "digest.key", "keys.json", "admin-tokens.json", "admin-token")
"""What only the service may read."""

SMALL: Final = 1 << 30
"""Bytes of free disk below which somebody should look."""

TOO_SMALL: Final = 128 << 20
"""Bytes of free disk below which the next segments of the journal (64 MiB each) may not fit."""

OF_A_NETWORK: Final = (
    "nfs",
    "nfs4",
    "cifs",
    "smb3",
    "9p",
    "fuse.sshfs",
    "fuse.s3fs",
    "ceph",
    "glusterfs",
    "fuse.glusterfs",
)
"""File systems on which SQLite's write-ahead log does not work (https://sqlite.org/wal.html), or locks cannot be trusted."""

LONG_LOG: Final = 256 << 20
"""Bytes of a write-ahead log that say that nobody folds it back into its database."""


def state_directory(state_dir: Path) -> Iterator[Finding]:
    """Whether it can be written, by us, and its secrets read by nobody else."""
    if not state_dir.is_dir():
        above = next(each for each in (state_dir.absolute(), *state_dir.absolute().parents) if each.exists())
        if above.is_dir() and os.access(above, os.W_OK | os.X_OK):
            yield ok("state-dir", f"`{state_dir}` is not there yet: `serve` makes it")
        else:
            yield fail("state-dir", f"`{state_dir}` cannot be made in `{above}`", "name another one with `--state-dir`")
        return
    if not os.access(state_dir, os.W_OK | os.X_OK):
        yield fail(
            "state-dir", f"`{state_dir}` cannot be written to", "look as the user of the service, or give it to them"
        )
        return
    open_to_others = [name for name in SECRETS if _is_open(state_dir / name)]
    if open_to_others:
        listed = " ".join(str(state_dir / name) for name in open_to_others)
        yield fail(
            "state-dir",
            f"others may read {', '.join(open_to_others)}",
            f"`chmod 600 {listed}`, then rotate what they protect",
        )
        return
    yield ok("state-dir", f"`{state_dir}` can be written to, and its secrets are nobody else's")


def _is_open(path: Path) -> bool:
    try:
        return bool(path.stat().st_mode & 0o077)
    except OSError:
        return False


def disk(state_dir: Path) -> Finding:
    """Free space where the state directory is, or will be."""
    there = next(each for each in (state_dir.absolute(), *state_dir.absolute().parents) if each.exists())
    found = os.statvfs(there)
    return judged_disk(found.f_bavail * found.f_frsize, found.f_favail if found.f_files else None)


def judged_disk(free: int, files: int | None) -> Finding:
    """`free` bytes, and `files` that can still be made (None: the file system does not count them)."""
    said = f"{free / (1 << 30):,.1f} GiB free"
    advice = "free some, or move the state directory: with a full disk new requests are refused (`journal.unavailable`)"
    if files is not None and files < 1000:
        return fail("disk", f"{said}, and room for {files} more files", advice)
    if free < TOO_SMALL:
        return fail("disk", said, advice)
    return warn("disk", said, advice) if free < SMALL else ok("disk", said)


def file_system(state_dir: Path) -> Finding:
    """Whether the state directory is on a disk of this machine."""
    try:
        mounts = Path("/proc/self/mountinfo").read_text()
    except OSError:
        return ok("file-system", "not known: this system has no /proc")
    return judged_file_system(_kind_of(state_dir.resolve(), mounts))


def judged_file_system(kind: str) -> Finding:
    """What a kind of file system is worth for SQLite and locks."""
    if kind in OF_A_NETWORK:
        return fail(
            "file-system", f"{kind}, a file system of a network", "put the state directory on a disk of this machine"
        )
    if kind in ("tmpfs", "ramfs", "overlay"):
        return warn(
            "file-system",
            f"{kind}: what is there may be gone with the container or the next start",
            "mount a volume: without the books, budgets begin anew",
        )
    return ok("file-system", kind)


def _kind_of(path: Path, mounts: str) -> str:
    """The kind of the file system that holds a path: of the mounts above it the deepest, and of those the last."""
    best, kind = -1, "unknown"
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        place = Path(before.split()[4].replace("\\040", " "))
        if path.is_relative_to(place) and len(place.parts) >= best:
            best, kind = len(place.parts), after.split()[0]
    return kind


def databases(state_dir: Path) -> Iterator[Finding]:
    """SQLite itself, and each database that is there. They are only read, also while a service writes them."""
    yield ok(
        "sqlite", f"SQLite {sqlite3.sqlite_version}; one process writes, so its races between writers do not arise"
    )
    lost = {
        books.FILE: "restore the last backup; docs/ledger.md says what is counted again from the journal",
        index.FILE: "stop the service, delete it and start: it is built again from the journal",
    }
    for name, advice in lost.items():
        if (state_dir / name).exists():
            yield _database(state_dir / name, advice)


def _database(path: Path, advice: str) -> Finding:
    try:
        database = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=10)
        try:
            (mode,) = database.execute("PRAGMA journal_mode").fetchone()
            (verdict,) = database.execute("PRAGMA quick_check(1)").fetchone()
        finally:
            database.close()
    except sqlite3.Error as error:
        return fail("sqlite", f"cannot be read: {error}", advice, path.name)
    if verdict != "ok":
        return fail("sqlite", f"damaged: {verdict}", advice, path.name)
    if mode != "wal":
        return warn(
            "sqlite", f"sound; its journal is `{mode}`, not `wal`", "start the service once: it sets it", path.name
        )
    log = path.with_name(path.name + "-wal")
    if log.exists() and log.stat().st_size > LONG_LOG:
        said = f"sound; its log of {log.stat().st_size >> 20} MiB is not folded back"
        return warn(
            "sqlite", said, "end the program that keeps the database open, perhaps a shell or a backup", path.name
        )
    return ok("sqlite", "sound, with a write-ahead log", path.name)
