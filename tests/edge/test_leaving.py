"""Clients that leave, and a gateway that leaves: who is told, how fast, and what is recorded."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.support.asking import CHAT, ask, chat, error_of
from tests.support.proxy import Record, in_process, running_proxy, small_policy
from tests.support.rawclient import RawClient, post
from tests.support.turns import turns
from tests.support.upstream import Hang, Play, Say, Upstream, chunks, event, head, stream

TURNS = 20
"""Of the loop, between a client's leaving and the upstream's hearing of it."""

MANY = 200
SSE = [("Content-Type", "text/event-stream"), ("Transfer-Encoding", "chunked")]

PHASES: dict[str, tuple[Play, str]] = {
    "before the head": ([Hang()], "CH"),
    "silent after the head": ([Say(head(200, SSE)), Hang()], "CH"),
    "silent in the stream": ([*stream(chunks(["a", "b"])[:3], ends=False), Hang()], "CD"),
    "streaming": (stream([event({"n": n}) for n in range(10_000)], pause=0.001), "CD"),
    "in a whole answer": ([Say(head(200, [("Content-Length", "50")]) + b"{"), Hang()], "CH"),
}


async def leave(folder: Path, upstream: Upstream, play: Play, how: str) -> tuple[int, Record]:
    """Send a request and leave while this is played; in how many turns of the loop the upstream knew, and the record."""
    upstream.will(play)
    async with in_process(folder, small_policy(upstream.url)) as proxy:
        async with RawClient(proxy.url) as client:
            await client.send(post(CHAT, chat(stream=True)))
            [exchange] = await upstream.arrivals(1)
            await asyncio.sleep(0.1)
            with turns() as count:
                if how == "reset":
                    client.drop()
                else:
                    client.close()
                await exchange.gone(5)
                taken = count()
        return taken, await proxy.only_record()


@pytest.mark.parametrize("name", PHASES)
@pytest.mark.parametrize("how", ["close", "reset"])
async def test_the_upstream_is_left_at_once_and_the_record_says_who_left(
    tmp_path: Path, upstream: Upstream, name: str, how: str
) -> None:
    """In every phase, in a few turns of the loop, whatever a turn takes: nobody generates tokens that nobody reads."""
    play, end = PHASES[name]
    taken, record = await leave(tmp_path, upstream, play, how)
    assert record.ended is not None and record.ended["end"] == end and record.ended["error"] == "client.gone"
    assert taken <= TURNS


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


@pytest.mark.parametrize("name", PHASES)
async def test_two_hundred_clients_leave_at_once(tmp_path: Path, name: str) -> None:
    """In every phase: every upstream call ends, in as few turns as a single one, and every exchange has its record."""
    play, end = PHASES[name]
    async with Upstream(lambda _: play) as upstream, in_process(tmp_path, small_policy(upstream.url)) as proxy:
        async with AsyncExitStack() as stack:
            clients = [await stack.enter_async_context(RawClient(proxy.url)) for _ in range(MANY)]
            for client in clients:
                await client.send(post(CHAT, chat(stream=True)))
            exchanges = await upstream.arrivals(MANY, 60)
            await asyncio.sleep(0.1)
            with turns() as count:
                for client in clients:
                    client.drop()
                await asyncio.gather(*(exchange.gone(30) for exchange in exchanges))
                taken = count()
        records = await proxy.ended_records(lambda records: len(records) == MANY, 60)
    assert {record.ended["end"] for record in records.values() if record.ended} == {end}
    assert taken <= TURNS


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
