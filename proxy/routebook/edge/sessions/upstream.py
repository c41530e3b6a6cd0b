"""The upgrade on the upstream's side (RFC 6455, 4.1)."""

from __future__ import annotations

import base64
import os

from routebook.edge.connections import HEAD_LINE, Connections, Origin
from routebook.edge.deadlines import Deadlines, Wait
from routebook.edge.faults import CallFailed
from routebook.edge.sessions.handshake import answer_to
from routebook.edge.sessions.socket import Gone, Socket, taken_over
from routebook.edge.upstream import FOREIGN, Answer, in_our_words, not_connected


def asking() -> tuple[str, tuple[str, ...]]:
    """A key for an upgrade, and how to ask for one: the method, and the lines that it has."""
    key = base64.b64encode(os.urandom(16)).decode()
    lines = ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {key}")
    return key, ("GET", *lines)


async def upgraded(
    connections: Connections, origin: Origin, head: bytes, key: str, deadlines: Deadlines, most: int
) -> Socket | Answer:
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
        agreed = "Sec-WebSocket-Extensions" in message.headers
        if message.headers.get("Sec-WebSocket-Accept") != answer_to(key) or agreed:
            raise CallFailed("upstream.garbled", "its answer to the upgrade is not what RFC 6455 demands")
        return taken_over(connection, most)
    except Gone:
        raise CallFailed("upstream.disconnected", "the connection was lost") from None
    except FOREIGN as error:
        connection.abort()
        raise in_our_words(error, "upstream.disconnected") from None
    except BaseException:
        connection.abort()
        raise
