"""The public listener: connections in, exchanges out.

aiohttp's low-level server without an application router: the table of routes is closed, and nothing of what a client
sent (a bad header line may hold its key) is ever echoed or logged.
"""

from __future__ import annotations

import asyncio
import logging
import socket

from aiohttp import web

from routebook.edge.gateway import Gateway

KEEPALIVE = 75.0
"""Seconds a client's connection may be idle; it also bounds the time a client may take to send a head."""

GRACE = 0.5
"""Seconds between no longer accepting and closing idle connections, for requests that are already on their way."""


class Listener:
    """One worker's side of the listening socket."""

    def __init__(self, gateway: Gateway, server: web.Server, acceptor: asyncio.Server) -> None:
        self.gateway = gateway
        self._server = server
        self._acceptor = acceptor

    @property
    def open_exchanges(self) -> int:
        """Requests begun and not ended."""
        return self.gateway.metrics.in_progress

    def stop_accepting(self) -> None:
        """Leave new connections to others; those that are open go on."""
        self._acceptor.close()

    async def drain(self, seconds: float) -> None:
        """Stop accepting, let running exchanges end for at most so long, cut what is left, close every connection."""
        self.stop_accepting()
        await asyncio.sleep(min(GRACE, seconds))
        self._server.pre_shutdown()
        await self._server.shutdown(seconds)
        await self.gateway.close()


async def start_server(gateway: Gateway, sock: socket.socket) -> Listener:
    """Serve on a bound socket (listening or not yet) until the returned listener is drained."""

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=404)

    server = web.Server(handle, handler_cancellation=True, keepalive_timeout=KEEPALIVE,  # type: ignore[arg-type]
                        logger=logging.getLogger("routebook.http"), access_log=None)
    acceptor = await asyncio.get_running_loop().create_server(server, sock=sock, backlog=4096)
    return Listener(gateway, server, acceptor)
