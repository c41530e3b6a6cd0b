"""The official SDKs in sessions of voice: OpenAI's and Azure's Realtime, its agents, Gemini's Live; over TLS too."""

from __future__ import annotations

import json
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from routebook.edge.identity.store import KeyStore
from routebook.edge.simulator.server import start_simulator
from tests.edge.sessions.test_live import TURN, USAGE
from tests.edge.sessions.test_live import policy as live_policy
from tests.sdk.house import opened
from tests.sdk.processes import Processes
from tests.support.certificates import AUTHORITY, written
from tests.support.proxy import LocalProxy, encrypted, in_process
from tests.support.voices import Voices, heard, usage_of, voice_policy

TOOL = {
    "type": "function",
    "name": "weather",
    "description": "how it is outside",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
}
SESSION = {"type": "realtime", "output_modalities": ["text"], "audio": {"input": {"turn_detection": None}}}
AZURE = "2025-04-01-preview"


@pytest.fixture(scope="session")
def trusting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    """The SDKs' processes, which trust the authority of the tests' certificates."""
    file = tmp_path_factory.mktemp("authority") / "ca.pem"
    AUTHORITY.cert_pem.write_to_path(str(file))
    with Processes(file) as running:
        yield running


@asynccontextmanager
async def talking(
    tmp_path: Path, more: str = "", client: str = "", fault: str = ""
) -> AsyncIterator[tuple[LocalProxy, str]]:
    """A proxy before the simulated Realtime, which fails as `fault` says; and the address of its listener that speaks TLS."""
    simulator = await start_simulator(socket.create_server(("127.0.0.1", 0)), pace=0)
    try:
        policy = voice_policy(simulator.address, more=more, client=client).replace(
            "id: voice-1", f'id: "voice-1{fault}"'
        )
        async with in_process(tmp_path, policy) as proxy, encrypted(proxy, written(tmp_path / "tls")) as url:
            yield proxy, url
    finally:
        await simulator.close()


CLIENTS = {
    "openai-3": ("voice-openai-3", lambda url, tls: {"base_url": f"{url}/v1"}),
    "openai-3-tls": ("voice-openai-3", lambda url, tls: {"base_url": f"{tls}/v1"}),
    "openai-1": ("voice-openai-1", lambda url, tls: {"base_url": f"{url}/v1", "socket_url": f"ws{url[4:]}/v1"}),
    "openai-1-tls": ("voice-openai-1", lambda url, tls: {"base_url": f"{tls}/v1"}),
    "azure-3": (
        "voice-openai-3",
        lambda url, tls: {"base_url": url, "azure": AZURE, "socket_url": f"ws{url[4:]}/openai"},
    ),
    "azure-3-tls": ("voice-openai-3", lambda url, tls: {"base_url": tls, "azure": AZURE}),
    "azure-1": (
        "voice-openai-1",
        lambda url, tls: {"base_url": url, "azure": AZURE, "socket_url": f"ws{url[4:]}/openai"},
    ),
    "openai-js-tls": ("voice-openai-js", lambda url, tls: {"base_url": f"{tls}/v1"}),
    "azure-js-tls": ("voice-openai-js", lambda url, tls: {"base_url": tls, "azure": AZURE}),
    "agents-js": ("voice-agents-js", lambda url, tls: {"base_url": f"ws{url[4:]}/v1"}),
    "agents-js-tls": ("voice-agents-js", lambda url, tls: {"base_url": f"ws{tls[4:]}/v1"}),
}
"""Every way to be a client of Realtime: the process, and how its client is made."""


def given_of(name: str) -> dict[str, Any]:
    """What a session is about."""
    return {"model": "voice", "session": SESSION, "tool": TOOL}


@pytest.mark.parametrize("name", CLIENTS)
async def test_f1_a_session_of_realtime(tmp_path: Path, trusting: Processes, name: str) -> None:
    """Settings, a hundred frames of sound, a turn in text, one of a tool; usage is what the record has."""
    sdk, made = CLIENTS[name]
    async with talking(tmp_path) as (proxy, tls):
        result = await trusting[sdk].do("session", made(proxy.url, tls), given_of(name))
        assert "error" not in result, result
        record = await proxy.only_record(30)
    assert "Say hello." in result["text"]
    assert (result["tool"][0], json.loads(result["tool"][1])) == ("weather", {"city": "simulated"})
    assert record.ended is not None
    assert (record.ended["end"], record.ended["error"]) == ("--", None)
    lines = record.ended["session"]["responses"]
    assert [line["status"] for line in lines] == ["completed"] * 3
    made_tokens = sum(sum(line["usage"].get(kind, 0) for kind in ("output", "audio_output")) for line in lines)
    assert made_tokens == sum(usage["output_tokens"] for usage in result["usages"])
    assert record.ended["usage_by"] == "measured"


LIVE_CLIENTS = {
    "google-3-tls": ("voice-google-3", "v1beta"),
    "google-3-v1-tls": ("voice-google-3", "v1"),
    "google-1-tls": ("voice-google-1", "v1beta"),
    "google-js": ("voice-google-js", "v1beta"),
    "google-js-tls": ("voice-google-js", "v1alpha"),
}


async def live(session: Any) -> None:
    """A session of Live as a scripted upstream has it: sound for a turn, a call for the second, sound for its result."""
    assert "setup" in json.loads(await session.receive_str())
    await session.send_bytes(b'{"setupComplete": {}}')
    turns = 0
    while (event := await heard(session)) is not None:
        if "realtimeInput" in event or "realtime_input" in event:
            continue
        turns += 1
        if turns == 2:
            call = {"id": "call_1", "name": "weather", "args": {"city": "here"}}
            await session.send_bytes(json.dumps({"toolCall": {"functionCalls": [call]}}).encode())
            continue
        for message in (TURN[0], {"serverContent": {"turnComplete": True}, "usageMetadata": USAGE}):
            await session.send_bytes(json.dumps(message).encode())


@pytest.mark.parametrize("name", LIVE_CLIENTS)
async def test_f2_a_session_of_live(tmp_path: Path, trusting: Processes, name: str) -> None:
    """With its key in a header or in the address, by a path with two slashes too (F13): sound, a tool, usage."""
    sdk, version = LIVE_CLIENTS[name]
    tool = {"name": "weather", "description": "how it is outside"}
    async with (
        Voices(live) as voices,
        in_process(tmp_path, live_policy(voices.base_url)) as proxy,
        encrypted(proxy, written(tmp_path / "tls")) as tls,
    ):
        made = {"base_url": tls if name.endswith("tls") else proxy.url, "version": version}
        result = await trusting[sdk].do("session", made, {"model": "live", "tool": tool})
        assert "error" not in result, result
        record = await proxy.only_record(30)
    assert result["tool"] == ["weather", {"city": "here"}]
    assert result["sound"] == 6 and len(result["usages"]) == 2
    assert "sk-client" not in str(voices.upgrades) + str(record)
    assert record.ended is not None
    assert record.ended["end"] == "--"
    assert record.ended["usage"]["audio_output"] == 100


@pytest.mark.parametrize("name", ["openai-3", "openai-1", "openai-js-tls", "agents-js"])
async def test_f4_a_refusal_is_an_error_of_the_sdk(tmp_path: Path, trusting: Processes, name: str) -> None:
    """At the upgrade: with its status in Python, in words in JavaScript."""
    sdk, made = CLIENTS[name]
    async with talking(tmp_path) as (proxy, tls):
        proxy.take(voice_policy("http://127.0.0.1:9/v1").replace("openai-realtime}", "gemini-live}"))
        result = await trusting[sdk].do("session", made(proxy.url, tls), given_of(name))
    if "js" in name:
        assert "403" in result["message"], result
    else:
        assert (result["error"], result["status"]) == ("InvalidStatus", 403)


@pytest.mark.parametrize("name", ["google-3-tls", "google-1-tls", "google-js"])
async def test_f4_a_refusal_of_live_is_an_error_of_the_sdk(tmp_path: Path, trusting: Processes, name: str) -> None:
    """By a close before the session has begun, with our code in its reason."""
    sdk, version = LIVE_CLIENTS[name]
    async with (
        in_process(tmp_path, live_policy("http://127.0.0.1:9/v1")) as proxy,
        encrypted(proxy, written(tmp_path / "tls")) as tls,
    ):
        made = {"base_url": tls if name.endswith("tls") else proxy.url, "version": version}
        given = {"model": "other", "tool": {"name": "weather"}}
        result = await trusting[sdk].do("session", made, given)
    assert "403 policy.refused: no voice here" in result["message"], result
    assert "js" in name or (result["error"], result["status"]) == ("APIError", 1008)


@pytest.mark.parametrize("name", ["openai-3", "openai-1", "openai-js-tls", "agents-js"])
async def test_f6_an_upstream_that_dies_is_an_error_of_the_sdk(tmp_path: Path, trusting: Processes, name: str) -> None:
    """No client hangs."""
    sdk, made = CLIENTS[name]
    async with talking(tmp_path, fault="@cut=300") as (proxy, tls):
        result = await trusting[sdk].do("session", made(proxy.url, tls), given_of(name))
    assert "error" in result, result


SECRETS = {
    "openai-3": ("voice-openai-3", lambda url, tls: {"base_url": f"{url}/v1"}),
    "openai-js-tls": ("voice-openai-js", lambda url, tls: {"base_url": f"{tls}/v1"}),
}


@pytest.mark.parametrize("name", SECRETS)
async def test_f10_a_secret_is_made_and_used(tmp_path: Path, trusting: Processes, name: str) -> None:
    """By one SDK for a browser, which the agents' SDK is here: it speaks as the client that asked for it."""
    sdk, made = SECRETS[name]
    async with talking(tmp_path, client="clients: {app: {}}\n") as (proxy, tls):
        key, _ = KeyStore(proxy.state_dir).create("app", 0, None, None)
        asked = {
            "session": {"type": "realtime", "model": "voice"},
            "expires_after": {"anchor": "created_at", "seconds": 60},
        }
        options = {**made(proxy.url, tls), "api_key": key}
        result = await trusting[sdk].do("secret", options, asked)
        assert "error" not in result, result
        secret = result["dump"]["value"]
        browser = {"base_url": f"ws{proxy.url[4:]}/v1", "api_key": secret}
        spoken = await trusting["voice-agents-js"].do("session", browser, given_of(name))
        assert "error" not in spoken, spoken
        record = await proxy.only_record(30)
    assert record.decided["client"] == "app"
    assert secret not in str(record)


async def as_in_beta(session: Any) -> None:
    """A session of the API's beta: its names of events, and its flat settings."""
    await session.send_str(
        json.dumps({"type": "session.created", "session": {"model": "voice-1", "modalities": ["text"]}})
    )
    while (event := await heard(session)) is not None:
        if event["type"] == "response.create":
            await session.send_str(json.dumps({"type": "response.created", "response": {"id": "resp_1"}}))
            delta = {"type": "response.text.delta", "response_id": "resp_1", "delta": "hello"}
            await session.send_str(json.dumps(delta))
            response = {"id": "resp_1", "status": "completed", "usage": usage_of(4, 0, 0, 0, 3, 0)}
            await session.send_str(json.dumps({"type": "response.done", "response": response}))


async def test_f14_a_client_of_the_beta(tmp_path: Path, trusting: Processes) -> None:
    """Says so to the upstream, and hears its names; where the session would cross, it is refused at the upgrade, and the
    record says why."""
    async with Voices(as_in_beta) as voices, in_process(tmp_path, voice_policy(voices.base_url)) as proxy:
        made = {"base_url": proxy.base_url, "socket_url": f"ws{proxy.base_url[4:]}"}
        result = await trusting["voice-openai-1"].do("beta", made, {"model": "voice"})
        assert "error" not in result, result
        assert result["kinds"] == ["session.created", "response.created", "response.text.delta", "response.done"]
        assert result["text"] == "hello" and result["usage"]["output_tokens"] == 3
        assert voices.upgrades[0].headers["OpenAI-Beta"] == "realtime=v1"
        record = await proxy.only_record(30)
        assert record.ended is not None
        assert record.ended["usage"] == {"input": 4, "output": 3} and record.ended["usage_by"] == "measured"
        proxy.take(voice_policy(voices.base_url).replace("dialect: openai,", "dialect: gemini,"))
        result = await trusting["voice-openai-1"].do("beta", made, {"model": "voice"})
        assert (result["error"], result["status"]) == ("InvalidStatus", 400)
        records = await proxy.ended_records(lambda found: len(found) == 2, 30)
        assert len(voices.upgrades) == 1
    crossed = next(each.ended for each in records.values() if each.ended and each.ended["status"] == 400)
    assert crossed["error"] == "request.not-carried"
    assert "OpenAI-Beta" in json.dumps(crossed)


TOKENS = {
    "google-3-tls": {"live_connect_constraints": {"model": "live"}, "lock_additional_fields": []},
    "google-js": {"liveConnectConstraints": {"model": "live"}, "lockAdditionalFields": []},
}


@pytest.mark.parametrize("name", TOKENS)
async def test_f10_a_token_of_live_is_made_and_used(tmp_path: Path, trusting: Processes, name: str) -> None:
    """By one client for another, who asks for a model that is not his to choose; once."""
    sdk, _ = LIVE_CLIENTS[name]
    async with (
        Voices(live) as voices,
        in_process(tmp_path, live_policy(voices.base_url, more="clients: {app: {}}\n")) as proxy,
        encrypted(proxy, written(tmp_path / "tls")) as tls,
    ):
        key, _ = KeyStore(proxy.state_dir).create("app", 0, None, None)
        made = {"base_url": tls if name.endswith("tls") else proxy.url, "version": "v1alpha", "api_key": key}
        token = await trusting[sdk].do("token", made, {"config": TOKENS[name]})
        assert token.get("name", "").startswith("auth_tokens/"), token
        phone = {**made, "api_key": token["name"]}
        given = {"model": "another", "tool": {"name": "weather", "description": "how it is outside"}}
        result = await trusting[sdk].do("session", phone, given)
        assert "error" not in result, result
        again = await trusting[sdk].do("session", phone, given)
        first, *_ = (await proxy.ended_records(lambda records: len(records) == 2)).values()
    assert result["tool"] == ["weather", {"city": "here"}] and result["sound"] == 6
    assert "caller.unknown" in again["message"], again
    assert first.decided["client"] == "app" and token["name"] not in str(first) + str(voices.upgrades)


@pytest.mark.parametrize("upstream", ["openai-responses", "anthropic"])
async def test_f15_responses_over_a_websocket(tmp_path: Path, trusting: Processes, upstream: str) -> None:
    """Each is a request of its own, with its own decision and record, whatever its upstream speaks; one that is refused is
    an error event, after which the socket goes on."""
    async with opened(tmp_path, trusting) as house:
        asks = [{"model": name, "input": "Say hello."} for name in (upstream, "nobody", upstream)]
        made = {"base_url": house.proxy.base_url}
        result = await trusting["voice-openai-3"].do("responses", made, {"asks": asks})
        assert "error" not in result, result
        records = await house.proxy.ended_records(lambda records: len(records) == 3)
    assert result["text"].count("Say hello.") == 2
    first, refused, last = result["finals"]
    assert first["status"] == last["status"] == "completed"
    assert refused["type"] == "error"
    ends = [each.ended for each in records.values() if each.ended is not None]
    assert sorted(end["status"] for end in ends) == [200, 200, 404]
    assert [each.decided["dialect"] for each in records.values()] == ["openai-responses"] * 3
    counted = sum(end["usage"].get("output", 0) for end in ends if end["status"] == 200)
    assert counted == sum(final["usage"]["output_tokens"] for final in (first, last))
