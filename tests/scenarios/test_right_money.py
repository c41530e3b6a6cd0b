"""Right money: whatever happens at once, and whatever dies, what upstreams bill never passes a budget, and what the
books say is what was billed, to the nano-dollar.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.support.processes import run_command
from tests.support.proxy import Record, RunningProxy, read_records, running_proxy
from tests.support.rawclient import RawClient, post
from tests.support.upstream import Play, Received, Upstream, chunks, completion, reply, stream

INPUT, OUTPUT = 1_000, 2_000
"""Nano-dollars of a token, either way."""

MOST = 400
"""Tokens of answer that clients allow."""


@dataclass(slots=True)
class Biller:
    """An upstream's own books: it answers with a usage by chance, never more than it was allowed, and remembers."""

    chance: random.Random
    billed: int = 0
    requests: int = 0
    told: dict[str, int] = field(default_factory=dict)

    def __call__(self, request: Received) -> Play:
        """Answer, and bill."""
        asked = request.json()
        prompt = self.chance.randint(5, 20)
        answer = self.chance.randint(1, asked.get("max_tokens", MOST))
        self.billed += prompt * INPUT + answer * OUTPUT
        self.requests += 1
        usage: dict[str, object] = {
            "prompt_tokens": prompt,
            "completion_tokens": answer,
            "total_tokens": prompt + answer,
        }
        if asked.get("stream"):
            return stream(chunks(["word "] * 3, usage=usage), pause=0.001)
        return reply(completion(prompt_tokens=prompt, completion_tokens=answer))


def policy(upstream: str, limit: str, more: str = "", extra: str = "") -> str:
    """One model with a price, and a budget over everything."""
    return f"""\
version: 1
providers:
  scripted: {{dialect: openai, base_url: "{upstream}", accounts: [{{name: main}}]}}
models:
  small: {{provider: scripted, id: small-1, price: {{input: 1, output: 2}}, context: 128k, max_output: 16k}}
budgets:
  all: {{limit: {limit}, window: day{extra}}}
{more}
rules:
  - {{name: everything, route: {{to: [small]}}}}
"""


def question(number: int, streamed: bool = False) -> bytes:
    """A request whose answer may have `MOST` tokens."""
    return post(
        "/v1/chat/completions",
        {
            "model": "small",
            "max_tokens": MOST,
            "stream": streamed,
            "messages": [{"role": "user", "content": f"question {number}"}],
        },
    )


async def spend(proxy: RunningProxy, clients: int, refusals: int = 2, over: asyncio.Event | None = None) -> int:
    """So many clients ask until each was refused so often for want of budget (or of the store that it stands in); how
    many answers came."""
    answered = 0

    async def one(number: int) -> None:
        nonlocal answered
        refused = 0
        while refused < refusals and not (over is not None and over.is_set()):
            try:
                async with RawClient(proxy.url) as client:
                    answer = await client.ask(question(number, streamed=number % 2 == 0))
            except (OSError, EOFError, AssertionError, asyncio.IncompleteReadError):
                await asyncio.sleep(0.02)
                continue
            if answer.status in (429, 503):
                code = answer.header("x-routebook-error")
                assert code in ("budget.exhausted", "ledger.unavailable"), answer.body
                refused += 1
                await asyncio.sleep(0.01)
            elif answer.status == 200:
                answered += 1

    await asyncio.gather(*map(one, range(clients)))
    return answered


def settled(records: dict[str, Record], pot: str = "budget/all/-") -> int:
    """What the records say is settled in a pot."""
    return sum(
        amount
        for record in records.values()
        if record.ended is not None
        for name, _, amount in record.ended.get("settled", ())
        if name == pot
    )


@pytest.mark.parametrize("workers", [1, 4])
async def test_many_clients_on_a_nearly_spent_budget_never_overspend(tmp_path: Path, workers: int) -> None:
    """64 at once, several workers: what the upstream bills stays within the limit, and the ledger says the same."""
    biller = Biller(random.Random(workers))
    limit = 50_000_000
    async with (
        Upstream(biller) as upstream,
        running_proxy(tmp_path, policy(upstream.url, "$0.05"), workers=workers) as proxy,
    ):
        answered = await spend(proxy, 64)
        records = await proxy.ended_records(lambda found: len(found) >= answered, timeout=20)
        assert biller.billed <= limit
        # no answer is refused while there is room for its worst case
        assert biller.billed > limit - 64 * (MOST * OUTPUT + 1_000 * INPUT)
        assert settled(records) == biller.billed
        assert sum(record.ended["cost"] for record in records.values() if record.ended) == biller.billed
    verified = run_command("ledger", "verify", "--state-dir", str(proxy.state_dir))
    assert verified.returncode == 0, verified.stdout + verified.stderr


async def test_a_restart_remembers_what_was_spent(tmp_path: Path) -> None:
    """A budget that is used up stays so over restarts, and nothing is counted twice."""
    biller = Biller(random.Random(5))
    async with Upstream(biller) as upstream:
        text = policy(upstream.url, "$0.01")
        for _ in range(3):
            async with running_proxy(tmp_path, text, workers=2) as proxy:
                await spend(proxy, 8)
        assert biller.billed <= 10_000_000
        assert settled(read_records(proxy.state_dir)) == biller.billed


@pytest.mark.parametrize("victim", ["worker", "supervisor"])
async def test_what_is_killed_never_lets_a_budget_be_passed(tmp_path: Path, victim: str) -> None:
    """kill -9 at random under load: what was held by the dead is booked, and never spent a second time."""
    biller = Biller(random.Random(hash(victim) % 1000))
    chance = random.Random(11)
    limit = 100_000_000
    async with Upstream(biller) as upstream:
        text = policy(upstream.url, "$0.1")
        for _ in range(4):
            async with running_proxy(tmp_path, text, workers=2) as proxy:
                over = asyncio.Event()
                load = asyncio.create_task(spend(proxy, 16, over=over))
                for _ in range(2):
                    await asyncio.sleep(chance.uniform(0.05, 0.4))
                    if victim == "worker" and (children := worker_pids(proxy)):
                        os.kill(chance.choice(children), signal.SIGKILL)
                if victim == "supervisor":
                    proxy.process.kill()
                over.set()
                await load
        async with running_proxy(tmp_path, text, workers=1) as proxy:
            await spend(proxy, 4)
            records = await proxy.ended_records(timeout=20)
            assert biller.billed <= limit
            # the dead are booked at what they held: at least what was billed for them, at most their worst case
            assert biller.billed <= settled(records) <= limit
    verified = run_command("ledger", "verify", "--state-dir", str(proxy.state_dir))
    assert verified.returncode == 0, verified.stdout + verified.stderr


def worker_pids(proxy: RunningProxy) -> list[int]:
    """The workers that run now."""
    found = []
    for pid in proxy.children():
        try:
            if b"processes.worker" in Path(f"/proc/{pid}/cmdline").read_bytes():
                found.append(pid)
        except OSError:
            continue
    return found
