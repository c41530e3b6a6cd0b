"""Who is asking. It fails closed: whoever cannot be identified is nobody, never somebody else."""

from __future__ import annotations

import structlog
from aiohttp import web

from routebook.catalogue.callers import Client
from routebook.edge.answers import Failure
from routebook.edge.gateway import Gateway, Serving
from routebook.edge.identity.presented import USUAL, Door
from routebook.edge.identity.refusals import Reason, Refused

_log = structlog.get_logger()


def identify(request: web.BaseRequest, gateway: Gateway, serving: Serving, door: Door = USUAL) -> Client:
    """The client a request comes from; raises Failure, in the same words whatever is wrong with what was presented."""
    try:
        return serving.callers.identify(request, gateway.clock, door)
    except Refused as refused:
        gateway.metrics.caller_refused(refused.reason.value)
        known = {name: text for name, text in (("client", refused.client), ("key", refused.key)) if text is not None}
        _log.info("caller refused", reason=refused.reason.value, **known)
        if refused.reason is Reason.UNVERIFIABLE:
            raise Failure(
                "caller.unverifiable", "who calls cannot be verified at the moment", retry_after=1.0
            ) from None
        raise Failure("caller.unknown", "the key of a client of this gateway is needed") from None
