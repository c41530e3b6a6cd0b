"""One request, from its first byte to its last: the steps of `docs/life-of-a-request.md`, under the same headings."""

from __future__ import annotations

import asyncio

import structlog
from aiohttp import web
from multidict import CIMultiDict

from routebook.chat.asked import Asked
from routebook.edge.answers import answer, failure_of, refused
from routebook.edge.attempting import attempt
from routebook.edge.caching import look_up, replay
from routebook.edge.callers import identify
from routebook.edge.deadlines import uncancel
from routebook.edge.discretion import place_of
from routebook.edge.entry import Entry
from routebook.edge.gateway import Gateway
from routebook.edge.guarding import guarded
from routebook.edge.intake import read_body, wanted_within
from routebook.edge.pipelines import Piping, piping_for, speak
from routebook.edge.relay import relay
from routebook.edge.securing import figures, next_call
from routebook.edge.shadowing import begin_shadow
from routebook.edge.sticking import follow, remember
from routebook.edge.translating import Job
from routebook.edge.uploads import receive
from routebook.policy.rules import Decision
from routebook.protocols.codec import Dialect
from routebook.protocols.paths import Found
from routebook.routing.candidates import Plan
from routebook.routing.demand import LiveDemand
from routebook.routing.drawing import RequestDraws
from routebook.routing.endings import Phase
from routebook.routing.facts import RequestFacts
from routebook.routing.outcomes import Caps, Outcome, Route, Within

_log = structlog.get_logger()


async def exchange(request: web.BaseRequest, gateway: Gateway, found: Found) -> web.StreamResponse:
    """Serve one request, for what stands at its path. Whatever happens on the way, its record is complete before its
    last byte is sent."""
    entry = Entry(gateway, found.operation.name)
    policy = entry.policy
    try:
        # Identify
        client = identify(request, gateway, entry.serving)
        # Read
        asked = await read_asked(request, found, entry)
        within = wanted_within(request, asked)
        entry.phase = Phase.ROUTING
        # See
        facts = RequestFacts(asked, client, request.headers, entry.now, policy, gateway.memory, entry.began)
        # Guard
        if policy.guards:
            facts = await guarded(facts, found, request.headers, entry)
        facts.figures = await figures(entry, facts)
        # Decide
        decision = policy.tree.decide(facts)
        # List
        demand = LiveDemand(facts)
        route, plan = list_candidates(decision, facts, demand, within, entry, found.operation.keeps)
        piping = piping_for(decision, plan, facts, demand, within, entry)
        plan = plan if piping is None else piping.text
        # Recall
        draws = entry.draws_on(facts, demand if piping is None else piping.demand, route)
        job = job_of(request, facts, found, caps_of(route, draws), entry, piping)
        reusing = look_up(route, plan, job, client.name, entry)
        # Hold
        entry.planned(plan, draws)
        call = None if entry.is_recalled else await next_call(entry)
        # Note
        entry.decided(decision, facts, demand, within)
        if entry.recalled is not None and entry.recalled.answer is not None:
            return await replay(job, entry.recalled.answer, entry)
        if call is None:
            raise refused(decision.rule, plan, entry.refusals)
        begin_shadow(decision, facts, demand, within, job, entry)
        # Attempt
        reply = await attempt(job, entry, call)
        remember(entry)
        # Relay
        if piping is not None:
            return await speak(request, reply, entry, job, facts.asked, piping)
        return await relay(request, reply if reusing is None else reusing.copying(reply), entry)
    except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - each becomes an answer or is raised again
        return end_early(error, request, entry, found.dialect)
    finally:
        # Settle
        entry.close()


async def read_asked(request: web.BaseRequest, found: Found, entry: Entry) -> Asked:
    """What is asked: all of a body, or a form as far as deciding needs."""
    settings = entry.policy.settings
    if not found.operation.is_form:
        asked: Asked = found.read(await read_body(request, settings), request.headers)
        return asked
    upload = entry.upload = await receive(request, settings)
    wanted = entry.serving.drawing.form_fields
    await upload.read_to_decide(wanted if "model" in found.values else wanted | {"model"})
    asked = found.read_form(upload.form, upload.size, upload.file_size)
    return asked


def job_of(
    request: web.BaseRequest, facts: RequestFacts, found: Found, caps: Caps, entry: Entry, piping: Piping | None
) -> Job:
    """What is to be done, whoever does it; raises Failure where a pipeline cannot do it."""
    job = Job(request, facts.asked, found.dialect, found.operation, caps, facts.client.name, entry.upload)
    return job if piping is None else piping.job_of(job, entry.serving.transcodes)


def list_candidates(
    decision: Decision[Outcome],
    facts: RequestFacts,
    demand: LiveDemand,
    within: Within,
    entry: Entry,
    keeps: bool = False,
) -> tuple[Route, Plan] | tuple[None, None]:
    """The route that was decided and who may serve it; nothing where the decision is a refusal, or no rule matched."""
    rule = decision.rule
    if rule is None or not isinstance(rule.outcome, Route):
        return None, None
    conversation = follow(rule.outcome, facts, entry, within, keeps)
    plan = entry.serving.planner.plan(
        rule.outcome,
        rule.name,
        demand,
        facts,
        facts.client,
        entry.gateway.memory,
        at=entry.began,
        draw=entry.draw,
        asked_within=within,
        conversation=conversation,
    )
    if plan.leader is not None:
        entry.gateway.memory.led(rule.name, plan.leader)
    return rule.outcome, plan


def caps_of(route: Route | None, draws: RequestDraws | None) -> Caps:
    """What is set on the outgoing request: the rule's caps, and the bound that a budget needs."""
    caps = Caps() if route is None else route.caps
    return caps if draws is None else draws.caps(caps)


def end_early(error: BaseException, request: web.BaseRequest, entry: Entry, dialect: Dialect) -> web.StreamResponse:
    """The answer to a request that is not served; where nobody is left to read one, the exception is raised on."""
    failure = failure_of(error, request)
    if failure.code == "gateway.bug":
        _log.error("bug", code=failure.code, id=entry.id, exception=type(error).__name__, place=place_of(error))
    entry.end(failure.status, failure.said, failure.code)
    if failure.is_told and entry.phase is not Phase.DATA:
        if isinstance(error, asyncio.CancelledError):
            uncancel()
        response = answer(failure, entry.marked(CIMultiDict()), dialect)
        if not request.content.is_eof():
            response.force_close()
        return response
    if request.transport is not None:
        request.transport.abort()
    try:
        if isinstance(error, asyncio.CancelledError):
            raise error
        raise ConnectionResetError(failure.message) from None
    finally:
        del error  # its traceback leads to this frame: both would wait for the garbage collector
