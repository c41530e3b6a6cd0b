"""The keys that are known at this moment, as a worker sees them: the store and its pepper, read anew when they change.

So a key that is made, rotated or revoked counts in every worker a moment later, whatever becomes of the policy.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from routebook.edge.identity import pepper, store
from routebook.edge.identity.keys import fingerprint_of
from routebook.edge.identity.store import Stored, StoredKey, read_stored
from routebook.edge.identity.watched import Unreadable, Watched
from routebook.edge.operations_log import operations_log

MOST_BYTES: Final = 64 * 1024 * 1024
"""A store that is larger is none."""


@dataclass(frozen=True, slots=True)
class Book:
    """What is known of keys. `pepper` None: no digest can be made; `keys` by digest, None: the store cannot be read."""

    pepper: bytes | None
    keys: Mapping[bytes, StoredKey] | None


class KeyBook:
    """The keys of a state directory. None: there is no store, and digests of the policy are made with `given`."""

    def __init__(self, state_dir: Path | None, given: bytes | None = None) -> None:
        self._given = given
        self._stored: Watched[Stored | None] | None = None
        self._pepper: Watched[bytes | None] | None = None
        if state_dir is not None:
            self._stored = Watched(state_dir / store.FILE, read_stored, None, MOST_BYTES)
            self._pepper = Watched(state_dir / pepper.FILE, _secret, None, 4096)
        self._made_of: tuple[bytes | None, Stored | None] = (None, None)
        self._keys: Mapping[bytes, StoredKey] | None = {}

    def __repr__(self) -> str:
        return f"<KeyBook {self._stored!r}>"

    @classmethod
    def of_service(cls, state_dir: Path) -> KeyBook:
        """The keys of a service with this state directory; raises ValueError where its environment's pepper is none."""
        return cls(state_dir, pepper.given_pepper(os.environ))

    def open(self, now: float) -> Book:
        """What is known now (monotonic seconds)."""
        secret = self._latest_pepper(now)
        try:
            stored = None if self._stored is None else self._stored.latest(now)
        except Unreadable:
            return Book(secret, None)
        if self._made_of[0] is not secret or self._made_of[1] is not stored:
            self._made_of = secret, stored
            self._keys = _by_digest(secret, stored)
        return Book(secret, self._keys)

    def _latest_pepper(self, now: float) -> bytes | None:
        if self._given is not None or self._pepper is None:
            return self._given
        try:
            return self._pepper.latest(now)
        except Unreadable:
            return None


def _by_digest(secret: bytes | None, stored: Stored | None) -> Mapping[bytes, StoredKey] | None:
    """Keys by digest; None where they were made with a pepper that is not here, so that none could be known."""
    if stored is None:
        return {}
    if secret is None or fingerprint_of(secret) != stored.pepper:
        operations_log().error("pepper does not fit the key store", does="lets nobody in by a stored key")
        return None
    try:
        return {bytes.fromhex(each.digest): each for each in stored.keys}
    except ValueError:
        operations_log().error(
            "key store not readable", reason="a digest is none", does="lets nobody in by a stored key"
        )
        return None


def _secret(content: bytes) -> bytes:
    if not content:
        raise ValueError("empty")
    return content
