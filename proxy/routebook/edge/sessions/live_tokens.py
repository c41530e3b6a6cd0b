"""Tokens of Gemini's Live, made here: `POST /v1alpha/auth_tokens`, as Google has it.

A token is a secret as OpenAI's clients are given one (`secrets`), under other constraints: how often it opens a session,
until when, when these sessions end, and what of their `setup` is not the client's to say. No upstream is asked.
"""

from __future__ import annotations

from typing import Final

import msgspec
from aiohttp import web

from routebook.edge.answers import Failure, answer, failure_of
from routebook.edge.callers import identify, signing_key
from routebook.edge.gateway import Gateway
from routebook.edge.headers import SERVER
from routebook.edge.identity.ephemeral import secret_of
from routebook.edge.intake import read_body
from routebook.edge.sessions.secrets import MOST_SETTINGS, Json, grant_for
from routebook.protocols.dialects import DIALECTS
from routebook.protocols.gemini.live import NAME as LIVE
from routebook.protocols.gemini.live_tokens import NAME, read_token

PATHS: Final = frozenset({"/v1alpha/auth_tokens"})


async def make_token(request: web.BaseRequest, gateway: Gateway) -> web.StreamResponse:
    """Answer a request for a token."""
    try:
        return web.json_response(await _made(request, gateway), headers=SERVER)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is told as it would be of a request
        return answer(failure_of(error, request), None, DIALECTS["gemini"])


async def _made(request: web.BaseRequest, gateway: Gateway) -> Json:
    serving, clock = gateway.serving, gateway.clock
    client = identify(request, gateway, serving)
    asked = read_token(await read_body(request, serving.policy.settings), clock.now())
    if len(msgspec.json.encode(asked.setup)) + len(asked.mask or "") > MOST_SETTINGS:
        words = f"a token holds {MOST_SETTINGS} bytes of `setup` at most"
        raise Failure("request.too-large", words, param="bidiGenerateContentSetup")
    grant = grant_for(client, request, gateway, asked.ends)
    scope = {"opens": asked.opens, "uses": asked.uses, "settings": asked.setup, "mask": asked.mask}
    grant = msgspec.structs.replace(grant, dialect=LIVE, id=clock.noise(), **scope)
    return {"name": NAME + secret_of(grant, signing_key(gateway))}
