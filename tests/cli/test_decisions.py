"""`routebook decisions`: what was decided, listed from a state directory with or without a service."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from routebook.documents.visible import visible
from routebook.edge.journal.records import first_id, read_since
from routebook.edge.journal.writer import Journal
from tests.support.proxy import run_command


@pytest.fixture
def state_dir(tmp_path: Path) -> Path:
    """A state directory with three records, as a service that was killed leaves it: no index."""
    journal = Journal(tmp_path, "host-w0-a")
    for number, (client, status, end) in enumerate(
        [("ann", 200, "--"), ("bob", 429, "UH"), ("ann\x1b[31m", 200, "--")]
    ):
        write(journal, number, client, status, end)
    journal.close()
    return tmp_path


def write(journal: Journal, number: int, client: str, status: int, end: str) -> str:
    """One record; its id."""
    identity = first_id(time.time() - 100 + number)
    journal.decided(
        {
            "id": identity,
            "time": "2026-11-21T10:00:00.000Z",
            "client": client,
            "rule": "r",
            "requested": "auto",
            "operation": "chat",
            "stream": True,
            "policy": "d" * 16,
        }
    )
    journal.ended(
        {
            "id": identity,
            "status": status,
            "end": end,
            "model": "small",
            "cost": 1_500_000,
            "input": 10,
            "output": 5,
            "seconds": 0.25,
        }
    )
    return identity


def listed(state_dir: Path, *arguments: str) -> list[dict[str, object]]:
    """What the command lists."""
    command = run_command("decisions", "--state-dir", str(state_dir), "--format", "json", *arguments)
    assert command.returncode == 0, command.stderr
    return [json.loads(line) for line in command.stdout.splitlines()]


def test_json_is_one_object_a_line_newest_first(state_dir: Path) -> None:
    """Programs read every column; money is nano-dollars, time is seconds."""
    rows = listed(state_dir)
    assert [row["client"] for row in rows] == ["ann\x1b[31m", "bob", "ann"]
    assert (rows[0]["cost"], rows[0]["input"], rows[0]["output"], rows[0]["seconds"]) == (1_500_000, 10, 5, 0.25)


def test_filters_and_pages(state_dir: Path) -> None:
    """Filters hold together; `--before` goes on where a page ended."""
    assert [row["status"] for row in listed(state_dir, "--status", "4xx")] == [429]
    assert len(listed(state_dir, "--client", "ann", "--end", "ok")) == 1
    assert [row["end"] for row in listed(state_dir, "--failed")] == ["UH"]
    assert len(listed(state_dir, "--since", "5m")) == 3
    assert listed(state_dir, "--since", "10s") == []
    (newest,) = listed(state_dir, "--limit", "1")
    assert [row["client"] for row in listed(state_dir, "--before", str(newest["id"]))] == ["bob", "ann"]


def test_text_is_a_table_that_no_name_can_break(state_dir: Path) -> None:
    """What a terminal would obey is written out."""
    command = run_command("decisions", "--state-dir", str(state_dir))
    lines = command.stdout.splitlines()
    assert lines[0].split()[:4] == ["id", "time", "client", "rule"]
    assert len(lines) == 4
    assert "\x1b" not in command.stdout
    assert "ann\\x1b[31m" in lines[1]
    assert "$0.001500" in lines[1] and "10+5" in lines[1]


def test_csv_is_read_by_a_csv_reader(state_dir: Path) -> None:
    """A heading and a line for each record."""
    command = run_command("decisions", "--state-dir", str(state_dir), "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(command.stdout)))
    assert [row["status"] for row in rows] == ["200", "429", "200"]


@pytest.mark.parametrize("arguments, word", [(["--status", "4"], "`4`"), (["--since", "yesterday"], "`yesterday`")])
def test_a_filter_that_cannot_be_read_is_a_wrong_command_line(state_dir: Path, arguments: list[str], word: str) -> None:
    """Exit code 2, and the word that was written."""
    command = run_command("decisions", "--state-dir", str(state_dir), *arguments)
    assert (command.returncode, command.stdout) == (2, "")
    assert word in command.stderr


def test_a_directory_that_is_not_there_is_said(tmp_path: Path) -> None:
    """Rather than an empty list."""
    command = run_command("decisions", "--state-dir", str(tmp_path / "nowhere"))
    assert command.returncode == 1
    assert "there is no" in command.stderr


def test_follow_shows_a_record_when_it_ends(state_dir: Path) -> None:
    """Old ones first, oldest on top; then each new one once, within a moment of its end."""
    with subprocess.Popen(
        [sys.executable, "-m", "routebook", "decisions", "--state-dir", str(state_dir), "--follow", "--format", "json"],
        stdout=subprocess.PIPE,
        text=True,
    ) as following:
        assert following.stdout is not None
        old = [json.loads(following.stdout.readline())["client"] for _ in range(3)]
        assert old == ["ann", "bob", "ann\x1b[31m"]
        journal = Journal(state_dir, "host-w0-b")
        for number in range(3):
            identity = write(journal, 50 + number, "new", 200, "--")
            assert json.loads(following.stdout.readline())["id"] == identity
        journal.close()
        following.terminate()


def test_since_reads_ages_and_dates() -> None:
    """An age counts from now; a date with a zone is that instant."""
    assert read_since("15m", 10_000.0) == 9_100.0
    assert read_since("2d", 200_000.0) == 27_200.0
    assert read_since("2026-11-21T10:00:00+00:00", 0.0) == 1_795_255_200.0


@pytest.mark.parametrize(
    "text, shown",
    [
        (None, ""),
        ("plain", "plain"),
        ("a\nb", "a\\nb"),
        ("\u202e", "\\u202e"),
        ("\u2028", "\\u2028"),
        ("ünï", "ünï"),
        (3, "3"),
    ],
)
def test_visible(text: object, shown: str) -> None:
    """Control and direction characters are written out, letters of any language stay."""
    assert visible(text) == shown
