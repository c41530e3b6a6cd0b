"""The upgrade on the upstream's side (RFC 6455, 4.1), and the socket that comes of it."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
from typing import Any, Final

from aiohttp import WSMessage, WSMsgType
from aiohttp._websocket.reader import WebSocketDataQueue
from aiohttp.client_proto import ResponseHandler
from aiohttp.http_websocket import WebSocketReader, WebSocketWriter
from aiohttp.streams import EofStream

from routebook.edge.connections import HEAD_LINE, Connections, Origin
from routebook.edge.deadlines import Deadlines, Wait
from routebook.edge.faults import CallFailed
from routebook.edge.upstream import FOREIGN, Answer, in_our_words, not_connected

BUFFERED: Final = 64 * 1024
"""Bytes that may wait on either way before whoever sends is made to wait too."""

_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Gone(Exception):
    """The other side left without a close."""


class UpstreamSocket:
    """An upstream's side of a session: whole messages in and out. Signs of life are answered here."""

    def __init__(self, connection: ResponseHandler, most: int) -> None:
        transport = connection.transport
        if transport is None:
            raise CallFailed("upstream.disconnected", "the connection was lost")
        self._connection = connection
        self._queue = WebSocketDataQueue(connection, BUFFERED, loop=asyncio.get_running_loop())
        self._parser = WebSocketReader(self._queue, most, compress=False, decode_text=False)
        connection.set_parser(self._parser, self._queue)
        self._writer = WebSocketWriter(connection, transport, use_mask=True, limit=BUFFERED)

    def __repr__(self) -> str:
        return f"<UpstreamSocket {'open' if self._connection.is_connected() else 'closed'}>"

    async def receive(self) -> WSMessage:
        """The next message, or its close; raises Gone, or WebSocketError where it breaks the protocol."""
        while True:
            try:
                message: Any = await self._queue.read()
            except (EofStream, *FOREIGN):
                raise Gone from None
            if message.type is WSMsgType.PING:
                await self.send(message.data, WSMsgType.PONG)
            elif message.type is not WSMsgType.PONG:
                found: WSMessage = message
                return found

    async def send(self, data: bytes, kind: WSMsgType) -> None:
        """Raises Gone."""
        try:
            await self._writer.send_frame(data, kind)
        except FOREIGN:
            raise Gone from None

    async def close(self, code: int, reason: bytes) -> None:
        """Say why, and leave."""
        try:
            await self._writer.close(code, reason)
        except FOREIGN:
            pass
        self._connection.close()

    def abort(self) -> None:
        """Leave without a word."""
        self._connection.abort()


def asking() -> tuple[str, tuple[str, ...]]:
    """A key for an upgrade, and how to ask for one: the method, and the lines that it has."""
    key = base64.b64encode(os.urandom(16)).decode()
    lines = ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {key}")
    return key, ("GET", *lines)


async def upgraded(
    connections: Connections, origin: Origin, head: bytes, key: str, deadlines: Deadlines, most: int
) -> UpstreamSocket | Answer:
    """Ask for a WebSocket: the socket, or the answer that refuses it; raises CallFailed."""
    try:
        connection = await connections.opened(origin)
    except OSError as error:
        raise not_connected(error) from None
    deadlines.waits_for(Wait.HEAD)
    try:
        connection.set_response_params(read_until_eof=True, auto_decompress=False, max_field_size=HEAD_LINE)
        assert connection.transport is not None
        connection.transport.write(head)
        message, content = await connection.read()
        while message.code < 200 and message.code != 101:
            message, content = await connection.read()
        if message.code != 101:
            return Answer(message, content, connection, origin, connections)
        expected = base64.b64encode(hashlib.sha1(key.encode() + _GUID).digest()).decode()
        if message.headers.get("Sec-WebSocket-Accept") != expected or "Sec-WebSocket-Extensions" in message.headers:
            raise CallFailed("upstream.garbled", "its answer to the upgrade is not what RFC 6455 demands")
        return UpstreamSocket(connection, most)
    except FOREIGN as error:
        connection.abort()
        raise in_our_words(error, "upstream.disconnected") from None
    except BaseException:
        connection.abort()
        raise
