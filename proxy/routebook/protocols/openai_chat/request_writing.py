"""The neutral form, written as a request to an upstream that speaks this dialect, exactly as OpenAI documents it."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import Raw

from routebook.chat.conversation import (
    AnyJson,
    AudioWish,
    Calling,
    ChatRequest,
    ForeignTool,
    JsonSchema,
    Tool,
    ToolChoice,
)
from routebook.chat.features import Feature
from routebook.chat.parts import Json, ToolKind
from routebook.protocols.carrying import Losses, Target, losses_of
from routebook.protocols.codec import Sent
from routebook.protocols.openai_chat.carries import CARRIES, OWNED
from routebook.protocols.openai_chat.message_reading import DIALECT
from routebook.protocols.openai_chat.message_writing import written_messages

PATH: Final = "/chat/completions"

USUAL_VOICE: Final = "alloy"
"""The voice where none is named: the API has none of its own choice."""

_SAMPLING: Final = ("temperature", "top_p", "frequency_penalty", "presence_penalty", "seed", "logit_bias")
_PLAIN: Final = (
    ("user", Feature.USER, "safety_identifier"),
    ("tier", Feature.TIER, "service_tier"),
    ("store", Feature.STORE, "store"),
    ("cache_key", Feature.CACHE_KEY, "prompt_cache_key"),
    ("verbosity", Feature.VERBOSITY, "verbosity"),
    ("max_output", Feature.MAX_OUTPUT, "max_completion_tokens"),
    ("choices", Feature.CHOICES, "n"),
    ("parallel_tools", Feature.PARALLEL_TOOLS, "parallel_tool_calls"),
)
"""Fields that are one value on both sides: the neutral name, the feature, the name on the wire."""


def write_request(chat: ChatRequest, target: Target, stream: bool) -> Sent:
    """The request for a target, and what of it the target cannot be asked."""
    losses = losses_of(chat, OWNED, CARRIES, target)
    body: dict[str, Any] = {"model": target.model, "messages": written_messages(chat, losses)}
    if stream:
        body["stream"] = True
        if target.ask_usage:
            body["stream_options"] = {"include_usage": True}
    for name, feature, field in _PLAIN:
        value = getattr(chat, name)
        if value is not None and losses.takes(feature):
            body[field] = value
    for name in _SAMPLING:
        value = getattr(chat.sampling, name)
        if value is not None and losses.takes(Feature[name.upper()]):
            body[name] = value
    body.update(_tools(chat, losses))
    body.update(_answer(chat, losses))
    body.update(
        (extra.field, raw(extra.json))
        for extra in chat.extras
        if extra.dialect == DIALECT and extra.field.isidentifier()
    )
    return Sent(PATH, msgspec.json.encode(body), losses=losses.all())


def raw(json: Json) -> Raw:
    """JSON as it came, to stand in a body as it is."""
    return Raw(json.encode("utf-8"))


def _tools(chat: ChatRequest, losses: Losses) -> dict[str, Any]:
    """The tools, and whether they are to be called."""
    fields: dict[str, Any] = {}
    tools = [written for tool in chat.tools if (written := _tool(tool, losses)) is not None]
    if tools:
        fields["tools"] = tools
    if chat.tool_choice is not None and losses.takes(Feature.TOOL_CHOICE):
        fields["tool_choice"] = _choice(chat.tool_choice, chat)
    return fields


def _tool(tool: Tool | ForeignTool, losses: Losses) -> Any:
    if isinstance(tool, ForeignTool):
        return raw(tool.json) if tool.dialect == DIALECT else None
    inner: dict[str, Any] = {"name": tool.name}
    if tool.description is not None:
        inner["description"] = tool.description
    if tool.kind is ToolKind.CUSTOM:
        if tool.grammar is not None:
            inner["format"] = raw(tool.grammar)
        return {"type": "custom", "custom": inner} if losses.takes(Feature.TOOLS_CUSTOM) else None
    if tool.parameters is not None:
        inner["parameters"] = raw(tool.parameters)
    if tool.strict is not None and losses.takes(Feature.TOOLS_STRICT):
        inner["strict"] = tool.strict
    return {"type": "function", "function": inner} if losses.takes(Feature.TOOLS) else None


def _choice(choice: ToolChoice, chat: ChatRequest) -> Any:
    if not choice.names:
        return choice.calling.value
    custom = {tool.name for tool in chat.tools if isinstance(tool, Tool) and tool.kind is ToolKind.CUSTOM}
    named = [
        {"type": "custom", "custom": {"name": name}}
        if name in custom
        else {"type": "function", "function": {"name": name}}
        for name in choice.names
    ]
    if choice.calling is Calling.REQUIRED and len(named) == 1:
        return named[0]
    return {"type": "allowed_tools", "allowed_tools": {"mode": choice.calling.value, "tools": named}}


def _answer(chat: ChatRequest, losses: Losses) -> dict[str, Any]:
    """What is asked of the answer."""
    fields: dict[str, Any] = {}
    match chat.format:
        case AnyJson() if losses.takes(Feature.JSON_OBJECT):
            fields["response_format"] = {"type": "json_object"}
        case JsonSchema() if losses.takes(Feature.JSON_SCHEMA):
            fields["response_format"] = {"type": "json_schema", "json_schema": _schema(chat.format)}
    if chat.stop and losses.takes(Feature.STOP):
        fields["stop"] = chat.stop
    if chat.logprobs is not None and losses.takes(Feature.LOGPROBS):
        fields["logprobs"] = True
        if chat.logprobs:
            fields["top_logprobs"] = chat.logprobs
    thinking = chat.reasoning
    if thinking is not None and thinking.effort is not None and losses.takes(Feature.EFFORT):
        fields["reasoning_effort"] = thinking.effort.value
    fields.update(_speech(chat, losses))
    if chat.metadata and losses.takes(Feature.METADATA):
        fields["metadata"] = chat.metadata
    return fields


def _speech(chat: ChatRequest, losses: Losses) -> dict[str, Any]:
    """How the answer is to sound. The API demands a text beside every sound, a voice and a format."""
    fields: dict[str, Any] = {}
    speaks = "audio" in chat.modalities
    if chat.modalities and losses.takes(Feature.MODALITIES):
        fields["modalities"] = (
            chat.modalities if not speaks or "text" in chat.modalities else ("text", *chat.modalities)
        )
    if (speaks or chat.audio is not None) and losses.takes(Feature.AUDIO_WANTED):
        wish = chat.audio or AudioWish()
        voice = losses.target.voice_of(wish.voice) or USUAL_VOICE
        fields["audio"] = {"voice": voice, "format": wish.format or "pcm16"}
    return fields


def _schema(wanted: JsonSchema) -> dict[str, Any]:
    schema: dict[str, Any] = {"name": wanted.name or "answer", "schema": raw(wanted.schema)}
    if wanted.description is not None:
        schema["description"] = wanted.description
    if wanted.strict is not None:
        schema["strict"] = wanted.strict
    return schema
