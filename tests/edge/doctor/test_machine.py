"""The machine and its libraries: what is said of limits, versions and clocks, and that the real ones are read."""

from __future__ import annotations

import os
import resource
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routebook.edge.doctor import machine
from routebook.edge.doctor.finding import Finding, Verdict
from tests.support.proxy import running_proxy, small_policy

ORDER = [Verdict.FAIL, Verdict.WARN, Verdict.OK]


@given(st.integers(0, 1 << 20), st.integers(0, 1 << 20))
def test_more_descriptors_are_never_worse(one: int, other: int) -> None:
    """The verdict rises with the limit, and whatever is not well comes with advice."""
    few, many = (machine.judged_descriptors(limit, "it") for limit in sorted((one, other)))
    assert ORDER.index(few.verdict) <= ORDER.index(many.verdict)
    assert all((each.advice is None) == (each.verdict is Verdict.OK) for each in (few, many))


def test_the_limit_of_this_process_is_read(tmp_path: Path) -> None:
    """Without a service, it is that of whoever asks."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    assert f"this shell may have {limit:,} descriptors" in machine.descriptors(tmp_path).says


async def test_the_limit_of_the_service_is_read(tmp_path: Path) -> None:
    """With one, it is the service's, whatever the shell may have."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    async with running_proxy(tmp_path, small_policy("http://127.0.0.1:9/v1")) as proxy:
        resource.prlimit(proxy.process.pid, resource.RLIMIT_NOFILE, (2048, hard))
        found = machine.descriptors(proxy.state_dir)
    assert found.verdict is Verdict.WARN
    assert f"the service (process {proxy.process.pid}) may have 2,048 descriptors" in found.says


@pytest.mark.parametrize(
    ("version", "verdict"),
    [
        ("3.14.5", Verdict.OK),
        ("3.14.10", Verdict.OK),
        ("4.0.0rc1", Verdict.OK),
        ("3.14.4", Verdict.FAIL),
        ("3.9.5", Verdict.FAIL),
        ("3.14", Verdict.FAIL),
    ],
)
def test_the_floor_of_aiohttp(version: str, verdict: Verdict) -> None:
    """Compared number by number, not letter by letter."""
    assert machine.judged_version(version).verdict is verdict


def test_what_is_installed_is_good_enough() -> None:
    """The versions that the tests run on pass their own check."""
    assert machine.aiohttp_version().verdict is Verdict.OK


def test_the_parser_in_python_is_told(tmp_path: Path) -> None:
    """aiohttp without its extensions, in a process of its own."""
    from tests.support.processes import run_command

    done = run_command(
        "doctor", "--offline", "--state-dir", str(tmp_path), environment={"AIOHTTP_NO_EXTENSIONS": "1"}, cwd=tmp_path
    )
    [line] = [line for line in done.stdout.splitlines() if " parser " in line]
    assert line.startswith("warn")


@pytest.mark.parametrize(
    ("newest", "synchronised", "verdict"),
    [
        (0.0, True, Verdict.OK),
        (0.0, None, Verdict.OK),
        (0.0, False, Verdict.WARN),
        (1030.0, True, Verdict.OK),
        (5000.0, True, Verdict.FAIL),
    ],
)
def test_clocks(newest: float, synchronised: bool | None, verdict: Verdict) -> None:
    """One that went back behind the journal is worse than one that nobody keeps."""
    assert machine.judged_clock(1000.0, newest, synchronised).verdict is verdict


def test_a_journal_from_the_future_is_seen(tmp_path: Path) -> None:
    """By the time at which its segments were last written."""
    (tmp_path / "journal").mkdir()
    segment = tmp_path / "journal" / "a.jsonl"
    segment.write_text("")
    now = time.time()
    os.utime(segment, (now + 3600, now + 3600))
    found: Finding = machine.clock(tmp_path, now)
    assert found.verdict is Verdict.FAIL and "3,600 s before" in found.says
