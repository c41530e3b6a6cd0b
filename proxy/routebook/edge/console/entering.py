"""Signing in and out: a token is changed for a session, which stands in a cookie that scripts cannot read and that no
other site's pages cause to be sent (RFC 6265bis, `HttpOnly` and `SameSite=Strict`).
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from routebook.edge.admin.refusals import Refused
from routebook.edge.admin.route import CONSOLE, Asked, Css, Html, Image, Reply, Role, Route, Script, Wanted
from routebook.edge.admin.service import Service
from routebook.edge.admin.sessions import COOKIE, LIFETIME
from routebook.edge.console.layout import GUARD, content_of, rendered
from routebook.edge.operations_log import operations_log


class LoginWanted(Wanted, frozen=True):
    """A token, and where to go on."""

    token: Annotated[str, Meta(min_length=1, max_length=1000, description="an admin token")]
    then: Annotated[str, Meta(max_length=4000, description="the address within the console to go on to")] = CONSOLE


async def login(_: Service, asked: Asked) -> Reply:
    """Open a session."""
    wanted: LoginWanted = asked.body
    door = asked.visitor.door
    assert door is not None
    who, session = door.open_session(wanted.token)
    operations_log().info("console entered", by=who)
    secure = "; Secure" if (asked.visitor.origin or "").startswith("https:") else ""
    seconds = int(LIFETIME.total_seconds())
    cookie = f"{COOKIE}={session}; Path={CONSOLE}; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}"
    return _on(_within(wanted.then), cookie)


async def logout(_: Service, asked: Asked) -> Reply:
    """End the session that the browser came with."""
    if asked.visitor.session is not None and asked.visitor.door is not None:
        asked.visitor.door.close_session(asked.visitor.session)
    return _on(CONSOLE, f"{COOKIE}=; Path={CONSOLE}; Max-Age=0; HttpOnly; SameSite=Strict")


def _within(address: str) -> str:
    """An address of the console; never one of another site."""
    plain = address.isascii() and address.isprintable() and "\\" not in address
    is_own = address == CONSOLE or address.startswith((f"{CONSOLE}/", f"{CONSOLE}?"))
    if not plain or not is_own:
        raise Refused("admin.bad-request", "`then`: an address of the console is expected")
    return address


def _on(address: str, cookie: str) -> Reply:
    page = Html(rendered("doorstep", {"address": address}))
    return Reply(page, 303, {**GUARD, "Location": address, "Set-Cookie": cookie})


async def style(_: Service, __: Asked) -> Reply:
    """How pages look."""
    return asset_of(Css, "console.css")


async def script(_: Service, __: Asked) -> Reply:
    """What keeps pages fresh."""
    return asset_of(Script, "console.js")


async def icon(_: Service, __: Asked) -> Reply:
    """The sign of the console, for a browser's tabs."""
    return asset_of(Image, "icon.svg")


class AssetWanted(Wanted, frozen=True):
    """Which version of a file."""

    v: Annotated[str | None, Meta(description="changes with the file, so that it may be kept")] = None


def asset_of(kind: type[Css | Script | Image], name: str) -> Reply:
    """A file that pages load, to be kept for good: its address changes with it."""
    return Reply(kind(content_of(name)), headers={**GUARD, "Cache-Control": "public, max-age=31536000, immutable"})


ROUTES = (
    Route(
        "POST",
        "/console/login",
        Role.ANYONE,
        "changes a token for a session of the console",
        login,
        {303: Html},
        form=LoginWanted,
    ),
    Route("POST", "/console/logout", Role.ANYONE, "ends the session of the console", logout, {303: Html}),
    Route("GET", "/console/console.css", Role.ANYONE, "how pages look", style, {200: Css}, AssetWanted),
    Route("GET", "/console/console.js", Role.ANYONE, "what keeps pages fresh", script, {200: Script}, AssetWanted),
    Route("GET", "/console/icon.svg", Role.ANYONE, "the sign of the console", icon, {200: Image}, AssetWanted),
)
