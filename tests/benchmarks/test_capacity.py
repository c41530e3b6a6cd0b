"""How many workers a load needs: the reckoning, and the page that tells of it."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import pytest

from bench.capacity import BUSIEST, RESULTS, Load, delays_of, load_measured, need, request_seconds, stored, work
from bench.capacity_page import PAGE, blocks
from bench.pages import block
from bench.queues import quantile

MEASURED = load_measured()


def test_the_page_holds_what_was_measured_and_reckoned() -> None:
    """All its blocks are what the stored measurement gives."""
    page = PAGE.read_text()
    for name, text in blocks(MEASURED).items():
        assert block(page, name) == text
    assert json.loads(stored(MEASURED)) == MEASURED


@pytest.mark.parametrize("run", MEASURED["runs"], ids=lambda run: f"{run['rate']} a second")
def test_the_reckoning_against_a_real_proxy(run: dict[str, float]) -> None:
    """Asked at random moments, it delayed the middle request and nine of ten as reckoned, to a factor of two."""
    reckoned, found = delays_of(MEASURED, run)
    assert 0.2 < run["rate"] * (run["worker_us"] + run["owner_us"]) / 1e6 < 0.95
    for share in (50, 90):
        assert 0.5 < quantile(reckoned, share / 100) / found[share] < 2


@pytest.mark.parametrize(
    "load", [Load(50), Load(5000), Load(400, stream_seconds=8), Load(300, prompt="large")], ids=str
)
def test_what_a_load_needs(load: Load) -> None:
    """Delays and business are within what was asked for; twice the load needs more of everything that grows with it."""
    found = need(MEASURED, load)
    assert found.added_p50 <= found.added_p99 <= load.p99 and found.busy <= BUSIEST
    assert found.workers >= work(MEASURED, load)
    twice = need(MEASURED, dataclasses.replace(load, rps=2 * load.rps))
    assert twice.workers >= found.workers and twice.under_way == 2 * found.under_way
    assert twice.memory_mib > found.memory_mib and twice.journal_gb_a_day > found.journal_gb_a_day


def test_less_delay_takes_more_workers() -> None:
    """And one that a request alone already takes cannot be had."""
    load = Load(4000)
    alone = need(MEASURED, Load(1, p99=1000)).added_p99
    eager = need(MEASURED, dataclasses.replace(load, p99=1.5 * alone))
    assert eager.workers > need(MEASURED, dataclasses.replace(load, p99=20 * alone)).workers
    with pytest.raises(ValueError, match="alone"):
        need(MEASURED, dataclasses.replace(load, p99=request_seconds(MEASURED) * 100))


def test_hosts_share_a_redis_and_one_does_not() -> None:
    """It is asked only where there are several."""
    few, many = need(MEASURED, Load(20)), need(MEASURED, Load(20_000))
    assert few.hosts == 1 and few.redis_commands == 0
    assert many.hosts > 1 and many.redis_commands > 0 and many.supervisor < BUSIEST


def test_the_command(tmp_path: Path) -> None:
    """In words, and for programs; without a load it is used wrongly."""

    def ask(*words: str) -> subprocess.CompletedProcess[str]:
        script = RESULTS.parents[1] / "capacity.py"
        return subprocess.run(
            [sys.executable, str(script), *words], capture_output=True, text=True, cwd=tmp_path, check=False
        )

    said = ask("--rps", "200", "--stream-seconds", "4")
    assert said.returncode == 0 and "200 requests a second" in said.stdout and "workers" in said.stdout
    found = json.loads(ask("--rps", "200", "--stream-seconds", "4", "--format", "json").stdout)
    assert found == dataclasses.asdict(need(MEASURED, Load(200, stream_seconds=4)))
    assert ask().returncode == 2
    assert ask("--rps", "200", "--p99", "0.01").returncode == 1
