"""OpenAI's Live API as a line of the table of dialects of sessions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from routebook.protocols.body import MODEL_LENGTH, WORD, read_field, read_fields, with_fields
from routebook.protocols.errors import ProtocolError, Side
from routebook.protocols.openai_errors import error_object
from routebook.protocols.openai_live.reading import LiveReader
from routebook.protocols.sessions import SessionAsked, SessionDialect

NAME: Final = "openai-live"

HELD_MS: Final = 60_000
"""Milliseconds of a session that are held for at a time: upstreams say more often than that what was used."""

_SESSIONS: Final = "/sessions"


def read_start(path: str, queries: Mapping[str, str], first: bytes) -> SessionAsked:
    """A session that is asked for by its first frame, `session.start`. OpenAI's own address ends in `/sessions`, Azure's
    does not: the upstream is asked as the client asks."""
    fields = read_fields(first)
    if read_field(fields, "type", WORD) != "session.start" or "session" not in fields:
        raise ProtocolError(Side.CLIENT, "the first event must be `session.start`, with a `session`", param="type")
    model = read_field(read_fields(bytes(fields["session"])), "model", WORD) or ""
    if not model or len(model) > MODEL_LENGTH:
        raise ProtocolError(Side.CLIENT, "`session` must name a model", param="session.model")
    purpose = "sessions" if path.endswith(_SESSIONS) else None
    return SessionAsked(NAME, model, purpose, first, most_ms=HELD_MS)


def start_for(asked: SessionAsked, model: str) -> bytes:
    """The client's first frame with the upstream's name of the model; the very same where it is that already."""
    if asked.model == model:
        return asked.body
    fields = read_fields(asked.body)
    session = bytes(fields["session"])
    renamed = with_fields(session, read_fields(session), {"model": model})
    return with_fields(asked.body, fields, {"session": msgspec.Raw(renamed)})


def upstream_path(asked: SessionAsked, model: str) -> str:
    """What follows a base URL; the model does not stand there."""
    return "/live" if asked.purpose is None else f"/live{_SESSIONS}"


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
    error = {**said, "code": said["code"] or "error", "client_event_id": event}
    return msgspec.json.encode({"type": "error", "event_id": f"event_{id}", "error": error, "client_event_id": event})


OPENAI_LIVE: Final = SessionDialect(
    NAME,
    "openai-chat",
    tuple(f"{root}/live{end}" for root in ("/v1", "/openai/v1") for end in ("", _SESSIONS)),
    read_start,
    upstream_path,
    LiveReader,
    error_frame,
    ("openai", "openai-responses"),
    queries=frozenset({"api-key"}),
    first=True,
    opening=start_for,
    forwarded=("OpenAI-Beta", "OpenAI-Safety-Identifier"),
    says_why=True,
    always_runs=True,
)
