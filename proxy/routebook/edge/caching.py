"""Answers used again, where a rule says so (`cache:`): looked up before anything is called, kept while they pass, and
replayed as they went out the first time. What may share an answer, and for how long, is in `routing.answer_cache`.

Only what came to its protocol's own end is kept; a copy of anything else goes with the exchange that made it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import msgspec
from aiohttp import web
from multidict import CIMultiDict

from routebook.catalogue.models import Model
from routebook.chat.usage import Usage
from routebook.edge.answers import failure_of
from routebook.edge.attempting import Reply
from routebook.edge.deadlines import Deadlines, Wait
from routebook.edge.entry import Entry
from routebook.edge.headers import SERVER
from routebook.edge.metering import sound_of
from routebook.edge.relay import EventStream, last_words
from routebook.edge.translating import Job
from routebook.protocols.codec import Relaying
from routebook.routing.answer_cache import Kept, Recalled, is_worth_keeping, key_of, replayed_headers, wish_of
from routebook.routing.candidates import Candidate, Plan
from routebook.routing.endings import Phase
from routebook.routing.outcomes import Reuse, Route

PIECE: Final = 16 * 1024
"""Bytes of a stream's events that are kept together, and are written together when they are replayed."""


class Reusing:
    """One request under a rule that keeps answers: what was found for it, and what becomes of its own."""

    def __init__(self, reuse: Reuse, job: Job, client: str, entry: Entry) -> None:
        self._reuse = reuse
        self._job = job
        self._client = None if reuse.shared else client
        self._entry = entry
        self._cache = entry.gateway.cache
        self._wish = wish_of(",".join(job.request.headers.getall("Cache-Control", ())))
        self._keys: dict[str, bytes] = {}

    def __repr__(self) -> str:
        return f"<Reusing for {self._reuse.seconds:g} s, {'all' if self._client is None else 'one client'}>"

    def recall(self, candidate: Candidate) -> Recalled:
        """What is kept of the one who would be called."""
        if not self._wish.takes:
            return Recalled(candidate.model, bypass=self._wish.word)
        at = self._entry.gateway.clock.monotonic()
        found = self._cache.find(self._key(candidate), at, self._reuse, self._wish.max_age)
        return Recalled(candidate.model) if found is None else Recalled(candidate.model, *found)

    def copying(self, reply: Reply) -> Reply:
        """The reply, of which a copy is kept once it is whole; whoever answered, it is kept as theirs."""
        candidate = self._entry.answering
        if not self._wish.keeps or reply.outcome.failure is not None or candidate is None:
            return reply
        key = self._key(candidate)
        if reply.reader is None:
            if is_worth_keeping(self._job.operation.name, reply.status, reply.answered):
                self._keep(key, self._kept(reply, (reply.ready,)))
            return reply

        def whole(reader: Relaying, pieces: tuple[bytes, ...]) -> None:
            if not reader.saw_error and is_worth_keeping(self._job.operation.name, reply.status, reader):
                self._keep(key, self._kept(reply, pieces))

        room = self._cache.room.entry
        return msgspec.structs.replace(reply, reader=Copying(reply.reader, reply.ready, room, whole))

    def _kept(self, reply: Reply, pieces: tuple[bytes, ...]) -> Kept:
        entry, said = self._entry, reply.answered if reply.reader is None else reply.reader
        return Kept(
            record=entry.id,
            rule=entry.rule,
            at=entry.gateway.clock.monotonic(),
            seconds=self._reuse.seconds,
            status=reply.status,
            headers=replayed_headers(reply.headers.items()),
            pieces=pieces,
            stream=reply.reader is not None,
            usage=None if said is None else said.usage,
            finish_reason=None if said is None else said.finish_reason,
            model=None if said is None else said.model,
        )

    def _keep(self, key: bytes, answer: Kept) -> None:
        if self._cache.keep(key, answer):
            self._entry.gateway.metrics.kept(answer.rule, self._cache.sizes)

    def _key(self, candidate: Candidate) -> bytes:
        key = self._keys.get(candidate.name)
        if key is None:
            key = self._keys[candidate.name] = self._worked_out(candidate.model)
        return key

    def _worked_out(self, model: Model) -> bytes:
        job = self._job
        return key_of(
            self._entry.gateway.cache_secret,
            job.operation.name,
            job.dialect.name,
            model,
            job.operation.edit(job.asked, model.upstream_id, model.provider.ask_usage, job.caps),
            job.asked.stream and job.asked.wants_usage,
            job.request.headers,
            self._client,
        )


class Copying:
    """A stream's reader that keeps what it passes on, up to `most` bytes, and hands all of it to `whole` at the end."""

    def __init__(
        self, reader: Relaying, ready: bytes, most: int, whole: Callable[[Relaying, tuple[bytes, ...]], None]
    ) -> None:
        self._reader = reader
        self._whole = whole
        self._left = most
        self._last = bytearray()
        self._pieces: list[bytes] = []
        self._take(ready)

    def __repr__(self) -> str:
        return f"<Copying {self._reader!r}, {len(self._pieces)} pieces>"

    def feed(self, chunk: bytes) -> bytes:
        """What may go to the client now."""
        passed = self._reader.feed(chunk)
        self._take(passed)
        return passed

    def end(self) -> bytes:
        """What may still go to the client now that the connection has ended in order."""
        passed = self._reader.end()
        self._take(passed)
        return passed

    @property
    def id(self) -> str | None:
        """The answer's id."""
        return self._reader.id

    @property
    def error_code(self) -> str | None:
        """The code of an error that the upstream told."""
        return self._reader.error_code

    @property
    def events(self) -> int:
        """How many events have passed."""
        return self._reader.events

    @property
    def done(self) -> bool:
        """Whether the protocol's own end has come."""
        return self._reader.done

    @property
    def saw_error(self) -> bool:
        """Whether the upstream told an error."""
        return self._reader.saw_error

    @property
    def usage(self) -> Usage | None:
        """What was used, as the upstream counted."""
        return self._reader.usage

    @property
    def finish_reason(self) -> str | None:
        """Why the model stopped."""
        return self._reader.finish_reason

    @property
    def model(self) -> str | None:
        """The model that served, in the vendor's words."""
        return self._reader.model

    @property
    def estimated_output(self) -> int:
        """Tokens that came out, by their size."""
        return self._reader.estimated_output

    @property
    def estimated_sound(self) -> int:
        """How many of these are of sound."""
        return sound_of(self._reader)

    def _take(self, passed: bytes) -> None:
        self._left -= len(passed)
        if self._left < 0:
            self._pieces, self._last = [], bytearray()
            return
        self._last += passed
        if len(self._last) >= PIECE or self._reader.done:
            self._pieces.append(bytes(self._last))
            self._last = bytearray()
        if self._reader.done:
            self._whole(self._reader, tuple(self._pieces))


def look_up(route: Route | None, plan: Plan | None, job: Job, client: str, entry: Entry) -> Reusing | None:
    """See whether the answer is kept that the first candidate would give; the entry knows it from here on. None where
    the rule keeps no answers, or nobody may serve the request."""
    if route is None or plan is None or route.cache is None or not plan.kept:
        return None
    if job.upload is not None or job.collector is not None:  # a form is not held whole, and a voice is not the answer's
        return None
    reusing = Reusing(route.cache, job, client, entry)
    entry.recalled = reusing.recall(plan.kept[0])
    return reusing


async def replay(job: Job, answer: Kept, entry: Entry) -> web.StreamResponse:
    """Give the client an answer that was kept: a stream as the same events, some of them in one write. As everywhere,
    the record is complete before the last bytes go."""
    headers = entry.marked(CIMultiDict([*SERVER.items(), *answer.headers]))
    if not answer.stream:
        entry.end(answer.status, answer)
        return web.Response(body=answer.pieces[0], status=answer.status, headers=headers)
    stream = EventStream(status=answer.status, headers=headers)
    if entry.gateway.draining:
        stream.force_close()
    await stream.prepare(job.request)
    entry.phase = Phase.DATA
    deadlines = Deadlines(entry.serving.access[entry.attempts.first.key].limits)
    last = await _all_but_the_last(job, stream, answer, entry, deadlines)
    with deadlines:
        deadlines.waits_for(Wait.CLIENT)
        await stream.write_eof(last)
    return stream


async def _all_but_the_last(job: Job, stream: EventStream, answer: Kept, entry: Entry, deadlines: Deadlines) -> bytes:
    """Write every piece but the last, which is returned; or the words in which a failure is told."""
    try:
        with deadlines:
            for piece in answer.pieces[:-1]:
                deadlines.waits_for(Wait.CLIENT)
                await stream.write(piece)
    except (Exception, asyncio.CancelledError) as error:
        failure = failure_of(error, job.request)
        entry.end(answer.status, answer, failure.code)
        if not failure.is_told:
            raise
        return last_words(failure, error, job.dialect)
    entry.end(answer.status, answer)
    return answer.pieces[-1]
