"""Hosts that share a store: the least desk that uses it as `edge.ledger.store` says, and claims to draw on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from routebook.edge.ledger.redis_store import SharedStore
from routebook.edge.ledger.store import Acquired, Denied, HostState, Pushed, Unavailable, Want
from routebook.ledger.claims import Claim, Counter, Kind

DAY = 86_400
TODAY = int(time.time()) // DAY * DAY
SECONDS = 30.0
"""What has not happened by then does not happen."""


def budget(limit: int = 1000, pot: str = "budget/monthly/-", start: int = TODAY) -> Claim:
    """A claim on a window of the calendar that ends far from now."""
    return Claim(pot, Kind.WINDOW, limit, 1, start, start, start + 2 * DAY)


def slots(limit: int, pot: str = "slots/account/a") -> Claim:
    """A claim on so many at the same time."""
    return Claim(pot, Kind.SLOTS, limit, 1)


def rate(limit: int, pot: str = "requests/per-minute/-") -> Claim:
    """A claim on so many a minute."""
    return Claim(pot, Kind.RATE, limit, 1)


async def until(condition: Callable[[], bool], what: str = "what was awaited") -> None:
    """Wait until this holds; fails the test when it never does."""
    end = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < end, f"{what} did not happen"
        await asyncio.sleep(0.01)


class Host:
    """One host: its store, and what its desk believes, by counter."""

    def __init__(self, url: str, name: str, clock: Callable[[], float] = time.time, recovery: float = 2.0) -> None:
        self.store = SharedStore(url, name, clock=clock, recovery=recovery)
        self.states: dict[Counter, HostState] = {}

    def start(self) -> None:
        """Reach for the store."""
        self.store.start(lambda: self.states)

    async def acquire(self, *wants: Want) -> Acquired | Denied | Unavailable:
        """Acquire, and believe what was granted."""
        answer = await self.store.acquire(wants)
        if isinstance(answer, Acquired):
            for want in wants:
                counter, claim = want.claim.counter, want.claim
                if counter in answer.entitled:
                    before = self.states.get(counter, HostState(0, 0, 0))
                    self.states[counter] = HostState(
                        before.settled, before.held, answer.entitled[counter], claim.kind, claim.first, claim.ends
                    )
        return answer

    async def draw(self, claim: Claim, need: int, ahead: int = 0) -> Acquired | Denied:
        """Acquire as soon as the store can be asked."""
        end = time.monotonic() + SECONDS
        while isinstance(answer := await self.acquire(Want(claim, need, ahead)), Unavailable):
            assert time.monotonic() < end, f"the store stays away: {answer}"
            await asyncio.sleep(0.01)
        return answer

    async def push(self, claim: Claim, settled: int, held: int = 0, idle: int = 0) -> Pushed | Unavailable:
        """Tell what one counter has come to, keeping so much beyond what is settled and held."""
        state = HostState(settled, held, settled + held + idle, claim.kind, claim.first, claim.ends)
        self.states[claim.counter] = state
        return await self.store.push({claim.counter: state})

    async def told(self, claim: Claim, settled: int, held: int = 0, idle: int = 0) -> Pushed:
        """The same, as soon as the store can be told."""
        end = time.monotonic() + SECONDS
        while isinstance(answer := await self.push(claim, settled, held, idle), Unavailable):
            assert time.monotonic() < end, f"the store stays away: {answer}"
            await asyncio.sleep(0.01)
        return answer

    def entitled(self, claim: Claim) -> int:
        """What the desk believes."""
        state = self.states.get(claim.counter)
        return state.entitled if state else 0


@asynccontextmanager
async def hosts(*named: tuple[str, str], recovery: float = 2.0) -> AsyncIterator[list[Host]]:
    """Hosts by name and address, joined; they leave at the end."""
    found = [Host(url, name, recovery=recovery) for name, url in named]
    try:
        for host in found:
            host.start()
        for host in found:
            await until(lambda host=host: host.store.is_joined, f"{host.store} joining")  # type: ignore[misc]
        yield found
    finally:
        for host in found:
            await host.store.close()
