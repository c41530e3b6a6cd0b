"""The way there: one candidate after the other is called, until one begins to answer.

Nothing has been sent to the client while this goes on. So whatever goes wrong here, the next candidate may mend it;
and what is held until then is bounded: a stream up to its first event, or a whole answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import msgspec

from routebook.chat.loss import Loss
from routebook.edge.answers import Failure, header_safe, in_seconds
from routebook.edge.calls import Call
from routebook.edge.coding import plain
from routebook.edge.deadlines import Deadlines, Wait
from routebook.edge.entry import Entry
from routebook.edge.faults import CallFailed
from routebook.edge.gateway import Access
from routebook.edge.headers import retry_after, upstream_head
from routebook.edge.hedging import first_to_begin
from routebook.edge.recoding import as_taken, as_wanted
from routebook.edge.securing import another_call
from routebook.edge.translating import COUNTED, Crossing, Errand, Job, count_body, errand_of, in_words
from routebook.edge.upstream import Answer, ask, ask_along, next_bytes, whole
from routebook.protocols.answered import Answered, is_json
from routebook.protocols.codec import Dialect, Relaying
from routebook.protocols.errors import ProtocolError
from routebook.protocols.streams import Translated
from routebook.routing.attempts import AttemptOutcome, Attempts
from routebook.routing.sizes import prompt_tokens

HOLD = 64 * 1024
"""Bytes of comments that a stream may begin with."""


class Reply(msgspec.Struct, frozen=True):
    """An answer that may go to the client: `ready` first, then the rest of it where it is a stream (`reader`; also
    `translated` where it is that). `answered` is what a whole answer says of itself, `lost` what of it could not be said.

    `http` is the upstream's, None where nobody had to be called; `headers` are its own where it is relayed. `told` are
    its own bytes, where it refused.
    """

    http: Answer | None
    deadlines: Deadlines
    dialect: Dialect
    ready: bytes
    outcome: AttemptOutcome
    status: int
    headers: Mapping[str, str]
    reader: Relaying | None = None
    answered: Answered | None = None
    translated: Translated | None = None
    lost: tuple[Loss, ...] = ()
    told: bytes = b""

    @property
    def losses(self) -> tuple[Loss, ...]:
        """What of the answer could not be said to the client, so far."""
        return self.lost if self.translated is None else self.translated.losses


async def attempt(job: Job, entry: Entry, first: Call) -> Reply:
    """Call candidates in the plan's order, the first one to begin with, until one answers; raises Failure where none
    does."""
    call: Call | None = first
    hedge = entry.policy.settings.retries.hedge if job.upload is None and job.collector is None else None
    while call is not None:
        if hedge is None:
            reply = await _reply(job, call, entry)
        else:
            reply = await first_to_begin(partial(_reply, job, entry=entry), call, entry, hedge)
        if reply is not None:
            entry.attempts.commit()
            return reply
        call = None if job.upload is not None and job.upload.is_spent else await another_call(entry)
    raise nobody_answered(entry.attempts)


async def _reply(job: Job, call: Call, entry: Entry) -> Reply | None:
    """What may be passed on of a call; None where it failed, or somebody else may do better."""
    entry.calls(call)
    try:
        reply = await _call(job, call, entry)
    except CallFailed as failed:
        entry.called(call, AttemptOutcome(failed.code))
    else:
        if reply.http is None:
            entry.called(call, reply.outcome)
        else:
            entry.called(call, reply.outcome, reply.http.headers, reply.told)
        failure = reply.outcome.failure
        if failure is None or (failure == "upstream.rejected" and not entry.attempts.has_next):
            entry.passes_on(call)
            return reply
    entry.passes_over(call)
    return None


async def _call(job: Job, call: Call, entry: Entry) -> Reply:
    """One call, up to where its answer may begin; raises CallFailed. Whatever happens, the entry closes it."""
    candidate = call.candidate
    access = entry.serving.access[candidate.key]
    job = await as_taken(job, call, entry.serving.transcoder, entry.voice)
    errand = errand_of(job, candidate, entry)
    if errand is None:
        return _estimated(job, access, entry)
    call.losses = errand.losses
    if errand.refused:
        raise CallFailed("request.not-carried", in_words(errand.losses))
    head = _head(job, errand, candidate.model.upstream_id, access, entry)
    with Deadlines(access.limits) as deadlines:
        connections = entry.gateway.connections
        if job.upload is None:
            http = call.http = await ask(connections, access.origin, head, errand.body, deadlines)
        else:
            pieces = job.upload.pieces(candidate.model.upstream_id, deadlines)
            http = call.http = await ask_along(connections, access.origin, head, pieces, deadlines)
        deadlines.waits_for(Wait.BYTES)
        passing = job.operation.reader is not None and job.operation.answer is None and http.status == 200
        streamed = passing or http.is_stream(errand.media_type)
        if streamed and (errand.crossing is None or job.asked.stream):
            reply = await _streamed_reply(job, http, deadlines, errand)
            entry.answers(call)
            return reply
        whole_answer = await whole(http)
        entry.answers(call)
    if http.status < 300 and errand.crossing is not None:
        return await _told_reply(http, deadlines, job, whole_answer, errand.crossing, streamed, entry)
    return _whole_reply(http, deadlines, job, whole_answer, access, entry.now, errand)


def _head(job: Job, errand: Errand, model: str, access: Access, entry: Entry) -> bytes:
    """The head of a call: of a form with its own type, and without a size where nobody knows that before its end."""
    begun, size = access.heads.of(errand.path, model), len(errand.body)
    ours = errand.headers
    trace = entry.trace.headers
    if job.upload is not None:
        how = ("POST", f"Content-Type: {header_safe(job.upload.content_type)}", "Accept-Encoding: identity")
        begun, length = access.heads.once(errand.path, model, how), job.upload.length(model)
        return upstream_head(begun, job.request.headers, length, access.simulated, errand.forwarded, ours, trace)
    return upstream_head(begun, job.request.headers, size, access.simulated, errand.forwarded, ours, trace)


def _estimated(job: Job, access: Access, entry: Entry) -> Reply:
    """How many tokens the request has, counted here: its upstream has no way to ask. Nobody is called."""
    headers = {"Content-Type": "application/json"}
    body = count_body(job, prompt_tokens(job.asked))
    return Reply(None, Deadlines(access.limits), job.dialect, body, AttemptOutcome(), 200, headers, answered=COUNTED)


async def _streamed_reply(job: Job, http: Answer, deadlines: Deadlines, errand: Errand) -> Reply:
    """A stream, relayed or translated, from its first event on; raises CallFailed."""
    outcome = AttemptOutcome(status=200)
    if errand.crossing is None:
        own = job.operation.reader
        media_type = http.headers.get("Content-Type", "")
        reader: Relaying = job.dialect.stream(not job.asked.wants_usage) if own is None else own(job.asked, media_type)
        ready = await _first_events(http, reader)
        return Reply(http, deadlines, job.dialect, ready, outcome, http.status, http.headers, reader)
    translated = errand.crossing.stream()
    ready = await _first_events(http, translated)
    headers = errand.crossing.headers(http.headers)
    return Reply(http, deadlines, job.dialect, ready, outcome, http.status, headers, translated, translated=translated)


async def _first_events(http: Answer, reader: Relaying) -> bytes:
    """What may go to the client first, once a whole event is there and none is an error; raises CallFailed."""
    if "Content-Encoding" in http.headers:
        raise CallFailed("upstream.encoded", "it encoded a stream that it was asked for plain")
    held, size = b"", 0
    while not reader.events and size < HOLD:
        arrived = await next_bytes(http)
        size += len(arrived)
        try:
            held += reader.feed(arrived) if arrived else reader.end()
        except ProtocolError:
            raise CallFailed("upstream.garbled", "an event without end") from None
        if not arrived and not reader.events:
            raise CallFailed("upstream.cut", "the stream ended before its first event")
    if reader.saw_error:
        raise CallFailed("upstream.error-event", "the stream began with an error")
    return held


async def _told_reply(
    http: Answer, deadlines: Deadlines, job: Job, body: bytes, crossing: Crossing, streamed: bool, entry: Entry
) -> Reply:
    """A whole answer in another dialect; raises CallFailed for nonsense, and Failure where its sound cannot be coded."""
    readable = _readable(http, body)
    if readable is None:
        raise CallFailed("upstream.encoded", "it encoded an answer that it was asked for plain")
    if job.counts:
        told = crossing.counted(readable)
    else:
        wish = job.asked.chat.audio
        wanted = None if wish is None or job.asked.stream else wish.format
        answer = await as_wanted(crossing.read(readable, streamed), wanted, entry.serving.transcoder, entry.voice)
        told = crossing.whole(answer)
    headers = crossing.headers(http.headers)
    outcome = AttemptOutcome(status=http.status)
    return Reply(
        http, deadlines, job.dialect, told.body, outcome, 200, headers, answered=told.answered, lost=told.losses
    )


def _whole_reply(
    http: Answer, deadlines: Deadlines, job: Job, body: bytes, access: Access, now: float, errand: Errand
) -> Reply:
    """An answer that is all there: what it says of itself, or what is wrong with it; raises CallFailed for nonsense."""
    readable = _readable(http, body)
    if readable is not None:
        readable = _without(readable, access.key)  # what it says of itself goes into the record
    if http.status >= 300:
        shown = body if errand.crossing is None or readable is None else readable
        return _refusal(http, deadlines, job, _without(shown, access.key), readable, now, errand)
    found = _said(job, readable, http.headers.get("Content-Type", ""))
    said = COUNTED if job.counts else found
    outcome = AttemptOutcome(status=http.status)
    return Reply(http, deadlines, job.dialect, body, outcome, http.status, http.headers, answered=said)


def _said(job: Job, readable: bytes | None, media_type: str) -> Answered:
    """What an answer says of itself; raises CallFailed where it is none."""
    if readable is None:
        return Answered()
    own = job.operation.answer
    found: Answered | None = job.dialect.answer(readable) if own is None else own(job.asked, media_type, readable)
    if found is None or (own is None and found == Answered() and not is_json(readable)):
        raise CallFailed("upstream.garbled", "the answer is not what its dialect says")
    return found


def _refusal(
    http: Answer, deadlines: Deadlines, job: Job, told: bytes, readable: bytes | None, now: float, errand: Errand
) -> Reply:
    """What an upstream refused, in its own words where it is relayed."""
    wait = retry_after(http.headers, now)
    code = None if readable is None else errand.spoken.error_code(readable)
    outcome = AttemptOutcome(status=http.status, retry_after=wait, error_code=code)
    if errand.crossing is None:
        return Reply(http, deadlines, job.dialect, told, outcome, http.status, http.headers, told=told)
    status, ready, said = errand.crossing.refusal(http.status, told, wait)
    headers = errand.crossing.headers(http.headers, failed=True)
    if wait is None and said is not None:
        outcome = AttemptOutcome(status=http.status, retry_after=said, error_code=outcome.error_code)
        headers["Retry-After"] = str(in_seconds(said))
    return Reply(http, deadlines, job.dialect, ready, outcome, status, headers, told=told)


def _readable(http: Answer, body: bytes) -> bytes | None:
    coding = http.headers.get("Content-Encoding", "identity")
    return body if coding == "identity" else plain(body, coding)


def _without(body: bytes, key: str | None) -> bytes:
    """The upstream's own words, but for our key, should it quote that."""
    return body if key is None else body.replace(key.encode(), b"***")


def nobody_answered(attempts: Attempts) -> Failure:
    """What the client hears when every candidate failed: the last failure, and how many there were."""
    last = attempts.made[-1]
    code = last.outcome.failure
    assert code is not None
    if code == "request.not-carried":
        return Failure(code, f"the model cannot be told everything that is asked: {in_words(last.losses)}")
    tried = "the model" if len(attempts.made) == 1 else f"each of {len(attempts.made)} models that were tried"
    said = f" with {last.outcome.status}" if last.outcome.status is not None else ""
    return Failure(code, f"{tried} failed; the last one{said}: {code}", retry_after=attempts.retry_after)
