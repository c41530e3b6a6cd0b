"""Routes about the keys of clients: who has which, making, rotating and revoking them, as `routebook keys` does.

A key itself is in one answer and nowhere else. A path names a key by its id alone: what stands in a path is logged.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Annotated, Any, TypeVar

from msgspec import Meta

from routebook.catalogue.callers import ANONYMOUS
from routebook.documents.names import is_name
from routebook.documents.quantities import EXAMPLES, Unit, parse_quantity
from routebook.edge.admin.refusals import Refused
from routebook.edge.admin.route import Asked, Reply, Role, Route, Wanted
from routebook.edge.admin.service import Service, Shown
from routebook.edge.identity.keys import is_ours
from routebook.edge.identity.store import KeyStore, KeyUnknown, StoredKey, StoreUnreadable
from routebook.edge.operations_log import operations_log

Result = TypeVar("Result")

OVERLAP = "24h"
"""How long a rotated key stays valid where nothing else is said."""


class KeyWanted(Wanted, frozen=True):
    """A key to be made."""

    client: Annotated[str, Meta(min_length=1, description="the client's name in the policy")]
    expires: Annotated[str | None, Meta(description="how long it is valid, such as `90d` (default: for good)")] = None
    note: Annotated[str | None, Meta(description="what it is for")] = None


class RotationWanted(Wanted, frozen=True):
    """How a key is to be followed by another."""

    overlap: Annotated[str, Meta(description="how long the old key stays valid (`0s`: not at all)")] = OVERLAP
    expires: Annotated[str | None, Meta(description="how long the new key is valid (default: as the old one was)")] = (
        None
    )


class KeyShown(Shown, frozen=True):
    """What may be known of a key. Times are Unix seconds."""

    id: str
    client: str
    last: Annotated[str, Meta(description="its last four characters, for people")]
    state: Annotated[str, Meta(description="`valid`, `expired` or `revoked`")]
    created: int
    expires: Annotated[int | None, Meta(description="null: never")]
    revoked: int | None
    note: str | None

    @classmethod
    def of(cls, key: StoredKey, now: float) -> KeyShown:
        """A key as it stands at a moment."""
        return cls(key.id, key.client, key.last, key.state(now), key.created, key.expires, key.revoked, key.note)


class KeysShown(Shown, frozen=True):
    """Every key, the oldest first."""

    keys: list[KeyShown]


class NewKeyShown(Shown, frozen=True):
    """A key that was made."""

    key: Annotated[str, Meta(description="the key itself: nobody can be told it again")]
    made: KeyShown
    replaces: Annotated[KeyShown | None, Meta(description="the one that it follows")] = None


async def keys(service: Service, _: Asked) -> Reply:
    """Every key."""
    found = await _done(service, KeyStore.kept)
    return Reply(KeysShown([KeyShown.of(key, time.time()) for key in found]))


async def create_key(service: Service, asked: Asked) -> Reply:
    """Make a key."""
    wanted: KeyWanted = asked.body
    if not is_name(wanted.client) or wanted.client == ANONYMOUS.name:
        raise Refused("admin.bad-request", "`client`: this cannot name a client")
    lifetime, now = _seconds("expires", wanted.expires, least=1), time.time()
    expires = None if lifetime is None else now + lifetime
    key, made = await _done(service, KeyStore.create, wanted.client, now, expires, wanted.note)
    return Reply(NewKeyShown(key, KeyShown.of(made, now)), 201)


async def rotate_key(service: Service, asked: Asked) -> Reply:
    """Make a successor of a key."""
    wanted: RotationWanted = asked.query
    lifetime, overlap = _seconds("expires", wanted.expires, least=1), _seconds("overlap", wanted.overlap) or 0.0
    now = time.time()
    key, made, old = await _done(service, KeyStore.rotate, _identity(asked), now, overlap, lifetime)
    return Reply(NewKeyShown(key, KeyShown.of(made, now), KeyShown.of(old, now)), 201)


async def revoke_key(service: Service, asked: Asked) -> Reply:
    """Make a key invalid for good."""
    now = time.time()
    return Reply(KeyShown.of(await _done(service, KeyStore.revoke, _identity(asked), now), now))


def _identity(asked: Asked) -> str:
    """The id that the path names; never a key itself, which would be logged."""
    word = asked.names["id"]
    if is_ours(word):
        raise Refused("admin.unknown-key", "a key is named by its id here, not by itself; `GET /keys` lists them")
    return word


def _seconds(name: str, text: str | None, least: float = 0) -> float | None:
    """A duration in seconds, None where there is none; raises Refused."""
    if text is None:
        return None
    seconds = parse_quantity(text, Unit.DURATION)
    if seconds is None or not least <= seconds <= _LONGEST:
        raise Refused("admin.bad-request", f"`{name}`: expected a duration such as {EXAMPLES[Unit.DURATION]}")
    return float(seconds)


_LONGEST = 100 * 366 * 86_400
"""Seconds of a hundred years: whoever wants longer wants a key that does not expire."""


async def _done(service: Service, does: Callable[..., Result], *details: Any) -> Result:
    """What comes of it, on a thread: the store is locked and written; raises Refused."""
    try:
        return await asyncio.to_thread(does, KeyStore(service.state_dir), *details)
    except KeyUnknown as error:
        raise Refused("admin.unknown-key", str(error.args[0])) from None
    except (StoreUnreadable, ValueError, OSError) as error:
        reason = (error.strerror or "").lower() if isinstance(error, OSError) else str(error)
        operations_log().error("key store not usable", reason=reason)
        raise Refused("admin.keys-unreadable", "the key store cannot be used; the service's log says why") from None


ROUTES = (
    Route("GET", "/keys", Role.READ, "the keys of clients, without themselves", keys, {200: KeysShown}),
    Route(
        "POST",
        "/keys",
        Role.OPERATE,
        "makes a key for a client, and shows it this once",
        create_key,
        {201: NewKeyShown},
        body=KeyWanted,
    ),
    Route(
        "POST",
        "/keys/{id}/rotate",
        Role.OPERATE,
        "makes a successor of a key, and shows it this once",
        rotate_key,
        {201: NewKeyShown},
        RotationWanted,
    ),
    Route("DELETE", "/keys/{id}", Role.OPERATE, "makes a key invalid for good", revoke_key, {200: KeyShown}),
)
