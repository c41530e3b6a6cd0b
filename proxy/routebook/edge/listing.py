"""The models that a client may ask for by name, in the shape of OpenAI's list."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import unquote

from aiohttp import web

from routebook.catalogue.callers import Client
from routebook.edge.answers import Failure, answer
from routebook.edge.callers import identify
from routebook.edge.gateway import Gateway
from routebook.edge.headers import SERVER
from routebook.protocols.openai_chat.errors import model_body, models_body
from routebook.routing.policy import Policy

MODELS = "/v1/models"


async def list_models(request: web.BaseRequest, gateway: Gateway) -> web.StreamResponse:
    """`GET /v1/models`: every model and pool that this client may ask for."""
    serving = gateway.serving
    try:
        client = identify(request, gateway, serving)
    except Failure as failure:
        return answer(failure)
    return web.Response(
        body=models_body(sorted(_names(client, serving.policy))), content_type="application/json", headers=SERVER
    )


async def show_model(request: web.BaseRequest, gateway: Gateway) -> web.StreamResponse:
    """`GET /v1/models/{name}`: one of them, or 404."""
    serving = gateway.serving
    name = unquote(request.raw_path.partition("?")[0].removeprefix(MODELS + "/"))
    try:
        client = identify(request, gateway, serving)
        if name not in set(_names(client, serving.policy)):
            raise Failure(
                "model.unknown",
                "there is no model of this name that you may use",
                shown_code="model_not_found",
                param="model",
            )
    except Failure as failure:
        return answer(failure)
    return web.Response(body=model_body(name), content_type="application/json", headers=SERVER)


def _names(client: Client, policy: Policy) -> Iterator[str]:
    """What may stand in a request's `model`: models that the client may use, and pools that hold one of them."""
    allowed = policy.catalogue.models.keys() if client.models is None else frozenset(client.models)
    yield from (name for name in policy.catalogue.models if name in allowed)
    yield from (pool.name for pool in policy.catalogue.pools.values() if any(name in allowed for name in pool.models))
