"""The admin listener at work: finds a request's row, keeps browsers and strangers out, reads, answers, and says who acted.

A browser gets the console and nothing else, and that only for itself: what another web page asks is refused (by `Origin`
and `Sec-Fetch-Site`; on a loopback address also by names other than an address or `localhost` in `Host`), so that no page
can reach the service through the operator's machine.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterable
from urllib.parse import parse_qsl

import msgspec
from aiohttp import web

from routebook.edge.admin.access import Access
from routebook.edge.admin.browsers import is_plain_host, keep_pages_out, must_be_own, wants_a_page
from routebook.edge.admin.document import Failed, Failure
from routebook.edge.admin.forms import converted, read_form
from routebook.edge.admin.refusals import Refused
from routebook.edge.admin.route import TEXT, Asked, Conversation, Reply, Role, Route, Text, Visitor, Wanted
from routebook.edge.admin.routes import ROUTES, Router, WrongMethod
from routebook.edge.admin.service import Service
from routebook.edge.admin.sessions import COOKIE
from routebook.edge.discretion import QUIET, DiscreetConnection
from routebook.edge.operations_log import operations_log
from routebook.edge.tls.pair import Pair, context_of

KEEPALIVE = 75.0
"""Seconds a connection may be idle."""

BODY_SECONDS = 10.0
"""Seconds that a body may take to arrive."""

_NO_GUESSING = {"X-Content-Type-Options": "nosniff"}


class AdminListener:
    """The admin listener at work, until it is closed."""

    def __init__(self, runner: web.ServerRunner, sock: socket.socket) -> None:
        self._runner = runner
        self._sock = sock
        self._site: web.SockSite | None = None

    async def accept(self, pair: Pair | None) -> None:
        """Accept connections, in TLS where there is a pair. Called again, connections from then on get the new one."""
        context = None if pair is None else context_of(pair, required=False)
        before, self._site = self._site, web.SockSite(self._runner, self._sock.dup(), ssl_context=context)
        await self._site.start()
        if before is not None:
            await before.stop()

    async def cleanup(self) -> None:
        """Accept no more and close what is open."""
        await self._runner.cleanup()
        self._sock.close()


async def start_admin(
    service: Service, access: Access, listen: socket.socket, routes: Iterable[Route] = ROUTES, pair: Pair | None = None
) -> AdminListener:
    """Serve these routes, in TLS where there is a pair, until the returned listener is closed."""
    runner = web.ServerRunner(_Server(_Desk(service, access, Router(routes))))
    await runner.setup()
    listener = AdminListener(runner, listen)
    await listener.accept(pair)
    return listener


class _Server(web.Server):
    """aiohttp's server with connections that do not repeat what they were sent, a token perhaps."""

    def __init__(self, desk: _Desk) -> None:
        super().__init__(desk.answer)

    def __call__(self) -> web.RequestHandler:
        return _Connection(
            self,
            loop=asyncio.get_running_loop(),
            keepalive_timeout=KEEPALIVE,
            logger=QUIET,
            access_log=None,  # type: ignore[arg-type]  # None turns it off
        )


class _Connection(DiscreetConnection):
    __slots__ = ()

    def malformed(self, status: int) -> web.Response:
        """Without a word of what was sent."""
        return _refusal(Refused("admin.malformed", "the request is not valid HTTP/1.1"))

    def bug(self) -> web.Response:
        """The log has more."""
        return _refusal(Refused("admin.bug", "the service failed to handle this request"))


class _Desk:
    """Answers requests, one row of the table each."""

    def __init__(self, service: Service, access: Access, router: Router) -> None:
        self._service = service
        self._access = access
        self._router = router

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Whatever happens: in JSON, or as a page to a browser that asks for one."""
        try:
            return await self._answer(request)
        except Refused as refused:
            # The answer's message may hold words of the request, and is not for the log.
            more = {"reason": str(refused.__cause__)} if refused.code == "admin.tokens-unreadable" else {}
            operations_log().warning("admin request refused", code=refused.code, **more)
            return self._refuse(request, refused)
        except Exception as error:  # noqa: BLE001 - a defect of ours is said in the log and answered as one
            operations_log().error("bug", code="admin.bug", exception=type(error).__name__)
            return self._refuse(request, Refused("admin.bug", "the service failed to handle this request"))

    def _refuse(self, request: web.BaseRequest, refused: Refused) -> web.Response:
        if not wants_a_page(request):
            return _refusal(refused)
        from routebook.edge.console.refused import page_of

        return _response(page_of(refused, request.raw_path))

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        path, _, query = request.raw_path.partition("?")
        self._keep_strangers_out(request)
        route, names = self._router.find(request.method, path)
        if keep_pages_out(request, route):
            from routebook.edge.console.refused import doorstep

            return _response(doorstep(request.raw_path))
        session = request.cookies.get(COOKIE) if route.is_console else None
        presented = request.headers.getall("Authorization", [])
        certified = _certified(request)
        who = self._access.admit(presented, route.role, session, certified)
        must_be_own(request, route, session is not None and not presented)
        visitor = Visitor(
            who,
            route.is_console and self._access.may(presented, Role.OPERATE, session, certified),
            session,
            request.headers.get("Origin"),
            self._access,
            lambda: self._access.may(presented, route.role, session, certified),
        )
        body = await read_form(request, route.form) if route.form is not None else await _read_body(route, request)
        asked = Asked(names, _read_query(route, query), body, path, query, visitor)
        reply = await route.handler(self._service, asked)
        if route.role is Role.OPERATE:
            operations_log().info(
                "operated", method=route.method, path=route.path, names=names, by=who, status=reply.status
            )
        if isinstance(reply.content, Conversation):
            return await reply.content.goes_on(request)
        return _response(reply)

    def _keep_strangers_out(self, request: web.BaseRequest) -> None:
        if self._access.on_loopback and not is_plain_host(request.headers.get("Host", "")):
            raise Refused("admin.browser", "the admin listener answers to no other name")


def _certified(request: web.BaseRequest) -> bool:
    """Whether the other side showed a certificate; the handshake has verified it."""
    return request.transport is not None and bool(request.transport.get_extra_info("peercert"))


def _read_query(route: Route, query: str) -> Wanted | None:
    """What the query asks, as the row wants it; raises Refused with the field's name."""
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=True, errors="strict") if query else []
    except (ValueError, UnicodeDecodeError):
        raise Refused("admin.bad-request", "the query of the address cannot be read") from None
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise Refused("admin.bad-request", "a parameter stands in the query twice")
    if route.query is None:
        if fields:
            raise Refused("admin.bad-request", "this path takes no parameters")
        return None
    return converted(fields, route.query)


async def _read_body(route: Route, request: web.BaseRequest) -> Wanted | None:
    """What the body asks, as the row wants it; raises Refused with the field's name. Other rows leave it unread."""
    if route.body is None:
        return None
    try:
        async with asyncio.timeout(BODY_SECONDS):
            body = await request.read()
        return converted(msgspec.json.decode(body), route.body, strict=True)
    except web.HTTPRequestEntityTooLarge:
        raise Refused("admin.too-large", "the body is too large") from None
    except TimeoutError:
        raise Refused("admin.bad-request", f"the body did not arrive within {BODY_SECONDS:g} s") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Refused("admin.bad-request", "the body is no JSON") from None


def _response(reply: Reply) -> web.Response:
    assert not isinstance(reply.content, Conversation)
    if isinstance(reply.content, bytes):
        media = reply.content.media if isinstance(reply.content, Text) else TEXT
        return web.Response(status=reply.status, body=reply.content, headers={"Content-Type": media, **reply.headers})
    response = _json(reply.status, reply.content)
    response.headers.update(reply.headers)
    return response


def _refusal(refused: Refused) -> web.Response:
    response = _json(refused.status, Failed(Failure(refused.code, refused.message)))
    if refused.status == 401:
        response.headers["WWW-Authenticate"] = 'Bearer realm="routebook admin"'
    if isinstance(refused, WrongMethod):
        response.headers["Allow"] = refused.allowed
    return response


def _json(status: int, content: object) -> web.Response:
    body = msgspec.json.encode(content) + b"\n"
    return web.Response(status=status, body=body, content_type="application/json", headers=_NO_GUESSING)
