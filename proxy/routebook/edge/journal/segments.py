"""Reading the journal's segments: which there are, whose writer lives, and their complete lines.

A line without its line feed was torn by the death of its writer: the write had not returned, so nothing went upstream
on its account, and no answer was completed. It is no record and is passed over.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

CHUNK_BYTES = 4 * 1024 * 1024
"""How much is read at a time, and the longest line that is understood."""


def segment_names(folder: Path) -> list[str]:
    """All segments, in the order in which they were begun."""
    try:
        names = [entry.name for entry in os.scandir(folder) if entry.name.endswith(".jsonl")]
    except FileNotFoundError:
        return []
    return sorted(names, key=lambda name: name.rpartition("-")[2])


def instance_of(segment: str) -> str:
    """Which process wrote a segment."""
    return segment.rpartition("-")[0]


def is_written(path: Path) -> bool:
    """Whether the process that writes a segment lives and has not gone on to the next."""
    try:
        file = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(file)
    return False


def living(folder: Path) -> set[str]:
    """The processes that write to the journal now. Whoever is not among them, and has a segment, is dead."""
    alive: set[str] = set()
    looked_at: set[str] = set()
    while new := [name for name in segment_names(folder) if name not in looked_at and instance_of(name) not in alive]:
        # a process may have gone on to a segment that was not listed before its old one was looked at: list again
        for name in reversed(new):
            if instance_of(name) not in alive and is_written(folder / name):
                alive.add(instance_of(name))
        looked_at.update(new)
    return alive


def forgettable(folder: Path, before: float) -> list[str]:
    """Segments last written before a time (Unix seconds) that nobody writes any more."""
    return [
        name for name in segment_names(folder) if _modified(folder / name) < before and not is_written(folder / name)
    ]


def size_of(path: Path) -> int:
    """The bytes of a segment; 0 where it is gone."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def complete_lines(path: Path, offset: int) -> Iterator[list[tuple[int, bytes]]]:
    """The complete lines from an offset on, each with its own offset, a chunk of the file at a time."""
    with contextlib.suppress(FileNotFoundError), open(path, "rb", buffering=0) as file:
        # never more than there is: memory is taken for all that is asked for, and this is done every second
        while (left := os.fstat(file.fileno()).st_size - offset) > 0:
            chunk = os.pread(file.fileno(), min(left, CHUNK_BYTES), offset)
            end = chunk.rfind(b"\n") + 1
            if end == 0 and len(chunk) == CHUNK_BYTES:
                offset += CHUNK_BYTES  # no line of ours is so long: pass over it
                continue
            if end == 0:
                return
            lines = []
            for line in chunk[:end].split(b"\n")[:-1]:
                lines.append((offset, line))
                offset += len(line) + 1
            yield lines


def line_at(path: Path, offset: int) -> bytes | None:
    """The line that begins at an offset, or None where the segment is gone."""
    try:
        with open(path, "rb") as file:
            file.seek(offset)
            return file.readline(CHUNK_BYTES)
    except FileNotFoundError:
        return None


def _modified(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0
