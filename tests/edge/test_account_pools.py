"""A pool of three keys in two buckets: how requests are spread, who rests, and when a client sees an error."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import pytest

from routebook.edge.clock import SystemClock
from tests.support.asking import ask, chat
from tests.support.proxy import LocalProxy, in_process
from tests.support.rawclient import Answer
from tests.support.upstream import Play, Received, Step, Until, Upstream, answer_politely, failure, reply

A, B, C = "key-a", "key-b", "key-c"
"""The first two share a bucket."""


def pool(upstream: Upstream, spread: str = "round_robin", more: str = "") -> str:
    """A policy over these keys."""
    return f"""\
version: 1
providers:
  p:
    dialect: openai
    base_url: "{upstream.url}"
    spread: {spread}
    accounts:
      - {{name: a, key: {{env: KEY_A}}, bucket: one}}
      - {{name: b, key: {{env: KEY_B}}, bucket: one}}
      - {{name: c, key: {{env: KEY_C}}, bucket: two}}
models: {{small: {{provider: p}}, large: {{provider: p}}}}
rules: [{{name: all, route: {{to: requested}}}}]
{more}
"""


class ShiftedClock(SystemClock):
    """The machine's clock, ahead by as much as a test wants."""

    def __init__(self) -> None:
        super().__init__()
        self.ahead = 0.0

    def monotonic(self) -> float:  # type: ignore[override]
        """For durations and rests."""
        return SystemClock.monotonic() + self.ahead


class Script:
    """An upstream that does with each key what it is told, and notes which key was called."""

    def __init__(self, upstream: Upstream) -> None:
        self.upstream = upstream
        self.plays: dict[str, Play] = {}
        upstream.otherwise = self.play

    def play(self, request: Received) -> Play:
        """What is told for the key, else a polite answer."""
        return self.plays.get(key_of(request)) or answer_politely(request)

    @property
    def called(self) -> list[str]:
        """The keys, in the order in which they were called."""
        return [key_of(request) for request in self.upstream.requests]


def key_of(request: Received) -> str:
    """The key that a request came with."""
    return (request.header("Authorization") or "").removeprefix("Bearer ")


def good(headers: Iterable[tuple[str, str]] = ()) -> list[Step]:
    """An answer with these headers."""
    return reply({"id": "x", "object": "chat.completion", "model": "m", "choices": [], "usage": None}, 200, headers)


async def ask_times(proxy: LocalProxy, times: int) -> list[Answer]:
    """One after the other."""
    return [await ask(proxy.url, chat()) for _ in range(times)]


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """The keys, as the policy names them."""
    for name, key in (("KEY_A", A), ("KEY_B", B), ("KEY_C", C)):
        monkeypatch.setenv(name, key)


@pytest.fixture
async def script(upstream: Upstream) -> AsyncIterator[Script]:
    """The upstream of all these tests."""
    yield Script(upstream)


async def test_requests_go_round_as_declared(tmp_path: Path, script: Script) -> None:
    """Thirty requests, ten for each key, never the same twice in a row."""
    async with in_process(tmp_path, pool(script.upstream)) as proxy:
        await ask_times(proxy, 30)
    assert Counter(script.called) == {A: 10, B: 10, C: 10}
    assert all(one != following for one, following in zip(script.called, script.called[1:], strict=False))


async def test_a_conversation_stays_with_its_key(tmp_path: Path, script: Script) -> None:
    """Twelve conversations of three turns each: one key a conversation, and more than one key in all."""
    async with in_process(tmp_path, pool(script.upstream, "sticky")) as proxy:
        for number in range(12):
            opening = {"role": "user", "content": f"story {number}"}
            for turns in range(3):
                await ask(proxy.url, {"model": "small", "messages": [opening, *[opening] * turns]})
    by_conversation = [set(script.called[start : start + 3]) for start in range(0, 36, 3)]
    assert all(len(used) == 1 for used in by_conversation)
    assert len(set(script.called)) > 1


async def test_every_key_is_tried_before_a_client_sees_an_error(tmp_path: Path, script: Script) -> None:
    """Whatever they fail of: three keys, three calls, one error."""
    script.plays = {A: failure(500), B: failure(401), C: failure(429)}
    async with in_process(tmp_path, pool(script.upstream)) as proxy:
        answer = await ask(proxy.url, chat())
    assert answer.status >= 400
    assert sorted(script.called) == [A, B, C]


async def test_a_429_rests_the_bucket_and_nobody_else(tmp_path: Path, script: Script) -> None:
    """No request reaches either key of the bucket for as long as it rests; no client notices."""
    clock = ShiftedClock()
    async with in_process(tmp_path, pool(script.upstream), clock=clock) as proxy:
        script.plays[A] = failure(429, headers=[("Retry-After", "7")])
        answers = await ask_times(proxy, 12)
        before = len(script.called)
        script.plays.clear()
        clock.ahead += 8.0
        answers += await ask_times(proxy, 12)
    assert {answer.status for answer in answers} == {200}
    first = script.called[:before]
    assert first.count(A) == 1
    assert set(first[first.index(A) + 1 :]) == {C}
    assert set(script.called[before:]) == {A, B, C}


async def test_a_refused_key_is_out_until_the_policy_is_read_again(tmp_path: Path, script: Script) -> None:
    """One call finds out; a day later it is still out; with the next reload it is back."""
    clock = ShiftedClock()
    policy = pool(script.upstream)
    async with in_process(tmp_path, policy, clock=clock) as proxy:
        script.plays[B] = failure(401)
        answers = await ask_times(proxy, 9)
        clock.ahead += 86_400.0
        answers += await ask_times(proxy, 9)
        assert script.called.count(B) == 1
        script.plays.clear()
        proxy.take(policy)
        answers += await ask_times(proxy, 3)
        assert script.called.count(B) == 2
    assert {answer.status for answer in answers} == {200}


async def test_a_bucket_rests_before_anybody_is_refused(tmp_path: Path, script: Script) -> None:
    """Its last answer says that nothing remains for a minute."""
    clock = ShiftedClock()
    spent = [("x-ratelimit-remaining-requests", "0"), ("x-ratelimit-reset-requests", "1m0s")]
    async with in_process(tmp_path, pool(script.upstream, "drain_first"), clock=clock) as proxy:
        script.plays[A] = good(spent)
        await ask_times(proxy, 5)
        clock.ahead += 61.0
        await ask_times(proxy, 1)
    assert script.called == [A, C, C, C, C, A]


async def test_after_its_rest_one_request_tries_a_key(tmp_path: Path, script: Script) -> None:
    """While the trial runs, all others go elsewhere; when it went well, everybody may come."""
    clock, held = ShiftedClock(), asyncio.Event()
    async with in_process(tmp_path, pool(script.upstream, "drain_first"), clock=clock) as proxy:
        script.plays[A] = failure(429, headers=[("Retry-After", "7")])
        await ask_times(proxy, 1)
        clock.ahead += 8.0
        script.plays[A] = [Until(held), *good()]
        trial = asyncio.create_task(ask(proxy.url, chat()))
        await script.upstream.arrivals(3)
        during = await asyncio.gather(*(ask(proxy.url, chat()) for _ in range(5)))
        assert script.called == [A, C, A, *[C] * 5]
        held.set()
        answers = [await trial, *during, *await ask_times(proxy, 3)]
    assert script.called[8:] == [A, A, A]
    assert {answer.status for answer in answers} == {200}


async def test_an_hour_of_trouble(tmp_path: Path, script: Script) -> None:
    """Three hundred requests while quotas come and go and a key is revoked: no request to a key that cools down, and no
    error for a client as long as one key is well."""
    clock, dice = ShiftedClock(), random.Random(7)
    bucket_of = {A: "one", B: "one", C: "two"}
    closed: dict[str, float] = {}
    refused: set[str] = set()
    wrong: list[str] = []

    def play(request: Received) -> Play:
        key, now = key_of(request), clock.monotonic()
        if key in refused or closed.get(bucket_of[key], 0.0) > now:
            wrong.append(key)
        if key == B and now > start + 1800:
            refused.add(key)
            return failure(401)
        well = [each for each in ("one", "two") if closed.get(each, 0.0) <= now]
        if dice.random() < 0.15 and len(well) > 1:
            seconds = dice.choice([1, 7, 30])
            closed[bucket_of[key]] = now + seconds
            return failure(429, headers=[("Retry-After", str(seconds))])
        return answer_politely(request)

    script.upstream.otherwise = play
    async with in_process(tmp_path, pool(script.upstream), clock=clock) as proxy:
        start = clock.monotonic()
        statuses = []
        for _ in range(300):
            clock.ahead += 12.0 * dice.random() * 2
            statuses.append((await ask(proxy.url, chat())).status)
    assert wrong == []
    assert set(statuses) == {200}
    assert min(Counter(script.called).values()) > 30
