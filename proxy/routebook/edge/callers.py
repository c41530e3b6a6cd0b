"""Who is asking. It fails closed: whoever cannot be identified is nobody, never somebody else."""

from __future__ import annotations

from aiohttp import web

from routebook.catalogue.callers import ANONYMOUS, Client
from routebook.edge.answers import Failure
from routebook.routing.policy import Policy


def identify(request: web.BaseRequest, policy: Policy) -> Client:
    """The client a request comes from; raises Failure `caller.unknown`.

    While a policy declares no clients, whoever stands on this machine is `anonymous`. Where it declares some, a caller
    must present a key of theirs; as long as this version cannot check one, nobody passes.
    """
    if not policy.clients and _from_here(request):
        return ANONYMOUS
    raise Failure("caller.unknown", "the key of a client of this gateway is needed")


def _from_here(request: web.BaseRequest) -> bool:
    """Whether the connection comes from this machine: by the socket's own address, never by a header."""
    transport = request.transport
    peer = transport.get_extra_info("peername") if transport is not None else None
    if isinstance(peer, tuple):
        host = peer[0]
        return isinstance(host, str) and (host.startswith("127.") or host in ("::1", "::ffff:127.0.0.1"))
    return peer == "" or peer == b""
