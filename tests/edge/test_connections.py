"""Connections to upstreams: encrypted ones, kept ones, and those that went bad while they were kept."""

from __future__ import annotations

import asyncio
import gc
import os
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trustme

from routebook.edge.connections import Connections, Origin
from routebook.edge.upstream import RACE
from tests.support.asking import ask, chat, text_of
from tests.support.proxy import in_process, small_policy
from tests.support.upstream import Close, Pause, Upstream, chunks, completion, reply, stream

AUTHORITY = trustme.CA()
"""Signs for this run of the tests; nothing else trusts it."""


@pytest.fixture
def trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The gateway trusts the authority of the tests, and no other."""
    AUTHORITY.cert_pem.write_to_path(tmp_path / "authority.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))


@asynccontextmanager
async def encrypted(upstream: Upstream) -> AsyncIterator[int]:
    """A port on which the upstream speaks TLS as `localhost`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    AUTHORITY.issue_cert("localhost").configure_cert(context)

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        back, ahead = await asyncio.open_connection("127.0.0.1", upstream.port)
        await asyncio.gather(pump(reader, ahead), pump(back, writer))

    server = await asyncio.start_server(forward, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass on whatever comes, until it ends."""
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


@pytest.mark.usefixtures("trusted")
async def test_an_encrypted_upstream_that_is_trusted(tmp_path: Path, upstream: Upstream) -> None:
    """Whole answers and streams pass, and the connection is kept for the next."""
    async with encrypted(upstream) as port, in_process(tmp_path, small_policy(f"https://localhost:{port}/v1")) as proxy:
        for streamed in (False, True, False):
            answer = await ask(proxy.url, stream=streamed)
            assert answer.status == 200 and answer.whole
        assert upstream.connections == 1


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1"], ids=["unknown authority", "another name"])
async def test_an_encrypted_upstream_that_is_not_trusted(
    tmp_path: Path, upstream: Upstream, name: str, request: pytest.FixtureRequest
) -> None:
    """Nothing is sent to it, not even a key; the client hears that it cannot be reached."""
    if name == "127.0.0.1":
        request.getfixturevalue("trusted")
    async with encrypted(upstream) as port, in_process(tmp_path, small_policy(f"https://{name}:{port}/v1")) as proxy:
        answer = await ask(proxy.url)
        record = await proxy.only_record()
    assert answer.status == 502 and answer.json()["error"]["code"] == "upstream.unreachable"
    assert upstream.requests == [] and record.ended is not None and record.ended["error"] == "upstream.unreachable"


async def test_an_answer_that_says_too_much_does_not_spoil_the_next(tmp_path: Path, upstream: Upstream) -> None:
    """Bytes after the end of an answer belong to nobody: its connection is not used again."""
    play = reply(completion("first"))
    upstream.will([*play, *reply(completion("smuggled"))])
    async with in_process(tmp_path, small_policy(upstream.url)) as proxy:
        first = await ask(proxy.url)
        await asyncio.sleep(0.05)
        second = await ask(proxy.url)
    assert first.json()["choices"][0]["message"]["content"] == "first"
    assert second.json()["choices"][0]["message"]["content"] == "Hello."


async def test_connections_that_were_closed_while_idle_are_not_used(tmp_path: Path, upstream: Upstream) -> None:
    """Neither one that the upstream closed, nor a request's fault is made of it."""
    async with in_process(tmp_path, small_policy(upstream.url)) as proxy:
        for number in range(1, 4):
            assert (await ask(proxy.url)).status == 200
            await upstream.close_idle()
            await asyncio.sleep(0.02)
            assert upstream.connections == number


async def test_a_request_that_an_upstream_left_after_a_while_is_not_sent_to_it_again(
    tmp_path: Path, upstream: Upstream
) -> None:
    """It may have worked, and would bill twice. One that left at once was only closing an idle connection."""
    async with in_process(tmp_path, small_policy(upstream.url)) as proxy:
        assert (await ask(proxy.url)).status == 200
        upstream.will([Close()])
        assert (await ask(proxy.url)).status == 200
        assert len(upstream.requests) == 3
        upstream.will([Pause(RACE + 0.2), Close()])
        failed = await ask(proxy.url)
    assert failed.status == 502 and failed.json()["error"]["code"] == "upstream.disconnected"
    assert len(upstream.requests) == 4


async def test_many_at_once_share_what_is_kept(tmp_path: Path, upstream: Upstream) -> None:
    """As many connections as were needed at one time, and no more for the next hundred."""
    async with in_process(tmp_path, small_policy(upstream.url)) as proxy:
        await asyncio.gather(*(ask(proxy.url, stream=True) for _ in range(20)))
        opened = upstream.connections
        for _ in range(30):
            await ask(proxy.url)
        assert upstream.connections == opened <= 20


async def test_idle_connections_are_closed_in_time(upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    """After their time and not before; and all of them when the gateway closes."""
    monkeypatch.setattr("routebook.edge.connections.IDLE", 0.1)
    connections = Connections()
    origin = Origin("127.0.0.1", upstream.port, False)
    connections.keep(origin, await connections.opened(origin))
    kept = connections.kept(origin)
    assert kept is not None and kept.is_connected()
    connections.keep(origin, kept)
    await asyncio.sleep(0.3)
    assert not kept.is_connected() and connections.kept(origin) is None
    last = await connections.opened(origin)
    connections.keep(origin, last)
    connections.close()
    assert not last.is_connected()


async def test_nothing_is_left_behind(tmp_path: Path, upstream: Upstream) -> None:
    """Requests of every ending leave neither tasks nor descriptors nor exchanges behind."""
    patient = "settings: {breaker: {failures: 100%, in_a_row: 1000}}"
    async with in_process(tmp_path, small_policy(upstream.url, more=patient)) as proxy:
        await ask(proxy.url)
        await asyncio.sleep(0.05)
        tasks, files = len(asyncio.all_tasks()), len(os.listdir("/proc/self/fd"))
        for number in range(250):
            if number % 3 == 1:
                upstream.will(stream(), cut=300)
            if number % 3 == 2:
                upstream.will([*stream(chunks(["a"]), ends=False)[:3], Close()])
            await ask(proxy.url, b"{}" if number % 5 == 4 else chat(stream=number % 2 == 0))
        await asyncio.sleep(0.2)
        gc.collect()
        assert proxy.listener.open_exchanges == 0 and proxy.gateway.metrics.in_progress == 0
        assert len(asyncio.all_tasks()) <= tasks + 2 and len(os.listdir("/proc/self/fd")) <= files + 6
        assert text_of((await ask(proxy.url, stream=True)).body) == "Hello."
