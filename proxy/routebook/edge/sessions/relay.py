"""The session itself: every message of either side goes to the other as it came, and a reader looks along.

Whoever sends faster than the other takes is made to wait: no more is buffered than fits the sockets. The session ends
with the first close, or when nobody speaks for too long, or when this process ends; then both sides are told, in the
dialect's words and with a close code. Its record is complete before that.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from aiohttp import WSMsgType, web
from aiohttp.http_websocket import WebSocketError

from routebook.edge.answers import Failure, failure_of, words_of
from routebook.edge.sessions.entry import SessionEntry
from routebook.edge.sessions.reaching import Line
from routebook.edge.sessions.spending import Spending
from routebook.edge.sessions.upstream import Gone, UpstreamSocket
from routebook.protocols.dialects import DIALECTS
from routebook.protocols.sessions import Began, Erred, Finished, Heard, SessionDialect, Spoke
from routebook.routing.endings import Who
from routebook.routing.identity import new_id

_DATA: Final = (WSMsgType.TEXT, WSMsgType.BINARY)

_NORMAL: Final = frozenset({0, 1000, 1001, 1005})
"""Close codes that say that all was well (RFC 6455, 7.4.1); 0 stands for a close without one."""

_UNSENDABLE: Final = {0: 1000, 1005: 1000, 1006: 1011, 1015: 1011}
"""Codes that stand for something that was never sent (RFC 6455, 7.4.1), and what is sent in their place."""


class End(NamedTuple):
    """Who ended a session and how: `code` and `reason` are of the close that came (or goes out), `failure` what went
    wrong (None: nothing)."""

    who: Who
    code: int
    reason: str = ""
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class _Sides:
    """Both sockets of a session."""

    client: web.WebSocketResponse[Any]
    upstream: UpstreamSocket


async def relay(
    request: web.BaseRequest,
    client: web.WebSocketResponse[Any],
    line: Line,
    dialect: SessionDialect,
    entry: SessionEntry,
) -> None:
    """Let both sides talk until one of them ends it; when this returns the record has its end."""
    sides = _Sides(client, line.socket)
    spending = Spending(entry, line.call, line.reader)
    talk = _Talk(sides, line, dialect, entry, spending)
    try:
        end = await talk.until_over()
    except asyncio.CancelledError:
        task = asyncio.current_task()
        assert task is not None
        task.uncancel()
        end = _cut_off(request)
    finally:
        spending.close()
    failure = end.failure
    entry.closed = {"closed_by": end.who.name.lower(), "close_code": end.code}
    entry.end(101, talk.said, None if failure is None else failure.code)
    await talk.say_goodbye(end)


async def refuse(
    error: BaseException,
    request: web.BaseRequest,
    client: web.WebSocketResponse[Any],
    dialect: SessionDialect,
    entry: SessionEntry,
) -> web.WebSocketResponse[Any]:
    """Refuse a session whose upgrade had to be answered before it could be decided: in the dialect's words, and by a
    close that says the same."""
    failure = failure_of(error, request)
    entry.closed = {"closed_by": "gateway", "close_code": 1008}
    entry.end(failure.status, code=failure.code)
    if isinstance(error, asyncio.CancelledError) and (task := asyncio.current_task()) is not None:
        task.uncancel()
    if failure.is_told:
        try:
            await client.send_frame(error_frame(failure, dialect, entry), WSMsgType.TEXT)
        except ConnectionError:
            pass
    await client.close(code=1008, message=failure.message.encode()[:120])
    return client


def error_frame(failure: Failure, dialect: SessionDialect, entry: SessionEntry, event: str | None = None) -> bytes:
    """A failure as a message of the dialect; `event` is the client's, that it answers."""
    clock = entry.gateway.clock
    identity = new_id(int(clock.now() * 1000), clock.noise())
    words = words_of(failure, DIALECTS[dialect.refuses_as])
    return dialect.error(failure.status, failure.message, id=identity, event=event, **words)


class Said(NamedTuple):
    """What a session says of itself (`routing.answer_cache.Said`): what was used is booked by the response."""

    model: str | None
    usage: None = None
    finish_reason: None = None
    id: None = None


class _Talk:
    """The two directions of one session."""

    def __init__(
        self, sides: _Sides, line: Line, dialect: SessionDialect, entry: SessionEntry, spending: Spending
    ) -> None:
        self._sides = sides
        self._line = line
        self._dialect = dialect
        self._entry = entry
        self._spending = spending
        self._reader = line.reader
        self._now = asyncio.get_running_loop().time
        self._spoken = self._now()
        self._writing: float | None = None
        self._over: asyncio.Future[End] = asyncio.get_running_loop().create_future()
        self._told_why = False
        self._muted = False

    @property
    def said(self) -> Said:
        """What the upstream said of itself."""
        return Said(self._reader.model)

    async def until_over(self) -> End:
        """Pass on what comes, either way, until the end."""
        tasks = [asyncio.create_task(each) for each in (self._from_client(), self._from_upstream())]
        for task in tasks:
            task.add_done_callback(self._ended)
        self._entry.gateway.leaving.add(self.leave)
        try:
            return await self._watched()
        finally:
            self._entry.gateway.leaving.discard(self.leave)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def leave(self) -> None:
        """This process ends: a session in which no response is running ends now, another after it."""
        if self._spending.is_quiet:
            self._end(End(Who.GATEWAY, 1001, "", Failure("gateway.draining", "the gateway is shutting down")))

    async def say_goodbye(self, end: End) -> None:
        """Tell both sides; a side that does not listen any more does not matter."""
        code = _UNSENDABLE.get(end.code, end.code)
        reason = end.reason.encode()[:120]
        await self._sides.upstream.close(code if end.who is Who.CLIENT else 1000, reason)
        client = self._sides.client
        failure = end.failure
        try:
            if failure is not None and failure.is_told and not self._told_why:
                await client.send_frame(self._error(failure), WSMsgType.TEXT)
            await client.close(code=code, message=reason)
        except (ConnectionError, RuntimeError):
            pass

    async def _watched(self) -> End:
        """The end, or that of patience: nothing was said, nothing taken, or it all took too long."""
        limits, stall = self._entry.policy.settings.sessions, self._entry.policy.settings.stall
        ends_at = self._now() + limits.longest
        while True:
            now = self._now()
            if now >= ends_at:
                failure = Failure("session.too-long", f"a session lasts {limits.longest:g} s at most")
                return End(Who.TIME, 1000, "", failure)
            if now >= self._spoken + limits.idle:
                return End(Who.TIME, 1000, "", Failure("session.idle", f"nothing was said for {limits.idle:g} s"))
            if self._writing is not None and now >= self._writing + stall:
                return End(Who.TIME, 1008, "", Failure("client.stalled", "the client took nothing"))
            due = min(ends_at, self._spoken + limits.idle, (self._writing or now) + stall)
            await asyncio.wait((self._over,), timeout=max(0.0, due - now))
            if self._over.done():
                return self._over.result()

    def _ended(self, task: asyncio.Task[End]) -> None:
        if task.cancelled():
            return
        error = task.exception()
        if error is None:
            self._end(task.result())
        elif not self._over.done():
            self._over.set_exception(error)

    def _end(self, end: End) -> None:
        if not self._over.done():
            self._over.set_result(end)

    async def _from_client(self) -> End:
        client, upstream = self._sides.client, self._sides.upstream
        while True:
            message: Any = await client.receive()
            kind = message.type
            if kind not in _DATA:
                return _left(message)
            self._spoken = self._now()
            if not await self._may_pass(message.data):
                continue
            try:
                await upstream.send(message.data, kind)
            except Gone:
                return _lost()

    async def _may_pass(self, frame: bytes) -> bool:
        """Whether a frame of the client goes on; where a budget is used up, one that asks for a response does not."""
        wish = self._reader.sent(frame)
        if wish.asks:
            failure = await self._spending.asks()
        elif wish.speaks:
            failure = await self._spending.listens()
        else:
            return True
        if failure is None:
            self._muted = False
            return True
        if wish.asks or not self._muted:
            self._muted = not wish.asks
            await self._sides.client.send_frame(self._error(failure, wish.event), WSMsgType.TEXT)
        return False

    async def _from_upstream(self) -> End:
        client, upstream = self._sides.client, self._sides.upstream
        message: Any = self._line.greeting
        if message is not None:
            await client.send_frame(message.data, message.type)
        while True:
            try:
                message = await upstream.receive()
            except Gone:
                return _lost()
            except WebSocketError as error:
                failure = Failure("upstream.garbled", "the upstream broke the protocol of WebSocket")
                return End(Who.UPSTREAM, error.code, "", failure)
            if message.type is WSMsgType.CLOSE:
                return self._closed(message.data, message.extra)
            self._spoken = self._writing = self._now()
            try:
                await client.send_frame(message.data, message.type)
            except ConnectionError:
                return End(Who.CLIENT, 1006, "", Failure("client.gone", "the client has left"))
            self._writing = None
            await self._see(message.data)

    def _closed(self, code: int, reason: str) -> End:
        if code in _NORMAL:
            return End(Who.UPSTREAM, code, reason)
        return End(Who.UPSTREAM, code, reason, Failure("upstream.cut", f"the upstream closed the session with {code}"))

    async def _see(self, frame: bytes) -> None:
        """What a frame of the upstream says that matters here. The client has it already."""
        self._told_why = False
        for happening in self._reader.came(frame):
            match happening:
                case Began(identity):
                    await self._spending.began(identity)
                case Spoke(identity):
                    self._spending.spoke(identity)
                case Finished():
                    await self._spending.finished(happening)
                    if self._entry.gateway.draining:
                        self.leave()
                case Heard():
                    await self._spending.heard(happening)
                case Erred():
                    self._told_why = True

    def _error(self, failure: Failure, event: str | None = None) -> bytes:
        return error_frame(failure, self._dialect, self._entry, event)


def _cut_off(request: web.BaseRequest) -> End:
    """How it ends where it is cancelled: the client has gone, or this process ends."""
    if request.transport is None:
        return End(Who.CLIENT, 1006, "", Failure("client.gone", "the client has left"))
    return End(Who.GATEWAY, 1001, "", Failure("gateway.draining", "the gateway is shutting down"))


def _lost() -> End:
    return End(Who.UPSTREAM, 1011, "", Failure("upstream.cut", "the upstream broke the session off"))


def _left(message: Any) -> End:
    """How the client ended it: by a close, by breaking the protocol, or by being gone."""
    match message.type:
        case WSMsgType.CLOSE:
            return End(Who.CLIENT, message.data, message.extra or "")
        case WSMsgType.ERROR if isinstance(message.data, WebSocketError):
            code = message.data.code
            kind = "request.too-large" if code == 1009 else "request.malformed"
            return End(Who.CLIENT, code, "", Failure(kind, "the client broke the protocol of WebSocket"))
    return End(Who.CLIENT, 1006, "", Failure("client.gone", "the client has left"))
