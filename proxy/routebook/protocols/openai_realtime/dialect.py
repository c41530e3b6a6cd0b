"""OpenAI's Realtime as a line of the table of dialects of sessions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import quote

import msgspec

from routebook.protocols.errors import ProtocolError, Side
from routebook.protocols.openai_errors import error_object
from routebook.protocols.openai_realtime.reading import RealtimeReader
from routebook.protocols.sessions import Older, SessionAsked, SessionDialect

NAME: Final = "openai-realtime"

SECRET: Final = "openai-insecure-api-key."
"""How a key stands among the subprotocols that a browser offers: it can set no header."""

_BETA: Final = Older("OpenAI-Beta", "realtime=v1", "openai-beta.realtime-v1")
"""How clients of the API's beta mark themselves; its names of events are others (`response.audio.delta`)."""

_INTENTS: Final = frozenset({"transcription", "conversation"})


def read_address(path: str, queries: Mapping[str, str], first: bytes = b"") -> SessionAsked:
    """A session that is asked for by its address: `model` (Azure's older form: `deployment`), or what it is for."""
    intent = queries.get("intent")
    if "call_id" in queries:
        raise ProtocolError(Side.CLIENT, "calls cannot be joined through this gateway", param="call_id")
    if intent is not None and intent not in _INTENTS:
        raise ProtocolError(Side.CLIENT, "there is no such intent", param="intent")
    model = queries.get("model") or queries.get("deployment") or ""
    if not model and intent is None:
        raise ProtocolError(Side.CLIENT, "the address must name a model", param="model")
    return SessionAsked(NAME, model, intent)


def upstream_path(asked: SessionAsked, model: str) -> str:
    """What follows a base URL."""
    if asked.purpose is not None and not asked.model:
        return f"/realtime?intent={asked.purpose}"
    intent = "" if asked.purpose is None else f"&intent={asked.purpose}"
    return f"/realtime?model={quote(model, safe='')}{intent}"


def error_frame(
    status: int,
    message: str,
    *,
    id: str,
    type: str | None = None,
    code: str | None = None,
    param: str | None = None,
    retry_after: float | None = None,
    event: str | None = None,
) -> bytes:
    """An `error` event; `id` is unique, `event` the id of the client's event that it answers."""
    said = error_object(status, message, type=type, code=code, param=param)
    return msgspec.json.encode({"type": "error", "event_id": f"event_{id}", "error": {**said, "event_id": event}})


def settle(settings: bytes) -> bytes:
    """The event that sets a session."""
    return b'{"type":"session.update","session":' + settings + b"}"


OPENAI_REALTIME: Final = SessionDialect(
    NAME,
    "openai-chat",
    ("/v1/realtime", "/openai/v1/realtime", "/openai/realtime"),
    read_address,
    upstream_path,
    RealtimeReader,
    error_frame,
    ("openai", "openai-responses"),
    queries=frozenset({"api-key"}),
    protocol="realtime",
    secret=SECRET,
    forwarded=(_BETA.header,),
    settle=settle,
    older=_BETA,
)
