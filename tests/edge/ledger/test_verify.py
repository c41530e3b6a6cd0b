"""The audit: nothing to say of a ledger that is right, and every fault that is planted is named with its record."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from routebook.edge.journal.writer import Journal
from routebook.edge.ledger.books import FILE, Books
from routebook.edge.ledger.recount import Fault
from routebook.edge.ledger.verify import Audit, OwnersCounter, OwnersView, against_owner, as_json, audit
from tests.edge.ledger.ledgers import DAY, begin, draws, end, segments, spend
from tests.support.asking import ask
from tests.support.processes import run_command
from tests.support.proxy import in_process, small_policy
from tests.support.upstream import Upstream, event, stream

ALL = ("budget/all/-", DAY)


@pytest.fixture
def state_dir(tmp_path: Path) -> Path:
    """Ten records that are right, of a process that has ended; the books have read them."""
    journal = Journal(tmp_path, "host-w0-a")
    for number in range(10):
        spend(journal, f"R{number}", 100, number + 1)
    journal.close()
    fold(tmp_path)
    return tmp_path


def fold(state_dir: Path) -> None:
    """Let the books read what there is."""
    books = Books.open(state_dir)
    books.catch_up()
    books.close()


Edit = Callable[[dict[str, Any]], dict[str, Any] | None]


def rewrite(state_dir: Path, edit: Edit) -> None:
    """Change, or (None) remove, lines of the first segment; what follows stays where the books have read to."""
    path = segments(state_dir)[0]
    size = path.stat().st_size
    edited = [edit(json.loads(text)) for text in path.read_bytes().split(b"\n")[:-1]]
    texts = [json.dumps(line, separators=(",", ":")).encode() + b"\n" for line in edited if line is not None]
    whole = b"".join(texts)
    path.write_bytes(whole[:-1] + b" " * max(0, size - len(whole)) + b"\n")


def codes(found: Audit) -> set[str]:
    """The codes of what was found."""
    return {fault.code for fault in found.faults}


def one(found: Audit, code: str) -> Fault:
    """The fault of this code."""
    (fault,) = [fault for fault in found.faults if fault.code == code]
    return fault


def test_a_ledger_that_is_right_is_equal(state_dir: Path) -> None:
    """Books, journal and records say the same."""
    found = audit(state_dir)
    assert (found.faults, found.records, found.segments, found.behind) == ((), 10, 1, 0)
    assert [(each.counter, each.settled, each.held) for each in found.sums] == [(ALL, 55, 0)]
    assert as_json(found)["equal"] is True


def test_a_state_directory_without_a_ledger_is_equal(tmp_path: Path) -> None:
    """Nothing was spent, and nothing says otherwise."""
    assert audit(tmp_path).faults == ()


def test_what_the_books_have_not_read_yet_is_no_difference(state_dir: Path) -> None:
    """They are compared as far as they have read."""
    journal = Journal(state_dir, "host-w0-b")
    spend(journal, "later", 100, 5)
    begin(journal, "open", draws(100))
    found = audit(state_dir)
    assert (found.faults, found.behind > 0) == ((), True)
    fold(state_dir)
    end(journal, "open", [["budget/all/-", DAY, 7]], 7)
    assert audit(state_dir).faults == ()
    journal.close()


def _tampered(line: dict[str, Any]) -> dict[str, Any]:
    if line["id"] == "R3" and line["event"] == "ended":
        return line | {"settled": [["budget/all/-", DAY, 1]]}
    return line


def test_a_changed_amount_is_found(state_dir: Path) -> None:
    """In the record, which cost something else, and in the counter, with the segment."""
    rewrite(state_dir, _tampered)
    found = audit(state_dir)
    assert codes(found) == {"ledger.record-miscounted", "ledger.settled-differs"}
    assert one(found, "ledger.record-miscounted").records == ("R3",)
    words = one(found, "ledger.settled-differs").words
    assert "55 are settled in the books, 52 by the journal" in words and "host-w0-a" in words


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        ("decided", {"ledger.ending-without-beginning", "ledger.settled-differs"}),
        ("ended", {"ledger.beginning-without-ending", "ledger.settled-differs", "ledger.held-differs"}),
    ],
)
def test_a_removed_line_is_found(state_dir: Path, event: str, expected: set[str]) -> None:
    """A beginning or an ending that is gone is named by the line that is left."""
    rewrite(state_dir, lambda line: None if (line["id"], line["event"]) == ("R3", event) else line)
    found = audit(state_dir)
    assert codes(found) - {"ledger.segment-cut"} >= expected
    assert all(fault.records == ("R3",) for fault in found.faults if fault.records)


def test_a_doubled_ending_is_found(state_dir: Path) -> None:
    """It counts once, and is named."""
    journal = Journal(state_dir, "host-w0-b")
    end(journal, "R3", [["budget/all/-", DAY, 4]], 4)
    journal.close()
    fold(state_dir)
    found = audit(state_dir)
    assert [(fault.code, fault.records) for fault in found.faults] == [("ledger.doubled-ending", ("R3",))]


def test_a_doubled_beginning_is_found(state_dir: Path) -> None:
    """An id stands for one request."""
    journal = Journal(state_dir, "host-w0-b")
    begin(journal, "R3", ())
    journal.close()
    fold(state_dir)
    assert one(audit(state_dir), "ledger.doubled-beginning").records == ("R3",)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ("UPDATE spent SET amount = amount + 1", "ledger.settled-differs"),
        ("DELETE FROM spent", "ledger.settled-differs"),
        ("INSERT INTO spent VALUES ('budget/b/-', 0, 'x', 1, 5, 0)", "ledger.settled-differs"),
        ("INSERT INTO hold VALUES ('R3', 'host-w0-a', 'budget/all/-', 0, 5, 5)", "ledger.held-differs"),
    ],
)
def test_a_tampered_counter_is_found(state_dir: Path, change: str, code: str) -> None:
    """Whatever is changed in the books, in either direction."""
    with sqlite3.connect(state_dir / FILE) as database:
        database.execute(change)
    database.close()
    assert codes(audit(state_dir)) == {code}


def test_a_hold_of_a_dead_process_is_found(state_dir: Path) -> None:
    """Until a service has settled it; one of a living process is as it should be."""
    journal = Journal(state_dir, "host-w0-b")
    begin(journal, "open", draws(100))
    fold(state_dir)
    assert audit(state_dir).faults == ()
    journal.close()
    fault = one(audit(state_dir), "ledger.beginning-without-ending")
    assert fault.records == ("open",) and "100 of `budget/all/-`" in fault.words


def test_a_segment_that_is_gone_or_cut_is_found(state_dir: Path) -> None:
    """A journal that lost something cannot prove the books."""
    path = segments(state_dir)[0]
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert "ledger.segment-cut" in codes(audit(state_dir))
    path.unlink()
    assert {"ledger.segment-missing", "ledger.settled-differs"} <= codes(audit(state_dir))


def test_spoilt_lines_are_counted(state_dir: Path) -> None:
    """They might have held money."""
    with segments(state_dir)[0].open("ab") as file:
        file.write(b"garbage\n")
    assert codes(audit(state_dir)) == {"ledger.unreadable-line"}


MISCOUNTED: list[tuple[str, list[list[Any]], list[list[Any]] | None, dict[str, Any], bool]] = [
    ("money", draws(100), [["budget/all/-", DAY, 7]], {"cost": 7}, True),
    ("money that is not the cost", draws(100), [["budget/all/-", DAY, 7]], {"cost": 8}, False),
    ("an unknown price books the hold", draws(100), [["budget/all/-", DAY, 100]], {"cost": 8, "unpriced": ["x"]}, True),
    ("less than the known part", draws(100), [["budget/all/-", DAY, 7]], {"cost": 8, "unpriced": ["x"]}, False),
    ("tokens", draws(100, pot="tokens/t/-"), [["tokens/t/-", DAY, 15]], {}, True),
    ("tokens that were not used", draws(100, pot="tokens/t/-"), [["tokens/t/-", DAY, 14]], {}, False),
    ("a request", draws(1, pot="requests/r/-"), [["requests/r/-", DAY, 1]], {}, True),
    ("a request that did not count", draws(1, pot="requests/r/-"), [["requests/r/-", DAY, 0]], {}, True),
    ("two for one", draws(1, pot="requests/r/-"), [["requests/r/-", DAY, 2]], {}, False),
    ("nothing held", [], [["budget/all/-", DAY, 7]], {"cost": 7}, False),
    ("nothing settled", draws(100), [], {}, False),
    ("nothing said", draws(100), None, {}, False),
    ("the dead", draws(100), [["budget/all/-", DAY, 50]], {"cost": 50, "crashed": True}, True),
    ("the dead, otherwise", draws(100), [["budget/all/-", DAY, 100]], {"cost": 100, "crashed": True}, False),
    (
        "a failed call that cost something, each model by itself",
        [["budget/m/a", DAY, 100, 0], ["budget/m/b", DAY, 100, 0]],
        [["budget/m/a", DAY, 3], ["budget/m/b", DAY, 7]],
        {"cost": 10, "attempts": [{"cost": 3}, {}], "cost_parts": {"lost": 3}},
        True,
    ),
    (
        "the same, counted wrong",
        [["budget/m/a", DAY, 100, 0], ["budget/m/b", DAY, 100, 0]],
        [["budget/m/a", DAY, 4], ["budget/m/b", DAY, 6]],
        {"cost": 10, "attempts": [{"cost": 3}, {}], "cost_parts": {"lost": 3}},
        False,
    ),
]


@pytest.mark.parametrize(
    ("held", "settled", "more", "right"), [each[1:] for each in MISCOUNTED], ids=[each[0] for each in MISCOUNTED]
)
def test_records_are_held_against_their_own_cost_and_usage(
    tmp_path: Path, held: list[list[Any]], settled: list[list[Any]] | None, more: dict[str, Any], right: bool
) -> None:
    """Money is the cost, tokens are input and output, requests are calls, and the dead are booked as their hold says."""
    journal = Journal(tmp_path, "host-w0-a")
    begin(journal, "R", held)
    end(journal, "R", settled, **more)
    journal.close()
    fold(tmp_path)
    found = [fault for fault in audit(tmp_path).faults if fault.code == "ledger.record-miscounted"]
    assert (not found) is right
    assert {record for fault in found for record in fault.records} <= {"R"}


def test_a_running_owner_is_held_against_the_journal(state_dir: Path) -> None:
    """Settled must be the same; drawn is what is settled, held and granted, so it may be more and never less."""
    journal = Journal(state_dir, "host-w0-b")
    begin(journal, "open", draws(100))

    def view(settled: int, drawn: int) -> OwnersView:
        return OwnersView((OwnersCounter("budget/all/-", DAY, settled, drawn),))

    assert list(against_owner(state_dir, view(55, 155))) == []
    assert list(against_owner(state_dir, view(55, 500))) == []
    assert [fault.code for fault in against_owner(state_dir, view(54, 155))] == ["ledger.owner-differs"]
    assert [fault.code for fault in against_owner(state_dir, view(55, 154))] == ["ledger.owner-differs"]
    journal.close()


async def test_tokens_of_a_call_that_failed_are_no_fault(tmp_path: Path, upstream: Upstream) -> None:
    """A single call that may have been billed and brought no answer used its prompt, with or without a price."""
    text = small_policy(upstream.url, more="budgets: {tokens: {limit: 1M tokens, window: day}}")
    async with in_process(tmp_path, text) as proxy:
        upstream.will(stream([event({"error": {"message": "no"}})]))
        assert (await ask(proxy.url, stream=True)).status == 502
        record = await proxy.only_record()
    assert record.ended is not None and record.ended["settled"][0][2] > 0
    told = run_command("ledger", "verify", "--state-dir", str(proxy.state_dir))
    assert told.returncode == 0, told.stdout
