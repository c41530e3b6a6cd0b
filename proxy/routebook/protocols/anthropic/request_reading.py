"""A client's request, read into the neutral form: everything in it, also what only this dialect knows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec
from msgspec import Raw

from routebook.chat.conversation import (
    Calling,
    ChatRequest,
    Effort,
    ForeignTool,
    JsonSchema,
    Sampling,
    Tool,
    ToolChoice,
)
from routebook.chat.parts import CacheMark
from routebook.protocols.anthropic.carries import DIALECT
from routebook.protocols.anthropic.message_reading import Conversation
from routebook.protocols.anthropic.thinking import read_thinking
from routebook.protocols.body import COUNT, FIELDS, NUMBER, RAWS, WORD, WORDS, decode, is_null, json_of, read_field
from routebook.protocols.request_fields import RequestFields

TIERS: Final = {"standard_only": "default"}
"""Tiers of service that have another name in the neutral form."""

_TOOL_FIELDS: Final = frozenset({"type", "name", "description", "input_schema", "strict", "cache_control"})


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


class _Request(RequestFields):
    """A request in the making."""

    dialect = DIALECT
    envelope = frozenset({"model", "messages", "system", "stream"})
    matter = frozenset({"container", "mcp_servers", "inference_geo"})

    def read(self, model: str) -> ChatRequest:
        conversation = Conversation(self._fields.get("system"), self._fields["messages"])
        config = self._take("output_config", FIELDS) or {}
        format = self._format(config)
        effort = self._effort(config)
        self._keep_others("output_config", config, {"format", "effort"})
        reasoning, unread = read_thinking(self._fields.get("thinking"), effort)
        self._taken.add("thinking")
        tool_choice, parallel_tools = self._tool_choice()
        tier = self._take("service_tier", WORD)
        stop = self._take("stop_sequences", WORDS)
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
                self._take("temperature", NUMBER), self._take("top_p", NUMBER), self._take("top_k", COUNT)
            ),
            stop=tuple(stop or ()),
            reasoning=reasoning,
            user=self._user(),
            tier=None if tier is None else TIERS.get(tier, tier),
            extras=(*conversation.extras, *unread, *self._extras, *self._left()),
        )

    def _format(self, config: Mapping[str, Raw]) -> JsonSchema | None:
        format = read_field(config, "format", _FORMAT)
        if format is None:
            return None
        if format.type == "json_schema" and not is_null(format.schema):
            return JsonSchema(json_of(format.schema))
        self._keep("output_config.format", config["format"], matters=True)
        return None

    def _effort(self, config: Mapping[str, Raw]) -> Effort | None:
        word = read_field(config, "effort", WORD)
        if word is None:
            return None
        try:
            return Effort(word)
        except ValueError:
            self._keep("output_config.effort", config["effort"])
            return None

    def _user(self) -> str | None:
        entries = self._take("metadata", FIELDS) or {}
        self._keep_others("metadata", entries, {"user_id"})
        return read_field(entries, "user_id", WORD)

    def _tools(self) -> tuple[Tool | ForeignTool, ...]:
        raws = self._take("tools", RAWS) or ()
        return tuple(self._tool(raw, f"tools[{index}]") for index, raw in enumerate(raws))

    def _tool(self, raw: Raw, at: str) -> Tool | ForeignTool:
        tool = decode(_TOOL, raw, at)
        if tool.type not in (None, "custom"):
            return ForeignTool(DIALECT, tool.type, json_of(raw))
        schema = None if is_null(tool.input_schema) else json_of(tool.input_schema)
        mark = tool.cache_control
        fields = decode(FIELDS, raw, at)
        if not fields.keys() <= _TOOL_FIELDS:
            self._keep_others(at, fields, _TOOL_FIELDS)
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
            self._keep("tool_choice", self._fields["tool_choice"], matters=True)
            return None, None
        names = () if choice.type != "tool" or choice.name is None else (choice.name,)
        return ToolChoice(calling, names), None if off is None else not off
