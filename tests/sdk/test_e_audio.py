"""The official SDKs for JavaScript with sound over HTTP (E1 to E5 of the protocols' checks): chats in sound of either
vendor's upstream, speech, and what is written down. Those for Python are tested beside the exchange itself."""

from __future__ import annotations

import base64
import io
import socket
import wave
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import pytest_asyncio

from routebook.edge.simulator.server import start_simulator
from routebook.edge.simulator.sound import RATE, tone
from routebook.sound.wav import wav_of
from tests.edge.sessions.test_talking import hertz
from tests.edge.test_chat_in_sound import POLICY, SPOKEN, asking
from tests.sdk.processes import Processes
from tests.support.proxy import LocalProxy, in_process
from tests.support.transcoder import coded, decoded, settings

pytestmark = pytest.mark.asyncio(loop_scope="module")

MODELS = """\
  talker: {provider: open, id: talker-1, operations: [speech], max_output: 4k, price: {input: 0.6, output: 12}}
  whisper: {provider: open, id: whisper-1, operations: [transcription, translation], price: {minute: 0.006}}
  scribe: {provider: open, id: gpt-4o-transcribe, operations: [transcription], max_output: 2k,
           price: {input: 2.5, audio_input: 6, output: 10}}
"""
FILE = ["a.wav", base64.b64encode(wav_of(tone(0, 2_000))).decode()]

Do = Callable[..., Awaitable[dict[str, Any]]]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def proxy(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[LocalProxy]:
    """A proxy with a transcoder in front of the simulated upstream."""
    simulator = await start_simulator(socket.create_server(("127.0.0.1", 0)), pace=0.001)
    policy = POLICY.format(upstream=simulator.address).replace("budgets:\n", f"{MODELS}{settings()}budgets:\n")
    async with in_process(tmp_path_factory.mktemp("audio"), policy) as running:
        yield running
    await simulator.close()


@pytest.fixture
def openai(proxy: LocalProxy, processes: Processes) -> Do:
    """One call of OpenAI's SDK, and what came of it."""

    async def do(what: str, **given: Any) -> dict[str, Any]:
        return await processes["openai-js"].do(what, {"base_url": proxy.base_url}, given)

    return do


@pytest.fixture
def google(proxy: LocalProxy, processes: Processes) -> Do:
    """One call of Google's SDK, and what came of it."""

    async def do(what: str, **given: Any) -> dict[str, Any]:
        return await processes["google-js"].do(what, {"base_url": proxy.url}, given)

    return do


async def ended(proxy: LocalProxy, headers: dict[str, str]) -> dict[str, Any]:
    """The last line of an answer's record."""
    record = (await proxy.record(headers["x-routebook-decision"])).ended
    assert record is not None
    return record


def speaking(model: str, format: str, **more: Any) -> dict[str, Any]:
    """A request for an answer in sound, to a question that is heard."""
    heard = asking(wav_of(tone(0, 500)))
    return {"model": model, "messages": heard, "audio": {"voice": "alloy", "format": format}, **SPOKEN, **more}


def is_the_tone(samples: bytes) -> bool:
    """Whether it is 440 Hz, and more than a second of it."""
    return len(samples) > 2 * RATE and abs(hertz(samples[4800:-4800]) - 440) < 1


@pytest.mark.parametrize("model", ["gpt-audio", "gemini-voice"])
async def test_e1_e2_a_chat_in_sound(proxy: LocalProxy, openai: Do, model: str) -> None:
    """Whole as a file, streamed as bare samples; of Gemini's also as MP3, which somebody codes; sound is paid as such."""
    whole = await openai("chat", **speaking(model, "wav"))
    assert "error" not in whole, whole
    audio = whole["dump"]["choices"][0]["message"]["audio"]
    with wave.open(io.BytesIO(base64.b64decode(audio["data"]))) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (RATE, 1, 2)
        samples = file.readframes(file.getnframes())
    assert is_the_tone(samples)
    spoken = whole["dump"]["usage"]["completion_tokens_details"]["audio_tokens"]
    assert spoken == -(-len(samples) // 2400)
    line = await ended(proxy, whole["headers"])
    assert line["usage"]["audio_output"] == spoken and line["usage"]["audio_input"] == 5
    streamed = await openai("stream", **speaking(model, "pcm16", stream_options={"include_usage": True}))
    assert "error" not in streamed, streamed
    deltas = [choice["delta"].get("audio", {}) for chunk in streamed["chunks"] for choice in chunk["choices"]]
    assert base64.b64decode("".join(each.get("data", "") for each in deltas), validate=True) == samples
    if model == "gemini-voice":
        mp3 = await openai("chat", **speaking(model, "mp3"))
        assert is_the_tone(decoded(base64.b64decode(mp3["dump"]["choices"][0]["message"]["audio"]["data"])))
        refused = await openai("stream", **speaking(model, "mp3"))
        assert (refused["error"], refused["status"]) == ("BadRequestError", 400) and "`mp3`" in refused["message"]


@pytest.mark.parametrize("model", ["gpt-audio", "gemini-voice"])
async def test_e3_google_s_client_hears_either(proxy: LocalProxy, google: Do, model: str) -> None:
    """`responseModalities: [AUDIO]`, whole and streamed, to a question in FLAC, which OpenAI's models do not take."""
    flac = base64.b64encode(coded(tone(0, 500), "-c:a", "flac", "-f", "flac")).decode()
    parts = [{"text": "Speak."}, {"inlineData": {"mimeType": "audio/flac", "data": flac}}]
    config = {
        "responseModalities": ["AUDIO"],
        "maxOutputTokens": 12,
        "speechConfig": {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": "Kore"}}},
    }
    given = {"model": model, "contents": [{"role": "user", "parts": parts}], "config": config}
    whole = await google("chat", **given)
    assert "error" not in whole, whole
    blob = whole["dump"]["candidates"][0]["content"]["parts"][0]["inlineData"]
    assert blob["mimeType"] == "audio/L16;codec=pcm;rate=24000"
    samples = base64.b64decode(blob["data"])
    assert is_the_tone(samples)
    line = await ended(proxy, whole["headers"])
    assert [each["from"] for each in line.get("transcoded", [])] == (["flac"] if model == "gpt-audio" else [])
    assert line["usage"]["audio_input"] == 5 or model == "gemini-voice"
    streamed = await google("stream", **given)
    assert "error" not in streamed, streamed
    pieces = [
        part["inlineData"]["data"]
        for chunk in streamed["chunks"]
        for part in chunk["candidates"][0].get("content", {}).get("parts", ())
        if "inlineData" in part
    ]
    assert b"".join(base64.b64decode(each) for each in pieces) == samples


async def test_e4_speech(proxy: LocalProxy, openai: Do) -> None:
    """As a file, and in events, which count what was used."""
    given = {"model": "talker", "voice": "alloy", "input": "It is a fine day outside, and we go for a walk."}
    whole = await openai("speech", **given, response_format="pcm")
    assert "error" not in whole, whole
    assert is_the_tone(base64.b64decode(whole["sound"])) and whole["headers"]["x-routebook-model"] == "talker"
    events = await openai("speech", **given, response_format="pcm", stream_format="sse")
    assert "error" not in events, events
    *deltas, done = events["events"]
    assert {each["type"] for each in deltas} == {"speech.audio.delta"} and done["type"] == "speech.audio.done"
    assert base64.b64decode("".join(each["audio"] for each in deltas)) == base64.b64decode(whole["sound"])
    assert (await ended(proxy, events["headers"]))["usage"]["output"] == done["usage"]["output_tokens"]


async def test_e4_what_is_written_down(proxy: LocalProxy, openai: Do) -> None:
    """A file in a form, as a page sends it: whole, in events, and into English."""
    whole = await openai("transcription", model="whisper", file=FILE, language="en")
    assert "error" not in whole and whole["dump"]["usage"] == {"type": "duration", "seconds": 2}, whole
    streamed = await openai("transcription", model="scribe", file=FILE, stream=True)
    assert "error" not in streamed and "gpt-4o-transcribe" in streamed["text"], streamed
    assert streamed["events"][-1]["usage"]["input_token_details"]["audio_tokens"] == 20
    english = await openai("translation", model="whisper", file=FILE)
    assert "error" not in english and english["text"], english
    records = (await proxy.ended_records()).values()
    asked = {each.decided["operation"]: each for each in records if each.ended and each.ended["model"] == "whisper"}
    assert set(asked) == {"transcription", "translation"}
    assert all(each.ended is not None and each.ended["cost"] == 200_000 for each in asked.values())
