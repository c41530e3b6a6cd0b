"""Why a caller is not let in: for logs and metrics only. Whoever calls hears the same words for all of it."""

from __future__ import annotations

import enum


class Reason(enum.Enum):
    """A closed set of words. Those that begin with `token` speak of a bearer token (JWT)."""

    NONE = "none"
    SEVERAL = "several"
    CERTIFICATE = "certificate"
    MALFORMED = "malformed"
    MISTYPED = "mistyped"
    UNKNOWN = "unknown"
    EXPIRED = "expired"
    REVOKED = "revoked"
    USED_UP = "used-up"
    UNDECLARED = "undeclared"
    ELSEWHERE = "elsewhere"
    UNVERIFIABLE = "unverifiable"
    TOKEN_MALFORMED = "token-malformed"
    TOKEN_ISSUER = "token-issuer"
    TOKEN_AUDIENCE = "token-audience"
    TOKEN_ALGORITHM = "token-algorithm"
    TOKEN_KEY = "token-key"
    TOKEN_SIGNATURE = "token-signature"
    TOKEN_TIME = "token-time"
    TOKEN_CLAIMS = "token-claims"


class Refused(Exception):
    """A caller is not let in. `client` and `key` (its id) are whose key it was, where that is known."""

    def __init__(self, reason: Reason, client: str | None = None, key: str | None = None) -> None:
        super().__init__(reason.value)
        self.reason = reason
        self.client = client
        self.key = key
