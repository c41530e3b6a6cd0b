"""Several hosts, one store: what upstreams bill never passes a budget that they share, whatever the store does."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from tests.scenarios.test_right_money import Biller, policy, question, settled, spend
from tests.support.processes import run_command
from tests.support.proxy import RunningProxy, read_records, running_proxy
from tests.support.rawclient import RawClient
from tests.support.redis_server import RedisServer, needs_redis
from tests.support.upstream import Upstream

pytestmark = needs_redis

LIMIT = 100_000_000
"""Nano-dollars: a hundred requests or so."""


CLIENTS = 64
"""Of each host."""


def url_of(redis: RedisServer) -> str:
    """Its address, with a time-out that lets a paused server be noticed."""
    return redis.url.replace("timeout_ms=5000", "timeout_ms=250")


async def ask_once(host: RunningProxy) -> tuple[int, str | None]:
    """Status and code of one answer."""
    async with RawClient(host.url) as client:
        answer = await client.ask(question(1))
    return answer.status, answer.header("x-routebook-error")


async def until_served(host: RunningProxy) -> None:
    """Ask until it serves; fails the test where it never does."""
    async with asyncio.timeout(20):
        while (await ask_once(host))[0] != 200:
            await asyncio.sleep(0.1)


@asynccontextmanager
async def instances(folder: Path, text: str, url: str, count: int) -> AsyncIterator[list[RunningProxy]]:
    """So many services on one store, each as on a host of its own."""
    async with AsyncExitStack() as stack:
        found = []
        for number in range(count):
            own = folder / f"host{number}"
            own.mkdir(exist_ok=True)
            found.append(await stack.enter_async_context(running_proxy(own, text, "--shared-ledger", url)))
        yield found


async def test_four_hosts_never_overspend_together(tmp_path: Path) -> None:
    """Four instances with 64 clients each: the sum of what they are billed stays within the limit, and each one's books are
    what its records say."""
    biller = Biller(random.Random(4))
    async with Upstream(biller) as upstream, RedisServer(tmp_path / "redis") as redis:
        text = policy(upstream.url, "$0.1")
        async with instances(tmp_path, text, url_of(redis), 4) as hosts:
            await asyncio.gather(*(spend(host, CLIENTS) for host in hosts))
            records = [await host.ended_records(timeout=20) for host in hosts]
        assert biller.billed <= LIMIT
        # what lies idle with one host is given back to the others before anybody is refused for good
        assert biller.billed > LIMIT * 3 // 4
        assert sum(map(settled, records)) == biller.billed
    for host in hosts:
        verified = run_command("ledger", "verify", "--state-dir", str(host.state_dir))
        assert verified.returncode == 0, verified.stdout + verified.stderr


async def _killed(redis: RedisServer) -> None:
    redis.kill()
    await asyncio.sleep(0.3)
    await redis.start()


async def _emptied(redis: RedisServer) -> None:
    await redis.say("FLUSHALL")


async def _paused(redis: RedisServer) -> None:
    redis.pause()
    await asyncio.sleep(1.0)
    redis.resume()


async def _without_scripts(redis: RedisServer) -> None:
    await redis.say("SCRIPT", "FLUSH")


async def _full(redis: RedisServer) -> None:
    await redis.say("CONFIG", "SET", "maxmemory", "1")
    await asyncio.sleep(0.5)
    await redis.say("CONFIG", "SET", "maxmemory", "0")


async def _read_only(redis: RedisServer) -> None:
    await redis.say("REPLICAOF", "127.0.0.1", "1")
    await asyncio.sleep(0.5)
    await redis.say("REPLICAOF", "NO", "ONE")


FAULTS = (_killed, _emptied, _paused, _without_scripts, _full, _read_only)


async def test_a_store_that_fails_lets_no_budget_be_passed(tmp_path: Path) -> None:
    """Killed and back, emptied, paused, without its scripts, full, read-only, while four instances spend with 64 clients
    each: nothing is spent twice, and the totals heal."""
    biller = Biller(random.Random(7))
    async with Upstream(biller) as upstream, RedisServer(tmp_path / "redis") as redis:
        text = policy(upstream.url, "$0.3")
        async with instances(tmp_path, text, url_of(redis), 4) as hosts:
            over = asyncio.Event()
            load = [asyncio.create_task(spend(host, CLIENTS, refusals=1_000_000, over=over)) for host in hosts]
            for fault in FAULTS:
                await asyncio.sleep(0.5)
                await fault(redis)
            await asyncio.sleep(3.0)
            over.set()
            await asyncio.gather(*load)
            await asyncio.gather(*(host.ended_records(timeout=60) for host in hosts))
        assert biller.billed <= 3 * LIMIT
        assert sum(settled(read_records(host.state_dir)) for host in hosts) == biller.billed


async def test_without_the_store_a_budget_does_what_it_declares(tmp_path: Path) -> None:
    """Absent at the start: one budget denies with 503, one gives each host its allowance; both join when it comes."""
    biller = Biller(random.Random(9))
    extra = ", on_store_down: {allowance: $0.01}"
    async with Upstream(biller) as upstream:
        redis = RedisServer(tmp_path / "redis")
        (tmp_path / "other").mkdir()
        denying, allowing = policy(upstream.url, "$0.1"), policy(upstream.url, "$0.1", extra=extra)
        async with (
            instances(tmp_path, denying, url_of(redis), 1) as (strict,),
            instances(tmp_path / "other", allowing, url_of(redis), 1) as (mild,),
        ):
            assert (await ask_once(strict)) == (503, "ledger.unavailable")
            await spend(mild, 4)
            assert 0 < biller.billed <= 10_000_000
            async with redis:
                await until_served(strict)
                await until_served(mild)
