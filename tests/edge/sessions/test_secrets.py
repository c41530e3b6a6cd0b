"""Ephemeral secrets: who makes them, what they open, and when they end."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from routebook.edge.identity.ephemeral import PREFIX, Grant, grant_of, secret_of
from routebook.edge.identity.refusals import Reason, Refused
from routebook.edge.identity.store import KeyStore
from tests.edge.sessions.test_relay import echo, refusal, session
from tests.support.proxy import LocalProxy, in_process
from tests.support.voices import CREATED, Voices, greet, heard, until_left, voice_policy

PATH = "/v1/realtime/client_secrets"
CLIENTS = "clients: {app: {tags: [shop]}, other: {}}\n"


async def asked(proxy: LocalProxy, body: Any, key: str | None, path: str = PATH) -> tuple[int, Any]:
    """What comes of asking for a secret."""
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    async with aiohttp.ClientSession() as client, client.post(proxy.url + path, json=body, headers=headers) as answer:
        return answer.status, await answer.json()


def bearer(secret: str) -> dict[str, Any]:
    """A client's head with it."""
    return {"headers": {"Authorization": f"Bearer {secret}"}}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (PATH, {"session": {"type": "realtime", "model": "voice"}}),
        ("/openai/v1/realtime/client_secrets", {"session": {"type": "realtime", "model": "voice"}}),
        ("/v1/realtime/sessions", {"model": "voice"}),
        ("/openai/realtimeapi/sessions?api-version=2025-04-01-preview", {"model": "voice"}),
    ],
)
async def test_a_secret_opens_sessions_of_its_client_and_nothing_else(tmp_path: Path, path: str, body: Any) -> None:
    """As a bearer and as a subprotocol; of its own model only; no request is served by it; it ends with its key."""
    async with Voices(echo) as voices, in_process(tmp_path, voice_policy(voices.base_url, client=CLIENTS)) as proxy:
        store = KeyStore(proxy.state_dir)
        key, kept = store.create("app", 0, None, None)
        assert (await asked(proxy, body, None, path))[0] == 401
        status, made = await asked(proxy, body, key, path)
        assert status == 200, made
        secret = made["value"] if "value" in made else made["client_secret"]["value"]
        assert secret.startswith(PREFIX) and key not in secret
        async with session(proxy, "/v1/realtime", **bearer(secret)) as socket:
            assert json.loads(await socket.receive_str()) == CREATED
        offers = ["realtime", f"openai-insecure-api-key.{secret}"]
        async with session(proxy, protocols=offers, headers={"Origin": "https://shop.example"}) as socket:
            assert socket.protocol == "realtime"
        assert (await refusal(proxy, "/v1/realtime?model=voice1", Authorization=f"Bearer {secret}"))[0] == 403
        assert (await asked(proxy, body, secret, path))[0] == 401
        assert (await asked(proxy, {"model": "voice", "messages": []}, secret, "/v1/chat/completions"))[0] == 401
        torn = secret[:-2] + ("AA" if secret[-2:] != "AA" else "BB")
        assert (await refusal(proxy, Authorization=f"Bearer {torn}"))[0] == 401
        store.revoke(kept.id, time.time())
        for _ in range(300):
            if (await refusal_status(proxy, secret)) == 401:
                break
        else:
            raise AssertionError("the secret outlives its key")
        records = await proxy.ended_records(lambda records: len(records) >= 2)
    served = [each.decided for each in records.values() if each.decided.get("rule") == "voices"]
    assert {each["client"] for each in served} == {"app"}
    assert secret not in str(records) + str(voices.upgrades)


async def refusal_status(proxy: LocalProxy, secret: str) -> int:
    """The status of an upgrade with a secret; 101 where it is taken."""
    try:
        async with session(proxy, **bearer(secret)):
            return 101
    except aiohttp.WSServerHandshakeError as error:
        return error.status


async def test_a_session_begins_with_the_secret_s_settings(tmp_path: Path) -> None:
    """They go to the upstream before anything of the client's; without clients in the policy too."""
    came: list[Any] = []

    async def talk(socket: Any) -> None:
        await greet(socket)
        came.extend([await heard(socket), await heard(socket)])
        await socket.send_str("{}")
        await until_left(socket)

    wanted = {
        "type": "realtime",
        "model": "voice",
        "instructions": "Be brief.",
        "audio": {"output": {"voice": "marin"}},
    }
    async with Voices(talk) as voices, in_process(tmp_path, voice_policy(voices.base_url)) as proxy:
        status, made = await asked(proxy, {"session": wanted, "expires_after": {"seconds": 10}}, None)
        assert status == 200
        assert made["session"]["instructions"] == "Be brief."
        assert 5 < made["expires_at"] - time.time() <= 10
        async with session(proxy, "/v1/realtime", **bearer(made["value"])) as socket:
            await socket.receive_str()
            await socket.send_str('{"type":"response.create"}')
            await socket.receive_str()
    settings = {name: value for name, value in wanted.items() if name != "model"}
    assert came == [{"type": "session.update", "session": settings}, {"type": "response.create"}]


@pytest.mark.parametrize(
    "body",
    [
        {"expires_after": {"seconds": 9}},
        {"expires_after": {"seconds": 7201}},
        {"expires_after": {"seconds": True}},
        {"expires_after": {"anchor": "yesterday", "seconds": 60}},
        {"session": []},
        {"session": {"model": 7}},
        [],
    ],
)
async def test_what_cannot_be_granted_is_refused(tmp_path: Path, body: Any) -> None:
    """With a status of 400; settings that are too large with 413."""
    async with in_process(tmp_path, voice_policy("http://127.0.0.1:9/v1")) as proxy:
        assert (await asked(proxy, body, None))[0] == 400
        assert (await asked(proxy, {"session": {"instructions": "x" * 5000}}, None))[0] == 413
        status, told = await asked(proxy, {}, None, "/v1/realtime/calls")
        assert (status, "WebSocket" in told["error"]["message"]) == (404, True)


def test_a_grant_ends_when_it_says() -> None:
    """And is known by nobody who has another key."""
    secret = secret_of(Grant("app", 1000, b"\x01\x02", "voice"), b"k" * 32)
    assert grant_of(secret, b"k" * 32, 999.9) == Grant("app", 1000, b"\x01\x02", "voice")
    for key, now, reason in ((b"k" * 32, 1000, Reason.EXPIRED), (b"l" * 32, 1, Reason.UNKNOWN)):
        with pytest.raises(Refused) as refused:
            grant_of(secret, key, now)
        assert refused.value.reason is reason
    for wrong in (PREFIX, PREFIX + "a.b.c", PREFIX + "é.ü", secret + "x"):
        with pytest.raises(Refused):
            grant_of(wrong, b"k" * 32, 1)
