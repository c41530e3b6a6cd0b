"""What a browser may ask of the admin listener: the console, by its own pages.

A browser says where a request comes from: `Origin` (RFC 6454) with every form and every script's request, `Sec-Fetch-Site`
(Fetch Metadata, W3C) with everything else. Programs that are no browsers send neither, and are asked for a token.
"""

from __future__ import annotations

import ipaddress
from typing import Final
from urllib.parse import urlsplit

from aiohttp import web

from routebook.edge.admin.refusals import Refused
from routebook.edge.admin.route import CONSOLE, Route

_OWN: Final = ("same-origin", "none")
"""Asked by a page of this listener, or by the user's own hand."""


def keep_pages_out(request: web.BaseRequest, route: Route) -> bool:
    """Refuse what another web page asks, and whatever a page asks beside the console; raises Refused.

    True where a link on another page was followed to a page of the console: the browser has then left out the session,
    and will send it when it is led on from here.
    """
    origin, site = request.headers.get("Origin"), request.headers.get("Sec-Fetch-Site", "none")
    if origin is not None and not (route.is_console and _is_own(origin, request.headers.get("Host", ""))):
        raise Refused("admin.browser", "the admin listener answers no other web page")
    if site in _OWN:
        return False
    followed = (
        request.headers.get("Sec-Fetch-Mode") == "navigate" and request.headers.get("Sec-Fetch-Dest") == "document"
    )
    if route.is_page and route.method == "GET" and followed:
        return True
    raise Refused("admin.browser", "the admin listener answers no other web page")


def must_be_own(request: web.BaseRequest, route: Route, by_session: bool) -> None:
    """Refuse a form that comes with a session and does not say that a page of the console sent it; raises Refused."""
    if by_session and route.method != "GET" and request.headers.get("Origin") is None:
        raise Refused("admin.from-elsewhere", "the browser does not say that this form was sent by the console")


def wants_a_page(request: web.BaseRequest) -> bool:
    """Whether a refusal is to be read by somebody who asked for the console."""
    path = request.raw_path.partition("?")[0]
    is_console = path in ("/", CONSOLE) or path.startswith(f"{CONSOLE}/")
    return is_console and "text/html" in request.headers.get("Accept", "")


def is_plain_host(host: str) -> bool:
    """Whether `Host` is an address or `localhost`: a name could be anybody's, pointed here (DNS rebinding)."""
    name = host.rsplit(":", 1)[0] if host.count(":") == 1 or "]:" in host else host
    if name == "localhost":
        return True
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True


def _is_own(origin: str, host: str) -> bool:
    """Whether an origin is this listener, as the browser calls it: behind a front, the scheme is the front's."""
    try:
        found = urlsplit(origin)
    except ValueError:
        return False
    return found.scheme in ("http", "https") and found.netloc.lower() == host.lower() != ""
