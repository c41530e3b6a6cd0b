"""A Chat Completions request: what routing needs to know of it, and the smallest edit that sends it on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final

import msgspec
from msgspec import Raw

from routebook.chat.caps import Caps
from routebook.chat.conversation import ChatRequest
from routebook.chat.lazily import lazily
from routebook.protocols.body import (
    FIELDS,
    FLAG,
    WORD,
    WORDS,
    decode,
    is_given,
    named,
    read_field,
    read_fields,
    read_model,
    starts_with,
    taken_out,
    with_fields,
)
from routebook.protocols.errors import ProtocolError, Side
from routebook.protocols.openai_chat.parts import (
    NOTHING,
    USER,
    Content,
    Contents,
    Message,
    Said,
    contents_of,
    has_parts,
)
from routebook.protocols.openai_chat.request_reading import read_request

MOST: Final = 2**31 - 1
"""The largest count that is believed of a client."""

_TOOLS: Final = ("tools", "functions")
_SAY_NEEDS: Final = frozenset({*_TOOLS, "response_format", "modalities", "logprobs", "reasoning_effort"})
"""Fields that may ask for a capability; most requests have none of them."""

_NONE: Final[frozenset[str]] = frozenset()
_NOTHING: Final[Mapping[str, str]] = {}

_READ: Final = ("_said", "_messages")
"""Where its messages stand once they have been read, one way or the other."""

SOUND: Final = b'"audio"'
"""What stands in messages that name what was spoken before."""


class _Sound(msgspec.Struct, gc=False):
    id: str | None = None


_HEARD = msgspec.json.Decoder(_Sound | None)
_COUNT = msgspec.json.Decoder(Annotated[int, msgspec.Meta(ge=0, le=MOST)])
_MESSAGES = msgspec.json.Decoder(list[Message])
_SAID = msgspec.json.Decoder(list[Said])
_CONTENT: msgspec.json.Decoder[Content] = msgspec.json.Decoder(Content)
_LIST = msgspec.json.Decoder(list[Raw])


class OpenAIChat:
    """One request, read as far as somebody asks (`chat.asked.Asked`).

    `body` are the client's own bytes, `fields` its top-level fields as they came. The properties raise ProtocolError,
    as reading does: what nobody asks about is the upstream's business.
    """

    operation: Final = "chat"
    dialect: Final = "openai-chat"
    counted_tokens: Final = 0
    form: Final[Mapping[str, str]] = {}
    heard_ms: Final = 0
    most_ms: Final = 0
    characters: Final = 0

    def __init__(self, body: bytes, model: str | None = None) -> None:
        fields = read_fields(body)
        if model is not None:
            body = named(body, fields, model)
        self.model = read_model(fields)
        messages = fields.get("messages")
        if messages is None or not starts_with(messages, b"["):
            raise ProtocolError(Side.CLIENT, "`messages` must be a list", param="messages")
        body, self.routing = taken_out(body, fields, "routing_config")
        """How the client wants this request routed: nobody upstream is told."""
        self.stream = "stream" in fields and read_field(fields, "stream", FLAG) is True
        self.body = body
        self.body_bytes = len(body)
        self.fields = fields

    def __repr__(self) -> str:
        return f"<OpenAIChat {self.model} {self.body_bytes} bytes{', streamed' if self.stream else ''}>"

    @lazily
    def wants_usage(self) -> bool:
        """Whether the client asked for the chunk with usage at the end of its stream."""
        options = read_field(self.fields, "stream_options", FIELDS)
        return options is not None and read_field(options, "include_usage", FLAG) is True

    @lazily
    def max_output(self) -> int | None:
        """The most tokens that one answer may have: the larger of the two fields that say so."""
        said = [
            count
            for name in ("max_completion_tokens", "max_tokens")
            if name in self.fields and (count := read_field(self.fields, name, _COUNT)) is not None
        ]
        return max(said) if said else None

    @property
    def choices(self) -> int:
        """How many answers are wanted; each is paid for."""
        return (read_field(self.fields, "n", _COUNT) or 1) if "n" in self.fields else 1

    @property
    def was_read(self) -> bool:
        """Whether its messages have been read, so that counting them costs nothing more."""
        return not self.__dict__.keys().isdisjoint(_READ)

    @property
    def prompt(self) -> memoryview:
        """Its messages, as they came."""
        return memoryview(self.fields["messages"])

    @property
    def messages(self) -> int:
        """How many messages it has."""
        return len(self._listed)

    @property
    def images(self) -> int:
        """How many images its messages hold."""
        return self._contents.images if self._may_hold_parts else 0

    @lazily
    def tools(self) -> int:
        """How many tools and functions it offers."""
        if _SAY_NEEDS.isdisjoint(self.fields):
            return 0
        lists = (read_field(self.fields, name, _LIST) for name in _TOOLS if name in self.fields)
        return sum(len(each) for each in lists if each is not None)

    @property
    def tool_bytes(self) -> int:
        """The size of what describes the tools; it is part of the prompt."""
        if _SAY_NEEDS.isdisjoint(self.fields):
            return 0
        return sum(memoryview(self.fields[name]).nbytes for name in _TOOLS if name in self.fields)

    @lazily
    def text(self) -> str:
        """All text of its messages, one after the other."""
        texts = self._contents.texts
        return texts[0] if len(texts) == 1 else "\n".join(texts)

    @property
    def latest(self) -> str:
        """The text of the last message of the user that has one; never recorded."""
        for message in reversed(self._messages):
            if bytes(message.role) == USER:
                said = Said(decode(_CONTENT, message.content, "messages"))
                if texts := contents_of([said]).texts:
                    return "\n".join(texts)
        return ""

    @lazily
    def needs(self) -> frozenset[str]:
        """Capabilities without which it cannot be answered."""
        found = self._contents.needs if self._may_hold_parts else _NONE
        if _SAY_NEEDS.isdisjoint(self.fields):
            return found
        needs = _needs_of_fields(self.fields)
        if self.tools:
            needs.add("tools")
        return found.union(needs)

    @lazily
    def metadata(self) -> Mapping[str, str]:
        """The texts under `metadata`; other values are nobody's business here."""
        if "metadata" not in self.fields:
            return _NOTHING
        entries = read_field(self.fields, "metadata", FIELDS) or {}
        return {key: decode(WORD, raw, "metadata") for key, raw in entries.items() if starts_with(raw, b'"')}

    @property
    def user(self) -> str | None:
        """The end user, as `safety_identifier` or the older `user` names them."""
        named = read_field(self.fields, "safety_identifier", WORD)
        return read_field(self.fields, "user", WORD) if named is None else named

    @lazily
    def chat(self) -> ChatRequest:
        """The whole request in the neutral form."""
        return read_request(self.model, self.fields)

    @property
    def opening(self) -> bytes:
        """Its first messages, to the first that the user wrote: what all requests of one conversation have in common.
        Instructions alone are not enough, for every conversation of an application may begin with the same. Never
        recorded."""
        first = next((at for at, each in enumerate(self._messages) if bytes(each.role) == USER), 0)
        return b"".join(each.content for each in self._messages[: first + 1])

    @property
    def goes_on_from(self) -> str | None:
        """What the assistant spoke last, by its id: nobody else has the sound. An answer in words is sent back whole."""
        if not self.was_read and SOUND not in self.body:
            return None
        for message in reversed(self._listed):
            if message.audio is not NOTHING:
                spoken: _Sound | None = decode(_HEARD, message.audio, "messages")
                if spoken is not None and spoken.id:
                    return spoken.id
        return None

    @property
    def session(self) -> str | None:
        """What the client calls requests that share a prompt cache."""
        return read_field(self.fields, "prompt_cache_key", WORD)

    @property
    def _listed(self) -> Sequence[Said | Message]:
        """Its messages, read no further than they had to be: what nobody asks about need not be as it should be."""
        return self._said if "_said" in self.__dict__ else self._messages

    @lazily
    def _messages(self) -> list[Message]:
        return decode(_MESSAGES, self.fields["messages"], "messages")

    @lazily
    def _said(self) -> list[Said]:
        return decode(_SAID, self.fields["messages"], "messages")

    @property
    def _may_hold_parts(self) -> bool:
        """Whether it is worth asking what its messages hold beside text: they have been read, or there may be more."""
        return "_contents" in self.__dict__ or self._has_parts

    @lazily
    def _has_parts(self) -> bool:
        return has_parts(self.fields["messages"])

    @lazily
    def _contents(self) -> Contents:
        return contents_of(self._said)


def read_chat(body: bytes, model: str | None = None) -> OpenAIChat:
    """The request in a body, for the `model` that its path names, where it does; raises ProtocolError."""
    return OpenAIChat(body, model)


def edited(asked: OpenAIChat, model: str, ask_usage: bool, caps: Caps | None = None) -> bytes:
    """The body to send to an upstream that calls the model `model`.

    The client's own bytes where nothing has to change; otherwise the same with only these top-level fields set:
    `model`, `stream_options` (a stream is asked for its usage, where `ask_usage`), and what `caps` sets.
    """
    changes: dict[str, Any] = {} if caps is None else _capped(asked, caps)
    if model != asked.model:
        changes["model"] = model
    if ask_usage and asked.stream and not asked.wants_usage:
        options = read_field(asked.fields, "stream_options", FIELDS) or {}
        changes["stream_options"] = {**options, "include_usage": True}
    return with_fields(asked.body, asked.fields, changes)


def _capped(asked: OpenAIChat, caps: Caps) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    if caps.max_output is not None:
        said = {
            name: count
            for name in ("max_completion_tokens", "max_tokens")
            if (count := read_field(asked.fields, name, _COUNT)) is not None
        }
        changes = {
            name: caps.max_output
            for name, count in (said or {"max_completion_tokens": MOST}).items()
            if count > caps.max_output
        }
    if caps.temperature is not None and not is_given(asked.fields, "temperature"):
        changes["temperature"] = caps.temperature
    if caps.reasoning_effort is not None and not is_given(asked.fields, "reasoning_effort"):
        changes["reasoning_effort"] = caps.reasoning_effort
    return changes


def _needs_of_fields(fields: Mapping[str, Raw]) -> set[str]:
    needs = set()
    wanted = read_field(fields, "response_format", FIELDS)
    if wanted is not None and read_field(wanted, "type", WORD) == "json_schema":
        needs.add("json_schema")
    if "audio" in (read_field(fields, "modalities", WORDS) or ()):
        needs.add("audio_out")
    if read_field(fields, "logprobs", FLAG):
        needs.add("logprobs")
    if (read_field(fields, "reasoning_effort", WORD) or "none") != "none":
        needs.add("reasoning")
    return needs
