"""A Responses request: what routing needs to know of it, and the smallest edit that sends it on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import Raw

from routebook.chat.asked_chat import AskedChat
from routebook.chat.caps import Caps
from routebook.chat.conversation import ChatRequest
from routebook.chat.lazily import lazily
from routebook.protocols.body import (
    COUNT,
    FIELDS,
    FLAG,
    WORD,
    is_given,
    is_null,
    read_field,
    read_fields,
    read_model,
    starts_with,
    taken_out,
    with_fields,
)
from routebook.protocols.errors import ProtocolError, Side
from routebook.protocols.openai_responses.request_reading import read_request
from routebook.protocols.openai_responses.seals import DIALECT, MADE, is_foreign, is_made

_CONVERSATION: Final = msgspec.json.Decoder(str | dict[str, Any])
_ITEMS: Final = msgspec.json.Decoder(list[dict[str, Raw]])
_STATES: Final = ("previous_response_id", "conversation", "prompt")
"""Fields that may say what otherwise stands in `input`."""

_MADE: Final = MADE.encode("ascii")


class OpenAIResponses(AskedChat):
    """One request, read as far as somebody asks (`chat.asked.Asked`).

    `body` are the client's own bytes, `fields` its top-level fields as they came. The properties raise ProtocolError,
    as reading does: what nobody asks about is the upstream's business.
    """

    dialect = DIALECT

    def __init__(self, body: bytes, operation: str = "chat") -> None:
        fields = read_fields(body)
        self.operation = operation
        self.model = read_model(fields)
        given = fields.get("input")
        if given is None or is_null(given):
            if operation == "chat" and all(name not in fields or is_null(fields[name]) for name in _STATES):
                raise ProtocolError(Side.CLIENT, "`input` is missing", param="input")
        elif not (starts_with(given, b'"') or starts_with(given, b"[")):
            raise ProtocolError(Side.CLIENT, "`input` must be a text or a list", param="input")
        body, self.routing = taken_out(body, fields, "routing_config")
        """How the client wants this request routed: nobody upstream is told."""
        self.stream = "stream" in fields and read_field(fields, "stream", FLAG) is True
        self.body = body
        self.fields = fields

    def __repr__(self) -> str:
        return f"<OpenAIResponses {self.model} {self.body_bytes} bytes{', streamed' if self.stream else ''}>"

    @lazily
    def chat(self) -> ChatRequest:
        """The whole request in the neutral form."""
        return read_request(self.model, self.fields)

    @property
    def prompt(self) -> bytes | memoryview:
        """Its input, as it came; the whole body where a state at the provider stands for it."""
        return memoryview(self.fields["input"]) if "input" in self.fields else self.body

    @property
    def max_output(self) -> int | None:
        """The most tokens that the answer may have."""
        return read_field(self.fields, "max_output_tokens", COUNT)

    @property
    def user(self) -> str | None:
        """The end user, as `safety_identifier` or the older `user` names them."""
        named = read_field(self.fields, "safety_identifier", WORD)
        return read_field(self.fields, "user", WORD) if named is None else named

    @property
    def goes_on_from(self) -> str | None:
        """The answer that this request goes on from, which only the provider's account has that gave it."""
        return read_field(self.fields, "previous_response_id", WORD)

    @property
    def session(self) -> str | None:
        """The answer or conversation that this request goes on from, which only the provider has that keeps it; or else
        what the client calls requests that share a prompt cache."""
        if (before := self.goes_on_from) is not None:
            return before
        held = read_field(self.fields, "conversation", _CONVERSATION)
        named = held.get("id") if isinstance(held, dict) else held
        return named if isinstance(named, str) else read_field(self.fields, "prompt_cache_key", WORD)


def read_responses(body: bytes) -> OpenAIResponses:
    """The request in a body; raises ProtocolError."""
    return OpenAIResponses(body)


def read_count_request(body: bytes) -> OpenAIResponses:
    """The request to count what goes in; raises ProtocolError."""
    return OpenAIResponses(body, "count_tokens")


def edited(asked: OpenAIResponses, model: str, ask_usage: bool, caps: Caps | None = None) -> bytes:
    """The body to send to an upstream that calls the model `model`; usage always comes.

    The client's own bytes where nothing has to change; otherwise the same with only these top-level fields set: `model`,
    what `caps` sets, and `input` without what another dialect sealed, or was given an id here: no provider knows it.
    """
    changes: dict[str, Any] = {} if caps is None or asked.operation != "chat" else _capped(asked, caps)
    if model != asked.model:
        changes["model"] = model
    if _MADE in asked.body:
        items = _items(asked)
        known = [kept for item in items if (kept := _known(item)) is not None]
        if known != items:
            changes["input"] = known
    return with_fields(asked.body, asked.fields, changes)


def _items(asked: OpenAIResponses) -> list[dict[str, Raw]]:
    """Its items; none where the input is a text, or what only the upstream can complain about."""
    try:
        return read_field(asked.fields, "input", _ITEMS) or []
    except ProtocolError:
        return []


def _known(item: Mapping[str, Raw]) -> dict[str, Raw] | None:
    """An item without the id that it was given here; None for a thought that nobody but its own provider can read."""
    encrypted = _word(item, "encrypted_content")
    if is_foreign(encrypted):
        return None
    if not is_made(_word(item, "id")):
        return dict(item)
    if encrypted is None and _word(item, "type") in ("reasoning", "item_reference"):
        return None
    return {name: raw for name, raw in item.items() if name != "id"}


def _word(item: Mapping[str, Raw], name: str) -> str | None:
    raw = item.get(name)
    return read_field(item, name, WORD) if raw is not None and starts_with(raw, b'"') else None


def _capped(asked: OpenAIResponses, caps: Caps) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    if caps.max_output is not None and (asked.max_output is None or asked.max_output > caps.max_output):
        changes["max_output_tokens"] = caps.max_output
    if caps.temperature is not None and not is_given(asked.fields, "temperature"):
        changes["temperature"] = caps.temperature
    if caps.reasoning_effort is not None:
        wish = read_field(asked.fields, "reasoning", FIELDS) or {}
        if not is_given(wish, "effort"):
            changes["reasoning"] = {**wish, "effort": caps.reasoning_effort}
    return changes
