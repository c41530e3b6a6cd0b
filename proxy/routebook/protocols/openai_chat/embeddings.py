"""An Embeddings request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from routebook.chat.lazily import lazily
from routebook.protocols.body import WORD, decode, named, read_field, read_fields, read_model, starts_with, with_fields
from routebook.protocols.errors import ProtocolError, Side

Inputs = str | list[str | int | list[int]]

_INPUTS: msgspec.json.Decoder[Inputs] = msgspec.json.Decoder(Inputs)


class OpenAIEmbeddings:
    """One request for vectors, read as far as somebody asks (`chat.asked.Asked`)."""

    operation: Final = "embeddings"
    dialect: Final = "openai-chat"
    stream: Final = False
    wants_usage: Final = True
    max_output: Final = 0
    choices: Final = 1
    images: Final = 0
    tools: Final = 0
    tool_bytes: Final = 0
    needs: Final[frozenset[str]] = frozenset()
    metadata: Final[Mapping[str, str]] = {}
    was_read: Final = True
    opening: Final = b""
    goes_on_from: Final = None
    session: Final = None

    def __init__(self, body: bytes, model: str | None = None) -> None:
        fields = read_fields(body)
        if model is not None:
            body = named(body, fields, model)
        self.model = read_model(fields)
        given = fields.get("input")
        if given is None or not (starts_with(given, b'"') or starts_with(given, b"[")):
            raise ProtocolError(Side.CLIENT, "`input` must be a text or a list", param="input")
        self.body = body
        self.fields = fields
        self.body_bytes = len(body)

    def __repr__(self) -> str:
        return f"<OpenAIEmbeddings {self.model} {self.body_bytes} bytes>"

    @property
    def prompt(self) -> memoryview:
        """What is to be embedded, as it came."""
        return memoryview(self.fields["input"])

    @property
    def messages(self) -> int:
        """How many texts are to be embedded."""
        return 1 if isinstance(self._inputs, str) or self._is_tokens else len(self._inputs)

    @lazily
    def text(self) -> str:
        """All texts, one after the other; none where the client sent tokens."""
        inputs = self._inputs
        return inputs if isinstance(inputs, str) else "\n".join(each for each in inputs if isinstance(each, str))

    @property
    def latest(self) -> str:
        """All of it."""
        return self.text

    @lazily
    def counted_tokens(self) -> int:
        """Tokens that the client counted itself, by sending them as numbers."""
        inputs = self._inputs
        if isinstance(inputs, str):
            return 0
        return sum(1 if isinstance(each, int) else len(each) if isinstance(each, list) else 0 for each in inputs)

    @property
    def user(self) -> str | None:
        """The end user whom the client names."""
        return read_field(self.fields, "user", WORD)

    @property
    def _is_tokens(self) -> bool:
        return isinstance(self._inputs, list) and bool(self._inputs) and isinstance(self._inputs[0], int)

    @lazily
    def _inputs(self) -> Inputs:
        return decode(_INPUTS, self.fields["input"], "input")


def read_embeddings(body: bytes, model: str | None = None) -> OpenAIEmbeddings:
    """The request in a body, for the `model` that its path names, where it does; raises ProtocolError."""
    return OpenAIEmbeddings(body, model)


def edited_embeddings(asked: OpenAIEmbeddings, model: str) -> bytes:
    """The body to send to an upstream that calls the model `model`: the client's own bytes but for that name."""
    return with_fields(asked.body, asked.fields, {} if model == asked.model else {"model": model})
