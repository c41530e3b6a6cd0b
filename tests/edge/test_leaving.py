"""Clients that leave, and a gateway that leaves: who is told, how fast, and what is recorded."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from tests.support.asking import CHAT, ask, chat, error_of
from tests.support.proxy import Record, in_process, running_proxy, small_policy
from tests.support.rawclient import RawClient, post
from tests.support.upstream import Hang, Play, Say, Upstream, chunks, event, head, stream

TRIES = 5
SSE = [("Content-Type", "text/event-stream"), ("Transfer-Encoding", "chunked")]

PHASES: dict[str, tuple[Play, str]] = {
    "before the head": ([Hang()], "CH"),
    "silent after the head": ([Say(head(200, SSE)), Hang()], "CH"),
    "silent in the stream": ([*stream(chunks(["a", "b"])[:3], ends=False), Hang()], "CD"),
    "streaming": (stream([event({"n": n}) for n in range(10_000)], pause=0.001), "CD"),
    "in a whole answer": ([Say(head(200, [("Content-Length", "50")]) + b"{"), Hang()], "CH"),
}


async def leave(folder: Path, upstream: Upstream, play: Play, how: str) -> tuple[float, Record]:
    """Send a request and leave while this is played; how long the upstream did not know, and the record."""
    upstream.will(play)
    before = len(upstream.exchanges)
    async with in_process(folder, small_policy(upstream.url)) as proxy:
        async with RawClient(proxy.url) as client:
            await client.send(post(CHAT, chat(stream=True)))
            exchange = (await upstream.arrivals(before + 1))[before]
            await asyncio.sleep(0.1)
            left = time.monotonic()
            if how == "reset":
                client.drop()
        gone = await exchange.gone(5)
        return gone - left, await proxy.only_record()


@pytest.mark.parametrize("name", PHASES)
@pytest.mark.parametrize("how", ["close", "reset"])
async def test_the_upstream_is_left_at_once_and_the_record_says_who_left(
    tmp_path: Path, upstream: Upstream, name: str, how: str
) -> None:
    """Within 50 ms in every phase; nobody generates tokens that nobody reads.

    The best of a few tries counts: a machine that is busy may be late once, a gateway that waits for the next byte is
    late every time.
    """
    play, end = PHASES[name]
    delays = []
    for number in range(TRIES):
        delay, record = await leave(tmp_path / str(number), upstream, play, how)
        assert record.ended is not None and record.ended["end"] == end and record.ended["error"] == "client.gone"
        delays.append(delay)
        if delay < 0.05:
            return
    pytest.fail(f"the upstream knew after {delays} s")


async def test_what_was_streamed_before_the_client_left_is_counted(tmp_path: Path, upstream: Upstream) -> None:
    """An upstream bills what it generated: the record holds an estimate, never nothing, and says that it is one."""
    upstream.will([*stream(chunks(["word "] * 30)[:-2], ends=False), Hang()])
    async with in_process(tmp_path, small_policy(upstream.url)) as proxy:
        async with RawClient(proxy.url) as client:
            await client.send(post(CHAT, chat(stream=True)))
            await client.head()
            await asyncio.sleep(0.1)
        record = await proxy.only_record()
    assert record.ended is not None
    assert record.ended["output"] >= 25 and record.ended["input"] > 0 and record.ended["cost"] > 0
    assert record.ended["usage_by"] == "estimated"


async def test_two_hundred_clients_leave_at_once(tmp_path: Path) -> None:
    """Every upstream call ends, and every exchange has its record."""
    async with Upstream(lambda _: [Hang()]) as upstream, in_process(tmp_path, small_policy(upstream.url)) as proxy:
        clients = [RawClient(proxy.url) for _ in range(200)]
        for client in clients:
            await client.__aenter__()
            await client.send(post(CHAT, chat(stream=True)))
        exchanges = await upstream.arrivals(200)
        for client in clients:
            client.drop()
        for exchange in exchanges:
            await exchange.gone(10)
        records = await proxy.ended_records(lambda records: len(records) == 200)
        for client in clients:
            await client.__aexit__(None, None, None)
    assert {record.ended["end"] for record in records.values() if record.ended} == {"CH"}


async def test_a_drain_lets_streams_end(tmp_path: Path, upstream: Upstream) -> None:
    """What runs goes on to its end; the connection is closed after it."""
    upstream.will(stream(pause=0.05))
    async with in_process(tmp_path, small_policy(upstream.url)) as proxy, RawClient(proxy.url) as client:
        await client.send(post(CHAT, chat(stream=True)))
        await upstream.arrivals(1)
        drained = asyncio.create_task(proxy.listener.drain(5))
        answer = await client.answer()
        assert await client.closed(2)
        await drained
    assert answer.whole and answer.body == b"".join(chunks())


async def test_a_drain_that_must_cut_says_so(tmp_path: Path, upstream: Upstream) -> None:
    """A stream that outlives the drain ends in an error event, a request without answer in 503; both are recorded."""
    upstream.will([*stream(chunks(["a"])[:2], ends=False), Hang()])
    upstream.will([Hang()])
    async with in_process(tmp_path, small_policy(upstream.url)) as proxy:
        streaming = asyncio.create_task(ask(proxy.url, stream=True))
        await upstream.arrivals(1)
        waiting = asyncio.create_task(ask(proxy.url))
        await upstream.arrivals(2)
        await asyncio.sleep(0.1)
        await proxy.listener.drain(0.1)
        cut, refused = await streaming, await waiting
        records = await proxy.ended_records(lambda records: len(records) == 2)
    assert error_of(cut.body)["code"] == "gateway.draining" and cut.whole
    assert refused.status == 503 and refused.json()["error"]["code"] == "gateway.draining"
    assert sorted(record.ended["end"] for record in records.values() if record.ended) == ["GD", "GH"]


async def test_while_draining_answers_ask_for_the_connection_to_be_closed(tmp_path: Path, upstream: Upstream) -> None:
    """A request on a connection that is still open is served, and its client told to go elsewhere for the next."""
    async with in_process(tmp_path, small_policy(upstream.url)) as proxy, RawClient(proxy.url) as client:
        assert (await client.ask(post(CHAT, chat()))).header("connection") is None
        proxy.listener.stop_accepting()
        answer = await client.ask(post(CHAT, chat()))
        assert answer.status == 200 and answer.header("connection") == "close"


async def test_a_client_that_leaves_is_no_bug(tmp_path: Path, upstream: Upstream) -> None:
    """Whoever goes in the middle of an answer stands in the record; the log calls nothing of it a fault of the program."""
    upstream.otherwise = lambda _: stream([event({"n": n}) for n in range(10_000)], pause=0.0005)
    async with running_proxy(tmp_path, small_policy(upstream.url)) as proxy:
        for _ in range(20):
            async with RawClient(proxy.url) as client:
                await client.send(post(CHAT, chat(stream=True)))
                await client.head()
                client.drop()
        records = await proxy.ended_records(lambda found: len(found) == 20, 30)
        log = proxy.log
    assert {record.ended["end"] for record in records.values() if record.ended} == {"CD"}
    assert '"event":"bug"' not in log, log
