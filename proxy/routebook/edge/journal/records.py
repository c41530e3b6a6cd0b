"""Reading the records of a state directory, whether a service runs on it or not. Never writes there.

What the index has read is asked of it; what the journal has gained since is read from the journal into memory beside
it. So a record is found the moment it is written, and also where the index was deleted.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import orjson

from routebook.edge.journal.index import DECIDED_COLUMNS, ENDED_COLUMNS, FILE, TABLES, absorb
from routebook.edge.journal.segments import line_at
from routebook.edge.journal.tallies import BUCKET_SECONDS, Sum, select
from routebook.edge.journal.writer import DIRECTORY

SHOWN = (
    "id",
    "time",
    "client",
    "team",
    "rule",
    "requested",
    "operation",
    "stream",
    "digest",
    "status",
    "end",
    "model",
    "cost",
    "input",
    "output",
    "seconds",
    "instance",
)
"""The columns of a row, in the order in which they are shown."""

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
"""Seconds in the units of a time such as `15m`."""

PAGE = 1_000
"""Records that are read at a time where all are."""

_ALL = ("id", *DECIDED_COLUMNS, *ENDED_COLUMNS)
_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


@dataclass(frozen=True, slots=True)
class Filters:
    """Which records are wanted; None asks nothing. `since` and `until` are Unix seconds; `status` may be a class, such as
    `5xx`; `costs` is nano-dollars at least, `took` seconds at least.

    `before` is an id: records older than that one, for the next page. `failed`: only what has ended, and not well.
    """

    since: float | None = None
    client: str | None = None
    rule: str | None = None
    model: str | None = None
    status: str | None = None
    end: str | None = None
    before: str | None = None
    failed: bool = False
    team: str | None = None
    requested: str | None = None
    digest: str | None = None
    until: float | None = None
    costs: int | None = None
    took: float | None = None

    def as_sql(self) -> tuple[str, list[object]]:
        """A condition of SQL and its values."""
        parts: list[str] = ["1"]
        values: list[object] = []
        for column in ("client", "team", "rule", "requested", "model", "end", "digest"):
            if (wanted := getattr(self, column)) is not None:
                parts.append(f'"{column}" = ?')
                values.append(wanted)
        if self.since is not None:
            parts.append("id >= ?")
            values.append(first_id(self.since))
        if self.until is not None:
            parts.append("id < ?")
            values.append(first_id(self.until))
        for column, least in (("cost", self.costs), ("seconds", self.took)):
            if least is not None:
                parts.append(f"{column} >= ?")
                values.append(least)
        if self.before is not None:
            parts.append("id < ?")
            values.append(self.before)
        if self.status is not None:
            low, high = status_range(self.status)
            parts.append("status BETWEEN ? AND ?")
            values += [low, high]
        if self.failed:
            parts.append("\"end\" <> '--'")
        return " AND ".join(parts), values


@dataclass(frozen=True, slots=True)
class Record:
    """One record as the journal holds it. `ended` None: its request still runs."""

    decided: dict[str, Any] | None
    ended: dict[str, Any] | None


class Records:
    """The records of a state directory as they stand when it is opened; `refresh` looks again."""

    def __init__(self, state_dir: Path) -> None:
        self._folder = state_dir / DIRECTORY
        self._database = sqlite3.connect(":memory:", uri=True)
        self._database.executescript(TABLES)
        self._attached = 0
        self._has_index = self._attach(state_dir / FILE)
        self.refresh()

    def __repr__(self) -> str:
        return f"<Records of {self._folder.parent}, {'with' if self._has_index else 'without'} an index>"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._database.close()

    def refresh(self) -> None:
        """Read what the journal has gained."""
        absorb(self._database, self._folder, self._copy_from_index)

    def find(self, identity: str) -> Record | None:
        """One record by its id, or None."""
        for row in self._rows("id = ?", [identity], 1):
            return Record(self._line(row["segment"], row["place"]), self._line(row["end_segment"], row["end_place"]))
        return None

    def has_feedback(self, identity: str) -> bool:
        """Whether the answer of this record was rated."""
        query = " UNION ALL ".join(f"SELECT 1 FROM {each}.feedback WHERE id = ?1" for each in self._schemas())
        return self._database.execute(query, (identity,)).fetchone() is not None

    def feedback(self, begins: str = "") -> list[tuple[str, str, float]]:
        """The answers that were rated, by id: whose model's, and how good; of requests with ids from `begins` on."""
        rows = " UNION ".join(f"SELECT id, model, quality FROM {each}.feedback" for each in self._schemas())
        return list(
            self._database.execute(f"SELECT id, model, quality FROM ({rows}) WHERE id >= ? ORDER BY id", (begins,))
        )

    def ratings(self) -> list[tuple[str, str, float, float]]:
        """How answers were rated, by model and class of task: the sum and the number."""
        rows = " UNION ".join(f"SELECT id, model, task, quality FROM {each}.feedback" for each in self._schemas())
        query = f"SELECT model, task, SUM(quality), COUNT(*) FROM ({rows}) WHERE task <> '' GROUP BY model, task"
        return [
            (model, task, float(total), float(count)) for model, task, total, count in self._database.execute(query)
        ]

    def any(self) -> bool:
        """Whether there is a record at all."""
        return bool(self._rows("1", [], 1))

    def sums(self, kind: str, since: float, step: int = 0, name: str | None = None) -> list[Sum]:
        """What each name of a kind had (`tallies.KINDS`, or `pot`) from a time on (Unix seconds, to ten minutes), in
        steps of so many times ten minutes (0: all in one); requests that still run are not in it."""
        first = int(since // BUCKET_SECONDS)
        found: dict[tuple[str, int], Sum] = {}
        indexed = select(self._database, "disk", kind, first, step, name) if self._has_index else []
        # what the index has read since is in its own sums, and would count twice
        behind = not self._has_index or self._data_version() == self._attached
        own = select(self._database, "main", kind, first, step, name) if behind else []
        for each in (*indexed, *own):
            before = found.get((each.name, each.bucket))
            found[each.name, each.bucket] = each if before is None else before.plus(each)
        return sorted(found.values(), key=lambda each: (each.bucket, each.name))

    def _schemas(self) -> list[str]:
        return ["main", "disk"] if self._has_index else ["main"]

    def select(self, filters: Filters, limit: int) -> list[dict[str, Any]]:
        """Rows of the newest records that match, newest first."""
        condition, values = filters.as_sql()
        return [{name: row[name] for name in SHOWN} for row in self._rows(condition, values, limit)]

    def walk(self, filters: Filters) -> Iterator[Record]:
        """All records that match, whole, newest first, a page of them in memory at a time."""
        while rows := self._page(filters):
            for row in rows:
                yield Record(self._line(row["segment"], row["place"]), self._line(row["end_segment"], row["end_place"]))
            filters = replace(filters, before=rows[-1]["id"])

    def _page(self, filters: Filters) -> list[dict[str, Any]]:
        condition, values = filters.as_sql()
        return self._rows(condition, values, PAGE)

    def ended_since(self, identities: Iterable[str]) -> Iterator[str]:
        """Which of these records have ended."""
        for identity in identities:
            if any(row["end_place"] is not None for row in self._rows("id = ?", [identity], 1)):
                yield identity

    def _rows(self, condition: str, values: list[object], limit: int) -> list[dict[str, Any]]:
        """Rows from memory and from the index, each record once."""
        columns = ", ".join(f'"{name}"' for name in _ALL)
        one = f"SELECT {columns} FROM main.decision WHERE {condition}"
        if self._has_index:
            one += (
                f" UNION ALL SELECT {columns} FROM disk.decision WHERE {condition}"
                " AND id NOT IN (SELECT id FROM main.decision)"
            )
            values = values * 2
        found = self._database.execute(f"{one} ORDER BY id DESC LIMIT ?", [*values, limit])
        return [dict(zip(_ALL, row, strict=True)) for row in found]

    def _attach(self, index: Path) -> bool:
        """Have the index at hand, with how far it has read; False where there is none that can be used."""
        if not index.exists():
            return False
        try:
            self._database.execute("ATTACH ? AS disk", (f"file:{index}?mode=ro",))
            self._attached = self._data_version()
            self._database.execute("INSERT INTO main.segment SELECT * FROM disk.segment")
            self._database.execute("SELECT account FROM disk.decision LIMIT 1")
            self._database.execute("SELECT id FROM disk.feedback LIMIT 1")
            for table in ("tally", "tally_long", "tally_pot"):
                self._database.execute(f"SELECT name FROM disk.{table} LIMIT 1")
            self._database.commit()
        except sqlite3.Error:
            self._database.rollback()
            return False
        return True

    def _data_version(self) -> int:
        """Changes with every change that another process makes to the index."""
        (version,) = self._database.execute("PRAGMA disk.data_version").fetchone()
        return int(version)

    def _copy_from_index(self, identities: Iterable[str]) -> None:
        """Have what the index knows of records that the journal says more about."""
        if self._has_index:
            self._database.executemany(
                "INSERT OR IGNORE INTO main.decision SELECT * FROM disk.decision WHERE id = ?",
                ((identity,) for identity in identities),
            )

    def _line(self, segment: int | None, place: int | None) -> dict[str, Any] | None:
        if segment is None or place is None:
            return None
        (name,) = self._database.execute("SELECT name FROM main.segment WHERE number = ?", (segment,)).fetchone()
        text = line_at(self._folder / name, place)
        if text is None:
            return None
        line: dict[str, Any] = orjson.loads(text)
        return line


def find_record(state_dir: Path, identity: str) -> Record | None:
    """One record of a state directory by its id, or None."""
    with Records(state_dir) as records:
        return records.find(identity)


def first_id(at: float) -> str:
    """The smallest record id of a time (Unix seconds): ids begin with it, in milliseconds and base 32."""
    rest, letters = int(at * 1000), ""
    for _ in range(10):
        rest, digit = divmod(rest, 32)
        letters = _CROCKFORD[digit] + letters
    return letters + "0" * 16


def status_range(text: str) -> tuple[int, int]:
    """`404` or a class such as `4xx`; raises ValueError with a message for the operator."""
    if len(text) == 3 and text[0] in "12345" and text[1:].lower() == "xx":
        return int(text[0]) * 100, int(text[0]) * 100 + 99
    if len(text) == 3 and text.isascii() and text.isdigit():
        return int(text), int(text)
    raise ValueError(f"`{text}` is no status, such as `429` or `5xx`")


def read_since(text: str, now: float) -> float:
    """`15m` ago, or an ISO time (local where it names no zone), as Unix seconds; raises ValueError for the operator."""
    if text[-1:] in UNITS and text[:-1].isascii() and text[:-1].isdigit():
        return now - int(text[:-1]) * UNITS[text[-1]]
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError):
        raise ValueError(f"`{text}` is no time, such as `15m` or `2026-11-21T09:30`") from None
