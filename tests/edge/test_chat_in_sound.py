"""Chats that are heard and spoken: the official clients of both vendors, on upstreams of both, whole and streamed."""

from __future__ import annotations

import array
import asyncio
import base64
import io
import json
import socket
import wave
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
from google import genai
from google.genai import types
from openai import AsyncOpenAI

from routebook.edge.simulator.server import start_simulator
from routebook.edge.simulator.sound import RATE, tone
from routebook.sound.wav import wav_of
from tests.edge.sessions.test_talking import hertz
from tests.support.asking import ask
from tests.support.proxy import LocalProxy, in_process
from tests.support.upstream import Reset, Say, Upstream, chunk, event, head

POLICY = """\
version: 1
providers:
  open: {{dialect: openai, base_url: "{upstream}", accounts: [{{name: main}}, {{name: spare}}]}}
  google: {{dialect: gemini, base_url: "{upstream}", accounts: [{{name: main}}]}}
models:
  gpt-audio: {{provider: open, id: gpt-audio-1, capabilities: [audio_in, audio_out], voices: {{Kore: coral}}, max_output: 4k,
              price: {{input: 2.5, output: 10, audio_input: 32, audio_output: 64}}}}
  gemini-voice: {{provider: google, id: gemini-3.8-flash-tts, capabilities: [audio_in, audio_out], max_output: 4k,
                 voices: {{alloy: Kore, "*": Puck}}, price: {{input: 0.5, output: 2, audio_input: 1, audio_output: 10}}}}
  writer: {{provider: open, id: writer-1, price: {{input: 1, output: 2}}}}
budgets:
  sound: {{limit: $20, window: day}}
rules:
  - {{name: any, when: {{request.model: any}}, route: {{to: [writer, gpt-audio], pick: weighted,
     weights: {{writer: 9, gpt-audio: 1}}}}}}
  - {{name: written, when: {{request.model: written}}, route: {{to: [writer]}}}}
  - {{name: as-asked, route: {{to: requested}}}}
"""

SPOKEN: Any = {"modalities": ["text", "audio"], "max_completion_tokens": 12}


@pytest.fixture
async def proxy(tmp_path: Path) -> AsyncIterator[LocalProxy]:
    """A proxy in front of a simulated upstream of both dialects."""
    simulator = await start_simulator(socket.create_server(("127.0.0.1", 0)), pace=0.001)
    async with in_process(tmp_path, POLICY.format(upstream=simulator.address)) as running:
        yield running
    await simulator.close()


@pytest.fixture
async def client(proxy: LocalProxy) -> AsyncIterator[AsyncOpenAI]:
    """OpenAI's SDK."""
    async with AsyncOpenAI(base_url=proxy.base_url, api_key="sk-test", max_retries=0) as running:
        yield running


@pytest.fixture
def google(proxy: LocalProxy) -> genai.Client:
    """Google's SDK."""
    address = proxy.base_url.removesuffix("/v1")
    return genai.Client(api_key="x", http_options=types.HttpOptions(base_url=address))


async def decisions(proxy: LocalProxy) -> list[Any]:
    """Every record, once each is complete, in their order."""
    return [record for _, record in sorted((await proxy.ended_records()).items())]


def asking(sound: bytes, format: str = "wav") -> Any:
    """A question that is heard."""
    heard = {"type": "input_audio", "input_audio": {"data": base64.b64encode(sound).decode(), "format": format}}
    return [{"role": "user", "content": [{"type": "text", "text": "What is this?"}, heard]}]


def is_a_tone(samples: bytes, milliseconds: int) -> bool:
    """Whether it is 440 Hz, sample for sample as it was made, and as long as that."""
    assert samples == tone(0, milliseconds)
    assert abs(hertz(samples) - 440) < 0.5
    return max(array.array("h", samples)) == 8_000


def file_of(data: str) -> tuple[int, bytes]:
    """The samples of a WAV file and how many milliseconds they are, by the standard library."""
    raw = base64.b64decode(data, validate=True)
    with wave.open(io.BytesIO(raw)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (RATE, 1, 2)
        frames = file.getnframes()
        assert int.from_bytes(raw[4:8], "little") == len(raw) - 8
        return frames * 1000 // RATE, file.readframes(frames)


@pytest.mark.parametrize("model", ["gpt-audio", "gemini-voice"])
async def test_a_whole_answer_is_a_file(proxy: LocalProxy, client: AsyncOpenAI, model: str) -> None:
    """E1, E2: asked for as `wav`, of either upstream; what was spoken and heard is counted and paid apart."""
    answer = await client.chat.completions.create(
        model=model, messages=asking(wav_of(tone(0, 500))), audio={"voice": "alloy", "format": "wav"}, **SPOKEN
    )
    audio = answer.choices[0].message.audio
    assert audio is not None and answer.choices[0].message.content is None
    milliseconds, samples = file_of(audio.data)
    assert milliseconds > 2_000 and is_a_tone(samples, milliseconds)
    assert bool(audio.transcript.startswith("This is a simulated answer")) is (model == "gpt-audio")
    assert answer.usage is not None and answer.usage.completion_tokens_details is not None
    assert answer.usage.prompt_tokens_details is not None
    assert answer.usage.prompt_tokens_details.audio_tokens == 5
    assert answer.usage.completion_tokens_details.audio_tokens == -(-milliseconds // 50)
    [record] = await decisions(proxy)
    assert record.ended["usage"]["audio_output"] == -(-milliseconds // 50) and record.ended["usage"]["audio_input"] == 5
    price = 64_000 if model == "gpt-audio" else 10_000
    assert record.ended["cost_parts"]["audio_output"] == -(-milliseconds // 50) * price
    assert record.ended["cost_parts"]["audio_input"] == 5 * (32_000 if model == "gpt-audio" else 1_000)
    assert record.decided["asked"]["needs"] == ["audio_in", "audio_out"]


@pytest.mark.parametrize("model", ["gpt-audio", "gemini-voice"])
async def test_a_stream_is_bare_samples(proxy: LocalProxy, client: AsyncOpenAI, model: str) -> None:
    """E1, E2: the pieces' base64 can be joined as it is."""
    stream = await client.chat.completions.create(
        model=model,
        messages=[{"role": "user", "content": "Speak."}],
        audio={"voice": "alloy", "format": "pcm16"},
        stream=True,
        stream_options={"include_usage": True},
        **SPOKEN,
    )
    pieces, ids, usage = [], set(), None
    async for each in stream:
        usage = each.usage or usage
        for choice in each.choices:
            audio: Any = choice.delta.to_dict().get("audio") or {}
            pieces.append(audio.get("data", ""))
            ids.add(audio.get("id"))
    samples = base64.b64decode("".join(pieces), validate=True)
    milliseconds = len(samples) // 48
    assert len(pieces) > 5 and is_a_tone(samples, milliseconds) and len(ids - {None}) == 1
    assert usage is not None and usage.completion_tokens_details is not None
    assert usage.completion_tokens_details.audio_tokens == -(-milliseconds // 50)
    [record] = await decisions(proxy)
    assert record.ended["usage_by"] == "measured" and record.ended["cost_parts"]["audio_output"]


@pytest.mark.parametrize("stream", [False, True])
async def test_the_same_dialect_passes_byte_for_byte(proxy: LocalProxy, stream: bool) -> None:
    """E1: what comes through the proxy is what the upstream sends to whoever asks it directly."""
    body = {
        "model": "gpt-audio-1",
        "messages": [{"role": "user", "content": "Speak."}],
        "audio": {"voice": "alloy", "format": "pcm16" if stream else "wav"},
        "stream": stream,
        **SPOKEN,
    }
    upstream = proxy.gateway.serving.policy.catalogue.providers["open"].base_url
    async with httpx2.AsyncClient(timeout=30) as http:
        through = await http.post(f"{proxy.base_url}/chat/completions", json={**body, "model": "gpt-audio"})
        asked = {**body, "stream_options": {"include_usage": True}} if stream else body
        direct = await http.post(f"{upstream}/chat/completions", json=asked)
    sent, said = json_pieces(through.content, stream), json_pieces(direct.content, stream)
    assert without_ids(sent) == without_ids(said)


def json_pieces(body: bytes, stream: bool) -> list[dict[str, Any]]:
    """The objects of an answer."""
    if not stream:
        return [json.loads(body)]
    lines = [line[6:] for line in body.split(b"\n") if line.startswith(b"data: {")]
    return [json.loads(line) for line in lines]


def without_ids(pieces: list[dict[str, Any]]) -> list[Any]:
    """What was said, without ids that are made of the request."""
    found = []
    for piece in pieces:
        for choice in piece.get("choices", ()):
            said = choice.get("message") or choice.get("delta") or {}
            said.get("audio", {}).pop("id", None)
            found.append(choice)
    return found


def said(model: str, sound: bytes) -> dict[str, Any]:
    """One event of a stream in sound, as each vendor writes it."""
    data = base64.b64encode(sound).decode()
    if model == "gpt-audio":
        return {"choices": [{"index": 0, "delta": {"audio": {"data": data}}, "finish_reason": None}]}
    part = {"inlineData": {"mimeType": "audio/L16;codec=pcm;rate=24000", "data": data}}
    return {"candidates": [{"index": 0, "content": {"role": "model", "parts": [part]}}]}


@pytest.mark.parametrize("model", ["gpt-audio", "gemini-voice"])
async def test_what_was_heard_of_a_stream_that_breaks_off_is_sound(
    tmp_path: Path, upstream: Upstream, model: str
) -> None:
    """It is estimated by its length, at the price of sound: nobody told how much it was."""
    role = {"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}]}
    events = [said(model, tone(at * 100, 100)) for at in range(10)]
    upstream.will(
        [
            Say(head(200, [("Content-Type", "text/event-stream"), ("Transfer-Encoding", "chunked")])),
            *(Say(chunk(event(each))) for each in ([role] if model == "gpt-audio" else []) + events),
            Reset(),
        ]
    )
    body = {
        "model": model,
        "messages": [{"role": "user", "content": "Speak."}],
        "audio": {"voice": "alloy", "format": "pcm16"},
        "stream": True,
        **SPOKEN,
    }
    async with in_process(tmp_path, POLICY.format(upstream=upstream.url)) as running:
        assert (await ask(running.url, body)).status == 200
        ended = (await running.only_record()).ended
    assert ended is not None and ended["error"] == "upstream.cut" and ended["usage_by"] == "estimated"
    assert ended["usage"]["audio_output"] == 20 and ended["usage"].get("output", 0) <= 1
    assert ended["cost_parts"]["audio_output"] == 20 * (64_000 if model == "gpt-audio" else 10_000)


@pytest.mark.parametrize("model", ["gpt-audio", "gemini-voice"])
async def test_googles_client_hears_either(proxy: LocalProxy, google: genai.Client, model: str) -> None:
    """E3: samples with Google's label, whole and in pieces, whoever speaks; and a question that is samples alone."""
    config = types.GenerateContentConfig(
        response_modalities=["AUDIO"],
        max_output_tokens=12,
        speech_config=types.SpeechConfig(
            voice_config=types.VoiceConfig(prebuilt_voice_config=types.PrebuiltVoiceConfig(voice_name="Kore"))
        ),
    )
    question: Any = [
        types.Part(text="Speak."),
        types.Part(inline_data=types.Blob(mime_type="audio/L16;codec=pcm;rate=16000", data=tone(0, 300))),
    ]
    answer = await asyncio.to_thread(google.models.generate_content, model=model, contents=question, config=config)
    assert answer.parts is not None
    blob = answer.parts[0].inline_data
    assert blob is not None and blob.data is not None and blob.mime_type == "audio/L16;codec=pcm;rate=24000"
    assert is_a_tone(blob.data, len(blob.data) // 48)
    assert answer.usage_metadata is not None and answer.usage_metadata.candidates_tokens_details is not None
    spoken = {each.modality: each.token_count for each in answer.usage_metadata.candidates_tokens_details}
    assert spoken[types.MediaModality.AUDIO] == -(-len(blob.data) // 2400)
    streamed = b""
    stream = partial(google.models.generate_content_stream, model=model, contents=question, config=config)
    for piece in await asyncio.to_thread(lambda: list(stream())):
        for part in piece.parts or ():
            if part.inline_data is not None:
                streamed += part.inline_data.data or b""
    assert streamed == blob.data
    assert all(record.ended["cost_parts"]["audio_input"] for record in await decisions(proxy))


async def test_who_only_writes_is_never_chosen(proxy: LocalProxy, client: AsyncOpenAI) -> None:
    """E5: whatever the order, and with a reason where nobody is left."""
    for _ in range(5):
        answer = await client.chat.completions.with_raw_response.create(
            model="any",
            messages=[{"role": "user", "content": "Speak."}],
            audio={"voice": "alloy", "format": "wav"},
            **SPOKEN,
        )
        assert answer.headers["x-routebook-model"] == "gpt-audio"
    with pytest.raises(openai.APIStatusError, match="audio_out"):
        await client.chat.completions.create(
            model="written",
            messages=[{"role": "user", "content": "Speak."}],
            audio={"voice": "alloy", "format": "wav"},
            **SPOKEN,
        )
    dropped = [each for each in (await decisions(proxy))[-1].decided["candidates"] if each["reason"] == "model.lacks"]
    assert [each["numbers"]["lacks"] for each in dropped] == [["audio_out"]]


@pytest.mark.parametrize(
    ("format", "stream", "why"),
    [
        ("mp3", False, "`mp3` needs a transcoder"),
        ("opus", True, "`opus` needs a transcoder"),
        ("flac", False, "`flac` needs a transcoder"),
        ("aac", False, "`aac` needs a transcoder"),
        ("wav", True, "ask for `pcm16`"),
    ],
)
async def test_formats_that_somebody_would_have_to_code(
    proxy: LocalProxy, client: AsyncOpenAI, format: Any, stream: bool, why: str
) -> None:
    """E5: refused before anybody is called, by the format's name."""
    with pytest.raises(openai.BadRequestError, match=why):
        await client.chat.completions.create(
            model="gemini-voice",
            messages=[{"role": "user", "content": "Speak."}],
            audio={"voice": "alloy", "format": format},
            stream=stream,
            **SPOKEN,
        )
    [record] = await decisions(proxy)
    assert record.ended["cost"] == 0 and record.ended["usage_by"] == "nothing"


@pytest.mark.parametrize("stream", [False, True])
async def test_what_was_spoken_is_gone_on_from_where_it_is_kept(
    proxy: LocalProxy, client: AsyncOpenAI, stream: bool
) -> None:
    """E7: the sound of an earlier answer is at the account that gave it, and named by its id."""
    first = await client.chat.completions.create(
        model="gpt-audio",
        messages=[{"role": "user", "content": "Speak."}],
        audio={"voice": "alloy", "format": "wav"},
        **SPOKEN,
    )
    audio = first.choices[0].message.audio
    assert audio is not None
    for _ in range(3):
        messages: Any = [
            {"role": "user", "content": "Speak."},
            {"role": "assistant", "audio": {"id": audio.id}},
            {"role": "user", "content": "And again."},
        ]
        format: Any = "pcm16" if stream else "wav"
        again: Any = await client.chat.completions.create(
            model="gpt-audio", messages=messages, audio={"voice": "alloy", "format": format}, stream=stream, **SPOKEN
        )
        if stream:
            async for _ in again:
                pass
    records = await decisions(proxy)
    assert {each.ended["account"] for each in records} == {records[0].ended["account"]}
    assert [each.decided["stick"]["event"] for each in records[1:]] == ["retain"] * 3
    assert all(each.decided["stick"]["bound"] for each in records[1:])
    lost: Any = [{"role": "assistant", "audio": {"id": audio.id}}, {"role": "user", "content": "And again."}]
    with pytest.raises(openai.APIStatusError, match="audio_said"):
        await client.chat.completions.create(
            model="gemini-voice", messages=lost, audio={"voice": "alloy", "format": "wav"}, **SPOKEN
        )
