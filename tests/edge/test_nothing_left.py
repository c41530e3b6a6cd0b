"""What an exchange leaves in memory when it is over: nothing that only the garbage collector finds.

The collector comes rarely, so an exchange that refers to itself in a circle (an exception whose traceback leads to a frame
that knows the exception, say, or its task) stays for half a minute with all that it read: a worker's memory would follow how
many clients leave.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp
import pytest

from routebook.edge.deadlines import Deadlines
from routebook.edge.entry import Entry
from routebook.edge.sessions.relay import Talk
from routebook.edge.sessions.socket import Socket
from routebook.edge.uploads import Upload
from routebook.routing.facts import RequestFacts
from tests.support.asking import CHAT, chat
from tests.support.circles import left_in_circles
from tests.support.proxy import LocalProxy, in_process, small_policy
from tests.support.rawclient import RawClient, post
from tests.support.upstream import Close, Hang, Play, Upstream, chunks, failure, stream
from tests.support.voices import Voices, greet, heard, respond, voice_policy

OURS = (Entry, RequestFacts, Deadlines, Talk, Socket, Upload, asyncio.Task)
"""What an exchange is made of."""

WHOLE = stream(chunks(["Hel", "lo"]))
BEGUN = stream(chunks(["Hel", "lo"])[:2], ends=False)


async def asks(proxy: LocalProxy, upstream: Upstream, stream: bool = True) -> None:
    """A client that reads its answer to whatever end."""
    async with RawClient(proxy.url) as client:
        await client.ask(post(CHAT, chat(stream=stream)))


async def leaves(proxy: LocalProxy, upstream: Upstream, how: str) -> None:
    """A client that is gone while it is answered."""
    async with RawClient(proxy.url) as client:
        await client.send(post(CHAT, chat(stream=True)))
        exchange = (await upstream.arrivals(1))[0]
        if how != "early":
            await client.head()
        if how == "reset":
            client.drop()
    await exchange.gone(5)


async def garbles(proxy: LocalProxy, upstream: Upstream) -> None:
    """What is no request at all."""
    async with RawClient(proxy.url) as client:
        await client.ask(post(CHAT, b"{"))


CASES: dict[str, tuple[Play, Callable[[LocalProxy, Upstream], Awaitable[None]]]] = {
    "whole": (WHOLE, lambda proxy, upstream: asks(proxy, upstream, stream=False)),
    "streamed": (WHOLE, asks),
    "cut by the upstream": ([*BEGUN, Close()], asks),
    "refused by the upstream": (failure(500), asks),
    "garbled by the client": (WHOLE, garbles),
    "left before the head": ([Hang()], lambda proxy, upstream: leaves(proxy, upstream, "early")),
    "left in the stream": ([*BEGUN, Hang()], lambda proxy, upstream: leaves(proxy, upstream, "close")),
    "reset in the stream": ([*BEGUN, Hang()], lambda proxy, upstream: leaves(proxy, upstream, "reset")),
}


@pytest.mark.parametrize("name", CASES)
async def test_an_exchange_is_gone_when_it_is_over(tmp_path: Path, upstream: Upstream, name: str) -> None:
    """However it ended."""
    play, happens = CASES[name]
    upstream.will(play)
    async with in_process(tmp_path, small_policy(upstream.url)) as proxy:
        with left_in_circles(*OURS) as found:
            await happens(proxy, upstream)
            await proxy.only_record()
            await settled()
    assert found == {}


async def speaks(socket: aiohttp.web.WebSocketResponse) -> None:
    """An upstream that answers once."""
    await greet(socket)
    await heard(socket)
    await respond(socket)


@pytest.mark.parametrize("leaves", [False, True], ids=["closed", "left"])
async def test_a_session_is_gone_when_it_is_over(tmp_path: Path, leaves: bool) -> None:
    """With both its sockets, whether the client said goodbye or not."""
    async with Voices(greet) as voices, in_process(tmp_path, voice_policy(voices.base_url)) as proxy:
        with left_in_circles(*OURS) as found:
            async with (
                aiohttp.ClientSession() as client,
                client.ws_connect(f"{proxy.url}/v1/realtime?model=voice") as socket,
            ):
                await socket.receive_str()
                if leaves:
                    socket._response.connection.transport.abort()
                else:
                    await socket.close()
            del client, socket
            await proxy.only_record()
            await settled()
    found.pop("Task", None)
    assert found == {}


async def settled() -> None:
    """Connections that were closed are gone a few turns of the loop later."""
    for _ in range(20):
        await asyncio.sleep(0)
