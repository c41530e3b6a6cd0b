"""Speech over HTTP: sound passes as it is made, in the form that is asked for, with routing, records and costs."""

from __future__ import annotations

import base64
import io
import json
import socket
import wave
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import openai
import pytest
from openai import AsyncOpenAI

from routebook.edge.simulator.server import start_simulator
from routebook.edge.simulator.sound import tone
from tests.edge.sessions.test_talking import hertz
from tests.support.proxy import LocalProxy, in_process

TEXT = "Speech is silver, and silence is golden."

POLICY = """\
version: 1
providers:
  simulated: {{dialect: openai, base_url: "{upstream}", accounts: [{{name: main}}]}}
models:
  talker: {{provider: simulated, id: talker-1, operations: [speech], max_output: 4k, price: {{input: 0.6, output: 12}}}}
  chatter: {{provider: simulated, id: chatter-1, price: {{input: 1, output: 2}}}}
  cut: {{provider: simulated, id: "talker-1@cut=9000", operations: [speech], price: {{input: 0.6, output: 12}}}}
rules:
  - {{name: speech, when: {{request.operation: speech, request.model: voice}}, route: {{to: [chatter, talker]}}}}
  - {{name: as-asked, route: {{to: requested}}}}
"""


@pytest.fixture
async def proxy(tmp_path: Path) -> AsyncIterator[LocalProxy]:
    """A proxy in front of a simulated upstream."""
    simulator = await start_simulator(socket.create_server(("127.0.0.1", 0)), pace=0.001)
    async with in_process(tmp_path, POLICY.format(upstream=simulator.address)) as running:
        yield running
    await simulator.close()


@pytest.fixture
async def client(proxy: LocalProxy) -> AsyncIterator[AsyncOpenAI]:
    """The official SDK."""
    async with AsyncOpenAI(base_url=proxy.base_url, api_key="sk-test", max_retries=0) as running:
        yield running


async def test_sound_is_whole_and_estimated(proxy: LocalProxy, client: AsyncOpenAI) -> None:
    """A WAV file as long as the text takes, at 440 Hz; what was used is by its samples."""
    answer = await client.audio.speech.create(model="voice", voice="alloy", input=TEXT, response_format="wav")
    with wave.open(io.BytesIO(answer.content)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (24_000, 1, 2)
        assert file.getnframes() == 24_000 * 27 // 10
        assert hertz(file.readframes(file.getnframes())) == pytest.approx(440, abs=1)
    record = await proxy.only_record()
    assert record.decided["operation"] == "speech"
    assert [each["reason"] for each in record.decided["candidates"] if each["verdict"] == "dropped"] == [
        "model.operation"
    ]
    assert record.ended is not None
    assert (record.ended["end"], record.ended["usage_by"], record.ended["model"]) == ("--", "estimated", "talker")
    assert record.ended["output"] == -(-(27 * 4_800 + 44) // 2_400)
    assert record.ended["cost"] > 0


async def test_events_bring_their_usage(proxy: LocalProxy, client: AsyncOpenAI) -> None:
    """In the form with events the upstream's own count is booked."""
    answer = await client.audio.speech.create(
        model="voice", voice="alloy", input=TEXT, response_format="pcm", stream_format="sse"
    )
    events = [json.loads(line[6:]) for line in answer.content.splitlines() if line]
    assert hertz(b"".join(base64.b64decode(each["audio"]) for each in events[:-1])) == pytest.approx(440, abs=1)
    record = await proxy.only_record()
    assert record.ended is not None
    assert record.ended["usage_by"] == "measured"
    assert record.ended["usage"] == {"input": 11, "output": 54}


async def test_sound_that_breaks_off_is_cut_and_nothing_else_is_put_into_it(
    proxy: LocalProxy, client: AsyncOpenAI
) -> None:
    """No error event stands among samples: the client's connection breaks off as the upstream's did."""
    got = b""
    with pytest.raises((openai.APIConnectionError, httpx2.RemoteProtocolError)):
        async with client.audio.speech.with_streaming_response.create(
            model="cut", voice="alloy", input=TEXT, response_format="pcm"
        ) as answer:
            async for piece in answer.iter_bytes():
                got += piece
    assert got and b"error" not in got and tone(0, 3_000).startswith(got)
    record = await proxy.only_record()
    assert record.ended is not None
    assert (record.ended["end"], record.ended["error"]) == ("UD", "upstream.cut")


async def test_what_cannot_be_said_is_refused_in_the_upstream_s_words(client: AsyncOpenAI) -> None:
    """A status, and OpenAI's error."""
    with pytest.raises(openai.BadRequestError, match="pcm"):
        await client.audio.speech.create(model="voice", voice="alloy", input=TEXT, response_format="mp3")
