"""Secrets for browsers (`ek_...`): what a client may hand to somebody whom it would not trust with its key.

Such a secret is a grant, signed: who granted it, until when, and for what. Nothing is kept of it, so every worker, and every
host with the same pepper, knows it by itself; it dies with the key by which it was asked for.
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any, Final

import msgspec

from routebook.edge.identity.refusals import Reason, Refused

PREFIX: Final = "ek_rb_"

LONGEST: Final = 8 * 1024
"""Characters of a secret: it stands in a header."""


class Grant(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a secret says. `expires` is seconds since 1970; `holder` the digest of the key by which it was asked for (empty:
    there was none); `team`, `tags` and `labels` are of a client that a token described. `model` None: any; `settings` are
    what a session begins with."""

    client: str
    expires: int
    holder: bytes = b""
    model: str | None = None
    settings: dict[str, Any] = {}
    team: str | None = None
    tags: tuple[str, ...] = ()
    labels: dict[str, str] = {}


def is_ephemeral(credential: str) -> bool:
    """Whether a credential was meant to be such a secret."""
    return credential.startswith(PREFIX)


def secret_of(grant: Grant, key: bytes) -> str:
    """The secret that says a grant, signed with a key that only this program knows."""
    said = msgspec.json.encode(grant)
    return PREFIX + _written(said) + "." + _written(_signature(said, key))


def grant_of(secret: str, key: bytes, now: float) -> Grant:
    """What a secret grants (`now` is seconds since 1970); raises Refused where it is none of ours, or over."""
    said, _, signature = secret.removeprefix(PREFIX).partition(".")
    try:
        content = _read(said)
        is_ours = len(secret) <= LONGEST and hmac.compare_digest(_read(signature), _signature(content, key))
        if not is_ours:
            raise Refused(Reason.UNKNOWN)
        grant = msgspec.json.decode(content, type=Grant)
    except (ValueError, msgspec.MsgspecError):
        raise Refused(Reason.MISTYPED) from None
    if now >= grant.expires:
        raise Refused(Reason.EXPIRED, grant.client)
    return grant


def _signature(said: bytes, key: bytes) -> bytes:
    return hmac.digest(hmac.digest(key, b"routebook: ephemeral secrets", "sha256"), said, "sha256")


def _written(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _read(text: str) -> bytes:
    return urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
