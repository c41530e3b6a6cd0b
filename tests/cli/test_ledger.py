"""`routebook ledger`: what the audit says and exits with, and the table of what was spent."""

from __future__ import annotations

import argparse
import asyncio
import csv
import io
import json
from pathlib import Path

import pytest
from aiohttp import web

from routebook.cli.ledger import owners_view
from routebook.cli.main import main
from routebook.edge.journal.writer import Journal
from routebook.edge.ledger.books import FILE, Books
from routebook.edge.processes.state import Running, announce, own
from tests.edge.ledger.ledgers import DAY, begin, draws, end, spend


@pytest.fixture
def state_dir(tmp_path: Path) -> Path:
    """A ledger with three records, one of them still held by a process that is gone."""
    journal = Journal(tmp_path, "host-w0-a")
    spend(journal, "A", 100, 30)
    spend(journal, "B", 100, 12, pot="budget/team/a\x1b[31mb")
    journal.close()
    books = Books.open(tmp_path)
    books.catch_up()
    books.close()
    return tmp_path


def test_a_right_ledger_is_equal(state_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 0, what was looked at, and that no service runs."""
    assert main(["ledger", "verify", "--state-dir", str(state_dir)]) == 0
    shown = capsys.readouterr().out
    assert "1 segments, 2 records" in shown and "no service runs" in shown
    assert shown.splitlines()[-1] == "equal"


def test_differences_are_named_and_are_the_exit_code(state_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With a code that `docs/errors.md` explains and the record's id; nothing that a terminal would obey."""
    journal = Journal(state_dir, "host-w0-b")
    end(journal, "A", [["budget/team/a\x1b[31mb", DAY, 30]], 30)
    journal.close()
    assert main(["ledger", "verify", "--state-dir", str(state_dir)]) == 1
    shown = capsys.readouterr().out
    assert "ledger.doubled-ending: the record ended twice\n  A\n" in shown
    assert "\x1b" not in shown
    assert shown.splitlines()[-1] == "1 differences"


def test_json_for_programs(state_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every counter with both counts, every fault with its records."""
    assert main(["ledger", "verify", "--state-dir", str(state_dir), "--format", "json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["equal"], shown["faults"], shown["owner"]) == (True, [], "no service runs")
    assert [(each["pot"], each["settled"], each["settled_again"]) for each in shown["counters"]] == [
        ("budget/all/-", 30, 30),
        ("budget/team/a\x1b[31mb", 12, 12),
    ]


async def test_a_running_owner_that_counts_otherwise_is_found(
    state_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where it stays so; an owner that says the same is no difference."""
    settled = 30

    async def ledger(_: web.Request) -> web.Response:
        counters = [
            {"pot": "budget/all/-", "start": DAY, "settled": settled, "drawn": 500},
            {"pot": "budget/team/a\x1b[31mb", "start": DAY, "settled": 12, "drawn": 12},
        ]
        return web.json_response({"holders": 2, "counters": counters})

    app = web.Application()
    app.add_routes([web.get("/ledger", ledger)])
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    address = "{}:{}".format(*runner.addresses[0][:2])
    lock = own(state_dir)
    try:
        announce(state_dir, Running(1, "127.0.0.1:1", address, "test"))
        asks = argparse.Namespace(state_dir=state_dir, admin_token_file=None)
        view = await asyncio.to_thread(owners_view, asks)
        assert (view.holders, view.counters[0].drawn) == (2, 500)
        verify = ["ledger", "verify", "--state-dir", str(state_dir)]
        assert await asyncio.to_thread(main, verify) == 0
        assert "owner    compared" in capsys.readouterr().out
        settled = 29
        assert await asyncio.to_thread(main, verify) == 1
        assert "the running owner has 29 settled, the journal says 30" in capsys.readouterr().out
    finally:
        import os

        os.close(lock)
        await runner.cleanup()


def test_export_is_read_by_a_csv_reader(state_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line a counter, with what the journal has gained since the books were written."""
    journal = Journal(state_dir, "host-w0-b")
    begin(journal, "C", draws(70))
    assert main(["ledger", "export", "--state-dir", str(state_dir)]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert next((row["pot"], row["settled"], row["held"]) for row in rows) == ("budget/all/-", "30", "70")
    assert rows[0]["from"] == "2026-11-21T00:00:00Z"
    journal.close()


def test_what_cannot_be_read_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A directory that is not there, and books that are none."""
    assert main(["ledger", "verify", "--state-dir", str(tmp_path / "nowhere")]) == 1
    assert "there is no" in capsys.readouterr().err
    (tmp_path / FILE).write_bytes(b"nonsense" * 1000)
    assert main(["ledger", "verify", "--state-dir", str(tmp_path)]) == 1
    assert "cannot be read" in capsys.readouterr().err
    assert (tmp_path / FILE).read_bytes() == b"nonsense" * 1000
