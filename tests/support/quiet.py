"""Both ends of very many WebSockets that say the same again and again: a few hundred bytes and microseconds for each.

async with QuietUpstream() as upstream:               # greets, and answers each message with another
    clients = await opened(url, 1, 5000, QuietClient) # each of them has heard one message
    await clients[0].ask(frame(b"{}", masked=True))
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Final, Self, TypeVar
from urllib.parse import urlsplit

_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_KEY: Final = re.compile(rb"(?i)sec-websocket-key: *([^\r\n]+)")
_CLIENT_KEY: Final = base64.b64encode(bytes(16)).decode()
_MASK: Final = b"\x5a\xa5\x0f\xf0"
_CLOSE: Final = 8
_PING: Final = 9

Client = TypeVar("Client", bound="QuietClient")

AT_ONCE: Final = 50
"""Upgrades that are under way at the same time."""

GREETING: Final = b'{"type": "session.created", "session": {"audio": {"input": {"turn_detection": null}}}}'


def frame(message: bytes, masked: bool = False) -> bytes:
    """A message of less than 64 KiB as one frame of text."""
    size, bit = len(message), 0x80 if masked else 0
    head = bytes((0x81, bit | size)) if size < 126 else bytes((0x81, bit | 126, size >> 8, size & 0xFF))
    if not masked:
        return head + message
    return head + _MASK + bytes(byte ^ _MASK[at % 4] for at, byte in enumerate(message))


def cut(data: bytes) -> tuple[list[tuple[int, bytes]], bytes]:
    """The frames that are whole in this, as their kind and payload (under its mask, where it has one), and what is left."""
    found: list[tuple[int, bytes]] = []
    at, size = 0, len(data)
    while size - at >= 2:
        length, begin = data[at + 1] & 0x7F, at + 2
        if length == 126:
            length, begin = int.from_bytes(data[at + 2 : at + 4], "big"), at + 4
        begin += 4 if data[at + 1] & 0x80 else 0
        if begin + length > size:
            break
        found.append((data[at] & 0x0F, data[begin : begin + length]))
        at = begin + length
    return found, data[at:]


class _Peer(asyncio.Protocol):
    """One end of one WebSocket."""

    __slots__ = ("_rest", "_upgraded", "transport")
    transport: asyncio.Transport
    answers = (b"\x8a\x00", b"\x88\x00")
    """A sign of life, and a close."""

    def __init__(self) -> None:
        self._rest = b""
        self._upgraded = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self._rest += data
        if not self._upgraded:
            head, end, rest = self._rest.partition(b"\r\n\r\n")
            if not end:
                return
            self._rest, self._upgraded = rest, True
            self.upgraded(head)
        frames, self._rest = cut(self._rest)
        messages = [payload for kind, payload in frames if kind < _CLOSE]
        if messages:
            self.heard(messages)
        if len(messages) < len(frames):
            self.controlled([kind for kind, _ in frames if kind >= _CLOSE])

    def upgraded(self, head: bytes) -> None:
        """The other side's head is there."""

    def heard(self, messages: list[bytes]) -> None:
        """These messages have come."""

    def controlled(self, kinds: list[int]) -> None:
        """These frames of control have come. Signs of life are asked for without a payload here."""
        for kind in kinds:
            if kind == _CLOSE:
                self.transport.write(self.answers[1])
                self.transport.close()
            elif kind == _PING:
                self.transport.write(self.answers[0])


class _Served(_Peer):
    __slots__ = ("_owner",)

    def __init__(self, owner: QuietUpstream) -> None:
        super().__init__()
        self._owner = owner

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._owner.open += 1

    def connection_lost(self, exc: Exception | None) -> None:
        self._owner.open -= 1

    def upgraded(self, head: bytes) -> None:
        found = _KEY.search(head)
        assert found is not None, head
        accept = base64.b64encode(hashlib.sha1(found[1].strip() + _GUID).digest())
        answer = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        self.transport.write(answer + b"Sec-WebSocket-Accept: %b\r\n\r\n" % accept + self._owner.greeting)

    def heard(self, messages: list[bytes]) -> None:
        self.transport.write(self._owner.answer * len(messages))


class QuietUpstream:
    """A server whose every path takes a WebSocket. `open` is how many there are."""

    def __init__(
        self, greeting: Sequence[bytes] = (GREETING,), answer: bytes = b'{"type": "heard"}', port: int = 0
    ) -> None:
        self.greeting = b"".join(map(frame, greeting))
        self.answer = frame(answer)
        self.open = 0
        self._port = port

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Served(self), "127.0.0.1", self._port, backlog=4096)
        self.base_url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/v1"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        await self._server.wait_closed()


class QuietClient(_Peer):
    """One client. `is_open` says whether it is connected; `count` is how many messages have come."""

    __slots__ = ("_awaited", "_waiting", "count", "is_open")
    answers = (b"\x8a\x80" + _MASK, b"\x88\x80" + _MASK)

    def __init__(self) -> None:
        super().__init__()
        self.is_open = False
        self.count = 0
        self._awaited = 0
        self._waiting: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.is_open = True

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_open = False
        self._wake()

    def heard(self, messages: list[bytes]) -> None:
        self.count += len(messages)
        if self.count >= self._awaited:
            self._wake()

    async def ask(self, data: bytes, messages: int = 1) -> None:
        """Send these bytes, and wait for so many messages; fails where the other side leaves instead."""
        self._awaited = self.count + messages
        self._waiting = asyncio.get_running_loop().create_future()
        self.transport.write(data)
        await self._waiting
        assert self.count >= self._awaited, f"it left: {self._rest!r}"

    def drop(self) -> None:
        """Leave at once, without a word."""
        self.transport.abort()

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None and not waiting.done():
            waiting.set_result(None)


async def opened(url: str, greetings: int, count: int, kind: Callable[[], Client]) -> list[Client]:
    """So many clients at a WebSocket's address (with `http`), each of which has heard as many messages as greet it."""
    parts = urlsplit(url)
    loop = asyncio.get_running_loop()
    head = (
        f"GET {parts.path}?{parts.query} HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {_CLIENT_KEY}\r\n\r\n"
    ).encode()
    found: list[Client] = []
    left = iter(range(count))

    async def some() -> None:
        for _ in left:
            _, client = await loop.create_connection(kind, parts.hostname, parts.port)
            found.append(client)
            await client.ask(head, greetings)

    await asyncio.gather(*(some() for _ in range(min(AT_ONCE, count))))
    return found
