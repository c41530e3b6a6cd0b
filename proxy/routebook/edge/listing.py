"""The models that a client may ask for by name, in the shape of the list that it knows."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import unquote

from aiohttp import web

from routebook.catalogue.callers import Client
from routebook.edge.answers import Failure, answer
from routebook.edge.callers import identify
from routebook.edge.gateway import Gateway
from routebook.edge.headers import SERVER
from routebook.protocols.codec import Dialect
from routebook.routing.policy import Policy


async def show_models(
    request: web.BaseRequest, gateway: Gateway, dialect: Dialect, escaped: str | None
) -> web.StreamResponse:
    """Every model and pool that this client may ask for, or the one of this name (as it stands in the path), or 404."""
    serving = gateway.serving
    try:
        client = identify(request, gateway, serving)
        names = sorted(_names(client, serving.policy))
        if escaped is not None and unquote(escaped) not in names:
            raise Failure(
                "model.unknown",
                "there is no model of this name that you may use",
                shown_code="model_not_found",
                param="model",
            )
    except Failure as failure:
        return answer(failure, None, dialect)
    body = dialect.models(names) if escaped is None else dialect.model(unquote(escaped))
    return web.Response(body=body, content_type="application/json", headers=SERVER)


def _names(client: Client, policy: Policy) -> Iterator[str]:
    """What may stand in a request's `model`: models that the client may use, and pools that hold one of them."""
    allowed = policy.catalogue.models.keys() if client.models is None else frozenset(client.models)
    yield from (name for name in policy.catalogue.models if name in allowed)
    yield from (pool.name for pool in policy.catalogue.pools.values() if any(name in allowed for name in pool.models))
