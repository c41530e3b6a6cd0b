"""The index and the reading of records: always a copy of the journal, whatever happened to either."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from routebook.edge.journal.archive import CRASHED, Archive
from routebook.edge.journal.index import FILE, Index
from routebook.edge.journal.records import Filters, Records, find_record, first_id, status_range
from routebook.edge.journal.segments import forgettable, instance_of, segment_names
from routebook.edge.journal.writer import Journal


def identity(number: int) -> str:
    """An id, in the order of the numbers."""
    return first_id(1_790_000_000 + number)


def write_record(journal: Journal, number: int, **ended: Any) -> None:
    """A record with both lines."""
    journal.decided(
        {
            "id": identity(number),
            "client": f"client-{number % 3}",
            "rule": f"rule-{number % 2}",
            "requested": "auto",
            "operation": "chat",
            "stream": True,
            "policy": "d" * 16,
        }
    )
    journal.ended(
        {"id": identity(number), "status": 200, "end": "--", "model": "small", "cost": number, "seconds": 0.5} | ended
    )


def rows_of(state_dir: Path, **filters: Any) -> list[str]:
    """Ids that match, newest first."""
    with Records(state_dir) as records:
        return [row["id"] for row in records.select(Filters(**filters), 1000)]


@pytest.fixture
def journal(tmp_path: Path) -> Any:
    """A journal with twenty records."""
    journal = Journal(tmp_path, "host-w0-a")
    for number in range(20):
        write_record(journal, number)
    yield journal
    journal.close()


def test_records_are_found_before_and_after_they_are_indexed(tmp_path: Path, journal: Journal) -> None:
    """The same rows come from the journal alone, from the index alone, and from both."""
    expected = [identity(number) for number in reversed(range(20))]
    assert rows_of(tmp_path) == expected
    index = Index(tmp_path)
    index.catch_up()
    assert index.behind() == 0
    assert rows_of(tmp_path) == expected
    write_record(journal, 20)
    assert index.behind() > 0
    assert rows_of(tmp_path) == [identity(20), *expected]
    index.close()
    assert rows_of(tmp_path) == [identity(20), *expected]


def test_a_record_that_is_half_indexed_is_whole_when_read(tmp_path: Path, journal: Journal) -> None:
    """The first line may be in the index and the second only in the journal."""
    journal.decided({"id": identity(30), "client": "c", "rule": "r", "requested": "m"})
    index = Index(tmp_path)
    index.catch_up()
    journal.ended({"id": identity(30), "status": 502, "end": "UH"})
    with Records(tmp_path) as records:
        row = records.select(Filters(end="UH"), 10)[0]
    assert (row["id"], row["client"], row["status"]) == (identity(30), "c", 502)
    record = find_record(tmp_path, identity(30))
    assert record is not None
    assert record.decided is not None and record.decided["rule"] == "r"
    assert record.ended is not None and record.ended["end"] == "UH"
    index.close()


@pytest.mark.parametrize(
    "filters, count",
    [
        ({"client": "client-0"}, 7),
        ({"rule": "rule-1"}, 10),
        ({"model": "small"}, 20),
        ({"model": "large"}, 0),
        ({"status": "2xx"}, 20),
        ({"status": "404"}, 0),
        ({"end": "--"}, 20),
        ({"failed": True}, 0),
        ({"since": 1_790_000_015.0}, 5),
        ({"before": identity(5)}, 5),
        ({"client": "client-0", "rule": "rule-0"}, 4),
    ],
)
def test_filters(tmp_path: Path, journal: Journal, filters: dict[str, Any], count: int) -> None:
    """Each filter alone and together, the same before and after indexing."""
    assert len(rows_of(tmp_path, **filters)) == count
    index = Index(tmp_path)
    index.catch_up()
    index.close()
    assert len(rows_of(tmp_path, **filters)) == count


def test_a_deleted_or_broken_index_is_built_again(tmp_path: Path, journal: Journal) -> None:
    """The index is a copy: bytes of nonsense in its place do no harm, to reader or writer."""
    index = Index(tmp_path)
    index.catch_up()
    index.close()
    (tmp_path / FILE).write_bytes(b"this is no database" * 1000)
    assert len(rows_of(tmp_path)) == 20
    index = Index(tmp_path)
    index.catch_up()
    index.close()
    with sqlite3.connect(tmp_path / FILE) as database:
        assert database.execute("SELECT count(*) FROM decision").fetchone() == (20,)
    database.close()


def test_lines_that_are_not_ours_are_counted_and_passed_over(tmp_path: Path, journal: Journal) -> None:
    """A line that somebody spoilt hides no other."""
    with (journal.folder / journal.segment).open("ab") as file:
        file.write(b'garbage\n{"event": "decided"}\n\xff\xfe\n[[[[\n{"event":"decided","id":5}\n')
    write_record(journal, 20)
    index = Index(tmp_path)
    index.catch_up()
    assert index.unreadable == 5
    index.close()
    assert len(rows_of(tmp_path)) == 21


INDEXER = """
import sys
from pathlib import Path
from routebook.edge.journal.index import Index
index = Index(Path(sys.argv[1]))
while True:
    index.catch_up()
"""


def test_killing_the_indexer_at_any_time_counts_nothing_twice_and_loses_nothing(tmp_path: Path) -> None:
    """How far was read and what came of it are one transaction."""
    journal = Journal(tmp_path, "host-w0-a", rotate_bytes=30_000)
    number = 0
    for _ in range(4):
        with subprocess.Popen([sys.executable, "-c", INDEXER, str(tmp_path)]) as indexer:
            end = time.monotonic() + 0.6
            while time.monotonic() < end:
                write_record(journal, number)
                number += 1
                time.sleep(0.0005)
            indexer.kill()
    index = Index(tmp_path)
    index.catch_up()
    index.close()
    with sqlite3.connect(tmp_path / FILE) as database:
        rows = database.execute("SELECT count(*), count(DISTINCT id), count(place), count(end_place) FROM decision")
        assert rows.fetchone() == (number, number, number, number)
    database.close()
    journal.close()


DIES = """
import os, signal, sys
from pathlib import Path
from routebook.edge.journal.writer import Journal
journal = Journal(Path(sys.argv[1]), "host-w0-dead")
for name in sys.argv[2:]:
    journal.decided({"id": name, "client": "c"})
journal.ended({"id": sys.argv[2], "end": "--"})
os.kill(os.getpid(), signal.SIGKILL)
"""


async def test_records_of_the_dead_are_settled_and_those_of_the_living_are_not(tmp_path: Path) -> None:
    """A record without an end gets one that says `crashed` once its process is dead, exactly once."""
    writer = await asyncio.create_subprocess_exec(
        sys.executable, "-c", DIES, str(tmp_path), identity(1), identity(2), identity(3)
    )
    assert await writer.wait() == -signal.SIGKILL
    alive = Journal(tmp_path, "host-w1-alive")
    alive.decided({"id": identity(4), "client": "c"})
    for _ in range(2):
        async with Archive(tmp_path, "host-supervisor", keep_days=1):
            pass
    assert rows_of(tmp_path, end=CRASHED) == [identity(3), identity(2)]
    assert rows_of(tmp_path, end="--") == [identity(1)]
    record = find_record(tmp_path, identity(2))
    assert record is not None and record.ended is not None
    assert record.ended["crashed"] is True
    running = find_record(tmp_path, identity(4))
    assert running is not None and running.ended is None
    assert not list((tmp_path / "journal").glob("host-w0-dead.reserve"))
    alive.close()


def test_pruning_removes_old_segments_with_their_rows_and_never_one_that_is_written(tmp_path: Path) -> None:
    """What is older than asked goes from the disk and from the index; a live segment stays whatever its age."""
    old = Journal(tmp_path, "host-w0-old")
    write_record(old, 1)
    old.close()
    live = Journal(tmp_path, "host-w1-live")
    write_record(live, 2)
    for segment in (tmp_path / "journal").glob("*.jsonl"):
        os.utime(segment, (1000, 1000))
    assert [instance_of(name) for name in forgettable(tmp_path / "journal", before=2000)] == ["host-w0-old"]

    async def a_moment() -> None:
        async with Archive(tmp_path, "host-supervisor", keep_days=1):
            pass

    asyncio.run(a_moment())
    assert [instance_of(name) for name in segment_names(tmp_path / "journal")] == ["host-w1-live"]
    assert rows_of(tmp_path) == [identity(2)]
    live.close()


def test_a_line_that_says_what_is_held_is_no_stranger_to_the_index(tmp_path: Path, journal: Journal) -> None:
    """The index has nothing to do with it, and does not count it as spoilt."""
    journal.decided({"id": identity(30), "client": "c"})
    journal.held({"id": identity(30), "draws": [["budget/day/-", 0, 5, 5]]})
    journal.ended({"id": identity(30), "end": "--"})
    index = Index(tmp_path)
    index.catch_up()
    assert (index.unreadable, index.behind()) == (0, 0)
    index.close()
    assert rows_of(tmp_path)[0] == identity(30)


def test_reading_writes_nothing_into_the_state_directory(tmp_path: Path, journal: Journal) -> None:
    """Looking at records of a service that is down leaves its directory as it was."""
    index = Index(tmp_path)
    index.catch_up()
    index.close()
    before = {path.name: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    assert len(rows_of(tmp_path)) == 20
    assert {path.name: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.name in before} == before


@pytest.mark.parametrize("text", ["", "20", "2x", "abc", "xxx", "²00", "9xx"])
def test_a_status_that_is_none_is_refused(text: str) -> None:
    """The message names what was written."""
    with pytest.raises(ValueError, match="is no status"):
        status_range(text)


def test_rows_are_plain_json(tmp_path: Path, journal: Journal) -> None:
    """`decisions --format json` prints rows as they are."""
    with Records(tmp_path) as records:
        assert json.loads(json.dumps(records.select(Filters(), 1)))[0]["cost"] == 19
