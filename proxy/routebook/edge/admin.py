"""The admin listener: health, metrics, the policy in force, reload. A socket of its own, on loopback by default.

Whoever reaches it may reload the policy that stands on the disk and read names and counts, nothing more: no key, no
prompt. A browser is kept out (names other than an address or `localhost` in `Host`, any `Origin`), so that a web page
cannot reach it through the operator's machine.
"""

from __future__ import annotations

import ipaddress
import logging
import re
import socket
from typing import Any, Protocol

import orjson
from aiohttp import web

from routebook.edge.processes.rollout import Reloaded

_SECONDS = re.compile(r"[0-9]{1,9}(\.[0-9]{1,6})?", re.ASCII)


class Service(Protocol):
    """What the admin listener shows and does."""

    @property
    def is_ready(self) -> bool:
        """Whether a worker serves and the service is not on its way out."""
        ...

    def describe(self) -> dict[str, Any]:
        """The policy in force, the workers and the last reload, ready for JSON."""
        ...

    async def metrics_text(self) -> bytes:
        """All counts as Prometheus text."""
        ...

    async def reload(self) -> Reloaded:
        """Read the policy again and say what came of it."""
        ...

    async def accounts(self) -> list[dict[str, Any]]:
        """How every account stands, ready for JSON."""
        ...

    async def tell_account(self, provider: str, account: str, does: str, seconds: float | None) -> bool:
        """Have an account `rest`, or `admit` it again; whether there is such an account."""
        ...


async def start_admin(service: Service, listen: socket.socket) -> web.AppRunner:
    """Serve until the returned runner is cleaned up."""
    routes = _Routes(service)
    app = web.Application(middlewares=[_keep_browsers_out])
    app.add_routes(
        [
            web.get("/healthz", routes.health),
            web.get("/readyz", routes.ready),
            web.get("/metrics", routes.metrics),
            web.get("/policy", routes.policy),
            web.post("/reload", routes.reload),
            web.get("/accounts", routes.accounts),
            web.post("/accounts/{provider}/{account}/{does:rest|admit}", routes.account),
        ]
    )
    runner = web.AppRunner(app, access_log=None, keepalive_timeout=75, logger=logging.getLogger("routebook.admin"))
    await runner.setup()
    await web.SockSite(runner, listen).start()
    return runner


class _Routes:
    def __init__(self, service: Service) -> None:
        self._service = service

    async def health(self, _: web.Request) -> web.Response:
        """The supervisor runs."""
        return _json(200, {"status": "ok"})

    async def ready(self, _: web.Request) -> web.Response:
        """Requests should be sent here."""
        ready = self._service.is_ready
        return _json(200 if ready else 503, {"status": "ready" if ready else "not ready"})

    async def metrics(self, _: web.Request) -> web.Response:
        """Prometheus text format."""
        return web.Response(
            body=await self._service.metrics_text(),
            headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"},
        )

    async def policy(self, _: web.Request) -> web.Response:
        """What serves."""
        return _json(200, self._service.describe())

    async def reload(self, _: web.Request) -> web.Response:
        """200 where the files as they stand now serve, 422 with the problems where they do not."""
        reloaded = await self._service.reload()
        return _json(200 if reloaded.succeeded else 422, as_json(reloaded))

    async def accounts(self, _: web.Request) -> web.Response:
        """How every account stands, and fares."""
        return _json(200, {"accounts": await self._service.accounts()})

    async def account(self, request: web.Request) -> web.Response:
        """Leave an account alone (`?seconds=600`; a day where nothing is said), or let it back in."""
        asked = request.query.get("seconds")
        if asked is not None and not _SECONDS.fullmatch(asked):
            return _json(400, {"error": "`seconds` is a number of seconds"})
        named = request.match_info
        seconds = None if asked is None else float(asked)
        if not await self._service.tell_account(named["provider"], named["account"], named["does"], seconds):
            return _json(404, {"error": "there is no such account"})
        return _json(200, {"accounts": await self._service.accounts()})


def as_json(reloaded: Reloaded) -> dict[str, Any]:
    """A reload's outcome, ready for JSON."""
    return {
        "result": reloaded.result,
        "digest": reloaded.digest,
        "at": reloaded.at,
        "seconds": round(reloaded.seconds, 4),
        "problems": list(reloaded.problems),
        "text": reloaded.text,
    }


@web.middleware
async def _keep_browsers_out(request: web.Request, handler: Any) -> web.StreamResponse:
    if request.headers.get("Origin") is not None or not _is_plain_host(request.headers.get("Host", "")):
        return _json(403, {"error": "the admin listener answers no browser and no other name"})
    try:
        response: web.StreamResponse = await handler(request)
        return response
    except web.HTTPException as error:
        return _json(error.status, {"error": error.reason.lower()})


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


def _json(status: int, content: dict[str, Any]) -> web.Response:
    return web.Response(
        status=status, body=orjson.dumps(content, option=orjson.OPT_APPEND_NEWLINE), content_type="application/json"
    )
