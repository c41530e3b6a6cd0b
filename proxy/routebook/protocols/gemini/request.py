"""A generateContent request: what routing needs to know of it, and the smallest edit that sends it on.

The model and whether a stream is wanted stand in the path, and the form of the stream in the query.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from routebook.chat.asked_chat import AskedChat
from routebook.chat.caps import Caps
from routebook.chat.conversation import ChatRequest
from routebook.chat.lazily import lazily
from routebook.protocols.body import check_named, read_fields, starts_with, with_fields
from routebook.protocols.errors import ProtocolError, Side
from routebook.protocols.gemini.fields import Fields
from routebook.protocols.gemini.request_reading import read_request

SSE: Final = "sse"
"""The form of a stream of events; every other is one JSON array."""


class GeminiChat(AskedChat):
    """One request, read as far as somebody asks (`chat.asked.Asked`). `alt` is the form of a stream, as the query has
    it (`sse`)."""

    dialect = "gemini"

    def __init__(self, body: bytes, model: str = "", stream: bool = False, alt: str = "") -> None:
        self.fields = read_fields(body)
        check_named(model)
        contents = self.fields.get("contents")
        if contents is None or not starts_with(contents, b"["):
            raise ProtocolError(Side.CLIENT, "`contents` must be a list", param="contents")
        self.model = model
        self.stream = stream
        self.alt = alt
        self.body = body

    def __repr__(self) -> str:
        return f"<GeminiChat {self.model} {self.body_bytes} bytes{', streamed' if self.stream else ''}>"

    @property
    def is_array(self) -> bool:
        """Whether the client wants its stream as one JSON array."""
        return self.stream and self.alt != SSE

    @property
    def media_type(self) -> str:
        """What the answer is, in words of HTTP."""
        return "text/event-stream" if self.stream and self.alt == SSE else "application/json"

    @property
    def prompt(self) -> memoryview:
        """Its contents, as they came."""
        return memoryview(self.fields["contents"])

    @lazily
    def chat(self) -> ChatRequest:
        """The whole request in the neutral form."""
        return read_request(self.model, Fields(self.body))

    @property
    def session(self) -> str | None:
        """The cache that the client keeps at its provider, by its name."""
        return Fields(self.body).word("cachedContent")


def read_chat(body: bytes, model: str = "", stream: bool = False, alt: str = "") -> GeminiChat:
    """The request in a body, for the `model` that its path names; raises ProtocolError."""
    return GeminiChat(body, model, stream, alt)


def edited(asked: GeminiChat, model: str, ask_usage: bool, caps: Caps | None = None) -> bytes:
    """The body to send to an upstream, whose path names the model: the client's own bytes, but for what `caps` sets."""
    changes = {} if caps is None else _capped(Fields(asked.body), caps)
    name = "generation_config" if "generation_config" in asked.fields else "generationConfig"
    return with_fields(asked.body, asked.fields, {name: changes} if changes else {})


def _capped(fields: Fields, caps: Caps) -> dict[str, Any]:
    """The whole configuration with what is capped in it; empty where nothing is."""
    config = fields.inner("generationConfig") or Fields(b"{}")
    changes: dict[str, Any] = {}
    if caps.max_output is not None:
        said = config.take("maxOutputTokens", _INT)
        if said is None or said > caps.max_output:
            changes["maxOutputTokens"] = caps.max_output
    if caps.temperature is not None and "temperature" not in config:
        changes["temperature"] = caps.temperature
    if caps.reasoning_effort is not None and "thinkingConfig" not in config:
        changes["thinkingConfig"] = thinking_of(caps.reasoning_effort)
    return {**dict(config.all()), **changes} if changes else {}


def thinking_of(effort: str) -> dict[str, Any]:
    """How an effort is said: none at all is a budget of nothing, and the level above the highest is the highest."""
    return {"thinkingBudget": 0} if effort == "none" else {"thinkingLevel": _LEVELS.get(effort, effort.upper())}


_INT: Final = msgspec.json.Decoder(int, strict=False)
_LEVELS: Final = {"max": "XHIGH"}
