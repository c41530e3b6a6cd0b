"""The keeper of the records: indexes the journal and keeps the ledger's books while the service runs, settles what a
crash left, forgets in time.

A process that dies leaves records without an end. Once it is known to be dead (its segments are unlocked), an `ended`
line is written for each of them with the end code `GX` and `crashed: true`: the answer was cut, and what it used is
unknown. What it held is settled with what its hold says of such a case. When all that a dead process wrote is folded,
whoever keeps the live counts is told: what had been granted to it need not be counted any more.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from routebook.documents.quantities import Unit
from routebook.edge.journal.index import Index
from routebook.edge.journal.segments import forgettable, instance_of, living, segment_names
from routebook.edge.journal.writer import DIRECTORY, Journal
from routebook.edge.ledger.books import KEEP_DAYS, Books, Totals
from routebook.edge.ledger.entries import Changes, Draw, add_changes
from routebook.edge.operations_log import operations_log
from routebook.edge.processes.crew import stamp
from routebook.ledger.pot_names import pot_named

ROUND_SECONDS = 1.0
"""How often the index catches up."""

SETTLE_SECONDS = 10.0
"""How often somebody looks for records of the dead; the death of an own worker is looked into at once."""

SAY_SECONDS = 2.0
"""How often it is said how far the journal is read, while nothing is served for want of it."""

PRUNE_SECONDS = 600.0
"""How often somebody looks for records that are too old."""

CRASHED = "GX"
"""The end code of a record that its process did not live to end: the gateway, in a phase nobody can tell."""

DAY = 86_400.0


OnRound = Callable[[Changes, frozenset[str]], object]
"""Told after each round, on the event loop: what has changed in the books, and which processes have died since the last
round and are wholly folded."""


class Archive:
    """Runs beside the service, from `async with` to its end.

    `opening` is what the counters stood at when it began: all that `on_round` is told later comes on top of it. It is
    None where the books could not be opened; whoever has budgets to keep cannot begin then.
    """

    def __init__(
        self, state_dir: Path, name: str, keep_days: float, on_round: OnRound = lambda changes, buried: None
    ) -> None:
        self.behind = 0
        self.settled = 0
        self.opening: Totals | None = None
        self._state_dir = state_dir
        self._name = name
        self._keep_seconds = keep_days * DAY
        self._on_round = on_round
        self._index: Index | None = None
        self._books: Books | None = None
        self._changes: Changes = {}
        self.strays = 0
        self._told_dead: set[str] = set()
        self._buried: set[str] = set()
        self._newly_buried: set[str] = set()
        self._woken = asyncio.Event()
        self._leaving = False
        self._settles_at = 0.0
        self._prunes_at = 0.0
        self._failing: set[str] = set()
        self._task: asyncio.Task[None]

    def __repr__(self) -> str:
        return f"<Archive {self._state_dir}, {self.behind} bytes behind, {self.settled} records settled>"

    async def __aenter__(self) -> Self:
        """Fold what the journal holds: nothing can be granted before it is known what is spent."""
        await asyncio.to_thread(self._tried, "books", self._open_books)
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Catch up for the last time: whoever reads index and books afterwards finds everything in them."""
        self._leaving = True
        self.wake()
        await self._task
        for kept in (self._index, self._books):
            if kept is not None:
                kept.close()

    def wake(self, instance: str | None = None) -> None:
        """A process has died: look at once for records that it left."""
        if instance is not None:
            self._told_dead.add(instance)
        self._settles_at = 0.0
        self._woken.set()

    async def _run(self) -> None:
        while True:
            last = self._leaving
            self._woken.clear()
            await asyncio.to_thread(self._round, time.monotonic())
            changes, self._changes = self._changes, {}
            buried, self._newly_buried = frozenset(self._newly_buried), set()
            self._on_round(changes, buried)
            if last:
                return
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), ROUND_SECONDS)

    def _round(self, now: float) -> None:
        """On a thread of its own, one at a time."""
        booked = self._tried("books", self._keep_books)
        indexed = self._tried("index", self._keep_index)
        if booked and indexed and now >= self._settles_at:
            self._settles_at = now + SETTLE_SECONDS
            self._tried("records of the dead", self._settle)
        if booked and indexed and now >= self._prunes_at:
            self._prunes_at = now + PRUNE_SECONDS
            self._tried("removal of old records", self._prune)

    def _open_books(self) -> None:
        books = Books.open(self._state_dir)
        whole, begun = books.behind(), time.monotonic()
        said = begun

        def tell() -> None:
            nonlocal said
            if time.monotonic() >= said + SAY_SECONDS:
                said = time.monotonic()
                log = operations_log()
                log.info(
                    "reading the journal", left=books.behind(), of=whole, does="serves when it knows what is spent"
                )

        books.catch_up(tell)
        if said > begun:
            operations_log().info("journal read", bytes=whole, seconds=round(time.monotonic() - begun, 3))
        self._books, self.opening = books, books.totals()
        self._note_strays(books)

    def _keep_books(self) -> None:
        books = self._books = self._books or Books.open(self._state_dir)
        add_changes(self._changes, books.catch_up())
        self._note_strays(books)

    def _keep_index(self) -> None:
        index = self._index = self._index or Index(self._state_dir)
        index.catch_up()
        self.behind = index.behind()

    def _settle(self) -> None:
        """Write the end of every record whose process is dead, and clear away what else it left."""
        told = set(self._told_dead)
        folder = self._state_dir / DIRECTORY
        began = {instance_of(name) for name in segment_names(folder)}
        alive = living(folder)
        for reserve in folder.glob("*.reserve"):
            if reserve.stem not in alive:
                reserve.unlink(missing_ok=True)  # disk space that the dead had set aside
        self._keep_books()  # what the dead wrote last, before anything is said about them
        self._keep_index()
        self._end_records(alive)
        dead = (began | told | self._buried) - alive
        self._newly_buried |= dead - self._buried
        self._buried = dead
        self._told_dead -= told

    def _end_records(self, alive: set[str]) -> None:
        assert self._index is not None and self._books is not None
        held = self._books.open_holds()
        unended = self._index.unended()
        left = {
            instance: dict.fromkeys(unended.get(instance, ()), ()) | held.get(instance, {})
            for instance in (unended.keys() | held.keys()) - alive
        }
        if not left:
            return
        journal = Journal(self._state_dir, f"{self._name}-{stamp()}")
        try:
            for instance, records in left.items():
                for record, draws in records.items():
                    journal.ended(crashed_line(record, instance, draws))
                self.settled += len(records)
                operations_log().warning(
                    "records settled after a crash", of=instance, records=len(records), end=CRASHED
                )
        finally:
            journal.close()
        self._keep_books()
        self._keep_index()

    def _prune(self) -> None:
        """Remove segments that are too old, once their sums are carried on."""
        assert self._index is not None and self._books is not None
        folder = self._state_dir / DIRECTORY
        names = forgettable(folder, time.time() - self._keep_seconds)
        for name in names:
            self._books.forget(name)
            self._index.forget(name)
            (folder / name).unlink(missing_ok=True)
            self._books.let_go(name)
        self._books.prune(int(time.time() - KEEP_DAYS * DAY))
        if names:
            operations_log().info("records forgotten", segments=len(names), older_than_days=self._keep_seconds / DAY)

    def _note_strays(self, books: Books) -> None:
        """Say it when endings settled nothing because nothing was held: a line was lost, or written twice."""
        strays = books.strays()
        if len(strays) > self.strays:
            operations_log().error(
                "endings without a hold", records=len(strays), of=strays[-1], does="settles nothing for them"
            )
        self.strays = len(strays)

    def _tried(self, what: str, step: Callable[[], None]) -> bool:
        """Whether a step succeeded. Said once per state of failing: the records are safe in the journal meanwhile."""
        try:
            step()
        except (sqlite3.Error, OSError) as error:
            if what not in self._failing:
                operations_log().error(
                    f"{what} not written",
                    exception=type(error).__name__,
                    reason=str(error),
                    does="goes on with the journal alone and tries again",
                )
            self._failing.add(what)
            return False
        self._failing.discard(what)
        return True


def crashed_line(record: str, instance: str, draws: Iterable[Draw] = ()) -> dict[str, Any]:
    """The second line of a record whose process died before it could write one. What it held is settled with what is
    booked in such a case, and that is its cost where it held money."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    line: dict[str, Any] = {
        "id": record,
        "time": now,
        "instance": instance,
        "end": CRASHED,
        "status": None,
        "error": "gateway.crashed",
        "crashed": True,
    }
    draws = tuple(draws)
    if draws:
        line["settled"] = [[draw.pot, draw.start, draw.orphan] for draw in draws]
    money = [draw.orphan for draw in draws if pot_named(draw.pot).unit is Unit.MONEY]
    if money:
        line["cost"], line["usage_by"] = max(money), "orphan"
    return line
