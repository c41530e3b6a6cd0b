"""embedContent and batchEmbedContents: requests for vectors, one or many."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec
from msgspec import Raw

from routebook.chat.asked_plain import AskedVectors
from routebook.chat.lazily import lazily
from routebook.protocols.body import check_named, with_fields
from routebook.protocols.errors import ProtocolError, Side
from routebook.protocols.gemini.fields import Fields


class GeminiEmbeddings(AskedVectors):
    """One request for vectors, read as far as somebody asks (`chat.asked.Asked`). Only upstreams of this dialect are
    asked for these; their answers pass as they come."""

    dialect: Final = "gemini"
    counted_tokens: Final = 0
    user: Final = None

    def __init__(self, body: bytes, model: str = "", batch: bool = False) -> None:
        check_named(model)
        self.fields = Fields(body)
        needed = "requests" if batch else "content"
        if needed not in self.fields:
            raise ProtocolError(Side.CLIENT, f"`{needed}` is missing", param=needed)
        self.model = model
        self.batch = batch
        self.body = body

    @property
    def prompt(self) -> memoryview:
        """What is to be embedded, as it came."""
        return memoryview(self.body)

    @property
    def messages(self) -> int:
        """How many texts are to be embedded."""
        return len(list(self._each()))

    @lazily
    def text(self) -> str:
        """All texts, one after the other."""
        contents = (content for each in self._each() if (content := each.inner("content")) is not None)
        return "\n".join(part.word("text") or "" for content in contents for part in content.each("parts"))

    def _each(self) -> Iterator[Fields]:
        return self.fields.each("requests") if self.batch else iter((self.fields,))


def read_embedding(body: bytes, model: str = "", batch: bool = False) -> GeminiEmbeddings:
    """The request in a body, for the `model` that its path names; raises ProtocolError."""
    return GeminiEmbeddings(body, model, batch)


def edited_embedding(asked: GeminiEmbeddings, model: str, ask_usage: bool, caps: object = None) -> bytes:
    """The client's own bytes, but for the upstream's name of the model wherever a request repeats it."""
    name = f"models/{model}"
    fields = dict(asked.fields.all())
    if not asked.batch:
        return with_fields(asked.body, fields, {"model": name} if _other(asked.fields, name) else {})
    each = list(asked.fields.each("requests"))
    if not any(_other(one, name) for one in each):
        return asked.body
    requests: list[dict[str, Any]] = [{**dict(one.all()), "model": name} for one in each]
    return with_fields(asked.body, fields, {"requests": Raw(msgspec.json.encode(requests))})


def _other(fields: Fields, name: str) -> bool:
    return fields.word("model") not in (None, name)
