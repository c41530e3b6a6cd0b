"""Connections to upstreams: opened when one is needed, used by one call at a time, kept for the next.

aiohttp's client session does more than a gateway wants (cookies, redirects, proxies of the environment, retries) and
costs as much as everything else that happens to a request. What is used of aiohttp here is its protocol: the parser
in C, the flow control, the ends of bodies.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from collections import deque
from dataclasses import dataclass
from typing import Final

from aiohappyeyeballs import start_connection
from aiohttp.client_proto import ResponseHandler

from routebook.catalogue.reach import Reach
from routebook.edge.reading_on import ReadingOn

IDLE: Final = 15.0
"""Seconds an unused connection is kept: shorter than vendors keep theirs, so that theirs rarely closes under a request
that was just sent."""

HAPPY_EYEBALLS: Final = 0.25
"""Seconds that the first address of a name has before the next is tried beside it (RFC 8305)."""

HEAD_LINE: Final = 16 * 1024
"""Bytes that one header of an answer may have."""

AT_A_TIME: Final = 32 * 1024
"""Bytes that are read off a connection at once. What has been read must be held where a client does not take it: with the
256 KiB that asyncio reads otherwise, and as much again before it stops, one such client would cost 1.4 MiB."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where connections go. The policy says so; nothing that a client sends can."""

    host: str
    port: int
    encrypted: bool
    reach: Reach = Reach.ANY


class Connection(ReadingOn, ResponseHandler):
    """A connection that knows since when something is there that was not taken yet (`arrived`, the loop's seconds; 0.0:
    nothing is)."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self.arrived = 0.0
        self._now = loop.time

    def data_received(self, data: bytes) -> None:
        """Some bytes of the upstream."""
        if not self.arrived:
            self.arrived = self._now()
        super().data_received(data)


class PrivateAddress(OSError):
    """A name leads to addresses that the policy does not allow its provider, and to no others."""


class Connections:
    """The connections of one worker, idle ones by where they go. `trust` is whom TLS trusts (None: whom the system does)."""

    def __init__(self, trust: ssl.SSLContext | None = None) -> None:
        self._idle: dict[Origin, deque[tuple[Connection, float]]] = {}
        self._trust = trust
        self._sweeper: asyncio.TimerHandle | None = None
        self._closed = False

    def __repr__(self) -> str:
        return f"<Connections {sum(map(len, self._idle.values()))} idle to {len(self._idle)} origins>"

    def kept(self, origin: Origin) -> Connection | None:
        """A connection that was used before and still stands, the latest first; None where there is none."""
        idle = self._idle.get(origin)
        while idle:
            connection, _ = idle.pop()
            if connection.is_connected() and not connection.should_close:
                return connection
            connection.close()
        return None

    async def opened(self, origin: Origin) -> Connection:
        """A new connection, name resolved and TLS spoken; raises OSError, PrivateAddress among them.

        What is connected to are the addresses that were looked at: a name that is asked again may have others.
        """
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(origin.host, origin.port, type=socket.SOCK_STREAM)
        allowed = [place for place in found if origin.reach.allows(str(place[-1][0]))]
        if not allowed:
            raise PrivateAddress(errno.EACCES, "no address of it is allowed")
        connected = await start_connection(allowed, happy_eyeballs_delay=HAPPY_EYEBALLS)
        try:
            transport, connection = await loop.create_connection(
                lambda: Connection(loop),
                sock=connected,
                ssl=self._context() if origin.encrypted else None,
                server_hostname=origin.host if origin.encrypted else None,
            )
        except BaseException:
            connected.close()
            raise
        transport.max_size = AT_A_TIME  # type: ignore[attr-defined]  # where a loop knows no such limit, nothing comes of it
        return connection

    def keep(self, origin: Origin, connection: Connection) -> None:
        """Take back a connection whose answer has been read to its end; one that cannot be used again is closed."""
        transport = connection.transport
        if self._closed or connection.should_close or transport is None or transport.get_write_buffer_size():
            connection.close()
            return
        loop = asyncio.get_running_loop()
        self._idle.setdefault(origin, deque()).append((connection, loop.time() + IDLE))
        if self._sweeper is None:
            self._sweeper = loop.call_later(IDLE, self._sweep)

    def close(self) -> None:
        """Close what is idle; what is in use closes when its answer ends."""
        self._closed = True
        if self._sweeper is not None:
            self._sweeper.cancel()
        for idle in self._idle.values():
            for connection, _ in idle:
                connection.close()
        self._idle.clear()

    def _sweep(self) -> None:
        """Close what has been idle for too long, oldest first."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        for origin, idle in tuple(self._idle.items()):
            while idle and idle[0][1] <= now:
                idle.popleft()[0].close()
            if not idle:
                del self._idle[origin]
        self._sweeper = loop.call_later(IDLE, self._sweep) if self._idle else None

    def _context(self) -> ssl.SSLContext:
        if self._trust is None:
            self._trust = ssl.create_default_context()
        return self._trust
