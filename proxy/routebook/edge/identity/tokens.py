"""Bearer tokens (JWT): whose they are, and whether they are what they say.

A token is taken where its issuer, audience and required claims fit a client of the policy, its signature is by one of the
algorithms that the client's `jwt` names and by a key of its issuer, and its time has come and is not over. Nothing in a
token's head but `alg` and `kid` is listened to.
"""

from __future__ import annotations

import hashlib
import importlib
import math
from base64 import urlsafe_b64decode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson
from cachetools import LRUCache

from routebook.catalogue.callers import Client
from routebook.catalogue.claims import Claims, ClaimsUnfit, bearer, is_for, meets
from routebook.edge.clock import Clock
from routebook.edge.identity.key_sets import KeySets, PublicKeys
from routebook.edge.identity.refusals import Reason, Refused

LEEWAY: Final = 30.0
"""Seconds by which the issuer's clock may differ from ours."""

LONGEST: Final = 16 * 1024
"""Characters of a token."""

MOST_CACHED: Final = 4096
"""Tokens of which is remembered that they were verified; the least used are forgotten first."""


@dataclass(frozen=True, slots=True)
class _Verified:
    """What was found of a token: whose it is, until when, and by which state of which key set."""

    client: Client
    declared: Client
    until: float
    keys: PublicKeys


class Tokens:
    """The tokens that one policy takes."""

    def __init__(self, clients: Iterable[Client], key_sets: KeySets, now: float) -> None:
        """`now` is monotonic seconds: keys that have to be fetched begin to be."""
        self._key_sets = key_sets
        self._by_issuer: dict[str, list[Client]] = {}
        self._verified: LRUCache[bytes, _Verified] = LRUCache(MOST_CACHED)
        for client in clients:
            if client.tokens is not None:
                self._by_issuer.setdefault(client.tokens.issuer, []).append(client)
                key_sets.of(client.tokens.key_set).known(now)
        for candidates in self._by_issuer.values():
            importlib.import_module("joserfc.jws")  # an extra, which takes a moment to load: not at the first token
            # who asks for more is asked first: a token of a client in particular is not one of everybody's
            candidates.sort(key=lambda client: -len(client.tokens.require) if client.tokens else 0)

    def __repr__(self) -> str:
        return f"<Tokens of {', '.join(self._by_issuer) or 'nobody'}>"

    def takes(self, credential: str) -> bool:
        """Whether a credential is for this to judge: it has the form of a token, and the policy takes some."""
        return bool(self._by_issuer) and credential.startswith("eyJ") and credential.count(".") == 2

    def client_of(self, token: str, clock: Clock) -> Client:
        """Who presents this token; raises Refused."""
        if len(token) > LONGEST:
            raise Refused(Reason.TOKEN_MALFORMED)
        digest = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
        found = self._verified.get(digest)
        if found is None or found.keys is not self._keys(found.declared, clock):
            found = self._verified[digest] = self._verify(token, clock)
        if clock.now() >= found.until:
            raise Refused(Reason.TOKEN_TIME, found.declared.name)
        return found.client

    def _keys(self, declared: Client, clock: Clock) -> PublicKeys | None:
        assert declared.tokens is not None
        return self._key_sets.of(declared.tokens.key_set).known(clock.monotonic())

    def _verify(self, token: str, clock: Clock) -> _Verified:
        head, claims = _unverified(token)
        declared = self._declared(claims)
        keys, key = self._key(head, declared, clock)
        if not _is_signed(token, key, head["alg"]):
            raise Refused(Reason.TOKEN_SIGNATURE, declared.name)
        until = _ends(claims, clock.now(), declared.name)
        try:
            return _Verified(bearer(declared, claims), declared, until, keys)
        except ClaimsUnfit:
            raise Refused(Reason.TOKEN_CLAIMS, declared.name) from None

    def _declared(self, claims: Claims) -> Client:
        """The client whose terms a token claims to meet, which its signature has yet to prove."""
        issuer = claims.get("iss")
        candidates = self._by_issuer.get(issuer, []) if isinstance(issuer, str) else []
        if not candidates:
            raise Refused(Reason.TOKEN_ISSUER)
        fit = [client for client in candidates if client.tokens is not None and is_for(client.tokens, claims)]
        if not fit:
            raise Refused(Reason.TOKEN_AUDIENCE)
        for client in fit:
            if client.tokens is not None and meets(client.tokens, claims):
                return client
        raise Refused(Reason.TOKEN_CLAIMS)

    def _key(self, head: Mapping[str, Any], declared: Client, clock: Clock) -> tuple[PublicKeys, Any]:
        terms = declared.tokens
        assert terms is not None
        algorithm, name = head.get("alg"), head.get("kid")
        if algorithm not in terms.algorithms or "crit" in head:
            raise Refused(Reason.TOKEN_ALGORITHM, declared.name)
        if name is not None and not isinstance(name, str):
            raise Refused(Reason.TOKEN_KEY, declared.name)
        keys = self._keys(declared, clock)
        if keys is None:
            raise Refused(Reason.UNVERIFIABLE, declared.name)
        key = keys.find(name, algorithm)
        if key is None:
            comes = self._key_sets.of(terms.key_set).wants(clock.monotonic())
            raise Refused(Reason.UNVERIFIABLE if comes else Reason.TOKEN_KEY, declared.name)
        return keys, key


def _unverified(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """A token's head and claims, as it says them; raises Refused."""
    try:
        head, claims = (orjson.loads(urlsafe_b64decode(part + "=" * (-len(part) % 4))) for part in token.split(".")[:2])
    except (ValueError, RecursionError):
        raise Refused(Reason.TOKEN_MALFORMED) from None
    if not isinstance(head, dict) or not isinstance(claims, dict):
        raise Refused(Reason.TOKEN_MALFORMED)
    return head, claims


def _is_signed(token: str, key: Any, algorithm: str) -> bool:
    from joserfc import jws

    registry = jws.JWSRegistry(algorithms=[algorithm], strict_check_header=False)
    registry.max_header_length = registry.max_payload_length = LONGEST
    try:
        jws.deserialize_compact(token, key, registry=registry)
    except Exception:  # noqa: BLE001 - whatever the library raises for what a stranger sent, it is not signed
        return False
    return True


def _ends(claims: Claims, now: float, client: str) -> float:
    """Until when a token may be used (seconds since 1970); raises Refused where that is over, or not yet."""
    times = {name: claims.get(name) for name in ("exp", "nbf", "iat")}
    for name, moment in times.items():
        if moment is None and name != "exp":
            continue
        if isinstance(moment, bool) or not isinstance(moment, int | float) or not math.isfinite(moment):
            raise Refused(Reason.TOKEN_CLAIMS, client)
        if (now >= moment + LEEWAY) if name == "exp" else (now < moment - LEEWAY):
            raise Refused(Reason.TOKEN_TIME, client)
    return float(claims["exp"]) + LEEWAY
