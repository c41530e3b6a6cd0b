"""One side of a session as a socket: messages come to whoever listens in the same turn of the loop in which their bytes do.

A session passes on hundreds of small messages a second, so nothing is queued and nobody is woken for one: the listener is
called. Where a message needs time (a hold, a peer that does not take what it is sent), the listener gives back what is to
be waited for; what comes meanwhile waits, and reading from the peer is paused.
"""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Final

from aiohttp import web
from aiohttp.client_proto import ResponseHandler

from routebook.edge.sessions.frames import Broken, Frames, Kind, Message, closing, frame_head, masked

BUFFERED: Final = 64 * 1024
"""Bytes that may wait on either way before whoever sends is made to wait too."""

COPIED: Final = 16 * 1024
"""A payload that is larger is not copied to stand behind its head."""


class Gone(Exception):
    """The other side left without a close."""


Ending = Broken | Gone
Step = Awaitable[object] | None
Listener = Callable[[Message | Ending], Step]
"""Takes what came: a message, or that none will come any more; gives back what must be waited for before the next, which
raises nothing but Gone."""

_VIEW: Final = memoryview(bytearray(BUFFERED))
"""Where bytes of all peers arrive: they are looked at in the same turn of the loop."""


class Socket(asyncio.BufferedProtocol):
    """A connection that has been upgraded. `masks` says that this is the client's end of it. `before` was the
    connection's protocol until now, and is told when the connection is lost."""

    __slots__ = (
        "_before",
        "_draining",
        "_frames",
        "_gone",
        "_listener",
        "_loop",
        "_masks",
        "_paused",
        "_said_close",
        "_transport",
        "_waiting",
        "_work",
        "heard",
        "stalled",
    )

    def __init__(
        self, transport: asyncio.Transport, most: int, masks: bool, before: asyncio.BaseProtocol | None = None
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport = transport
        self._frames: Frames | None = Frames(most, masked=not masks)
        self._masks = masks
        self._before = before
        self._listener: Listener | None = None
        self._waiting: deque[Message | Ending] | None = None
        self._work: asyncio.Task[None] | None = None
        self._draining: list[asyncio.Future[None]] | None = None
        self._paused = False
        self._said_close = False
        self._gone = transport.is_closing()
        self.heard = self._loop.time()
        self.stalled: float | None = None
        """Since when the peer takes nothing (the loop's seconds); None where it does."""
        transport.set_write_buffer_limits(BUFFERED)
        transport.set_protocol(self)

    def __repr__(self) -> str:
        return f"<Socket to a {'server' if self._masks else 'client'}, {'gone' if self._gone else 'open'}>"

    @property
    def is_held_back(self) -> bool:
        """Whether the peer is not listened to at the moment, because what it said before is not done with."""
        return self._paused

    # ---- what the loop calls

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where to put what has arrived. A view: TLS reads one record after the other into slices of it, and a slice of a
        bytearray would be a copy."""
        return _VIEW

    def buffer_updated(self, nbytes: int) -> None:
        """So many bytes have arrived."""
        self.feed(bytes(_VIEW[:nbytes]))

    def eof_received(self) -> None:
        """The peer says no more; the transport closes itself."""

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is no more."""
        self._gone = True
        self._resume_writers()
        self._take(Gone())
        before, self._before = self._before, None
        if before is not None:
            before.connection_lost(exc)

    def pause_writing(self) -> None:
        """The peer takes less than it is sent."""
        self.stalled = self._loop.time()

    def resume_writing(self) -> None:
        """The peer takes again what it is sent."""
        self.stalled = None
        self._resume_writers()

    # ---- what comes

    def feed(self, data: bytes) -> None:
        """Some more bytes of the peer."""
        self.heard = self._loop.time()
        if self._frames is None:
            return
        try:
            for message in self._frames.feed(data):
                self._take(message)
        except Broken as broken:
            self._frames = None
            self._take(broken)

    def listen(self, listener: Listener) -> None:
        """Let this be called with whatever comes, from what has come already on."""
        self._listener = listener
        if self._work is None:
            self._catch_up(None)

    def rest(self) -> None:
        """Let nobody listen any more, and give up whatever a message needs."""
        self._listener = None
        work, self._work = self._work, None
        if work is not None:
            work.cancel()

    async def settle(self, patience: float) -> None:
        """Let nobody listen any more, and wait so many seconds for what the last message needs; then give it up."""
        self._listener = None
        try:
            if self._work is not None:
                await asyncio.wait((self._work,), timeout=patience)
        finally:
            self.rest()

    def unread(self, message: Message) -> None:
        """Put back a message that was received: it comes again, before all others."""
        if self._waiting is None:
            self._waiting = deque()
        self._waiting.appendleft(message)

    async def receive(self) -> Message:
        """The next message, where nobody listens; raises Broken, Gone."""
        found: asyncio.Future[Message | Ending] = self._loop.create_future()

        def take(each: Message | Ending) -> Step:
            self._listener = None
            if not found.done():
                found.set_result(each)
            return None

        self.listen(take)
        try:
            message = await found
        finally:
            self._listener = None
        if isinstance(message, Message):
            return message
        raise message

    def _take(self, message: Message | Ending) -> None:
        if self._work is not None or self._listener is None or self._waiting:
            self._wait_with(message)
            return
        step = self._give(message)
        if step is not None:
            self._catch_up(step)

    def _wait_with(self, message: Message | Ending) -> None:
        if self._waiting is None:
            self._waiting = deque()
        self._waiting.append(message)
        if not self._paused and not self._gone:
            self._paused = True
            self._transport.pause_reading()

    def _give(self, message: Message | Ending) -> Step:
        """To the listener, but for signs of life, which are answered here."""
        if isinstance(message, Message):
            if message.kind is Kind.PING:
                return None if self._gone or self._said_close else self._write(Kind.PONG, message.data)
            if message.kind is Kind.PONG:
                return None
        assert self._listener is not None
        return self._listener(message)

    def _catch_up(self, step: Step) -> None:
        """Give what waits, as far as nothing needs time; what does is waited for by a task."""
        while step is None and self._waiting and self._listener is not None:
            step = self._give(self._waiting.popleft())
        if not self._waiting:
            self._waiting = None  # an empty one takes 760 bytes, in ten thousand sockets of which nobody says a word
        if step is not None:
            self._work = self._loop.create_task(self._work_off(step))
        elif not self._waiting and self._paused:
            self._paused = False
            if not self._gone:
                self._transport.resume_reading()

    async def _work_off(self, step: Awaitable[object]) -> None:
        if not self._paused and not self._gone:
            self._paused = True
            self._transport.pause_reading()
        try:
            await step
        except Gone:
            pass  # whoever is gone says so itself
        if self._work is asyncio.current_task():
            self._work = None
            self._catch_up(None)

    # ---- what goes

    def write(self, kind: Kind, data: bytes) -> Awaitable[None] | None:
        """Send a message; gives back what to wait for where the peer takes less than it is sent. Raises Gone."""
        if self._gone or self._said_close:
            raise Gone
        return self._write(kind, data)

    async def send(self, kind: Kind, data: bytes) -> None:
        """Send a message, and wait until there is room for another; raises Gone."""
        if (step := self.write(kind, data)) is not None:
            await step

    def ping(self) -> None:
        """Ask for a sign of life."""
        if not self._gone and not self._said_close:
            self._write(Kind.PING, b"")

    def abort(self) -> None:
        """Leave without a word."""
        self.rest()
        self._transport.abort()

    async def close(self, code: int, reason: str, patience: float) -> None:
        """Say why, wait so many seconds for the peer to say the same, and leave."""
        self.rest()
        heard: asyncio.Future[None] = self._loop.create_future()

        def take(message: Message | Ending) -> Step:
            if (not isinstance(message, Message) or message.kind is Kind.CLOSE) and not heard.done():
                heard.set_result(None)
            return None

        if not self._gone and not self._said_close:
            self._write(Kind.CLOSE, closing(code, reason))
            self._said_close = True
        if patience and not self._gone:
            self.listen(take)
            await asyncio.wait((heard,), timeout=patience)
        self._listener = None
        self._transport.close()

    def _write(self, kind: Kind, data: bytes) -> Awaitable[None] | None:
        if self._masks:
            mask = os.urandom(4)
            head, data = frame_head(kind, len(data), mask), masked(mask, data)
        else:
            head = frame_head(kind, len(data))
        if len(data) > COPIED:
            self._transport.writelines((head, data))
        else:
            self._transport.write(head + data)
        return None if self.stalled is None else self._drained()

    def _drained(self) -> asyncio.Future[None]:
        """Done as soon as there is room again, or nobody is there any more."""
        room: asyncio.Future[None] = self._loop.create_future()
        if self._draining is None:
            self._draining = []
        self._draining.append(room)
        return room

    def _resume_writers(self) -> None:
        waiting, self._draining = self._draining, None
        for each in waiting or ():
            if not each.done():
                each.set_result(None)


class _Tail:
    """Takes the bytes that a connection of aiohttp's had read beyond the upgrade."""

    __slots__ = ("data",)

    def __init__(self) -> None:
        self.data = b""

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        """Some bytes."""
        self.data += data
        return False, b""

    def feed_eof(self) -> None:
        """No more will come."""


def taken_over(connection: ResponseHandler | web.RequestHandler, most: int) -> Socket:
    """The socket that a connection has become by an upgrade; messages may have `most` bytes. Raises Gone."""
    transport = connection.transport
    if transport is None:
        raise Gone
    tail: Any = _Tail()
    if isinstance(connection, web.RequestHandler):
        connection.set_parser(tail)
        socket = Socket(transport, most, masks=False, before=connection)
    else:
        connection.set_parser(tail, None)
        socket = Socket(transport, most, masks=True)
    transport.resume_reading()
    if tail.data:
        socket.feed(tail.data)
    return socket
