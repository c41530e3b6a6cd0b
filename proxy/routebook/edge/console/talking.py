"""A conversation of the console's page: its WebSocket on one side, a session of this service on the other.

The session is one as any client has it, asked for where clients ask (`Service.doorway`); every message passes as it came. To
these the page is told what no session says, as events whose type begins with `routebook.`: which record is its own, what a
response cost, and, since a browser keeps that from its pages, why a session was refused.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urlencode

import msgspec
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from routebook.catalogue.models import Model
from routebook.catalogue.providers import Timeouts
from routebook.edge.admin.refusals import Refused
from routebook.edge.admin.service import Doorway
from routebook.edge.answers import Failure
from routebook.edge.connections import Connections, Origin
from routebook.edge.console.words import money
from routebook.edge.deadlines import Deadlines, Limits
from routebook.edge.faults import CallFailed
from routebook.edge.headers import request_head, upgrade_head
from routebook.edge.sessions.frames import Broken, Kind, Message, close_of
from routebook.edge.sessions.handshake import check_upgrade, is_upgrade, open_socket
from routebook.edge.sessions.socket import Ending, Gone, Socket, Step
from routebook.edge.sessions.upstream import Upgraded, asking, upgraded
from routebook.edge.upstream import whole
from routebook.ledger.cost import cost_of
from routebook.protocols.openai_realtime.dialect import OPENAI_REALTIME
from routebook.protocols.sessions import Finished

MOST: Final = 16 * 1024 * 1024
"""Bytes of a message: a page sends sound in small pieces, and text."""

PATIENCE: Final = Limits(Timeouts(connect=5.0, first_byte=60.0), 60.0)
"""How long a session may take to begin."""

LOOK: Final = 5.0
"""Seconds after which it is looked whether whoever talks may still do so."""

CLOSING: Final = 1.0
REFUSAL_BYTES: Final = 64 * 1024
REFUSED, SIGNED_OUT, NORMAL, LOST = 1008, 1008, 1000, 1006
"""Close codes (RFC 6455, 7.4.1)."""

Priced = Callable[[str], Model | None]
"""A model of the policy by its name."""


class Talking:
    """One conversation. `is_admitted` says whether it may go on; `models` are those of the policy, for what they cost."""

    def __init__(self, doorway: Doorway, model: str, models: Priced, is_admitted: Callable[[], bool]) -> None:
        self._doorway = doorway
        self._asked = model
        self._models = models
        self._is_admitted = is_admitted
        self._reader = OPENAI_REALTIME.reader(model, model)
        self._model: Model | None = None
        self._page_left = False
        self._page: Socket
        self._session: Socket
        self._over: asyncio.Future[tuple[int, str]]

    def __repr__(self) -> str:
        return f"<Talking to {self._asked}>"

    async def goes_on(self, request: web.BaseRequest) -> web.StreamResponse:
        """From the upgrade to the close; raises Refused where it is none that a page of the console asks for."""
        if not is_upgrade(request):
            raise Refused("admin.bad-request", "this path takes a WebSocket")
        if request.headers.get("Origin") is None:
            raise Refused("admin.from-elsewhere", "the browser does not say that the console asks for this")
        try:
            check_upgrade(request)
        except Failure as failure:
            raise Refused("admin.bad-request", failure.message) from None
        answer = await open_socket(request, None, CIMultiDict(), MOST)
        self._page = answer.socket
        try:
            code, reason = await self._talk()
            await self._page.close(code, reason, CLOSING)
        finally:
            self._page.abort()
        return answer

    async def _talk(self) -> tuple[int, str]:
        """Ask for a session and let both sides talk; the close code and reason for the page."""
        try:
            found = await self._asked_for()
        except _NotServed as refused:
            self._tell("refused", status=refused.status, code=refused.code, message=refused.message)
            return REFUSED, refused.code
        self._session = found.socket
        try:
            served = found.headers.get("x-routebook-model", "")
            self._model = self._models(served)
            rule = found.headers.get("x-routebook-rule")
            self._tell("began", decision=found.headers.get("x-routebook-decision"), model=served, rule=rule)
            return await self._until_over()
        finally:
            self._session.abort()

    async def _asked_for(self) -> Upgraded:
        """A session; raises _NotServed."""
        to = self._doorway
        if to.certified:
            raise _NotServed(401, "caller.unknown", "clients show a certificate here, and the console has none to show")
        key, how = asking()
        scheme, host = "http" if to.trust is None else "https", f"[{to.host}]" if ":" in to.host else to.host
        path = f"{OPENAI_REALTIME.paths[0]}?{urlencode({'model': self._asked})}"
        begun = request_head(URL(f"{scheme}://{host}:{to.port}"), path, to.secret, how=how)
        head = upgrade_head(begun, {"User-Agent": "routebook-console"}, False, ())
        connections = Connections(to.trust)
        try:
            with Deadlines(PATIENCE) as deadlines:
                origin = Origin(to.host, to.port, to.trust is not None)
                found = await upgraded(connections, origin, head, key, deadlines, MOST)
                if isinstance(found, Upgraded):
                    return found
                raise _NotServed.of(found.status, await whole(found, REFUSAL_BYTES))
        except CallFailed as failed:
            words = f"the service does not take the page's session: {failed}"
            raise _NotServed(502, failed.code, words) from None
        finally:
            connections.close()

    async def _until_over(self) -> tuple[int, str]:
        self._over = asyncio.get_running_loop().create_future()
        self._page.listen(self._from_page)
        self._session.listen(self._from_session)
        while not self._over.done():
            await asyncio.wait((self._over,), timeout=LOOK)
            if not self._over.done() and not self._is_admitted():
                self._over.set_result((SIGNED_OUT, "signed out"))
        code, reason = self._over.result()
        self._page.rest()
        if not self._page_left:
            self._tell("ended", code=code, reason=reason)
        await self._session.close(NORMAL, reason, CLOSING)
        return (NORMAL if code == LOST else code), reason

    def _from_page(self, message: Message | Ending) -> Step:
        if not isinstance(message, Message) or message.kind is Kind.CLOSE:
            self._page_left = True
            self._end(NORMAL, "the page has left")
            return None
        try:
            self._reader.sent(message.data)
            return self._session.write(*message)
        except Gone:
            self._end(LOST, "the session has ended")
        return None

    def _from_session(self, message: Message | Ending) -> Step:
        if not isinstance(message, Message):
            words = str(message) if isinstance(message, Broken) else "the service broke the session off"
            self._end(LOST, words)
            return None
        if message.kind is Kind.CLOSE:
            code, reason = close_of(message.data)
            self._end(NORMAL if code == 1005 else code, reason)
            return None
        try:
            step = self._page.write(*message)
        except Gone:
            self._end(NORMAL, "the page has left")
            return None
        for happening in self._reader.came(message.data):
            if isinstance(happening, Finished):
                self._tell_cost(happening)
        return step

    def _tell_cost(self, done: Finished) -> None:
        """What a response cost, as it is booked: by the price of the model that serves, whatever the page asked for."""
        usage = done.estimate if done.usage is None else done.usage
        cost = None if self._model is None else cost_of(usage, self._model.price)
        self._tell(
            "response",
            response=done.id,
            cost=None if cost is None else money(cost.total),
            unpriced=[] if cost is None else list(cost.unpriced),
            estimated=done.usage is None,
        )

    def _tell(self, kind: str, **fields: Any) -> None:
        """An event of our own; a page that has left needs none."""
        try:
            self._page.write(Kind.TEXT, msgspec.json.encode({"type": f"routebook.{kind}", **fields}))
        except Gone:
            pass

    def _end(self, code: int, reason: str) -> None:
        if not self._over.done():
            self._over.set_result((code, reason))


class _NotServed(Exception):
    """The service refused the session, and said why."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.message = message

    @classmethod
    def of(cls, status: int, body: bytes) -> _NotServed:
        """A refusal as clients read it."""
        try:
            error = msgspec.json.decode(body, type=dict[str, dict[str, Any]])["error"]
            return cls(status, str(error.get("code") or ""), str(error.get("message") or ""))
        except (msgspec.MsgspecError, KeyError, UnicodeDecodeError):
            return cls(status, "", "it said no more")
