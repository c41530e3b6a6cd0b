"""Limits end to end: an upstream never sees more than is declared, however many workers there are; who waits, waits in
turn; and whatever becomes of a request, its slot is free afterwards.
"""

from __future__ import annotations

import asyncio
import math
import os
import resource
import signal
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from routebook.edge.identity.store import KeyStore
from tests.support.asking import CHAT, ask, chat
from tests.support.clock import SetClock
from tests.support.processes import run_command
from tests.support.proxy import RunningProxy, in_process, running_proxy
from tests.support.rawclient import Answer, RawClient, post
from tests.support.scripted import Crowd
from tests.support.upstream import (
    Close,
    Hang,
    Play,
    Received,
    Reset,
    Say,
    Until,
    Upstream,
    answer_politely,
    chunks,
    completion,
    failure,
    head,
    reply,
    stream,
)

CLIENTS = {"a1": "alpha", "a2": "alpha", "b1": "beta"}
"""Clients and their teams."""


def policy(
    upstream: str, limits: str = "", accounts: str = "[{name: main}]", more: str = "", to: str = "requested"
) -> str:
    """Two models of one provider, and three clients in two teams."""
    clients = ", ".join(f"{name}: {{team: {team}}}" for name, team in CLIENTS.items())
    return f"""\
version: 1
providers:
  p: {{dialect: openai, base_url: "{upstream}", spread: drain_first, accounts: {accounts}}}
models:
  small: {{provider: p, id: small-1, price: {{input: 1, output: 2}}, context: 128k, max_output: 1k}}
  large: {{provider: p, id: large-1, price: {{input: 1, output: 2}}, context: 128k, max_output: 1k}}
clients: {{{clients}}}
{"limits: {" + limits + "}" if limits else ""}
{more}
rules: [{{name: all, route: {{to: {to}}}}}]
"""


def keys(folder: Path) -> dict[str, str]:
    """A key for each client."""
    store = KeyStore(folder / "var", {})
    return {name: store.create(name, 1_700_000_000, None, None)[0] for name in CLIENTS}


def by(key: str) -> list[tuple[str, str]]:
    """The header that says who asks."""
    return [("Authorization", f"Bearer {key}")]


def word(request: Received) -> str:
    """What a request's prompt says: who asks."""
    text: str = request.json()["messages"][0]["content"]
    return text


SCOPES = {
    "all": ("", lambda request: "all"),
    "client": (", per: client", word),
    "team": (", per: team", lambda request: CLIENTS[word(request)]),
    "model": (", per: model", lambda request: request.json()["model"]),
}


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("per", SCOPES)
async def test_never_more_at_once_than_declared(tmp_path: Path, per: str, workers: int) -> None:
    """Three at the same time for each; ninety come at once and wait: each is served, and three at once often are."""
    declared, scope = SCOPES[per]
    crowd = Crowd(scope, 0.02)
    limits = f"some: {{concurrent: 3{declared}, queue: {{places: 100, wait: 60s}}}}"
    key = keys(tmp_path)
    async with Upstream(crowd) as upstream:
        crowd.upstream = upstream
        async with running_proxy(tmp_path, policy(upstream.url, limits), workers=workers) as proxy:
            asked = [
                ask(proxy.url, chat(model, text=name, stream=number % 2 == 0), headers=by(key[name]), timeout=60)
                for number in range(15)
                for name in CLIENTS
                for model in ("small", "large")
            ]
            answers = await asyncio.gather(*asked)
            metrics = (await proxy.get_admin("/metrics"))[1]
    assert Counter(answer.status for answer in answers) == {200: 90}
    assert crowd.most and set(crowd.most.values()) == {3}, crowd.most
    assert 'routebook_queue_wait_seconds_count{kind="slots",name="some"}' in metrics


@pytest.mark.parametrize("workers", [1, 3])
async def test_never_more_at_once_by_an_account_than_it_allows(tmp_path: Path, workers: int) -> None:
    """Accounts of one bucket share what it allows; where one is full, the other is called, then requests wait."""
    account = Crowd(lambda request: "one" if request.header("Authorization") == "Bearer key-1" else "b", 0.03)
    accounts = (
        "[{name: one, key: {env: KEY_1}, limits: {concurrent: 2, queue: {places: 100, wait: 60s}}}, "
        "{name: two, key: {env: KEY_2}, bucket: b, limits: {concurrent: 3}}, "
        "{name: three, key: {env: KEY_3}, bucket: b, limits: {concurrent: 3}}]"
    )
    key = keys(tmp_path)
    environment = {f"KEY_{number}": f"key-{number}" for number in (1, 2, 3)}
    async with Upstream(account) as upstream:
        account.upstream = upstream
        text = policy(upstream.url, accounts=accounts)
        async with running_proxy(tmp_path, text, workers=workers, environment=environment) as proxy:
            asked = [ask(proxy.url, chat(text="a1"), headers=by(key["a1"]), timeout=60) for _ in range(60)]
            answers = await asyncio.gather(*asked)
    assert Counter(answer.status for answer in answers) == {200: 60}
    assert account.most == {"one": 2, "b": 3}


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("per", ["client", "model"])
async def test_never_more_a_minute_than_declared(tmp_path: Path, per: str, workers: int) -> None:
    """Ten a minute for each; what comes beyond is told so, and when it may come again."""
    declared, scope = SCOPES[per]
    crowd = Crowd(scope, 0.0)
    key = keys(tmp_path)
    async with Upstream(crowd) as upstream:
        crowd.upstream = upstream
        text = policy(upstream.url, f"some: {{requests_per_minute: 10{declared}}}")
        async with running_proxy(tmp_path, text, workers=workers) as proxy:
            began = asyncio.get_running_loop().time()
            asked = [
                ask(proxy.url, chat(model, text=name), headers=by(key[name]), timeout=60)
                for _ in range(20)
                for name in ("a1", "b1")
                for model in ("small", "large")
            ]
            answers = await asyncio.gather(*asked)
            flowed_back = math.ceil((asyncio.get_running_loop().time() - began) / 6)
    refused = [answer for answer in answers if answer.status != 200]
    assert all(10 - workers <= count <= 10 + flowed_back for count in crowd.served.values()), crowd.served
    assert len(crowd.served) == 2 and len(refused) == 80 - sum(crowd.served.values())
    for answer in refused:
        assert (answer.status, answer.header("x-routebook-error")) == (429, "limit.reached")
        assert 1 <= int(answer.header("retry-after") or 0) <= 60


@pytest.mark.parametrize("what", ["requests_per_minute: 12", "tokens_per_minute: 24k"])
async def test_retry_after_is_the_moment_at_which_there_is_room(tmp_path: Path, upstream: Upstream, what: str) -> None:
    """A second before it the request is refused once more, then it is served: again and again."""
    upstream.otherwise = lambda request: reply(completion(prompt_tokens=1_000, completion_tokens=1_000))
    clock, key = SetClock(), keys(tmp_path)

    async def once() -> Answer:
        answer = await ask(proxy.url, chat(text="a1" + "x" * 8_000, max_tokens=1_000), headers=by(key["a1"]))
        await asyncio.sleep(0.3)  # what was used is reported
        return answer

    async with in_process(tmp_path, policy(upstream.url, f"some: {{{what}}}"), clock=clock) as proxy:
        while (answer := await once()).status == 200:
            assert len(upstream.requests) <= 12
        for _ in range(3):
            wait = int(answer.header("retry-after") or 0)
            assert 0 < wait <= 60
            clock.pass_by(wait - 1.5)
            assert (await once()).header("x-routebook-error") == "limit.reached"
            clock.pass_by(1.5)
            assert (await once()).status == 200
            answer = await once()
            assert answer.status == 429


async def test_tokens_of_a_minute_are_those_that_were_used(tmp_path: Path, upstream: Upstream) -> None:
    """The worst case is held while a request runs; then it counts with what the upstream reported."""
    upstream.otherwise = lambda request: reply(completion(prompt_tokens=40, completion_tokens=60))
    clock, key = SetClock(), keys(tmp_path)
    async with in_process(tmp_path, policy(upstream.url, "some: {tokens_per_minute: 2k}"), clock=clock) as proxy:
        served = 0
        while (await ask(proxy.url, chat(text="a1", max_tokens=900), headers=by(key["a1"]))).status == 200:
            served += 1
            await asyncio.sleep(0.02)
        # each used 100; the last ones are refused because their worst case of some 950 has no room
        assert 9 <= served <= 12


async def test_a_bound_on_answers_lets_requests_run_at_once_that_name_none(tmp_path: Path, upstream: Upstream) -> None:
    """Their worst case is the whole minute's worth; with the policy's bound, which goes upstream, five fit into it. What a
    client says, or a limit that counts no tokens, is left as it is."""
    key, gate = keys(tmp_path), asyncio.Event()
    upstream.otherwise = lambda request: [Until(gate), *answer_politely(request)]
    limits = "tokens: {tokens_per_minute: 1k, when: {client.team: alpha}}, others: {concurrent: 9}"
    for settings, at_once in (("", 1), ("settings: {default_max_output: 100}", 5)):
        async with in_process(tmp_path, policy(upstream.url, limits, more=settings)) as proxy:
            gate.clear()
            before = len(upstream.requests)
            asked = [asyncio.create_task(ask(proxy.url, chat(text="a1"), headers=by(key["a1"]))) for _ in range(9)]
            while sum(task.done() for task in asked) < 9 - at_once:
                await asyncio.sleep(0.01)
            asked += [
                asyncio.create_task(ask(proxy.url, chat(text="b1", **more), headers=by(key["b1"])))
                for more in ({}, {"max_tokens": 7})
            ]
            await upstream.arrivals(before + at_once + 2)
            gate.set()
            assert Counter([(await task).status for task in asked]) == {200: at_once + 2, 429: 9 - at_once}
            sent = [(word(each), each.json()) for each in upstream.requests[before:]]
            bounds = Counter((who, body.get("max_tokens", body.get("max_completion_tokens"))) for who, body in sent)
            assert bounds == {("a1", 100 if settings else None): at_once, ("b1", None): 1, ("b1", 7): 1}


@pytest.mark.parametrize("workers", [1, 3])
async def test_a_client_with_fifty_waiting_does_not_starve_another(tmp_path: Path, workers: int) -> None:
    """One slot: whoever comes with a single request waits for a few others at most, not for fifty."""
    key = keys(tmp_path)
    turns: list[str] = []
    gate = asyncio.Event()

    def play(request: Received) -> Play:
        turns.append(word(request))
        return [Until(gate), *answer_politely(request)]

    async with Upstream(play) as upstream:
        text = policy(upstream.url, "one: {concurrent: 1, queue: {places: 100, wait: 60s}}")
        async with running_proxy(tmp_path, text, workers=workers) as proxy:
            many = [
                asyncio.create_task(ask(proxy.url, chat(text="a1"), headers=by(key["a1"]), timeout=60))
                for _ in range(51)
            ]
            await upstream.arrivals(1)
            await waiting(proxy, 50)
            single = [
                asyncio.create_task(ask(proxy.url, chat(text="b1"), headers=by(key["b1"]), timeout=60))
                for _ in range(3)
            ]
            await waiting(proxy, 53)
            gate.set()
            assert {answer.status for answer in await asyncio.gather(*many, *single)} == {200}
    assert [place for place, who in enumerate(turns) if who == "b1"][-1] <= 10, turns


async def test_what_a_queue_says(tmp_path: Path, upstream: Upstream) -> None:
    """Full and waited too long are two codes, both with a time to come back at; the record has the refusal."""
    key, gate = keys(tmp_path), asyncio.Event()
    upstream.otherwise = lambda request: [Until(gate), *answer_politely(request)]
    text = policy(upstream.url, "one: {concurrent: 1, queue: {places: 2, wait: 800ms}}")
    async with running_proxy(tmp_path, text, workers=1) as proxy:
        asked = [
            asyncio.create_task(ask(proxy.url, chat(text="a1"), headers=by(key["a1"]), timeout=60)) for _ in range(6)
        ]
        done, waiting = await asyncio.wait(asked, timeout=5, return_when=asyncio.FIRST_COMPLETED)
        while len(done) < 5:
            more, waiting = await asyncio.wait(waiting, timeout=5, return_when=asyncio.FIRST_COMPLETED)
            done |= more
        gate.set()
        answers = [await each for each in asked]
        records = await proxy.ended_records(lambda found: len(found) == 6)
        refused = next(answer for answer in answers if answer.status == 429)
        told = await proxy.command(
            "explain",
            refused.header("x-routebook-decision") or "",
            "--state-dir",
            str(proxy.state_dir),
            "--policy",
            str(proxy.policy_dir),
        )
    codes = Counter(answer.header("x-routebook-error") for answer in answers)
    assert codes == {None: 1, "limit.queue-full": 3, "limit.queue-timeout": 2}
    for answer in answers:
        if answer.status == 429:
            assert 1 <= int(answer.header("retry-after") or 0) <= 60
    assert Counter(record.ended["error"] for record in records.values() if record.ended) == codes
    assert "one" in told.stdout and told.returncode == 0, told.stdout + told.stderr


@pytest.mark.parametrize("workers", [1, 2])
async def test_who_leaves_the_queue_frees_the_place(tmp_path: Path, upstream: Upstream, workers: int) -> None:
    """Two places, left again and again: the next two find them, and are served when the slot is free."""
    key, gate = keys(tmp_path), asyncio.Event()
    upstream.otherwise = lambda request: [Until(gate), *answer_politely(request)]
    text = policy(upstream.url, "one: {concurrent: 1, queue: {places: 2, wait: 60s}}")
    question = post(CHAT, chat(text="a1"), by(key["a1"]))
    async with running_proxy(tmp_path, text, workers=workers) as proxy:
        first = asyncio.create_task(ask(proxy.url, chat(text="a1"), headers=by(key["a1"]), timeout=60))
        await upstream.arrivals(1)
        for how in ("close", "reset") * 3:
            async with AsyncExitStack() as stack:
                clients = [await stack.enter_async_context(RawClient(proxy.url)) for _ in range(2)]
                for client in clients:
                    await client.send(question)
                await waiting(proxy, 2)
                beyond = await ask(proxy.url, chat(text="b1"), headers=by(key["b1"]))
                assert beyond.header("x-routebook-error") == "limit.queue-full"
                for client in clients:
                    if how == "reset":
                        client.drop()
            await waiting(proxy, 0)
        last = [
            asyncio.create_task(ask(proxy.url, chat(text="b1"), headers=by(key["b1"]), timeout=60)) for _ in range(2)
        ]
        await waiting(proxy, 2)
        gate.set()
        assert {answer.status for answer in await asyncio.gather(first, *last)} == {200}


async def waiting(proxy: RunningProxy, count: int) -> None:
    """Wait until the service says that so many wait."""
    line = f'routebook_queue_waiting{{kind="slots",name="one"}} {count}.0\n'
    gone = "routebook_queue_waiting{" if not count else line
    await proxy.until("/metrics", lambda status, text: line in text or (not count and gone not in text))


ENDS: dict[str, Play] = {
    "rejected": failure(400),
    "failed": failure(500),
    "overloaded": failure(429, headers=[("Retry-After", "0")]),
    "closed": [Close()],
    "reset": [Reset()],
    "nonsense": reply(b"not json"),
    "cut in the stream": [*stream(chunks(["a", "b"])[:3], ends=False), Reset()],
    "an error first": stream([b'data: {"error": {"message": "no"}}\n\n']),
    "silence": [Say(head(200, [("Content-Type", "text/event-stream"), ("Transfer-Encoding", "chunked")])), Hang()],
}


@pytest.mark.parametrize("how", ENDS)
async def test_slots_are_free_however_a_call_ends(tmp_path: Path, upstream: Upstream, how: str) -> None:
    """With and without a hop to the other model: afterwards as many requests pass at once as may."""
    key = keys(tmp_path)
    more = "settings: {timeouts: {first_byte: 500ms, idle: 500ms}, breaker: {in_a_row: 1000, of: 1000, rest: 100ms}}"
    limits = "all: {concurrent: 4}, each: {concurrent: 3, per: model}"
    text = policy(upstream.url, limits, "[{name: main, limits: {concurrent: 4}}]", more, to="[small, large]")
    async with in_process(tmp_path, text) as proxy:
        for number in range(6):
            upstream.will(ENDS[how])
            if number % 2:
                upstream.will(ENDS[how])
            await ask(proxy.url, chat(text="a1", stream=number % 3 == 0), headers=by(key["a1"]))
            upstream._plays.clear()
            proxy.gateway.memory.admit(("p", "main"), proxy.gateway.clock.monotonic())
        await all_free(proxy.url, key["a1"], upstream, 4)
        await proxy.ended_records()


async def all_free(url: str, key: str, upstream: Upstream, count: int) -> None:
    """So many requests pass at once, and the next one does not."""
    gate, before = asyncio.Event(), len(upstream.requests)
    upstream.otherwise = lambda request: [Until(gate), *answer_politely(request)]
    asked = [asyncio.create_task(ask(url, chat(text="a1"), headers=by(key), timeout=60)) for _ in range(count)]
    await upstream.arrivals(before + count)
    beyond = await ask(url, chat(text="a1"), headers=by(key))
    assert (beyond.status, beyond.header("x-routebook-error")) == (429, "limit.reached")
    gate.set()
    assert {answer.status for answer in await asyncio.gather(*asked)} == {200}


async def test_slots_are_free_after_a_full_journal(tmp_path: Path, upstream: Upstream) -> None:
    """What was held for a request that could not be recorded goes back."""
    key = keys(tmp_path)
    async with running_proxy(tmp_path, policy(upstream.url, "all: {concurrent: 3}")) as proxy:
        worker = next(
            pid for pid in proxy.children() if b"processes.worker" in Path(f"/proc/{pid}/cmdline").read_bytes()
        )
        limits = resource.prlimit(worker, resource.RLIMIT_FSIZE)
        resource.prlimit(worker, resource.RLIMIT_FSIZE, (30_000, limits[1]))
        refused = 0
        for _ in range(200):
            answer = await ask(proxy.url, chat(text="a1"), headers=by(key["a1"]))
            refused += answer.header("x-routebook-error") == "journal.unavailable"
            assert answer.header("x-routebook-error") in (None, "journal.unavailable")
            if refused == 8:
                break
        assert refused == 8
        resource.prlimit(worker, resource.RLIMIT_FSIZE, limits)
        await asyncio.sleep(1.1)
        await all_free(proxy.url, key["a1"], upstream, 3)


async def test_slots_of_a_worker_that_is_killed_are_free(tmp_path: Path, upstream: Upstream) -> None:
    """Those that it held, those that were granted ahead, and those for which its requests waited."""
    key, gate = keys(tmp_path), asyncio.Event()
    text = policy(upstream.url, "all: {concurrent: 4, queue: {places: 50, wait: 30s}}")
    async with running_proxy(tmp_path, text, workers=2) as proxy:
        for _ in range(2):
            upstream.otherwise = lambda request: [Until(gate), *answer_politely(request)]
            before = len(upstream.requests)
            asked = [
                asyncio.create_task(ask(proxy.url, chat(text="a1"), headers=by(key["a1"]), timeout=60))
                for _ in range(16)
            ]
            await upstream.arrivals(before + 4)
            await asyncio.sleep(0.3)
            for pid in proxy.children():
                if b"processes.worker" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    os.kill(pid, signal.SIGKILL)
            await asyncio.gather(*asked, return_exceptions=True)
            upstream.otherwise = answer_politely
            await asyncio.gather(*(until_served(proxy, key["b1"]) for _ in range(8)))
        verified = await asyncio.to_thread(run_command, "ledger", "verify", "--state-dir", str(proxy.state_dir))
    assert verified.returncode == 0, verified.stdout


async def until_served(proxy: RunningProxy, key: str) -> None:
    """Ask until there is a worker and a slot; a slot that is lost fails the test by its waiting time."""
    async with asyncio.timeout(20):
        while True:
            try:
                answer = await ask(proxy.url, chat(text="b1"), headers=by(key), timeout=20)
            except (OSError, EOFError):
                await asyncio.sleep(0.05)
                continue
            if answer.status == 200:
                return
