"""Following the journal: a database reads what the segments have gained, each line once.

How far each segment was read stands in the same database as what came of it, and is written in the same transaction:
whatever moment the process dies at, nothing is lost and nothing counts twice.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from routebook.edge.journal.segments import complete_lines, instance_of, segment_names, size_of

SEGMENT_TABLE = (
    "CREATE TABLE IF NOT EXISTS segment(number INTEGER PRIMARY KEY, name TEXT UNIQUE NOT NULL, read INTEGER NOT NULL);"
)
"""What a database needs that follows the journal: how many bytes of each segment it has read."""


class Chunk(NamedTuple):
    """Some lines of a segment, each with its place (bytes from the segment's beginning)."""

    segment: int
    instance: str
    lines: list[tuple[int, bytes]]


def follow(
    database: sqlite3.Connection,
    folder: Path,
    write: Callable[[Chunk], None],
    written: Callable[[], None] = lambda: None,
) -> None:
    """Have `write` take all that is new, a chunk and a transaction at a time; `written` hears of each that is committed.

    Raises sqlite3.Error where the database cannot be written; the next call goes on from there.
    """
    known = {name: (number, read) for number, name, read in database.execute("SELECT number, name, read FROM segment")}
    for name in segment_names(folder):
        number, read = known.get(name, (None, 0))
        path = folder / name
        if size_of(path) <= read:
            continue
        if number is None:
            with database:
                number = database.execute("INSERT INTO segment(name, read) VALUES (?, 0)", (name,)).lastrowid
        for lines in complete_lines(path, read):
            with database:
                write(Chunk(number or 0, instance_of(name), lines))
                last, line = lines[-1]
                database.execute("UPDATE segment SET read = ? WHERE number = ?", (last + len(line) + 1, number))
            written()


def behind(database: sqlite3.Connection, folder: Path) -> int:
    """How many bytes of the journal are not read yet."""
    read = dict(database.execute("SELECT name, read FROM segment"))
    return sum(max(0, size_of(folder / name) - read.get(name, 0)) for name in segment_names(folder))
