"""A relay between two WebSockets is one to each of its sides: what an endpoint must do, it does, as one that is asked
directly does."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as some

from routebook.edge.sessions.frames import Broken, Frames, Kind, Message, frame_head, masked
from tests.edge.sessions.conformance import CLOSE, Case, cases, close
from tests.edge.sessions.test_relay import echo
from tests.support.proxy import in_process
from tests.support.voices import Voices, greet, voice_policy
from tests.support.wire import wired

PATH = "/v1/realtime?model=voice"


async def verdict(case: Case, url: str) -> str | None:
    """What is wrong with how an endpoint deals with a case; None: nothing."""
    async with wired(url, PATH) as wire:
        await wire.receive()
        await wire.send(case.sent, case.chop)
        heard = await wire.heard(len(case.back)) if case.ends is None else []
        if case.ends is None:
            await wire.send(close(1000))
        heard += await wire.heard(len(case.back) + 2)
        ended = await wire.ended()
    messages, last = [each for each in heard if each[0] != CLOSE], heard[-1] if heard else None
    if last is None or last[0] != CLOSE:
        return f"{case.name}: no close, but {[(kind, data[:40]) for kind, data in heard]}"
    code = int.from_bytes(last[1][:2], "big") if last[1] else 1005
    if case.ends is None and messages != list(case.back):
        return f"{case.name}: {[(kind, data[:40]) for kind, data in messages]}"
    if code not in (case.ends or (1000,)):
        return f"{case.name}: closed with {code}"
    return None if ended else f"{case.name}: the connection stays"


async def failures(url: str, asked: list[Case]) -> list[str]:
    """What an endpoint fails in, a few cases at a time."""
    gate = asyncio.Semaphore(8)

    async def one(case: Case) -> str | None:
        async with gate:
            return await verdict(case, url)

    found = await asyncio.gather(*(one(case) for case in asked))
    return [each for each in found if each is not None]


async def test_no_case_fails_through_the_relay(tmp_path: Path) -> None:
    """Nor do those that are no breach, of an endpoint that is asked directly."""
    asked = list(cases())
    assert len(asked) > 170
    async with Voices(echo) as voices, in_process(tmp_path, voice_policy(voices.base_url)) as proxy:
        assert await failures(proxy.url, asked) == []
        assert await failures(voices.base_url.removesuffix("/v1"), [each for each in asked if each.ends is None]) == []


async def test_what_breaks_the_protocol_on_the_upstream_s_side(tmp_path: Path) -> None:
    """It is told the code for that; the client, that something failed."""
    breaches = {
        b"\x81\x85\x00\x00\x00\x00hello": 1002,  # masked
        b"\xc1\x05hello": 1002,  # a reserved bit
        b"\x89\x7e\x00\x7e" + b"x" * 126: 1002,  # a long ping
        b"\x09\x00": 1002,  # a ping in fragments
        b"\x83\x00": 1002,  # no such opcode
        b"\x81\x02\xc0\xaf": 1007,
        b"\x82\x7f\x3f\xff\xff\xff\xff\xff\xff\xff": 1009,
        b"\x88\x02\x03\xed": 1002,  # 1005, which is never sent
    }
    for number, (bytes_, code) in enumerate(breaches.items()):
        told: list[int] = []

        async def talk(socket: Any, bytes_: bytes = bytes_, told: list[int] = told) -> None:
            await greet(socket)
            socket._req.transport.write(bytes_)
            message = await socket.receive()
            told.append(message.data)

        async with Voices(talk) as voices, in_process(tmp_path / str(number), voice_policy(voices.base_url)) as proxy:
            async with wired(proxy.url, PATH) as wire:
                heard = await wire.heard(9)
            record = await proxy.only_record()
        assert told == [code]
        assert b"upstream.garbled" in heard[-2][1]
        assert heard[-1] == (CLOSE, (1011).to_bytes(2, "big") + b"the upstream broke the protocol of WebSocket")
        assert record.ended is not None
        assert (record.ended["end"], record.ended["error"]) == ("UD", "upstream.garbled")
        assert record.ended["session"]["close_code"] == code


messages = some.lists(
    some.tuples(some.sampled_from([Kind.TEXT, Kind.BINARY, Kind.PING]), some.text(max_size=100).map(str.encode)),
    max_size=6,
)


@given(messages, some.booleans(), some.lists(some.integers(1, 40), min_size=1, max_size=20))
def test_however_bytes_arrive_the_messages_are_the_same(
    sent: list[tuple[Kind, bytes]], is_client: bool, pieces: list[int]
) -> None:
    """Wherever a network cuts them."""
    sent = [(kind, data[:125] if kind is Kind.PING else data) for kind, data in sent]
    mask = b"\x01\x80\xff\x00"
    wire = b"".join(
        frame_head(kind, len(data), mask) + masked(mask, data) if is_client else frame_head(kind, len(data)) + data
        for kind, data in sent
    )
    frames, found, at = Frames(1000, is_client), list[Message](), 0
    while at < len(wire):
        size = pieces[at % len(pieces)]
        found += frames.feed(wire[at : at + size])
        at += size
    assert found == [Message(kind, data) for kind, data in sent]


@given(some.lists(some.binary(max_size=60), max_size=5), some.booleans())
def test_whatever_comes_is_messages_or_a_breach(pieces: list[bytes], is_client: bool) -> None:
    """Never anything else, and never a message that is too large."""
    frames = Frames(50, is_client)
    try:
        for piece in pieces:
            for message in frames.feed(piece):
                assert len(message.data) <= 125
                assert message.kind is not Kind.TEXT or message.data.decode() is not None
    except Broken as broken:
        assert broken.code in (1002, 1007, 1009)
