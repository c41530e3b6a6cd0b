"""A relay between a client and a server that misbehaves on demand, connection by connection or while they are in use.

async with FaultyTcp(server.port) as between:
    between.fault = Fault.BLACK_HOLE
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import socket
import struct
from types import TracebackType
from typing import Self


class Fault(enum.Enum):
    """What befalls the bytes that the server sends."""

    PASS = "pass"
    DELAY = "delay"
    """They come `seconds` late."""
    BLACK_HOLE = "black hole"
    """Connections are accepted and nothing is ever answered."""
    RESET = "reset"
    """Half of the next answer arrives, then the connection is reset."""
    CUT = "cut"
    """The connection is closed after `after` more bytes."""
    REFUSE = "refuse"
    """Connections are closed as soon as they are accepted."""


class FaultyTcp:
    """The relay to one port of the loopback address. What is set counts from the next bytes on."""

    def __init__(self, port: int) -> None:
        self._target = port
        self.port = 0
        self.fault = Fault.PASS
        self.seconds = 0.03
        self.after = 10
        self.connections = 0
        """How many connections were accepted so far."""
        self._server: asyncio.Server
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        self.drop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    def url(self, timeout_ms: int = 5000) -> str:
        """The address of a store behind the relay."""
        return f"redis://127.0.0.1:{self.port}/0?timeout_ms={timeout_ms}"

    def drop(self) -> None:
        """Reset every connection that stands."""
        for writer in tuple(self._writers):
            _reset(writer)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.add(writer)
        try:
            if self.fault is not Fault.REFUSE:
                await self._relay(reader, writer)
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            writer.close()
            self._writers.discard(writer)
            self._tasks.discard(task)

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self._target)
        up = asyncio.create_task(self._up(reader, up_writer))
        down = asyncio.create_task(self._down(up_reader, writer))
        try:
            await asyncio.wait({up, down}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            up_writer.close()
            for task in (up, down):
                task.cancel()
            await asyncio.gather(up, down, return_exceptions=True)
            with contextlib.suppress(OSError):
                await up_writer.wait_closed()

    async def _up(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()

    async def _down(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        left: int | None = None
        while data := await reader.read(65536):
            if self.fault is Fault.BLACK_HOLE:
                continue
            if self.fault is Fault.RESET:
                writer.write(data[: len(data) // 2])
                _reset(writer)
                return
            if self.fault is Fault.CUT:
                left = self.after if left is None else left
                writer.write(data[:left])
                left -= len(data)
                if left <= 0:
                    return
                continue
            if self.fault is Fault.DELAY:
                await asyncio.sleep(self.seconds)
            writer.write(data)
            await writer.drain()


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close with a reset instead of an orderly end."""
    connection = writer.get_extra_info("socket")
    if connection is not None and not writer.is_closing():
        with contextlib.suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
