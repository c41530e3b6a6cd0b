"""Whole records as the journal gains them: each is told once it has ended, and again only where telling it failed.

How far the journal was told stands in a database of its own, with the first lines of what is still running: it is written
when what it stands for was taken, so an end of the process at any moment loses nothing, and repeats at most one batch.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import orjson

from routebook.edge.journal.following import SEGMENT_TABLE, Chunk, behind, follow
from routebook.edge.journal.segments import segment_names, size_of
from routebook.edge.journal.writer import DIRECTORY


class Told(NamedTuple):
    """One record, both its lines."""

    decided: dict[str, Any]
    ended: dict[str, Any]


Tell = Callable[[Sequence[Told]], None]
"""Tells records; raises NotTaken where they must be told again."""


class NotTaken(Exception):
    """Whoever was told did not take it; the message says why, for the operator."""


_TABLES = SEGMENT_TABLE + "CREATE TABLE IF NOT EXISTS running(id TEXT PRIMARY KEY, line BLOB NOT NULL) WITHOUT ROWID;"


class Follower:
    """Follows the journal of a state directory, from its beginning or from now on."""

    def __init__(self, state_dir: Path, place: Path, from_now: bool) -> None:
        self._folder = state_dir / DIRECTORY
        begins = not place.exists()
        self._database = sqlite3.connect(place)
        self._database.executescript(_TABLES)
        if begins and from_now:
            with self._database:
                self._database.executemany(
                    "INSERT INTO segment(name, read) VALUES (?, ?)",
                    [(name, size_of(self._folder / name)) for name in segment_names(self._folder)],
                )

    def __repr__(self) -> str:
        return f"<Follower of {self._folder}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._database.close()

    @property
    def behind(self) -> int:
        """Bytes of the journal that were not told yet."""
        return behind(self._database, self._folder)

    def tell(self, tell: Tell) -> None:
        """Tell all that has ended since; raises NotTaken, and the next call begins with the same again."""
        follow(self._database, self._folder, lambda chunk: self._told(chunk, tell))

    def _told(self, chunk: Chunk, tell: Tell) -> None:
        ready: list[Told] = []
        for _, text in chunk.lines:
            line = orjson.loads(text)
            match line.get("event"):
                case "decided":
                    self._database.execute("INSERT OR REPLACE INTO running VALUES (?, ?)", (line["id"], text))
                case "ended":
                    begun = self._database.execute("SELECT line FROM running WHERE id = ?", (line["id"],)).fetchone()
                    if begun is not None:
                        self._database.execute("DELETE FROM running WHERE id = ?", (line["id"],))
                        ready.append(Told(orjson.loads(begun[0]), line))
        if ready:
            tell(ready)
