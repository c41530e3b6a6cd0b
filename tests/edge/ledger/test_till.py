"""A worker's till: what requests hold is taken from its purse, and the purse is filled at the owner's desk."""

from __future__ import annotations

import asyncio
import socket
import time

import msgspec

from routebook.edge.ledger.desk import Desk
from routebook.edge.ledger.lines import FarDesk
from routebook.edge.ledger.till import Till
from routebook.edge.processes.control import Channel, Message
from routebook.ledger.claims import Grant, Refusal, Report
from routebook.ledger.draws import Need
from routebook.ledger.vault import Vault
from tests.ledger.claiming import NOON, rate, slots, window


def till_at_a_desk() -> Till:
    """The till of the only worker of a host."""
    return Till("worker", Desk(Vault(), lambda: NOON), time.monotonic)


async def test_many_requests_that_come_at_once_are_all_met_where_there_is_enough_for_all() -> None:
    """Those who ask first are granted more than they need, and nothing is left for those who asked with them: what the
    first did not need is here by then, and is theirs, also where they lack something else as well."""
    till = till_at_a_desk()
    claims = (window(100, limit=6_800), rate(10, limit=1_000_000))
    found = await asyncio.gather(*(till.hold(claims, "anonymous") for _ in range(64)))
    assert not [each for each in found if isinstance(each, Refusal)]
    till.close()


async def test_a_request_is_not_refused_what_was_given_back_while_it_asked() -> None:
    """The owner refuses while all is held; by the time its word is here, half of it has been given back."""
    till = till_at_a_desk()
    held = [await till.hold((claim,), "anonymous") for claim in (window(500), window(500))]
    asking = asyncio.ensure_future(till.hold((window(400),), "anonymous"))
    for _ in range(2):  # it asks, and is refused; it does not know yet
        await asyncio.sleep(0)
    counters = held[0]
    assert not isinstance(counters, Refusal)
    till.settle([(counters[0], Need(window(500), None), 0)])
    till.tighten(counters[0][0])
    assert await asking == counters
    till.close()


async def test_what_can_never_be_met_is_refused_at_once() -> None:
    """A claim that is larger than its pot, or that nothing was given back for."""
    till = till_at_a_desk()
    claim = slots(limit=1)
    assert not isinstance(await till.hold((claim,), "anonymous"), Refusal)
    for refused in (claim, window(2_000, limit=1_000)):
        found = await till.hold((refused,), "anonymous")
        assert isinstance(found, Refusal) and found.claim == refused
    till.close()


async def test_what_is_given_back_reaches_the_owner_before_what_is_said_next() -> None:
    """A recall is answered when what lay idle has been given back; the owner grants it on at that word."""
    worker, owner = [await Channel.over(end) for end in socket.socketpair()]
    FarDesk(worker).report("worker", Report(returned=(("budget/day/-", 0, 10),), number=1))
    await worker.send(Message("answer to a recall"))
    assert [(await owner.receive()).kind, (await owner.receive()).kind] == ["report", "answer to a recall"]
    worker.close()
    owner.close()


async def test_a_recall_right_behind_a_grant_finds_what_was_granted_ahead() -> None:
    """Both are read at once: the request that asked has taken its own by then, and the rest goes back before the recall is
    answered. Otherwise it would lie idle here while others are refused."""
    worker, owner = [await Channel.over(end) for end in socket.socketpair()]
    till, claim = Till("worker", FarDesk(worker), time.monotonic), window(10)

    async def obey() -> None:
        till.tighten((await worker.receive()).fields["pot"])
        await worker.send(Message("recalled"))

    holding, obeying = asyncio.create_task(till.hold((claim,), "anonymous")), asyncio.create_task(obey())
    asked = await owner.receive()
    grant = Grant(((*claim.counter, 640),))
    await owner.answer_with(asked, msgspec.msgpack.encode(grant), granted=True, offset=0.0)
    await owner.send(Message("recall", {"pot": claim.pot}))
    said = [await owner.receive(), await owner.receive()]
    assert [each.kind for each in said] == ["report", "recalled"]
    assert msgspec.msgpack.decode(said[0].payload, type=Report).returned == ((*claim.counter, 630),)
    assert await holding == (claim.counter,)
    await obeying
    till.close()
    worker.close()
    owner.close()


async def test_what_a_request_has_taken_that_goes_away_is_left_to_the_next() -> None:
    """It is cancelled when its grant is here, and before it knows."""
    till = till_at_a_desk()
    claim = window(600)
    asking = asyncio.ensure_future(till.hold((claim,), "anonymous"))
    for _ in range(2):
        await asyncio.sleep(0)
    asking.cancel()
    await asyncio.wait({asking})
    assert asking.cancelled()
    await asyncio.sleep(0)
    assert await till.hold((claim,), "anonymous") == (claim.counter,)
    till.close()
