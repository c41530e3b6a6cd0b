"""Spoken answers of two models: a writer's stream is read as it comes, and each sentence spoken as soon as it is whole.

The client hears them in its own dialect, as it would hear a model that speaks. Every sentence is held and settled by
itself: a budget that runs out ends the answer between two sentences, with an error that says so.
"""

from __future__ import annotations

import asyncio
import base64
import copy
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from typing import Any, Final, cast

import msgspec
from aiohttp import web
from multidict import CIMultiDict

from routebook.chat.asked import Asked
from routebook.chat.assembling import assemble
from routebook.chat.events import (
    AudioDelta,
    AudioSeen,
    Event,
    Failed,
    Finished,
    LogprobsSeen,
    Started,
    TextDelta,
    TranscriptDelta,
    UsageSeen,
)
from routebook.chat.faults import Fault
from routebook.chat.loss import Loss
from routebook.chat.usage import Usage
from routebook.edge.answers import Failure, failure_of, held_back
from routebook.edge.attempting import Reply
from routebook.edge.calls import Call
from routebook.edge.deadlines import Deadlines, Wait, uncancel
from routebook.edge.entry import Entry
from routebook.edge.faults import CallFailed
from routebook.edge.headers import SERVER, upstream_head
from routebook.edge.recoding import as_wanted
from routebook.edge.relay import EventStream, relay
from routebook.edge.translating import Job
from routebook.edge.upstream import ask, next_bytes, whole
from routebook.edge.voice import sounded
from routebook.policy.rules import Decision
from routebook.protocols.codec import ReplyTo
from routebook.routing.attempts import AttemptOutcome
from routebook.routing.candidates import Candidate, Plan
from routebook.routing.demand import Demand, LiveDemand
from routebook.routing.endings import Phase
from routebook.routing.facts import RequestFacts
from routebook.routing.meter import metered
from routebook.routing.outcomes import Outcome, Pipeline, Route, Within
from routebook.routing.pipelines import Sentences, Spoken, Written, applies, sentence_demand, speech_route, text_route
from routebook.sound.converting import cannot_be_made
from routebook.sound.forms import PCM16, media_type_of

AHEAD: Final = 8
"""Events and sentences that the writer may be ahead of the voice."""

USUAL_VOICE: Final = "alloy"
MS_PER_TOKEN: Final = 50
_BLOCK: Final = 0


class Collector:
    """Takes the writer's events (`codec.EventWriter`), of which the client is told nothing yet."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.losses: list[Loss] = []

    def write(self, events: Iterable[Event]) -> bytes:
        """Keep them."""
        self.events += events
        return b""

    def end(self) -> bytes:
        """Nothing has to be written."""
        return b""

    def keep_alive(self) -> bytes:
        """Nothing either."""
        return b""

    def take(self) -> list[Event]:
        """What has come since the last time."""
        taken, self.events = self.events, []
        return taken


class Piping:
    """A pipeline for one request: `text` is the plan for its words, `plan` that for their sound, `demand` what is asked
    of the writer, `collector` has what that says."""

    def __init__(self, pipeline: Pipeline, text: Plan, speech: Plan, facts: RequestFacts, demand: LiveDemand) -> None:
        self.text = text
        self.plan = speech
        self.demand = demand
        self.collector = Collector()
        self._pipeline = pipeline
        self._facts = facts
        self._at = 0
        self._spoken: Spoken | None = None
        self._call: Call | None = None

    def __repr__(self) -> str:
        return f"<Piping {self._spoken}>"

    def job_of(self, job: Job, transcodes: bool) -> Job:
        """The same for the writer; raises Failure where the sound cannot be given in the format that is asked for."""
        self.check_format(job.asked, job.asked.stream, transcodes)
        return msgspec.structs.replace(job, asked=Written(job.asked), collector=self.new_collector)

    def new_collector(self) -> Collector:
        """What takes the events of one more call of a writer."""
        self.collector = Collector()
        return self.collector

    def check_format(self, asked: Any, stream: bool, transcodes: bool) -> None:
        """Raise Failure where the sound cannot be given in the format that is asked for."""
        wish = asked.chat.audio
        why = "" if wish is None or wish.format is None else cannot_be_made(wish.format, stream, transcodes)
        if why:
            raise Failure(
                "request.not-carried", f"the answer cannot be spoken as is asked: {why}", param="audio.format"
            )

    async def say(self, text: str, job: Job, entry: Entry) -> AsyncGenerator[bytes, None]:
        """The samples of a sentence as they come; the next model is tried where nothing has come yet. Raises CallFailed,
        and Failure where nobody may be paid."""
        while True:
            call = await self._secure(text, entry)
            spoken = self._spoken
            assert spoken is not None
            size = 0
            try:
                async with aclosing(self._call_of(call, text, job, entry)) as pieces:
                    async for piece in pieces:
                        if spoken.first_audio is None:
                            spoken.first_audio = entry.elapsed
                        if not size and call.started is not None:
                            sounded(call, entry.elapsed - call.started, entry.gateway)
                        size += len(piece)
                        yield piece
            except CallFailed as failed:
                self._settle(call, text, size, entry, failed.code)
                if size or spoken.sentences or self._at + 1 >= len(self.plan.kept):
                    spoken.failed = failed.code
                    raise
                self._at += 1
                continue
            except BaseException:
                self._settle(call, text, size, entry, "client.gone")
                raise
            self._settle(call, text, size, entry, None)
            return

    async def _secure(self, text: str, entry: Entry) -> Call:
        """A call of whoever speaks, with what the sentence costs at most held."""
        before = len(entry.refusals)
        while self._at < len(self.plan.kept):
            candidate = self.plan.kept[self._at]
            demand = sentence_demand(text, self._facts.asked.model)
            now = entry.now + entry.gateway.till.offset
            draws = entry.serving.drawing.of(self._facts, demand, self._facts.client.name, None, now)
            call = await entry.secure(candidate, draws=draws)
            if call is not None:
                entry.voice.sentences.append(call)
                if self._spoken is None or self._spoken.model != candidate.name:
                    self._spoken = entry.voice.spoken = Spoken(candidate.name, candidate.path, started=entry.elapsed)
                return call
            if self._spoken is not None and self._spoken.sentences:
                break  # another voice in the middle of an answer is no answer
            self._at += 1
        refusals = [refusal for _, refusal in entry.refusals[before:]]
        raise held_back(refusals) if refusals else Failure("policy.no-candidate", "nobody may speak the answer now")

    async def _call_of(self, call: Call, text: str, job: Job, entry: Entry) -> AsyncGenerator[bytes, None]:
        candidate = call.candidate
        access = entry.serving.access[candidate.key]
        body = msgspec.json.encode(self._request(text, candidate, job))
        begun = access.heads.of("/audio/speech", candidate.model.upstream_id)
        head = upstream_head(begun, job.request.headers, len(body), access.simulated)
        call.started = entry.elapsed
        with Deadlines(access.limits) as deadlines:
            http = call.http = await ask(entry.gateway.connections, access.origin, head, body, deadlines)
            deadlines.waits_for(Wait.BYTES)
            if http.status != 200:
                await whole(http)
                outcome = AttemptOutcome(status=http.status)
                raise CallFailed(outcome.failure or "upstream.garbled", "the voice refused")
            held = b""
            while piece := await next_bytes(http):
                piece = held + piece
                held = piece[len(piece) // 2 * 2 :]
                deadlines.waits_for(Wait.CLIENT)
                yield piece[: len(piece) // 2 * 2]
                deadlines.waits_for(Wait.BYTES)

    def _request(self, text: str, candidate: Candidate, job: Job) -> dict[str, Any]:
        wish = job.asked.chat_of_client.audio
        voices, named = candidate.model.voices, None if wish is None else wish.voice
        asked = named if self._pipeline.voice is None else self._pipeline.voice
        voice = voices.get(asked or "*", voices.get("*", asked)) or USUAL_VOICE
        return {"model": candidate.model.upstream_id, "input": text, "voice": voice, "response_format": "pcm"}

    def _settle(self, call: Call, text: str, size: int, entry: Entry, code: str | None) -> None:
        """A sentence is over: what it used is booked, and what it held is let go."""
        spoken = self._spoken
        assert spoken is not None
        ms = size // (PCM16.bytes_per_second // 1000)
        was_heard = code is None or size > 0
        if was_heard:
            prompt = -(-len(text) // 4)
            call.metered = metered(call.candidate.model, None, prompt, -(-ms // MS_PER_TOKEN), True, 0, len(text))
            parts = spoken.parts = spoken.parts or {}
            for kind, cost in call.metered.cost.parts.items():
                parts[kind] = parts.get(kind, 0) + cost
            spoken.cost += call.metered.cost.total
            spoken.characters += len(text)
            spoken.milliseconds += ms
        spoken.sentences += code is None
        metrics, name = entry.gateway.metrics, call.candidate.name
        metrics.attempted(name, call.candidate.account.name, code or "ok")
        metrics.cost(name, call.metered.cost.total)
        entry.is_over(call, AttemptOutcome(code, None if code else 200))


def piping_for(
    decision: Decision[Outcome],
    plan: Plan | None,
    facts: RequestFacts,
    demand: LiveDemand,
    within: Within,
    entry: Entry,
) -> Piping | None:
    """The pipeline that serves a request, where its rule has one, nobody of its route may serve it, and somebody may
    serve either half."""
    rule = decision.rule
    if rule is None or plan is None or plan.kept or not isinstance(rule.outcome, Route):
        return None
    route, name = rule.outcome, rule.name
    writers, voices = text_route(route), speech_route(route)
    if writers is None or voices is None or not applies(route, demand.operation, demand.needs):
        return None
    of_writer = copy.copy(facts)
    of_writer.asked = cast(Asked, Written(facts.asked))
    wanted = LiveDemand(of_writer)

    def planned(to: Route, of: Demand) -> Plan:
        planner, memory = entry.serving.planner, entry.gateway.memory
        return planner.plan(
            to, name, of, facts, facts.client, memory, at=entry.began, draw=entry.draw, asked_within=within
        )

    text, speech = planned(writers, wanted), planned(voices, sentence_demand("", facts.asked.model))
    if not text.kept or not speech.kept:
        return None
    entry.voice.piped = plan, speech
    assert route.pipeline is not None
    return Piping(route.pipeline, text, speech, facts, wanted)


async def speak(
    request: web.BaseRequest, reply: Reply, entry: Entry, job: Job, asked: Any, piping: Piping
) -> web.StreamResponse:
    """Give the client its answer, spoken; `asked` is its own request. When this returns, or raises, the record has its
    end."""
    if reply.status >= 300:
        return await relay(request, reply, entry)
    client = job.dialect.client
    assert client is not None
    to = ReplyTo(asked, entry.id, int(entry.now))
    events = _events(request, reply, entry, job, piping)
    if asked.stream:
        return await _stream(request, reply, entry, events, client.writer(to), client.media_type(asked))
    try:
        answer = assemble([event async for event in events])
        wish = asked.chat.audio
        answer = await as_wanted(answer, None if wish is None else wish.format, entry.serving.transcoder, entry.voice)
        written = client.write_answer(answer, to)
    except (Exception, asyncio.CancelledError) as error:
        entry.end(502, reply.reader or reply.answered, failure_of(error, request).code, 0, reply.losses)
        raise
    entry.end(200, reply.reader or reply.answered, None, _estimated(reply), written.losses)
    headers = entry.marked(_headers("application/json"))
    return web.Response(body=written.body, headers=headers)


def _headers(media_type: str) -> CIMultiDict[str]:
    return CIMultiDict([*SERVER.items(), ("Content-Type", media_type)])


def _estimated(reply: Reply) -> int:
    return 0 if reply.reader is None else reply.reader.estimated_output


async def _stream(
    request: web.BaseRequest,
    reply: Reply,
    entry: Entry,
    events: AsyncGenerator[Event, None],
    writer: Any,
    media_type: str,
) -> web.StreamResponse:
    """Every event as it comes; the record is complete before the last of them goes."""
    stream = EventStream(headers=entry.marked(_headers(media_type)))
    await stream.prepare(request)
    entry.phase = Phase.DATA
    said = reply.reader or reply.answered
    code: str | None = None
    try:
        async with aclosing(events):
            async for event in events:
                if written := writer.write([event]):
                    await stream.write(written)
        last = writer.end()
    except (Exception, asyncio.CancelledError) as error:
        failure = failure_of(error, request)
        entry.end(200, said, failure.code, _estimated(reply), tuple(writer.losses))
        if not failure.is_told:
            raise
        if isinstance(error, asyncio.CancelledError):
            uncancel()
        last = writer.write([Failed(Fault(failure.status, failure.message, failure.shown_code))])
        code = failure.code
    if code is None:
        entry.end(200, said, None, _estimated(reply), tuple(writer.losses))
    await stream.write_eof(last)
    return stream


async def _events(
    request: web.BaseRequest, reply: Reply, entry: Entry, job: Job, piping: Piping
) -> AsyncGenerator[Event, None]:
    """What the client is told: the writer's events with its words spoken, its usage with the sound's tokens, its reason
    to stop after the last word."""
    queue: asyncio.Queue[Event | str | BaseException | None] = asyncio.Queue(AHEAD)
    reading = asyncio.ensure_future(_read(reply, piping.collector, queue))
    last: list[Event] = []
    usage = Usage()
    begun = False
    try:
        while (item := await queue.get()) is not None:
            match item:
                case BaseException():
                    raise item
                case str():
                    if not begun:
                        begun = True
                        yield AudioSeen(_BLOCK, 0, media_type_of(PCM16))
                    yield TranscriptDelta(item, _BLOCK)
                    if item.strip():
                        async with aclosing(piping.say(item, job, entry)) as pieces:
                            async for piece in pieces:
                                yield AudioDelta(base64.b64encode(piece).decode("ascii"), _BLOCK)
                case UsageSeen():
                    usage = item.usage
                case Finished():
                    last.append(item)
                case _:
                    yield item
    finally:
        reading.cancel()
    for event in last:
        yield event
    spoken = 0 if entry.voice.spoken is None else entry.voice.spoken.milliseconds
    yield UsageSeen(msgspec.structs.replace(usage, audio_output=-(-spoken // MS_PER_TOKEN)))


async def _read(reply: Reply, collector: Collector, queue: asyncio.Queue[Event | str | BaseException | None]) -> None:
    """The writer's stream to its end: sentences as they are whole, everything else as it is."""
    sentences = Sentences()
    try:
        with reply.deadlines:
            await _put(collector.take(), sentences, reply, queue)
            while reply.reader is not None and not reply.reader.done:
                assert reply.http is not None
                reply.deadlines.waits_for(Wait.BYTES)
                arrived = await next_bytes(reply.http)
                if arrived:
                    reply.reader.feed(arrived)
                else:
                    reply.reader.end()
                    if not reply.reader.done:
                        raise CallFailed("upstream.cut", "it ended before its end")
                await _put(collector.take(), sentences, reply, queue)
        await queue.put(None)
    except Exception as error:  # noqa: BLE001 - raised where the client can be told
        await queue.put(error)


async def _put(
    events: Iterable[Event],
    sentences: Sentences,
    reply: Reply,
    queue: asyncio.Queue[Event | str | BaseException | None],
) -> None:
    reply.deadlines.waits_for(Wait.CLIENT)
    for event in events:
        match event:
            case TextDelta(text):
                for sentence in sentences.feed(text):
                    await queue.put(sentence)
            case Failed(fault):
                raise CallFailed("upstream.error-event", fault.message[:200])
            case LogprobsSeen():
                pass  # of words that are not told as words
            case Started() | UsageSeen():
                await queue.put(event)
            case _:
                if left := sentences.end():
                    await queue.put(left)
                await queue.put(event)
