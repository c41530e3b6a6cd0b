"""One session, from its upgrade to its close: the steps of `docs/life-of-a-request.md`, under the same headings."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from aiohttp import web
from multidict import CIMultiDict

from routebook.edge.answers import refused
from routebook.edge.callers import use
from routebook.edge.calls import Call
from routebook.edge.exchange import end_early, list_candidates
from routebook.edge.gateway import Gateway
from routebook.edge.guarding import check_unguarded
from routebook.edge.intake import wanted_within
from routebook.edge.securing import figures, next_call
from routebook.edge.sessions.entry import SessionEntry
from routebook.edge.sessions.handshake import Accepted, accept, asked_for, check_upgrade, identify_speaker, opening
from routebook.edge.sessions.reaching import Line, reach
from routebook.edge.sessions.relay import refuse, relay
from routebook.protocols.dialects import DIALECTS
from routebook.protocols.gemini.live_tokens import resumes
from routebook.protocols.sessions import SessionAsked, SessionDialect
from routebook.routing.demand import LiveDemand
from routebook.routing.endings import Phase
from routebook.routing.facts import RequestFacts


async def converse(request: web.BaseRequest, gateway: Gateway, dialect: SessionDialect) -> web.StreamResponse:
    """Serve one session. Whatever happens on the way, its record is complete before the client is told of its end."""
    entry = SessionEntry(gateway)
    policy = entry.policy
    answer: Accepted | None = None
    try:
        # Read
        check_upgrade(request)
        # Identify
        speaker = identify_speaker(request, dialect, entry)
        if dialect.first:
            answer = await accept(request, dialect, entry.marked(CIMultiDict()), policy.settings.max_body)
        first = b"" if answer is None else await opening(answer.socket, policy.settings.body_timeout)
        asked = asked_for(request, dialect, speaker, first)
        within = wanted_within(request, asked)
        entry.phase = Phase.ROUTING
        # See
        facts = RequestFacts(asked, speaker.client, request.headers, entry.now, policy, gateway.memory, entry.began)
        check_unguarded(facts, entry)
        facts.figures = await figures(entry, facts)
        # Decide
        decision = policy.tree.decide(facts)
        # List
        demand = LiveDemand(facts)
        route, plan = list_candidates(decision, facts, demand, within, entry)
        # Hold
        entry.planned(plan, entry.draws_on(facts, demand, route))
        call = await next_call(entry)
        # Note
        entry.decided(decision, facts, demand, within)
        if call is None:
            raise refused(decision.rule, plan, entry.refusals)
        # Attempt
        line = await reach_granted(dialect, asked, first, request.headers, entry, call)
        try:
            if answer is None:
                answer = await accept(request, dialect, entry.marked(CIMultiDict()), policy.settings.max_body)
            # Relay
            entry.phase = Phase.DATA
            await relay(request, answer.socket, line, dialect, entry)
        finally:
            line.socket.abort()
        return answer
    except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - each becomes an answer or is raised again
        if answer is not None and entry.phase is not Phase.DATA:
            await refuse(error, request, answer.socket, dialect, entry)
            return answer
        return end_early(error, request, entry, DIALECTS[dialect.refuses_as])
    finally:
        # Settle
        entry.close()


async def reach_granted(
    dialect: SessionDialect,
    asked: SessionAsked,
    first: bytes,
    client: Mapping[str, str],
    entry: SessionEntry,
    call: Call,
) -> Line:
    """Reach an upstream, which uses what was granted once where a session begins by it; raises Failure."""
    grant, gateway = entry.grant, entry.gateway
    if grant is None or grant.dialect is None or resumes(first):
        return await reach(dialect, asked, client, entry, call)
    use(grant, gateway)
    try:
        return await reach(dialect, asked, client, entry, call)
    except BaseException:
        gateway.uses.give_back(grant)
        raise
