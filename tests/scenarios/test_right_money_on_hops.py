"""Right money where a request holds again: fallback hops of streams, processes killed in the midst of them, and a disk on
which a hold cannot be recorded.
"""

from __future__ import annotations

import asyncio
import os
import random
import resource
import signal
from pathlib import Path

import pytest

from tests.scenarios.test_right_money import MOST, Biller, settled, spend, worker_pids
from tests.support.asking import ask, chat
from tests.support.processes import run_command
from tests.support.proxy import Record, running_proxy
from tests.support.upstream import Pause, Play, Received, Upstream, event, failure, stream


def policy(upstream: str, limit: str, orphans: str = "hold") -> str:
    """A dear model that often fails before it answers, then a cheap one; each has a budget of its own too."""
    return f"""\
version: 1
settings:
  ledger: {{orphans: {orphans}}}
  breaker: {{in_a_row: 100000, of: 100000}}
providers:
  p: {{dialect: openai, base_url: "{upstream}", accounts: [{{name: main}}]}}
models:
  dear: {{provider: p, id: dear, price: {{input: 10, output: 20}}, context: 128k, max_output: 16k}}
  small: {{provider: p, id: small, price: {{input: 1, output: 2}}, context: 128k, max_output: 16k}}
  last: {{provider: p, id: last, price: {{input: 1, output: 2}}, context: 128k, max_output: 16k}}
budgets:
  all: {{limit: {limit}, window: day}}
  each: {{limit: $100, window: month, per: model}}
  tokens: {{limit: 100M tokens, window: 24h}}
rules:
  - {{name: everything, route: {{to: [dear, small, last]}}}}
"""


class Failing:
    """Bills for the cheap models; the dear one refuses in several ways, now and then after a while."""

    def __init__(self, chance: random.Random) -> None:
        self.biller = Biller(chance)
        self.chance = chance
        self.hops = 0

    def __call__(self, request: Received) -> Play:
        """Fail, or answer and bill."""
        model = request.json()["model"]
        if model == "dear" or (model == "small" and self.chance.random() < 0.3):
            self.hops += 1
            pause = [Pause(self.chance.uniform(0, 0.02))]
            refusals: list[Play] = [failure(500), failure(503), stream([event({"error": {"message": "no"}})])]
            return [*pause, *refusals[self.chance.randrange(2 if model == "dear" else 3)]]
        return self.biller(request)


@pytest.mark.parametrize("victim", ["worker", "supervisor"])
async def test_what_is_killed_on_a_hop_is_booked_as_it_last_held(tmp_path: Path, victim: str) -> None:
    """kill -9 at random while streams go from one model to the next: never more than the limit, never less than what
    was billed, and the audit agrees with every line."""
    chance = random.Random(len(victim))
    failing = Failing(chance)
    limit = 400_000_000
    async with Upstream(failing) as upstream:
        text = policy(upstream.url, "$0.4")
        for _ in range(3):
            async with running_proxy(tmp_path, text, workers=2) as proxy:
                over = asyncio.Event()
                load = asyncio.create_task(spend(proxy, 16, over=over))
                for _ in range(2):
                    await asyncio.sleep(chance.uniform(0.1, 0.5))
                    if victim == "worker" and (children := worker_pids(proxy)):
                        os.kill(chance.choice(children), signal.SIGKILL)
                if victim == "supervisor":
                    proxy.process.kill()
                over.set()
                await load
        async with running_proxy(tmp_path, text, workers=1) as proxy:
            await spend(proxy, 2, over=soon())
            records = await proxy.ended_records(timeout=20)
    assert failing.hops > 20 and sum(len(record.held) for record in records.values()) > 20
    billed = failing.biller.billed
    assert 0 < billed <= settled(records) <= limit
    crashed = [record for record in records.values() if record.ended and record.ended["end"] == "GX"]
    for record in crashed:
        assert record.ended is not None
        assert draws(record) == {(pot, start): amount for pot, start, amount in record.ended["settled"]}
    told = run_command("ledger", "verify", "--state-dir", str(proxy.state_dir))
    assert told.returncode == 0, told.stdout + told.stderr


def soon() -> asyncio.Event:
    """An event that is set in a moment."""
    event = asyncio.Event()
    asyncio.get_running_loop().call_later(0.5, event.set)
    return event


def draws(record: Record) -> dict[tuple[str, int], int]:
    """What a record last said that is booked should its process die."""
    last = record.held[-1]["draws"] if record.held else record.decided["hold"]["draws"]
    return {(pot, start): orphan for pot, start, _, orphan in last}


async def test_a_hop_whose_hold_cannot_be_recorded_is_not_made(tmp_path: Path) -> None:
    """The disk is full by the time of the hop: 503, the next model is not called, and nothing stays held."""
    failing = Failing(random.Random(1))
    calls: list[str] = []

    def play(request: Received) -> Play:
        calls.append(request.json()["model"])
        if calls[-1] == "dear":
            return [Pause(0.4), *failure(500)]
        return failing.biller(request)

    async with Upstream(play) as upstream, running_proxy(tmp_path, policy(upstream.url, "$10")) as proxy:
        (worker,) = worker_pids(proxy)
        (segment,) = (tmp_path / "var" / "journal").glob("*.jsonl")
        limits = resource.prlimit(worker, resource.RLIMIT_FSIZE)
        body = chat("dear", max_tokens=MOST)
        assert (await ask(proxy.url, body)).status == 200
        refused = 0
        for _ in range(6):
            calls.clear()
            asked = [asyncio.create_task(ask(proxy.url, body)) for _ in range(4)]
            await upstream.arrivals(len(upstream.requests) + 4 - len(calls))
            resource.prlimit(worker, resource.RLIMIT_FSIZE, (segment.stat().st_size, limits[1]))
            answers = await asyncio.gather(*asked)
            codes = {answer.header("x-routebook-error") for answer in answers}
            assert codes <= {None, "journal.unavailable"}, codes
            refused += sum(answer.status == 503 for answer in answers)
            served = sum(answer.status == 200 for answer in answers)
            assert calls.count("small") + calls.count("last") == served
            resource.prlimit(worker, resource.RLIMIT_FSIZE, limits)
            await asyncio.sleep(1.2)
        assert refused >= 4
        assert (await ask(proxy.url, body)).status == 200
        records = await proxy.ended_records()
        await proxy.until("/ledger", lambda status, text: '"drawn"' in text)
        assert settled(records) == failing.biller.billed
    told = run_command("ledger", "verify", "--state-dir", str(proxy.state_dir))
    assert told.returncode == 0, told.stdout + told.stderr
