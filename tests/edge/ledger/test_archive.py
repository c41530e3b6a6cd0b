"""The keeper of the books: what the dead held is settled, whoever counts live is told, and nobody living is touched."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from routebook.edge.journal.archive import CRASHED, Archive
from routebook.edge.journal.records import find_record
from routebook.edge.journal.segments import segment_names
from routebook.edge.journal.writer import Journal
from routebook.edge.ledger.books import FILE, Books
from routebook.edge.ledger.entries import Change, Changes, add_changes
from routebook.edge.ledger.verify import audit
from tests.edge.ledger.ledgers import DAY, begin, draws, end, spend

ALL = ("budget/all/-", DAY)

WORKER = """
import sys
from pathlib import Path
from routebook.edge.journal.writer import Journal
from tests.edge.ledger.ledgers import DAY, begin, draws, end
journal = Journal(Path(sys.argv[1]), sys.argv[2])
for line in sys.stdin:
    what, name, *amounts = line.split()
    if what == "begin":
        begin(journal, name, draws(int(amounts[0])))
    elif what == "end":
        end(journal, name, [["budget/all/-", DAY, int(amounts[0])]], int(amounts[0]))
    print("done", flush=True)
"""


class Worker:
    """A process that writes a journal of its own, as it is told."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def tell(self, *words: object) -> None:
        """Have a line written; it is on disk when this returns."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write((" ".join(map(str, words)) + "\n").encode())
        assert await self.process.stdout.readline() == b"done\n"

    async def kill(self) -> None:
        """Kill -9."""
        self.process.kill()
        assert await self.process.wait() == -signal.SIGKILL


@asynccontextmanager
async def working(state_dir: Path, instance: str) -> AsyncIterator[Worker]:
    """A worker, gone at the end."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        WORKER,
        str(state_dir),
        instance,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield Worker(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


class Heard:
    """What an archive has told so far."""

    def __init__(self) -> None:
        self.changes: Changes = {}
        self.buried: list[str] = []
        self._news = asyncio.Event()

    def __call__(self, changes: Changes, buried: frozenset[str]) -> None:
        """One round."""
        add_changes(self.changes, changes)
        self.buried += sorted(buried)
        self._news.set()

    async def until_buried(self, instance: str) -> None:
        """Wait until it is told that this process is dead and wholly folded."""
        async with asyncio.timeout(30):
            while instance not in self.buried:
                self._news.clear()
                await self._news.wait()


async def test_what_the_dead_held_is_settled_and_their_burial_told_in_the_same_round(tmp_path: Path) -> None:
    """The hold goes, what it says of a death is booked and is the record's cost; the living keep theirs."""
    heard = Heard()
    async with working(tmp_path, "host-w0-a") as dying, working(tmp_path, "host-w1-b") as living:
        await dying.tell("begin", "A", 100)
        await dying.tell("begin", "B", 60)
        await dying.tell("end", "B", 20)
        await living.tell("begin", "C", 10)
        async with Archive(tmp_path, "host-supervisor", 30, heard) as archive:
            assert archive.opening is not None
            assert archive.opening.held == {ALL: {"host-w0-a": 100, "host-w1-b": 10}}
            assert archive.opening.settled == {ALL: 20}
            await dying.kill()
            archive.wake("host-w0-a")
            await heard.until_buried("host-w0-a")
            assert heard.changes == {"host-w0-a": {ALL: Change(50, -100)}}
            assert "host-w1-b" not in heard.buried
            record = find_record(tmp_path, "A")
            assert record is not None and record.ended is not None
            assert record.ended["settled"] == [["budget/all/-", DAY, 50]]
            assert (record.ended["end"], record.ended["cost"], record.ended["usage_by"]) == (CRASHED, 50, "orphan")
            await living.tell("end", "C", 4)
        assert heard.changes["host-w1-b"] == {ALL: Change(4, -10)}
    assert audit(tmp_path).faults == ()


async def test_workers_that_outlive_their_supervisor_keep_what_they_hold_until_they_end_or_die(tmp_path: Path) -> None:
    """The next service counts it from its start, and is told when it changes."""
    async with working(tmp_path, "host-w0-old") as ending, working(tmp_path, "host-w1-old") as dying:
        await ending.tell("begin", "A", 100)
        await dying.tell("begin", "B", 80)
        for _ in range(2):
            heard = Heard()
            async with Archive(tmp_path, "host-supervisor", 30, heard) as archive:
                assert archive.opening is not None
                assert archive.opening.held == {ALL: {"host-w0-old": 100, "host-w1-old": 80}}
        async with Archive(tmp_path, "host-supervisor", 30, heard) as archive:
            await ending.tell("end", "A", 70)
            await dying.kill()
            archive.wake()
            await heard.until_buried("host-w1-old")
        assert heard.changes == {"host-w0-old": {ALL: Change(70, -100)}, "host-w1-old": {ALL: Change(40, -80)}}
        assert "host-w0-old" not in heard.buried
    assert audit(tmp_path).faults == ()


async def test_a_process_that_wrote_nothing_is_buried_when_it_is_told_dead(tmp_path: Path) -> None:
    """Its journal is gone without a trace, and what it was granted must come back all the same."""
    heard = Heard()
    Journal(tmp_path, "host-w0-idle").close()
    async with Archive(tmp_path, "host-supervisor", 30, heard) as archive:
        archive.wake("host-w0-idle")
        await heard.until_buried("host-w0-idle")
        assert not segment_names(tmp_path / "journal")


async def test_each_death_is_told_once(tmp_path: Path) -> None:
    """However many rounds follow."""
    heard = Heard()
    journal = Journal(tmp_path, "host-w0-a")
    spend(journal, "A", 100, 30)
    journal.close()
    async with Archive(tmp_path, "host-supervisor", 30, heard) as archive:
        for _ in range(3):
            archive.wake("host-w0-a")
            await asyncio.sleep(0.05)
    assert heard.buried == ["host-w0-a"]


async def test_sums_outlive_the_segments_they_stood_in(tmp_path: Path) -> None:
    """Records go in time, money that was spent stays spent."""
    journal = Journal(tmp_path, "host-w0-a")
    spend(journal, "A", 100, 30)
    journal.close()
    for name in segment_names(tmp_path / "journal"):
        os.utime(tmp_path / "journal" / name, (1000, 1000))
    async with Archive(tmp_path, "host-supervisor", 30):
        pass
    assert segment_names(tmp_path / "journal") == []
    books = Books.open(tmp_path)
    assert (books.catch_up(), books.totals().settled, books.segments()) == ({}, {ALL: 30}, {})
    books.close()
    found = audit(tmp_path)
    assert (found.faults, found.sums[0].carried) == ((), 30)


async def test_a_long_reading_says_how_far_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is served before it is known what is spent: whoever waits sees why. What was read once is not read again."""
    monkeypatch.setattr("routebook.edge.journal.archive.SAY_SECONDS", 0.0)
    monkeypatch.setattr("routebook.edge.journal.segments.CHUNK_BYTES", 1024)
    journal = Journal(tmp_path, "host-w0-a")
    for number in range(20):
        spend(journal, f"A{number}", 100, 30)
    size = (tmp_path / "journal" / journal.segment).stat().st_size
    for begins_anew in (True, False):
        with capture_logs() as log:
            async with Archive(tmp_path, "host-supervisor", 30) as archive:
                assert archive.opening is not None and archive.opening.settled == {ALL: 600}
        said = [line["left"] for line in log if line["event"] == "reading the journal"]
        assert said == sorted(said, reverse=True) and bool(said) == begins_anew
        if begins_anew:
            assert len(said) > 3 and said[-1] == 0
            assert [line["bytes"] for line in log if line["event"] == "journal read"] == [size]
    journal.close()


async def test_books_that_cannot_be_opened_are_said_and_leave_no_opening(tmp_path: Path) -> None:
    """Whoever has budgets to keep sees that nothing is known; records are kept all the same."""
    (tmp_path / FILE).mkdir()
    journal = Journal(tmp_path, "host-w0-a")
    begin(journal, "A", draws(100))
    end(journal, "A", [["budget/all/-", DAY, 1]], 1)
    async with Archive(tmp_path, "host-supervisor", 30) as archive:
        assert archive.opening is None
    assert find_record(tmp_path, "A") is not None
    journal.close()
