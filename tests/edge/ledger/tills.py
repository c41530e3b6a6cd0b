"""Workers' tills as tests use them: beside their desk, or at the other end of a socket."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Sequence

from routebook.edge.ledger.desk import Desk
from routebook.edge.ledger.lines import Counterpart, FarDesk
from routebook.edge.ledger.owner import Owner
from routebook.edge.ledger.till import Till
from routebook.edge.processes.control import Channel, Gone
from routebook.ledger.claims import Claim, Counter, Kind, Refusal
from routebook.ledger.draws import Need

NOON = 1_793_534_400.0


def slot(pot: str, limit: int = 1, wait: float = 20.0, places: int = 100) -> Claim:
    """A claim on one slot, with a queue."""
    return Claim(f"slots/{pot}/-", Kind.SLOTS, limit, 1, wait=wait, places=places)


def give_back(till: Till, counters: Sequence[Counter], claims: Sequence[Claim]) -> None:
    """End what was held."""
    till.settle((counter, Need(claim, None), 0) for counter, claim in zip(counters, claims, strict=True))


async def held(till: Till, who: str, *claims: Claim) -> tuple[Counter, ...]:
    """A hold that must succeed, now or in turn."""
    found = await till.hold(claims, who, wait=True)
    assert not isinstance(found, Refusal), found
    return found


async def until_waiting(desk: Desk, count: int) -> None:
    """Wait until so many wait."""
    async with asyncio.timeout(10):
        while f", {count} waiting" not in repr(desk):
            await asyncio.sleep(0)


@contextlib.asynccontextmanager
async def worker_of(host: Counterpart | Owner, holder: str) -> AsyncIterator[Till]:
    """The till of a worker that has begun, and reaches its host over a channel."""
    ours, theirs = socket.socketpair()
    here, there = await Channel.over(ours), await Channel.over(theirs)
    host.opened(holder, there)

    async def serve() -> None:
        with contextlib.suppress(Gone):
            while True:
                await host.hear(holder, await there.receive())

    till = Till(holder, FarDesk(here), asyncio.get_running_loop().time)

    async def listen() -> None:
        with contextlib.suppress(Gone):
            while True:
                message = await here.receive()
                assert message.kind == "recall"
                till.tighten(message.fields["pot"])
                await here.answer(message)

    tasks = [asyncio.create_task(serve()), asyncio.create_task(listen())]
    try:
        yield till
    finally:
        till.close()
        here.close()
        await asyncio.wait(tasks, timeout=5)
        there.close()
