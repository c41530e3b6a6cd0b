"""The journal: a line that was written survives its writer; a full disk refuses and forgets nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from routebook.edge.journal.segments import complete_lines, living, segment_names
from routebook.edge.journal.writer import Journal


def lines_of(state_dir: Path) -> list[dict[str, object]]:
    """Every complete line of a state directory's journal."""
    folder = state_dir / "journal"
    return [
        json.loads(text)
        for name in segment_names(folder)
        for chunk in complete_lines(folder / name, 0)
        for _, text in chunk
    ]


def run_python(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a program of a test in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, timeout=60, check=False
    )


def test_both_lines_are_json_objects_with_their_event(tmp_path: Path) -> None:
    """A record is two lines that a JSON reader understands, in the order in which they were written."""
    journal = Journal(tmp_path, "one")
    journal.decided({"id": "A", "rule": "r"})
    journal.ended({"id": "A", "end": "--"})
    assert lines_of(tmp_path) == [
        {"event": "decided", "id": "A", "rule": "r"},
        {"event": "ended", "id": "A", "end": "--"},
    ]
    journal.close()


WRITER = """
import sys
from pathlib import Path
from routebook.edge.journal.writer import Journal
journal = Journal(Path(sys.argv[1]), "writer", rotate_bytes=100_000)
number = 0
while True:
    journal.decided({"id": str(number), "facts": "x" * 6000})
    print(number, flush=True)
    number += 1
"""


def test_kill_9_loses_no_line_whose_write_returned(tmp_path: Path) -> None:
    """Whatever moment the writer is killed at, every line it had said to be written can be read."""
    for round_number in range(5):
        state_dir = tmp_path / str(round_number)
        with subprocess.Popen([sys.executable, "-c", WRITER, str(state_dir)], stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            said = [int(writer.stdout.readline()) for _ in range(50 + 37 * round_number)]
            os.kill(writer.pid, signal.SIGKILL)
            said += [int(text) for text in writer.stdout.read().split(b"\n") if text.strip()]
        written = {line["id"] for line in lines_of(state_dir)}
        assert {str(number) for number in said} <= written


def test_a_torn_line_is_passed_over(tmp_path: Path) -> None:
    """What a writer was killed in the middle of is no record, and does not hide the records before it."""
    journal = Journal(tmp_path, "one")
    journal.decided({"id": "A"})
    segment = journal.folder / journal.segment
    journal.close()
    with segment.open("ab") as file:
        file.write(b'{"event": "decided", "id": "B", "ru')
    assert [line["id"] for line in lines_of(tmp_path)] == ["A"]


def test_segments_rotate_by_size_and_nothing_is_lost_between_them(tmp_path: Path) -> None:
    """Segments stay near the size they may have, and together hold every line in order."""
    journal = Journal(tmp_path, "one", rotate_bytes=2000)
    for number in range(100):
        journal.decided({"id": number, "rule": "x" * 80})
    journal.close()
    sizes = [(tmp_path / "journal" / name).stat().st_size for name in segment_names(tmp_path / "journal")]
    assert len(sizes) > 4
    assert max(sizes) < 2200
    assert [line["id"] for line in lines_of(tmp_path)] == list(range(100))


def test_a_living_writer_is_known_and_a_dead_one_too(tmp_path: Path) -> None:
    """The lock on a segment tells whether the process that writes it lives; the kernel gives it back."""
    journal = Journal(tmp_path, "host-w0-abc")
    journal.decided({"id": "A"})
    assert living(tmp_path / "journal") == {"host-w0-abc"}
    journal.close()
    assert living(tmp_path / "journal") == set()


ROTATES = """
import sys, time
from pathlib import Path
from routebook.edge.journal.writer import Journal
journal = Journal(Path(sys.argv[1]), "host-w0-busy", rotate_bytes=100)
print("ready", flush=True)
while True:
    journal.decided({"id": "A", "facts": "x" * 100})
    time.sleep(0.001)
"""


def test_a_writer_that_goes_on_to_the_next_segment_is_never_taken_for_dead(tmp_path: Path) -> None:
    """Whatever moment one looks at: its records would be settled under its hands."""
    with subprocess.Popen([sys.executable, "-c", ROTATES, str(tmp_path)], stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        seen = [living(tmp_path / "journal") for _ in range(50)]
        writer.kill()
    assert seen == [{"host-w0-busy"}] * 50
    assert living(tmp_path / "journal") == set()


def test_segments_of_a_process_stand_in_their_order_whatever_the_clock_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is read first was written first, also where the clock was put back in between."""
    moments = iter([5_000_000_000_000, 3_000_000_000_000, 3_000_000_000_000, 4_000_000_000_000])
    monkeypatch.setattr("routebook.edge.journal.writer.time.time_ns", lambda: next(moments))
    journal = Journal(tmp_path, "one", rotate_bytes=10)
    for number in range(3):
        journal.decided({"id": number})
    journal.close()
    assert [line["id"] for line in lines_of(tmp_path)] == [0, 1, 2]


@pytest.mark.parametrize(
    "value",
    [
        "\ud800 half a pair",
        "line\nfeed",
        "\u2028",
        "\x1b[31m",
        "nul \x00",
        1 << 80,
        {"deep": ["\udfff"]},
        frozenset({"b", "a"}),
        b"bytes",
    ],
)
def test_whatever_a_client_sends_is_one_line_of_json(tmp_path: Path, value: object) -> None:
    """Nothing that came from outside breaks a line, raises, or makes it unreadable for a strict JSON reader."""
    journal = Journal(tmp_path, "one")
    journal.decided({"id": "A", "value": value})
    journal.decided({"id": "B"})
    journal.close()
    (segment,) = segment_names(tmp_path / "journal")
    text = (tmp_path / "journal" / segment).read_bytes().decode("utf-8")
    assert text.count("\n") == 2
    assert [json.loads(line)["id"] for line in text.split("\n")[:-1]] == ["A", "B"]


FULL = """
import json, resource, sys, time
from pathlib import Path
from routebook.edge.journal import writer as module
from routebook.edge.journal.writer import Journal, JournalUnavailable
module.RECOVERY_PAUSE = 0.05
module.RESERVE_BYTES = 20_000
limit = 40_000
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
journal = Journal(Path(sys.argv[1]), "one")
begun = []
try:
    while True:
        journal.decided({"id": len(begun), "facts": "x" * 500})
        begun.append(len(begun))
except JournalUnavailable as error:
    said = str(error)
for record in begun:
    journal.ended({"id": record})
refused = 0
for _ in range(3):
    try:
        journal.decided({"id": "while full"})
    except JournalUnavailable:
        refused += 1
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
time.sleep(0.1)
journal.decided({"id": "afterwards"})
print(json.dumps({"begun": len(begun), "said": said, "refused": refused, "full": journal.is_full}))
journal.close()
"""


def test_a_full_disk_refuses_new_requests_keeps_endings_and_recovers(tmp_path: Path) -> None:
    """With no room for a line `decided` raises, endings are kept and written as soon as there is room, none is torn."""
    run = run_python(FULL, str(tmp_path))
    assert run.returncode == 0, run.stderr
    outcome = json.loads(run.stdout.splitlines()[-1])
    assert outcome["begun"] > 50
    assert outcome["said"]
    assert outcome["refused"] == 3
    assert not outcome["full"]
    lines = lines_of(tmp_path)
    assert {line["id"] for line in lines if line["event"] == "decided"} == {*range(outcome["begun"]), "afterwards"}
    assert {line["id"] for line in lines if line["event"] == "ended"} == set(range(outcome["begun"]))


SMALL_DISK = """
import json, os, subprocess, sys
from pathlib import Path
from routebook.edge.journal.writer import Journal, JournalUnavailable
disk = Path(sys.argv[1])
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)], check=True)
journal = Journal(disk, "one")
begun = 0
try:
    while True:
        journal.decided({"id": begun, "facts": "x" * 2000})
        begun += 1
except JournalUnavailable as error:
    said = str(error)
for record in range(begun):
    journal.ended({"id": record})
owed = repr(journal)
lines = [json.loads(text) for text in (journal.folder / journal.segment).read_bytes().split(b"\\n")[:-1]]
print(json.dumps({"said": said, "begun": begun, "lines": len(lines), "owed": owed}))
"""


def test_endings_find_room_on_a_disk_that_is_really_full(tmp_path: Path) -> None:
    """On a disk of 2 MiB the space set aside takes the endings of everything that was begun."""
    probe = subprocess.run(["unshare", "-rm", "true"], capture_output=True, check=False)
    if probe.returncode != 0:
        pytest.skip("this machine lets nobody mount a small disk (unshare -rm)")
    run = subprocess.run(
        ["unshare", "-rm", sys.executable, "-c", SMALL_DISK, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    outcome = json.loads(run.stdout.splitlines()[-1])
    assert outcome["said"] == "no space left on device"
    assert outcome["begun"] > 300
    assert outcome["lines"] == 2 * outcome["begun"]
    assert "0 lines owed" in outcome["owed"]
