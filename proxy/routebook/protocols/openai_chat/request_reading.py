"""A client's request, read into the neutral form: everything in it, also what only this dialect knows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec
from msgspec import Raw

from routebook.chat.conversation import (
    AnyJson,
    AudioWish,
    Calling,
    ChatRequest,
    Effort,
    ForeignTool,
    JsonSchema,
    ReasoningWish,
    Sampling,
    Tool,
    ToolChoice,
)
from routebook.chat.parts import Json, ToolKind
from routebook.protocols.body import COUNT, FIELDS, FLAG, NUMBER, RAWS, WORD, WORDS, decode, given, json_of, starts_with
from routebook.protocols.openai_chat.message_reading import DIALECT, Conversation
from routebook.protocols.request_fields import RequestFields

NOTHING: Final = Raw(b"null")


class _Function(msgspec.Struct, gc=False):
    name: str
    description: str | None = None
    parameters: Raw = NOTHING
    strict: bool | None = None
    format: Raw = NOTHING


class _WireTool(msgspec.Struct, gc=False):
    type: str = "function"
    function: _Function | None = None
    custom: _Function | None = None


class _Named(msgspec.Struct, gc=False):
    name: str


class _Allowed(msgspec.Struct, gc=False):
    mode: str
    tools: list[_Choice]


class _Choice(msgspec.Struct, gc=False):
    type: str = "function"
    name: str | None = None
    function: _Named | None = None
    custom: _Named | None = None
    allowed_tools: _Allowed | None = None


class _Schema(msgspec.Struct, gc=False):
    name: str | None = None
    description: str | None = None
    schema: Raw = NOTHING
    strict: bool | None = None


class _Format(msgspec.Struct, gc=False):
    type: str
    json_schema: _Schema | None = None


class _Id(msgspec.Struct, gc=False):
    id: str


class _Audio(msgspec.Struct, gc=False):
    format: str | None = None
    voice: str | _Id | None = None


_INT: Final = msgspec.json.Decoder(int)
_BIAS: Final = msgspec.json.Decoder(dict[str, float])
_STOP: Final = msgspec.json.Decoder(str | list[str])
_TOOL: Final = msgspec.json.Decoder(_WireTool)
_FUNCTIONS: Final = msgspec.json.Decoder(list[_Function])
_CHOICE: Final = msgspec.json.Decoder(_Choice)
_FORMAT: Final = msgspec.json.Decoder(_Format)
_AUDIO: Final = msgspec.json.Decoder(_Audio)


def read_request(model: str, fields: Mapping[str, Raw]) -> ChatRequest:
    """The request that these top-level fields make; raises ProtocolError with the field at fault."""
    return _Request(fields).read(model)


class _Request(RequestFields):
    """A request in the making."""

    dialect = DIALECT
    envelope = frozenset({"model", "messages", "stream", "stream_options"})
    matter = frozenset({"web_search_options", "moderation"})

    def read(self, model: str) -> ChatRequest:
        conversation = Conversation(self._fields["messages"])
        format = self._format()
        modalities = self._take("modalities", WORDS)
        user = self._take("safety_identifier", WORD)
        logprobs = self._logprobs()
        return ChatRequest(
            model,
            tuple(conversation.messages),
            tuple(conversation.system),
            tools=self._tools(),
            tool_choice=self._tool_choice(),
            parallel_tools=self._take("parallel_tool_calls", FLAG),
            format=format,
            max_output=self._max_output(),
            sampling=self._sampling(),
            stop=self._stop(),
            choices=self._take("n", COUNT),
            logprobs=logprobs,
            reasoning=self._reasoning(),
            modalities=tuple(modalities or ()),
            audio=self._audio(),
            user=self._take("user", WORD) if user is None else user,
            metadata=self._metadata(),
            tier=self._take("service_tier", WORD),
            store=self._take("store", FLAG),
            cache_key=self._take("prompt_cache_key", WORD),
            verbosity=self._take("verbosity", WORD),
            extras=(*conversation.extras, *self._extras, *self._left()),
        )

    def _max_output(self) -> int | None:
        said = [self._take(name, COUNT) for name in ("max_completion_tokens", "max_tokens")]
        return max((count for count in said if count is not None), default=None)

    def _sampling(self) -> Sampling:
        return Sampling(
            self._take("temperature", NUMBER),
            self._take("top_p", NUMBER),
            self._take("top_k", COUNT),
            self._take("frequency_penalty", NUMBER),
            self._take("presence_penalty", NUMBER),
            self._take("seed", _INT),
            self._take("logit_bias", _BIAS) or None,
        )

    def _stop(self) -> tuple[str, ...]:
        said = self._take("stop", _STOP)
        return () if said is None else (said,) if isinstance(said, str) else tuple(said)

    def _logprobs(self) -> int | None:
        wanted, top = self._take("logprobs", FLAG), self._take("top_logprobs", COUNT)
        return (top or 0) if wanted else None

    def _reasoning(self) -> ReasoningWish | None:
        word = self._take("reasoning_effort", WORD)
        if word is None:
            return None
        try:
            return ReasoningWish(Effort(word))
        except ValueError:
            self._keep("reasoning_effort", self._fields["reasoning_effort"])
            return None

    def _format(self) -> AnyJson | JsonSchema | None:
        format = self._take("response_format", _FORMAT)
        if format is None or format.type == "text":
            return None
        if format.type == "json_object":
            return AnyJson()
        wanted = format.json_schema
        if format.type == "json_schema" and wanted is not None:
            return JsonSchema(given(wanted.schema) or Json("{}"), wanted.name, wanted.description, wanted.strict)
        self._keep("response_format", self._fields["response_format"], matters=True)
        return None

    def _audio(self) -> AudioWish | None:
        audio = self._take("audio", _AUDIO)
        if audio is None:
            return None
        return AudioWish(audio.voice.id if isinstance(audio.voice, _Id) else audio.voice, audio.format)

    def _metadata(self) -> dict[str, str]:
        entries = self._take("metadata", FIELDS) or {}
        for key, raw in entries.items():
            if not starts_with(raw, b'"'):
                self._keep(f"metadata.{key}", raw)
        return {key: decode(WORD, raw, "metadata") for key, raw in entries.items() if starts_with(raw, b'"')}

    def _tools(self) -> tuple[Tool | ForeignTool, ...]:
        raws = self._take("tools", RAWS) or ()
        functions = self._take("functions", _FUNCTIONS) or ()
        tools = [_tool(raw, f"tools[{index}]") for index, raw in enumerate(raws)]
        return (*tools, *(_function(each, ToolKind.FUNCTION) for each in functions))

    def _tool_choice(self) -> ToolChoice | None:
        name = "tool_choice" if "tool_choice" in self._fields else "function_call"
        self._taken |= {"tool_choice", "function_call"}
        return self._choice(name, lambda raw: _read_choice(decode(_CHOICE, raw, name)))


def _read_choice(choice: _Choice) -> ToolChoice | None:
    allowed = choice.allowed_tools
    if allowed is not None:
        names = tuple(name for each in allowed.tools if (name := _name(each)) is not None)
        known = allowed.mode in ("auto", "required") and len(names) == len(allowed.tools) > 0
        return ToolChoice(Calling(allowed.mode), names) if known else None
    name = _name(choice)
    return None if name is None else ToolChoice(Calling.REQUIRED, (name,))


def _name(choice: _Choice) -> str | None:
    named = choice.function or choice.custom
    return choice.name if named is None else named.name


def _tool(raw: Raw, at: str) -> Tool | ForeignTool:
    tool = decode(_TOOL, raw, at)
    if tool.type == "function" and tool.function is not None:
        return _function(tool.function, ToolKind.FUNCTION)
    if tool.type == "custom" and tool.custom is not None:
        return _function(tool.custom, ToolKind.CUSTOM)
    return ForeignTool(DIALECT, tool.type, json_of(raw))


def _function(function: _Function, kind: ToolKind) -> Tool:
    return Tool(
        function.name, function.description, given(function.parameters), function.strict, kind, given(function.format)
    )
