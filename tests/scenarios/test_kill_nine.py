"""kill -9 under load, twenty times: every answer whose last byte arrived has its record, and none is counted twice."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest

from tests.support.proxy import RunningProxy, read_records, running_proxy, small_policy
from tests.support.upstream import Upstream, answer_politely

ROUNDS = 20
CLIENTS = 12


@dataclass(slots=True)
class Heard:
    """Decisions whose answers arrived to the last byte."""

    whole: set[str] = field(default_factory=set)
    begun: int = 0


async def keep_asking(proxy: RunningProxy, streaming: bool, heard: Heard) -> None:
    """Ask until the proxy is gone; note each answer only when its last byte is here."""
    body = {"model": "any", "stream": streaming, "messages": [{"role": "user", "content": "hello"}]}
    async with aiohttp.ClientSession() as session:
        while True:
            heard.begun += 1
            try:
                async with session.post(f"{proxy.base_url}/chat/completions", json=body) as answer:
                    data = await answer.read()
            except aiohttp.ClientError:
                return
            if answer.status == 200 and (not streaming or data.endswith(b"data: [DONE]\n\n")):
                heard.whole.add(answer.headers["x-routebook-decision"])


async def kill_under_load(folder: Path, policy: str, chance: random.Random) -> Heard:
    """One round: load, then SIGKILL for the supervisor and every process below it at one moment."""
    heard = Heard()
    async with running_proxy(folder, policy, workers=1 + chance.randrange(2)) as proxy:
        clients = [asyncio.create_task(keep_asking(proxy, bool(n % 2), heard)) for n in range(CLIENTS)]
        await asyncio.sleep(chance.uniform(0.1, 0.6))
        family = [proxy.process.pid, *proxy.children()]
        chance.shuffle(family)
        for process in family:
            try:
                os.kill(process, signal.SIGKILL)
            except ProcessLookupError:
                pass
        await asyncio.wait_for(asyncio.gather(*clients), 30)
    return heard


@pytest.mark.timeout(600)
async def test_no_answer_that_arrived_is_without_its_record(tmp_path: Path) -> None:
    """Twenty kills at random moments over one state directory; then the records are held against what arrived."""
    chance = random.Random(2026)
    whole: set[str] = set()
    async with Upstream(answer_politely) as upstream:
        policy = small_policy(upstream.url)
        for _ in range(ROUNDS):
            heard = await kill_under_load(tmp_path, policy, chance)
            assert heard.whole, "a round without an answer shows nothing"
            records = read_records(tmp_path / "var")
            for identity in heard.whole:
                ended = records[identity].ended
                assert ended is not None and ended["end"] == "--", f"{identity}: {ended}"
            whole |= heard.whole
        async with running_proxy(tmp_path, policy) as proxy:
            records = await proxy.ended_records(timeout=20)
            shown = await proxy.command("decisions", "--state-dir", str(proxy.state_dir), "--limit", "100000",
                                        "--format", "json")
    listed = {json.loads(line)["id"] for line in shown.stdout.splitlines()}
    assert whole <= records.keys()
    assert whole <= listed, "the index does not hold what the journal holds"
    crashed = [record for identity, record in records.items() if identity not in whole]
    assert all(record.ended is not None for record in crashed)
