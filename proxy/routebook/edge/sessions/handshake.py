"""The upgrade on the client's side: what must stand in it (RFC 6455, 4.2.1), who asks, and what is answered."""

from __future__ import annotations

import asyncio
import binascii
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from aiohttp import WSMsgType, log, web
from multidict import CIMultiDict

from routebook.catalogue.callers import ANONYMOUS, Client
from routebook.edge.answers import Failure
from routebook.edge.callers import identify
from routebook.edge.discretion import QUIET
from routebook.edge.identity.presented import OFFERED, Door
from routebook.edge.sessions.entry import SessionEntry
from routebook.protocols.paths import MOST_PARAMETERS
from routebook.protocols.sessions import SessionDialect

HEARTBEAT: Final = 30.0
"""Seconds between two signs of life that a client is asked for."""

CLOSING: Final = 1.0
"""Seconds that a peer has to answer a close."""

# aiohttp's own words about subprotocols quote what a client offered, and that may be its key.
log.ws_logger.parent = QUIET


def is_upgrade(request: web.BaseRequest) -> bool:
    """Whether a WebSocket is asked for."""
    return request.method == "GET" and request.headers.get("Upgrade", "").strip().lower() == "websocket"


def check_upgrade(request: web.BaseRequest) -> None:
    """Raises Failure where it is not what RFC 6455 demands, or comes with a body: that is how requests are smuggled."""
    headers = request.headers
    if request.content_length or "Transfer-Encoding" in headers:
        raise Failure("request.malformed", "a request for a WebSocket has no body")
    if "upgrade" not in headers.get("Connection", "").lower() or headers.get("Sec-WebSocket-Version") != "13":
        raise Failure("request.malformed", "the upgrade is not one to version 13 of WebSocket")
    try:
        whole = len(binascii.a2b_base64(headers.get("Sec-WebSocket-Key", ""), strict_mode=True)) == 16
    except (binascii.Error, ValueError):
        whole = False
    if not whole:
        raise Failure("request.malformed", "the upgrade has no key of 16 bytes")


def identify_speaker(request: web.BaseRequest, dialect: SessionDialect, entry: SessionEntry) -> Client:
    """Who asks for the session; raises Failure.

    A browser lets any page open a WebSocket to this machine and read from it, so nobody is taken for this machine whose
    page came from elsewhere.
    """
    client = identify(request, entry.gateway, entry.serving, Door(dialect.queries, dialect.secret))
    origin = request.headers.get("Origin")
    if client is ANONYMOUS and origin is not None and urlsplit(origin).netloc != request.headers.get("Host"):
        raise Failure("caller.unknown", "a page from elsewhere may not speak for this machine")
    return client


def parameters(request: web.BaseRequest) -> Mapping[str, str]:
    """The parameters of the address; raises Failure where they cannot be read."""
    try:
        return dict(parse_qsl(request.raw_path.partition("?")[2], max_num_fields=MOST_PARAMETERS))
    except ValueError:
        raise Failure("request.malformed", "the address has too many parameters") from None


async def accept(
    request: web.BaseRequest, dialect: SessionDialect, headers: CIMultiDict[str], most: int
) -> web.WebSocketResponse[Any]:
    """Answer the upgrade, with these headers besides; messages of the client may have `most` bytes. Of what it offers,
    the dialect's own subprotocol is chosen, and nothing else: never a key."""
    offered = {each.strip() for each in ",".join(request.headers.getall(OFFERED, ())).split(",")}
    chosen = (dialect.protocol,) if dialect.protocol in offered else ()
    socket = web.WebSocketResponse(
        timeout=CLOSING,
        autoclose=False,
        heartbeat=HEARTBEAT,
        protocols=[each for each in chosen if each is not None],
        compress=False,
        max_msg_size=most,
        decode_text=False,
    )
    socket.headers.update(headers)
    await socket.prepare(request)
    return socket


async def opening(socket: web.WebSocketResponse[Any], seconds: float) -> bytes:
    """The client's first message, where its dialect names the model there; raises Failure where none comes in time."""
    try:
        async with asyncio.timeout(seconds):
            message: Any = await socket.receive()
    except TimeoutError:
        raise Failure("request.slow", f"the first message did not arrive within {seconds:g} s") from None
    if message.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
        raise Failure("client.gone", "the client left before it said anything")
    return bytes(message.data)
