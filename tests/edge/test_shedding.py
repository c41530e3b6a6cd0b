"""More than a worker can take on: what is too much is told to come back, and the rest is served."""

from __future__ import annotations

import asyncio
import os
import resource
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest

from routebook.edge.shedding import RESERVED, Room
from tests.support.asking import ask, chat
from tests.support.processes import run_command
from tests.support.proxy import RunningProxy, in_process, running_proxy, small_policy
from tests.support.rawclient import Answer, RawClient, post
from tests.support.upstream import Hang, Pause, Play, Received, Until, Upstream, completion, reply

SERVED = 120
MOST = "settings: {max_requests: 4}"
PATHS = {
    "openai-chat": ("/v1/chat/completions", chat()),
    "anthropic": ("/v1/messages", {"model": "small", "max_tokens": 5, "messages": [{"role": "user", "content": "a"}]}),
    "gemini": ("/v1beta/models/small:generateContent", {"contents": [{"parts": [{"text": "a"}]}]}),
    "openai-responses": ("/v1/responses", {"model": "small", "input": "a"}),
}


@asynccontextmanager
async def busy(url: str, upstream: Upstream, count: int) -> AsyncIterator[None]:
    """So many requests under way, whose upstream says nothing, until the block ends."""
    before = len(upstream.requests)
    for _ in range(count):
        upstream.will([Hang()])
    tasks = [asyncio.create_task(ask(url, timeout=60.0)) for _ in range(count)]
    await upstream.arrivals(before + count)
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@pytest.mark.parametrize("dialect", PATHS)
async def test_one_too_many_is_told_to_come_back(tmp_path: Path, upstream: Upstream, dialect: str) -> None:
    """503 with `Retry-After`, in its dialect, before its body is read or anything is recorded; then it is served again."""
    path, body = PATHS[dialect]
    async with in_process(tmp_path, small_policy(upstream.url, more=MOST)) as proxy:
        async with busy(proxy.url, upstream, 4):
            answer = await ask(proxy.url, body, path)
            records = proxy.records()
        assert answer.status == 503 and answer.header("retry-after") == "1"
        assert "more is asked than can be served" in answer.body.decode()
        assert len(upstream.requests) == len(records) == 4
        assert proxy.gateway.metrics.snapshot()["routebook_requests_shed"] == [(("requests",), 1)]
        await proxy.ended_records(lambda found: len(found) == 4)
        assert (await ask(proxy.url, body, path)).status == 200


class Counting(Upstream):
    """An upstream that takes its time, and knows how many requests it had at the same time at most."""

    def __init__(self) -> None:
        super().__init__(self._slowly)
        self.now = self.most = 0

    def _slowly(self, request: Received) -> Play:
        self.now += 1
        self.most = max(self.most, self.now)
        asyncio.get_running_loop().call_later(0.05, self._over)
        return [Pause(0.05), *reply(completion("done"))]

    def _over(self) -> None:
        self.now -= 1


async def patient(url: str) -> list[int]:
    """Ask until it is served; every status on the way."""
    statuses = []
    async with RawClient(url) as client:
        while not statuses or statuses[-1] == 503:
            answer = await client.ask(post("/v1/chat/completions", chat()), 60)
            statuses.append(answer.status)
            if answer.status == 503:
                assert answer.header("retry-after") == "1"
                await asyncio.sleep(0.02)
    return statuses


async def test_ten_times_too_much(tmp_path: Path) -> None:
    """Forty clients where four can be served: nobody is lost who comes again, the upstream has what it can take, health
    answers, and the books tell each request that was served once."""
    async with Counting() as upstream, running_proxy(tmp_path, small_policy(upstream.url, more=MOST)) as proxy:
        asking = [asyncio.create_task(patient(proxy.url)) for _ in range(40)]
        assert (await proxy.get_admin("/healthz"))[0] == (await proxy.get_admin("/readyz"))[0] == 200
        statuses = await asyncio.gather(*asking)
        records = await proxy.ended_records(lambda found: len(found) == 40)
        _, metrics = await proxy.get_admin("/metrics")
    assert all(each[-1] == 200 and set(each[:-1]) <= {503} for each in statuses)
    shed = sum(len(each) - 1 for each in statuses)
    assert shed > 40 and f'routebook_requests_shed_total{{of="requests"}} {float(shed)}' in metrics
    assert upstream.most <= 4 and len(records) == 40


async def test_whoever_is_let_in_waits_for_nobody(tmp_path: Path) -> None:
    """Three of four places are held for good, and thirty-six clients ask for the fourth. Each is told at once that there is
    none, or is let in and served while the three still run: nobody stands in a queue, so that what is served takes as
    long as it does without the others, but for the little that each refusal costs."""
    held = asyncio.Event()
    async with Upstream() as upstream, running_proxy(tmp_path, small_policy(upstream.url, more=MOST)) as proxy:
        worker = max(proxy.children())
        for _ in range(20):
            assert (await ask(proxy.url)).status == 200
        before = processor_seconds(worker)
        for _ in range(SERVED):
            assert (await ask(proxy.url)).status == 200
        serving = processor_seconds(worker) - before
        for _ in range(3):
            upstream.will([Until(held), *reply(completion("held"))])
        holding = [asyncio.create_task(ask(proxy.url, timeout=120.0)) for _ in range(3)]
        await upstream.arrivals(20 + SERVED + 3, 30)
        statuses = [
            status for each in await asyncio.gather(*(patient(proxy.url) for _ in range(36))) for status in each
        ]
        assert not any(task.done() for task in holding) and statuses.count(200) == 36
        upstream.will([Until(held), *reply(completion("held"))])
        holding.append(asyncio.create_task(ask(proxy.url, timeout=120.0)))
        await upstream.arrivals(20 + SERVED + 3 + 36 + 1, 30)
        before = processor_seconds(worker)
        for _ in range(SERVED):
            assert (await ask(proxy.url)).status == 503
        shedding = processor_seconds(worker) - before
        held.set()
        assert [answer.status for answer in await asyncio.gather(*holding)] == [200] * 4
    assert shedding < serving


@contextmanager
def few_descriptors(count: int) -> Iterator[None]:
    """What is started in the block may have so many descriptors."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def tried(url: str) -> Answer | None:
    """What comes of asking on a connection of its own; None where it was closed unheard."""
    try:
        return await ask(url, timeout=60.0)
    except (ConnectionError, AssertionError, asyncio.IncompleteReadError, EOFError):
        return None


def processor_seconds(pid: int) -> float:
    """What a process has used of the processor."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def test_few_descriptors_are_shared_out(tmp_path: Path, upstream: Upstream) -> None:
    """With 256 of them, 64 requests run and 400 more are shed or not heard, none of them hanging; the worker waits without
    spinning, never runs out, and serves again when there is room."""
    with few_descriptors(256):
        start = running_proxy(tmp_path, small_policy(upstream.url))
        proxy: RunningProxy = await start.__aenter__()
    try:
        worker = max(proxy.children())
        async with busy(proxy.url, upstream, 64):
            answers = await asyncio.gather(*(tried(proxy.url) for _ in range(400)))
            served = [answer for answer in answers if answer is not None]
            assert served and all(each.status == 503 and each.header("retry-after") == "1" for each in served)
            assert len(os.listdir(f"/proc/{worker}/fd")) < 256
            before = processor_seconds(worker)
            await asyncio.sleep(2.0)
            assert processor_seconds(worker) - before < 1.0
        await proxy.ended_records(lambda found: len(found) == 64, timeout=30)
        assert (await ask(proxy.url)).status == 200
        assert "Too many open files" not in proxy.log and "out of system resource" not in proxy.log
    finally:
        await start.__aexit__(None, None, None)


@pytest.mark.parametrize("descriptors", [80, 256, 1024, 65536, 1 << 20])
def test_there_is_always_some_left(descriptors: int) -> None:
    """Requests, their upstreams' connections and those that are told to come back fit into what a process has."""
    room = Room.under(descriptors)
    assert room.requests >= 1
    assert room.requests + room.connections + room.more <= descriptors - RESERVED
    assert room.shed(room.requests, room.connections, None) is None
    assert room.shed(room.requests + 1, 1, None) == "requests" == room.shed(3, 3, 2)
    assert room.shed(1, room.connections + 1, None) == "connections"
    assert not room.is_full(room.connections + room.more) and room.is_full(room.connections + room.more + 1)


def test_an_http_library_with_known_holes_serves_nothing(tmp_path: Path) -> None:
    """`serve` ends at once with 1, the versions and what to do; `doctor` fails too."""
    (tmp_path / "sitecustomize.py").write_text(
        "import importlib.metadata as metadata\n"
        "known = metadata.version\n"
        "metadata.version = lambda name: '3.14.2' if name == 'aiohttp' else known(name)\n"
    )
    told = run_command(
        "serve", "--listen", "127.0.0.1:0", "--admin", "none", environment={"PYTHONPATH": str(tmp_path)}, cwd=tmp_path
    )
    assert told.returncode == 1, told.stderr
    assert "aiohttp 3.14.2" in told.stderr and "3.14.5 or newer" in told.stderr
    assert "[edge.library-too-old]" in told.stderr and not (tmp_path / "var").exists()
