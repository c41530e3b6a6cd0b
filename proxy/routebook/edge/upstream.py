"""Calls of upstreams. What can go wrong on a wire arrives here in foreign words and leaves as a `CallFailed`."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from typing import Final

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.http_parser import RawResponseMessage
from aiohttp.streams import EofStream, StreamReader
from multidict import CIMultiDictProxy

from routebook.edge.connections import HEAD_LINE, Connection, Connections, Origin, PrivateAddress
from routebook.edge.deadlines import Deadlines, Wait
from routebook.edge.faults import CallFailed

ANSWER_BYTES: Final = 64 * 1024 * 1024
"""The largest answer that is held whole; a stream is never held."""

LINGER: Final = 1.0
"""Seconds that an upstream has, after the last event of a stream, to finish its body, so that its connection can be
used again."""

RACE: Final = 1.0
"""Seconds within which an upstream that closes an idle connection is known to have done so. Later it was at work."""

JOINED: Final = 64 * 1024
"""A body of at most so many bytes leaves in one piece with its head."""

AHEAD: Final = 16 * 1024
"""Bytes of an answer that wait to be taken before less is read; at twice as many nothing more is."""

FOREIGN: Final = (aiohttp.ClientError, HttpProcessingError, EofStream, OSError)
"""What is raised when something is wrong with a wire; a time-out is an OSError."""


class Answer:
    """An upstream's answer, of which the head has arrived. Its connection is kept when the body has been read to its
    end, and gone after `close`."""

    __slots__ = ("_connection", "_connections", "_origin", "content", "headers", "status")

    def __init__(
        self,
        message: RawResponseMessage,
        content: StreamReader,
        connection: Connection,
        origin: Origin,
        connections: Connections,
    ) -> None:
        self.status = message.code
        self.headers: CIMultiDictProxy[str] = message.headers
        self.content = content
        self._connection: Connection | None = connection
        self._origin = origin
        self._connections = connections
        content.on_eof(self._ended)

    def __repr__(self) -> str:
        return f"<Answer {self.status}, {'open' if self._connection is not None else 'closed'}>"

    def is_stream(self, media_type: str) -> bool:
        """Whether it is a stream, of what its dialect streams as."""
        return self.status == 200 and self.headers.get("Content-Type", "").startswith(media_type)

    @property
    def is_whole(self) -> bool:
        """Whether all of the body has arrived."""
        return self.content.is_eof()

    def since(self) -> float:
        """Since when what is taken now was there (the loop's seconds); 0.0 where the body has come to its end, and its
        connection may be another call's."""
        connection = self._connection
        if connection is None:
            return 0.0
        arrived, connection.arrived = connection.arrived, 0.0
        return arrived

    def close(self) -> None:
        """Leave: the upstream sees it at once. Nothing happens where the answer is over."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.abort()

    def _ended(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            self._connections.keep(self._origin, connection)


async def ask(connections: Connections, origin: Origin, head: bytes, body: bytes, deadlines: Deadlines) -> Answer:
    """Send a request and wait for the head of its answer, whatever its status; raises CallFailed.

    A connection that was kept may be closed by the upstream at the moment a request is on its way. No head comes back
    then, and the request is sent again, at last on a connection that was opened for it. An upstream that leaves later
    may have worked: what it did may be billed, so nothing is sent to it twice.
    """
    kept = connections.kept(origin)
    while True:
        try:
            connection = await connections.opened(origin) if kept is None else kept
        except OSError as error:
            raise not_connected(error) from None
        deadlines.waits_for(Wait.HEAD)
        try:
            return await _asked(connection, head, body, origin, connections)
        except FOREIGN as error:
            if kept is None or deadlines.waited > RACE or not isinstance(error, aiohttp.ClientConnectionError):
                raise in_our_words(error, "upstream.disconnected") from None
            let_go(error)
        deadlines.waits_for(Wait.CONNECTION)
        kept = connections.kept(origin)


async def ask_along(
    connections: Connections, origin: Origin, head: bytes, pieces: AsyncIterator[bytes], deadlines: Deadlines
) -> Answer:
    """Send a request whose body is still coming, no faster than the upstream takes it, and wait for the head of its
    answer; raises CallFailed, and whatever `pieces` raise.

    An upstream may refuse before it has taken everything: then nothing more is sent. It is always a new connection that
    is used, because what has been passed on may not be there to be sent again.
    """
    try:
        connection = await connections.opened(origin)
    except OSError as error:
        raise not_connected(error) from None
    deadlines.waits_for(Wait.HEAD)
    _expect_answer(connection)
    chunked = head.endswith(b"Transfer-Encoding: chunked\r\n\r\n")
    sending = asyncio.ensure_future(_send(connection, head, pieces, chunked))
    reading = asyncio.ensure_future(connection.read())
    try:
        await asyncio.wait((sending, reading), return_when=asyncio.FIRST_COMPLETED)
        if sending.done():
            sending.result()
        message, content = await reading
        if not sending.done() and message.code < 300:
            await sending
        elif not sending.done():
            connection.force_close()
    except FOREIGN as error:
        connection.abort()
        if sending.done() and error is sending.exception():
            raise  # it is the client's: what an upstream does not take is no exception
        raise in_our_words(error, "upstream.disconnected") from None
    except BaseException:
        connection.abort()
        raise
    finally:
        sending.cancel()
        reading.cancel()
    return Answer(message, content, connection, origin, connections)


def _expect_answer(connection: Connection) -> None:
    connection.set_response_params(
        read_until_eof=True, auto_decompress=False, read_bufsize=AHEAD, max_field_size=HEAD_LINE
    )


async def _send(connection: Connection, head: bytes, pieces: AsyncIterator[bytes], chunked: bool) -> None:
    """All of a body. That an upstream takes no more is no failure here: its answer, or the lack of one, says why."""
    await _write(connection, head)
    async for piece in pieces:
        sent = await _write(connection, b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
        if not sent:
            return
    if chunked:
        await _write(connection, b"0\r\n\r\n")


async def _write(connection: Connection, data: bytes) -> bool:
    transport = connection.transport
    if transport is None or transport.is_closing():
        return False
    transport.write(data)
    try:
        await connection._drain_helper()
    except FOREIGN:
        return False
    return True


async def _asked(connection: Connection, head: bytes, body: bytes, origin: Origin, connections: Connections) -> Answer:
    transport = connection.transport
    if transport is None:
        raise aiohttp.ServerDisconnectedError
    try:
        _expect_answer(connection)
        if len(body) <= JOINED:
            transport.write(head + body)
        else:
            transport.write(head)
            transport.write(body)
        message, content = await connection.read()
        while message.code < 200:
            if message.code == 101:
                raise CallFailed("upstream.garbled", "it changed the protocol unasked")
            message, content = await connection.read()
    except BaseException:
        connection.abort()
        raise
    return Answer(message, content, connection, origin, connections)


async def next_bytes(answer: Answer) -> bytes:
    """What has arrived of an answer, as soon as there is something; empty at its end. Raises CallFailed."""
    try:
        return await answer.content.readany()
    except FOREIGN as error:
        raise in_our_words(error, "upstream.cut") from None


async def whole(answer: Answer, limit: int = ANSWER_BYTES) -> bytes:
    """All of an answer; raises CallFailed where it is cut or larger than `limit`."""
    first = answer.content.read_nowait() if _is_there(answer.content) else await next_bytes(answer)
    if answer.content.at_eof():
        return first
    parts = [first]
    size = len(first)
    while part := await next_bytes(answer):
        parts.append(part)
        size += len(part)
        if size > limit:
            raise CallFailed("upstream.too-large", f"the answer is larger than {limit} bytes")
    return b"".join(parts)


def _is_there(content: StreamReader) -> bool:
    """Whether a body has arrived to its end, and well."""
    return content.is_eof() and content.exception() is None


async def finish(answer: Answer) -> None:
    """Give an upstream a moment to finish a body of which everything that matters is known; then let go of it."""
    try:
        async with asyncio.timeout(LINGER):
            while await answer.content.readany():
                pass
    except FOREIGN as error:
        let_go(error)
    finally:
        answer.close()


def let_go(error: Exception) -> None:
    """Have an exception forget the frames that it came through. aiohttp keeps it with the connection, which those frames
    know: both would wait for the garbage collector."""
    error.__traceback__ = None


def not_connected(error: OSError) -> CallFailed:
    """Why no connection came about."""
    if isinstance(error, PrivateAddress):
        return CallFailed("upstream.private-address", "its name leads to a private address")
    trouble = "no connection that can be trusted" if isinstance(error, ssl.SSLError) else "no connection"
    return CallFailed("upstream.unreachable", trouble)


def in_our_words(error: Exception, when_cut: str) -> CallFailed:
    """A foreign exception as a CallFailed."""
    let_go(error)
    match error:
        case aiohttp.ClientPayloadError():
            return CallFailed("upstream.cut", "the answer was cut")
        case HttpProcessingError():
            return CallFailed("upstream.garbled", "the answer is not HTTP")
    return CallFailed(when_cut, "the connection was lost")
