"""What one worker learns of an account, all know; what an operator says of one, all do."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.edge.test_account_pools import A, B, C, key_of, pool
from tests.support.asking import ask, chat
from tests.support.processes import run_command
from tests.support.proxy import RunningProxy, running_proxy
from tests.support.upstream import Upstream, answer_politely, failure

KEYS = {"KEY_A": A, "KEY_B": B, "KEY_C": C}


@pytest.fixture
async def proxy(tmp_path: Path, upstream: Upstream) -> AsyncIterator[RunningProxy]:
    """Three workers over three keys, of which the first is to be drained first."""
    async with running_proxy(tmp_path, pool(upstream, "drain_first"), workers=3, environment=KEYS) as running:
        yield running


async def accounts(proxy: RunningProxy) -> dict[str, dict[str, Any]]:
    """What the admin listener shows, by account."""
    status, body = await proxy.get_admin("/accounts")
    assert status == 200
    return {each["account"]: each for each in json.loads(body)["accounts"]}


async def workers(proxy: RunningProxy) -> list[int]:
    """Process ids of the workers that serve."""
    return [worker["pid"] for worker in json.loads((await proxy.get_admin("/policy"))[1])["workers"]]


async def keys_used(proxy: RunningProxy, upstream: Upstream, times: int = 24) -> set[str]:
    """Which keys so many requests use, each on a connection of its own, so that all workers serve some."""
    before = len(upstream.requests)
    for answer in await asyncio.gather(*(ask(proxy.url, chat()) for _ in range(times))):
        assert answer.status == 200
    return {key_of(request) for request in upstream.requests[before:]}


async def test_an_operator_rests_an_account_on_all_workers_and_lets_it_back_in(
    proxy: RunningProxy, upstream: Upstream
) -> None:
    """Also on a worker that begins later. Nobody else is touched, not even in its bucket."""
    assert await keys_used(proxy, upstream) == {A}
    status, body = await proxy.get_admin("/accounts/p/a/rest?seconds=600", "POST")
    assert status == 200
    [shown] = [each for each in json.loads(body)["accounts"] if each["account"] == "a"]
    assert (shown["state"], shown["because"], shown["bucket"]) == ("resting", "an operator", "one")
    assert 590 < shown["seconds"] <= 600
    assert await keys_used(proxy, upstream) == {B}

    for pid in await workers(proxy):
        before = await workers(proxy)
        os.kill(pid, signal.SIGKILL)
        await proxy.until("/policy", lambda _, body, b=before: len(fresh(body, b)) == 1 and len(pids(body)) == 3)
    assert await keys_used(proxy, upstream) == {B}

    assert (await proxy.get_admin("/accounts/p/a/admit", "POST"))[0] == 200
    assert await keys_used(proxy, upstream) == {A}
    assert (await accounts(proxy))["a"]["state"] == "ready"


def pids(body: str) -> set[int]:
    """The workers of a description."""
    return {worker["pid"] for worker in json.loads(body)["workers"]}


def fresh(body: str, before: list[int]) -> set[int]:
    """Those that were not there before."""
    return pids(body) - set(before)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/accounts/p/zebra/rest", 404),
        ("/accounts/q/a/admit", 404),
        ("/accounts/p/a/rest?seconds=soon", 400),
        ("/accounts/p/a/rest?seconds=-1", 400),
        ("/accounts/p/a/drop", 404),
    ],
)
async def test_what_cannot_be_done_is_said(proxy: RunningProxy, path: str, status: int) -> None:
    """And changes nothing."""
    assert (await proxy.get_admin(path, "POST"))[0] == status
    assert {each["state"] for each in (await accounts(proxy)).values()} == {"ready"}


async def test_the_command_shows_rests_and_admits(proxy: RunningProxy) -> None:
    """For people and for programs, with an exit code."""

    async def command(*arguments: str) -> tuple[int, str]:
        done = await proxy.command("accounts", "--state-dir", str(proxy.state_dir), *arguments)
        return done.returncode, done.stdout + done.stderr

    code, text = await command("--rest", "p", "c", "--seconds", "60")
    assert code == 0
    assert [line.split()[:3] for line in text.splitlines()[1:]] == [
        ["p/a", "one", "ready"],
        ["p/b", "one", "ready"],
        ["p/c", "two", "resting"],
    ]
    assert "an operator, until 20" in text
    assert (await command("--admit", "p", "c"))[0] == 0
    code, shown = await command("--format", "json")
    assert (code, {each["state"] for each in json.loads(shown)}) == (0, {"ready"})
    assert await command("--admit", "p", "zebra") == (
        1,
        "routebook accounts: the policy has no such account [admin.unknown-account]\n",
    )
    assert (await command("--seconds", "5"))[0] == 2


def test_where_nobody_serves_the_command_says_so(tmp_path: Path) -> None:
    """Exit code 1."""
    done = run_command("accounts", "--state-dir", str(tmp_path))
    assert (done.returncode, done.stderr) == (1, f"routebook accounts: no service runs on `{tmp_path}`\n")


async def test_the_state_of_accounts_is_a_metric(proxy: RunningProxy) -> None:
    """One of four states is 1."""
    await proxy.get_admin("/accounts/p/b/rest", "POST")
    text = (await proxy.get_admin("/metrics"))[1]
    for state, value in (("ready", 0.0), ("resting", 1.0), ("probing", 0.0), ("out", 0.0)):
        assert f'routebook_account_state{{account="p/b",state="{state}"}} {value}' in text


async def test_what_one_worker_learns_all_know(proxy: RunningProxy, upstream: Upstream) -> None:
    """A refused key costs one request, not one per worker; it is in the log once; a reload lets it back in."""
    refused = {A}
    upstream.otherwise = lambda request: failure(401) if key_of(request) in refused else answer_politely(request)
    assert (await ask(proxy.url, chat())).status == 200
    await all_know(proxy, "account is out")
    assert await keys_used(proxy, upstream) == {B}
    assert [key_of(request) for request in upstream.requests].count(A) == 1
    assert (await accounts(proxy))["a"]["because"] == "401"
    assert proxy.log.count('"account is out"') == 1
    refused.clear()
    assert (await proxy.get_admin("/reload", "POST"))[0] == 200
    await until(proxy, lambda shown: shown["a"]["state"] == "ready")
    assert await keys_used(proxy, upstream) == {A}


async def test_a_key_that_is_renewed_in_its_file_is_used_again(tmp_path: Path, upstream: Upstream) -> None:
    """By itself: no reload, no operator."""
    key = tmp_path / "key"
    key.write_text("old")
    policy = pool(upstream, "drain_first").replace("{env: KEY_A}", f"{{file: {key}}}")
    upstream.otherwise = lambda request: failure(401) if key_of(request) == "old" else answer_politely(request)
    async with running_proxy(tmp_path, policy, workers=2, environment=KEYS) as proxy:
        assert await keys_used(proxy, upstream) <= {"old", B}
        await until(proxy, lambda shown: shown["a"]["state"] == "out")
        key.write_text("new")
        await until(proxy, lambda shown: shown["a"]["state"] == "ready")
        assert await keys_used(proxy, upstream) == {"new"}


async def test_a_breaker_that_one_worker_opens_is_open_on_all(tmp_path: Path, upstream: Upstream) -> None:
    """And counted once."""
    upstream.otherwise = lambda request: failure(500) if key_of(request) == A else answer_politely(request)
    policy = pool(upstream, "drain_first", "settings: {breaker: {in_a_row: 2, rest: 10m}}")
    async with running_proxy(tmp_path, policy, workers=2, environment=KEYS) as proxy:
        while not (shown := await accounts(proxy))["a"]["breakers"]:
            assert (await ask(proxy.url, chat())).status == 200
        assert shown["a"]["breakers"][0]["because"] == "2 failures in a row"
        await all_know(proxy, "breaker opened")
        assert await keys_used(proxy, upstream) == {B}
        assert 'transitions_total{account="p/a",model="small",to="open"} 1.0' in (await proxy.get_admin("/metrics"))[1]


async def all_know(proxy: RunningProxy, said: str) -> None:
    """Wait until the supervisor has said it. By then it has told the workers, who hear it before they are asked."""
    end = time.monotonic() + 20
    while said not in proxy.log:
        assert time.monotonic() < end, proxy.log
        await asyncio.sleep(0.02)
    await accounts(proxy)


async def until(proxy: RunningProxy, holds: Any) -> None:
    """Wait until the admin listener shows what is expected."""
    end = time.monotonic() + 20
    while not holds(shown := await accounts(proxy)):
        assert time.monotonic() < end, shown
        await asyncio.sleep(0.02)
