"""The upgrade on the client's side: what must stand in it (RFC 6455, 4.2.1), who asks, and what is answered."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Final, NamedTuple
from urllib.parse import parse_qsl, urlsplit

import msgspec
from aiohttp import web
from multidict import CIMultiDict

from routebook.catalogue.callers import ANONYMOUS, Client
from routebook.edge.answers import Failure
from routebook.edge.callers import granted, identify
from routebook.edge.identity.ephemeral import Grant
from routebook.edge.identity.presented import OFFERED, Door
from routebook.edge.sessions.entry import SessionEntry
from routebook.edge.sessions.frames import TOO_BIG, Broken, Kind
from routebook.edge.sessions.socket import Gone, Socket, taken_over
from routebook.protocols.paths import MOST_PARAMETERS
from routebook.protocols.sessions import SessionAsked, SessionDialect

_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


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


class Speaker(NamedTuple):
    """Who asks for a session, and what it was granted, where it shows a secret that was made here."""

    client: Client
    grant: Grant | None


def identify_speaker(request: web.BaseRequest, dialect: SessionDialect, entry: SessionEntry) -> Speaker:
    """Who asks for the session; raises Failure.

    A browser lets any page open a WebSocket to this machine and read from it, so nobody is taken for this machine whose
    page came from elsewhere, unless it shows a secret.
    """
    door = Door(dialect.queries, dialect.secret)
    client, grant = granted(request, entry.gateway, entry.serving, door)
    if client is not None:
        entry.grant = grant
        return Speaker(client, grant)
    client = identify(request, entry.gateway, entry.serving, door)
    origin = request.headers.get("Origin")
    if client is ANONYMOUS and origin is not None and urlsplit(origin).netloc != request.headers.get("Host"):
        raise Failure("caller.unknown", "a page from elsewhere may not speak for this machine")
    return Speaker(client, None)


def asked_for(request: web.BaseRequest, dialect: SessionDialect, speaker: Speaker, first: bytes) -> SessionAsked:
    """The session that is asked for, by its address or by the client's first message; a secret's own model and settings
    are those of whoever shows it. Raises Failure, ProtocolError."""
    path, named, grant = request.raw_path.partition("?")[0], parameters(request), speaker.grant
    if grant is None:
        return dialect.read(path, named, first)
    if grant.dialect is not None:
        if grant.dialect != dialect.name or dialect.constrained is None:
            raise Failure("caller.not-granted", f"the token was made for sessions of `{grant.dialect}`")
        return dialect.read(path, named, dialect.constrained(first, grant.settings, grant.mask))
    usual = {} if grant.model is None or "deployment" in named else {"model": grant.model}
    asked = dialect.read(path, {**usual, **named}, first)
    if grant.model is not None and asked.model != grant.model:
        raise Failure("caller.not-granted", f"the secret was made for the model {grant.model}", param="model")
    return replace(asked, settings=msgspec.json.encode(grant.settings) if grant.settings else b"")


def parameters(request: web.BaseRequest) -> Mapping[str, str]:
    """The parameters of the address; raises Failure where they cannot be read."""
    try:
        return dict(parse_qsl(request.raw_path.partition("?")[2], max_num_fields=MOST_PARAMETERS))
    except ValueError:
        raise Failure("request.malformed", "the address has too many parameters") from None


class Accepted(web.StreamResponse):
    """The answer to an upgrade: a head, after which the connection is another one, `socket`."""

    _length_check = False
    socket: Socket

    def __init__(self, key: str, protocol: str | None, headers: CIMultiDict[str]) -> None:
        super().__init__(status=101, headers=headers)
        self.headers["Upgrade"] = "websocket"
        self.headers["Connection"] = "upgrade"
        self.headers["Sec-WebSocket-Accept"] = answer_to(key)
        if protocol is not None:
            self.headers[OFFERED] = protocol
        self.force_close()

    async def write_eof(self, data: bytes = b"") -> None:
        """Nothing stands behind the head."""
        self._eof_sent = True


def answer_to(key: str) -> str:
    """What a server answers to the key of an upgrade (RFC 6455, 4.2.2)."""
    return base64.b64encode(hashlib.sha1(key.encode() + _GUID).digest()).decode()


async def accept(request: web.BaseRequest, dialect: SessionDialect, headers: CIMultiDict[str], most: int) -> Accepted:
    """Answer the upgrade, with these headers besides; messages of the client may have `most` bytes. Of what it offers,
    the dialect's own subprotocol is chosen, and nothing else: never a key. Raises ConnectionError."""
    offered = {each.strip() for each in ",".join(request.headers.getall(OFFERED, ())).split(",")}
    return await open_socket(request, dialect.protocol if dialect.protocol in offered else None, headers, most)


async def open_socket(request: web.BaseRequest, protocol: str | None, headers: CIMultiDict[str], most: int) -> Accepted:
    """Answer the upgrade with this subprotocol; raises ConnectionError."""
    answer = Accepted(request.headers["Sec-WebSocket-Key"], protocol, headers)
    await answer.prepare(request)
    try:
        answer.socket = taken_over(request.protocol, most)
    except Gone:
        raise ConnectionResetError from None
    return answer


async def opening(socket: Socket, seconds: float) -> bytes:
    """The client's first message, where its dialect names the model there; raises Failure where none comes in time."""
    try:
        async with asyncio.timeout(seconds):
            message = await socket.receive()
    except TimeoutError:
        raise Failure("request.slow", f"the first message did not arrive within {seconds:g} s") from None
    except Broken as broken:
        raise Failure(*broke(broken)) from None
    except Gone:
        raise Failure("client.gone", "the client left before it said anything") from None
    if message.kind is Kind.CLOSE:
        raise Failure("client.gone", "the client left before it said anything")
    return message.data


def broke(broken: Broken) -> tuple[str, str]:
    """The code and words of a client's breach of the protocol."""
    if broken.code == TOO_BIG:
        return "request.too-large", "a message of the client is too large"
    return "request.malformed", "the client broke the protocol of WebSocket"
