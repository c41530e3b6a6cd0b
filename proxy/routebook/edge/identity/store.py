"""The key store: `keys.json` in the state directory, written by `routebook keys`, read by the workers.

It holds no key, only digests, with the last four characters for people. It is replaced whole, so that a reader sees the
old store or the new one, and writers take turns.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal

import msgspec

from routebook.edge.identity.keys import NOISE_BYTES, digest_of, fingerprint_of, is_ours, key_of
from routebook.edge.identity.pepper import own_pepper
from routebook.edge.processes.state import give_to_owner, replace_secretly

FILE: Final = "keys.json"
LOCK: Final = "keys.lock"
LAST: Final = 4
"""Characters of a key that people are shown."""

State = Literal["valid", "expired", "revoked"]


class StoreUnreadable(Exception):
    """The store cannot be used; the message says why, for the operator."""


class KeyUnknown(LookupError):
    """The store holds no such key, or none that can be changed so; the message says it for the operator."""


class StoredKey(msgspec.Struct, frozen=True):
    """What is kept of one key. Times are seconds since 1970; `expires` None: never. `digest` is 64 hex digits."""

    id: str
    client: str
    digest: str
    last: str
    created: int
    expires: int | None = None
    revoked: int | None = None
    note: str | None = None

    def state(self, now: float) -> State:
        """Whether it may be used at a moment."""
        if self.revoked is not None:
            return "revoked"
        return "valid" if self.expires is None or now < self.expires else "expired"


class Stored(msgspec.Struct, frozen=True):
    """A whole store: its keys, and the fingerprint of the pepper that their digests were made with."""

    pepper: str
    keys: tuple[StoredKey, ...] = ()
    version: Literal[1] = 1


def read_stored(content: bytes) -> Stored:
    """A store from its bytes; raises StoreUnreadable."""
    try:
        return msgspec.json.decode(content, type=Stored)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise StoreUnreadable("it is not a key store of this version") from None


class KeyStore:
    """The store of a state directory, for those who change it. Every method raises StoreUnreadable, ValueError (the
    pepper of the environment is none), OSError."""

    def __init__(self, state_dir: Path, environment: Mapping[str, str] = os.environ) -> None:
        self._state_dir = state_dir
        self._environment = environment

    def __repr__(self) -> str:
        return f"<KeyStore {self.path}>"

    @property
    def path(self) -> Path:
        """Where the keys' digests stand."""
        return self._state_dir / FILE

    def kept(self) -> tuple[StoredKey, ...]:
        """All keys, the oldest first; those that are expired or revoked too."""
        try:
            return read_stored(self.path.read_bytes()).keys
        except FileNotFoundError:
            return ()

    def create(self, client: str, now: float, expires: float | None, note: str | None) -> tuple[str, StoredKey]:
        """A new key for a client: the key itself, which nobody will see again, and what is kept of it."""
        with self._writing() as (pepper, stored, write):
            key, kept = self._new(pepper, stored, client, now, expires, note)
            write((*stored.keys, kept))
        return key, kept

    def rotate(self, word: str, now: float, overlap: float, lifetime: float | None) -> tuple[str, StoredKey, StoredKey]:
        """A successor of a key that is valid, and the old one, which expires after `overlap` seconds; raises KeyUnknown.

        The successor lives for `lifetime` seconds (None: as long as the old one was made for).
        """
        with self._writing() as (pepper, stored, write):
            old = _find(stored, word, pepper)
            if old.state(now) != "valid":
                raise KeyUnknown(
                    f"the key `{old.id}` is {old.state(now)}; `routebook keys create {old.client}` makes another"
                )
            if lifetime is None and old.expires is not None:
                lifetime = old.expires - old.created
            key, kept = self._new(
                pepper, stored, old.client, now, None if lifetime is None else now + lifetime, old.note
            )
            ends = int(now + overlap)
            ending = msgspec.structs.replace(old, expires=ends if old.expires is None else min(old.expires, ends))
            write((*(ending if each is old else each for each in stored.keys), kept))
        return key, kept, ending

    def revoke(self, word: str, now: float) -> StoredKey:
        """Make a key invalid for good, if it is not; raises KeyUnknown. `word` is its id, or the key itself."""
        with self._writing() as (pepper, stored, write):
            old = _find(stored, word, pepper)
            if old.revoked is not None:
                return old
            revoked = msgspec.structs.replace(old, revoked=int(now))
            write(tuple(revoked if each is old else each for each in stored.keys))
        return revoked

    def _new(
        self, pepper: bytes, stored: Stored, client: str, now: float, expires: float | None, note: str | None
    ) -> tuple[str, StoredKey]:
        key = key_of(os.urandom(NOISE_BYTES))
        taken = {each.id for each in stored.keys}
        identity = next(word for word in iter(_new_id, "") if word not in taken)
        ends = None if expires is None else int(expires)
        kept = StoredKey(identity, client, digest_of(pepper, key).hex(), key[-LAST:], int(now), ends, None, note)
        return key, kept

    @contextmanager
    def _writing(self) -> Iterator[tuple[bytes, Stored, Callable[[tuple[StoredKey, ...]], None]]]:
        """The store while nobody else may change it: its pepper, what it holds, and how to write what it shall hold."""
        self._state_dir.mkdir(parents=True, exist_ok=True)
        lock_path = self._state_dir / LOCK
        lock = os.open(lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            give_to_owner(lock_path)
            fcntl.flock(lock, fcntl.LOCK_EX)
            pepper = own_pepper(self._state_dir, self._environment)
            fingerprint = fingerprint_of(pepper)
            try:
                stored = read_stored(self.path.read_bytes())
            except FileNotFoundError:
                stored = Stored(fingerprint)
            if stored.pepper != fingerprint:
                raise StoreUnreadable("its digests were made with another pepper")
            yield (
                pepper,
                stored,
                lambda keys: replace_secretly(
                    self.path, msgspec.json.format(msgspec.json.encode(Stored(fingerprint, keys)), indent=2) + b"\n"
                ),
            )
        finally:
            os.close(lock)


def clients_without_key(names: Iterable[str], state_dir: Path) -> list[str]:
    """Which of these clients have no key in the store that is valid or was once; none where it cannot be read."""
    try:
        holders = {key.client for key in KeyStore(state_dir).kept()}
    except (StoreUnreadable, OSError):
        return []
    return [name for name in names if name not in holders]


def _find(stored: Stored, word: str, pepper: bytes) -> StoredKey:
    """A key by its id or, for whoever found one where it should not be, by itself; it is not repeated then."""
    digest = digest_of(pepper, word).hex()
    for each in stored.keys:
        if each.id == word or each.digest == digest:
            return each
    raise KeyUnknown("there is no such key" if is_ours(word) else f"there is no key `{word}`")


def _new_id() -> str:
    """Eight letters and digits, none of which looks like another."""
    number = int.from_bytes(os.urandom(5), "big")
    return "".join("0123456789abcdefghjkmnpqrstvwxyz"[number >> shift & 31] for shift in range(35, -1, -5))
