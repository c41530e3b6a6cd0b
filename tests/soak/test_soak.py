"""The long run, short: that it runs, ends clean, and that what it judges by can find fault."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.soak import audit, where
from tests.soak.__main__ import complaints
from tests.soak.traffic import KINDS, NEVER_WHOLE
from tests.soak.watch import MIB, Sample, growth, slope
from tests.support.processes import plain_environment
from tests.support.proxy import Record

ROOT = Path(__file__).parents[2]


@pytest.mark.timeout(900)
def test_a_short_run_is_clean(tmp_path: Path) -> None:
    """Every kind of traffic is answered through reloads and faults, and the audit has nothing to say."""
    report = tmp_path / "report.json"
    done = subprocess.run(
        [sys.executable, "-m", "tests.soak", "--seconds", "15", "--clients", "8", "--report", str(report)],
        cwd=ROOT,
        env=plain_environment(),
        capture_output=True,
        text=True,
        timeout=800,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    said = json.loads(report.read_text())
    assert said["wrong"] == [] and said["audit"]["records"] > 0
    assert said["reloads"]["taken"] and said["reloads"]["rejected"]
    whole = {name: int(text.split()[0]) for name, text in said["by kind"].items()}
    assert whole.keys() == KINDS.keys()
    assert sum(whole[name] > 0 for name in KINDS.keys() - NEVER_WHOLE) > len(KINDS) / 2


def course(*resident: float) -> list[Sample]:
    """Samples a minute apart, in MiB, of a process with as many descriptors as minutes."""
    return [Sample(60.0 * number, int(each * MIB), number) for number, each in enumerate(resident)]


def test_a_slope_is_the_leak_and_not_the_step() -> None:
    """Steady growth is measured as it is; a single step of the allocator is none."""
    assert slope(course(*(50 + 0.1 * minute for minute in range(30)))) == pytest.approx(6, rel=0.01)
    assert slope(course(*[50.0] * 10, *[53.0] * 20)) == 0
    assert slope(course(*[50.0] * 28, 54.0, 54.0)) == 0
    assert growth(course(*[50.0] * 40)) == 30


def ended(status: int) -> dict[str, object]:
    """The second line of a record."""
    return {"status": status, "cost": 0}


def test_the_audit_finds_what_is_missing() -> None:
    """A record without an end, an answer without a record, and one whose record tells something else."""
    records = {"a": Record({}, ended(200)), "b": Record({}), "c": Record({}, ended(502))}
    assert audit.complete({"a": records["a"]}, ["a"]) == []
    assert audit.complete(records, ["a", "c", "d"]) == [
        "b was decided and has no end",
        "c was answered, and its record says 502",
        "d was answered and has no record",
    ]


def test_a_command_that_fails_is_a_finding(tmp_path: Path) -> None:
    """An audit that cannot be made is not a clean one."""
    found, _ = audit.commanded(tmp_path / "nowhere", "ledger", "verify")
    assert len(found) == 1 and "ends with 1" in found[0]


async def test_a_service_that_does_not_answer_is_a_finding() -> None:
    """What cannot be asked whether it holds anything is not at rest."""
    assert "does not answer" in (await audit.settled("http://127.0.0.1:9", 0.1))[0]


def test_errors_in_the_log_count() -> None:
    """But for rejected reloads, which the run brings about itself."""
    rejected, bug = '{"level":"error","event":"reload rejected"}', '{"level":"error","event":"bug"}'
    assert complaints(f"{rejected}\n{bug}\n") == [bug]


def test_what_grows_is_told_by_its_part(tmp_path: Path) -> None:
    """A process that is asked tells what its allocators have, live and free, and what waits for its garbage collector."""
    program = """
import asyncio, sys

class Circle:
    def __init__(self):
        self.itself = self

async def main():
    print("ready", flush=True)
    kept = []
    while line := await asyncio.to_thread(sys.stdin.readline):
        kept.append([bytes(4_000) for _ in range(2_000)])  # of the C library
        kept.append([(number, 1) for number in range(100_000)])  # of Python
        for _ in range(50):
            Circle()
        print("grown", flush=True)

import gc
gc.disable()
asyncio.run(main())
"""
    with subprocess.Popen(
        [sys.executable, "-c", program],
        env=plain_environment(where.environment(tmp_path)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        for number in range(2):
            process.stdout.readline()
            where.ask([process.pid])
            while len(lines := where.told(tmp_path, process.pid)) <= number:
                assert process.poll() is None
                time.sleep(0.02)
            process.stdin.write("\n")
            process.stdin.flush()
    found = where.grown(lines)
    assert found["C live"] == pytest.approx(8, abs=2) and found["Python live"] > 5
    assert lines[1]["circles"] - lines[0]["circles"] >= 50 and lines[1]["kinds"]["Circle"] == 50
