"""`routebook tap`: decisions as they come, filtered, from a real service's journal."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from routebook.edge.journal.tailing import Tail
from routebook.edge.journal.writer import DIRECTORY, Journal
from tests.support.asking import ask, chat
from tests.support.processes import plain_environment, run_command
from tests.support.proxy import RunningProxy, running_proxy, small_policy
from tests.support.upstream import Upstream

RULES = """\
  - {name: night-batch, when: {tags: {any: [batch]}}, route: {to: [large, small]}}
  - {name: night-other, when: {tags: {any: [none]}}, refuse: {status: 403}}
  - {name: everything, route: {to: [small]}}"""
SECONDS = 60.0


@asynccontextmanager
async def tapping(proxy: RunningProxy, *words: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """The command beside a service, from the moment on at which it listens."""
    tap = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "routebook", "tap", "--state-dir", str(proxy.state_dir), *words),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=plain_environment(),
    )
    assert tap.stderr is not None
    try:
        async with asyncio.timeout(SECONDS):
            assert b"listening" in await tap.stderr.readline()
        yield tap
    finally:
        if tap.returncode is None:
            tap.kill()
        await tap.communicate()


async def lines_of(tap: asyncio.subprocess.Process, count: int) -> list[str]:
    """So many lines of it."""
    assert tap.stdout is not None
    async with asyncio.timeout(SECONDS):
        return [(await tap.stdout.readline()).decode() for _ in range(count)]


async def test_a_rule_s_decisions_come_as_they_are_made(tmp_path: Path) -> None:
    """Those of rules that the glob names, each when it is decided and when it has ended, and none of the others."""
    async with Upstream() as upstream, running_proxy(tmp_path, small_policy(upstream.url, RULES)) as proxy:
        await ask(proxy.url, headers=[("x-routebook-tags", "batch")])
        async with tapping(proxy, "--rule", "night-*") as tap:
            await ask(proxy.url)
            asked = await ask(proxy.url, headers=[("x-routebook-tags", "batch")])
            decided, ended = await lines_of(tap, 2)
    identity = dict(asked.headers)["x-routebook-decision"]
    assert f"> {identity}" in decided and "night-batch" in decided and "small -> large, 1 behind it" in decided
    assert f"< {identity}" in ended and " 200 --" in ended


async def test_whole_records_of_what_ends_so(tmp_path: Path) -> None:
    """An outcome is known at the end: one line of JSON with both halves; `--limit` ends the command."""
    async with Upstream() as upstream, running_proxy(tmp_path, small_policy(upstream.url, RULES)) as proxy:
        words = ("--outcome", "4xx", "--client", "anon*", "--format", "json", "--limit", "1")
        async with tapping(proxy, *words) as tap:
            await ask(proxy.url)
            await ask(proxy.url, headers=[("x-routebook-tags", "none")])
            [line] = await lines_of(tap, 1)
            assert await asyncio.wait_for(tap.wait(), SECONDS) == 0
    said: dict[str, Any] = json.loads(line)
    assert said["event"] == "ended"
    assert said["decided"]["rule"] == "night-other" and said["ended"]["status"] == 403


async def test_a_model_is_the_one_that_serves(tmp_path: Path) -> None:
    """At the end a model's filter goes by who answered, not by who was asked for."""
    async with (
        Upstream() as upstream,
        running_proxy(tmp_path, small_policy(upstream.url, RULES)) as proxy,
        tapping(proxy, "--model", "s?all", "--phase", "ended") as tap,
    ):
        await ask(proxy.url, chat("large"), headers=[("x-routebook-tags", "batch")])
        await ask(proxy.url, chat("large"))
        [line] = await lines_of(tap, 1)
    assert "everything" in line and " 200 --" in line


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--outcome", "fine"), "`fine` is no outcome"),
        (("--outcome", "ok", "--phase", "decided"), "does not go with `--phase decided`"),
    ],
)
def test_filters_that_mean_nothing(words: tuple[str, ...], said: str) -> None:
    """Wrong use is exit code 2, with what would be right."""
    done = run_command("tap", *words)
    assert done.returncode == 2 and said in done.stderr


def test_a_directory_that_is_not_there(tmp_path: Path) -> None:
    """Nothing to listen to is exit code 1."""
    done = run_command("tap", "--state-dir", str(tmp_path / "nowhere"))
    assert done.returncode == 1 and "there is no" in done.stderr


def test_a_tail_reads_each_line_once(tmp_path: Path) -> None:
    """What stood there before is left out; a line that is being written is seen when it is whole, new segments too."""
    journal = Journal(tmp_path, "one")
    journal.decided({"id": "a"})
    [segment] = (tmp_path / DIRECTORY).glob("*.jsonl")
    with open(segment, "ab") as file:
        file.write(b'{"event":"dec')
        file.flush()
        tail = Tail(tmp_path)
        assert list(tail.lines()) == []
        file.write(b'ided","id":"b"}\n')
        file.flush()
        assert [line["id"] for line in tail.lines()] == ["b"]
    other = Journal(tmp_path, "two")
    other.decided({"id": "c"})
    assert [line["id"] for line in tail.lines()] == ["c"]
    assert list(tail.lines()) == []
    journal.close()
    other.close()
