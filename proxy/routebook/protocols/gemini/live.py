"""Gemini's Live API as a line of the table of dialects of sessions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from routebook.protocols.body import MODEL_LENGTH, WORD, read_field, read_fields, with_fields
from routebook.protocols.errors import ProtocolError, Side
from routebook.protocols.gemini.errors import OVERLOADED, WORDS
from routebook.protocols.gemini.live_reading import LiveReader
from routebook.protocols.gemini.live_tokens import constrained
from routebook.protocols.sessions import SessionAsked, SessionDialect

NAME: Final = "gemini-live"

_SERVICE: Final = "/ws/google.ai.generativelanguage.{}.GenerativeService.BidiGenerateContent"
_BY_TOKEN: Final = "Constrained"
"""What follows where a client shows a short-lived token instead of a key."""

_VERSIONS: Final = ("v1beta", "v1", "v1alpha")


def read_setup(path: str, queries: Mapping[str, str], first: bytes) -> SessionAsked:
    """A session that is asked for by its first frame, `setup`. The version of the API is the client's own."""
    fields = read_fields(first)
    if "setup" not in fields:
        raise ProtocolError(Side.CLIENT, "the first message must be `setup`", param="setup")
    model = read_field(read_fields(bytes(fields["setup"])), "model", WORD) or ""
    model = model.rpartition("models/")[2]
    if not model or len(model) > MODEL_LENGTH:
        raise ProtocolError(Side.CLIENT, "`setup` must name a model", param="setup.model")
    version = next((each for each in _VERSIONS if f".{each}." in path), _VERSIONS[0])
    return SessionAsked(NAME, model, version, first)


def setup_for(asked: SessionAsked, model: str) -> bytes:
    """The client's first frame with the upstream's name of the model; the very same where it is that already."""
    if asked.model == model:
        return asked.body
    fields = read_fields(asked.body)
    setup = bytes(fields["setup"])
    renamed = with_fields(setup, read_fields(setup), {"model": f"models/{model}"})
    return with_fields(asked.body, fields, {"setup": msgspec.Raw(renamed)})


def upstream_path(asked: SessionAsked, model: str) -> str:
    """What stands at the upstream's root."""
    return _SERVICE.format(asked.purpose)


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
    """An error as Google's clients raise one: with a numeric `code` at the top, which no other frame has."""
    status = 503 if status == OVERLOADED else status
    word = WORDS.get(status, "INTERNAL" if status >= 500 else "FAILED_PRECONDITION")
    clean = message.encode("utf-8", "replace").decode()
    return msgspec.json.encode({"code": status, "message": clean, "status": word})


GEMINI_LIVE: Final = SessionDialect(
    NAME,
    "gemini",
    tuple(_SERVICE.format(version) + method for version in _VERSIONS for method in ("", _BY_TOKEN)),
    read_setup,
    upstream_path,
    LiveReader,
    error_frame,
    ("gemini",),
    queries=frozenset({"key", "access_token"}),
    first=True,
    opening=setup_for,
    rooted=True,
    purpose=_VERSIONS[0],
    forwarded=("x-goog-api-client",),
    constrained=constrained,
)
