"""A Messages request, and one to count its tokens: what routing needs to know, and the smallest edit that sends it on."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import Raw

from routebook.chat.asked_chat import AskedChat
from routebook.chat.caps import Caps
from routebook.chat.conversation import ChatRequest, Effort
from routebook.chat.lazily import lazily
from routebook.chat.used import needs_of
from routebook.protocols.anthropic.carries import DIALECT, NEW
from routebook.protocols.anthropic.request_reading import read_request
from routebook.protocols.anthropic.thinking import LEAST
from routebook.protocols.body import (
    COUNT,
    FIELDS,
    FLAG,
    WORD,
    is_given,
    named,
    read_field,
    read_fields,
    read_model,
    starts_with,
    with_fields,
)
from routebook.protocols.errors import ProtocolError, Side

_MESSAGES: Final = msgspec.json.Decoder(list[dict[str, Raw]])
_TYPE: Final = msgspec.json.Decoder(str | None)
_NOTHING: Final = Raw(b"null")
_THOUGHT: Final = b'"thinking"'
"""What stands in every request in which a thought comes back."""


class AnthropicMessages(AskedChat):
    """One request, read as far as somebody asks (`chat.asked.Asked`).

    `version` is that of the API which the client speaks, as its header says, where somebody passes it on.
    """

    dialect = DIALECT
    needs_most: bool = True
    """Whether the most tokens of the answer must stand in it."""

    def __init__(self, body: bytes, model: str | None = None, version: str | None = None) -> None:
        fields = read_fields(body)
        if model is not None:
            body = named(body, fields, model)
        self.model = read_model(fields)
        messages = fields.get("messages")
        if messages is None or not starts_with(messages, b"["):
            raise ProtocolError(Side.CLIENT, "`messages` must be a list", param="messages")
        if self.needs_most and not is_given(fields, "max_tokens"):
            raise ProtocolError(Side.CLIENT, "`max_tokens` is missing", param="max_tokens")
        self.stream = read_field(fields, "stream", FLAG) is True if "stream" in fields else False
        self.body = body
        self.fields = fields
        self.version = version

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.model} {self.body_bytes} bytes{', streamed' if self.stream else ''}>"

    @lazily
    def chat(self) -> ChatRequest:
        """The whole request in the neutral form; raises ProtocolError."""
        return read_request(self.model, self.fields)

    @property
    def prompt(self) -> memoryview:
        """Its messages, as they came."""
        return memoryview(self.fields["messages"])

    @property
    def max_output(self) -> int | None:
        """The most tokens that the answer may have."""
        return read_field(self.fields, "max_tokens", COUNT)

    @property
    def session(self) -> str | None:
        """The container in which the provider's own tools work for this conversation."""
        raw = self.fields.get("container")
        return read_field(self.fields, "container", WORD) if raw is not None and starts_with(raw, b'"') else None

    @lazily
    def needs(self) -> frozenset[str]:
        """Capabilities without which it cannot be answered; not to think is none."""
        thinking = self.chat.reasoning
        needs = needs_of(self.chat)
        return needs - {"reasoning"} if thinking is not None and thinking.effort is Effort.NONE else needs


class AnthropicCount(AnthropicMessages):
    """A request whose tokens are to be counted and nothing else."""

    operation = "count_tokens"
    needs_most = False


def read_messages(body: bytes, model: str | None = None, version: str | None = None) -> AnthropicMessages:
    """The request in a body; raises ProtocolError."""
    return AnthropicMessages(body, model, version)


def read_count_request(body: bytes, model: str | None = None, version: str | None = None) -> AnthropicCount:
    """The request in a body whose tokens are to be counted; raises ProtocolError."""
    return AnthropicCount(body, model, version)


def edited(asked: AnthropicMessages, model: str, ask_usage: bool, caps: Caps | None = None) -> bytes:
    """The body to send to an upstream that calls the model `model`: the client's own bytes where nothing has to change,
    otherwise the same with only these top-level fields set: `model`, what `caps` sets, and `messages` without thoughts
    that nobody signed: they are of a model that speaks another dialect, and refused here. Usage always comes unasked."""
    changes: dict[str, Any] = {} if caps is None or not asked.needs_most else _capped(asked, caps)
    if model != asked.model:
        changes["model"] = model
    if _THOUGHT in asked.body and (signed := _signed(asked)) is not None:
        changes["messages"] = signed
    return with_fields(asked.body, asked.fields, changes)


def _signed(asked: AnthropicMessages) -> list[dict[str, Any]] | None:
    """The messages without unsigned thoughts; None where there are none, or only the upstream can say what is wrong."""
    try:
        messages: list[dict[str, Any]] = [*_MESSAGES.decode(asked.fields["messages"])]
        found = False
        for number, message in enumerate(messages):
            if not starts_with(message.get("content", _NOTHING), b"["):
                continue
            blocks = _MESSAGES.decode(message["content"])
            kept = [block for block in blocks if not _is_unsigned(block)]
            if kept and len(kept) < len(blocks):
                messages[number] = {**message, "content": kept}
                found = True
    except msgspec.DecodeError:
        return None
    return messages if found else None


def _is_unsigned(block: dict[str, Raw]) -> bool:
    """Whether it is a thought without a signature, as it is told of models that have none of this dialect."""
    return _TYPE.decode(block.get("type", _NOTHING)) == "thinking" and not _TYPE.decode(
        block.get("signature", _NOTHING)
    )


def _capped(asked: AnthropicMessages, caps: Caps) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    thinking = read_field(asked.fields, "thinking", FIELDS)
    most = asked.max_output
    if caps.max_output is not None and most is not None and most > caps.max_output:
        changes["max_tokens"] = caps.max_output
        changes |= _less_thought(thinking, caps.max_output)
    wants_thought = is_given(asked.fields, "thinking") and _kind(thinking) != "disabled"
    if caps.temperature is not None and not (is_given(asked.fields, "temperature") or wants_thought):
        # The newer version refuses every temperature, and so would the upstream refuse the request.
        changes |= {} if asked.version == NEW else {"temperature": caps.temperature}
    if caps.reasoning_effort is not None and thinking is None:
        changes |= _effort(asked, caps.reasoning_effort)
    return changes


def _less_thought(thinking: dict[str, Raw] | None, most: int) -> dict[str, Any]:
    """A budget of thought must be smaller than the answer that it is a part of."""
    budget = None if thinking is None else read_field(thinking, "budget_tokens", COUNT)
    if thinking is None or budget is None or budget < most:
        return {}
    return {"thinking": {**thinking, "budget_tokens": most - 1} if most > LEAST else {"type": "disabled"}}


def _effort(asked: AnthropicMessages, word: str) -> dict[str, Any]:
    config = read_field(asked.fields, "output_config", FIELDS) or {}
    if "effort" in config:
        return {}
    if word == Effort.NONE.value:
        return {"thinking": {"type": "disabled"}}
    effort = Effort.LOW.value if word == Effort.MINIMAL.value else word
    return {"thinking": {"type": "adaptive"}, "output_config": {**config, "effort": effort}}


def _kind(thinking: dict[str, Raw] | None) -> str | None:
    return None if thinking is None else read_field(thinking, "type", WORD)
