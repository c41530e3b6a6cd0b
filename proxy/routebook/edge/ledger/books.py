"""The books: what is settled and held of every counter, folded from the journal into `ledger.sqlite`.

The journal is the write-ahead log and the books its fold: each line counts once, because how far was read stands in the
same transaction as what it came to. Unlike the index, the books hold something that the journal does not: the sums of
segments that were removed in time. So damaged books are never thrown away. They are moved aside, loudly, and the new
ones hold what the journal still tells.

What is settled is kept by the segment that its ending stands in: when a segment goes, its sums go on under segment 0.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from routebook.edge.journal.following import SEGMENT_TABLE, Chunk, behind, follow
from routebook.edge.journal.segments import complete_lines
from routebook.edge.journal.writer import DIRECTORY
from routebook.edge.ledger.entries import Changes, Draw, Entry, Hold, Page, Settled, Stray, add_changes, decode
from routebook.edge.operations_log import operations_log
from routebook.ledger.claims import Counter

FILE = "ledger.sqlite"
"""The books inside a state directory."""

VERSION = 1
"""Of the tables below."""

CARRIED = 0
"""The segment under which the sums of removed segments are carried on."""

KEEP_DAYS = 400
"""How long after its beginning a counter is kept: longer than any window, and than anybody asks about it."""

GONE = 1 << 62
"""What a segment has `read` that was forgotten, until its file is gone: there is nothing left to read of it."""

TABLES = f"""
{SEGMENT_TABLE}
CREATE TABLE IF NOT EXISTS spent(
    pot TEXT NOT NULL, start INTEGER NOT NULL, instance TEXT NOT NULL, segment INTEGER NOT NULL,
    amount INTEGER NOT NULL, exceeded INTEGER NOT NULL, PRIMARY KEY(pot, start, instance, segment)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS spent_in ON spent(segment);
CREATE TABLE IF NOT EXISTS hold(
    id TEXT NOT NULL, instance TEXT NOT NULL, pot TEXT NOT NULL, start INTEGER NOT NULL,
    amount INTEGER NOT NULL, orphan INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS hold_of ON hold(id);
CREATE TABLE IF NOT EXISTS stray(id TEXT PRIMARY KEY, segment INTEGER NOT NULL, settled TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS parted(id TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS note(name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
PRAGMA user_version = {VERSION};
"""
"""`parted` are records of which one line went with its segment and the other is still there; `note` says when the books
were begun anew (`rebuilt`) and from which start on counters are kept (`kept_from`)."""


class BooksDamaged(Exception):
    """The books cannot be read, or are those of another version. The message says what SQLite says."""


@dataclass(frozen=True, slots=True)
class Totals:
    """What all counters stand at: settled by counter, held by counter and process, and by how much settlements
    exceeded what was held for them."""

    settled: dict[Counter, int] = field(default_factory=dict)
    held: dict[Counter, dict[str, int]] = field(default_factory=dict)
    exceeded: dict[Counter, int] = field(default_factory=dict)


class Books:
    """The books for writing, or a copy of them in memory. For one thread at a time."""

    def __init__(self, database: sqlite3.Connection, state_dir: Path) -> None:
        """Use `Books.open` or `Books.copy`."""
        self.folder = state_dir / DIRECTORY
        self.unreadable = 0
        self._database = database
        self._changes: Changes = {}
        self._holds = {
            record: Hold(instance, draws)
            for instance, records in self.open_holds().items()
            for record, draws in records.items()
        }
        self._page = Page(self._holds.get, self._recall_stray)

    def __repr__(self) -> str:
        return f"<Books of {self.folder.parent}, {self.behind()} bytes behind>"

    @classmethod
    def open(cls, state_dir: Path) -> Books:
        """The books, begun where there are none. Those that are damaged are moved aside and begun anew.

        Raises sqlite3.OperationalError, OSError where the disk does not let them be written.
        """
        path = state_dir / FILE
        try:
            return cls(_opened(path), state_dir)
        except BooksDamaged as error:
            aside = _move_aside(path)
            operations_log().error(
                "books damaged",
                reason=str(error),
                moved_to=str(aside),
                does="folds the journal that is kept; what stood in segments removed before is not counted any more",
            )
        database = _opened(path)
        with database:
            database.execute("INSERT INTO note VALUES ('rebuilt', ?)", (int(time.time()),))
        return cls(database, state_dir)

    @classmethod
    def copy(cls, state_dir: Path) -> Books:
        """A copy in memory, for looking at them beside a service or without one; nothing is written to the directory.

        Raises BooksDamaged where they cannot be read.
        """
        memory = sqlite3.connect(":memory:", check_same_thread=False)
        path = state_dir / FILE
        try:
            if path.exists():
                with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)) as disk:
                    disk.backup(memory)
                _check(memory)
            memory.executescript(TABLES)
        except sqlite3.Error as error:
            memory.close()
            raise BooksDamaged(str(error)) from error
        except BooksDamaged:
            memory.close()
            raise
        return cls(memory, state_dir)

    def catch_up(self, tell: Callable[[], None] = lambda: None) -> Changes:
        """Fold what the journal has gained; what came of it since the last call that returned. `tell` is called after each
        piece, which is kept.

        Raises sqlite3.Error on a full disk; the next call goes on from there.
        """

        def folded() -> None:
            self._folded()
            tell()

        follow(self._database, self.folder, self._fold, folded)
        changes, self._changes = self._changes, {}
        return changes

    def behind(self) -> int:
        """How many bytes of the journal are not folded yet."""
        return behind(self._database, self.folder)

    def totals(self, since: int = 0) -> Totals:
        """All counters whose slice begins at `since` (seconds since 1970) or later."""
        totals = Totals()
        query = "SELECT pot, start, sum(amount), sum(exceeded) FROM spent WHERE start >= ? GROUP BY pot, start"
        for pot, start, amount, exceeded in self._database.execute(query, (since,)):
            totals.settled[pot, start] = amount
            if exceeded:
                totals.exceeded[pot, start] = exceeded
        query = "SELECT pot, start, instance, sum(amount) FROM hold WHERE start >= ? GROUP BY pot, start, instance"
        for pot, start, instance, amount in self._database.execute(query, (since,)):
            totals.held.setdefault((pot, start), {})[instance] = amount
        return totals

    def settled_of(self, instance: str) -> dict[Counter, int]:
        """What is settled of the holds of one process."""
        query = "SELECT pot, start, sum(amount) FROM spent WHERE instance = ? GROUP BY pot, start"
        return {(pot, start): amount for pot, start, amount in self._database.execute(query, (instance,))}

    def open_holds(self) -> dict[str, dict[str, tuple[Draw, ...]]]:
        """What is held by records without an end: by process and record."""
        found: dict[str, dict[str, tuple[Draw, ...]]] = {}
        query = "SELECT instance, id, pot, start, amount, orphan FROM hold ORDER BY rowid"
        for instance, record, *draw in self._database.execute(query):
            records = found.setdefault(instance, {})
            records[record] = (*records.get(record, ()), Draw(*draw))
        return found

    def strays(self) -> list[str]:
        """Records with an ending that found no hold and settled nothing: an anomaly, for `ledger verify` to look into."""
        return [record for (record,) in self._database.execute("SELECT id FROM stray ORDER BY id")]

    def notes(self) -> dict[str, int]:
        """When the books were begun anew (`rebuilt`) and from which start on counters are kept (`kept_from`)."""
        return dict(self._database.execute("SELECT name, value FROM note"))

    def forget(self, name: str) -> None:
        """Carry the sums of a segment on, which is about to be removed; `let_go` when its file is gone."""
        with self._database:
            row = self._database.execute("SELECT number, read FROM segment WHERE name = ?", (name,)).fetchone()
            if row is None or row[1] == GONE:
                return
            self._carry(row[0])
            self._part(name)
            self._database.execute("UPDATE segment SET read = ? WHERE number = ?", (GONE, row[0]))

    def let_go(self, name: str) -> None:
        """The file of a forgotten segment is gone: nothing of it can be read twice."""
        with self._database:
            self._database.execute("DELETE FROM segment WHERE name = ? AND read = ?", (name, GONE))

    def prune(self, before: int) -> int:
        """Drop counters whose slice began before a time (seconds since 1970); how many sums were dropped."""
        with self._database:
            dropped = self._database.execute("DELETE FROM spent WHERE start < ?", (before,)).rowcount
            self._database.execute("INSERT OR REPLACE INTO note VALUES ('kept_from', ?)", (before,))
        return dropped

    def segments(self) -> dict[str, tuple[int, int]]:
        """Number and bytes read of each segment that is not forgotten."""
        query = "SELECT name, number, read FROM segment WHERE read <> ?"
        return {name: (number, read) for name, number, read in self._database.execute(query, (GONE,))}

    def sums_by_segment(self) -> dict[int, dict[Counter, int]]:
        """What was settled by the endings of each segment; under `CARRIED`, by those of segments that were removed."""
        found: dict[int, dict[Counter, int]] = {}
        query = "SELECT segment, pot, start, sum(amount) FROM spent GROUP BY segment, pot, start"
        for segment, pot, start, amount in self._database.execute(query):
            found.setdefault(segment, {})[pot, start] = amount
        return found

    def parted(self) -> set[str]:
        """Records of which one line went with its segment, and the other is still there."""
        return {record for (record,) in self._database.execute("SELECT id FROM parted")}

    def close(self) -> None:
        """Close the database, and fold its write-ahead log into it."""
        self._database.close()

    def _fold(self, chunk: Chunk) -> None:
        """Within a transaction of `follow`."""
        strays = self._database.execute("SELECT 1 FROM stray LIMIT 1").fetchone() is not None
        page = self._page = Page(self._holds.get, self._recall_stray if strays else lambda _: None)
        for entry in self._entries(chunk.lines, page):
            page.read(entry, chunk.instance, chunk.segment)
        self._write(page)

    def _folded(self) -> None:
        """The transaction is committed: only now has anything changed."""
        for identity, hold in self._page.holds.items():
            if hold is None:
                self._holds.pop(identity, None)
            else:
                self._holds[identity] = hold
        add_changes(self._changes, self._page.changes)
        self.unreadable += self._page.unreadable

    def _entries(self, lines: list[tuple[int, bytes]], page: Page) -> Iterator[Entry]:
        for _, text in lines:
            try:
                yield decode(text)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                page.unreadable += 1

    def _recall_stray(self, identity: str) -> Stray | None:
        row = self._database.execute("SELECT settled, segment FROM stray WHERE id = ?", (identity,)).fetchone()
        return None if row is None else Stray(msgspec.json.decode(row[0], type=tuple[Settled, ...]), row[1])

    def _write(self, page: Page) -> None:
        database = self._database
        # most records end in the page that they begin in, and leave no trace here
        known = [(identity,) for identity in page.holds if identity in self._holds]
        database.executemany("DELETE FROM hold WHERE id = ?", known)
        database.executemany(
            "INSERT INTO hold VALUES (?, ?, ?, ?, ?, ?)",
            (
                (identity, hold.instance, *draw)
                for identity, hold in page.holds.items()
                if hold is not None
                for draw in hold.draws
            ),
        )
        database.executemany("DELETE FROM stray WHERE id = ?", ((identity,) for identity in page.strays))
        database.executemany(
            "INSERT INTO stray VALUES (?, ?, ?)",
            (
                (identity, stray.segment, msgspec.json.encode(stray.settled).decode())
                for identity, stray in page.strays.items()
                if stray is not None
            ),
        )
        database.executemany(_ADD, ((*key, *sums) for key, sums in page.settled.items()))

    def _carry(self, segment: int) -> None:
        """Go on with a segment's sums under `CARRIED`; its strays go with it."""
        rows = self._database.execute(
            "SELECT pot, start, instance, amount, exceeded FROM spent WHERE segment = ?", (segment,)
        ).fetchall()
        self._database.executemany(
            _ADD, ((pot, start, instance, CARRIED, amount, exceeded) for pot, start, instance, amount, exceeded in rows)
        )
        self._database.execute("DELETE FROM spent WHERE segment = ?", (segment,))
        self._database.execute("DELETE FROM stray WHERE segment = ?", (segment,))

    def _part(self, name: str) -> None:
        """Note which records have one of their lines in this segment and the other in none that was removed."""
        begun: set[str] = set()
        ended: set[str] = set()
        for lines in complete_lines(self.folder / name, 0):
            for entry in self._entries(lines, self._page):
                if entry.event in ("decided", "ended"):
                    (begun if entry.event == "decided" else ended).add(entry.id)
        alone = begun ^ ended
        known = {
            record
            for record in alone
            if self._database.execute("SELECT 1 FROM parted WHERE id = ?", (record,)).fetchone()
        }
        self._database.executemany("DELETE FROM parted WHERE id = ?", ((record,) for record in known))
        self._database.executemany("INSERT INTO parted VALUES (?)", ((record,) for record in alone - known))


_ADD = (
    "INSERT INTO spent VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE "
    "SET amount = amount + excluded.amount, exceeded = exceeded + excluded.exceeded"
)


def _opened(path: Path) -> sqlite3.Connection:
    """The database with its tables. Raises BooksDamaged, or OperationalError where the disk is at fault."""
    existed = path.exists()
    database = sqlite3.connect(path, check_same_thread=False, timeout=10)
    try:
        if existed:
            _check(database)
        database.execute("PRAGMA journal_mode = WAL")
        # a power cut may take the last transactions, with the notes how far was read: they are made again
        database.execute("PRAGMA synchronous = NORMAL")
        database.executescript(TABLES)
    except sqlite3.DatabaseError as error:
        database.close()
        if isinstance(error, sqlite3.OperationalError):
            raise
        raise BooksDamaged(str(error)) from error
    except BaseException:
        database.close()
        raise
    return database


def _check(database: sqlite3.Connection) -> None:
    """Raises BooksDamaged where the pages do not fit together or the version is not ours."""
    (version,) = database.execute("PRAGMA user_version").fetchone()
    if version != VERSION:
        raise BooksDamaged(f"version {version} of the books, this program has {VERSION}")
    (verdict,) = database.execute("PRAGMA quick_check(1)").fetchone()
    if verdict != "ok":
        raise BooksDamaged(str(verdict))


def _move_aside(path: Path) -> Path:
    """Rename damaged books with what belongs to them; under what name."""
    aside = path.with_name(f"{path.name}.damaged-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}")
    for suffix in ("", "-wal", "-shm"):
        beside = path.with_name(path.name + suffix)
        if beside.exists():
            beside.rename(aside.with_name(aside.name + suffix))
    return aside
