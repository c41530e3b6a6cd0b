"""Who is called next: the first candidate whose worst case every budget and limit allows, with its hold.

A further candidate after a failure, and a further round through all of them, are bounded by the policy's `retries`.
Calling a provider again that has just failed is also bounded by a share of all requests, so that retries cannot
multiply its outage; another provider may always be called.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from routebook.edge.calls import Call
from routebook.edge.entry import Entry
from routebook.ledger.claims import Why
from routebook.routing.facts import Figure, RequestFacts

NOTHING_ASKED: Final[Mapping[str, Figure]] = MappingProxyType({})
"""The figures where no rule asks about a budget."""


async def figures(entry: Entry, facts: RequestFacts) -> Mapping[str, Figure]:
    """How the budgets stand that rules ask about, in this request's scope. Where the ledger's owner is away they are
    missing, as a fact that nobody knows is."""
    drawing = entry.serving.drawing
    if not drawing.asked:
        return NOTHING_ASKED
    found: dict[str, Figure] = {}
    for budget, pots in drawing.pots(facts, entry.now + entry.gateway.till.offset):
        used = await entry.gateway.till.settled(pots)
        if used is not None and pots:
            found[budget.name] = Figure(max(used), budget.limit)
    return found


async def next_call(entry: Entry) -> Call | None:
    """A call of the next candidate that may be paid for; None where there is none.

    Where limits alone stand in the way of all, the first one with a queue is queued for.
    """
    before = len(entry.refusals)
    while entry.attempts.has_next:
        affordable = not entry.attempts.next_repeats or entry.gateway.retries.take(entry.gateway.clock.monotonic())
        candidate = entry.attempts.take()
        call = await entry.secure(candidate) if affordable and candidate is not None else None
        if call is not None:
            return call
    for place, (candidate, refusal) in enumerate(entry.refusals[before:], before):
        if refusal.claim.wait and refusal.why is Why.EXHAUSTED:
            del entry.refusals[place]  # what comes of waiting is said instead
            return await entry.secure(candidate, wait=True)
    return None


async def another_call(entry: Entry) -> Call | None:
    """A call after one that failed; None where nobody is left, or enough has been tried."""
    attempts = entry.attempts
    call = await next_call(entry)
    rounds = 0
    while call is None and attempts.again():
        pause = entry.pause(rounds)
        if pause is None:
            return None
        await asyncio.sleep(pause)
        rounds += 1
        call = await next_call(entry)
    return call
