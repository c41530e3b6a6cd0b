"""Secrets for browsers (`ek_...`, and as Google has them `auth_tokens/...`): what a client may hand to somebody whom it would not trust with its key.

Such a secret is a grant, signed: who granted it, until when, and for what. Nothing is kept of it but how often it was used,
where that is limited, so every worker, and every host with the same pepper, knows it by itself; it dies with the key by
which it was asked for.
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any, Final

import msgspec

from routebook.edge.identity.refusals import Reason, Refused

PREFIX: Final = "ek_rb_"

GOOGLES: Final = "auth_tokens/"
"""What stands before such a secret for Google's clients, who know it by that."""

LONGEST: Final = 8 * 1024
"""Characters of a secret: it stands in a header."""


class Grant(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a secret says. `expires` is seconds since 1970; `holder` the digest of the key by which it was asked for (empty:
    there was none); `team`, `tags` and `labels` are of a client that a token described. `model` None: any; `settings` are
    what a session begins with.

    Of Google's kind are those with a `dialect`: sessions of that alone, which end with `expires`, and begin until `opens`,
    at most `uses` of them (0: no limit), counted by `id`; of their `settings` those stand whatever the client says that
    `mask` names (None: all)."""

    client: str
    expires: int
    holder: bytes = b""
    model: str | None = None
    settings: dict[str, Any] = {}
    team: str | None = None
    tags: tuple[str, ...] = ()
    labels: dict[str, str] = {}
    dialect: str | None = None
    opens: int = 0
    uses: int = 0
    id: bytes = b""
    mask: str | None = None


class Uses:
    """How often grants were used, those alone whose uses are limited."""

    def __init__(self) -> None:
        self._used: dict[bytes, tuple[int, int]] = {}

    def __repr__(self) -> str:
        return f"<Uses of {len(self._used)} grants>"

    def take(self, grant: Grant, now: float) -> None:
        """Use it once more, at this moment; raises Refused where it may not be used."""
        if grant.opens and now >= grant.opens:
            raise Refused(Reason.EXPIRED, grant.client)
        if not grant.uses:
            return
        used = self._used.get(grant.id, (0, 0))[0]
        if used >= grant.uses:
            raise Refused(Reason.USED_UP, grant.client)
        if not used:
            self._used = {each: known for each, known in self._used.items() if known[1] > now}
        self._used[grant.id] = used + 1, grant.opens

    def give_back(self, grant: Grant) -> None:
        """Nothing came of a use."""
        used, until = self._used.get(grant.id, (0, 0))
        if used:
            self._used[grant.id] = used - 1, until


def is_ephemeral(credential: str) -> bool:
    """Whether a credential was meant to be such a secret."""
    return credential.removeprefix(GOOGLES).startswith(PREFIX)


def secret_of(grant: Grant, key: bytes) -> str:
    """The secret that says a grant, signed with a key that only this program knows."""
    said = msgspec.json.encode(grant)
    return PREFIX + _written(said) + "." + _written(_signature(said, key))


def grant_of(secret: str, key: bytes, now: float) -> Grant:
    """What a secret grants (`now` is seconds since 1970); raises Refused where it is none of ours, or over."""
    said, _, signature = secret.removeprefix(GOOGLES).removeprefix(PREFIX).partition(".")
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
