"""The public listener: connections in, exchanges out.

aiohttp's low-level server without an application router: the table of paths is closed (`protocols.paths`), and
nothing of what a client sent is ever echoed or logged (a bad header line may hold its key).
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from typing import Any, Final

import structlog
from aiohttp import web
from aiohttp.http_parser import HttpRequestParser
from multidict import CIMultiDict

from routebook.edge import feedback
from routebook.edge.answers import Failure, answer
from routebook.edge.askers import asker_at, models_at
from routebook.edge.discretion import QUIET, DiscreetConnection
from routebook.edge.exchange import exchange
from routebook.edge.gateway import Gateway
from routebook.edge.intake import is_plainly_framed
from routebook.edge.listing import show_models
from routebook.edge.sessions import live_tokens, responses, secrets
from routebook.edge.sessions.handshake import is_upgrade
from routebook.edge.sessions.session import converse
from routebook.edge.shedding import RETRY_AFTER, Room, Shed
from routebook.edge.tls.pair import HANDSHAKE_SECONDS, SHUTDOWN_SECONDS
from routebook.protocols.dialects import DIALECTS, PATHS
from routebook.protocols.session_dialects import session_at

KEEPALIVE = 75.0
"""Seconds a client's connection may be idle; it also bounds the time a client may take to send a head."""

UNTAKEN: Final = 16 * 1024
"""Bytes that a client has not taken from which on nothing more is written to it: what the kernel holds for it comes on top."""

GRACE = 0.5
"""Seconds between no longer accepting and closing idle connections, for requests that are already on their way."""

LINGER: Final = 1.0
"""Seconds for which the rest of a refused body is read and thrown away, so that its sender gets to read why."""

UNREAD_MS: Final = 120_000
"""Milliseconds after which the kernel drops a client that takes nothing of what it was sent."""

BACKLOG = 4096

_BESIDE: Final = secrets.PATHS | live_tokens.PATHS | {feedback.PATH}
"""Paths of requests that no model answers."""

_log = structlog.get_logger()


class Listener:
    """One worker's side of the listening socket."""

    def __init__(self, gateway: Gateway, server: _Server, sock: socket.socket) -> None:
        self.gateway = gateway
        self._server = server
        self._sock = sock
        self._acceptor: asyncio.Server | None = None

    def __repr__(self) -> str:
        return f"<Listener {self.open_exchanges} exchanges on {len(self._server.connections)} connections>"

    @property
    def open_exchanges(self) -> int:
        """Requests begun and not ended."""
        return len(self._server.running)

    async def accept(self, context: ssl.SSLContext | None) -> None:
        """Accept connections, in TLS where a context says how. Called again, connections that come from then on get the
        new one; those that are open, and those that wait to be accepted, are kept."""
        if self.gateway.draining:
            return
        before = self._acceptor
        encrypted = context is not None
        self._acceptor = await asyncio.get_running_loop().create_server(
            self._server,
            sock=self._sock.dup(),
            backlog=BACKLOG,
            ssl=context,
            ssl_handshake_timeout=HANDSHAKE_SECONDS if encrypted else None,
            ssl_shutdown_timeout=SHUTDOWN_SECONDS if encrypted else None,
        )
        if before is not None:
            before.close()

    def stop_accepting(self) -> None:
        """Leave new connections to others; those that are open go on, and are told to close after their answer."""
        self.gateway.draining = True
        for leave in tuple(self.gateway.leaving):
            leave()
        if self._acceptor is not None:
            self._acceptor.close()
        self._sock.close()

    async def drain(self, seconds: float) -> None:
        """Stop accepting, let running exchanges end for at most so long, cut what is left, close every connection.

        A stream that is cut gets its dialect's error event, and every exchange its record.
        """
        self.stop_accepting()
        deadline = asyncio.get_running_loop().time() + seconds
        await asyncio.sleep(min(GRACE, seconds))
        self._server.pre_shutdown()
        while self._server.running and asyncio.get_running_loop().time() < deadline:
            await asyncio.wait(self._server.running, timeout=deadline - asyncio.get_running_loop().time())
        for task in self._server.running:
            task.cancel()
        if self._server.running:
            await asyncio.wait(self._server.running, timeout=1.0)
        await self._server.shutdown(1.0)
        await self.gateway.close()


async def start_server(gateway: Gateway, sock: socket.socket, context: ssl.SSLContext | None = None) -> Listener:
    """Serve on a bound socket (listening or not yet), in TLS where a context says how, until the returned listener is
    drained."""
    if sock.family in (socket.AF_INET, socket.AF_INET6):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNREAD_MS)
    if HttpRequestParser.__module__ == "aiohttp.http_parser":
        _log.warning("slow parser", reason="aiohttp was installed without its C extensions")
    listener = Listener(gateway, _Server(gateway), sock)
    await listener.accept(context)
    return listener


class _Server(web.Server):
    """aiohttp's server with connections of our own kind; knows the exchanges that are running."""

    def __init__(self, gateway: Gateway) -> None:
        super().__init__(self._dispatch, handler_cancellation=True)
        self.gateway = gateway
        self.running: set[asyncio.Task[Any]] = set()
        self._own_loop = asyncio.get_running_loop()
        self.open = 0
        self.room = Room.of_process()
        self._feedback = feedback.Feedback(gateway)

    def __call__(self) -> web.RequestHandler:
        return _Connection(
            self,
            loop=asyncio.get_running_loop(),
            keepalive_timeout=KEEPALIVE,
            auto_decompress=False,
            lingering_time=LINGER,
            logger=QUIET,
            access_log=None,
        )

    async def _dispatch(self, request: web.BaseRequest) -> web.StreamResponse:
        task = asyncio.current_task(self._own_loop)
        assert task is not None
        self.running.add(task)
        try:
            shed = self.room.shed(len(self.running), self.open, self.gateway.policy.settings.max_requests)
            response = await self._answer(request) if shed is None else self._shed(request, shed)
            if self.gateway.draining and not response.prepared:
                response.force_close()
            return response
        finally:
            self.running.discard(task)
            # it keeps what was raised, and by its traceback this frame: both would wait for the garbage collector
            del task

    def _shed(self, request: web.BaseRequest, shed: Shed) -> web.StreamResponse:
        """Say that it is too much at the moment, before anything is read. A connection that is one too many is closed."""
        self.gateway.metrics.shed(shed)
        path, _, query = request.raw_path.partition("?")
        found = PATHS.find(path, query)
        dialect = asker_at(path, request.headers) if found is None else found.dialect
        response = answer(
            Failure("gateway.overloaded", "more is asked than can be served at the moment", retry_after=RETRY_AFTER),
            None,
            dialect,
        )
        if shed == "connections" or not request.content.is_eof():
            response.force_close()
        return response

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        if (coding := request.headers.get("Transfer-Encoding")) is not None and not is_plainly_framed(request, coding):
            refused = answer(Failure("request.malformed", "a body in this transfer coding is not accepted"))
            refused.headers["Connection"] = "close"
            refused.force_close()
            return refused
        path, _, query = request.raw_path.partition("?")
        if path == feedback.PATH and request.method == "POST":
            return await self._feedback.take(request)
        found = PATHS.find(path, query)
        if found is not None and request.method == "POST":
            return await exchange(request, self.gateway, found)
        if found is not None and responses.is_served(found) and is_upgrade(request):
            return await responses.respond(request, self.gateway, found)
        if path in secrets.PATHS and request.method == "POST":
            return await secrets.make_secret(request, self.gateway)
        if path in live_tokens.PATHS and request.method == "POST":
            return await live_tokens.make_token(request, self.gateway)
        session = None if found is not None else session_at(path)
        if session is not None and is_upgrade(request):
            return await converse(request, self.gateway, session)
        if session is not None:
            refused = answer(
                Failure("request.wrong-method", "this path takes a WebSocket", status=426),
                CIMultiDict(Upgrade="websocket"),
                DIALECTS[session.refuses_as],
            )
            return refused
        models = None if found is not None else models_at(path, request.headers)
        if models is not None and request.method == "GET":
            return await show_models(request, self.gateway, *models)
        dialect = asker_at(path, request.headers) if models is None else models[0]
        if secrets.is_call(path):
            words = "calls over WebRTC or SIP do not pass through this gateway; sessions over a WebSocket do"
            return answer(Failure("request.unknown-path", words), None, dialect)
        if found is None and models is None and path not in _BESIDE:
            return answer(Failure("request.unknown-path", "there is nothing at this path"), None, dialect)
        method = "GET" if models is not None else "POST"
        refused = answer(Failure("request.wrong-method", f"this path takes {method}"), None, dialect)
        refused.headers["Allow"] = method
        return refused


class _Connection(DiscreetConnection):
    """A client's connection: what is wrong with a request is said in the dialect that most clients speak."""

    __slots__ = ("_server",)

    def __init__(self, server: _Server, **options: Any) -> None:
        super().__init__(server, **options)
        self._server = server

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Counted from here on; where there are too many even to be told so, it ends at once."""
        super().connection_made(transport)
        assert isinstance(transport, asyncio.Transport)
        transport.set_write_buffer_limits(high=UNTAKEN)
        self._server.open += 1
        if self._server.room.is_full(self._server.open):
            self._server.gateway.metrics.shed("unheard")
            transport.abort()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Counted no more."""
        self._server.open -= 1
        super().connection_lost(exc)

    def malformed(self, status: int) -> web.Response:
        """Without a word of what was sent."""
        return answer(Failure("request.malformed", "the request is not valid HTTP/1.1", status=status))

    def bug(self) -> web.Response:
        """The log has more."""
        return answer(Failure("gateway.bug", "the gateway failed to handle this request"))
