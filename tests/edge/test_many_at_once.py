"""Clients that drip, pile up or send too much, many of them at once: bounded in memory and in time, and others are served."""

from __future__ import annotations

import asyncio
import resource
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.support.asking import CHAT, ask, chat
from tests.support.proxy import in_process, running_proxy, small_policy
from tests.support.rawclient import RawClient, post
from tests.support.upstream import Upstream, event, stream

MIB = 1024 * 1024


def resident(pid: int) -> int:
    """Memory that a process has in use, in bytes."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096


@pytest.mark.parametrize("chunked", [False, True], ids=["declared", "chunked"])
async def test_a_body_over_the_limit_is_not_held(tmp_path: Path, upstream: Upstream, chunked: bool) -> None:
    """64 MiB for a limit of 1 MiB: 413, the connection is closed, and the worker's memory grows by the limit at most a few
    times, not by what was sent."""
    policy = small_policy(upstream.url, more="settings: {max_body: 1MiB}")
    framing = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {64 * MIB}"
    head = f"POST {CHAT} HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\n{framing}\r\n\r\n".encode()
    piece = b" " * (64 * 1024)
    wire = b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece
    async with running_proxy(tmp_path, policy) as proxy:
        assert (await ask(proxy.url)).status == 200
        worker = max(proxy.children())
        before = most = resident(worker)
        async with RawClient(proxy.url) as client:
            await client.send(head)
            try:
                for _ in range(64 * MIB // len(piece)):
                    await client.send(wire)
                    most = max(most, resident(worker))
            except OSError:
                pass
            answer = await client.answer(30)
            assert answer.status == 413 and answer.header("connection") == "close"
        assert most - before < 8 * MIB
        assert (await ask(proxy.url)).status == 200
    assert len(upstream.requests) == 2


async def test_pipelined_requests_are_bounded_in_memory(tmp_path: Path, upstream: Upstream) -> None:
    """A thousand requests are written at once on one connection: answered in their order, none at the expense of memory."""
    async with running_proxy(tmp_path, small_policy(upstream.url)) as proxy:
        assert (await ask(proxy.url)).status == 200
        worker = max(proxy.children())
        before = most = resident(worker)
        async with RawClient(proxy.url) as client:
            wire = b"".join(post(CHAT, chat(text=f"number {number}" + "x" * 4096)) for number in range(1000))
            sending = asyncio.create_task(client.send(wire))
            for _ in range(1000):
                answer = await client.answer(60)
                assert answer.status == 200
                most = max(most, resident(worker))
            await sending
        assert most - before < 16 * MIB
    asked = [request.json()["messages"][0]["content"].split("x")[0] for request in upstream.requests[1:]]
    assert asked == [f"number {number}" for number in range(1000)]


READERS = 200


async def test_two_hundred_that_do_not_read_are_dropped_and_take_little_memory(tmp_path: Path) -> None:
    """Each is sent a megabyte a second and more, and takes nothing: until all of them are dropped the worker's memory grows
    by less than 200 KiB for each, upstreams included, and each record says that it was the client."""
    said = [b"".join(event({"filler": "x" * 8100, "n": number}) for number in range(8))] * 150
    policy = small_policy("http://127.0.0.1:1/v1", more="settings: {stream: {stall: 2s}}")
    async with Upstream(lambda _: stream(said, pause=0.06)) as upstream, AsyncExitStack() as stack:
        policy = policy.replace("http://127.0.0.1:1/v1", upstream.url)
        proxy = await stack.enter_async_context(running_proxy(tmp_path, policy))
        async with RawClient(proxy.url) as client:
            await client.send(post(CHAT, chat(stream=True)))
            await client.head()
        await proxy.ended_records(lambda found: len(found) == 1, 30)
        worker = max(proxy.children())
        before = most = resident(worker)
        for _ in range(READERS):
            slow = await stack.enter_async_context(RawClient(proxy.url, receive_buffer=4096))
            await slow.send(post(CHAT, chat(stream=True)))
        while len(ended := [each.ended for each in proxy.records().values() if each.ended]) <= READERS:
            most = max(most, resident(worker))
            await asyncio.sleep(0.1)
    assert most - before < READERS * 200 * 1024
    assert [each["error"] for each in ended].count("client.stalled") == READERS


WHOLE = post(CHAT, chat())
KINDS = {
    "connected only": b"",
    "half a head": b"POST /v1/chat/completions HTTP/1.1\r\nHost: te",
    "half a body": WHOLE[:-10],
}
MANY = 1000


@pytest.mark.parametrize("kind", KINDS)
async def test_a_thousand_that_drip_are_ended_and_others_are_served(
    tmp_path: Path, upstream: Upstream, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thousand clients that stop before their request is whole, those with a head a byte at a time: each is ended when
    its time is over (of a body it hears 408), and meanwhile whoever asks is served."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 8192)), hard))
    monkeypatch.setattr("routebook.edge.server.KEEPALIVE", 3.0)
    policy = small_policy(upstream.url, more="settings: {body_timeout: 3s}")
    try:
        async with in_process(tmp_path, policy) as proxy, AsyncExitStack() as stack:
            slow = [await stack.enter_async_context(RawClient(proxy.url)) for _ in range(MANY)]
            dripping = [asyncio.create_task(drip(client, KINDS[kind])) for client in slow]
            served = 0
            while not all(task.done() for task in dripping):
                assert (await ask(proxy.url, timeout=60)).status == 200
                served += 1
                await asyncio.sleep(0.1)
            heard = [task.result() for task in dripping]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert set(heard) == ({408} if kind == "half a body" else {None})
    assert len(upstream.requests) == served > 0


async def drip(client: RawClient, words: bytes) -> int | None:
    """Send this, with a byte more now and then, until the other side ends it; the status it said, if any."""
    if words.startswith(b"POST") and len(words) < 100:
        dripping = asyncio.create_task(client.send(words, piece=1, pause=0.4))
        ended = await client.closed(60)
        dripping.cancel()
        await asyncio.gather(dripping, return_exceptions=True)
    elif words:
        await client.send(words)
        return (await client.answer(60)).status
    else:
        ended = await client.closed(60)
    assert ended
    return None
