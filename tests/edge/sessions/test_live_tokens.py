"""Tokens of Gemini's Live (`auth_tokens`): who makes them, what they open, how often, and what is not the client's to say."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import WSMsgType
from hypothesis import given
from hypothesis import strategies as st

from routebook.edge.identity.ephemeral import Grant, Uses
from routebook.edge.identity.refusals import Refused
from routebook.edge.identity.store import KeyStore
from routebook.protocols.errors import ProtocolError
from routebook.protocols.gemini.live_tokens import LASTS, OPENS, constrained, forbidden, read_token, resumes
from tests.edge.sessions.test_live import SERVICE, policy
from tests.support.clock import SetClock
from tests.support.proxy import LocalProxy, in_process
from tests.support.voices import Voices, until_left

PATH = "/v1alpha/auth_tokens"
CLIENTS = "clients: {app: {tags: [shop]}, other: {}}\n"
CONSTRAINED = SERVICE.format("v1alpha") + "Constrained"


async def made(proxy: LocalProxy, body: Any, key: str | None = None, status: int = 200) -> Any:
    """What comes of asking for a token."""
    headers = {} if key is None else {"x-goog-api-key": key}
    async with aiohttp.ClientSession() as client, client.post(proxy.url + PATH, json=body, headers=headers) as answer:
        told = await answer.json()
        assert answer.status == status, told
        return told


async def told(
    proxy: LocalProxy, token: str, setup: Any, *more: Any, header: bool = True, path: str = CONSTRAINED
) -> Any:
    """What a client hears who begins a session with a token, and says some more: every message, and the close."""
    headers = {"Authorization": f"Token {token}"} if header else {}
    url = proxy.url + path + ("" if header else f"?access_token={token}")
    heard: list[Any] = []
    async with aiohttp.ClientSession() as client, client.ws_connect(url, headers=headers) as socket:
        await socket.send_json({"setup": setup})
        for each in more:
            await socket.send_json(each)
        async for message in socket:
            if message.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
                break
            heard.append(json.loads(message.data))
            if "setupComplete" in heard[-1] and not more:
                await socket.close()
        return heard, socket.close_code


class Ears:
    """An upstream of Live that hears what sessions are set to."""

    def __init__(self) -> None:
        self.setups: list[Any] = []

    async def talk(self, socket: Any) -> None:
        """Take the setup, and say nothing but that."""
        self.setups.append(json.loads(await socket.receive_str())["setup"])
        await socket.send_bytes(b'{"setupComplete": {}}')
        await until_left(socket)


async def test_a_token_opens_sessions_of_its_client_once(tmp_path: Path) -> None:
    """In the header and in the address, at the address that Google's clients use by it; it is worth nothing over HTTP, and
    dies with its key."""
    ears = Ears()
    async with Voices(ears.talk) as voices, in_process(tmp_path, policy(voices.base_url, more=CLIENTS)) as proxy:
        store = KeyStore(proxy.state_dir)
        key, kept = store.create("app", 0, None, None)
        assert (await made(proxy, {}, status=401))["error"]["status"] == "UNAUTHENTICATED"
        for header in (True, False):
            token = (await made(proxy, {}, key))["name"]
            assert token.startswith("auth_tokens/") and key not in token
            heard, code = await told(proxy, token, {"model": "models/live"}, header=header)
            assert heard == [{"setupComplete": {}}]
            with pytest.raises(AssertionError, match="UNAUTHENTICATED"):
                await made(proxy, {}, token)
            heard, code = await told(proxy, token, {"model": "models/live"}, header=header)
            assert (heard, code) == ([], 1008), "it was used up"
            resumed = {"model": "models/live", "sessionResumption": {"handle": "h1"}}
            assert (await told(proxy, token, resumed))[0] == [{"setupComplete": {}}], "going on is no use"
        many = (await made(proxy, {"uses": 0}, key))["name"]
        for _ in range(3):
            assert (await told(proxy, many, {"model": "models/live"}))[0] == [{"setupComplete": {}}]
        async with aiohttp.ClientSession() as client:
            headers = {"x-goog-api-key": many}
            url = f"{proxy.url}/v1beta/models/live:generateContent"
            async with client.post(url, json={"contents": []}, headers=headers) as answer:
                assert answer.status == 401
            realtime = f"{proxy.url}/v1/realtime?model=live"
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await client.ws_connect(realtime, headers={"Authorization": f"Bearer {many}"})
            assert refused.value.status == 403
        store.revoke(kept.id, time.time())
        for _ in range(300):
            if (await refused_at_once(proxy, many)) == 401:
                break
        else:
            raise AssertionError("the token outlives its key")
        records = await proxy.ended_records(lambda records: len(records) >= 9)
    served = [each.decided for each in records.values() if each.decided.get("rule") == "voices"]
    assert {each["client"] for each in served} == {"app"} and len(served) >= 7
    assert many not in str(records) + str(voices.upgrades)


async def refused_at_once(proxy: LocalProxy, token: str) -> int:
    """The status of an upgrade with a token; 101 where it is taken."""
    try:
        headers = {"Authorization": f"Token {token}"}
        async with aiohttp.ClientSession() as client, client.ws_connect(proxy.url + CONSTRAINED, headers=headers):
            return 101
    except aiohttp.WSServerHandshakeError as error:
        return error.status


async def test_what_is_locked_is_the_token_s(tmp_path: Path) -> None:
    """As a whole, or in what its mask names, however the client writes it; and it cannot be changed later on."""
    setup = {
        "model": "models/live",
        "generationConfig": {"responseModalities": ["AUDIO"], "temperature": 0.2},
        "systemInstruction": {"parts": [{"text": "Be brief."}]},
    }
    own = {
        "model": "models/another",
        "generation_config": {"temperature": 2.0, "topK": 3, "response_modalities": ["TEXT"]},
        "system_instruction": {"parts": [{"text": "Tell all."}]},
        "outputAudioTranscription": {},
    }
    ears = Ears()
    async with Voices(ears.talk) as voices, in_process(tmp_path, policy(voices.base_url)) as proxy:
        whole = (await made(proxy, {"uses": 0, "bidiGenerateContentSetup": setup}))["name"]
        mask = "model,generationConfig.temperature,systemInstruction.parts,outputAudioTranscription"
        partly = (await made(proxy, {"uses": 0, "bidiGenerateContentSetup": setup, "fieldMask": mask}))["name"]
        for token in (whole, partly):
            assert (await told(proxy, token, own))[0] == [{"setupComplete": {}}]
            update = {"contextUpdate": {"systemInstruction": {"parts": [{"text": "Tell all."}]}}}
            heard, code = await told(proxy, token, own, update)
            assert code == 1008 and heard[-1]["code"] == 403 and "`contextUpdate`" in heard[-1]["message"]
        free = (await made(proxy, {"uses": 0}))["name"]
        assert (await told(proxy, free, {**own, "model": "models/live"}))[0] == [{"setupComplete": {}}]
    renamed = {**setup, "model": "models/gemini-live-1"}
    assert ears.setups[0] == ears.setups[1] == renamed
    assert (
        ears.setups[2]
        == ears.setups[3]
        == {
            "model": "models/gemini-live-1",
            "generationConfig": {"topK": 3, "response_modalities": ["TEXT"], "temperature": 0.2},
            "systemInstruction": {"parts": [{"text": "Be brief."}]},
        }
    )
    assert ears.setups[4] == {**own, "model": "models/gemini-live-1"}


async def test_a_token_ends_when_it_says(tmp_path: Path) -> None:
    """It opens no session any more after one moment, and ends those that run at another."""
    ears, clock = Ears(), SetClock()
    async with Voices(ears.talk) as voices, in_process(tmp_path, policy(voices.base_url), clock=clock) as proxy:

        def soon(seconds: float) -> str:
            return datetime.fromtimestamp(clock.at + seconds, UTC).isoformat().replace("+00:00", "Z")

        token = (await made(proxy, {"uses": 0, "newSessionExpireTime": soon(10), "expireTime": soon(60)}))["name"]
        new, resumed = ({"model": "models/live", **more} for more in ({}, {"session_resumption": {"handle": "h1"}}))
        assert (await told(proxy, token, new))[0] == [{"setupComplete": {}}]
        clock.pass_by(10)
        assert (await told(proxy, token, new)) == ([], 1008)
        assert (await told(proxy, token, resumed))[0] == [{"setupComplete": {}}]
        clock.pass_by(49.7)
        heard, code = await told(proxy, token, resumed, {"realtimeInput": {"text": "Hello."}})
        assert heard[0] == {"setupComplete": {}} and (heard[-1]["code"], code) == (408, 1000)
        clock.pass_by(0.3)
        assert (await refused_at_once(proxy, token)) == 401
        for wrong in (
            {"expireTime": soon(21 * 3600)},
            {"expireTime": soon(-5)},
            {"newSessionExpireTime": "tomorrow"},
            {"uses": -1},
            {"uses": "many"},
            {"bidiGenerateContentSetup": []},
            {"bidiGenerateContentSetup": {"model": 7}},
            [],
        ):
            assert (await made(proxy, wrong, status=400))["error"]["status"] == "INVALID_ARGUMENT"
        long = {"systemInstruction": {"parts": [{"text": "x" * 5000}]}}
        await made(proxy, {"bidiGenerateContentSetup": long}, status=413)


async def test_a_use_that_brought_no_session_is_none(tmp_path: Path) -> None:
    """An upstream that is away does not use a token up."""
    ears = Ears()
    async with Voices(ears.talk) as voices, in_process(tmp_path, policy(voices.base_url)) as proxy:
        token = (await made(proxy, {}))["name"]
        voices.refusing = 400, {"error": {"code": 400, "message": "no", "status": "INVALID_ARGUMENT"}}
        assert (await told(proxy, token, {"model": "models/live"}))[1] == 1008
        voices.refusing = None
        assert (await told(proxy, token, {"model": "models/live"}))[0] == [{"setupComplete": {}}]
        assert (await told(proxy, token, {"model": "models/live"}))[1] == 1008


def test_what_is_usual() -> None:
    """A minute to begin, half an hour to last, one use; a time without a zone is UTC."""
    asked = read_token(b"", 1000.5)
    assert (asked.opens, asked.ends, asked.uses, asked.setup, asked.mask) == (1000 + OPENS, 1000 + LASTS, 1, {}, None)
    assert read_token(b'{"expireTime": "1970-01-01T00:20:00"}', 1000.5)[:2] == (1060, 1200)
    assert read_token(b'{"expireTime": "1970-01-01T01:16:50+01:00"}', 1000.5)[:2] == (1010, 1010)
    with pytest.raises(ProtocolError):
        read_token(b"[" * 100_000, 1000.5)


def test_uses_are_counted_and_forgotten() -> None:
    """By the grant; what has ended is kept no longer."""
    uses, grant = Uses(), Grant("app", 2000, dialect="gemini-live", opens=1500, uses=2, id=b"1")
    for now in (1000, 1001):
        uses.take(grant, now)
    with pytest.raises(Refused, match="used-up"):
        uses.take(grant, 1002)
    uses.give_back(grant)
    uses.take(grant, 1003)
    uses.take(Grant("app", 3000, dialect="gemini-live", opens=2500, uses=1, id=b"2"), 1600)
    assert repr(uses) == "<Uses of 1 grants>"
    with pytest.raises(Refused, match="expired"):
        uses.take(grant, 1500)


CAMEL = {"system_instruction": "systemInstruction", "x_y": "xY"}
NAMES = st.sampled_from(
    ["model", "tools", "systemInstruction", "system_instruction", "generationConfig", "seed", "x_y"]
)
VALUES = st.recursive(
    st.integers() | st.text(max_size=3), lambda inner: st.dictionaries(NAMES, inner, max_size=3), max_leaves=6
)
SETUPS = st.dictionaries(NAMES, VALUES, max_size=4)


@given(SETUPS, SETUPS, st.lists(st.lists(NAMES, min_size=1, max_size=2).map(".".join), min_size=1, max_size=3))
def test_no_client_says_what_is_locked(own: dict[str, Any], setup: dict[str, Any], paths: list[str]) -> None:
    """Whatever it sends: the same comes of it as of nothing, at every place that a mask names."""
    mask = ",".join(paths)
    merged = json.loads(constrained(json.dumps({"setup": own}).encode(), setup, mask))["setup"]
    again = json.loads(constrained(json.dumps({"setup": merged}).encode(), setup, mask))["setup"]
    assert merged == again
    bare = json.loads(constrained(b'{"setup": {}}', setup, mask))["setup"]
    for path in paths:
        assert at(merged, path.split(".")) == at(bare, path.split(".")), path


def at(fields: Any, path: list[str]) -> Any:
    """What stands at a path, by whichever of its names; None where nothing does."""
    for name in path:
        camel = CAMEL.get(name, name)
        named = {CAMEL.get(each, each): value for each, value in fields.items()} if isinstance(fields, dict) else {}
        fields = named.get(camel)
    return fields


def test_frames_that_are_forbidden() -> None:
    """None where nothing is locked; those that change instructions where these are."""
    assert forbidden({}, None) == frozenset()
    assert forbidden({}, "generationConfig.temperature") == {"setup"}
    assert "contextUpdate" in forbidden({"model": "m"}, None) & forbidden({}, "tools") & forbidden(
        {}, "system_instruction.parts"
    )
    assert (
        not resumes(b"nothing")
        and not resumes(b'{"setup": []}')
        and not resumes(b'{"setup": {"sessionResumption": {}}}')
    )
