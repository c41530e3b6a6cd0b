"""Ports for programs that have to be told one. Who can be told `:0` and asked afterwards needs none of this."""

from __future__ import annotations

import itertools
import os
import socket
from typing import Final

FIRST, LAST = 10_240, 32_000
"""Below the ports that the system gives by itself, to connections and to whoever asks for any: none of these can take one
between its choice and its use."""

_turn: Final = itertools.count(os.getpid() * 37)
"""Processes that test side by side begin at different places, and none names a port twice in a round."""


def free_port() -> int:
    """A port of the loopback interface that nobody uses at this moment, and nobody else is likely to choose."""
    for _ in range(LAST - FIRST):
        port = FIRST + next(_turn) % (LAST - FIRST)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise OSError("no port is free")
