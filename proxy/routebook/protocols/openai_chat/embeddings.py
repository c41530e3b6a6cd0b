"""An Embeddings request."""

from __future__ import annotations

from msgspec import Raw

from routebook.chat.asked_plain import AskedVectors
from routebook.protocols.body import starts_with, with_fields
from routebook.protocols.errors import ProtocolError, Side
from routebook.protocols.openai_chat.texts import AskedTexts


class OpenAIEmbeddings(AskedTexts, AskedVectors):
    """One request for vectors."""

    field = "input"

    def _check(self, texts: Raw | None) -> None:
        if texts is None or not (starts_with(texts, b'"') or starts_with(texts, b"[")):
            raise ProtocolError(Side.CLIENT, "`input` must be a text or a list", param="input")


def read_embeddings(body: bytes, model: str | None = None) -> OpenAIEmbeddings:
    """The request in a body, for the `model` that its path names, where it does; raises ProtocolError."""
    return OpenAIEmbeddings(body, model)


def edited_embeddings(asked: OpenAIEmbeddings, model: str) -> bytes:
    """The body to send to an upstream that calls the model `model`: the client's own bytes but for that name."""
    return with_fields(asked.body, asked.fields, {} if model == asked.model else {"model": model})
