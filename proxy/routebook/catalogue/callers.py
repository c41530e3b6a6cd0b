"""Who may call: clients with their team, tags and what they may use, and whose tokens are taken for theirs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from routebook.documents.problems import Location


@dataclass(frozen=True, slots=True)
class KeySetUrl:
    """An issuer's public keys, fetched from an address."""

    url: str


@dataclass(frozen=True, slots=True)
class KeySetFile:
    """An issuer's public keys, read from a file."""

    path: str


KeySetSource = KeySetUrl | KeySetFile
"""Where an issuer's public keys stand."""


@dataclass(frozen=True, slots=True)
class ClaimNames:
    """Which claims of a token say who its bearer is (None: none does): paths such as `sub`, `groups.0`, `realm.roles`."""

    name: str | None = None
    team: str | None = None
    tags: str | None = None
    labels: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TokenTerms:
    """Which bearer tokens are taken: signed by one issuer, for one of the audiences, by one of the algorithms.

    `require` are further claims, by path, with the texts of which one must be there; `claims` describe the bearer.
    """

    issuer: str
    audiences: tuple[str, ...]
    key_set: KeySetSource
    algorithms: tuple[str, ...]
    require: dict[str, frozenset[str]] = field(default_factory=dict)
    claims: ClaimNames = ClaimNames()


@dataclass(frozen=True, slots=True)
class Client:
    """A caller that the policy knows.

    `keys` are keyed digests (`hmac-sha256:...`), never keys; more of its keys may stand in the key store. `certificates`
    are names in certificates that are its own, each with its kind (`dns:web.internal`). Where `tokens`
    name their bearers, each bearer is a client of its own, `CLIENT/BEARER`, with what is declared here. `models` None
    means every model of the policy; `may_set_tags` are the tags that a request may add by header or metadata (None: any).
    """

    name: str
    location: Location
    keys: tuple[str, ...] = ()
    team: str | None = None
    tags: frozenset[str] = frozenset()
    labels: dict[str, str] = field(default_factory=dict)
    models: tuple[str, ...] | None = None
    may_set_tags: frozenset[str] | None = None
    tokens: TokenTerms | None = None
    certificates: tuple[str, ...] = ()

    @property
    def bearers(self) -> str | None:
        """How the names of its bearers begin; None where it has none with names of their own."""
        return None if self.tokens is None or self.tokens.claims.name is None else f"{self.name}/"


CERTIFICATE_NAMES: Final = {"dns": "DNS", "uri": "URI", "email": "email", "cn": "commonName"}
"""The kinds of names in a certificate that a client may be known by, and what the ssl module calls them."""

ANONYMOUS = Client("anonymous", Location("", 1, 1))
"""Who calls while a policy declares no clients; served on loopback only."""


def client_named(clients: Mapping[str, Client], name: str) -> Client:
    """What the policy declares for a caller of this name, which may be a bearer's; `ANONYMOUS` where that is nothing."""
    found = clients.get(name)
    if found is not None:
        return found
    bearers = (each for each in clients.values() if each.bearers is not None and name.startswith(each.bearers))
    return next(bearers, ANONYMOUS)
