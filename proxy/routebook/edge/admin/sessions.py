"""Sessions of the console: what a browser is given in place of a token, so that no token stands in a browser.

A session is 256 random bits in a cookie that scripts cannot read. Here stands which token it was opened with, by digest,
so that a session ends with its token; it ends by itself after `LIFETIME`, and all end with the service.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

COOKIE: Final = "routebook_console"
"""The cookie's name."""

LIFETIME: Final = timedelta(hours=12)
"""How long a session lasts: a working day."""

MOST: Final = 1_000
"""Sessions that are kept; of more, the oldest ends."""


@dataclass(frozen=True, slots=True)
class _Session:
    token: str
    ends: datetime


class Sessions:
    """Which sessions are open, each by the digest of its secret."""

    def __init__(self) -> None:
        self._open: dict[str, _Session] = {}

    def __repr__(self) -> str:
        return f"<Sessions: {len(self._open)} open>"

    def open(self, token: str, now: datetime) -> str:
        """Begin a session for whoever presented the token with this digest; its secret."""
        secret = secrets.token_urlsafe(32)
        while len(self._open) >= MOST:
            del self._open[next(iter(self._open))]
        self._open[_digest(secret)] = _Session(token, now + LIFETIME)
        return secret

    def token_of(self, secret: str, now: datetime) -> str | None:
        """The digest of the token that a session was opened with; None where there is no such session any more."""
        found = self._open.get(_digest(secret))
        return None if found is None or found.ends <= now else found.token

    def close(self, secret: str) -> None:
        """End a session."""
        self._open.pop(_digest(secret), None)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()
