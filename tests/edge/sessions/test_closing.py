"""How sessions end, who is held back, and what an upgrade may hide."""

from __future__ import annotations

import asyncio
import json
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.edge.sessions.test_relay import echo, session
from tests.support.proxy import in_process
from tests.support.voices import Voices, greet, heard, until_left, voice_policy
from tests.support.wire import UPGRADE, frame, wired

PATH = "/v1/realtime?model=voice"
GOOD = (1000, 1001)
CODES = (*GOOD, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999)


async def test_every_code_of_the_upstream_s_close_is_the_client_s(tmp_path: Path) -> None:
    """With its reason; one that is not a good one is told in an error event first. No code stays no code."""

    async def talk(socket: Any) -> None:
        await greet(socket)
        event = await heard(socket)
        assert event is not None
        if event["code"] is None:
            socket._req.transport.write(b"\x88\x00")
            await socket.receive()
        else:
            await socket.close(code=event["code"], message="genug, «früh»".encode())

    async with Voices(talk) as voices, in_process(tmp_path, voice_policy(voices.base_url)) as proxy:
        for code in (*CODES, None):
            async with wired(proxy.url, PATH) as wire:
                await wire.receive()
                await wire.send(frame(1, json.dumps({"code": code}).encode()))
                told = await wire.heard(9)
                assert await wire.ended()
            expected = b"" if code is None else code.to_bytes(2, "big") + "genug, «früh»".encode()
            assert told[-1] == (8, expected)
            assert [kind for kind, _ in told[:-1]] == ([] if code in (*GOOD, None) else [1])


async def test_every_code_of_the_client_s_close_is_the_upstream_s(tmp_path: Path) -> None:
    """And the client's own comes back to it."""
    async with Voices(echo) as voices, in_process(tmp_path, voice_policy(voices.base_url)) as proxy:
        for code in CODES:
            async with wired(proxy.url, PATH) as wire:
                await wire.receive()
                await wire.send(frame(8, code.to_bytes(2, "big") + b"bye"))
                assert await wire.heard(9) == [(8, code.to_bytes(2, "big") + b"bye")]
                assert await wire.ended()
        for _ in range(500):
            if len(voices.closes) == len(CODES):
                break
            await asyncio.sleep(0.01)
        assert voices.closes == list(CODES)


async def test_an_upstream_that_takes_nothing_holds_the_client_back(tmp_path: Path) -> None:
    """What waits on the way is bounded: a client that speaks faster than an upstream listens is made to wait."""
    stop = asyncio.Event()

    async def deaf(socket: Any) -> None:
        await greet(socket)
        socket._req.transport.pause_reading()
        await stop.wait()
        socket._req.transport.abort()

    sent = 0

    async def flood(wire: Any) -> None:
        nonlocal sent
        for _ in range(4_000):
            await wire.send(frame(2, b"x" * 65_536))
            sent += 1

    async with (
        Voices(deaf) as voices,
        in_process(tmp_path, voice_policy(voices.base_url)) as proxy,
        wired(proxy.url, PATH) as wire,
    ):
        await wire.receive()
        flooding, before = asyncio.create_task(flood(wire)), -1
        while before != sent:
            before = sent
            await asyncio.sleep(0.5)
        assert 0 < sent < 1_000
        flooding.cancel()
        stop.set()


async def test_a_client_that_takes_nothing_for_too_long_is_left(tmp_path: Path) -> None:
    """So that its session does not stay for ever; the record says why."""

    async def flood(socket: Any) -> None:
        await greet(socket)
        for _ in range(2_000):
            await socket.send_str("x" * 65_536)

    more = "settings: {stream: {stall: 500ms}}\n"
    async with (
        Voices(flood) as voices,
        in_process(tmp_path, voice_policy(voices.base_url, more=more)) as proxy,
        session(proxy) as socket,
    ):
        socket._response.connection.transport.pause_reading()
        record = await proxy.only_record(20)
        socket._response.connection.transport.abort()
    assert record.ended is not None
    assert record.ended["error"] == "client.stalled"


HIDDEN = b"GET /v1/realtime?model=hidden HTTP/1.1\r\nHost: a\r\n\r\n"
SMUGGLED = {
    "length": (b"Content-Length: %d\r\n" % len(HIDDEN), HIDDEN),
    "length-of-nothing": (b"Content-Length: 0\r\n", HIDDEN),
    "chunks": (b"Transfer-Encoding: chunked\r\n", b"%x\r\n%s\r\n0\r\n\r\n" % (len(HIDDEN), HIDDEN)),
    "both": (b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n" + HIDDEN),
    "two-lengths": (b"Content-Length: 0\r\nContent-Length: %d\r\n" % len(HIDDEN), HIDDEN),
    "no-length": (b"", HIDDEN),
    "old-version": (b"Sec-WebSocket-Version: 8\r\n", HIDDEN),
    "other-protocol": (b"Upgrade: h2c\r\n", HIDDEN),
}


@pytest.mark.parametrize("how", SMUGGLED)
async def test_an_upgrade_hides_no_second_request(tmp_path: Path, how: str) -> None:
    """Whatever stands behind it: it is refused, or it is bytes of the WebSocket, and breaks that; no request comes of it."""
    lines, behind = SMUGGLED[how]
    asked = UPGRADE.format(path=PATH, host="a").encode().replace(b"\r\n\r\n", b"\r\n" + lines + b"\r\n") + behind
    async with Voices(until_left_greeted) as voices, in_process(tmp_path, voice_policy(voices.base_url)) as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(proxy.url.rpartition(":")[2]))
        writer.write(asked)
        answer = await reader.readuntil(b"\r\n\r\n")
        with suppress(TimeoutError):  # a connection that stays open is one on which nothing more is said
            async with asyncio.timeout(1):
                answer += await reader.read()
        writer.close()
        records = await proxy.ended_records(lambda records: True)
    assert len(re.findall(rb"HTTP/1\.[01] \d", answer)) == 1, answer
    assert len(records) <= 1 and len(voices.upgrades) <= 1
    assert not any("hidden" in each.path for each in voices.upgrades)


async def until_left_greeted(socket: Any) -> None:
    """Greet, and listen."""
    await greet(socket)
    await until_left(socket)
