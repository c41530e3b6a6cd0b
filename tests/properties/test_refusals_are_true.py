"""A request is refused only where what is settled and what running requests hold leaves no room for it: what was granted
ahead and lies idle stands in nobody's way.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routebook.documents.quantities import Unit
from routebook.edge.ledger.books import Totals
from routebook.edge.ledger.owner import Owner
from routebook.edge.ledger.redis_store import SharedStore
from routebook.edge.ledger.till import Till
from routebook.ledger.claims import Claim, Kind, Refusal
from routebook.ledger.draws import Need
from tests.edge.ledger.tills import worker_of
from tests.support.clock import SetClock
from tests.support.redis_server import RedisServer, needs_redis
from tests.support.sharing import DAY, TODAY

ROUNDS = 12
"""Requests of each client, one after the other."""

WORST = 1000
"""What a request needs at most of each pot."""

USED = 5
"""What it uses in the end, at most."""


def pots(clients: int, spare: int, kinds: Sequence[Kind], name: str = "all") -> tuple[Claim, ...]:
    """A claim on one pot of each kind, which has room for what all clients hold at once, what is used over all, and a
    little more."""
    limit = clients * (WORST + ROUNDS * USED) + spare
    claims = {
        Kind.WINDOW: Claim(f"budget/{name}/-", Kind.WINDOW, limit, WORST, TODAY, TODAY, TODAY + 2 * DAY),
        Kind.RATE: Claim(f"tpm/{name}/-", Kind.RATE, limit, WORST),
        Kind.SLOTS: Claim(f"slots/{name}/-", Kind.SLOTS, clients, 1),
    }
    return tuple(claims[kind] for kind in kinds)


async def client(tills: Sequence[Till], claims: Sequence[Claim], dice: random.Random, sizes: Sequence[int]) -> None:
    """Requests one after the other, at whatever worker; each must be served."""
    for _ in range(ROUNDS):
        till, size = dice.choice(tills), dice.choice(sizes)
        asked = [each if each.kind is Kind.SLOTS else msgspec.structs.replace(each, amount=size) for each in claims]
        counters = await till.hold(asked, "anonymous")
        assert not isinstance(counters, Refusal), counters
        for _ in range(dice.choice((0, 0, 1, 3, 20))):
            await asyncio.sleep(0)
        uses = [
            (counter, Need(claim, None if claim.kind is Kind.SLOTS else Unit.TOKENS), dice.randint(0, USED))
            for counter, claim in zip(counters, asked, strict=True)
        ]
        till.settle(uses)
        for _ in range(dice.choice((0, 1, 5))):
            await asyncio.sleep(0)


@settings(max_examples=40, deadline=None)
@given(
    workers=st.integers(1, 4),
    clients=st.integers(1, 24),
    spare=st.sampled_from((0, 1, 700, 8000, 40_000)),
    kinds=st.permutations(tuple(Kind)).flatmap(lambda kinds: st.integers(1, 3).map(lambda count: kinds[:count])),
    sizes=st.lists(st.integers(1, WORST), min_size=1, max_size=3),
    seed=st.integers(0, 1 << 32),
)
def test_who_finds_room_is_served(
    workers: int, clients: int, spare: int, kinds: Sequence[Kind], sizes: Sequence[int], seed: int
) -> None:
    """As many clients as there is room for, on several workers; what one worker has idle another gets."""

    everybody_is_served(workers, clients, spare, kinds, sizes, seed)


def everybody_is_served(
    workers: int, clients: int, spare: int, kinds: Sequence[Kind], sizes: Sequence[int], seed: int
) -> None:
    """All requests of all clients, on a host of their own."""

    async def host() -> None:
        owner, dice = Owner(Totals(), workers, SetClock(TODAY + 100)), random.Random(seed)
        async with AsyncExitStack() as stack:
            tills = [await stack.enter_async_context(worker_of(owner, f"w{number}")) for number in range(workers)]
            claims = pots(clients, spare, kinds)
            async with asyncio.TaskGroup() as crowd:
                for _ in range(clients):
                    crowd.create_task(client(tills, claims, dice, sizes))

    asyncio.run(host())


@pytest.mark.parametrize("workers", [1, 2])
def test_a_crowd_that_comes_at_once_is_served(workers: int) -> None:
    """Where there is plenty at first and just enough in the end: what the first were granted ahead the others get."""
    for seed in range(20):
        everybody_is_served(workers, 64, 4 * workers * WORST, [Kind.WINDOW], [WORST], seed)


@needs_redis
@pytest.mark.parametrize("workers", [1, 2, 4])
async def test_who_finds_room_is_served_where_hosts_share_a_store(tmp_path: Path, workers: int) -> None:
    """The same of a host that draws on a store; what it has given back there it draws again."""
    async with RedisServer(tmp_path) as server, AsyncExitStack() as stack:
        owner = Owner(Totals(), workers, store=SharedStore(server.url, "one"))
        await owner.start()
        stack.push_async_callback(owner.close)
        tills = [await stack.enter_async_context(worker_of(owner, f"w{number}")) for number in range(workers)]
        async with asyncio.timeout(60):
            while isinstance(await tills[0].hold(pots(1, 0, [Kind.WINDOW], "first"), "anonymous"), Refusal):
                await asyncio.sleep(0.02)  # a store that nobody knew waits a moment
        for seed in range(12):
            dice = random.Random(seed)
            clients, spare = dice.choice((1, 8, 24)), dice.choice((0, 1, 700, 8000, 40_000))
            kinds = dice.sample(tuple(Kind), dice.randint(1, 3))
            sizes = [dice.randint(1, WORST) for _ in range(dice.randint(1, 3))]
            claims = pots(clients, spare, kinds, str(seed))
            async with asyncio.TaskGroup() as crowd:
                for _ in range(clients):
                    crowd.create_task(client(tills, claims, dice, sizes))
