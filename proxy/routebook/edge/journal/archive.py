"""The keeper of the records: indexes the journal while the service runs, settles what a crash left, forgets in time.

A process that dies leaves records without an end. Once it is known to be dead (its segments are unlocked), an `ended`
line is written for each of them with the end code `GX` and `crashed: true`: the answer was cut, and what it used is unknown.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import time
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from routebook.edge.journal.index import Index
from routebook.edge.journal.segments import living
from routebook.edge.journal.writer import Journal
from routebook.edge.operations_log import operations_log
from routebook.edge.processes.crew import stamp

ROUND_SECONDS = 1.0
"""How often the index catches up."""

SETTLE_SECONDS = 10.0
"""How often somebody looks for records of the dead; the death of an own worker is looked into at once."""

PRUNE_SECONDS = 600.0
"""How often somebody looks for records that are too old."""

CRASHED = "GX"
"""The end code of a record that its process did not live to end: the gateway, in a phase nobody can tell."""

DAY = 86_400.0


class Archive:
    """Runs beside the service, from `async with` to its end."""

    def __init__(self, state_dir: Path, name: str, keep_days: float) -> None:
        self.behind = 0
        self.settled = 0
        self._state_dir = state_dir
        self._name = name
        self._keep_seconds = keep_days * DAY
        self._index: Index | None = None
        self._woken = asyncio.Event()
        self._leaving = False
        self._settles_at = 0.0
        self._prunes_at = 0.0
        self._failing = False
        self._task: asyncio.Task[None]

    def __repr__(self) -> str:
        return f"<Archive {self._state_dir}, {self.behind} bytes behind, {self.settled} records settled>"

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Catch up for the last time: whoever reads the index afterwards finds everything in it."""
        self._leaving = True
        self.wake()
        await self._task
        if self._index is not None:
            self._index.close()

    def wake(self) -> None:
        """A process has died: look at once for records that it left."""
        self._settles_at = 0.0
        self._woken.set()

    async def _run(self) -> None:
        while True:
            last = self._leaving
            self._woken.clear()
            try:
                await asyncio.to_thread(self._round, time.monotonic())
                self._failing = False
            except (sqlite3.Error, OSError) as error:
                self._note_failure(error)
            if last:
                return
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), ROUND_SECONDS)

    def _round(self, now: float) -> None:
        """On a thread of its own, one at a time."""
        index = self._index = self._index or Index(self._state_dir)
        index.catch_up()
        if now >= self._settles_at:
            self._settles_at = now + SETTLE_SECONDS
            self._settle(index)
        if now >= self._prunes_at:
            self._prunes_at = now + PRUNE_SECONDS
            removed = index.prune(time.time() - self._keep_seconds)
            if removed:
                operations_log().info(
                    "records forgotten", segments=len(removed), older_than_days=self._keep_seconds / DAY
                )
        self.behind = index.behind()

    def _settle(self, index: Index) -> None:
        """Write the end of every record whose process is dead, and clear away what else it left."""
        reserves = list(index.folder.glob("*.reserve"))
        if not index.unended() and not reserves:
            return
        alive = living(index.folder)
        for reserve in reserves:
            if reserve.stem not in alive:
                reserve.unlink(missing_ok=True)  # disk space that the dead had set aside
        index.catch_up()  # what the dead wrote last, before anything is said about them
        left = {instance: ids for instance, ids in index.unended().items() if instance not in alive}
        if not left:
            return
        journal = Journal(self._state_dir, f"{self._name}-{stamp()}")
        try:
            for instance, ids in left.items():
                for record in ids:
                    journal.ended(crashed_line(record, instance))
                self.settled += len(ids)
                operations_log().warning("records settled after a crash", of=instance, records=len(ids), end=CRASHED)
        finally:
            journal.close()
        index.catch_up()

    def _note_failure(self, error: Exception) -> None:
        """Once per state of failing: the records are safe in the journal meanwhile."""
        if not self._failing:
            operations_log().error(
                "index not written",
                exception=type(error).__name__,
                reason=str(error),
                does="goes on with the journal alone and tries again",
            )
        self._failing = True


def crashed_line(record: str, instance: str) -> dict[str, Any]:
    """The second line of a record whose process died before it could write one."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {
        "id": record,
        "time": now,
        "instance": instance,
        "end": CRASHED,
        "status": None,
        "error": "gateway.crashed",
        "crashed": True,
    }
