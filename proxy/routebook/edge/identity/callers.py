"""Who may call under one policy, and how each shows who it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from aiohttp import web

from routebook.catalogue.callers import ANONYMOUS, Client, client_named
from routebook.edge.clock import Clock
from routebook.edge.identity.book import KeyBook
from routebook.edge.identity.certified import certified_names
from routebook.edge.identity.ephemeral import Grant
from routebook.edge.identity.key_sets import KeySets
from routebook.edge.identity.keys import digest_of, is_ours, is_whole
from routebook.edge.identity.presented import USUAL, Door, credential
from routebook.edge.identity.refusals import Reason, Refused
from routebook.edge.identity.store import StoredKey
from routebook.edge.identity.tokens import Tokens

_DIGEST: Final = "hmac-sha256:"


class Callers:
    """The callers of one policy.

    While a policy declares no clients, whoever stands on this machine is `anonymous`. Where it declares some, a caller
    presents a key of theirs, of the policy or of the key store, or a token of an issuer that the policy names. A
    certificate that is a client's own comes before all of these: libraries send a key even where none is needed.
    """

    def __init__(self, clients: Mapping[str, Client], book: KeyBook, key_sets: KeySets, clock: Clock) -> None:
        self._clients = clients
        self._book = book
        self._tokens = Tokens(clients.values(), key_sets, clock.monotonic())
        self._by_certificate = {name: client for client in clients.values() for name in client.certificates}
        self._by_digest = {
            bytes.fromhex(key.removeprefix(_DIGEST)): client for client in clients.values() for key in client.keys
        }

    def __repr__(self) -> str:
        return f"<Callers {len(self._clients)} clients>"

    def identify(self, request: web.BaseRequest, clock: Clock, door: Door = USUAL) -> Client:
        """The client a request comes from; raises Refused."""
        if not self._clients:
            if _from_here(request):
                return ANONYMOUS
            raise Refused(Reason.ELSEWHERE)
        certified = self._certified(request) if self._by_certificate else None
        if certified is not None:
            return certified
        presented = credential(request, door)
        if self._tokens.takes(presented):
            return self._tokens.client_of(presented, clock)
        return self._holder(presented, clock)

    def _certified(self, request: web.BaseRequest) -> Client | None:
        """Whose certificate the connection was opened with, which its handshake verified; None where that is nobody's."""
        holders = {
            client.name: client for name in certified_names(request) if (client := self._by_certificate.get(name))
        }
        if len(holders) > 1:
            raise Refused(Reason.CERTIFICATE)
        return next(iter(holders.values()), None)

    def holder_of(self, request: web.BaseRequest, clock: Clock) -> bytes:
        """The digest of the key by which a request that was let in shows who it is; empty where that is none of ours (a
        token, a certificate)."""
        book = self._book.open(clock.monotonic())
        if not self._clients or book.pepper is None:
            return b""
        try:
            presented = credential(request)
        except Refused:
            return b""
        return b"" if self._tokens.takes(presented) else digest_of(book.pepper, presented)

    def bearer_of(self, grant: Grant, request: web.BaseRequest, clock: Clock) -> Client:
        """Whom a grant makes of its bearer: the client that asked for it, as the policy has it now, while the key by which
        it asked may be used; raises Refused."""
        if not self._clients:
            if _from_here(request):
                return ANONYMOUS
            raise Refused(Reason.ELSEWHERE)
        if grant.holder:
            return self._known(grant.holder, "", clock)
        declared = self._clients.get(grant.client)
        if declared is not None:
            return declared
        described = client_named(self._clients, grant.client)
        if described is ANONYMOUS:
            raise Refused(Reason.UNDECLARED, grant.client)
        tags, labels = frozenset(grant.tags), grant.labels
        return replace(described, name=grant.client, team=grant.team, tags=tags, labels=labels)

    def _holder(self, key: str, clock: Clock) -> Client:
        """Whose key this is. What the store says of a key comes first: it may be revoked there."""
        book = self._book.open(clock.monotonic())
        if book.pepper is None:
            raise Refused(Reason.UNVERIFIABLE if self._by_digest or book.keys is None else _unknown(key))
        return self._known(digest_of(book.pepper, key), key, clock)

    def _known(self, digest: bytes, key: str, clock: Clock) -> Client:
        """Whose key has this digest; `key` is what was presented."""
        book = self._book.open(clock.monotonic())
        stored = None if book.keys is None else book.keys.get(digest)
        if stored is not None:
            return self._owner(stored, clock.now())
        declared = self._by_digest.get(digest)
        if declared is not None:
            return declared
        raise Refused(Reason.UNVERIFIABLE if book.keys is None else _unknown(key))

    def _owner(self, key: StoredKey, now: float) -> Client:
        state = key.state(now)
        if state != "valid":
            raise Refused(Reason.REVOKED if state == "revoked" else Reason.EXPIRED, key.client, key.id)
        client = self._clients.get(key.client)
        if client is None:
            raise Refused(Reason.UNDECLARED, key.client, key.id)
        return client


def _unknown(key: str) -> Reason:
    """A slip of the keyboard, or no key of ours."""
    return Reason.MISTYPED if is_ours(key) and not is_whole(key) else Reason.UNKNOWN


def _from_here(request: web.BaseRequest) -> bool:
    """Whether the connection comes from this machine: by the socket's own address, never by a header."""
    transport = request.transport
    peer = transport.get_extra_info("peername") if transport is not None else None
    if isinstance(peer, tuple):
        host = peer[0]
        return isinstance(host, str) and (host.startswith("127.") or host in ("::1", "::ffff:127.0.0.1"))
    return peer == "" or peer == b""
