"""The owner and its workers' ends: whatever the order in which the news of a death arrives, what was granted is free again."""

from __future__ import annotations

import asyncio
import itertools

import pytest

from routebook.documents.quantities import Unit
from routebook.edge.ledger.books import Totals
from routebook.edge.ledger.entries import Change
from routebook.edge.ledger.owner import Owner
from routebook.ledger.claims import Claim, Counter, Grant, Kind, Refusal, Report
from routebook.ledger.draws import Need
from tests.edge.ledger.tills import NOON, give_back, held, slot, until_waiting, worker_of
from tests.support.clock import SetClock


def new_owner(workers: int) -> Owner:
    """An owner that knows of nothing yet."""
    return Owner(Totals(), workers, SetClock(NOON))


DEATHS = [(what, who) for what in ("read", "closed") for who in ("w0", "w1")]
"""Of each of two workers: all that it wrote is read, and its channel is at its end."""


@pytest.mark.parametrize("turns", [0, 1, 5])
@pytest.mark.parametrize("order", list(itertools.permutations(DEATHS)), ids=lambda order: "-".join(map("".join, order)))
async def test_who_dies_waiting_leaves_no_slot_drawn(order: tuple[tuple[str, str], ...], turns: int) -> None:
    """One worker that holds a slot is killed with another whose requests wait for it. The journal may tell of both before
    the end of either's channel is heard, or after."""
    claim = slot("all")
    owner = new_owner(3)
    async with worker_of(owner, "w0") as holding, worker_of(owner, "w1") as waiting, worker_of(owner, "w2") as living:
        await held(holding, "a", claim)
        tasks = [asyncio.create_task(waiting.hold([claim], "a", wait=True)) for _ in range(3)]
        await until_waiting(owner.desk, 3)
        mine = asyncio.create_task(held(living, "b", claim))
        await until_waiting(owner.desk, 4)
        for what, who in order:
            if what == "read":
                owner.read_on({}, frozenset({who}))
            else:
                owner.closed(who)
            for _ in range(turns):
                await asyncio.sleep(0)
        await asyncio.sleep(0.01)
        owner.read_on({}, frozenset())  # the journal is read on once a worker has ended
        async with asyncio.timeout(5):
            give_back(living, await mine, [claim])
            for _ in range(3):
                give_back(living, await held(living, "b", claim), [claim])
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        assert owner.holders == 1


async def test_a_question_that_is_heard_after_its_asker_was_read_out_draws_nothing() -> None:
    """A worker's last words lie in its channel while the journal tells that it is dead."""
    day = Claim("budget/day/-", Kind.WINDOW, 100, 60, int(NOON), int(NOON), int(NOON) + 86_400)
    counter: Counter = ("budget/day/-", int(NOON))
    owner = new_owner(2)
    async with worker_of(owner, "w0") as dying, worker_of(owner, "w1") as living:
        first = asyncio.create_task(dying.hold([day], "a"))
        await asyncio.sleep(0.01)
        dying.settle([(counter, Need(day, Unit.MONEY), 10)])
        owner.read_on({"w0": {counter: Change(10, 0)}}, frozenset({"w0"}))
        second = asyncio.create_task(dying.hold([day], "a"))
        await asyncio.wait({second}, timeout=5)
        owner.closed("w0")
        owner.read_on({}, frozenset())
        assert owner.vault.totals("budget/day/-") == (10, 10)
        assert not isinstance(await living.hold([day], "b"), Refusal)
        await first


async def test_small_windows_of_a_worker_that_lives_long_are_forgotten() -> None:
    """What it settled is kept for its burial as long as its window counts, and no longer; then it counts once."""
    clock = SetClock(NOON)
    owner = Owner(Totals(), 1, clock)
    async with worker_of(owner, "w0"):
        for number in range(1, 101):
            start = int(clock.now())
            minute = Claim("budget/minute/-", Kind.WINDOW, 100, 60, start, start, start + 60)
            assert isinstance(owner.desk.lease_now("w0", [minute], exact=True), Grant)
            spent, back = ((minute.pot, start, 7),), ((minute.pot, start, 53),)
            owner.desk.report("w0", Report(spent, back if number < 100 else (), number))
            owner.read_on({"w0": {minute.counter: Change(7, 0)}}, frozenset())
            clock.pass_by(60 if number < 100 else 1)
        assert len(owner._settled["w0"]) <= 2
        assert owner.vault.totals("budget/minute/-", start) == (7, 60)
        owner.closed("w0")
        owner.read_on({}, frozenset({"w0"}))
        assert owner.vault.totals("budget/minute/-", start) == (7, 7)
        assert not owner._settled
