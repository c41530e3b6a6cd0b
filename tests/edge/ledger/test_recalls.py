"""What lies idle with a worker is called back before another's request is refused, whatever happens meanwhile."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import msgspec

from routebook.edge.ledger.books import Totals
from routebook.edge.ledger.desk import Desk
from routebook.edge.ledger.entries import Change
from routebook.edge.ledger.owner import Owner
from routebook.edge.ledger.redis_store import SharedStore
from routebook.edge.ledger.till import Till
from routebook.ledger.claims import Claim, Grant, Kind, Refusal, Report
from routebook.ledger.draws import Need
from routebook.ledger.vault import Vault
from tests.edge.ledger.tills import NOON, give_back, worker_of
from tests.support.redis_server import RedisServer, needs_redis
from tests.support.sharing import TODAY

DAY = Claim("budget/day/-", Kind.WINDOW, 1000, 0, int(NOON), int(NOON), int(NOON) + 86_400)
WEEK = msgspec.structs.replace(DAY, pot="budget/week/-")


def of(claim: Claim, amount: int) -> Claim:
    """A claim for so much."""
    return msgspec.structs.replace(claim, amount=amount)


class Holders:
    """Holders at a desk that have some idle, and give it back when they are let."""

    def __init__(self) -> None:
        self.desk = Desk(Vault(), lambda: NOON, self._recall)
        self.idle: dict[tuple[str, str], int] = {}
        self.asked: list[tuple[str, str]] = []
        self.gates: dict[str, asyncio.Event] = {}
        self._numbers: dict[str, int] = {}

    def grant(self, holder: str, *claims: Claim, idle: int = 0) -> None:
        """A holder is granted these, and holds all but so much of each."""
        assert isinstance(self.desk.vault.lease(holder, claims, NOON, plenty=False), Grant)
        for claim in claims:
            self.idle[holder, claim.pot] = self.idle.get((holder, claim.pot), 0) + idle

    def ends(self, holder: str, claim: Claim, amount: int) -> None:
        """A request of a holder has ended, and what it held lies idle there."""
        self.idle[holder, claim.pot] = self.idle.get((holder, claim.pot), 0) + amount

    async def _recall(self, pot: str, holder: str) -> None:
        self.asked.append((pot, holder))
        back = self.idle.pop((holder, pot), 0)
        if (gate := self.gates.get(holder)) is not None:
            await gate.wait()
        number = self._numbers[holder] = self._numbers.get(holder, 0) + 1
        self.desk.report(holder, Report((), ((pot, DAY.start, back),), number))

    async def until_asked(self, count: int) -> None:
        """Wait until so many were asked."""
        async with asyncio.timeout(10):
            while len(self.asked) < count:
                await asyncio.sleep(0)


async def test_two_that_ask_at_once_call_back_from_each_other() -> None:
    """While what another has is called back for one, its own becomes idle, and is called back for the other."""
    holders = Holders()
    holders.grant("w0", of(DAY, 400))
    holders.grant("w1", of(DAY, 500))
    gate = holders.gates["w1"] = asyncio.Event()
    first = asyncio.create_task(holders.desk.lease("w0", [of(DAY, 600)], "a", wait=False))
    await holders.until_asked(1)
    holders.ends("w0", DAY, 400)
    second = asyncio.create_task(holders.desk.lease("w1", [of(DAY, 450)], "b", wait=False))
    await holders.until_asked(2)
    gate.set()
    assert isinstance(await second, Grant)
    assert isinstance(await first, Refusal)


async def test_who_comes_after_a_holder_was_asked_has_it_asked_again() -> None:
    """What became idle since is theirs; however many come meanwhile, it is asked once for all."""
    holders = Holders()
    holders.grant("w0", of(DAY, 250))
    holders.grant("w1", of(DAY, 700))
    gate = holders.gates["w1"] = asyncio.Event()
    first = asyncio.create_task(holders.desk.lease("w0", [of(DAY, 800)], "a", wait=False))
    await holders.until_asked(1)
    holders.ends("w1", DAY, 700)
    others = [asyncio.create_task(holders.desk.lease("w0", [of(DAY, 250)], "b", wait=False)) for _ in range(3)]
    for _ in range(10):
        await asyncio.sleep(0)
    gate.set()
    assert all([isinstance(await each, Grant) for each in others])
    assert isinstance(await first, Refusal)
    assert len(holders.asked) == 2


async def test_all_pots_of_a_request_are_called_back() -> None:
    """Each of its budgets lies idle with somebody else."""
    holders = Holders()
    holders.grant("w1", of(DAY, 1000), idle=1000)
    holders.grant("w2", of(WEEK, 1000), idle=1000)
    found = await holders.desk.lease("w0", [of(DAY, 300), of(WEEK, 300)], "a", wait=False)
    assert isinstance(found, Grant)


async def test_nobody_is_asked_for_what_is_larger_than_its_pot() -> None:
    """It is refused at once."""
    holders = Holders()
    holders.grant("w1", of(DAY, 1000), idle=1000)
    found = await holders.desk.lease("w0", [of(DAY, 1001)], "a", wait=False)
    assert isinstance(found, Refusal) and found.retry_after is None
    assert holders.asked == []


async def test_what_became_idle_in_the_asking_worker_counts_as_well() -> None:
    """A request asks for what is lacking here, and is refused; meanwhile a smaller one beside it has ended: with what that
    had, and what is left, it fits."""
    vault = Vault()
    desk = Desk(vault, lambda: NOON)
    till = Till("w0", desk, asyncio.get_running_loop().time)
    small = await till.hold([of(DAY, 60)], "a")
    assert not isinstance(small, Refusal)
    idle = vault.totals(DAY.pot).drawn - 60
    assert isinstance(desk.lease_now("w1", [of(DAY, 1000 - 60 - idle - 40)]), Grant)
    asking = asyncio.create_task(till.hold([of(DAY, idle + 60 + 10)], "a"))
    await asyncio.sleep(0)
    till.settle([(small[0], Need(of(DAY, 60), None), 0)])
    assert not isinstance(await asking, Refusal)
    till.close()


@needs_redis
async def test_another_host_gets_what_lies_idle_with_a_worker_that_goes_on_drawing(tmp_path: Path) -> None:
    """A worker was granted ahead while there was plenty, and draws a little every moment: what it does not use goes to the
    host that needs it."""
    day = msgspec.structs.replace(DAY, start=TODAY, first=TODAY, ends=TODAY + 86_400)
    async with RedisServer(tmp_path) as server, AsyncExitStack() as stack:
        tills = []
        for host in ("one", "two"):
            owner = Owner(Totals(), 1, store=SharedStore(server.url, host))
            await owner.start()
            stack.push_async_callback(owner.close)
            tills.append(await stack.enter_async_context(worker_of(owner, f"{host}-w0")))
        draws, needs = tills
        async with asyncio.timeout(60):
            while isinstance(await draws.hold([of(day, 10)], "a"), Refusal):
                await asyncio.sleep(0.02)  # a store that nobody knew waits a moment
        drawing = asyncio.create_task(_draw_on(draws, of(day, 1)))
        stack.callback(drawing.cancel)
        async with asyncio.timeout(60):
            while isinstance(await needs.hold([of(day, 985)], "b"), Refusal):
                await asyncio.sleep(0.1)


@needs_redis
async def test_what_a_host_that_died_held_is_as_its_journal_says_when_it_is_back(tmp_path: Path) -> None:
    """It stays charged, whatever is booked of orphans, until the host itself has read that: nothing, here."""
    day = msgspec.structs.replace(DAY, start=TODAY, first=TODAY, ends=TODAY + 86_400)
    async with RedisServer(tmp_path) as server, AsyncExitStack() as stack:

        async def begin(host: str, opening: Totals) -> tuple[Owner, Till]:
            owner = Owner(opening, 1, store=SharedStore(server.url, host))
            await owner.start()
            stack.push_async_callback(owner.close)
            return owner, await stack.enter_async_context(worker_of(owner, f"{host}-w0"))

        _, dying = await begin("one", Totals())
        _, needs = await begin("two", Totals())
        async with asyncio.timeout(60):
            while isinstance(await dying.hold([of(day, 900)], "a"), Refusal):
                await asyncio.sleep(0.02)  # a store that nobody knew waits a moment
        found = await needs.hold([of(day, 500)], "b")
        assert isinstance(found, Refusal)
        back, _ = await begin("one", Totals({}, {day.counter: {"dead": 900}}))
        assert isinstance(await needs.hold([of(day, 500)], "b"), Refusal)
        back.read_on({"dead": {day.counter: Change(0, -900)}}, frozenset({"dead"}))
        async with asyncio.timeout(60):
            while isinstance(await needs.hold([of(day, 500)], "b"), Refusal):
                await asyncio.sleep(0.1)


async def _draw_on(till: Till, claim: Claim) -> None:
    """Hold and let go, again and again."""
    while True:
        found = await till.hold([claim], "a")
        if not isinstance(found, Refusal):
            give_back(till, found, [claim])
        await asyncio.sleep(0.02)
