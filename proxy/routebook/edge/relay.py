"""The way back: an upstream's answer to its client, byte for byte, or translated where they speak different dialects.

A stream goes through as it comes, one write for each arrival, whole events only. Its end is the protocol's own end and
nothing else: a stream that stops without it is told to the client as an error event, never as an end. An answer that
is not a stream was held until it was complete (`attempting`), so that a cut in it could be mended by another candidate.

In every case the record is complete (`Entry.end`) before the last bytes are written.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections.abc import Awaitable, Callable
from typing import Final, cast

from aiohttp import web
from aiohttp.http import StreamWriter

from routebook.chat.faults import Fault
from routebook.edge.answers import Failure, failure_of, words_of
from routebook.edge.attempting import Reply
from routebook.edge.deadlines import Wait, uncancel
from routebook.edge.entry import Entry
from routebook.edge.faults import CallFailed
from routebook.edge.headers import client_headers
from routebook.edge.metrics import EVENT, MOMENTS
from routebook.edge.upstream import FOREIGN, Answer, in_our_words
from routebook.protocols.codec import Dialect
from routebook.protocols.streams import BYTES_PER_TOKEN, Translated
from routebook.routing.endings import Phase

SMALL: Final = 16 * 1024
"""A write of at most so many bytes to a client that has taken everything so far cannot make it wait."""

SILENCE: Final = 15.0
"""Seconds of silence after which a client is shown that somebody is at work."""

ERROR_EVENT: Final = "upstream.error-event"


async def relay(request: web.BaseRequest, reply: Reply, entry: Entry) -> web.StreamResponse:
    """Give the client its answer; when this returns, or raises, the record has its end."""
    headers = entry.marked(client_headers(reply.headers))
    if reply.http is None:
        headers["x-routebook-estimated"] = "true"
    if reply.outcome.failure is not None:
        headers["x-routebook-error"] = reply.outcome.failure
    if reply.reader is None:
        if entry.voice.listens and reply.status < 300:
            entry.voice.heard(entry.elapsed, entry.gateway)
        size = 0 if entry.operation == "embeddings" else len(reply.ready) // BYTES_PER_TOKEN
        entry.end(reply.status, reply.answered, reply.outcome.failure, size, reply.losses)
        response = web.Response(body=entry.detailed(request.headers, reply.ready), status=reply.status, headers=headers)
        if not request.content.is_eof():
            response.force_close()
        return response
    stream = EventStream(status=reply.status, headers=headers)
    if entry.gateway.draining:
        stream.force_close()
    await stream.prepare(request)
    entry.phase = Phase.DATA
    last = await _pass_on(request, stream, reply, entry)
    with reply.deadlines:
        reply.deadlines.waits_for(Wait.CLIENT)
        await stream.write_eof(last)
    return stream


class EventStream(web.StreamResponse):
    """A response whose head leaves together with its first event: one packet, not two."""

    _send_headers_immediately = False


async def _pass_on(request: web.BaseRequest, stream: EventStream, reply: Reply, entry: Entry) -> bytes:
    """Everything but the last bytes, which are returned: the record is complete, and they may go.

    What is in the loop happens for every event of every stream: it calls what it needs and nothing between.
    """
    reader, http = reply.reader, reply.http
    assert reader is not None and http is not None
    next_bytes = http.content.readany if reply.translated is None else _patiently(request, reply.translated, http)
    try:
        with reply.deadlines:
            ready = entry.detailed_events(request.headers, reply.ready)
            # aiohttp's own, or one that takes what it takes (`sessions.responses`)
            writer, deadlines = cast(StreamWriter, request.writer), reply.deadlines
            inside = entry.gateway.metrics.moments(EVENT, "relayed" if reply.translated is None else "translated")
            since, _ = 0.0, http.since()
            while not reader.done:
                passed = bool(ready)
                if passed:
                    if entry.voice.listens and getattr(reader, "saw_sound", False):
                        entry.voice.heard(entry.elapsed, entry.gateway)
                    if _may_wait(request, ready):
                        deadlines.waits_for(Wait.CLIENT)
                        await writer.write(ready, drain=False)
                        arrived = ready = b""  # a client that takes its time must not be waited for with copies in hand
                        await writer.drain()
                    else:
                        await writer.write(ready)
                deadlines.waits_for(Wait.BYTES)
                if since and passed:
                    took = deadlines.since - since
                    inside[bisect_left(MOMENTS, took)] += 1
                    inside[-1] += took
                try:
                    arrived = await next_bytes()
                except FOREIGN as error:
                    raise in_our_words(error, "upstream.cut") from None
                since = http.since()
                ready = reader.feed(arrived) if arrived else reader.end()
                if not arrived and not reader.done:
                    raise CallFailed(ERROR_EVENT if reader.saw_error else "upstream.cut", "it ended before its end")
    except (Exception, asyncio.CancelledError) as error:
        failure = failure_of(error, request)
        entry.end(reply.status, reader, failure.code, reader.estimated_output, reply.losses)
        if not failure.is_told or getattr(reader, "is_opaque", False):
            raise
        return last_words(failure, error, reply.dialect, reply.translated)
    code = ERROR_EVENT if reader.saw_error else None
    entry.end(reply.status, reader, code, reader.estimated_output, reply.losses)
    return ready


def _patiently(request: web.BaseRequest, translated: Translated, http: Answer) -> Callable[[], Awaitable[bytes]]:
    """The next bytes of an upstream whose own signs of life do not reach the client: while it is silent, the client gets
    some in its own dialect."""

    async def next_bytes() -> bytes:
        while True:
            try:
                async with asyncio.timeout(SILENCE):
                    return await http.content.readany()
            except TimeoutError:
                if alive := translated.keep_alive():
                    await request.writer.write(alive)

    return next_bytes


def last_words(failure: Failure, error: BaseException, dialect: Dialect, translated: Translated | None = None) -> bytes:
    """The failure as the stream's last event; no end mark follows it.

    Where the upstream told an error itself before it stopped, that is what the client has heard already.
    """
    if isinstance(error, asyncio.CancelledError):
        uncancel()
    if failure.code == ERROR_EVENT:
        return b""
    if translated is not None:
        return translated.fail(Fault(failure.status, failure.message, failure.shown_code, failure.param))
    return dialect.error_event(failure.status, failure.message, **words_of(failure, dialect))


def _may_wait(request: web.BaseRequest, data: bytes) -> bool:
    """Whether a write could wait for the client: because it is large, or the client has not taken the last one yet."""
    transport = request.transport
    return len(data) > SMALL or transport is None or transport.get_write_buffer_size() > 0
