"""Keys of clients over the admin listener: made, listed, followed by others and revoked, as `routebook keys` does."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.support.admin import ask, code_of
from tests.support.asking import ask as ask_model
from tests.support.proxy import RunningProxy, running_proxy, small_policy
from tests.support.rawclient import Answer

pytestmark = pytest.mark.asyncio(loop_scope="module")

DAY = 86_400


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def proxy(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningProxy]:
    """A service whose policy declares a client, for all tests of this file."""
    policy = small_policy("http://127.0.0.1:9/v1", more="clients: {web: {team: shop}}")
    async with running_proxy(tmp_path_factory.mktemp("keys"), policy, "--simulate") as running:
        yield running


async def make(proxy: RunningProxy, **wanted: Any) -> Answer:
    """Ask for a key."""
    return await ask(proxy.admin, "POST", "/keys", body=json.dumps(wanted).encode())


async def listed(proxy: RunningProxy) -> dict[str, dict[str, Any]]:
    """All keys by their ids."""
    found = (await ask(proxy.admin, "GET", "/keys")).json()["keys"]
    return {each["id"]: each for each in found}


async def test_a_key_that_is_made_lets_its_client_in_until_it_is_revoked(proxy: RunningProxy) -> None:
    """It is shown once, and nowhere else: not in the list, not in the log, not in the state directory."""
    answer = await make(proxy, client="web", expires="90d", note="of a test")
    assert answer.status == 201, answer.body
    key, made = answer.json()["key"], answer.json()["made"]
    assert (made["client"], made["state"], made["note"], made["last"]) == ("web", "valid", "of a test", key[-4:])
    assert made["expires"] - made["created"] == 90 * DAY
    assert (await listed(proxy))[made["id"]] == made
    bearer = [("Authorization", f"Bearer {key}")]
    assert (await ask_model(proxy.url, headers=bearer)).status == 200

    revoked = await ask(proxy.admin, "DELETE", f"/keys/{made['id']}")
    assert (revoked.status, revoked.json()["state"]) == (200, "revoked")
    async with asyncio.timeout(20):
        while (await ask_model(proxy.url, headers=bearer)).status != 401:
            await asyncio.sleep(0.02)
    again = await ask(proxy.admin, "POST", f"/keys/{made['id']}/rotate")
    assert (again.status, code_of(again)) == (404, "admin.unknown-key")
    assert key not in proxy.log
    assert not [file for file in proxy.state_dir.rglob("*") if file.is_file() and key.encode() in file.read_bytes()]


async def test_a_key_is_followed_by_another(proxy: RunningProxy) -> None:
    """The old one goes on for as long as is said; the new one is valid for as long as the old one was made for."""
    old = (await make(proxy, client="web", expires="30d")).json()["made"]
    answer = await ask(proxy.admin, "POST", f"/keys/{old['id']}/rotate?overlap=1h")
    assert answer.status == 201, answer.body
    made, replaced = answer.json()["made"], answer.json()["replaces"]
    assert (replaced["id"], made["client"]) == (old["id"], "web")
    assert made["expires"] - made["created"] == 30 * DAY
    assert replaced["expires"] - made["created"] == 3600
    assert (await listed(proxy))[old["id"]] == replaced


async def test_the_command_shows_the_same(proxy: RunningProxy) -> None:
    """`routebook keys list` and the route read one store and have the same fields."""
    await make(proxy, client="web")
    shown = await proxy.command("keys", "list", "--format", "json", "--state-dir", str(proxy.state_dir))
    assert json.loads(shown.stdout) == list((await listed(proxy)).values())


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        ({"client": "anonymous"}, "`client`: this cannot name a client"),
        ({"client": "two words"}, "`client`: this cannot name a client"),
        ({"client": "web", "expires": "soon"}, "`expires`: expected a duration such as"),
        ({"client": "web", "expires": "0s"}, "`expires`: expected a duration such as"),
        ({"client": "web", "expires": "900000d"}, "`expires`: expected a duration such as"),
        ({"client": "web", "expire": "1d"}, "object contains unknown field `expire`"),
    ],
)
async def test_what_does_not_fit_is_refused_with_its_place(
    proxy: RunningProxy, wanted: dict[str, Any], says: str
) -> None:
    """And no key is made."""
    before = await listed(proxy)
    answer = await make(proxy, **wanted)
    assert (answer.status, code_of(answer)) == (400, "admin.bad-request")
    assert answer.json()["error"]["message"].startswith(says)
    assert await listed(proxy) == before


async def test_a_key_in_a_path_is_refused_and_not_logged(proxy: RunningProxy) -> None:
    """Paths are logged with their names, so a key is named by its id alone."""
    answer = await make(proxy, client="web")
    key, identity = answer.json()["key"], answer.json()["made"]["id"]
    refused = await ask(proxy.admin, "DELETE", f"/keys/{key}")
    assert (refused.status, code_of(refused)) == (404, "admin.unknown-key")
    assert key.encode() not in refused.body and key not in proxy.log
    assert (await listed(proxy))[identity]["state"] == "valid"


async def test_a_store_that_cannot_be_read_is_said(proxy: RunningProxy) -> None:
    """With a code; the reason stands in the log."""
    store = proxy.state_dir / "keys.json"
    kept = store.read_bytes()
    try:
        store.write_bytes(b"{")
        for method, path in (("GET", "/keys"), ("DELETE", "/keys/nothing")):
            answer = await ask(proxy.admin, method, path)
            assert (answer.status, code_of(answer)) == (503, "admin.keys-unreadable")
        assert '"event":"key store not usable"' in proxy.log
    finally:
        store.write_bytes(kept)
