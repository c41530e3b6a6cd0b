"""OpenAI's Chat Completions and Embeddings as a line of the table of dialects."""

from __future__ import annotations

from typing import Any, Final

from routebook.protocols.codec import Dialect, Operation
from routebook.protocols.openai_chat.embeddings import edited_embeddings, read_embeddings
from routebook.protocols.openai_chat.errors import error_body, error_event, model_body, models_body
from routebook.protocols.openai_chat.request import edited, read_chat
from routebook.protocols.openai_chat.response import read_answer, read_error_code
from routebook.protocols.openai_chat.stream import StreamReader


def _edit_embeddings(asked: Any, model: str, ask_usage: bool, caps: object = None) -> bytes:
    """Nothing but the name can be set on a request for vectors."""
    return edited_embeddings(asked, model)


OPENAI_CHAT: Final = Dialect(
    "openai-chat",
    "openai",
    (
        Operation("chat", "/v1/chat/completions", "/chat/completions", read_chat, edited),
        Operation("embeddings", "/v1/embeddings", "/embeddings", read_embeddings, _edit_embeddings),
    ),
    stream=StreamReader,
    answer=read_answer,
    error_code=read_error_code,
    error_body=error_body,
    error_event=error_event,
    models=models_body,
    model=model_body,
)
