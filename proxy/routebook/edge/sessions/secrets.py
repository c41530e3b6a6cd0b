"""Secrets for sessions, made here: `POST /v1/realtime/client_secrets`, as OpenAI and Azure have it, and the older forms.

A secret is scoped to sessions, to one model where one is named, and to the settings that were given with it; whoever uses it
counts as the client that asked for it. No upstream is asked: sessions go there by the account's own key.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from aiohttp import web

from routebook.catalogue.callers import Client
from routebook.edge.answers import Failure, answer, failure_of
from routebook.edge.callers import holder_of, identify, signing_key
from routebook.edge.gateway import Gateway
from routebook.edge.headers import SERVER
from routebook.edge.identity.ephemeral import Grant, secret_of
from routebook.edge.intake import read_body
from routebook.protocols.body import MODEL_LENGTH
from routebook.routing.identity import new_id

NOW_PATHS: Final = frozenset({"/v1/realtime/client_secrets", "/openai/v1/realtime/client_secrets"})
OLD_PATHS: Final = frozenset({"/v1/realtime/sessions", "/openai/realtimeapi/sessions"})
PATHS: Final = NOW_PATHS | OLD_PATHS

CALLS: Final = ("/v1/realtime/calls", "/openai/v1/realtime/calls")
"""Where calls over WebRTC and SIP would be: their sound does not pass through a gateway of WebSockets."""

USUAL: Final = 600
SHORTEST, LONGEST = 10, 7200
"""Seconds that a secret lives, as OpenAI has it."""

MOST_SETTINGS: Final = 4096
"""Bytes of settings that a secret can hold: it stands in a header."""

_OWN: Final = ("client_secret", "expires_after")
Json = dict[str, Any]


def is_call(path: str) -> bool:
    """Whether a path is one of calls."""
    return path.startswith(CALLS)


async def make_secret(request: web.BaseRequest, gateway: Gateway) -> web.StreamResponse:
    """Answer a request for a secret."""
    try:
        return web.json_response(await _made(request, gateway), headers=SERVER)
    except Failure as failure:
        return answer(failure)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is told as it would be of a request
        return answer(failure_of(error, request))


async def _made(request: web.BaseRequest, gateway: Gateway) -> Json:
    serving = gateway.serving
    client = identify(request, gateway, serving)
    is_old = request.path in OLD_PATHS
    wanted = _object(await read_body(request, serving.policy.settings), None)
    session = wanted if is_old else _object(wanted.get("session", {}), "session")
    lifetime = _lifetime(_object(wanted.get("client_secret") or {}, "client_secret") if is_old else wanted)
    session = {name: value for name, value in session.items() if name not in _OWN}
    model = session.get("model")
    if model is not None and not (isinstance(model, str) and 0 < len(model) <= MODEL_LENGTH):
        raise Failure("request.malformed", "the model must be a name", param="session.model")
    settings = {name: value for name, value in session.items() if name != "model"}
    settings = settings if settings.keys() - {"type"} else {}
    if len(msgspec.json.encode(settings)) > MOST_SETTINGS:
        raise Failure("request.too-large", f"a secret holds {MOST_SETTINGS} bytes of settings at most", param="session")
    expires = int(gateway.clock.now()) + lifetime
    grant = msgspec.structs.replace(grant_for(client, request, gateway, expires), model=model, settings=settings)
    secret = {"value": secret_of(grant, signing_key(gateway)), "expires_at": expires}
    clock = gateway.clock
    named = {"id": f"sess_{new_id(int(clock.now() * 1000), clock.noise())}", "object": "realtime.session"}
    if is_old:
        return {**named, **session, "client_secret": secret}
    return {**secret, "session": {**named, "type": "realtime", **session}}


def grant_for(client: Client, request: web.BaseRequest, gateway: Gateway, expires: int) -> Grant:
    """What whoever shows a secret counts as: the client that asks for it here, as it shows itself, until `expires`."""
    holder = holder_of(request, gateway, gateway.serving)
    if gateway.policy.clients.get(client.name) is not None:
        return Grant(client.name, expires, holder)
    tags = tuple(sorted(client.tags))
    return Grant(client.name, expires, holder, team=client.team, tags=tags, labels=client.labels)


def _object(written: Any, param: str | None) -> Json:
    if isinstance(written, bytes):
        try:
            written = msgspec.json.decode(written) if written.strip() else {}
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise Failure("request.malformed", "the body is not JSON") from None
    if not isinstance(written, dict):
        raise Failure("request.malformed", "this must be an object", param=param)
    return written


def _lifetime(wanted: Json) -> int:
    """How many seconds the secret lives; raises Failure."""
    after = _object(wanted.get("expires_after") or {}, "expires_after")
    seconds: Any = after.get("seconds", USUAL)
    is_whole = isinstance(seconds, int) and not isinstance(seconds, bool)
    if not is_whole or not SHORTEST <= seconds <= LONGEST or after.get("anchor", "created_at") != "created_at":
        words = f"a secret lives {SHORTEST} to {LONGEST} seconds from `created_at`"
        raise Failure("request.malformed", words, param="expires_after.seconds")
    return int(seconds)
