"""Copies of requests to another model, whose answers are read and thrown away: what it would have cost, how fast it is,
and that it answers at all, beside the answer that the client gets.

A copy has a record of its own, and holds of its own on budgets and limits. Nobody waits for it, and whatever becomes of it
the client's answer does not depend on it. So many are under way at once in a worker at most; beyond them none is made.
"""

from __future__ import annotations

import asyncio
from typing import Final

from routebook.edge.answers import Failure, refused
from routebook.edge.attempting import Reply, attempt
from routebook.edge.deadlines import Wait
from routebook.edge.entry import Entry
from routebook.edge.faults import CallFailed
from routebook.edge.securing import next_call
from routebook.edge.translating import Job
from routebook.edge.upstream import next_bytes
from routebook.policy.rules import Decision
from routebook.protocols.errors import ProtocolError
from routebook.protocols.streams import BYTES_PER_TOKEN
from routebook.routing.candidates import Plan
from routebook.routing.demand import LiveDemand
from routebook.routing.endings import Phase
from routebook.routing.facts import RequestFacts
from routebook.routing.outcomes import Outcome, Route, Within
from routebook.routing.shadowing import is_shadowed, shadow_route

AT_ONCE: Final = 8
"""Copies under way at the same time in a worker."""


def begin_shadow(
    decision: Decision[Outcome], facts: RequestFacts, demand: LiveDemand, within: Within, job: Job, entry: Entry
) -> None:
    """Send a copy of the request on its way, where its rule wants one of it and there is room for one."""
    rule = decision.rule
    if rule is None or not isinstance(rule.outcome, Route) or rule.outcome.shadow is None:
        return
    gateway, route = entry.gateway, shadow_route(rule.outcome)
    if (
        route is None
        or job.upload is not None
        or job.collector is not None
        or not is_shadowed(rule.outcome, entry.draw)
        or gateway.shadows >= AT_ONCE
        or gateway.draining
    ):
        return
    gateway.shadows += 1
    gateway.look_after(_shadow(decision, route, facts, demand, within, job, entry))


async def _shadow(
    decision: Decision[Outcome],
    route: Route,
    facts: RequestFacts,
    demand: LiveDemand,
    within: Within,
    job: Job,
    original: Entry,
) -> None:
    """One copy, from its plan to its record's end."""
    gateway = original.gateway
    entry = Entry(gateway, original.operation, original)
    try:
        plan = _plan(decision, route, facts, demand, within, entry)
        entry.planned(plan, entry.draws_on(facts, demand, route))
        call = await next_call(entry)
        entry.decided(decision, facts, demand, within)
        if call is None:
            raise refused(decision.rule, plan, entry.refusals)
        await _read_off(await attempt(job, entry, call), entry)
    except (Exception, asyncio.CancelledError) as error:
        failure = _failure(error)
        entry.end(failure.status, failure.said, failure.code)
        if isinstance(error, asyncio.CancelledError):
            raise
    finally:
        entry.close()
        gateway.shadows -= 1


def _plan(
    decision: Decision[Outcome], route: Route, facts: RequestFacts, demand: LiveDemand, within: Within, entry: Entry
) -> Plan:
    assert decision.rule is not None
    return entry.serving.planner.plan(
        route,
        decision.rule.name,
        demand,
        facts,
        facts.client,
        entry.gateway.memory,
        at=entry.began,
        draw=entry.draw,
        asked_within=within,
    )


async def _read_off(reply: Reply, entry: Entry) -> None:
    """Read the answer to its end, for what it says of itself."""
    reader, http = reply.reader, reply.http
    if reader is None or http is None:
        size = len(reply.ready) // BYTES_PER_TOKEN
        entry.end(reply.status, reply.answered, reply.outcome.failure, size, reply.losses)
        return
    entry.phase = Phase.DATA
    code: str | None = None
    try:
        with reply.deadlines:
            while not reader.done:
                reply.deadlines.waits_for(Wait.BYTES)
                arrived = await next_bytes(http)
                if arrived:
                    reader.feed(arrived)
                    continue
                reader.end()
                if not reader.done:
                    raise CallFailed("upstream.cut", "it ended before its end")
    except (Exception, asyncio.CancelledError) as error:
        code = _failure(error).code
        raise
    finally:
        if code is None and reader.saw_error:
            code = "upstream.error-event"
        entry.end(reply.status, reader, code, reader.estimated_output, reply.losses)


def _failure(error: BaseException) -> Failure:
    """What an exception means where no client is there to hear of it."""
    match error:
        case Failure():
            return error
        case CallFailed(code=code, words=words):
            return Failure(code, words)
        case ProtocolError():
            return Failure("upstream.garbled", error.message)
        case asyncio.CancelledError():
            return Failure("gateway.draining", "the gateway is shutting down")
    return Failure("gateway.bug", "the gateway failed to handle this copy")
