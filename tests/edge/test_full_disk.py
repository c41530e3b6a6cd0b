"""A service whose journal cannot grow: it refuses what it could not record, says why, and recovers by itself."""

from __future__ import annotations

import asyncio
import json
import resource
from pathlib import Path

from tests.support.proxy import running_proxy, small_policy
from tests.support.rawclient import Answer, RawClient, post
from tests.support.upstream import Upstream

CHAT = post("/v1/chat/completions", {"model": "small", "messages": [{"role": "user", "content": "hello"}]})


async def ask(url: str) -> Answer:
    """One request on a connection of its own."""
    async with RawClient(url) as client:
        return await client.ask(CHAT)


async def test_a_full_disk_refuses_requests_and_loses_no_record(tmp_path: Path, upstream: Upstream) -> None:
    """503 with a code while there is no room, the upstream is not called; afterwards all records are complete."""
    async with running_proxy(tmp_path, small_policy(upstream.url)) as proxy:
        worker = json.loads((await proxy.get_admin("/policy"))[1])["workers"][0]["pid"]
        limits = resource.prlimit(worker, resource.RLIMIT_FSIZE)
        resource.prlimit(worker, resource.RLIMIT_FSIZE, (30_000, limits[1]))
        served = 0
        while (answer := await ask(proxy.url)).status == 200:
            served += 1
            assert served < 100
        assert served > 3
        assert (answer.status, answer.json()["error"]["code"]) == (503, "journal.unavailable")
        called = len(upstream.requests)
        assert called <= served + 1
        for _ in range(3):
            assert (await ask(proxy.url)).status == 503
        assert len(upstream.requests) == called
        assert (await proxy.get_admin("/healthz"))[0] == 200
        assert '"journal full"' in proxy.log
        assert "routebook_journal_refused_total 4.0" in (await proxy.get_admin("/metrics"))[1]
        resource.prlimit(worker, resource.RLIMIT_FSIZE, limits)
        await asyncio.sleep(1.1)
        assert (await ask(proxy.url)).status == 200
        records = await proxy.ended_records(lambda found: len(found) == called + 1)
        assert {record.ended["end"] for record in records.values() if record.ended} == {"--"}
