"""The official SDK talks through the proxy to the simulated upstream: text, sound, tools, barge-in, refusals."""

from __future__ import annotations

import array
import asyncio
import base64
import json
import math
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import websockets.exceptions
from openai import AsyncOpenAI

from routebook.edge.simulator.server import Simulator, start_simulator
from routebook.edge.simulator.sound import BYTES_PER_MS, RATE, Ear, Heard, loudness, tone
from routebook.routing.replay import decide_again, differences
from tests.edge.sessions.test_voice_page import block
from tests.support.proxy import LocalProxy, in_process
from tests.support.voices import voice_policy

FORMAT = {"type": "audio/pcm", "rate": RATE}
TOOL = {
    "type": "function",
    "name": "weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
}


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    """A simulated upstream that makes a word in a millisecond."""
    sock = socket.create_server(("127.0.0.1", 0))
    running = await start_simulator(sock, pace=0.001)
    yield running
    await running.close()


@pytest.fixture
async def proxy(tmp_path: Path, simulator: Simulator) -> AsyncIterator[LocalProxy]:
    """A proxy in front of it."""
    async with in_process(tmp_path, voice_policy(simulator.address)) as running:
        yield running


def client_of(proxy: LocalProxy) -> AsyncOpenAI:
    """The SDK as its users have it."""
    return AsyncOpenAI(base_url=proxy.base_url, api_key="sk-test", max_retries=0)


async def until(session: Any, kind: str) -> list[Any]:
    """The events up to the first of a kind."""
    events: list[Any] = []
    async with asyncio.timeout(30):
        async for event in session:
            events.append(event)
            if event.type == kind:
                return events
    raise AssertionError(f"no {kind} came, but {[each.type for each in events]}")


def hertz(sound: bytes) -> float:
    """The pitch of a tone, by how often it crosses zero upwards."""
    samples = array.array("h", sound)
    ups = [n for n in range(1, len(samples)) if samples[n - 1] < 0 <= samples[n]]
    return (len(ups) - 1) * RATE / (ups[-1] - ups[0])


def quiet(ms: int) -> str:
    """So much silence, as a client sends it."""
    return base64.b64encode(bytes(ms * BYTES_PER_MS)).decode()


def speech(ms: int) -> str:
    """So much of a tone, as a client sends it."""
    return base64.b64encode(tone(0, ms)).decode()


async def test_an_answer_in_text_and_one_in_sound(proxy: LocalProxy) -> None:
    """A question gets an answer in the same session, in words and then in a tone of 440 Hz; both are priced."""
    async with client_of(proxy).realtime.connect(model="voice") as session:
        assert (await session.recv()).type == "session.created"
        await session.session.update(session={"type": "realtime", "output_modalities": ["text"]})
        await until(session, "session.updated")
        part = {"type": "input_text", "text": "How are you?"}
        await session.conversation.item.create(item={"type": "message", "role": "user", "content": [part]})
        await session.response.create()
        events = await until(session, "response.done")
        assert "How are you?" in "".join(each.delta for each in events if each.type == "response.output_text.delta")
        await session.response.create(response={"output_modalities": ["audio"]})
        events = await until(session, "response.done")
        sound = b"".join(base64.b64decode(each.delta) for each in events if each.type == "response.output_audio.delta")
        usage = events[-1].response.usage
    record = await proxy.only_record()

    assert hertz(sound) == pytest.approx(440, abs=1)
    assert usage.output_token_details.audio_tokens == len(sound) // BYTES_PER_MS // 50
    assert record.ended is not None
    first, second = record.ended["session"]["responses"]
    assert first["status"] == second["status"] == "completed"
    assert (
        "audio_output" not in first["usage"]
        and second["usage"]["audio_output"] == usage.output_token_details.audio_tokens
    )
    assert record.ended["cost"] == first["cost"] + second["cost"]
    assert record.ended["usage_by"] == "measured"


async def test_a_tool_is_called_and_its_result_answered(proxy: LocalProxy) -> None:
    """The call comes whole, and what it brought is said."""
    async with client_of(proxy).realtime.connect(model="voice") as session:
        await session.session.update(session={"type": "realtime", "output_modalities": ["text"], "tools": [TOOL]})
        part = {"type": "input_text", "text": "What is the weather?"}
        await session.conversation.item.create(item={"type": "message", "role": "user", "content": [part]})
        await session.response.create()
        call = (await until(session, "response.done"))[-1].response.output[0]
        assert (call.type, call.name, json.loads(call.arguments)) == ("function_call", "weather", {"city": "simulated"})
        output = {"type": "function_call_output", "call_id": call.call_id, "output": "sunny"}
        await session.conversation.item.create(item=output)
        await session.response.create()
        done = (await until(session, "response.done"))[-1]
    assert done.response.output[-1].type == "message"


async def test_who_speaks_is_heard_and_who_speaks_over_an_answer_stops_it(
    proxy: LocalProxy, simulator: Simulator
) -> None:
    """Server VAD finds the end of what is said and answers; speech over the answer cancels it, and it is booked."""
    slow = "voice-1@pace=1s"
    proxy.take(voice_policy(simulator.address).replace("id: voice-1", f'id: "{slow}"'))
    async with client_of(proxy).realtime.connect(model="voice") as session:
        await session.session.update(
            session={"type": "realtime", "audio": {"input": {"transcription": {"model": slow}}}}
        )
        for piece in (quiet(100), speech(400), quiet(600)):
            await session.input_audio_buffer.append(audio=piece)
        kinds = [each.type for each in await until(session, "response.output_audio.delta")]
        order = ["speech_started", "speech_stopped", "committed"]
        found = [kind.rpartition(".")[2] for kind in kinds if kind.startswith("input_audio_buffer.")]
        assert found == order
        await session.input_audio_buffer.append(audio=speech(200))
        events = await until(session, "response.done")
        assert "input_audio_buffer.speech_started" in [each.type for each in events]
        response = events[-1].response
        assert (response.status, response.status_details.reason) == ("cancelled", "turn_detected")
    record = await proxy.only_record()
    assert record.ended is not None
    lines = record.ended["session"]["responses"]
    assert [line["status"] for line in lines] == ["transcription", "cancelled"]
    assert lines[0]["usage"] == {"audio_input": 11, "output": 4}
    assert lines[1]["usage"]["audio_output"] > 0
    assert lines[1]["reason"] == "turn_detected"


@pytest.mark.parametrize("first", ["first_token", "first_audio"])
async def test_the_time_to_the_first_of_a_response_is_a_constraint(
    tmp_path: Path, simulator: Simulator, first: str
) -> None:
    """As it was measured in sessions before: a model that was slow to begin, or to speak, is passed over where it must not
    be; each constraint goes by its own measure."""
    policy = voice_policy(simulator.address, simulator.address)
    policy = policy.replace("p0, id: voice-1", 'p0, id: "voice-1@pace=400ms"').replace(
        "to: [voice0, voice1]", "to: [voice0, voice1], within: {" + first + ": 300ms}"
    )
    async with in_process(tmp_path, policy) as proxy:
        served: list[Any] = []
        for _ in range(2):
            async with client_of(proxy).realtime.connect(model="voice") as session:
                await session.response.create()
                await until(session, "response.output_audio.delta")
                await session.response.cancel()
                await until(session, "response.done")
            records = await proxy.ended_records(lambda records, before=served: len(records) > len(before))
            served = [each.ended["model"] for each in records.values() if each.ended is not None]
        listed = [each for record in records.values() for each in record.decided["candidates"]]
        for record in records.values():
            assert differences(record.decided, decide_again(proxy.gateway.policy, record.decided)) == []
    assert sorted(served) == ["voice0", "voice1"]
    assert sorted(each["reason"] for each in listed) == ["kept", "kept", "kept", f"within.{first.replace('_', '-')}"]


@pytest.mark.parametrize(("status", "told"), [(400, 400), (401, 502), (429, 429), (503, 502)])
async def test_a_refusal_is_an_error_of_the_sdk(tmp_path: Path, simulator: Simulator, status: int, told: int) -> None:
    """At the upgrade, with the status that a request would get."""
    policy = voice_policy(simulator.address).replace("id: voice-1", f'id: "voice-1@{status}"')
    async with in_process(tmp_path, policy) as proxy:
        with pytest.raises(websockets.exceptions.InvalidStatus) as refused:
            async with client_of(proxy).realtime.connect(model="voice"):
                pass
    assert refused.value.response.status_code == told


async def test_the_page_s_program_talks(proxy: LocalProxy, capsys: pytest.CaptureFixture[str]) -> None:
    """As it is printed, but for the address."""
    program = block("python").replace("http://localhost:8080/v1", proxy.base_url)
    program = program.replace(
        "print(event.type)\n", "print(event.type)\n        if event.type == 'response.done': break\n"
    )
    lines = "".join(f"    {line}\n" for line in program.splitlines())
    names: dict[str, Any] = {}
    exec(compile(f"async def main():\n{lines}", "voice.md", "exec"), names)  # noqa: S102 - the page's own
    await names["main"]()
    printed = capsys.readouterr().out.split()
    assert printed[0] == "session.created" and printed[-1] == "response.done"


def test_an_ear_hears_a_tone_and_its_end() -> None:
    """Wherever the sound is cut: quiet, speech, and half a second of quiet after it."""
    sound = bytes(200 * BYTES_PER_MS) + tone(0, 400) + bytes(600 * BYTES_PER_MS)
    for size in (1, 7, 960, len(sound)):
        ear = Ear()
        found = [each for at in range(0, len(sound), size) for each in ear.hear(sound[at : at + size])]
        assert found == [(Heard.BEGIN, 200), (Heard.END, 1100)]
    assert loudness(tone(0, 1000)) == pytest.approx(8000 / math.sqrt(2), rel=0.01)
    assert tone(0, 50) + tone(50, 50) == tone(0, 100)
