"""A WebSocket spoken by hand: whatever bytes a test wants, sent as frames or as what is none, and what comes back.

async with wired(url, "/v1/realtime?model=voice") as wire:
    wire.send(frame(1, b"hello"))
    heard = await wire.heard()          # [(1, b"hello"), (8, b"\\x03\\xe8")] or what else came
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

UPGRADE = (
    "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
MASK = b"\x37\xfa\x21\x3d"

Heard = tuple[int, bytes]


def frame(
    opcode: int,
    payload: bytes = b"",
    fin: bool = True,
    reserved: int = 0,
    masks: bool = True,
    length: int | None = None,
) -> bytes:
    """A frame of a client, right or wrong as a test wants it; `length` is what it says of itself, where that is not true."""
    said = len(payload) if length is None else length
    bit = 0x80 if masks else 0
    head = bytes([(0x80 if fin else 0) | reserved << 4 | opcode])
    if said < 126:
        head += bytes([bit | said])
    elif said < 65_536:
        head += bytes([bit | 126]) + said.to_bytes(2, "big")
    else:
        head += bytes([bit | 127]) + said.to_bytes(8, "big")
    if not masks:
        return head + payload
    key = (MASK * (len(payload) // 4 + 1))[: len(payload)]
    mixed = int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")
    return head + MASK + mixed.to_bytes(len(payload), "big")


class Wire:
    """An upgraded connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def __repr__(self) -> str:
        return f"<Wire to {self.writer.get_extra_info('peername')}>"

    async def send(self, data: bytes, chop: int = 0) -> None:
        """Send bytes, in pieces of `chop`, as far as the other side takes them."""
        with suppress(ConnectionError):
            for at in range(0, len(data), chop or len(data) or 1):
                self.writer.write(data[at : at + chop] if chop else data)
                await self.writer.drain()
                await asyncio.sleep(0)

    async def receive(self) -> Heard | None:
        """The next frame; None at the end of the connection."""
        try:
            first, second = await self.reader.readexactly(2)
            length = second & 0x7F
            if length >= 126:
                length = int.from_bytes(await self.reader.readexactly(2 if length == 126 else 8), "big")
            assert not second & 0x80, "a server's frame is masked"
            assert first & 0x80 and not first & 0x70, "a frame of ours is whole, and no bit of it is reserved"
            return first & 0x0F, await self.reader.readexactly(length)
        except (asyncio.IncompleteReadError, ConnectionError):
            return None

    async def heard(self, most: int) -> list[Heard]:
        """So many frames, or all until a close, or the end of the connection."""
        found: list[Heard] = []
        async with asyncio.timeout(60):
            while len(found) < most and (each := await self.receive()) is not None:
                found.append(each)
                if each[0] == 8:
                    break
        return found

    async def ended(self) -> bool:
        """Whether the other side ends the connection."""
        async with asyncio.timeout(60):
            while await self.receive() is not None:
                pass
        return True


@asynccontextmanager
async def wired(url: str, path: str) -> AsyncIterator[Wire]:
    """A connection that is upgraded to a WebSocket."""
    at = urlsplit(url)
    reader, writer = await asyncio.open_connection(at.hostname, at.port)
    try:
        writer.write(UPGRADE.format(path=path, host=at.netloc).encode())
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101"), head
        yield Wire(reader, writer)
    finally:
        writer.transport.abort()
