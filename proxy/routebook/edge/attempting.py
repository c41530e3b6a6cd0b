"""The way there: one candidate after the other is called, until one begins to answer.

Nothing has been sent to the client while this goes on. So whatever goes wrong here, the next candidate may mend it;
and what is held until then is bounded: a stream up to its first event, or a whole answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from aiohttp import web

from routebook.edge.answers import Failure
from routebook.edge.calls import Call
from routebook.edge.coding import plain
from routebook.edge.deadlines import Deadlines, Wait
from routebook.edge.entry import Entry
from routebook.edge.faults import CallFailed
from routebook.edge.gateway import Access
from routebook.edge.headers import retry_after, upstream_head
from routebook.edge.securing import another_call
from routebook.edge.upstream import Answer, ask, next_bytes, whole
from routebook.protocols.codec import Relaying
from routebook.protocols.dialects import Dialect, Operation
from routebook.protocols.errors import ProtocolError
from routebook.protocols.openai_chat.response import Answered, is_json
from routebook.protocols.openai_chat.stream import StreamReader
from routebook.routing.attempts import AttemptOutcome, Attempts
from routebook.routing.outcomes import Caps

HOLD = 64 * 1024
"""Bytes of comments that a stream may begin with."""


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be done, whoever does it: the request, how its path reads and writes, and the rule's caps."""

    request: web.BaseRequest
    asked: Any
    dialect: Dialect
    operation: Operation
    caps: Caps


@dataclass(frozen=True, slots=True)
class Reply:
    """An upstream's answer that may go to the client: `ready` first, then the rest of it where it is a stream
    (`reader`). `answered` is what a whole answer says of itself."""

    http: Answer
    deadlines: Deadlines
    dialect: Dialect
    ready: bytes
    outcome: AttemptOutcome
    reader: Relaying | None = None
    answered: Answered | None = None


async def attempt(job: Job, entry: Entry, first: Call) -> Reply:
    """Call candidates in the plan's order, the first one to begin with, until one answers; raises Failure where none
    does."""
    call: Call | None = first
    while call is not None:
        reply = await _reply(job, call, entry)
        if reply is not None:
            entry.attempts.commit()
            return reply
        call = await another_call(entry)
    raise _nobody_answered(entry.attempts)


async def _reply(job: Job, call: Call, entry: Entry) -> Reply | None:
    """What may be passed on of a call; None where it failed, or somebody else may do better."""
    entry.calls(call)
    try:
        reply = await _call(job, call, entry)
    except CallFailed as failed:
        entry.called(call, AttemptOutcome(failed.code))
    else:
        entry.called(call, reply.outcome, reply.http.headers, reply.ready)
        failure = reply.outcome.failure
        if failure is None or (failure == "upstream.rejected" and not entry.attempts.has_next):
            return reply
    entry.passes_over(call)
    return None


async def _call(job: Job, call: Call, entry: Entry) -> Reply:
    """One call, up to where its answer may begin; raises CallFailed. Whatever happens, the entry closes it."""
    candidate = call.candidate
    access = entry.serving.access[candidate.key]
    model = candidate.model
    body = job.operation.edit(job.asked, model.upstream_id, model.provider.ask_usage, job.caps)
    head = upstream_head(access.heads[job.operation.upstream_path], job.request.headers, len(body), access.simulated)
    with Deadlines(access.limits) as deadlines:
        http = call.http = await ask(entry.gateway.connections, access.origin, head, body, deadlines)
        deadlines.waits_for(Wait.BYTES)
        if http.is_stream:
            reader = job.dialect.stream(not job.asked.wants_usage)
            ready = await _first_events(http, reader)
            entry.answers(call)
            return Reply(http, deadlines, job.dialect, ready, AttemptOutcome(status=200), reader)
        whole_answer = await whole(http)
        entry.answers(call)
    return _whole_reply(http, deadlines, job.dialect, whole_answer, access, entry.now)


async def _first_events(http: Answer, reader: StreamReader) -> bytes:
    """What may go to the client first, once a whole event is there and none is an error; raises CallFailed."""
    if "Content-Encoding" in http.headers:
        raise CallFailed("upstream.encoded", "it encoded a stream that it was asked for plain")
    held = b""
    while not reader.events and len(held) < HOLD:
        arrived = await next_bytes(http)
        if not arrived:
            raise CallFailed("upstream.cut", "the stream ended before its first event")
        try:
            held += reader.feed(arrived)
        except ProtocolError:
            raise CallFailed("upstream.garbled", "an event without end") from None
    if reader.saw_error:
        raise CallFailed("upstream.error-event", "the stream began with an error")
    return held


def _whole_reply(
    http: Answer, deadlines: Deadlines, dialect: Dialect, body: bytes, access: Access, now: float
) -> Reply:
    """An answer that is all there: what it says of itself, or what is wrong with it; raises CallFailed for nonsense."""
    coding = http.headers.get("Content-Encoding", "identity")
    readable = body if coding == "identity" else plain(body, coding)
    if http.status >= 300:
        outcome = AttemptOutcome(
            status=http.status,
            retry_after=retry_after(http.headers, now),
            error_code=None if readable is None else dialect.error_code(readable),
        )
        return Reply(http, deadlines, dialect, _without(body, access.key), outcome)
    answered = Answered() if readable is None else dialect.answer(readable)
    if readable is not None and answered == Answered() and not is_json(readable):
        raise CallFailed("upstream.garbled", "the answer is not what its dialect says")
    return Reply(http, deadlines, dialect, body, AttemptOutcome(status=http.status), answered=answered)


def _without(body: bytes, key: str | None) -> bytes:
    """A refusal in the upstream's own words, but for our key, should it quote that."""
    return body if key is None else body.replace(key.encode(), b"***")


def _nobody_answered(attempts: Attempts) -> Failure:
    """What the client hears when every candidate failed: the last failure, and how many there were."""
    last = attempts.made[-1]
    code = last.outcome.failure
    assert code is not None
    tried = "the model" if len(attempts.made) == 1 else f"each of {len(attempts.made)} models that were tried"
    said = f" with {last.outcome.status}" if last.outcome.status is not None else ""
    return Failure(code, f"{tried} failed; the last one{said}: {code}", retry_after=attempts.retry_after)
