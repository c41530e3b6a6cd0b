"""Clients that leave in every phase, by thousands: no slot and no hold is left behind, every record has its end, and each
is booked as the policy says.

`ABORTS=10000` makes it the long form.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.scenarios.test_right_money import settled
from tests.support.asking import CHAT, ask, chat
from tests.support.processes import run_command
from tests.support.proxy import Record, RunningProxy, running_proxy
from tests.support.rawclient import RawClient, post
from tests.support.upstream import (
    Hang,
    Pause,
    Play,
    Received,
    Say,
    Until,
    Upstream,
    answer_politely,
    chunks,
    head,
    stream,
)

ABORTS = int(os.environ.get("ABORTS", "750"))
"""How many clients leave, under each of the two ways to book them."""

AT_ONCE = 60
SLOTS = 24
PHASES = ("body", "sent", "head", "first event", "stream", "end", "stays")
SSE = [("Content-Type", "text/event-stream"), ("Transfer-Encoding", "chunked")]


def policy(upstream: str, abandoned: str) -> str:
    """Budgets of all three kinds, and fewer slots than clients that come at once."""
    return f"""\
version: 1
settings: {{ledger: {{abandoned: {abandoned}}}}}
providers:
  p: {{dialect: openai, base_url: "{upstream}", accounts: [{{name: main, limits: {{concurrent: {SLOTS}, queue: {{places: 500, wait: 30s}}}}}}]}}
models:
  small: {{provider: p, price: {{input: 1, output: 2}}, context: 128k, max_output: 1k}}
budgets:
  money: {{limit: $1000, window: day}}
  tokens: {{limit: 900M tokens, window: 24h}}
  requests: {{limit: 1M requests, window: month, per: model}}
limits:
  all: {{concurrent: {SLOTS + 6}, queue: {{places: 500, wait: 30s}}}}
rules: [{{name: all, route: {{to: [small]}}}}]
"""


def play(request: Received) -> Play:
    """What the prompt asks for."""
    usage: dict[str, object] = {"prompt_tokens": 7, "completion_tokens": 20, "total_tokens": 27}
    match request.json()["messages"][0]["content"]:
        case "head":
            return [Hang()]
        case "first event":
            return [Say(head(200, SSE)), Hang()]
        case "stream":
            return [*stream(chunks(["word "] * 20)[:-2], pause=0.002, ends=False), Hang()]
        case "sent":
            return [Pause(0.01), *stream(chunks(["word "] * 3, usage=usage))]
    return stream(chunks(["word "] * 20, usage=usage))


async def leave(proxy: RunningProxy, phase: str, chance: random.Random) -> None:
    """One client: asks, and leaves in this phase, politely or not."""
    request = post(CHAT, chat(text=phase, stream=True, max_tokens=100))
    async with RawClient(proxy.url) as client:
        if phase == "body":
            await client.send(request[: -chance.randint(1, 60)])
            await asyncio.sleep(chance.uniform(0, 0.01))
        else:
            await client.send(request)
        if phase in ("sent", "head", "first event"):
            await asyncio.sleep(chance.uniform(0, 0.08))
        elif phase == "stays":
            answer = await client.answer(60)
            assert answer.status == 200 and b"[DONE]" in answer.body
        elif phase != "body":
            with contextlib.suppress(*(() if phase == "end" else (TimeoutError,))):
                async with asyncio.timeout(40 if phase == "end" else chance.uniform(0, 0.1)):
                    status, headers = await client.head()
                    assert status == 200, headers
                    while b"[DONE]" not in (await client.chunk() or b"[DONE]"):
                        pass
        if chance.random() < 0.5:
            client.drop()


async def storm(proxy: RunningProxy, chance: random.Random) -> Counter[str]:
    """So many clients, in all phases mixed; how many of each there were."""
    asked: Counter[str] = Counter()

    async def one() -> None:
        while asked.total() < ABORTS:
            phase = chance.choice(PHASES)
            asked[phase] += 1
            await leave(proxy, phase, chance)

    await asyncio.gather(*(one() for _ in range(AT_ONCE)))
    return asked


async def test_nothing_is_left_of_who_left(tmp_path: Path) -> None:
    """Estimated where the policy says so."""
    records = await _mixed_aborts(tmp_path, "estimate")
    for record in gone(records):
        assert record.ended["usage_by"] == "estimated" and record.ended["output"] <= 100
        assert record.ended["input"] > 0 and record.ended["cost"] > 0
        booked = {pot.split("/")[1]: amount for pot, _, amount in record.ended["settled"]}
        tokens = record.ended["input"] + record.ended["output"]
        assert booked == {"money": record.ended["cost"], "tokens": tokens, "requests": 1}


async def test_what_was_held_is_booked_where_the_policy_says_so(tmp_path: Path) -> None:
    """Money, tokens and requests as they were held."""
    records = await _mixed_aborts(tmp_path, "hold")
    for record in gone(records):
        assert record.ended["usage_by"] == "held"
        held = {(pot, start): amount for pot, start, amount, _ in record.decided["hold"]["draws"]}
        assert held == {(pot, start): amount for pot, start, amount in record.ended["settled"]}


def gone(records: dict[str, Record]) -> list[Any]:
    """Those whose client left while an upstream was called; there are many."""
    found = [
        each
        for each in records.values()
        if each.ended and each.ended["error"] == "client.gone" and each.ended["attempts"]
    ]
    assert len(found) > ABORTS / 8
    return found


async def _mixed_aborts(folder: Path, abandoned: str) -> dict[str, Record]:
    async with Upstream(play) as upstream:
        async with running_proxy(folder, policy(upstream.url, abandoned), workers=3) as proxy:
            asked = await storm(proxy, random.Random(abandoned))
            whole = asked.total() - asked["body"]
            records = await proxy.ended_records(lambda found: len(found) >= whole, timeout=30)
            counters = await at_rest(proxy)
            await burst(proxy, upstream)
            assert (await proxy.get_admin("/metrics"))[1].count("routebook_requests_in_progress 0") == 1
        told = run_command("ledger", "verify", "--state-dir", str(proxy.state_dir))
    assert told.returncode == 0, told.stdout + told.stderr
    assert set(asked) == set(PHASES)
    for pot, amount in counters.items():
        assert amount == settled(records, pot), pot
    ends = Counter(str(record.ended["end"]) for record in records.values() if record.ended)
    assert ends["--"] >= asked["stays"] and ends["CD"] and ends["CH"] and not any("G" in end for end in ends), ends
    for record in records.values():
        assert record.ended is not None
        if not record.ended["attempts"]:
            assert not any(amount for _, _, amount in record.ended.get("settled", ())), record
        elif record.ended["error"] is None:
            assert (record.ended["usage_by"], record.ended["output"]) == ("measured", 20)
    return records


async def at_rest(proxy: RunningProxy) -> dict[str, int]:
    """What is settled by pot, once the owner has nothing drawn beside."""

    def is_at_rest(status: int, body: str) -> bool:
        return status == 200 and all(each["drawn"] == each["settled"] for each in json.loads(body)["counters"])

    shown = json.loads(await proxy.until("/ledger", is_at_rest))
    sums: Counter[str] = Counter()
    for each in shown["counters"]:
        sums[each["pot"]] += each["settled"]
    assert {pot.split("/")[1] for pot in sums} == {"money", "tokens", "requests"}
    return dict(sums)


async def burst(proxy: RunningProxy, upstream: Upstream) -> None:
    """As many requests as there are slots are upstream at once."""
    gate, before = asyncio.Event(), len(upstream.requests)
    upstream.otherwise = lambda request: [Until(gate), *answer_politely(request)]
    asked = [asyncio.create_task(ask(proxy.url, chat(max_tokens=10), timeout=60)) for _ in range(SLOTS + 5)]
    await upstream.arrivals(before + SLOTS, timeout=20)
    await asyncio.sleep(0.3)
    assert len(upstream.requests) == before + SLOTS
    gate.set()
    assert {answer.status for answer in await asyncio.gather(*asked)} == {200}


@pytest.mark.parametrize("how", ["close", "reset"])
async def test_who_leaves_while_waiting_for_a_slot_is_booked_nothing(tmp_path: Path, how: str) -> None:
    """Nobody was called for them."""
    gate = asyncio.Event()
    async with (
        Upstream(lambda request: [Until(gate), *answer_politely(request)]) as upstream,
        running_proxy(tmp_path, policy(upstream.url, "hold"), workers=1) as proxy,
    ):
        running = [asyncio.create_task(ask(proxy.url, chat(max_tokens=10), timeout=60)) for _ in range(SLOTS)]
        await upstream.arrivals(SLOTS, timeout=20)
        for _ in range(20):
            async with RawClient(proxy.url) as client:
                await client.send(post(CHAT, chat(max_tokens=10)))
                await asyncio.sleep(0.03)
                if how == "reset":
                    client.drop()
        gate.set()
        await asyncio.gather(*running)
        records = await proxy.ended_records(lambda found: len(found) == SLOTS + 20, timeout=20)
        counters = await at_rest(proxy)
    left = [record.ended for record in records.values() if record.ended and record.ended["error"] == "client.gone"]
    assert len(left) == 20 and not any(each["attempts"] or each.get("settled") or each["cost"] for each in left)
    assert (
        counters["budget/requests/small" if "budget/requests/small" in counters else "requests/requests/small"] == SLOTS
    )
