"""Where the shared store is: a URL, read without its secrets ever being repeated.

redis://user:password@host:port/database?timeout_ms=100
rediss://host?ca=/etc/ssl/private-ca.pem
unix:///run/redis/redis.sock?db=1
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from routebook.ledger.budgets import LARGEST_SHARED

PASSWORD: Final = "ROUTEBOOK_SHARED_LEDGER_PASSWORD"
"""The environment variable that a password is read from where the URL has none."""

TIMEOUT: Final = 0.05
"""Seconds that the store has to answer, and to be connected to. A URL may ask for more, never for less."""

LARGEST: Final = LARGEST_SHARED
"""The store computes in doubles, which are exact up to here."""

_PORT = 6379
_SETTINGS = {"timeout_ms", "ca", "db"}


def too_large_for_redis(limit: int) -> bool:
    """Whether a limit is beyond what the store can count exactly (about nine million dollars in a window)."""
    return limit > LARGEST


class BadAddress(ValueError):
    """The URL names no store. The message says why without quoting it, for it may hold a password."""


@dataclass(frozen=True, slots=True)
class StoreAddress:
    """A store to connect to: over TCP (`host`, `port`, perhaps encrypted) or a socket file (`path`)."""

    host: str = ""
    port: int = _PORT
    path: str = ""
    database: int = 0
    encrypted: bool = False
    ca: str | None = None
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    timeout: float = TIMEOUT

    def __str__(self) -> str:
        """The address as it may be shown and logged: without user and password."""
        if self.path:
            return f"unix://{self.path}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'rediss' if self.encrypted else 'redis'}://{host}:{self.port}/{self.database}"


def read_address(url: str, environment: Mapping[str, str] = os.environ) -> StoreAddress:
    """The address that a URL means; raises BadAddress."""
    try:
        parts = urlsplit(url)
        port = parts.port or _PORT
    except ValueError:
        raise BadAddress("the URL of the shared ledger cannot be read") from None
    if parts.scheme not in ("redis", "rediss", "unix"):
        raise BadAddress("the URL of the shared ledger begins with `redis://`, `rediss://` or `unix://`")
    settings = dict(parse_qsl(parts.query))
    if settings.keys() - _SETTINGS:  # not quoted: a password with a `?` in it continues here
        raise BadAddress("the URL of the shared ledger has a setting that is none: it is `timeout_ms`, `ca` or `db`")
    where = unquote(parts.path if parts.scheme == "unix" else parts.hostname or "")
    if not where:
        raise BadAddress("the URL of the shared ledger names no " + ("path" if parts.scheme == "unix" else "host"))
    return StoreAddress(
        host="" if parts.scheme == "unix" else where,
        port=port,
        path=where if parts.scheme == "unix" else "",
        database=_database(parts, settings),
        encrypted=parts.scheme == "rediss",
        ca=settings.get("ca"),
        user=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else environment.get(PASSWORD) or None,
        timeout=max(TIMEOUT, _whole(settings.get("timeout_ms", "0"), "timeout_ms") / 1000),
    )


def _database(parts: SplitResult, settings: Mapping[str, str]) -> int:
    in_path = "" if parts.scheme == "unix" else parts.path.strip("/")
    return _whole(settings.get("db") or in_path or "0", "db")


def _whole(text: str, name: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise BadAddress(f"`{name}` in the URL of the shared ledger is not a whole number")
    return int(text)
