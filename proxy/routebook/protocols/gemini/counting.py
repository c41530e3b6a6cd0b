"""countTokens: how many tokens a request would have."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import Raw

from routebook.chat.asked_chat import AskedChat
from routebook.chat.caps import Caps
from routebook.chat.conversation import ChatRequest
from routebook.chat.lazily import lazily
from routebook.protocols.body import check_named, with_fields
from routebook.protocols.carrying import Target, losses_of
from routebook.protocols.codec import Sent
from routebook.protocols.errors import ProtocolError, Side
from routebook.protocols.forgiving import Forgiving
from routebook.protocols.gemini.carries import CARRIES, OWNED
from routebook.protocols.gemini.fields import Fields
from routebook.protocols.gemini.request_reading import read_request
from routebook.protocols.gemini.request_writing import path_of, written_body

_WHOLE: Final = "generateContentRequest"


class GeminiCount(AskedChat):
    """One request to count: the contents alone, or a whole request within."""

    operation = "count_tokens"
    dialect = "gemini"
    stream = False

    def __init__(self, body: bytes, model: str = "") -> None:
        check_named(model)
        self.fields = Fields(body)
        inner = self.fields.inner(_WHOLE)
        if "contents" not in (self.fields if inner is None else inner):
            raise ProtocolError(Side.CLIENT, "`contents` must be a list", param="contents")
        self.model = model
        self.body = body

    def __repr__(self) -> str:
        return f"<GeminiCount {self.model} {self.body_bytes} bytes>"

    @lazily
    def chat(self) -> ChatRequest:
        """What is to be counted, in the neutral form."""
        fields = Fields(self.body)
        return read_request(self.model, fields.inner(_WHOLE) or fields)


def read_count_request(body: bytes, model: str = "") -> GeminiCount:
    """The request in a body, for the `model` that its path names; raises ProtocolError."""
    return GeminiCount(body, model)


def edited_count(asked: GeminiCount, model: str, ask_usage: bool, caps: Caps | None = None) -> bytes:
    """The client's own bytes, but for the name of the model in a whole request."""
    inner = asked.fields.inner(_WHOLE)
    if inner is None or inner.word("model") in (None, f"models/{model}"):
        return asked.body
    whole: dict[str, Any] = {**dict(inner.all()), "model": f"models/{model}"}
    raw = dict(asked.fields.all())
    return with_fields(asked.body, raw, {_WHOLE: Raw(msgspec.json.encode(whole))})


def write_count_request(chat: ChatRequest, target: Target) -> Sent:
    """Ask an upstream to count a request, with everything in it."""
    losses = losses_of(chat, OWNED, CARRIES, target)
    path = path_of(target.model, "countTokens")
    whole = {"model": path[1:].partition(":")[0], **written_body(chat, losses)}
    return Sent(path, msgspec.json.encode({_WHOLE: whole}), losses=losses.all())


class _Count(msgspec.Struct, gc=False, rename="camel"):
    total_tokens: int | None = None


_COUNT: Final = Forgiving(_Count)


def read_count(body: bytes) -> int:
    """How many tokens an upstream counted; raises ProtocolError where it says no number."""
    count = _COUNT.read(body).total_tokens
    if count is None or count < 0:
        raise ProtocolError(Side.UPSTREAM, "the upstream counted no tokens")
    return count


def write_count(count: int) -> bytes:
    """A count for a client."""
    return msgspec.json.encode({"totalTokens": count})
