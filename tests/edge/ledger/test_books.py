"""The books: whatever is written, read, killed, removed and spoilt in any order, they say what the journal says."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from routebook.edge.journal.segments import forgettable
from routebook.edge.journal.writer import Journal
from routebook.edge.ledger.books import FILE, GONE, Books
from routebook.edge.ledger.entries import Change
from routebook.edge.ledger.verify import audit
from tests.edge.ledger.ledgers import DAY, begin, draws, end, segments, spend

ALL = ("budget/all/-", DAY)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    """A worker's journal."""
    journal = Journal(tmp_path, "host-w0-a")
    yield journal
    journal.close()


@pytest.fixture
def books(tmp_path: Path) -> Iterator[Books]:
    """Books of the same state directory."""
    books = Books.open(tmp_path)
    yield books
    books.close()


def test_a_record_is_held_and_then_settled(journal: Journal, books: Books) -> None:
    """Each reading tells by how much settled and held have changed, for the process whose record it is."""
    begin(journal, "A", draws(100))
    assert books.catch_up() == {"host-w0-a": {ALL: Change(0, 100)}}
    assert books.totals().held == {ALL: {"host-w0-a": 100}}
    end(journal, "A", [["budget/all/-", DAY, 30]], 30)
    assert books.catch_up() == {"host-w0-a": {ALL: Change(30, -100)}}
    assert books.catch_up() == {}
    totals = books.totals()
    assert (totals.settled, totals.held, totals.exceeded) == ({ALL: 30}, {}, {})
    assert books.settled_of("host-w0-a") == {ALL: 30}


def test_a_later_hold_stands_in_place_of_the_first(journal: Journal, books: Books) -> None:
    """A fallback that needs more says what the record holds altogether; no amount counts beside what it replaces."""
    begin(journal, "A", draws(100))
    books.catch_up()
    journal.held({"id": "A", "draws": [["budget/all/-", DAY, 150, 150], ["budget/b/x", DAY, 7, 7]]})
    assert books.catch_up() == {"host-w0-a": {ALL: Change(0, 50), ("budget/b/x", DAY): Change(0, 7)}}
    end(journal, "A", [["budget/all/-", DAY, 160]], 160)
    books.catch_up()
    totals = books.totals()
    assert (totals.settled, totals.held, totals.exceeded) == ({ALL: 160}, {}, {ALL: 10})


def test_an_ending_without_a_hold_settles_nothing_and_is_kept_in_mind(journal: Journal, books: Books) -> None:
    """A second ending counts nothing twice, and is not passed over in silence."""
    spend(journal, "A", 100, 30)
    end(journal, "A", [["budget/all/-", DAY, 30]], 30)
    books.catch_up()
    assert books.totals().settled == {ALL: 30}
    assert books.strays() == ["A"]


def test_an_ending_that_is_read_before_its_beginning_settles_when_that_is_read(tmp_path: Path, books: Books) -> None:
    """A clock that went back between two processes puts their segments in the wrong order."""
    later = Journal(tmp_path, "host-supervisor-b")
    end(later, "A", [["budget/all/-", DAY, 50]], 50, crashed=True)
    books.catch_up()
    assert books.strays() == ["A"]
    worker = Journal(tmp_path, "host-w0-a")
    begin(worker, "A", draws(100))
    assert books.catch_up() == {"host-w0-a": {ALL: Change(50, 0)}}
    assert (books.strays(), books.totals().settled, books.totals().held) == ([], {ALL: 50}, {})
    later.close()
    worker.close()


def test_an_ending_that_does_not_say_what_was_used_books_what_its_hold_says(journal: Journal, books: Books) -> None:
    """Never less than may have been spent."""
    begin(journal, "A", draws(100))
    end(journal, "A", None)
    books.catch_up()
    assert (books.totals().settled, books.totals().held) == ({ALL: 50}, {})


def test_records_without_money_leave_no_trace(journal: Journal, books: Books) -> None:
    """A policy without budgets keeps empty books."""
    for number in range(10):
        journal.decided({"id": str(number), "client": "c"})
        journal.ended({"id": str(number), "end": "--", "cost": 5})
    assert books.catch_up() == {}
    assert (books.totals().settled, books.open_holds(), books.strays()) == ({}, {}, [])


@pytest.mark.parametrize(
    "text",
    [
        b"garbage",
        b'{"event":"decided","id":"X","hold":{"draws":[["budget/all/-",0,-5,0]]}}',
        b'{"event":"decided","id":"X","hold":{"draws":[["budget/all/-",0,18446744073709551615,0]]}}',
        b'{"event":"decided","id":"X","hold":{"draws":[["budget/all/-",0,5]]}}',
        b'{"event":"held","id":"X","draws":"all"}',
        b"[" * 100_000,
    ],
)
def test_a_spoilt_line_is_counted_and_hides_no_other(journal: Journal, books: Books, text: bytes) -> None:
    """Whatever stands in the journal, the fold goes on behind it."""
    with (journal.folder / journal.segment).open("ab") as file:
        file.write(text + b"\n")
    spend(journal, "A", 100, 30)
    books.catch_up()
    assert (books.unreadable, books.totals().settled, books.totals().held) == (1, {ALL: 30}, {})


def test_what_stood_in_removed_segments_is_carried(tmp_path: Path, books: Books) -> None:
    """Sums stay when their segment goes, also of records whose other line stays; nothing is read twice if the process
    dies before the file is gone."""
    journal = Journal(tmp_path, "host-w0-a", rotate_bytes=400)
    begin(journal, "kept", draws(10))
    for number in range(6):
        spend(journal, str(number), 100, number + 1)
    end(journal, "kept", [["budget/all/-", DAY, 9]], 9)
    books.catch_up()
    before = books.totals()
    first, *_ = segments(tmp_path)
    os.utime(first, (1000, 1000))
    assert forgettable(tmp_path / "journal", 2000) == [first.name]
    books.forget(first.name)
    books.close()
    again = Books.open(tmp_path)
    assert again.catch_up() == {}
    again.forget(first.name)
    first.unlink()
    again.let_go(first.name)
    assert (again.catch_up(), again.totals()) == ({}, before)
    assert again.sums_by_segment()[0][ALL] > 0
    found = audit(tmp_path)
    assert found.faults == ()
    assert found.sums[0].carried > 0
    again.close()
    journal.close()


def test_counters_go_long_after_their_window(journal: Journal, books: Books) -> None:
    """And nothing else does."""
    spend(journal, "A", 100, 30)
    spend(journal, "B", 100, 30, pot="budget/old/-")
    books.catch_up()
    assert books.prune(DAY) == 0
    assert books.prune(DAY + 1) == 2
    assert books.totals().settled == {}


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.write_bytes(b"this is no database" * 1000),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(path.read_bytes()[:4096]),
        lambda path: path.write_bytes(path.read_bytes()[:8192] + b"\xff" * 8192 + path.read_bytes()[16384:]),
    ],
    ids=["nonsense", "empty", "cut", "overwritten"],
)
def test_damaged_books_are_moved_aside_and_folded_anew(
    tmp_path: Path, journal: Journal, spoil: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """Loudly; the damaged file stays to be looked at, and the audit says that sums may be missing."""
    for number in range(50):
        spend(journal, str(number), 100, number)
    books = Books.open(tmp_path)
    books.catch_up()
    books.close()
    spoil(tmp_path / FILE)
    damaged = (tmp_path / FILE).read_bytes()
    books = Books.open(tmp_path)
    books.catch_up()
    assert books.totals().settled == {ALL: sum(range(50))}
    (aside,) = tmp_path.glob("ledger.sqlite.damaged-*")
    assert aside.read_bytes() == damaged
    assert "books damaged" in "".join(capsys.readouterr())
    assert audit(tmp_path).rebuilt is not None
    books.close()


def test_a_disk_that_cannot_be_written_is_no_damage(tmp_path: Path) -> None:
    """Nothing is moved aside for it."""
    (tmp_path / FILE).mkdir()
    with pytest.raises(sqlite3.OperationalError):
        Books.open(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


def test_a_copy_is_up_to_date_and_writes_nothing(tmp_path: Path, journal: Journal, books: Books) -> None:
    """Looking at the books folds what is new in memory."""
    spend(journal, "A", 100, 30)
    books.catch_up()
    spend(journal, "B", 100, 5)
    copy = Books.copy(tmp_path)
    assert copy.catch_up() == {"host-w0-a": {ALL: Change(5, 0)}}
    copy.close()
    assert books.totals().settled == {ALL: 30}
    assert books.catch_up() == {"host-w0-a": {ALL: Change(5, 0)}}


FOLDER = """
import sys
from pathlib import Path
from routebook.edge.ledger.books import Books
books = Books.open(Path(sys.argv[1]))
while True:
    books.catch_up()
"""


def test_killing_the_folder_at_any_time_counts_nothing_twice_and_loses_nothing(tmp_path: Path) -> None:
    """How far was read and what it came to are one transaction."""
    journal = Journal(tmp_path, "host-w0-a", rotate_bytes=30_000)
    number = 0
    for _ in range(4):
        with subprocess.Popen([sys.executable, "-c", FOLDER, str(tmp_path)]) as folder:
            until = time.monotonic() + 0.6
            while time.monotonic() < until:
                spend(journal, str(number), 100, 7)
                number += 1
                time.sleep(0.0005)
            folder.kill()
    books = Books.open(tmp_path)
    books.catch_up()
    assert books.totals().settled == {ALL: 7 * number}
    assert (books.open_holds(), books.strays(), audit(tmp_path).faults) == ({}, [], ())
    books.close()
    journal.close()


DIES = """
import os, signal, sys
from pathlib import Path
from routebook.edge.ledger import books as module
from routebook.edge.ledger.books import Books
books = Books.open(Path(sys.argv[1]))
when, write = int(sys.argv[2]), Books._write
def dies(self, page):
    global when
    write(self, page)
    when -= 1
    if when < 0:
        os.kill(os.getpid(), signal.SIGKILL)
Books._write = dies
books.catch_up()
"""
"""Folds, and is killed when it has written but not committed the chunk of this number."""


@pytest.mark.parametrize("when", [0, 1, 3])
def test_killed_between_writing_and_committing(tmp_path: Path, when: int) -> None:
    """What was not committed is read again, and nothing else."""
    journal = Journal(tmp_path, "host-w0-a", rotate_bytes=1000)
    for number in range(40):
        spend(journal, str(number), 100, number)
    run = subprocess.run([sys.executable, "-c", DIES, str(tmp_path), str(when)], timeout=60, check=False)
    assert run.returncode == -signal.SIGKILL
    books = Books.open(tmp_path)
    assert books.behind() > 0
    books.catch_up()
    assert (books.totals().settled, books.open_holds()) == ({ALL: sum(range(40))}, {})
    books.close()
    journal.close()


POTS = ("budget/all/-", "budget/team/a", "tokens/t/-")
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["begin", "begin", "hold", "end", "end", "fold", "rotate", "restart", "remove"]),
        st.integers(0, 999),
    ),
    max_size=60,
)


class Model:
    """What the books must say, kept by hand beside two workers that write the journal."""

    def __init__(self, state_dir: Path) -> None:
        self.state_dir = state_dir
        self.journals = [Journal(state_dir, f"host-w{slot}-a", rotate_bytes=300 + 900 * slot) for slot in range(2)]
        self.books = Books.open(state_dir)
        self.settled: dict[tuple[str, int], int] = {}
        self.open: list[tuple[str, int, list[list[Any]]]] = []
        self.told: dict[tuple[str, int], list[int]] = {}
        self.number = 0

    def step(self, what: str, chance: int) -> None:
        """One thing happens."""
        slot = chance % 2
        match what:
            case "begin":
                self.number += 1
                held = [[pot, DAY + chance % 3, chance, chance // 2] for pot in POTS[: chance % 4]]
                begin(self.journals[slot], str(self.number), held)
                self.open.append((str(self.number), slot, held))
            case "hold" if self.open:
                identity, slot, _ = self.open.pop(chance % len(self.open))
                held = [[pot, DAY + chance % 5, chance, chance] for pot in POTS[: 1 + chance % 3]]
                self.journals[slot].held({"id": identity, "draws": held})
                self.open.append((identity, slot, held))
            case "end" if self.open:
                identity, slot, held = self.open.pop(chance % len(self.open))
                settled = [[pot, start, chance % 50] for pot, start, _, _ in held]
                end(self.journals[slot], identity, settled)
                for pot, start, amount in settled:
                    self.settled[pot, start] = self.settled.get((pot, start), 0) + amount
            case "fold":
                self.fold()
            case "restart":
                self.books.close()
                self.books = Books.open(self.state_dir)
            case "remove":
                self.fold()
                for path in segments(self.state_dir)[: chance % 3]:
                    if path.name not in {journal.segment for journal in self.journals}:
                        self.remove(path, dies=bool(chance % 4))

    def remove(self, path: Path, dies: bool) -> None:
        """Forget a segment, perhaps with a restart between all steps."""
        self.books.forget(path.name)
        if dies:
            self.step("restart", 0)
            self.fold()
            self.books.forget(path.name)
        path.unlink()
        self.books.let_go(path.name)

    def fold(self) -> None:
        """Read on, and add up what is told."""
        for counters in self.books.catch_up().values():
            for counter, change in counters.items():
                sums = self.told.setdefault(counter, [0, 0])
                sums[0] += change.settled
                sums[1] += change.held

    def check(self) -> None:
        """Books, changes told, audit and model are one."""
        self.fold()
        totals = self.books.totals()
        held: dict[tuple[str, int], int] = {}
        for _, _, rows in self.open:
            for pot, start, amount, _ in rows:
                held[pot, start] = held.get((pot, start), 0) + amount
        assert {key: value for key, value in totals.settled.items() if value} == {
            key: value for key, value in self.settled.items() if value
        }
        assert {key: sum(each.values()) for key, each in totals.held.items()} == held
        assert {key: sums for key, sums in self.told.items() if sums != [0, 0]} == {
            key: [self.settled.get(key, 0), held.get(key, 0)]
            for key in self.settled.keys() | held.keys()
            if self.settled.get(key, 0) or held.get(key, 0)
        }
        found = audit(self.state_dir)
        assert [fault for fault in found.faults if fault.code != "ledger.record-miscounted"] == []
        assert all(each.is_equal for each in found.sums)
        assert not [read for _, read in self.books.segments().values() if read == GONE]

    def close(self) -> None:
        """Leave nothing open."""
        self.books.close()
        for journal in self.journals:
            journal.close()


@given(STEPS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_happens_in_any_order_the_books_are_what_a_count_by_hand_is(steps: list[tuple[str, int]]) -> None:
    """Beginnings, later holds, endings, rotation, readings, restarts and removal of segments: exactly once, always."""
    with tempfile.TemporaryDirectory() as folder:
        model = Model(Path(folder))
        try:
            for what, chance in steps:
                model.step(what, chance)
            model.check()
        finally:
            model.close()


def test_a_journal_line_is_what_the_books_read(journal: Journal) -> None:
    """The helpers of these tests write what workers write: one JSON object a line, the event first."""
    spend(journal, "A", 100, 30)
    first, second = (json.loads(line) for line in (journal.folder / journal.segment).read_text().splitlines())
    assert (first["event"], second["event"]) == ("decided", "ended")
    assert first["hold"]["draws"] == [["budget/all/-", DAY, 100, 50]]
