"""The index of the journal: one row a record, so that records are found without reading all of it.

The journal is the truth and the index a copy: it may be deleted at any time and is built again. One process writes it
(the supervisor); how far each segment was read is stored in the same transaction as the rows that came of it, and so
are sums over time (`edge.journal.tallies`).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from routebook.edge.journal.following import SEGMENT_TABLE, Chunk, behind, follow
from routebook.edge.journal.tallies import FROM_SHORT, TALLY_TABLES, Tallies
from routebook.edge.journal.writer import DIRECTORY

FILE = "index.sqlite"
"""The index inside a state directory."""

VERSION = 5
"""Of the tables below: an index of another version is built again, but for those that `_MISSING` brings to this one."""

DECIDED_COLUMNS = (
    "instance",
    "time",
    "client",
    "team",
    "rule",
    "requested",
    "operation",
    "stream",
    "digest",
    "segment",
    "place",
)
"""What comes from a record's first line; `segment` and `place` are where it stands."""

ENDED_COLUMNS = ("status", "end", "model", "cost", "input", "output", "seconds", "end_segment", "end_place", "account")
"""What comes from its second line. `cost` is nano-dollars, `input` and `output` are tokens, `account` is `provider/name`."""

TABLES = f"""
{SEGMENT_TABLE}
CREATE TABLE IF NOT EXISTS decision(id TEXT PRIMARY KEY, {", ".join(DECIDED_COLUMNS + ENDED_COLUMNS)}) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS feedback(id TEXT PRIMARY KEY, model, task, quality, segment) WITHOUT ROWID;
{TALLY_TABLES}
CREATE INDEX IF NOT EXISTS unended ON decision(instance) WHERE end_place IS NULL;
CREATE INDEX IF NOT EXISTS failed ON decision(id) WHERE "end" <> '--';
PRAGMA user_version = {VERSION};
"""


class Line(msgspec.Struct):
    """What the index needs of a line of the journal."""

    event: str
    id: str
    time: str | float | None = None
    instance: str | None = None
    client: str | None = None
    team: str | None = None
    rule: str | None = None
    requested: str | None = None
    operation: str | None = None
    stream: bool | None = None
    policy: str | None = None
    status: int | None = None
    end: str | None = None
    model: str | None = None
    account: str | None = None
    cost: int | None = None
    input: int | None = None
    output: int | None = None
    seconds: float | None = None
    task: str | None = None
    quality: float | None = None
    settled: list[tuple[str, int, int]] = []


Rows = dict[str, tuple[Any, ...]]
"""Values of a batch by record id."""

_DECODE = msgspec.json.Decoder(Line).decode


def _insert(columns: tuple[str, ...]) -> str:
    return (
        f"INSERT INTO decision(id, {', '.join(columns)}) VALUES (?{', ?' * len(columns)}) ON CONFLICT(id) DO UPDATE "
        f"SET {', '.join(f'{column} = excluded.{column}' for column in columns)}"
    )


_INSERT_DECIDED, _INSERT_ENDED = _insert(DECIDED_COLUMNS), _insert(ENDED_COLUMNS)
_INSERT_BOTH = _insert(DECIDED_COLUMNS + ENDED_COLUMNS)


class Index:
    """The index for writing. For one thread at a time."""

    def __init__(self, state_dir: Path) -> None:
        """Open or build it; one that is damaged or of another version is thrown away."""
        self.folder = state_dir / DIRECTORY
        self._path = state_dir / FILE
        self.unreadable = 0
        try:
            self._database = _opened(self._path)
        except sqlite3.DatabaseError:
            for suffix in ("", "-wal", "-shm"):
                self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)
            self._database = _opened(self._path)

    def __repr__(self) -> str:
        return f"<Index {self._path}, {self.behind()} bytes behind>"

    def catch_up(self) -> None:
        """Read what the journal has gained. Raises sqlite3.Error on a full disk; the next call goes on from there."""
        self.unreadable += absorb(self._database, self.folder)

    def behind(self) -> int:
        """How many bytes of the journal are not read yet."""
        return behind(self._database, self.folder)

    def unended(self) -> dict[str, list[str]]:
        """Ids of records without an end, by the process that decided them."""
        found: dict[str, list[str]] = {}
        query = "SELECT instance, id FROM decision WHERE end_place IS NULL AND instance IS NOT NULL"
        for instance, record in self._database.execute(query):
            found.setdefault(instance, []).append(record)
        return found

    def forget(self, name: str) -> None:
        """Drop a segment with the records that it holds a line of."""
        with self._database:
            numbers = self._database.execute("SELECT number FROM segment WHERE name = ?", (name,)).fetchall()
            for (number,) in numbers:
                Tallies.forget(self._database, number)
                self._database.execute("DELETE FROM decision WHERE segment = ?1 OR end_segment = ?1", (number,))
                self._database.execute("DELETE FROM feedback WHERE segment = ?", (number,))
                self._database.execute("DELETE FROM segment WHERE number = ?", (number,))

    def close(self) -> None:
        """Close the database, and fold its write-ahead log into it."""
        self._database.close()


def absorb(
    database: sqlite3.Connection, folder: Path, prepare: Callable[[Iterable[str]], None] = lambda ids: None
) -> int:
    """Read every segment from where it was read to; how many lines were not to be understood.

    `prepare` is told the ids of a batch before its rows are written.
    """
    unreadable = 0

    def write(chunk: Chunk) -> None:
        nonlocal unreadable
        batch = _sorted(chunk)
        unreadable += batch.skipped
        prepare(batch.decided.keys() | batch.ended.keys())
        _write(database, batch.decided, batch.ended)
        database.executemany("INSERT OR IGNORE INTO feedback VALUES (?, ?, ?, ?, ?)", batch.rated)
        tallies = Tallies()
        tallies.count(database, batch.decided, batch.ended)
        for identity, draws in batch.settled.items():
            tallies.settle(identity, draws)
        tallies.write(database)

    follow(database, folder, write)
    return unreadable


@dataclass(slots=True)
class _Batch:
    """The rows of first lines, of second lines, and of feedback; what was settled; and how many lines were not to be
    understood."""

    decided: Rows = field(default_factory=dict)
    ended: Rows = field(default_factory=dict)
    rated: list[tuple[Any, ...]] = field(default_factory=list)
    settled: dict[str, list[tuple[str, int, int]]] = field(default_factory=dict)
    skipped: int = 0


def _sorted(chunk: Chunk) -> _Batch:
    batch = _Batch()
    for place, text in chunk.lines:
        try:
            line = _DECODE(text)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            batch.skipped += 1
            continue
        if line.event == "decided":
            batch.decided[line.id] = (
                line.instance or chunk.instance,
                line.time,
                line.client,
                line.team,
                line.rule,
                line.requested,
                line.operation,
                line.stream,
                line.policy,
                chunk.segment,
                place,
            )
        elif line.event == "ended":
            batch.ended[line.id] = (
                line.status,
                line.end,
                line.model,
                line.cost,
                line.input,
                line.output,
                line.seconds,
                chunk.segment,
                place,
                line.account,
            )
        elif line.event == "feedback":
            batch.rated.append((line.id, line.model, line.task, line.quality, chunk.segment))
        if line.settled:
            batch.settled[line.id] = line.settled
    return batch


def _write(database: sqlite3.Connection, decided: Rows, ended: Rows) -> None:
    """Write a batch; a record whose two lines stand in it, as most do, is one insertion."""
    database.executemany(_INSERT_BOTH, [(key, *row, *ended[key]) for key, row in decided.items() if key in ended])
    database.executemany(_INSERT_DECIDED, [(key, *row) for key, row in decided.items() if key not in ended])
    database.executemany(_INSERT_ENDED, [(key, *row) for key, row in ended.items() if key not in decided])


_NO_ACCOUNT = "ALTER TABLE decision ADD COLUMN account;"
_MISSING = {3: (_NO_ACCOUNT, FROM_SHORT), 4: (_NO_ACCOUNT, "")}
"""What an index of an earlier version is given before and after the tables of this one. The accounts of its records stay
unknown: they are asked for by what was lately spent."""


def _opened(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, check_same_thread=False, timeout=10)
    try:
        database.execute("PRAGMA journal_mode = WAL")
        # a power cut may take the last rows, with the note how far was read: they are read again
        database.execute("PRAGMA synchronous = NORMAL")
        (version,) = database.execute("PRAGMA user_version").fetchone()
        if version not in (0, *_MISSING, VERSION):
            raise sqlite3.DatabaseError("an index of another version")
        first, then = _MISSING.get(version, ("", ""))
        database.executescript(f"BEGIN; {first} {TABLES} {then} COMMIT;")
    except BaseException:
        database.close()
        raise
    return database
