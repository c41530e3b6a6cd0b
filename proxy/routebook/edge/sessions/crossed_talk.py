"""A session that crosses: what either side says is read, and what is to be done about it is done, in that order.

One frame is followed to its end before the next is taken up, whichever side it is of; so the codecs see one history.
Frames for the upstream are sent after that, in their order: an upstream that takes nothing holds back its own client
and not what it says itself. Where another connection takes the place of the upstream's, both sides wait until it does.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from collections.abc import Iterator
from typing import Final

from routebook.chat.talk import Close, Doing, Down, Lost, Reopen, Up
from routebook.edge.answers import Failure
from routebook.edge.faults import CallFailed
from routebook.edge.sessions.crossing import MOST_LOSSES, Crossed
from routebook.edge.sessions.entry import SessionEntry
from routebook.edge.sessions.frames import Kind, Message
from routebook.edge.sessions.reaching import Line, Refusal
from routebook.edge.sessions.relay import CLOSING, End, Talk, ended, left
from routebook.edge.sessions.socket import Ending, Gone, Socket, Step
from routebook.edge.sessions.spending import Spending
from routebook.protocols.errors import ProtocolError
from routebook.protocols.sessions import SessionDialect, Wish
from routebook.routing.endings import Who

_UPSTREAM_FAILED: Final = 1011


class CrossedTalk(Talk):
    """The two directions of one session."""

    __slots__ = ("_crossed", "_crossing", "_kind", "_order", "_sending", "_switching", "_waiting")

    def __init__(
        self,
        client: Socket,
        line: Line,
        crossed: Crossed,
        dialect: SessionDialect,
        entry: SessionEntry,
        spending: Spending,
    ) -> None:
        super().__init__(client, line, dialect, entry, spending)
        self._crossed = crossed
        self._crossing = crossed.crossing
        self._kind = Kind.BINARY if dialect.first else Kind.TEXT
        self._order = asyncio.Lock()
        self._sending = asyncio.Lock()
        self._waiting: deque[bytes] = deque()
        self._switching: asyncio.Task[None] | None = None

    async def until_over(self) -> End:
        """Pass on what comes, either way, until the end."""
        try:
            await self._carry_out(iter(self._crossed.first))
            return await super().until_over()
        except Gone:
            return left(Gone())
        finally:
            switching = self._switching
            if switching is not None:
                switching.cancel()
                await asyncio.wait((switching,))

    # ---- from the client to the upstream

    def _from_client(self, message: Message | Ending) -> Step:
        if not isinstance(message, Message) or message.kind is Kind.CLOSE:
            self._end(left(message))
            return None
        self._spoken = self._client.heard
        return self._follow(message.data, self._client.heard)

    async def _follow(self, frame: bytes, read: float) -> None:
        """What the client says, where it may be said."""
        try:
            try:
                heard = self._crossing.hear(frame)
            except ProtocolError as error:
                await self._do(self._crossing.refuse(error))
            else:
                if await self._is_paid_for(heard.wish):
                    await self._do(self._crossing.take(heard))
            if self._switching is not None:
                await asyncio.shield(self._switching)
            async with self._sending:
                await self._send()
            self._to_upstream.took(self._now() - read)
        except Gone:
            raise
        except Exception as error:  # noqa: BLE001 - raised again where the session is waited for
            self._fail(error)

    async def _is_paid_for(self, wish: Wish) -> bool:
        """Whether what the client says may be answered; what goes on with a turn that runs is held for already."""
        asks = wish.asks and not self._crossing.continues
        if not asks and (not wish.speaks or self._spending.covers_speech):
            return True
        failure = await (self._spending.asks() if asks else self._spending.listens())
        if failure is None:
            self._muted = False
            return True
        if asks or not self._muted:
            self._muted = not asks
            await self._client.send(self._kind, self._error(failure, wish.event))
        return False

    # ---- from the upstream to the client

    def _from_upstream(self, message: Message | Ending) -> Step:
        if isinstance(message, Message) and message.kind is not Kind.CLOSE:
            self._spoken = self._upstream.heard
            return self._tell(message.data, self._upstream.heard)
        if self._crossing.may_resume():
            return self._go_on()
        self._end(ended(message))
        return None

    async def _tell(self, frame: bytes, read: float) -> None:
        """What the upstream says, and what of it matters here."""
        try:
            self._told_why = False
            await self._do(self._crossing.came(frame))
            self._to_client.took(self._now() - read)
            await self._see(self._reader.came(frame), None)
            if not self._sending.locked():
                async with self._sending:
                    await self._send()
        except Gone:
            self._end(left(Gone()))
        except ProtocolError as error:
            self._end(End(Who.UPSTREAM, _UPSTREAM_FAILED, "", Failure("upstream.garbled", error.message)))
        except Exception as error:  # noqa: BLE001 - raised again where the session is waited for
            self._fail(error)

    async def _go_on(self) -> None:
        """The upstream's connection ended as it had said: go on over another. What a response used that was cut with it is
        estimated."""
        try:
            for happening in self._reader.broke():
                await self._spending.finished(happening)
            await self._do(itertools.chain(self._crossing.cut(), (Reopen(),)))
        except Gone:
            self._end(left(Gone()))
        except Exception as error:  # noqa: BLE001 - raised again where the session is waited for
            self._fail(error)

    # ---- what is done

    async def _do(self, doings: Iterator[Doing]) -> None:
        """All that is to be done about one frame. Where that needs another connection, nothing else is done before it is
        there: the lock is given on to whoever connects."""
        await self._order.acquire()
        try:
            needs_another = await self._carry_out(doings)
        except BaseException:
            self._order.release()
            raise
        if needs_another:
            self._switching = asyncio.get_running_loop().create_task(self._switch(doings))
        else:
            self._order.release()

    async def _carry_out(self, doings: Iterator[Doing]) -> bool:
        """Whether another connection is needed for the rest. Raises Gone where the client is."""
        for doing in doings:
            match doing:
                case Up(frame):
                    self._reader.sent(frame)
                    self._waiting.append(frame)
                case Down(frame):
                    step = self._client.write(self._kind, frame)
                    if step is not None:
                        self._entry.gateway.wheel.watch(self, self._due())
                        await step
                case Lost(losses):
                    self.losses = (*self.losses, *losses)[:MOST_LOSSES]
                case Close(code, reason):
                    self._end_told(code, reason)
                case Reopen():
                    return True
        return False

    async def _switch(self, doings: Iterator[Doing]) -> None:
        """Let another connection take the place of the upstream's, then do the rest."""
        try:
            before = self._upstream
            before.listen(_ignore)
            socket, first = await self._crossed.opened()
            self._entry.gateway.look_after(before.close(1000, "", CLOSING))
            self._upstream = socket
            await self._carry_out(itertools.chain(first, doings))
            socket.listen(self._from_upstream)
        except (CallFailed, Refusal) as error:
            failure = Failure("upstream.cut", f"the upstream did not go on with the session: {error}")
            self._end(End(Who.UPSTREAM, 1001, "", failure))
        except Gone:
            self._end(left(Gone()))
        except Exception as error:  # noqa: BLE001 - raised again where the session is waited for
            self._fail(error)
        finally:
            self._switching = None
            self._order.release()
        async with self._sending:
            await self._send()

    async def _send(self) -> None:
        """What waits for the upstream; where that is gone it says so itself, and another may take what still waits."""
        while self._waiting:
            frame = self._waiting.popleft()
            try:
                await self._upstream.send(Kind.TEXT, frame)
            except Gone:
                self._waiting.appendleft(frame)
                return

    def _end_told(self, code: int, reason: str) -> None:
        """The client was told in its dialect's words already."""
        self._told_why = True
        if code == _UPSTREAM_FAILED:
            self._end(End(Who.UPSTREAM, code, reason, Failure("upstream.error-event", reason)))
        else:
            self._end(End(Who.CLIENT, code, reason, Failure("request.not-carried", reason)))


def _ignore(message: Message | Ending) -> Step:
    """What a connection still says whose place another takes."""
    return None
