"""Google's Gemini API as a line of the table of dialects."""

from __future__ import annotations

from typing import Any, Final

from routebook.protocols.answered import answered_by
from routebook.protocols.codec import ClientSide, Dialect, Operation, UpstreamSide
from routebook.protocols.gemini.answer_reading import read_chat_answer
from routebook.protocols.gemini.answer_writing import write_chat_answer
from routebook.protocols.gemini.carries import CARRIES, OWNED, TELLS
from routebook.protocols.gemini.counting import (
    edited_count,
    read_count,
    read_count_request,
    write_count,
    write_count_request,
)
from routebook.protocols.gemini.demands import WAIVERS, demanded_of_contents
from routebook.protocols.gemini.embeddings import edited_embedding, read_embedding
from routebook.protocols.gemini.errors import error_body, error_event, model_body, models_body
from routebook.protocols.gemini.faults import read_error_code, read_fault
from routebook.protocols.gemini.message_writing import HEARS
from routebook.protocols.gemini.relaying import GeminiRelayed
from routebook.protocols.gemini.request import edited, read_chat
from routebook.protocols.gemini.request_writing import write_request
from routebook.protocols.gemini.stream_reading import GeminiReader
from routebook.protocols.gemini.stream_writing import GeminiWriter

_METHODS: Final[tuple[tuple[str, str, Any, Any, dict[str, Any], tuple[str, ...]], ...]] = (
    ("chat", "generateContent", read_chat, edited, {}, ()),
    ("chat", "streamGenerateContent", read_chat, edited, {"stream": True}, ("alt",)),
    ("count_tokens", "countTokens", read_count_request, edited_count, {}, ()),
    ("embeddings", "embedContent", read_embedding, edited_embedding, {}, ()),
    ("embeddings", "batchEmbedContents", read_embedding, edited_embedding, {"batch": True}, ()),
)


def _relays(asked: Any, version: str | None) -> bool:
    """A stream is asked for as events, always: who wants one array is told it from them."""
    return not getattr(asked, "is_array", False)


GEMINI: Final = Dialect(
    "gemini",
    "gemini",
    tuple(
        Operation(
            name,
            f"/{version}/models/{{model}}:{method}",
            f"/models/{{model}}:{method}" + "?alt=sse" * bool(queries),
            read,
            edit,
            given,
            queries,
            demands=demanded_of_contents if name == "chat" else None,
            waivers=WAIVERS,
        )
        for version in ("v1beta", "v1")
        for name, method, read, edit, given, queries in _METHODS
    ),
    stream=GeminiRelayed,
    answer=answered_by(read_chat_answer),
    error_code=read_error_code,
    error_body=error_body,
    error_event=error_event,
    models=models_body,
    model=model_body,
    client=ClientSide(
        write_chat_answer,
        GeminiWriter,
        TELLS,
        write_count,
        media_type=lambda asked: str(asked.media_type),
        models=("/v1beta/models",),
    ),
    upstream=UpstreamSide(
        write_request,
        read_chat_answer,
        GeminiReader,
        read_fault,
        CARRIES,
        write_count_request,
        read_count,
        owned=OWNED,
        key_header="x-goog-api-key",
        forwarded=("x-goog-api-client",),
        hears=HEARS,
    ),
    relays=_relays,
)
