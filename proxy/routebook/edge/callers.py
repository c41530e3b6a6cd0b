"""Who is asking. It fails closed: whoever cannot be identified is nobody, never somebody else."""

from __future__ import annotations

import structlog
from aiohttp import web

from routebook.catalogue.callers import Client
from routebook.edge.answers import Failure
from routebook.edge.gateway import Gateway, Serving
from routebook.edge.identity.ephemeral import Grant, grant_of, is_ephemeral
from routebook.edge.identity.presented import USUAL, Door, credential
from routebook.edge.identity.refusals import Reason, Refused

_log = structlog.get_logger()


def identify(request: web.BaseRequest, gateway: Gateway, serving: Serving, door: Door = USUAL) -> Client:
    """The client a request comes from; raises Failure, in the same words whatever is wrong with what was presented."""
    try:
        return serving.callers.identify(request, gateway.clock, door)
    except Refused as refused:
        raise _told(refused, gateway) from None


def granted(
    request: web.BaseRequest, gateway: Gateway, serving: Serving, door: Door
) -> tuple[Client, Grant] | tuple[None, None]:
    """Whose ephemeral secret a request presents, and what it grants; nothing where it presents none. Raises Failure."""
    try:
        presented = credential(request, door)
    except Refused:
        return None, None
    if not is_ephemeral(presented):
        return None, None
    try:
        grant = grant_of(presented, signing_key(gateway), gateway.clock.now())
        return serving.callers.bearer_of(grant, request, gateway.clock), grant
    except Refused as refused:
        raise _told(refused, gateway) from None


def use(grant: Grant, gateway: Gateway) -> None:
    """Open a session with what was granted; raises Failure where that may not be done again."""
    try:
        gateway.uses.take(grant, gateway.clock.now())
    except Refused as refused:
        raise _told(refused, gateway) from None


def holder_of(request: web.BaseRequest, gateway: Gateway, serving: Serving) -> bytes:
    """The digest of the key by which a request that was let in shows who it is; empty where that is none of ours."""
    return serving.callers.holder_of(request, gateway.clock)


def signing_key(gateway: Gateway) -> bytes:
    """What ephemeral secrets are signed with: the pepper, the same on all hosts that share it; else a secret of this host."""
    return gateway.pepper or gateway.conversation_secret


def _told(refused: Refused, gateway: Gateway) -> Failure:
    gateway.metrics.caller_refused(refused.reason.value)
    known = {name: text for name, text in (("client", refused.client), ("key", refused.key)) if text is not None}
    _log.info("caller refused", reason=refused.reason.value, **known)
    if refused.reason is Reason.UNVERIFIABLE:
        return Failure("caller.unverifiable", "who calls cannot be verified at the moment", retry_after=1.0)
    return Failure("caller.unknown", "the key of a client of this gateway is needed")
