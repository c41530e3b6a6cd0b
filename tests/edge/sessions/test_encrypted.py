"""Sessions over the listener's own TLS, to upstreams over TLS."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from tests.support.certificates import trusting, written
from tests.support.proxy import encrypted, in_process
from tests.support.tls import TlsFront
from tests.support.voices import Voices, greet, heard, voice_policy

MESSAGES = 200


def event(number: int) -> dict[str, Any]:
    """A message that is known by its number, of a length of its own."""
    return {"type": "conversation.item.create", "number": number, "text": f"{number} " * (number % 50 * 20)}


async def echo(socket: web.WebSocketResponse) -> None:
    """Say nothing until all has come; then say it all at once."""
    await greet(socket)
    came = [await heard(socket) for _ in range(MESSAGES)]
    for each in came:
        await socket.send_str(json.dumps(each))
    await heard(socket)


async def test_many_records_of_tls_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What either side says at once arrives in many records of TLS: all of it passes, in its order, as it was."""
    made = written(tmp_path / "tls")
    async with Voices(echo) as voices, TlsFront(voices.port) as front:
        front.trust(monkeypatch)
        async with (
            in_process(tmp_path, voice_policy(f"{front.url}/v1")) as proxy,
            encrypted(proxy, made) as url,
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trusting())) as client,
            client.ws_connect(f"{url}/v1/realtime?model=voice0") as session,
        ):
            assert json.loads(await session.receive_str())["type"] == "session.created"
            for number in range(MESSAGES):
                await session.send_str(json.dumps(event(number)))
            for number in range(MESSAGES):
                assert json.loads(await session.receive_str(timeout=60)) == event(number)
            await session.close()
            record = await proxy.only_record(30)
    assert record.ended is not None
    assert (record.ended["end"], record.ended["session"]["close_code"]) == ("--", 1000)
