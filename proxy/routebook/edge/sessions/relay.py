"""The session itself: every message of either side goes to the other as it came, and a reader looks along.

Whoever sends faster than the other takes is made to wait: no more is buffered than fits the sockets. The session ends
with the first close, or when nobody speaks for too long, or when this process ends; then both sides are told, in the
dialect's words and with a close code. Its record is complete before that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final, NamedTuple

from aiohttp import web

from routebook.chat.loss import Loss
from routebook.edge.answers import Failure, failure_of, words_of
from routebook.edge.deadlines import uncancel
from routebook.edge.metrics import SESSION_MESSAGE
from routebook.edge.sessions.entry import SessionEntry
from routebook.edge.sessions.frames import NO_CODE, Broken, Kind, Message, close_of
from routebook.edge.sessions.handshake import broke
from routebook.edge.sessions.inside import Inside
from routebook.edge.sessions.reaching import Line as Taken
from routebook.edge.sessions.socket import Ending, Gone, Socket, Step
from routebook.edge.sessions.spending import Spending
from routebook.protocols.body import read_fields
from routebook.protocols.dialects import DIALECTS
from routebook.protocols.errors import ProtocolError
from routebook.protocols.sessions import Began, Erred, Finished, Happening, Heard, SessionDialect, Sounded, Spoke, Wish
from routebook.routing.endings import Who
from routebook.routing.identity import new_id
from routebook.routing.record import Line

HEARTBEAT: Final = 30.0
"""Seconds without a word of the client after which it is asked for a sign of life."""

DEAD: Final = 45.0
"""Seconds without one after which it is taken for gone."""

CLOSING: Final = 1.0
"""Seconds that a peer has to answer a close."""

_NORMAL: Final = frozenset({1000, 1001, NO_CODE})
"""Close codes that say that all was well (RFC 6455, 7.4.1)."""

REFUSED: Final = 1008
_ABNORMAL: Final = 1011
_LOST: Final = 1006
"""What stands for a close that never came (RFC 6455, 7.4.1); it is not sent."""


class End(NamedTuple):
    """Who ended a session and how: `code` and `reason` are of the close that came (or goes out), `failure` what went
    wrong (None: nothing). `broke`: who ended it did so by breaking the protocol, and is told the code for that."""

    who: Who
    code: int
    reason: str = ""
    failure: Failure | None = None
    broke: bool = False

    def told(self, side: Who) -> int:
        """The code that one side is told."""
        if self.broke or self.code == _LOST:
            return self.code if self.broke and side is self.who else _ABNORMAL
        return self.code if side is Who.CLIENT or self.who is Who.CLIENT else 1000


async def relay(
    request: web.BaseRequest, client: Socket, line: Taken, dialect: SessionDialect, entry: SessionEntry
) -> None:
    """Let both sides talk until one of them ends it; when this returns the record has its end."""
    spending = Spending(entry, line.call, line.reader)
    talk = Talk(client, line, dialect, entry, spending)
    if line.crossed is not None:
        # most sessions stay in their dialect, and need none of it
        from routebook.edge.sessions.crossed_talk import CrossedTalk

        talk = CrossedTalk(client, line, line.crossed, dialect, entry, spending)
    try:
        end = await talk.until_over()
    except asyncio.CancelledError:
        uncancel()
        end = _cut_off(request)
    finally:
        spending.close()
    failure = end.failure
    entry.closed = {"closed_by": end.who.name.lower(), "close_code": end.code, **talk.inside()}
    entry.end(101, talk.said, None if failure is None else failure.code, losses=talk.losses)
    await talk.say_goodbye(end)


async def refuse(
    error: BaseException, request: web.BaseRequest, client: Socket, dialect: SessionDialect, entry: SessionEntry
) -> None:
    """Refuse a session whose upgrade had to be answered before it could be decided: by a close that says why.

    By nothing else where the dialect has no message for it: Google's clients take whatever message comes first for the
    answer to their `setup`, and a close before it for the error that it is.
    """
    failure = failure_of(error, request)
    entry.closed = {"closed_by": "gateway", "close_code": REFUSED}
    entry.end(failure.status, code=failure.code)
    if isinstance(error, asyncio.CancelledError):
        uncancel()
    if dialect.says_why:
        try:
            client.write(Kind.TEXT, error_frame(failure, dialect, entry))
        except Gone:
            pass
    await client.close(REFUSED, f"{failure.status} {failure.code}: {failure.message}", CLOSING)


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


class Talk:
    """The two directions of one session."""

    __slots__ = (
        "_client",
        "_dialect",
        "_ends_at",
        "_entry",
        "_forbidden",
        "_greeting",
        "_limits",
        "_longest",
        "_muted",
        "_now",
        "_over",
        "_pinged",
        "_reader",
        "_spending",
        "_spoken",
        "_stall",
        "_to_client",
        "_to_upstream",
        "_told_why",
        "_upstream",
        "losses",
    )

    def __init__(
        self, client: Socket, line: Taken, dialect: SessionDialect, entry: SessionEntry, spending: Spending
    ) -> None:
        loop = asyncio.get_running_loop()
        self._client = client
        self._upstream = line.socket
        self._greeting = line.greeting
        self._reader = line.reader
        self._dialect = dialect
        self._entry = entry
        self._spending = spending
        self._limits = entry.policy.settings.sessions
        self._stall = entry.policy.settings.stall
        metrics = entry.gateway.metrics
        self._to_client = Inside(metrics.moments(SESSION_MESSAGE, "to_client"))
        self._to_upstream = Inside(metrics.moments(SESSION_MESSAGE, "to_upstream"))
        self._now = loop.time
        self._spoken = loop.time()
        self._longest = entry.longest
        self._ends_at = self._spoken + self._longest
        self._forbidden = entry.forbidden
        self._over: asyncio.Future[End] = loop.create_future()
        self._pinged = False
        self._told_why = False
        self._muted = False
        self.losses: tuple[Loss, ...] = ()

    def __repr__(self) -> str:
        return f"<Talk between {self._client!r} and {self._upstream!r}>"

    @property
    def said(self) -> Said:
        """What the upstream said of itself."""
        return Said(self._reader.model)

    def inside(self) -> Line:
        """How long messages were inside, for the record."""
        found = {"to_client": self._to_client.line(), "to_upstream": self._to_upstream.line()}
        lines = {direction: line for direction, line in found.items() if line is not None}
        return {"inside": lines} if lines else {}

    async def until_over(self) -> End:
        """Pass on what comes, either way, until the end."""
        gateway, leave = self._entry.gateway, self.leave
        gateway.leaving.add(leave)
        gateway.wheel.watch(self, self._due())
        try:
            self._client.listen(self._from_client)
            if self._greeting is not None:
                self._upstream.unread(self._greeting)
            self._upstream.listen(self._from_upstream)
            return await self._over
        finally:
            gateway.leaving.discard(leave)
            gateway.wheel.leave(self)
            self._client.rest()
            # what the upstream has counted is spent, though its client says goodbye in the same moment
            await self._upstream.settle(CLOSING)

    def leave(self) -> None:
        """This process ends: a session in which no response is running ends now, another after it."""
        if self._spending.is_quiet:
            self._end(End(Who.GATEWAY, 1001, "", Failure("gateway.draining", "the gateway is shutting down")))

    async def say_goodbye(self, end: End) -> None:
        """Tell both sides; a side that does not listen any more does not matter."""
        failure = end.failure
        is_deaf = end.broke and end.who is Who.CLIENT  # nothing but a close follows a breach (RFC 6455, 7.1.7)
        if failure is not None and failure.is_told and not self._told_why and not is_deaf:
            try:
                self._client.write(Kind.TEXT, self._error(failure))
            except Gone:
                pass
        await asyncio.gather(
            self._upstream.close(end.told(Who.UPSTREAM), end.reason, CLOSING),
            self._client.close(end.told(Who.CLIENT), end.reason, CLOSING),
        )

    def look(self, now: float) -> float | None:
        """Whether patience is at an end: nothing was said, nothing taken, or it all took too long."""
        client, limits = self._client, self._limits
        end: End | None = None
        if now >= self._ends_at:
            failure = Failure("session.too-long", f"the session lasts {self._longest:.6g} s at most")
            end = End(Who.TIME, 1000, "", failure)
        elif now >= self._spoken + limits.idle:
            end = End(Who.TIME, 1000, "", Failure("session.idle", f"nothing was said for {limits.idle:g} s"))
        elif client.stalled is not None and now >= client.stalled + self._stall:
            end = End(Who.TIME, 1008, "", Failure("client.stalled", "the client took nothing"))
        elif now >= client.heard + DEAD and not client.is_held_back:
            end = left(Gone())
        if end is not None:
            self._end(end)
            return None
        silent = now >= client.heard + HEARTBEAT
        if silent and not self._pinged:
            client.ping()
        self._pinged = silent
        return max(self._due(), now + 1.0 if client.is_held_back else now)

    def _due(self) -> float:
        client = self._client
        due = min(self._ends_at, self._spoken + self._limits.idle, client.heard + (DEAD if self._pinged else HEARTBEAT))
        return due if client.stalled is None else min(due, client.stalled + self._stall)

    def _end(self, end: End) -> None:
        if not self._over.done():
            self._over.set_result(end)

    def _fail(self, error: Exception) -> None:
        if not self._over.done():
            self._over.set_exception(error)

    # ---- from the client to the upstream

    def _from_client(self, message: Message | Ending) -> Step:
        if not isinstance(message, Message) or message.kind is Kind.CLOSE:
            self._end(left(message))
            return None
        self._spoken = self._client.heard
        if self._forbidden and (failure := _held_against(message.data, self._forbidden)) is not None:
            self._end(End(Who.POLICY, REFUSED, failure.message, failure))
            return None
        try:
            wish = self._reader.sent(message.data)
            if wish.asks or (wish.speaks and not self._spending.covers_speech):
                return self._let_pass(message, wish)
            step = self._upstream.write(message.kind, message.data if wish.instead is None else wish.instead)
            self._to_upstream.took(self._now() - self._client.heard)
            return step
        except Gone:
            self._end(_lost())
        except Exception as error:  # noqa: BLE001 - raised again where the session is waited for
            self._fail(error)
        return None

    async def _let_pass(self, message: Message, wish: Wish) -> None:
        """Pass a message on that leads to a response; where a budget is used up, one that asks for it does not go on."""
        try:
            read = self._spoken
            failure = await (self._spending.asks() if wish.asks else self._spending.listens())
            if failure is None:
                self._muted = False
                step = self._upstream.write(*message)
                self._to_upstream.took(self._now() - read)
                if step is not None:
                    await step
            elif wish.asks or not self._muted:
                self._muted = not wish.asks
                await self._client.send(Kind.TEXT, self._error(failure, wish.event))
        except Gone:
            raise
        except Exception as error:  # noqa: BLE001 - raised again where the session is waited for
            self._fail(error)

    # ---- from the upstream to the client

    def _from_upstream(self, message: Message | Ending) -> Step:
        if not isinstance(message, Message) or message.kind is Kind.CLOSE:
            self._end(ended(message))
            return None
        self._spoken = self._upstream.heard
        try:
            step = self._client.write(*message)
            self._to_client.took(self._now() - self._upstream.heard)
            happenings = self._reader.came(message.data)
        except Gone:
            self._end(left(Gone()))
            return None
        except Exception as error:  # noqa: BLE001 - raised again where the session is waited for
            self._fail(error)
            return None
        self._told_why = False
        if step is not None:
            self._entry.gateway.wheel.watch(self, self._due())
        return self._see(happenings, step) if happenings else step

    async def _see(self, happenings: Sequence[Happening], step: Step) -> None:
        """What a message of the upstream says that matters here. The client has it already."""
        try:
            for happening in happenings:
                match happening:
                    case Began(identity):
                        failure = await self._spending.began(identity)
                        if failure is not None and self._dialect.always_runs:
                            self._end(End(Who.GATEWAY, REFUSED, failure.message, failure))
                    case Spoke(identity):
                        self._spending.spoke(identity)
                    case Sounded(identity):
                        self._spending.sounded(identity)
                    case Finished():
                        await self._spending.finished(happening)
                        if self._entry.gateway.draining:
                            self.leave()
                    case Heard():
                        await self._spending.heard(happening)
                    case Erred():
                        self._told_why = True
        except Exception as error:  # noqa: BLE001 - raised again where the session is waited for
            self._fail(error)
        if step is not None:
            await step

    def _error(self, failure: Failure, event: str | None = None) -> bytes:
        return error_frame(failure, self._dialect, self._entry, event)


def _held_against(frame: bytes, forbidden: frozenset[str]) -> Failure | None:
    """What a token forbids that its client sends all the same."""
    try:
        names = forbidden.intersection(read_fields(frame))
    except ProtocolError:
        return None  # the upstream will say that it is nothing
    return Failure("caller.not-granted", f"the token forbids `{min(names)}`", param=min(names)) if names else None


def _cut_off(request: web.BaseRequest) -> End:
    """How it ends where it is cancelled: the client has gone, or this process ends."""
    if request.transport is None:
        return left(Gone())
    return End(Who.GATEWAY, 1001, "", Failure("gateway.draining", "the gateway is shutting down"))


def _lost() -> End:
    words = "the upstream broke the session off"
    return End(Who.UPSTREAM, _LOST, words, Failure("upstream.cut", words))


def ended(message: Message | Ending) -> End:
    """How the upstream ended it: by a close, by breaking the protocol, or by being gone."""
    match message:
        case Message(_, data):
            code, reason = close_of(data)
            if code in _NORMAL:
                return End(Who.UPSTREAM, code, reason)
            failure = Failure("upstream.cut", f"the upstream closed the session with {code}")
            return End(Who.UPSTREAM, code, reason, failure)
        case Broken(code=code):
            words = "the upstream broke the protocol of WebSocket"
            return End(Who.UPSTREAM, code, words, Failure("upstream.garbled", words), broke=True)
    return _lost()


def left(message: Message | Ending) -> End:
    """How the client ended it: by a close, by breaking the protocol, or by being gone."""
    match message:
        case Message(_, data):
            return End(Who.CLIENT, *close_of(data))
        case Broken():
            return End(Who.CLIENT, message.code, str(message), Failure(*broke(message)), broke=True)
    return End(Who.CLIENT, _LOST, "", Failure("client.gone", "the client has left"))
