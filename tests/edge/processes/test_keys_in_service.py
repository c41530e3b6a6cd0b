"""Keys while the service runs: made, rotated and revoked from the command line, and known to every worker."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import openai
import pytest

from routebook.edge.identity.pepper import VARIABLE
from tests.support.asking import ask, chat
from tests.support.processes import run_command
from tests.support.proxy import RunningProxy, running_proxy, small_policy
from tests.support.rawclient import RawClient, post
from tests.support.upstream import Upstream

CLIENTS = "clients:\n  web: {team: shop}\n  batch: {}\n"
KNOWN_SECONDS = 1.0
"""After so long, a change of keys counts in every worker: this is promised."""


async def keys(proxy: RunningProxy, *arguments: str) -> Any:
    """Run `routebook keys`, as JSON."""
    words = ("keys", *arguments, "--format", "json", "--state-dir", str(proxy.state_dir))
    done = await proxy.command(*words)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


async def connected(proxy: RunningProxy, stack: AsyncExitStack, key: str) -> dict[str, RawClient]:
    """A connection to each of two workers, by worker, over each of which this key was good for a request."""
    found: dict[str, RawClient] = {}
    end = time.monotonic() + 60
    while len(found) < 2:
        assert time.monotonic() < end, "one worker takes all connections"
        client = await stack.enter_async_context(RawClient(proxy.url))
        answer = await client.ask(request(key))
        assert answer.status == 200, answer.body
        record = await proxy.record(str(answer.header("x-routebook-decision")))
        found[record.decided["instance"]] = client
    return found


def request(key: str) -> bytes:
    """A chat request with this key."""
    return post("/v1/chat/completions", chat(), [("Authorization", f"Bearer {key}")])


async def statuses(clients: dict[str, RawClient], key: str) -> list[int]:
    """What each worker answers to a key now."""
    return [(await client.ask(request(key))).status for client in clients.values()]


async def test_keys_count_in_every_worker_at_once(tmp_path: Path, upstream: Upstream) -> None:
    """A key that is made, rotated or revoked while two workers serve: within a second both know, without a reload."""
    async with (
        running_proxy(tmp_path, small_policy(upstream.url, more=CLIENTS), workers=2) as proxy,
        AsyncExitStack() as stack,
    ):
        assert (await ask(proxy.url)).status == 401
        made = await keys(proxy, "create", "web", "--note", "shop")
        await asyncio.sleep(KNOWN_SECONDS)
        clients = await connected(proxy, stack, made["key"])

        rotated = await keys(proxy, "rotate", made["id"], "--overlap", "1h")
        await asyncio.sleep(KNOWN_SECONDS)
        assert rotated["replaces"]["id"] == made["id"] and rotated["note"] == "shop"
        assert await statuses(clients, made["key"]) == await statuses(clients, rotated["key"]) == [200, 200]

        await keys(proxy, "revoke", made["id"])
        await asyncio.sleep(KNOWN_SECONDS)
        assert await statuses(clients, made["key"]) == [401, 401]
        assert await statuses(clients, rotated["key"]) == [200, 200]

        at_once = await keys(proxy, "rotate", rotated["id"], "--overlap", "0s")
        await asyncio.sleep(KNOWN_SECONDS)
        assert await statuses(clients, rotated["key"]) == [401, 401]
        assert await statuses(clients, at_once["key"]) == [200, 200]
        _, metrics = await proxy.get_admin("/metrics")
        assert 'routebook_callers_refused_total{reason="revoked"} 2.0' in metrics
        assert 'routebook_callers_refused_total{reason="expired"} 2.0' in metrics
        listed = {each["id"]: each["state"] for each in await keys(proxy, "list")}
        assert listed == {made["id"]: "revoked", rotated["id"]: "expired", at_once["id"]: "valid"}


async def test_the_official_library_shows_a_key(tmp_path: Path, upstream: Upstream) -> None:
    """As its `api_key`; a revoked one is an authentication error to it, which it does not retry."""
    async with running_proxy(tmp_path, small_policy(upstream.url, more=CLIENTS)) as proxy:
        made = await keys(proxy, "create", "batch")
        async with openai.AsyncOpenAI(
            base_url=proxy.base_url, api_key=made["key"], http_client=openai.DefaultAsyncHttpxClient(trust_env=False)
        ) as client:
            await asyncio.sleep(KNOWN_SECONDS)
            answer = await client.chat.completions.create(
                model="small", messages=[{"role": "user", "content": "Hello?"}]
            )
            assert answer.choices[0].message.content
            await keys(proxy, "revoke", made["id"])
            await asyncio.sleep(KNOWN_SECONDS)
            with pytest.raises(openai.AuthenticationError):
                await client.chat.completions.create(model="small", messages=[{"role": "user", "content": "Hello?"}])
        assert len(upstream.requests) == 1
        assert {record.decided["client"] for record in proxy.records().values()} == {"batch", None}


async def test_who_has_no_key_is_named(tmp_path: Path, upstream: Upstream) -> None:
    """At the start and with each new policy: clients for whom neither the policy nor the store has anything."""
    async with running_proxy(tmp_path, small_policy(upstream.url, more=CLIENTS)) as proxy:
        assert said(proxy, "clients without a key")[-1]["clients"] == ["web", "batch"]
        await keys(proxy, "create", "web")
        proxy.write_policy(small_policy(upstream.url, more=CLIENTS + "  late: {}\n"))
        done = await proxy.command("reload", "--wait", "--state-dir", str(proxy.state_dir))
        assert done.returncode == 0, done.stderr
        assert said(proxy, "clients without a key")[-1]["clients"] == ["batch", "late"]


async def test_hosts_that_share_a_pepper_share_digests(tmp_path: Path, upstream: Upstream) -> None:
    """A digest that one host printed lets its key in at another one, by the policy alone."""
    shared = {VARIABLE: "a shared pepper that is long enough"}
    made = run_command(
        *("keys", "create", "web", "--print-digest", "--state-dir", str(tmp_path / "elsewhere")), environment=shared
    )
    key, line = made.stdout.splitlines()
    async with running_proxy(
        tmp_path, small_policy(upstream.url, more=f"clients:\n  {line}\n"), environment=shared
    ) as proxy:
        assert (await ask(proxy.url, headers=[("x-api-key", key)])).status == 200
        assert not list(proxy.state_dir.glob("keys.*"))


def test_a_short_pepper_is_refused_at_the_start(tmp_path: Path) -> None:
    """Before anything is served."""
    (tmp_path / "policy.yaml").write_text(small_policy("http://127.0.0.1:9"))
    done = run_command(
        *("serve", "--policy", str(tmp_path / "policy.yaml"), "--state-dir", str(tmp_path / "var")),
        *("--listen", "127.0.0.1:0", "--admin", "none"),
        environment={VARIABLE: "short"},
    )
    assert done.returncode == 1 and VARIABLE in done.stderr


def said(proxy: RunningProxy, event: str) -> list[dict[str, Any]]:
    """The lines of the log about an event."""
    lines = (json.loads(line) for line in proxy.log.splitlines() if line.startswith("{"))
    return [line for line in lines if line["event"] == event]
