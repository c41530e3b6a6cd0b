"""A tap in front of an upstream: bytes pass both ways as they are, and the requests that went by can be looked at.

async with Tap(simulator.address) as tap:
    ...                                     # a proxy calls `tap.url`
    assert "temperature" not in tap.requests[-1].json()
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from tests.support.upstream import Received


class Tap:
    """Stands on a free port of the loopback interface. `url` is the base URL of what stands behind it, through the tap."""

    def __init__(self, url: str) -> None:
        self._behind = urlsplit(url)
        self._pipes: set[asyncio.Task[None]] = set()
        self.requests: list[Received] = []
        self.url = ""

    def __repr__(self) -> str:
        return f"<Tap before {self._behind.netloc}, {len(self.requests)} requests>"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{port}{self._behind.path}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for pipe in tuple(self._pipes):
            pipe.cancel()
        await asyncio.gather(*self._pipes, return_exceptions=True)
        await self._server.wait_closed()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._pipes.add(task)
        try:
            there, back = await asyncio.open_connection(self._behind.hostname, self._behind.port)
            try:
                await asyncio.gather(_pipe(reader, back, Watching(self.requests)), _pipe(there, writer))
            finally:
                back.transport.abort()
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            writer.transport.abort()
            self._pipes.discard(task)


class Watching:
    """Finds whole requests that ask for something (POST) in the bytes of one connection; each says its length."""

    def __init__(self, found: list[Received]) -> None:
        self._found = found
        self._held = b""

    def __repr__(self) -> str:
        return f"<Watching, {len(self._held)} bytes held>"

    def feed(self, data: bytes) -> None:
        """Some more bytes."""
        self._held += data
        while (end := self._held.find(b"\r\n\r\n")) >= 0:
            lines = self._held[:end].decode("latin-1").split("\r\n")
            method, target, _ = lines[0].split(" ", 2)
            headers = tuple((name, value.strip()) for name, _, value in (line.partition(":") for line in lines[1:]))
            size = next((int(value) for name, value in headers if name.lower() == "content-length"), 0)
            if len(self._held) < end + 4 + size:
                return
            body = self._held[end + 4 : end + 4 + size]
            self._held = self._held[end + 4 + size :]
            if method == "POST":
                self._found.append(Received(method, target, headers, body, time.monotonic()))


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, watching: Watching | None = None) -> None:
    """Pass on until the connection ends; a reset is passed on as one."""
    while data := await reader.read(2**16):
        if watching is not None:
            watching.feed(data)
        writer.write(data)
        await writer.drain()
    with suppress(OSError, NotImplementedError):  # TLS has no end of one direction
        writer.write_eof()
