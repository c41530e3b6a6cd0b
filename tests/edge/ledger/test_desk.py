"""The desk's waiting room: who comes first, who holds up whom, and what becomes of who leaves or dies."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

from routebook.edge.ledger.desk import Desk
from routebook.edge.ledger.lines import Counterpart
from routebook.edge.ledger.till import Till
from routebook.ledger.claims import Claim, Kind, Refusal, Why
from routebook.ledger.draws import Need
from routebook.ledger.vault import Vault
from tests.edge.ledger.tills import NOON, give_back, held, slot, until_waiting, worker_of


class Local:
    """A desk with tills beside it, as workers have them."""

    def __init__(self, holders: int = 1) -> None:
        self.vault = Vault(holders)
        self.desk = Desk(self.vault, lambda: NOON, self._recall)
        self.tills = [Till(f"w{n}", self.desk, asyncio.get_running_loop().time) for n in range(holders)]

    async def _recall(self, pot: str, holder: str) -> None:
        for till in self.tills:
            if till.holder == holder:
                till.tighten(pot)


async def test_who_lacks_a_slot_of_their_own_holds_up_nobody_else() -> None:
    """A client whose own limit is reached waits before the others for the account; they are served all the same."""
    local = Local()
    (till,) = local.tills
    mine, account = slot("mine"), slot("account", 2)
    first, second = await held(till, "a", mine), await held(till, "b", account)
    other = await held(till, "b", account)
    stuck = asyncio.create_task(held(till, "a", mine, account))
    await until_waiting(local.desk, 1)
    behind = asyncio.create_task(held(till, "b", account))
    await until_waiting(local.desk, 2)
    give_back(till, second, [account])
    async with asyncio.timeout(5):
        counters = await behind
    assert not stuck.done()
    give_back(till, first, [mine])
    give_back(till, other, [account])
    async with asyncio.timeout(5):
        await stuck
    give_back(till, counters, [account])


async def test_a_client_that_waits_at_its_own_limit_takes_no_turn_of_others() -> None:
    """One client's next request comes with its own slot and the account's freed at once: who waited for the account
    meanwhile comes first."""
    local = Local()
    (till,) = local.tills
    mine, account = slot("mine"), slot("account")
    both = await held(till, "a", mine, account)
    order: list[str] = []

    async def one(who: str, *claims: Claim) -> None:
        counters = await held(till, who, *claims)
        order.append(who)
        give_back(till, counters, claims)

    waiting = [asyncio.create_task(one("a", mine, account)) for _ in range(5)]
    await until_waiting(local.desk, 5)
    waiting += [asyncio.create_task(one("b", account)) for _ in range(2)]
    await until_waiting(local.desk, 7)
    give_back(till, both, [mine, account])
    async with asyncio.timeout(10):
        await asyncio.gather(*waiting)
    assert order[:4] in (["a", "b", "a", "b"], ["b", "a", "b", "a"])


async def test_a_worker_keeps_no_slot_for_its_next_request_while_others_wait() -> None:
    """A worker that was granted with both hands before there was a queue gives back to it at once."""
    local = Local(2)
    near, far = local.tills
    claim = slot("all", 40)
    mine = [await held(near, "a", claim) for _ in range(20)]
    others = []
    while not isinstance(found := await far.hold([claim], "b"), Refusal):
        others.append(found)
    while not isinstance(found := await near.hold([claim], "a"), Refusal):
        mine.append(found)
    assert len(mine) + len(others) == 40
    waiting = asyncio.create_task(held(near, "c", claim))
    await until_waiting(local.desk, 1)
    give_back(near, mine.pop(), [claim])
    async with asyncio.timeout(0.2):  # well before the next regular report
        await waiting


async def test_who_waits_asks_for_all_that_may_be_drawn_meanwhile() -> None:
    """A request whose slot of one kind is drawn by its neighbours while it waits for the other is served in its turn."""
    local = Local()
    (till,) = local.tills
    limit, account = slot("limit", 6), slot("account", 4)

    async def one(number: int) -> None:
        counters = await held(till, str(number % 3), limit, account)
        await asyncio.sleep(0)
        give_back(till, counters, [limit, account])

    async def beside() -> None:
        found = await till.hold([limit], "beside")
        await asyncio.sleep(0)
        if not isinstance(found, Refusal):
            give_back(till, found, [limit])

    async with asyncio.timeout(20):
        for _ in range(5):
            await asyncio.gather(*(one(number) for number in range(60)), *(beside() for _ in range(30)))


async def test_a_budget_that_is_used_up_meanwhile_is_said_at_once() -> None:
    """Whoever waits for a slot does not wait for tomorrow."""
    local = Local()
    (till,) = local.tills
    day = Claim("budget/day/-", Kind.WINDOW, 100, 60, int(NOON), int(NOON), int(NOON) + 86_400)
    account = slot("account")
    running = await held(till, "a", account)
    waiting = asyncio.create_task(till.hold([day, account], "a", wait=True))
    await until_waiting(local.desk, 1)
    spent = await held(till, "b", day)
    till.settle([(spent[0], Need(day, None), 60)])
    give_back(till, running, [account])
    async with asyncio.timeout(5):
        found = await waiting
    assert isinstance(found, Refusal) and found.claim.pot == "budget/day/-" and found.why is Why.EXHAUSTED


@dataclass
class Far:
    """A worker's till at one end of a socket, the owner's desk at the other."""

    till: Till
    desk: Desk
    counterpart: Counterpart


@contextlib.asynccontextmanager
async def far_till(holder: str = "w0") -> AsyncIterator[Far]:
    """A till that reaches its desk over a channel."""
    desk = Desk(Vault(), lambda: NOON)
    counterpart = Counterpart(desk)
    async with worker_of(counterpart, holder) as till:
        yield Far(till, desk, counterpart)


async def test_who_leaves_frees_their_place_at_the_owner() -> None:
    """A queue of two places that two have left takes two others."""
    claim = slot("all", places=2)
    async with far_till() as far:
        running = await held(far.till, "a", claim)
        for _ in range(3):
            waiting = [asyncio.create_task(held(far.till, "a", claim)) for _ in range(2)]
            await until_waiting(far.desk, 2)
            found = await far.till.hold([claim], "b", wait=True)
            assert isinstance(found, Refusal) and found.why is Why.QUEUE_FULL
            for task in waiting:
                task.cancel()
            await until_waiting(far.desk, 0)
        last = asyncio.create_task(held(far.till, "b", claim))
        await until_waiting(far.desk, 1)
        give_back(far.till, running, [claim])
        async with asyncio.timeout(5):
            give_back(far.till, await last, [claim])


async def test_who_leaves_as_they_are_granted_leaves_it_to_the_next() -> None:
    """However the two cross, no slot is lost."""
    claim = slot("all")
    async with far_till() as far:
        for turns in range(30):
            running = await held(far.till, "a", claim)
            waiting = asyncio.create_task(held(far.till, "a", claim))
            await until_waiting(far.desk, 1)
            give_back(far.till, running, [claim])
            for _ in range(turns):
                await asyncio.sleep(0)
            waiting.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                give_back(far.till, await waiting, [claim])
            async with asyncio.timeout(5):
                give_back(far.till, await held(far.till, "b", claim), [claim])


async def test_a_worker_that_dies_waits_no_more() -> None:
    """What is free later goes to the living, and nothing to who will never give it back."""
    claim = slot("all")
    async with far_till() as far:
        running = await held(far.till, "a", claim)
        waiting = asyncio.create_task(held(far.till, "a", claim))
        await until_waiting(far.desk, 1)
        far.counterpart.closed("w0")
        await until_waiting(far.desk, 0)
        far.desk.vault.bury("w0", {})
        other = Till("w1", far.desk, asyncio.get_running_loop().time)
        async with asyncio.timeout(5):
            give_back(other, await held(other, "b", claim), [claim])
        assert running
        waiting.cancel()
        await asyncio.wait({waiting})
