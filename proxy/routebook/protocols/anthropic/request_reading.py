"""A client's request, read into the neutral form: everything in it, also what only this dialect knows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final, TypeVar

import msgspec
from msgspec import Raw

from routebook.chat.conversation import (
    Calling,
    ChatRequest,
    Effort,
    Extra,
    ForeignTool,
    JsonSchema,
    Sampling,
    Tool,
    ToolChoice,
)
from routebook.chat.parts import CacheMark
from routebook.protocols.anthropic.block_reading import json_of
from routebook.protocols.anthropic.carries import DIALECT
from routebook.protocols.anthropic.message_reading import Conversation
from routebook.protocols.anthropic.thinking import read_thinking
from routebook.protocols.body import WORD, decode, is_null, read_field

T = TypeVar("T")

COUNT: Final = msgspec.json.Decoder(Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)])
FIELDS: Final = msgspec.json.Decoder(dict[str, Raw])

TIERS: Final = {"standard_only": "default"}
"""Tiers of service that have another name in the neutral form."""

_ENVELOPE: Final = frozenset({"model", "messages", "system", "stream"})
_MATTER: Final = frozenset({"container", "mcp_servers", "inference_geo"})
"""Fields of this dialect alone without which a request means something else."""

_TOOL_FIELDS: Final = frozenset({"type", "name", "description", "input_schema", "strict", "cache_control"})

_NUMBER: Final = msgspec.json.Decoder(float)
_WORDS: Final = msgspec.json.Decoder(list[str])
_RAWS: Final = msgspec.json.Decoder(list[Raw])


class _Mark(msgspec.Struct, gc=False):
    ttl: str | None = None


class _WireTool(msgspec.Struct, gc=False):
    name: str = ""
    type: str | None = None
    description: str | None = None
    input_schema: Raw = Raw(b"null")
    strict: bool | None = None
    cache_control: _Mark | None = None


class _Choice(msgspec.Struct, gc=False):
    type: str
    name: str | None = None
    disable_parallel_tool_use: bool | None = None


class _Format(msgspec.Struct, gc=False):
    type: str
    schema: Raw = Raw(b"null")


_TOOL: Final = msgspec.json.Decoder(_WireTool)
_CHOICE: Final = msgspec.json.Decoder(_Choice)
_FORMAT: Final = msgspec.json.Decoder(_Format)
_CALLINGS: Final = {"auto": Calling.AUTO, "any": Calling.REQUIRED, "tool": Calling.REQUIRED, "none": Calling.NONE}


def read_request(model: str, fields: Mapping[str, Raw]) -> ChatRequest:
    """The request that these top-level fields make; raises ProtocolError with the field at fault."""
    return _Request(fields).read(model)


class _Request:
    """A request in the making; fields that nobody took are extras."""

    def __init__(self, fields: Mapping[str, Raw]) -> None:
        self._fields = {name: raw for name, raw in fields.items() if not is_null(raw)}
        self._taken = set(_ENVELOPE)
        self._extras: list[Extra] = []

    def read(self, model: str) -> ChatRequest:
        conversation = Conversation(self._fields.get("system"), self._fields["messages"])
        config = self._take("output_config", FIELDS) or {}
        format = self._format(config)
        effort = self._effort(config)
        self._rest("output_config", config, {"format", "effort"})
        reasoning, unread = read_thinking(self._fields.get("thinking"), effort)
        self._taken.add("thinking")
        tool_choice, parallel_tools = self._tool_choice()
        tier = self._take("service_tier", WORD)
        stop = self._take("stop_sequences", _WORDS)
        return ChatRequest(
            model,
            tuple(conversation.messages),
            tuple(conversation.system),
            tools=self._tools(),
            tool_choice=tool_choice,
            parallel_tools=parallel_tools,
            format=format,
            max_output=self._take("max_tokens", COUNT),
            sampling=Sampling(
                self._take("temperature", _NUMBER), self._take("top_p", _NUMBER), self._take("top_k", COUNT)
            ),
            stop=tuple(stop or ()),
            reasoning=reasoning,
            user=self._user(),
            tier=None if tier is None else TIERS.get(tier, tier),
            extras=(*conversation.extras, *unread, *self._extras, *self._left()),
        )

    def _take(self, name: str, decoder: msgspec.json.Decoder[T]) -> T | None:
        self._taken.add(name)
        return read_field(self._fields, name, decoder)

    def _left(self) -> list[Extra]:
        return [
            Extra(DIALECT, name, json_of(raw), matters=name in _MATTER)
            for name, raw in self._fields.items()
            if name not in self._taken
        ]

    def _rest(self, name: str, entries: Mapping[str, Raw], known: set[str]) -> None:
        """What a field holds beside what is known."""
        for key, raw in entries.items():
            if key not in known and not is_null(raw):
                self._extras.append(Extra(DIALECT, f"{name}.{key}", json_of(raw)))

    def _format(self, config: Mapping[str, Raw]) -> JsonSchema | None:
        format = read_field(config, "format", _FORMAT)
        if format is None:
            return None
        if format.type == "json_schema" and not is_null(format.schema):
            return JsonSchema(json_of(format.schema))
        self._extras.append(Extra(DIALECT, "output_config.format", json_of(config["format"]), matters=True))
        return None

    def _effort(self, config: Mapping[str, Raw]) -> Effort | None:
        word = read_field(config, "effort", WORD)
        if word is None:
            return None
        try:
            return Effort(word)
        except ValueError:
            self._extras.append(Extra(DIALECT, "output_config.effort", json_of(config["effort"])))
            return None

    def _user(self) -> str | None:
        entries = self._take("metadata", FIELDS) or {}
        self._rest("metadata", entries, {"user_id"})
        return read_field(entries, "user_id", WORD)

    def _tools(self) -> tuple[Tool | ForeignTool, ...]:
        raws = self._take("tools", _RAWS) or ()
        return tuple(self._tool(raw, f"tools[{index}]") for index, raw in enumerate(raws))

    def _tool(self, raw: Raw, at: str) -> Tool | ForeignTool:
        tool = decode(_TOOL, raw, at)
        if tool.type not in (None, "custom"):
            return ForeignTool(DIALECT, tool.type, json_of(raw))
        schema = None if is_null(tool.input_schema) else json_of(tool.input_schema)
        mark = tool.cache_control
        fields = decode(FIELDS, raw, at)
        if not fields.keys() <= _TOOL_FIELDS:
            self._rest(at, fields, set(_TOOL_FIELDS))
        return Tool(
            tool.name, tool.description, schema, tool.strict, cache=None if mark is None else CacheMark(mark.ttl)
        )

    def _tool_choice(self) -> tuple[ToolChoice | None, bool | None]:
        choice = self._take("tool_choice", _CHOICE)
        if choice is None:
            return None, None
        off = choice.disable_parallel_tool_use
        calling = _CALLINGS.get(choice.type)
        if calling is None or (choice.type == "tool" and choice.name is None):
            self._extras.append(Extra(DIALECT, "tool_choice", json_of(self._fields["tool_choice"]), matters=True))
            return None, None
        names = () if choice.type != "tool" or choice.name is None else (choice.name,)
        return ToolChoice(calling, names), None if off is None else not off
