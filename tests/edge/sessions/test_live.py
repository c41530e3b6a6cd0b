"""Sessions of Gemini's Live, relayed: the model stands in the first message, so the upgrade is answered before."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import WSMsgType

from tests.support.proxy import in_process
from tests.support.voices import Voices, until_left

SERVICE = "/ws/google.ai.generativelanguage.{}.GenerativeService.BidiGenerateContent"


def policy(upstream: str, more: str = "", rules: str = "requested", accounts: str = "[{name: main}]") -> str:
    """One model of Gemini's Live."""
    return f"""\
version: 1
providers:
  google: {{dialect: gemini, base_url: "{upstream}beta", accounts: {accounts}}}
models:
  live: {{provider: google, id: gemini-live-1, operations: [realtime], max_output: 4096,
         price: {{input: 1, audio_input: 3, output: 2, audio_output: 12}}}}
{more}rules:
  - name: voices
    when: {{request.dialect: gemini-live, request.model: live}}
    route: {{to: [{rules}]}}
  - {{name: nobody, refuse: {{status: 403, message: no voice here}}}}
"""


USAGE = {
    "promptTokenCount": 100,
    "cachedContentTokenCount": 30,
    "responseTokenCount": 50,
    "totalTokenCount": 150,
    "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 40}, {"modality": "AUDIO", "tokenCount": 60}],
    "cacheTokensDetails": [{"modality": "AUDIO", "tokenCount": 30}],
    "responseTokensDetails": [{"modality": "AUDIO", "tokenCount": 50}],
}
TURN: tuple[dict[str, Any], ...] = (
    {"serverContent": {"modelTurn": {"parts": [{"inlineData": {"mimeType": "audio/pcm;rate=24000", "data": "AAAA"}}]}}},
    {"serverContent": {"turnComplete": True}},
    {"usageMetadata": USAGE},
)


@pytest.mark.parametrize("slashes", ["/", "//"])
@pytest.mark.parametrize("version", ["v1beta", "v1", "v1alpha"])
async def test_a_session_is_decided_by_its_setup(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, slashes: str, version: str
) -> None:
    """At every address; nothing but the model's name is changed; usage comes after the turn, in a frame of its own."""
    monkeypatch.setenv("LIVE_KEY", "account-key")
    came: list[str] = []

    async def talk(socket: Any) -> None:
        came.append(await socket.receive_str())
        await socket.send_bytes(b'{"setupComplete": {}}')
        came.append(await socket.receive_str())
        for frame in TURN:
            await socket.send_bytes(json.dumps(frame).encode())
        await until_left(socket)

    setup = '{"setup":{"model":"models/live","generationConfig":{"responseModalities":["AUDIO"]},"x":1.50}}'
    turn = '{"client_content": {"turns": [], "turn_complete": true}}'
    async with Voices(talk) as voices:
        rules = policy(voices.base_url, accounts="[{name: main, key: {env: LIVE_KEY}}]")
        async with in_process(tmp_path, rules) as proxy, aiohttp.ClientSession() as client:
            url = proxy.url + slashes + SERVICE.format(version)[1:] + "?key=my-key"
            async with client.ws_connect(url) as socket:
                await socket.send_str(setup)
                assert await socket.receive_bytes() == b'{"setupComplete": {}}'
                await socket.send_str(turn)
                assert [json.loads(await socket.receive_bytes()) for _ in TURN] == list(TURN)
            record = await proxy.only_record()

    assert came == [setup.replace("models/live", "models/gemini-live-1"), turn]
    assert voices.upgrades[0].path == SERVICE.format(version)
    assert voices.upgrades[0].headers["x-goog-api-key"] == "account-key"
    assert "my-key" not in str(voices.upgrades) + str(record)
    assert (record.decided["dialect"], record.decided["requested"], record.decided["rule"]) == (
        "gemini-live",
        "live",
        "voices",
    )
    assert record.ended is not None
    assert record.ended["end"] == "--"
    assert record.ended["usage"] == {"input": 40, "audio_input": 30, "cached_audio_input": 30, "audio_output": 50}
    assert record.ended["cost"] == 40 * 1_000 + 60 * 3_000 + 50 * 12_000
    assert [line["status"] for line in record.ended["session"]["responses"]] == ["completed"]


@pytest.mark.parametrize(
    ("setup", "status", "code"),
    [
        ('{"setup":{"model":"models/other"}}', 403, "policy.refused"),
        ('{"realtimeInput":{}}', 400, "request.malformed"),
        ('{"setup":{}}', 400, "request.malformed"),
        ("not JSON", 400, "request.malformed"),
    ],
)
async def test_a_refusal_is_told_in_the_session(tmp_path: Path, setup: str, status: int, code: str) -> None:
    """As Google's clients raise one: by a close before any message, which they would take for the answer to `setup`."""
    async with (
        in_process(tmp_path, policy("http://127.0.0.1:9/v1")) as proxy,
        aiohttp.ClientSession() as client,
        client.ws_connect(proxy.url + SERVICE.format("v1beta")) as socket,
    ):
        await socket.send_str(setup)
        message = await socket.receive(timeout=10)
        record = await proxy.only_record()
    assert (message.type, message.data) == (WSMsgType.CLOSE, 1008)
    assert message.extra is not None and message.extra.startswith(f"{status} {code}: ")
    assert record.ended is not None
    assert record.ended["error"] == code


async def test_an_interrupted_turn_is_booked_and_a_budget_stops_the_next(tmp_path: Path) -> None:
    """Usage of what was interrupted counts; where a budget allows no more, the next turn is answered with an error."""

    async def talk(socket: Any) -> None:
        await socket.receive_str()
        await socket.send_bytes(b'{"setupComplete": {}}')
        await socket.receive_str()
        await socket.send_str(json.dumps(TURN[0]))
        await socket.send_str('{"serverContent":{"interrupted":true}}')
        spent = {**USAGE, "responseTokenCount": 90_000, "totalTokenCount": 90_100}
        spent["responseTokensDetails"] = [{"modality": "AUDIO", "tokenCount": 90_000}]
        await socket.send_str(json.dumps({"serverContent": {"turnComplete": True}, "usageMetadata": spent}))
        await until_left(socket)

    more = "budgets:\n  voice: {limit: $1, window: 30d}\n"
    async with (
        Voices(talk) as voices,
        in_process(tmp_path, policy(voices.base_url, more)) as proxy,
        aiohttp.ClientSession() as client,
    ):
        async with client.ws_connect(proxy.url + SERVICE.format("v1beta")) as socket:
            await socket.send_str('{"setup":{"model":"models/live"}}')
            await socket.receive()
            await socket.send_str('{"clientContent":{"turnComplete":true}}')
            for _ in range(3):
                await socket.receive()
            await socket.send_str('{"clientContent":{"turnComplete":true}}')
            assert json.loads(await socket.receive_str(timeout=10))["code"] == 429
        record = await proxy.only_record()
    assert record.ended is not None
    assert [line["status"] for line in record.ended["session"]["responses"]] == ["cancelled"]
    assert record.ended["usage"]["audio_output"] == 90_000
