"""One request, from its first byte to its last: the steps of `docs/life-of-a-request.md`, under the same headings."""

from __future__ import annotations

import asyncio
import traceback

import structlog
from aiohttp import web
from multidict import CIMultiDict

from routebook.edge.answers import answer, failure_of, refused
from routebook.edge.attempting import Job, attempt
from routebook.edge.callers import identify
from routebook.edge.entry import Entry
from routebook.edge.gateway import Gateway
from routebook.edge.intake import read_body, wanted_within
from routebook.edge.relay import relay
from routebook.policy.rules import Decision
from routebook.protocols.dialects import OPERATIONS
from routebook.routing.candidates import Plan
from routebook.routing.demand import LiveDemand
from routebook.routing.endings import Phase
from routebook.routing.facts import RequestFacts
from routebook.routing.outcomes import Outcome, Route, Within

_log = structlog.get_logger()


async def exchange(request: web.BaseRequest, gateway: Gateway) -> web.StreamResponse:
    """Serve one request. Whatever happens on the way, its record is complete before its last byte is sent."""
    dialect, operation = OPERATIONS[request.raw_path.partition("?")[0]]
    entry = Entry(gateway, operation.name)
    policy = entry.policy
    try:
        # Identify
        client = identify(request, gateway, entry.serving)
        # Read
        asked = operation.read(await read_body(request, policy.settings))
        within = wanted_within(request, asked)
        entry.phase = Phase.ROUTING
        # See
        facts = RequestFacts(asked, client, request.headers, entry.now, policy, gateway.memory, entry.began)
        # Decide
        decision = policy.tree.decide(facts)
        # List
        demand = LiveDemand(facts)
        route, plan = list_candidates(decision, facts, demand, within, entry)
        # Note
        entry.decided(decision, facts, demand, plan, within)
        if route is None or plan is None or not plan.kept:
            raise refused(decision.rule, plan)
        # Attempt
        reply = await attempt(Job(request, asked, dialect, operation, route.caps), entry)
        # Relay
        return await relay(request, reply, entry)
    except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - each becomes an answer or is raised again
        return end_early(error, request, entry)
    finally:
        # Settle
        entry.close()


def list_candidates(
    decision: Decision[Outcome], facts: RequestFacts, demand: LiveDemand, within: Within, entry: Entry
) -> tuple[Route, Plan] | tuple[None, None]:
    """The route that was decided and who may serve it; nothing where the decision is a refusal, or no rule matched."""
    rule = decision.rule
    if rule is None or not isinstance(rule.outcome, Route):
        return None, None
    return rule.outcome, entry.serving.planner.plan(
        rule.outcome,
        rule.name,
        demand,
        facts,
        facts.client,
        entry.gateway.memory,
        at=entry.began,
        draw=entry.draw,
        asked_within=within,
    )


def end_early(error: BaseException, request: web.BaseRequest, entry: Entry) -> web.StreamResponse:
    """The answer to a request that is not served; where nobody is left to read one, the exception is raised on."""
    failure = failure_of(error, request)
    if failure.code == "gateway.bug":
        _log.error("bug", code=failure.code, id=entry.id, exception=type(error).__name__, place=_place(error))
    entry.end(failure.status, code=failure.code)
    if failure.is_told and entry.phase is not Phase.DATA:
        if isinstance(error, asyncio.CancelledError) and (task := asyncio.current_task()) is not None:
            task.uncancel()
        response = answer(failure, entry.marked(CIMultiDict()))
        if not request.content.is_eof():
            response.force_close()
        return response
    if request.transport is not None:
        request.transport.abort()
    if isinstance(error, asyncio.CancelledError):
        raise error
    raise ConnectionResetError(failure.message) from None


def _place(error: BaseException) -> str:
    """Where in our source an exception came from; never its words, which may hold what a client sent."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{frames[-1].name}:{frames[-1].lineno}" if frames else ""
