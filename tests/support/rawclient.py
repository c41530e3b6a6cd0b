"""A client that sends exactly these bytes and shows exactly what came back.

For what no HTTP library lets a test do: broken framing, half a request, a reader that stops reading, a connection that
is dropped at a chosen moment.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit


def post(path: str, body: object, headers: Iterable[tuple[str, str]] = (), host: str = "test") -> bytes:
    """A POST with a JSON body (bytes as they stand) and its length."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [
        f"POST {path} HTTP/1.1",
        f"Host: {host}",
        "Content-Type: application/json",
        f"Content-Length: {len(data)}",
        *(f"{name}: {value}" for name, value in headers),
        "",
        "",
    ]
    return "\r\n".join(lines).encode() + data


def get(path: str, headers: Iterable[tuple[str, str]] = (), host: str = "test") -> bytes:
    """A GET without a body."""
    lines = [f"GET {path} HTTP/1.1", f"Host: {host}", *(f"{name}: {value}" for name, value in headers), "", ""]
    return "\r\n".join(lines).encode()


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer, as it stood on the wire. `whole` says whether the body was finished as its framing promised."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    whole: bool

    def header(self, name: str) -> str | None:
        """The first header of this name, whatever its case."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


class RawClient:
    """One TCP connection. Use as an async context manager: `async with RawClient(url) as client`."""

    def __init__(self, url: str, receive_buffer: int | None = None) -> None:
        parts = urlsplit(url)
        assert parts.hostname is not None and parts.port is not None
        self._address = (parts.hostname, parts.port)
        self._receive_buffer = receive_buffer

    async def __aenter__(self) -> Self:
        sock = socket.socket()
        sock.setblocking(False)
        if self._receive_buffer is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._receive_buffer)
        await asyncio.get_running_loop().sock_connect(sock, self._address)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        limit = 2**16 if self._receive_buffer is None else max(self._receive_buffer, 256)
        self._reader, self._writer = await asyncio.open_connection(sock=sock, limit=limit)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.close()
        try:
            await self._writer.wait_closed()
        except OSError:
            pass

    async def send(self, data: bytes, piece: int = 0, pause: float = 0.0) -> None:
        """Send these bytes, in pieces where asked."""
        size = piece or max(len(data), 1)
        for start in range(0, len(data), size):
            self._writer.write(data[start : start + size])
            await self._writer.drain()
            if pause:
                await asyncio.sleep(pause)

    async def ask(self, data: bytes, timeout: float = 10.0) -> Answer:
        """Send one request and read its answer to the end."""
        await self.send(data)
        return await self.answer(timeout)

    async def answer(self, timeout: float = 10.0) -> Answer:
        """Read one answer to the end of its body, or to the end of the connection."""
        async with asyncio.timeout(timeout):
            status, headers = await self.head()
            fields = {name.lower(): value for name, value in headers}
            if fields.get("transfer-encoding", "").lower() == "chunked":
                body, whole = await self._chunked()
            elif "content-length" in fields:
                size = int(fields["content-length"])
                body = await self._up_to(size)
                whole = len(body) == size
            else:
                body, whole = await self._rest(), True
        return Answer(status, headers, body, whole)

    async def head(self) -> tuple[int, tuple[tuple[str, str], ...]]:
        """Read a status line and headers."""
        lines = (await self._reader.readuntil(b"\r\n\r\n"))[:-4].decode("latin-1").split("\r\n")
        fields = (line.partition(":") for line in lines[1:])
        return int(lines[0].split(" ")[1]), tuple((name, value.strip()) for name, _, value in fields)

    async def chunk(self) -> bytes | None:
        """The next piece of a chunked body; empty at its end, None where the connection ended instead."""
        try:
            size = int((await self._reader.readuntil(b"\r\n")).split(b";")[0], 16)
            return (await self._reader.readexactly(size + 2))[:-2]
        except (asyncio.IncompleteReadError, ConnectionError):
            return None

    async def everything(self, timeout: float = 10.0) -> tuple[bytes, bool]:
        """Whatever comes until the server closes the connection, and whether it did so within this time."""
        body = b""
        try:
            async with asyncio.timeout(timeout):
                while data := await self._reader.read(2**16):
                    body += data
        except TimeoutError:
            return body, False
        except ConnectionError:
            pass
        return body, True

    async def closed(self, timeout: float = 5.0) -> bool:
        """Whether the server closes the connection within this time (what it still sends is thrown away)."""
        try:
            async with asyncio.timeout(timeout):
                await self._rest()
        except TimeoutError:
            return False
        return True

    def close(self) -> None:
        """Leave at once in an orderly way, as a client does that has lost interest."""
        self._writer.close()

    def drop(self) -> None:
        """Leave at once with a reset, as a killed client does."""
        linger = struct.pack("ii", 1, 0)
        self._writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self._writer.transport.abort()

    async def _chunked(self) -> tuple[bytes, bool]:
        body = b""
        while True:
            data = await self.chunk()
            if not data:
                return body, data is not None
            body += data

    async def _up_to(self, size: int) -> bytes:
        try:
            return await self._reader.readexactly(size)
        except asyncio.IncompleteReadError as error:
            return error.partial
        except ConnectionError:
            return b""

    async def _rest(self) -> bytes:
        body = b""
        try:
            while data := await self._reader.read(2**16):
                body += data
        except ConnectionError:
            pass
        return body
