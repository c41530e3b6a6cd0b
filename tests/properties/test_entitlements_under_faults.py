"""Whatever happens to the store and the lines to it: what hosts believe that they may spend never exceeds the limit."""

from __future__ import annotations

import asyncio
import random
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from routebook.edge.ledger.store import Acquired, HostState, Unavailable, Want
from tests.support.faulttcp import Fault, FaultyTcp
from tests.support.redis_server import RedisServer, needs_redis
from tests.support.sharing import Host, budget, hosts, until

pytestmark = needs_redis

LIMIT = 1000
CLAIM = budget(LIMIT)
HOSTS = 4
PATIENT = 120.0
"""The store waits for hosts that are known as long as it takes: what is tried here is not how long a machine may stall."""

MISHAPS = (
    "kill", "pause", "empty", "forget scripts", "reset", "cut", "black hole", "delay", "drop", "out of memory", "cancel",
)  # fmt: skip


class World:
    """Four hosts behind a relay each, a store, and traffic on one counter that is nearly spent all the time."""

    def __init__(self, server: RedisServer, relays: list[FaultyTcp], sharing: list[Host], seed: int) -> None:
        self.server = server
        self.relays = relays
        self.hosts = sharing
        self.dice = random.Random(seed)
        self.granted = 0

    def look(self) -> None:
        """The law, at this instant."""
        believed = sum(host.entitled(CLAIM) for host in self.hosts)
        assert believed <= LIMIT, [host.entitled(CLAIM) for host in self.hosts]

    async def traffic(self, host: Host) -> None:
        """Draw more than there is; give back, settle nothing."""
        while True:
            answer = await host.acquire(Want(CLAIM, self.dice.randint(1, 40), self.dice.choice((0, 0, 50))))
            self.look()
            if isinstance(answer, Acquired):
                self.granted += 1
            if not isinstance(answer, Acquired) or self.dice.random() < 0.3:
                await self.give_back(host)
            await asyncio.sleep(0.002 if isinstance(answer, Unavailable) else 0)

    async def give_back(self, host: Host) -> None:
        """Keep a part of what there is."""
        keeps = self.dice.randint(0, host.entitled(CLAIM))
        host.states[CLAIM.counter] = HostState(0, 0, keeps, CLAIM.kind, CLAIM.first, CLAIM.ends)
        await host.store.push({CLAIM.counter: host.states[CLAIM.counter]})
        self.look()

    async def befall(self, mishap: str) -> None:
        """One thing that happens, and the end of it."""
        relay = self.dice.choice(self.relays)
        relay.after = self.dice.randint(0, 80)
        match mishap:
            case "kill":
                self.server.kill()
                await self.server.start()
            case "pause":
                self.server.pause()
                await asyncio.sleep(0.3)
                self.server.resume()
            case "empty":
                await self.server.say("FLUSHALL")
            case "forget scripts":
                await self.server.say("SCRIPT", "FLUSH")
            case "out of memory":
                await self.server.say("CONFIG", "SET", "maxmemory", "1")
                await asyncio.sleep(0.1)
                await self.server.say("CONFIG", "SET", "maxmemory", "0")
            case "drop":
                relay.drop()
            case "reset" | "cut" | "black hole" | "delay":
                relay.fault = Fault(mishap)
                await asyncio.sleep(0.2)
                relay.fault = Fault.PASS

    def begin(self) -> list[asyncio.Task[None]]:
        """Two who draw and give back at the same time on every host."""
        return [asyncio.create_task(self.traffic(host)) for host in self.hosts for _ in range(2)]

    async def live(self, mishaps: list[str]) -> None:
        """Traffic on all hosts while one thing after the other happens."""
        traffic = self.begin()
        try:
            for mishap in mishaps:
                if mishap == "cancel":
                    for task in traffic:
                        task.cancel()
                    await asyncio.wait(traffic)
                    traffic = self.begin()
                await self.befall(mishap)
                if self.dice.random() < 0.6:
                    await self.see_a_grant()
                assert not any(task.done() for task in traffic), [task.exception() for task in traffic if task.done()]
        finally:
            for task in traffic:
                task.cancel()
            await asyncio.wait(traffic)

    async def see_a_grant(self) -> None:
        """Until somebody has drawn again: other things happen while the hosts still come back."""
        before = self.granted
        await until(lambda: self.granted > before, "a grant")

    async def heal(self) -> None:
        """When all is well again, the store counts what hosts believe, and the limit can be spent to the last unit."""
        for host in self.hosts:
            await until(
                lambda host=host: host.store.is_joined and not host.store.breaker.is_open  # type: ignore[misc]
            )
            await host.told(CLAIM, 0, idle=host.entitled(CLAIM))
        believed = sum(host.entitled(CLAIM) for host in self.hosts)
        answer = await self.hosts[0].draw(CLAIM, LIMIT - believed)
        assert isinstance(answer, Acquired)
        assert answer.totals[CLAIM.pot].entitled == LIMIT
        self.look()


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(
    mishaps=st.lists(st.sampled_from(MISHAPS), min_size=4, max_size=8), seed=st.integers(0, 1000), appends=st.booleans()
)
def test_beliefs_never_exceed_the_limit(mishaps: list[str], seed: int, appends: bool) -> None:
    """Four hosts draw on a nearly spent counter while the store is killed, paused, emptied and cut off at random: at no
    instant do they believe in more than the limit, and afterwards nothing of it is lost."""

    async def world() -> None:
        async with AsyncExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            server = await stack.enter_async_context(RedisServer(folder, appends=appends))
            relays = [await stack.enter_async_context(FaultyTcp(server.port)) for _ in range(HOSTS)]
            named = [(f"host-{number}", relay.url(100)) for number, relay in enumerate(relays)]
            sharing = await stack.enter_async_context(hosts(*named, recovery=PATIENT))
            for host in sharing:
                await host.draw(CLAIM, 1)
            now = World(server, relays, sharing, seed)
            await now.live(mishaps)
            await now.heal()

    asyncio.run(world())
