"""Addresses to listen on: read, bound, and told apart by who can reach them."""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass

BACKLOG = 4096
"""Connections that may wait while all workers are busy, or while one is being replaced."""


@dataclass(frozen=True, slots=True)
class Address:
    """A host (an address, or a name that is looked up) and a port; port 0 takes a free one."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def read_address(text: str) -> Address:
    """`127.0.0.1:8080`, `[::1]:8080`, `:8080` (every address); raises ValueError with a message for the operator."""
    host, colon, port = text.rpartition(":")
    if not colon or not (port.isascii() and port.isdigit()) or int(port) > 65535:
        raise ValueError(f"`{text}` is no address and port, such as `127.0.0.1:8080`")
    if ":" in host and not (host.startswith("[") and host.endswith("]")):
        raise ValueError(f"write an IPv6 address in brackets: `[{host}]:{port}`")
    return Address(host.strip("[]") or "0.0.0.0", int(port))


def bind(address: Address) -> socket.socket:
    """A socket that listens there; raises OSError with the address in its message."""
    try:
        family, _, _, _, place = socket.getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        bound = socket.create_server(place[:2], family=family, backlog=BACKLOG)
    except OSError as error:
        raise OSError(error.errno, f"cannot listen on {address}: {(error.strerror or str(error)).lower()}") from error
    bound.setblocking(False)
    return bound


def written(bound: socket.socket) -> str:
    """Where a socket really listens, as a client writes it."""
    host, port = bound.getsockname()[:2]
    return str(Address(host, port))


def is_loopback(address: Address) -> bool:
    """Whether only this machine can reach it. A name counts if all its addresses do."""
    try:
        found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    except OSError:
        return False
    return all(ipaddress.ip_address(place[0]).is_loopback for *_, place in found)
