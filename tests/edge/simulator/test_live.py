"""The simulated Live, as Google's own client and as a strict reader of the API see it."""

from __future__ import annotations

import array
import asyncio
import base64
import json
import socket
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import WSMsgType
from google import genai
from google.genai import types

from routebook.edge.simulator.server import Simulator, start_simulator
from routebook.edge.simulator.sound import RATE, tone
from tests.support.tls import TlsFront

PATH = "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"
SETUP: dict[str, Any] = {"model": "models/live-1", "generationConfig": {"responseModalities": ["TEXT"]}}
WEATHER = {"functionDeclarations": [{"name": "weather", "parameters": {"type": "OBJECT", "properties": {}}}]}


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    """A simulated upstream that makes a word in a millisecond."""
    running = await start_simulator(socket.create_server(("127.0.0.1", 0)), pace=0.001)
    yield running
    await running.close()


class Talk:
    """One session, frame by frame."""

    def __init__(self, socket: Any) -> None:
        self.socket = socket

    async def say(self, **frame: Any) -> None:
        """Send a frame."""
        await self.socket.send_str(json.dumps(frame))

    async def until(self, what: str) -> list[dict[str, Any]]:
        """The frames up to the first that has this field, in itself or in its content."""
        frames: list[dict[str, Any]] = []
        while True:
            frames.append(json.loads(await self.socket.receive_bytes(timeout=20)))
            if what in frames[-1] or what in frames[-1].get("serverContent", {}):
                return frames


@pytest.fixture
async def talk(simulator: Simulator) -> AsyncIterator[Talk]:
    """A session that nothing was said in yet."""
    async with (
        aiohttp.ClientSession() as client,
        client.ws_connect(simulator.address.removesuffix("/v1") + PATH) as socket,
    ):
        yield Talk(socket)


def words_of(frames: list[dict[str, Any]]) -> str:
    """The text in frames."""
    parts = [part for each in frames for part in each.get("serverContent", {}).get("modelTurn", {}).get("parts", ())]
    return "".join(part.get("text", "") for part in parts)


def turn(text: str, complete: bool = True) -> dict[str, Any]:
    """A turn of the user."""
    return {"turns": [{"role": "user", "parts": [{"text": text}]}], "turnComplete": complete}


def blob(sound: bytes, rate: int = 16_000) -> dict[str, str]:
    """Sound as clients send it."""
    return {"data": base64.b64encode(sound).decode(), "mimeType": f"audio/pcm;rate={rate}"}


def speech(ms: int) -> bytes:
    """So much of a tone, 16,000 samples a second."""
    at_24k = array.array("h", tone(0, ms * 2))
    return array.array("h", at_24k[: ms * 16]).tobytes()


def spoken(frames: list[dict[str, Any]]) -> bytes:
    """The sound in frames."""
    parts = [part for each in frames for part in each.get("serverContent", {}).get("modelTurn", {}).get("parts", ())]
    return b"".join(base64.b64decode(part["inlineData"]["data"]) for part in parts if "inlineData" in part)


async def test_google_s_client_talks_to_it(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """In text and in sound, with transcripts and usage."""
    async with TlsFront(int(simulator.address.split(":")[2].split("/")[0])) as front:
        front.trust(monkeypatch)
        client = genai.Client(api_key="any", http_options=types.HttpOptions(base_url=front.url))
        config = types.LiveConnectConfig(
            response_modalities=[types.Modality.AUDIO], output_audio_transcription=types.AudioTranscriptionConfig()
        )
        async with client.aio.live.connect(model="live-1", config=config) as session:
            await session.send_client_content(turns={"role": "user", "parts": [{"text": "How are you?"}]})
            found = [message async for message in session.receive()]
    said = b"".join(message.data for message in found if message.data)
    transcript = "".join(
        message.server_content.output_transcription.text or ""
        for message in found
        if message.server_content and message.server_content.output_transcription
    )
    usage = found[-1].usage_metadata
    assert "How are you?" in transcript
    assert len(said) == len(transcript.split()) * RATE // 10 * 2
    assert usage is not None and usage.response_token_count == len(said) // 2 // (RATE // 25) + (
        len(said) // 2 % (RATE // 25) > 0
    )


async def test_a_call_waits_for_its_result(talk: Talk) -> None:
    """The turn goes on with what came of it; no other result is taken."""
    await talk.say(setup={**SETUP, "tools": [WEATHER]})
    await talk.until("setupComplete")
    await talk.say(clientContent=turn("What is the weather?"))
    call = (await talk.until("toolCall"))[-1]["toolCall"]["functionCalls"][0]
    result = {"id": call["id"], "name": "weather", "response": {"result": "sunny"}}
    await talk.say(toolResponse={"functionResponses": [result]})
    assert words_of(await talk.until("turnComplete"))
    await talk.say(toolResponse={"functionResponses": [result]})
    assert (await talk.socket.receive(timeout=20)).type is WSMsgType.CLOSE
    assert talk.socket.close_code == 1007


async def test_speech_is_heard_and_interrupts(talk: Talk) -> None:
    """The end of what is said is found; speech over the answer ends it, and it is counted as far as it came."""
    detection = {"automaticActivityDetection": {"silenceDurationMs": 200}}
    setup = {"model": "models/live-1@pace=20ms", "inputAudioTranscription": {}, "realtimeInputConfig": detection}
    await talk.say(setup=setup)
    await talk.until("setupComplete")
    for piece in (speech(400), bytes(300 * 32)):
        await talk.say(realtimeInput={"audio": blob(piece)})
    first = await talk.until("modelTurn")
    heard = [each["serverContent"]["inputTranscription"]["text"] for each in first[:-1]]
    assert "".join(heard) == "0.6 seconds of sound"
    await talk.say(realtimeInput={"audio": blob(speech(400))})
    over = await talk.until("turnComplete")
    assert {"serverContent": {"interrupted": True}} in over
    assert over[-1]["usageMetadata"]["responseTokensDetails"][0]["modality"] == "AUDIO"


async def test_a_turn_can_be_marked_by_hand(talk: Talk) -> None:
    """Then nothing is found by energy."""
    await talk.say(setup={**SETUP, "realtimeInputConfig": {"automaticActivityDetection": {"disabled": True}}})
    await talk.until("setupComplete")
    await talk.say(realtimeInput={"activityStart": {}})
    await talk.say(realtimeInput={"audio": blob(speech(1000))})
    await talk.say(realtimeInput={"activityEnd": {}})
    assert "1.0 seconds of sound" in words_of(await talk.until("turnComplete"))


async def test_a_session_is_told_of_its_end_and_resumed(simulator: Simulator) -> None:
    """Its handle brings back what was said."""
    url = simulator.address.removesuffix("/v1") + PATH
    setup = {**SETUP, "model": "models/live-1@go-away=3", "sessionResumption": {}, "tools": [WEATHER]}
    async with aiohttp.ClientSession() as client:
        async with client.ws_connect(url) as socket:
            talk = Talk(socket)
            await talk.say(setup=setup)
            await talk.say(clientContent=turn("What is the weather?", complete=False))
            await talk.say(clientContent={"turnComplete": True})
            call = (await talk.until("toolCall"))[-1]["toolCall"]["functionCalls"][0]
            results = [{"id": call["id"], "name": "weather", "response": {"result": "sunny"}}]
            await talk.say(toolResponse={"functionResponses": results})
            frames = await talk.until("sessionResumptionUpdate")
            handle = frames[-1]["sessionResumptionUpdate"]["newHandle"]
            assert any("goAway" in each for each in frames)
            assert (await socket.receive(timeout=20)).type is WSMsgType.CLOSE
            assert socket.close_code == 1011
        async with client.ws_connect(url) as socket:
            talk = Talk(socket)
            await talk.say(setup={**SETUP, "sessionResumption": {"handle": handle}})
            await talk.say(clientContent=turn("And?"))
            usage = (await talk.until("turnComplete"))[-1]["usageMetadata"]
            assert usage["promptTokenCount"] > 40


SET_UP = {"setup": SETUP}


@pytest.mark.parametrize(
    "frames",
    [
        [{"realtimeInput": {}}],
        [{"setup": {**SETUP, "toolConfig": {}}}],
        [{"setup": {**SETUP, "model": "live-1"}}],
        [{"setup": {"model": "models/m", "generationConfig": {"responseModalities": ["TEXT", "AUDIO"]}}}],
        [{"setup": {**SETUP, "model": "models/m-native-audio"}}],
        [{"setup": {**SETUP, "sessionResumption": {"handle": "nobody's"}}}],
        [SET_UP, SET_UP],
        [SET_UP, {"unheard": {}}],
        [SET_UP, {"realtimeInput": {"activityStart": {}}}],
        [SET_UP, {"realtimeInput": {"audio": {"data": "AAAA", "mimeType": "audio/mp3"}}}],
        [SET_UP, {"realtimeInput": {"audio": {"data": "A", "mimeType": "audio/pcm"}}}],
        [SET_UP, {"clientContent": {"turns": [{"role": "system", "parts": []}]}}],
        [SET_UP, {"clientContent": {"turns": {}}}],
        [SET_UP, {"toolResponse": {"functionResponses": [{"id": "x", "name": "y", "response": {}}]}}],
    ],
)
async def test_it_is_as_strict_as_the_real_one(talk: Talk, frames: list[dict[str, Any]]) -> None:
    """What it refuses ends the session with 1007 and a reason."""
    for frame in frames:
        await talk.say(**frame)
    async with asyncio.timeout(20):
        message = await talk.socket.receive()
        while message.type is not WSMsgType.CLOSE:
            message = await talk.socket.receive()
    assert message.data == 1007
    assert message.extra
