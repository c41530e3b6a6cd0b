"""Sessions that cross: official clients through the proxy to the simulated upstream of the other API, over real sockets."""

from __future__ import annotations

import asyncio
import base64
import json
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from google import genai
from google.genai import errors, types
from openai import AsyncOpenAI

from routebook.chat.resampling import Coding, Resampler, decoded, encoded
from routebook.edge.simulator.server import Simulator, start_simulator
from routebook.edge.simulator.sound import BYTES_PER_MS, RATE, tone
from tests.edge.sessions.test_talking import TOOL, hertz, until
from tests.support.proxy import LocalProxy, in_process
from tests.support.tls import TlsFront
from tests.support.voices import Voices, until_left

PRICE = "{input: 4, cached_input: 0.4, audio_input: 32, cached_audio_input: 0.4, output: 16, audio_output: 64}"


def policy(upstream: str, dialect: str, model: str = "voice-1", more: str = "") -> str:
    """One model of voice, whoever asks."""
    return f"""\
version: 1
providers:
  far: {{dialect: {dialect}, base_url: "{upstream}", accounts: [{{name: main}}]}}
models:
  voice: {{provider: far, id: "{model}", operations: [realtime], price: {PRICE}, max_output: 4096}}
{more}rules:
  - {{name: voices, when: {{request.operation: realtime}}, route: {{to: [voice]}}}}
  - {{name: nobody, refuse: {{status: 403, message: no voice here}}}}
"""


def with_spare(rules: str, simulator: Simulator) -> str:
    """The policy with a second candidate, which speaks Realtime."""
    near = f'  near: {{dialect: openai, base_url: "{simulator.address}", accounts: [{{name: main}}]}}\n'
    spare = "  spare: {provider: near, id: voice-2, operations: [realtime], max_output: 4096}\n"
    rules = rules.replace("providers:\n", f"providers:\n{near}").replace("models:\n", f"models:\n{spare}")
    return rules.replace("[voice]", "[voice, spare]")


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    """A simulated upstream that makes a word in a millisecond."""
    running = await start_simulator(socket.create_server(("127.0.0.1", 0)), pace=0.001)
    yield running
    await running.close()


@pytest.fixture
async def to_live(tmp_path: Path, simulator: Simulator) -> AsyncIterator[LocalProxy]:
    """A proxy whose only model of voice speaks Live."""
    async with in_process(tmp_path, policy(simulator.address, "gemini")) as running:
        yield running


@pytest.fixture
async def to_realtime(tmp_path: Path, simulator: Simulator) -> AsyncIterator[LocalProxy]:
    """A proxy whose only model of voice speaks Realtime."""
    async with in_process(tmp_path, policy(simulator.address, "openai")) as running:
        yield running


@asynccontextmanager
async def realtime(proxy: LocalProxy, **session: Any) -> AsyncIterator[Any]:
    """A session of OpenAI's client, set to this."""
    client = AsyncOpenAI(base_url=proxy.base_url, api_key="sk-test", max_retries=0)
    async with client.realtime.connect(model="voice") as connection:
        created = await connection.recv()
        assert created.type == "session.created", created
        if session:
            await connection.session.update(session={"type": "realtime", **session})
            await until(connection, "session.updated")
        yield connection


@asynccontextmanager
async def live(proxy: LocalProxy, monkeypatch: pytest.MonkeyPatch, **config: Any) -> AsyncIterator[Any]:
    """A session of Google's client, set to this."""
    async with TlsFront(int(proxy.url.rpartition(":")[2])) as front:
        front.trust(monkeypatch)
        client = genai.Client(api_key="any", http_options=types.HttpOptions(base_url=front.url))
        async with client.aio.live.connect(model="voice", config=types.LiveConnectConfig(**config)) as session:
            yield session


def kinds(events: list[Any]) -> list[str]:
    """What the events are."""
    return [each.type for each in events]


async def ask(session: Any, text: str) -> list[Any]:
    """A question of a user's, and everything up to the end of its response."""
    part = {"type": "input_text", "text": text}
    await session.conversation.item.create(item={"type": "message", "role": "user", "content": [part]})
    await session.response.create()
    return await until(session, "response.done")


def sound_of(events: list[Any]) -> bytes:
    """What was said."""
    return b"".join(base64.b64decode(each.delta) for each in events if each.type == "response.output_audio.delta")


def base64_of(sound: bytes) -> str:
    """As clients send it."""
    return base64.b64encode(sound).decode()


async def test_realtime_to_live_in_text(to_live: LocalProxy) -> None:
    """Questions and answers in text: deltas are the whole, usage is priced."""
    async with realtime(to_live, output_modalities=["text"], instructions="Be brief.") as session:
        events = await ask(session, "How are you?")
        more = await ask(session, "And now?")
    record = await to_live.only_record()

    said = "".join(each.delta for each in events if each.type == "response.output_text.delta")
    assert "How are you?" in said
    done = events[-1].response
    assert done.status == "completed"
    assert done.output[0].content[0].text == said
    assert done.usage.output_tokens == len(said.split())
    assert "And now?" in "".join(each.delta for each in more if each.type == "response.output_text.delta")
    order = ["conversation.item.added", "conversation.item.done", "response.created", "response.output_item.added"]
    assert [kind for kind in kinds(events) if kind in order][:4] == order
    assert record.ended is not None
    lines = record.ended["session"]["responses"]
    assert [line["status"] for line in lines] == ["completed", "completed"]
    assert lines[0]["usage"]["output"] == done.usage.output_tokens
    assert lines[0]["usage"]["input"] == done.usage.input_tokens
    assert record.ended["cost"] == sum(line["cost"] for line in lines) > 0
    assert record.decided["dialect"] == "openai-realtime"
    assert record.ended["end"] == "--"


@pytest.mark.parametrize("coding", Coding)
async def test_realtime_to_live_in_sound(to_live: LocalProxy, coding: Coding) -> None:
    """What is said is heard, and the answer is a tone of 440 Hz of the right length, in whatever format."""
    form = {"type": coding.value, **({"rate": RATE} if coding is Coding.PCM else {})}
    audio = {"input": {"format": form, "transcription": {"model": "whisper-1"}}, "output": {"format": form}}
    out = Resampler(RATE, coding.rate)
    spoken = out.change(tone(0, 400)) + out.flush()
    async with realtime(to_live, audio=audio) as session:
        for piece in (spoken, bytes(700 * coding.rate // 1000 * 2)):
            await session.input_audio_buffer.append(audio=base64_of(encoded(piece, coding)))
        events = await until(session, "response.done")
    record = await to_live.only_record()

    names = kinds(events)
    flow = [
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
        "conversation.item.added",
        "response.created",
        "response.output_audio.delta",
        "response.done",
    ]
    assert [names.index(each) for each in flow] == sorted(names.index(each) for each in flow)
    sound = sound_of(events)
    samples = decoded(sound, coding)
    words = "".join(each.delta for each in events if each.type == "response.output_audio_transcript.delta")
    assert hertz(samples) * coding.rate / RATE == pytest.approx(440, abs=1)
    assert len(samples) // 2 == len(words.split()) * coding.rate // 10
    assert "0.9 seconds of sound" in words
    usage = events[-1].response.usage
    assert usage.output_token_details.audio_tokens == -(-len(words.split()) * 100 // 40)
    assert usage.input_token_details.audio_tokens > 0
    assert record.ended is not None
    assert record.ended["usage"]["audio_output"] == usage.output_token_details.audio_tokens
    losses = record.ended["attempts"][0]["losses"]
    assert [(each["path"], each["done"]) for each in losses] == [
        ("session.audio.input.transcription.model", "emulated")
    ]


async def test_what_the_user_said_is_written_down(to_live: LocalProxy) -> None:
    """Once in pieces and once whole, for the item that the sound has become."""
    audio = {"input": {"transcription": {"model": "whisper-1"}}}
    async with realtime(to_live, audio=audio) as session:
        for piece in (tone(0, 400), bytes(700 * BYTES_PER_MS)):
            await session.input_audio_buffer.append(audio=base64_of(piece))
        completed = "conversation.item.input_audio_transcription.completed"
        events = await until(session, completed)
    committed = next(each for each in events if each.type == "input_audio_buffer.committed")
    deltas = [each for each in events if each.type == "conversation.item.input_audio_transcription.delta"]
    assert "".join(each.delta for each in deltas) == events[-1].transcript == "0.9 seconds of sound"
    assert {each.item_id for each in (*deltas, events[-1])} == {committed.item_id}


async def test_turns_that_the_client_marks(to_live: LocalProxy) -> None:
    """Without VAD nothing is answered before it is asked for, and then all that was committed is."""
    async with realtime(to_live, audio={"input": {"turn_detection": None}}) as session:
        await session.input_audio_buffer.commit()
        told = await until(session, "error")
        assert told[-1].error.code == "input_audio_buffer_commit_empty"
        await session.input_audio_buffer.append(audio=base64_of(tone(0, 1000)))
        await session.input_audio_buffer.commit()
        await until(session, "conversation.item.done")
        await session.response.create()
        events = await until(session, "response.done")
    assert "1.0 seconds of sound" in events[-1].response.output[0].content[0].transcript
    assert hertz(sound_of(events)) == pytest.approx(440, abs=1)


async def test_a_tool_of_realtime_on_live(to_live: LocalProxy) -> None:
    """Called with its arguments; the answer goes on with what it brought when it is asked to."""
    async with realtime(to_live, output_modalities=["text"], tools=[TOOL]) as session:
        call = (await ask(session, "What is the weather?"))[-1].response.output[0]
        assert (call.type, call.name, json.loads(call.arguments)) == ("function_call", "weather", {"city": "simulated"})
        output = {"type": "function_call_output", "call_id": call.call_id, "output": "sunny"}
        await session.conversation.item.create(item=output)
        await session.response.create()
        done = (await until(session, "response.done"))[-1].response
    assert (done.status, done.output[0].type) == ("completed", "message")
    record = await to_live.only_record()
    assert record.ended is not None
    assert [line["status"] for line in record.ended["session"]["responses"]] == ["completed"]
    assert record.ended["usage"]["output"] == done.usage.output_tokens


async def test_barge_in_on_live(tmp_path: Path, simulator: Simulator) -> None:
    """Whoever speaks over an answer hears no more of it, and it is booked; so it is where a client cancels."""
    rules = policy(simulator.address, "gemini", "voice-1@pace=100ms")
    async with in_process(tmp_path, rules) as proxy:
        async with realtime(proxy, audio={"input": {"transcription": {"model": "whisper-1"}}}) as session:
            for piece in (tone(0, 400), bytes(700 * BYTES_PER_MS)):
                await session.input_audio_buffer.append(audio=base64_of(piece))
            await until(session, "response.output_audio.delta")
            await session.input_audio_buffer.append(audio=base64_of(tone(0, 400)))
            events = await until(session, "response.done")
            names = kinds(events)
            after = names[names.index("input_audio_buffer.speech_started") :]
            assert "response.output_audio.delta" not in after
            response = events[-1].response
            assert (response.status, response.status_details.reason) == ("cancelled", "turn_detected")
            assert response.usage.output_token_details.audio_tokens > 0
            await session.input_audio_buffer.append(audio=base64_of(bytes(700 * BYTES_PER_MS)))
            await until(session, "response.output_audio.delta")
            await session.response.cancel()
            events = await until(session, "response.done")
            response = events[-1].response
            assert (response.status, response.status_details.reason) == ("cancelled", "client_cancelled")
            item = response.output[0].id
            await session.conversation.item.truncate(item_id=item, content_index=0, audio_end_ms=0)
            told = (await until(session, "error"))[-1].error
            assert (told.code, told.param) == ("unsupported_by_upstream", "audio_end_ms")
            await session.conversation.item.truncate(item_id=item, content_index=0, audio_end_ms=60_000)
            await until(session, "conversation.item.truncated")
        record = await proxy.only_record()
    assert record.ended is not None
    lines = record.ended["session"]["responses"]
    assert [line["status"] for line in lines] == ["cancelled", "cancelled"]
    assert all(line["usage"]["audio_output"] > 0 for line in lines)


async def test_what_cannot_be_carried_is_named(to_live: LocalProxy) -> None:
    """By an error that refers to the client's event; the session goes on."""
    async with realtime(to_live, output_modalities=["text"]) as session:
        for event, code, param in (
            ({"type": "conversation.item.delete", "item_id": "x"}, "unsupported_by_upstream", "conversation.item.delete"),
            ({"type": "response.create", "response": {"conversation": "none"}}, "unsupported_by_upstream", "response.conversation"),
            ({"type": "session.update", "session": {"type": "realtime", "tool_choice": "required"}}, "unsupported_by_upstream", "session.tool_choice"),
            ({"type": "session.update", "session": {"type": "realtime", "tracing": "auto"}}, "unsupported_by_upstream", "session.tracing"),
            ({"type": "session.update", "session": {"type": "realtime", "modalities": []}}, "unknown_parameter", "session.modalities"),
            ({"type": "response.cancel"}, "response_cancel_not_active", None),
            ({"type": "unheard.of"}, "invalid_value", "type"),
        ):  # fmt: skip
            await session.send({**event, "event_id": "mine"})
            told = (await until(session, "error"))[-1].error
            assert (told.code, told.param, told.event_id) == (code, param, "mine")
        assert (await ask(session, "Still there?"))[-1].response.status == "completed"
    record = await to_live.only_record()
    assert record.ended is not None
    losses = [(each["path"], each["done"]) for each in record.ended["attempts"][0]["losses"]]
    assert losses == [("session.tool_choice", "refused"), ("session.tracing", "dropped")]


async def test_a_session_that_must_end_goes_on_elsewhere(tmp_path: Path, simulator: Simulator) -> None:
    """The client does not notice that its upstream's connection ends; what was said before is still known."""
    rules = policy(simulator.address, "gemini", "voice-1@go-away=20")
    async with in_process(tmp_path, rules) as proxy:
        async with realtime(proxy, output_modalities=["text"]) as session:
            prompts = []
            for number in range(6):
                done = (await ask(session, f"Question {number}?"))[-1].response
                assert done.status == "completed"
                prompts.append(done.usage.input_tokens)
        record = await proxy.only_record()
    assert prompts == sorted(set(prompts))
    assert record.ended is not None
    assert record.ended["end"] == "--"
    assert len(record.ended["session"]["responses"]) == 6


async def test_settings_change_after_something_was_said(to_live: LocalProxy) -> None:
    """The session goes on with its memory and other instructions."""
    async with realtime(to_live, output_modalities=["text"]) as session:
        first = (await ask(session, "One?"))[-1].response.usage.input_tokens
        await session.session.update(session={"type": "realtime", "tools": [TOOL]})
        await until(session, "session.updated")
        response = (await ask(session, "The weather?"))[-1].response
        assert response.output[0].type == "function_call"
        await session.conversation.item.create(
            item={"type": "function_call_output", "call_id": response.output[0].call_id, "output": "sunny"}
        )
        await session.response.create()
        done = (await until(session, "response.done"))[-1].response
    assert done.usage.input_tokens > first


async def test_live_to_realtime_in_text(to_realtime: LocalProxy, monkeypatch: pytest.MonkeyPatch) -> None:
    """A question and its answer, with usage by kind."""
    async with live(to_realtime, monkeypatch, response_modalities=["TEXT"], system_instruction="Be brief.") as session:
        await session.send_client_content(turns={"role": "user", "parts": [{"text": "How are you?"}]})
        found = [message async for message in session.receive()]
    record = await to_realtime.only_record()
    said = "".join(message.text or "" for message in found)
    assert "How are you?" in said
    usage = found[-1].usage_metadata
    assert usage.response_token_count == len(said.split())
    assert record.ended is not None
    assert record.ended["usage"]["output"] == usage.response_token_count
    assert record.ended["usage"]["input"] == usage.prompt_token_count
    assert record.decided["dialect"] == "gemini-live"


async def test_live_to_realtime_in_sound(to_realtime: LocalProxy, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is said at 16 kHz is heard at 24; the answer is a tone of 440 Hz, with its words and the user's."""
    down = Resampler(RATE, 16_000)
    speech = down.change(tone(0, 400)) + down.flush()
    config = {
        "response_modalities": ["AUDIO"],
        "output_audio_transcription": {},
        "input_audio_transcription": {},
        "speech_config": {"voice_config": {"prebuilt_voice_config": {"voice_name": "Kore"}}},
    }
    async with live(to_realtime, monkeypatch, **config) as session:
        for piece in (speech, bytes(16 * 2 * 700)):
            await session.send_realtime_input(audio=types.Blob(data=piece, mime_type="audio/pcm;rate=16000"))
        found = [message async for message in session.receive()]
    record = await to_realtime.only_record()
    sound = b"".join(message.data for message in found if message.data)
    contents = [message.server_content for message in found if message.server_content]
    words = "".join(each.output_transcription.text for each in contents if each.output_transcription)
    heard = "".join(each.input_transcription.text for each in contents if each.input_transcription)
    assert hertz(sound) == pytest.approx(440, abs=1)
    assert len(sound) == len(words.split()) * RATE // 10 * 2
    assert heard == "0.9 seconds of sound" or heard == "1.0 seconds of sound" or heard == "1.1 seconds of sound"
    assert record.ended is not None
    lines = record.ended["session"]["responses"]
    assert [line["status"] for line in lines] == ["transcription", "completed"]
    assert lines[1]["usage"]["audio_output"] == found[-1].usage_metadata.response_tokens_details[-1].token_count


async def test_a_tool_of_live_on_realtime(to_realtime: LocalProxy, monkeypatch: pytest.MonkeyPatch) -> None:
    """One turn with a call in it, as Live has it: usage is that of both responses."""
    function = {"name": "weather", "parameters": {"type": "OBJECT", "properties": {"city": {"type": "STRING"}}}}
    config = {"response_modalities": ["TEXT"], "tools": [{"function_declarations": [function]}]}
    async with live(to_realtime, monkeypatch, **config) as session:
        await session.send_client_content(turns={"role": "user", "parts": [{"text": "What is the weather?"}]})
        found = []
        async for message in session.receive():
            found.append(message)
            if message.tool_call:
                call = message.tool_call.function_calls[0]
                assert (call.name, call.args) == ("weather", {"city": "simulated"})
                answer = types.FunctionResponse(id=call.id, name="weather", response={"result": "sunny"})
                await session.send_tool_response(function_responses=[answer])
    record = await to_realtime.only_record()
    assert any(message.text for message in found)
    assert record.ended is not None
    assert [line["status"] for line in record.ended["session"]["responses"]] == ["completed", "completed"]
    assert record.ended["usage"]["output"] == found[-1].usage_metadata.response_token_count


async def test_live_marks_turns_and_interrupts(
    tmp_path: Path, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By activity: the first turn is answered, the second ends that answer and is answered itself."""
    rules = policy(simulator.address, "openai", "voice-1@pace=50ms")
    detection = {"automatic_activity_detection": {"disabled": True}}
    config = {"response_modalities": ["AUDIO"], "realtime_input_config": detection}
    async with in_process(tmp_path, rules) as proxy:
        async with live(proxy, monkeypatch, **config) as session:

            async def speak() -> None:
                await session.send_realtime_input(activity_start={})
                sound = types.Blob(data=bytes(16_000), mime_type="audio/pcm;rate=16000")
                await session.send_realtime_input(audio=sound)
                await session.send_realtime_input(activity_end={})

            await speak()
            first = []
            async for message in session.receive():
                first.append(message)
                if message.data and len(first) == 1:
                    await speak()
            second = [message async for message in session.receive()]
        record = await proxy.only_record()
    assert any(message.server_content and message.server_content.interrupted for message in first)
    assert second[-1].server_content.turn_complete
    assert record.ended is not None
    assert [line["status"] for line in record.ended["session"]["responses"]] == ["cancelled", "completed"]


async def test_live_is_closed_with_what_cannot_be_carried(
    to_realtime: LocalProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tool of Google's at the beginning, a picture of a video in between."""
    with pytest.raises(errors.APIError) as refused:
        async with live(to_realtime, monkeypatch, tools=[{"google_search": {}}]) as session:
            async for _ in session.receive():
                pass
    assert "googleSearch" in str(refused.value)
    async with live(to_realtime, monkeypatch, response_modalities=["TEXT"]) as session:
        await session.send_realtime_input(video=types.Blob(data=b"jpeg", mime_type="image/jpeg"))
        with pytest.raises(errors.APIError) as closed:
            async for _ in session.receive():
                pass
    assert closed.value.code == 400
    assert "realtimeInput.video" in str(closed.value)


async def test_the_upstream_s_end_is_told(tmp_path: Path, simulator: Simulator) -> None:
    """A session that breaks off: an error event, then a close; no client hangs."""
    rules = policy(simulator.address, "gemini", "voice-1@error-event=4")
    async with in_process(tmp_path, rules) as proxy:
        async with realtime(proxy, output_modalities=["text"]) as session:
            part = {"type": "input_text", "text": "Hello?"}
            await session.conversation.item.create(item={"type": "message", "role": "user", "content": [part]})
            await session.response.create()
            assert (await until(session, "error"))[-1].error.code == "upstream.cut"
        record = await proxy.only_record()
    assert record.ended is not None
    assert record.ended["error"] == "upstream.cut"
    assert record.ended["session"]["responses"][0]["status"] == "unconfirmed"


async def test_an_upstream_that_refuses_is_passed_over(tmp_path: Path, simulator: Simulator) -> None:
    """Whatever its dialect: the next candidate takes the session, and the client sees none of it."""
    rules = with_spare(policy(simulator.address, "gemini", "voice-1@429"), simulator)
    async with in_process(tmp_path, rules) as proxy:
        async with realtime(proxy, output_modalities=["text"]) as session:
            assert (await ask(session, "Hello?"))[-1].response.status == "completed"
        record = await proxy.only_record()
    assert record.ended is not None
    assert [each["code"] for each in record.ended["attempts"]] == ["upstream.disconnected", None]


async def test_a_budget_stops_the_next_response(tmp_path: Path, simulator: Simulator) -> None:
    """With the client's own error; what runs is heard to its end."""
    more = "budgets:\n  voice: {limit: $0.30, window: 30d}\n"
    rules = policy(simulator.address, "gemini", more=more)
    async with in_process(tmp_path, rules) as proxy:
        async with realtime(proxy, output_modalities=["text"]) as session:
            refused = None
            for _ in range(40):
                part = {"type": "input_text", "text": "word " * 2000}
                await session.conversation.item.create(item={"type": "message", "role": "user", "content": [part]})
                await session.response.create()
                async with asyncio.timeout(30):
                    async for event in session:
                        if event.type in ("error", "response.done"):
                            break
                if event.type == "error":
                    refused = event.error
                    break
        assert refused is not None and refused.code == "budget.exhausted"


async def test_an_answer_that_is_cut_with_its_connection_is_booked(tmp_path: Path) -> None:
    """It ends as failed, and is estimated; the session goes on by its handle, and the next answer is measured."""
    setups: list[dict[str, Any]] = []
    sound = base64_of(bytes(48_000))
    spoken = {"modelTurn": {"parts": [{"inlineData": {"mimeType": "audio/pcm;rate=24000", "data": sound}}]}}
    counted = {"promptTokenCount": 7, "responseTokenCount": 25, "totalTokenCount": 32}

    async def say(upstream: Any, **frame: Any) -> None:
        await upstream.send_bytes(json.dumps(frame).encode())

    async def talk(upstream: Any) -> None:
        setups.append(json.loads(await upstream.receive_str())["setup"])
        await say(upstream, setupComplete={})
        await upstream.receive_str()
        await say(upstream, serverContent=spoken)
        if len(setups) == 1:
            await say(upstream, sessionResumptionUpdate={"newHandle": "handle-1", "resumable": True})
            await say(upstream, goAway={"timeLeft": "0s"})
            await upstream.close(code=1011)
            return
        await say(upstream, serverContent={"turnComplete": True}, usageMetadata=counted)
        await until_left(upstream)

    async with Voices(talk) as voices, in_process(tmp_path, policy(voices.base_url, "gemini")) as proxy:
        async with realtime(proxy) as session:
            await session.response.create()
            assert (await until(session, "response.done"))[-1].response.status == "failed"
            await session.response.create()
            assert (await until(session, "response.done"))[-1].response.status == "completed"
        record = await proxy.only_record()
    assert "handle" not in setups[0]["sessionResumption"] and setups[1]["sessionResumption"] == {"handle": "handle-1"}
    assert record.ended is not None
    lines = record.ended["session"]["responses"]
    assert [(line["status"], line["usage_by"]) for line in lines] == [
        ("failed", "estimated"),
        ("completed", "measured"),
    ]
    assert 25 <= lines[0]["usage"]["audio_output"] <= 26
    assert record.ended["end"] == "--"


async def test_without_the_extra_the_next_candidate_is_asked(
    tmp_path: Path, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is sent to the first, and the record says why."""
    monkeypatch.setitem(sys.modules, "soxr", None)
    rules = with_spare(policy(simulator.address, "gemini"), simulator)
    async with in_process(tmp_path, rules) as proxy:
        async with realtime(proxy, output_modalities=["text"]) as session:
            assert (await ask(session, "Hello?"))[-1].response.status == "completed"
        record = await proxy.only_record()
    assert record.ended is not None
    first, second = record.ended["attempts"]
    assert (first["code"], second["code"]) == ("request.not-carried", None)
    assert "`voice`" in first["losses"][0]["why"]
