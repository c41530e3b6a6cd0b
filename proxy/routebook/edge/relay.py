"""The way back: an upstream's answer to its client, byte for byte.

A stream goes through as it comes, one write for each arrival, whole events only. Its end is the protocol's own end and
nothing else: a stream that stops without it is told to the client as an error event, never as an end. An answer that
is not a stream was held until it was complete (`attempting`), so that a cut in it could be mended by another candidate.

In every case the record is complete (`Entry.end`) before the last bytes are written.
"""

from __future__ import annotations

import asyncio
from typing import Final

from aiohttp import web

from routebook.edge.answers import Failure, failure_of
from routebook.edge.attempting import Reply
from routebook.edge.deadlines import Wait
from routebook.edge.entry import Entry
from routebook.edge.faults import CallFailed
from routebook.edge.headers import client_headers
from routebook.edge.upstream import FOREIGN, in_our_words
from routebook.protocols.dialects import Dialect
from routebook.protocols.openai_chat.stream import BYTES_PER_TOKEN
from routebook.routing.endings import Phase

SMALL: Final = 16 * 1024
"""A write of at most so many bytes to a client that has taken everything so far cannot make it wait."""

ERROR_EVENT: Final = "upstream.error-event"


async def relay(request: web.BaseRequest, reply: Reply, entry: Entry) -> web.StreamResponse:
    """Give the client its answer; when this returns, or raises, the record has its end."""
    headers = entry.marked(client_headers(reply.http.headers))
    if reply.outcome.failure is not None:
        headers["x-routebook-error"] = reply.outcome.failure
    if reply.reader is None:
        answer_tokens = 0 if entry.operation == "embeddings" else len(reply.ready) // BYTES_PER_TOKEN
        entry.end(reply.http.status, reply.answered, reply.outcome.failure, answer_tokens)
        return web.Response(body=reply.ready, status=reply.http.status, headers=headers)
    stream = EventStream(status=reply.http.status, headers=headers)
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
    reader = reply.reader
    assert reader is not None
    try:
        with reply.deadlines:
            ready = reply.ready
            content, writer, deadlines = reply.http.content, request.writer, reply.deadlines
            while not reader.done:
                if ready:
                    if _may_wait(request, ready):
                        deadlines.waits_for(Wait.CLIENT)
                    await writer.write(ready)
                deadlines.waits_for(Wait.BYTES)
                try:
                    arrived = await content.readany()
                except FOREIGN as error:
                    raise in_our_words(error, "upstream.cut") from None
                if not arrived:
                    raise CallFailed(ERROR_EVENT if reader.saw_error else "upstream.cut", "it ended before its end")
                ready = reader.feed(arrived)
    except (Exception, asyncio.CancelledError) as error:
        failure = failure_of(error, request)
        entry.end(reply.http.status, reader, failure.code, reader.estimated_output)
        if not failure.is_told:
            raise
        return last_words(failure, error, reply.dialect)
    entry.end(reply.http.status, reader, ERROR_EVENT if reader.saw_error else None, reader.estimated_output)
    return ready


def last_words(failure: Failure, error: BaseException, dialect: Dialect) -> bytes:
    """The failure as the stream's last event; no end mark follows it.

    Where the upstream told an error itself before it stopped, that is what the client has heard already.
    """
    if isinstance(error, asyncio.CancelledError) and (task := asyncio.current_task()) is not None:
        task.uncancel()
    if failure.code == ERROR_EVENT:
        return b""
    return dialect.error_event(failure.status, failure.message, type=failure.kind.type, code=failure.shown_code)


def _may_wait(request: web.BaseRequest, data: bytes) -> bool:
    """Whether a write could wait for the client: because it is large, or the client has not taken the last one yet."""
    transport = request.transport
    return len(data) > SMALL or transport is None or transport.get_write_buffer_size() > 0
