"""The admin listener at work: finds a request's row, keeps browsers and strangers out, reads, answers, and says who acted.

A browser is kept out (any `Origin`; on a loopback address also names other than an address or `localhost` in `Host`),
so that a web page cannot reach the service through the operator's machine.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from aiohttp import web

from routebook.edge.admin.access import Access
from routebook.edge.admin.document import Failed, Failure
from routebook.edge.admin.refusals import Refused
from routebook.edge.admin.route import TEXT, Asked, Reply, Role, Route, Wanted
from routebook.edge.admin.routes import ROUTES, Router, WrongMethod
from routebook.edge.admin.service import Service
from routebook.edge.discretion import QUIET, DiscreetConnection
from routebook.edge.operations_log import operations_log
from routebook.edge.tls.pair import Pair, context_of

KEEPALIVE = 75.0
"""Seconds a connection may be idle."""

BODY_SECONDS = 10.0
"""Seconds that a body may take to arrive."""

_LAST_WORDS = re.compile(r"^(?P<what>.*?)(?: - at `\$\.?(?P<where>[^`]*)`)?$", re.DOTALL)


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
        """Whatever happens, in JSON."""
        try:
            return await self._answer(request)
        except Refused as refused:
            # The answer's message may hold words of the request, and is not for the log.
            more = {"reason": str(refused.__cause__)} if refused.code == "admin.tokens-unreadable" else {}
            operations_log().warning("admin request refused", code=refused.code, **more)
            return _refusal(refused)
        except Exception as error:  # noqa: BLE001 - a defect of ours is said in the log and answered as one
            operations_log().error("bug", code="admin.bug", exception=type(error).__name__)
            return _refusal(Refused("admin.bug", "the service failed to handle this request"))

    async def _answer(self, request: web.BaseRequest) -> web.Response:
        path, _, query = request.raw_path.partition("?")
        self._keep_browsers_out(request)
        route, names = self._router.find(request.method, path)
        who = self._access.admit(request.headers.getall("Authorization", []), route.role, certified=_certified(request))
        asked = Asked(names, _read_query(route, query), await _read_body(route, request))
        reply = await route.handler(self._service, asked)
        if route.role is Role.OPERATE:
            operations_log().info(
                "operated", method=route.method, path=route.path, names=names, by=who, status=reply.status
            )
        return _response(reply)

    def _keep_browsers_out(self, request: web.BaseRequest) -> None:
        plain = not self._access.on_loopback or _is_plain_host(request.headers.get("Host", ""))
        if request.headers.get("Origin") is not None or not plain:
            raise Refused("admin.browser", "the admin listener answers no browser and no other name")


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
    return _converted(fields, route.query, strict=False)


async def _read_body(route: Route, request: web.BaseRequest) -> Wanted | None:
    """What the body asks, as the row wants it; raises Refused with the field's name. Other rows leave it unread."""
    if route.body is None:
        return None
    try:
        async with asyncio.timeout(BODY_SECONDS):
            body = await request.read()
        return _converted(msgspec.json.decode(body), route.body, strict=True)
    except web.HTTPRequestEntityTooLarge:
        raise Refused("admin.too-large", "the body is too large") from None
    except TimeoutError:
        raise Refused("admin.bad-request", f"the body did not arrive within {BODY_SECONDS:g} s") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Refused("admin.bad-request", "the body is no JSON") from None


def _converted(content: Any, wanted: type[Wanted], *, strict: bool) -> Wanted:
    try:
        return msgspec.convert(content, wanted, strict=strict)
    except msgspec.ValidationError as error:
        raise Refused("admin.bad-request", _placed(str(error))) from None


def _placed(message: str) -> str:
    """A message of msgspec as ours are: the place first, lower case."""
    found = _LAST_WORDS.match(message)
    what, where = (found["what"], found["where"]) if found else (message, None)
    said = what[:1].lower() + what[1:]
    return f"`{where}`: {said}" if where else said


def _is_plain_host(host: str) -> bool:
    """Whether `Host` is an address or `localhost`: a name could be anybody's, pointed here (DNS rebinding)."""
    name = host.rsplit(":", 1)[0] if host.count(":") == 1 or "]:" in host else host
    if name == "localhost":
        return True
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True


def _response(reply: Reply) -> web.Response:
    if isinstance(reply.content, bytes):
        return web.Response(status=reply.status, body=reply.content, headers={"Content-Type": TEXT})
    return _json(reply.status, reply.content)


def _refusal(refused: Refused) -> web.Response:
    response = _json(refused.status, Failed(Failure(refused.code, refused.message)))
    if refused.status == 401:
        response.headers["WWW-Authenticate"] = 'Bearer realm="routebook admin"'
    if isinstance(refused, WrongMethod):
        response.headers["Allow"] = refused.allowed
    return response


def _json(status: int, content: object) -> web.Response:
    return web.Response(status=status, body=msgspec.json.encode(content) + b"\n", content_type="application/json")
