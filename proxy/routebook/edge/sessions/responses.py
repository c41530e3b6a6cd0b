"""Responses over a WebSocket: each `response.create` is a request of its own, decided, held for, recorded and served as the
same request by HTTP would be, by whichever upstream and in whichever dialect; its events come back as messages.

So a conversation over one socket may move from model to model as the policy says, and nothing of it is kept here but the
socket. Responses follow each other: the next one begins when the one before is over.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any, Final

import msgspec
from aiohttp import HttpVersion11, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import StreamReader
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from routebook.edge.answers import Failure, answer
from routebook.edge.callers import identify
from routebook.edge.exchange import exchange
from routebook.edge.gateway import Gateway
from routebook.edge.sessions.frames import NO_CODE, Broken, Kind, Message, close_of
from routebook.edge.sessions.handshake import Accepted, broke, check_upgrade, open_socket
from routebook.edge.sessions.relay import CLOSING, DEAD, HEARTBEAT
from routebook.edge.sessions.socket import Ending, Gone, Socket, Step
from routebook.protocols.paths import Found
from routebook.protocols.sse import Splitter, spans
from routebook.protocols.sse import fields as fields_of

MOST_WAITING: Final = 16
"""Requests that wait for the one before; further ones are refused."""

CREATE: Final = "response.create"

_OF_THE_UPGRADE: Final = frozenset(
    {"connection", "upgrade", "content-length", "transfer-encoding", "expect", "content-type", "accept-encoding"}
)


def is_served(found: Found) -> bool:
    """Whether a WebSocket may be asked for at a path."""
    return found.dialect.name == "openai-responses" and found.operation.name == "chat"


async def respond(request: web.BaseRequest, gateway: Gateway, found: Found) -> web.StreamResponse:
    """Serve one socket until it is closed."""
    serving = gateway.serving
    try:
        check_upgrade(request)
        identify(request, gateway, serving)
        accepted: Accepted = await open_socket(request, None, CIMultiDict(), serving.policy.settings.max_body)
    except Failure as failure:
        return answer(failure, None, found.dialect)
    talk = _Talk(request, gateway, found, accepted.socket)
    try:
        await talk.until_over()
    finally:
        accepted.socket.abort()
    return accepted


class _Talk:
    """One socket, and the responses that are asked for on it."""

    def __init__(self, request: web.BaseRequest, gateway: Gateway, found: Found, socket: Socket) -> None:
        loop = asyncio.get_running_loop()
        self._request = request
        self._gateway = gateway
        self._found = found
        self._socket = socket
        self._limits = gateway.policy.settings.sessions
        self._stall = gateway.policy.settings.stall
        self._spoken = loop.time()
        self._ends_at = self._spoken + self._limits.longest
        self._waiting: deque[bytes] = deque()
        self._running: asyncio.Task[None] | None = None
        self._pinged = False
        self._over: asyncio.Future[tuple[int, str]] = loop.create_future()

    def __repr__(self) -> str:
        return f"<_Talk by {self._socket!r}, {len(self._waiting)} requests waiting>"

    async def until_over(self) -> None:
        """Answer what is asked for, until the client closes, or patience or this process ends."""
        gateway, leave = self._gateway, self.leave
        gateway.leaving.add(leave)
        gateway.wheel.watch(self, self._due())
        self._socket.listen(self._from_client)
        try:
            code, reason = await self._over
        except asyncio.CancelledError:
            await self._stop()
            raise
        finally:
            gateway.leaving.discard(leave)
            gateway.wheel.leave(self)
            self._socket.rest()
        await self._stop()
        await self._socket.close(code, reason, CLOSING)

    def leave(self) -> None:
        """This process ends: a socket on which nothing runs is closed now, another after what runs."""
        if self._running is None:
            self._end(1001, "the gateway is shutting down")

    def look(self, now: float) -> float | None:
        """Whether patience is at an end."""
        socket = self._socket
        if now >= self._ends_at:
            self._end(1000, f"a session lasts {self._limits.longest:g} s at most")
        elif self._running is None and now >= self._spoken + self._limits.idle:
            self._end(1000, f"nothing was said for {self._limits.idle:g} s")
        elif socket.stalled is not None and now >= socket.stalled + self._stall:
            self._end(1008, "the client took nothing")
        elif now >= socket.heard + DEAD:
            self._end(1011, "the client is gone")
        if self._over.done():
            return None
        silent = now >= socket.heard + HEARTBEAT
        if silent and not self._pinged:
            socket.ping()
        self._pinged = silent
        return max(self._due(), now + 0.1)

    def _due(self) -> float:
        socket = self._socket
        due = min(self._ends_at, socket.heard + (DEAD if self._pinged else HEARTBEAT))
        if self._running is None:
            due = min(due, self._spoken + self._limits.idle)
        return due if socket.stalled is None else min(due, socket.stalled + self._stall)

    def _end(self, code: int, reason: str) -> None:
        if not self._over.done():
            self._over.set_result((code, reason))

    async def _stop(self) -> None:
        running = self._running
        self._waiting.clear()
        if running is not None:
            running.cancel()
            await asyncio.wait((running,))

    def _from_client(self, message: Message | Ending) -> Step:
        match message:
            case Message(Kind.CLOSE, data):
                self._end(*close_of(data))
            case Message(_, data):
                self._spoken = self._socket.heard
                return self._asked(data)
            case Broken(code=code):
                self._end(code, broke(message)[1])
            case _:
                self._end(NO_CODE, "")
        return None

    def _asked(self, data: bytes) -> Step:
        try:
            body = _body(data)
            if len(self._waiting) >= MOST_WAITING:
                raise Failure("request.malformed", f"{MOST_WAITING} requests wait already for the response that runs")
        except Failure as failure:
            try:
                refused = answer(failure, None, self._found.dialect)
                return self._socket.write(Kind.TEXT, _error_event(refused))
            except Gone:
                return None
        self._waiting.append(body)
        if self._running is None:
            self._running = asyncio.get_running_loop().create_task(self._work())
        return None

    async def _work(self) -> None:
        try:
            while self._waiting and not self._over.done():
                await self._serve(self._waiting.popleft())
                self._spoken = asyncio.get_running_loop().time()
        except (Gone, ConnectionError):
            self._end(NO_CODE, "")
        finally:
            self._running = None
            self._gateway.wheel.watch(self, self._due())
            if self._over.done():
                self._gateway.wheel.leave(self)
        if self._gateway.draining:
            self.leave()

    async def _serve(self, body: bytes) -> None:
        """One response, from its request to its last event."""
        writer = _Events(self._socket)
        response = await exchange(self._made(body, writer), self._gateway, self._found)
        if not response.prepared:
            await self._socket.send(Kind.TEXT, _error_event(response))

    def _made(self, body: bytes, writer: AbstractStreamWriter) -> web.BaseRequest:
        """The request that a message comes to, as it would have come by HTTP."""
        came, loop = self._request, asyncio.get_running_loop()
        headers = CIMultiDict(
            (name, value)
            for name, value in came.headers.items()
            if name.lower() not in _OF_THE_UPGRADE and not name.lower().startswith("sec-websocket-")
        )
        headers["Content-Type"], headers["Content-Length"] = "application/json", str(len(body))
        raw = tuple((name.encode(), value.encode("utf-8", "surrogateescape")) for name, value in headers.items())
        message = RawRequestMessage(
            "POST", came.raw_path, HttpVersion11, CIMultiDictProxy(headers), raw, False, None, False, False, URL(came.raw_path)
        )  # fmt: skip
        content = StreamReader(came.protocol, 2**31, loop=loop)
        content.feed_data(body)
        content.feed_eof()
        task = asyncio.current_task()
        assert task is not None
        return web.BaseRequest(message, content, came.protocol, writer, task, loop)


def _body(data: bytes) -> bytes:
    """The body of the request that a message asks for; raises Failure."""
    try:
        fields = msgspec.json.decode(data, type=dict[str, msgspec.Raw])
        kind = msgspec.json.decode(fields.pop("type", msgspec.Raw(b'""')), type=str)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise Failure("request.malformed", "a message must be an event in JSON") from None
    if kind != CREATE:
        raise Failure("request.malformed", f"the only event that is taken here is `{CREATE}`", param="type")
    return msgspec.json.encode({**fields, "stream": True})


def _error_event(refused: web.StreamResponse) -> bytes:
    """An error as a message: what would have been the body of its answer, with its status."""
    said = refused.body if isinstance(refused, web.Response) else None
    try:
        body = msgspec.json.decode(said) if isinstance(said, bytes) else None
    except msgspec.MsgspecError:
        body = None
    error = body.get("error") if isinstance(body, dict) else None
    return msgspec.json.encode({"type": "error", "status": refused.status, "error": error})


class _Events(AbstractStreamWriter):
    """Where an answer is written: the data of each of its events is a message."""

    def __init__(self, socket: Socket) -> None:
        self._socket = socket
        self._events = Splitter()
        self.length = None
        self.buffer_size = 0
        self.output_size = 0

    async def write(self, chunk: Any, **_: Any) -> None:
        """Some bytes of the stream; raises ConnectionError."""
        try:
            for event in spans(self._events.feed(bytes(chunk))):
                if (data := fields_of(event)[1]) is not None:
                    await self._socket.send(Kind.TEXT, data)
        except Gone:
            raise ConnectionResetError("the client has left") from None

    async def write_eof(self, chunk: bytes = b"") -> None:
        """The last bytes of the stream."""
        if chunk:
            await self.write(chunk)

    async def drain(self) -> None:
        """Nothing waits here."""

    def enable_compression(self, *_: Any, **__: Any) -> None:
        """Messages are not compressed."""

    def enable_chunking(self) -> None:
        """Messages are whole."""

    async def write_headers(self, status_line: str, headers: CIMultiDict[str]) -> None:
        """A message has no head."""
