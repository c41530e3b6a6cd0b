"""The upgrade on the upstream's side (RFC 6455, 4.1)."""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping
from typing import NamedTuple

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


class Upgraded(NamedTuple):
    """A connection that has become a WebSocket, and the headers of the answer that made it one."""

    socket: Socket
    headers: Mapping[str, str]


async def upgraded(
    connections: Connections, origin: Origin, head: bytes, key: str, deadlines: Deadlines, most: int
) -> Upgraded | Answer:
    """Ask for a WebSocket: what it has become, or the answer that refuses it; raises CallFailed."""
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
        return Upgraded(taken_over(connection, most), message.headers)
    except Gone:
        raise CallFailed("upstream.disconnected", "the connection was lost") from None
    except FOREIGN as error:
        connection.abort()
        raise in_our_words(error, "upstream.disconnected") from None
    except BaseException:
        connection.abort()
        raise
