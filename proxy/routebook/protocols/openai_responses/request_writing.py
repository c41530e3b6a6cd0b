"""The neutral form, written as a request to an upstream that speaks this dialect, exactly as OpenAI documents it."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import Raw

from routebook.chat.conversation import (
    AnyJson,
    Calling,
    ChatRequest,
    Effort,
    ForeignTool,
    JsonSchema,
    Role,
    Tool,
    ToolChoice,
)
from routebook.chat.features import Feature
from routebook.chat.parts import Json, Reasoning, ToolKind
from routebook.protocols.carrying import Losses, Target, losses_of
from routebook.protocols.codec import Sent
from routebook.protocols.openai_responses.carries import CARRIES, OWNED
from routebook.protocols.openai_responses.input_writing import written_instructions, written_items
from routebook.protocols.openai_responses.seals import DIALECT

PATH: Final = "/responses"
COUNT_PATH: Final = "/responses/input_tokens"

_PLAIN: Final = (
    ("max_output", Feature.MAX_OUTPUT, "max_output_tokens"),
    ("parallel_tools", Feature.PARALLEL_TOOLS, "parallel_tool_calls"),
    ("user", Feature.USER, "safety_identifier"),
    ("tier", Feature.TIER, "service_tier"),
    ("cache_key", Feature.CACHE_KEY, "prompt_cache_key"),
)
"""Fields that are one value on both sides: the neutral name, the feature, the name on the wire."""

_COUNTED: Final = ("model", "input", "instructions", "tools", "tool_choice", "parallel_tool_calls", "reasoning", "text")
"""What of a request is counted."""


def write_request(chat: ChatRequest, target: Target, stream: bool) -> Sent:
    """The request for a target, and what of it the target cannot be asked."""
    losses = losses_of(chat, OWNED, CARRIES, target)
    body = _body(chat, target, losses)
    if stream:
        body["stream"] = True
    return Sent(PATH, msgspec.json.encode(body), losses=losses.all())


def write_count(chat: ChatRequest, target: Target) -> Sent:
    """The request to count what goes in with such a request."""
    losses = losses_of(chat, OWNED, CARRIES, target)
    body = _body(chat, target, losses)
    counted = {name: body[name] for name in _COUNTED if name in body}
    return Sent(COUNT_PATH, msgspec.json.encode(counted), losses=losses.all())


def _body(chat: ChatRequest, target: Target, losses: Losses) -> dict[str, Any]:
    body: dict[str, Any] = {"model": target.model}
    instructions = written_instructions(chat)
    if instructions is not None:
        body["instructions"] = instructions
    body["input"] = written_items(chat, losses)
    for name, feature, field in _PLAIN:
        value = getattr(chat, name)
        if value is not None and losses.takes(feature):
            body[field] = value
    for name in ("temperature", "top_p"):
        value = getattr(chat.sampling, name)
        if value is not None and losses.takes(Feature[name.upper()]):
            body[name] = value
    # Without a word of it this API keeps every answer; no client of another has asked for that.
    body["store"] = bool(chat.store) and losses.takes(Feature.STORE)
    if chat.metadata and losses.takes(Feature.METADATA):
        body["metadata"] = chat.metadata
    body.update(_tools(chat, losses))
    body.update(_answer(chat, losses))
    body.update(
        (extra.field, raw(extra.json))
        for extra in chat.extras
        if extra.dialect == DIALECT and extra.field.isidentifier() and extra.field not in body
    )
    return body


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
    about = {} if tool.description is None else {"description": tool.description}
    if tool.kind is ToolKind.CUSTOM:
        if not losses.takes(Feature.TOOLS_CUSTOM):
            return None
        format = {} if tool.grammar is None else {"format": _format_of(tool.grammar)}
        return {"type": "custom", "name": tool.name, **about, **format}
    if not losses.takes(Feature.TOOLS):
        return None
    # Without a word of it this API keeps strictly to a schema, and refuses one that was not written for that.
    strict = bool(tool.strict) and losses.takes(Feature.TOOLS_STRICT)
    parameters = None if tool.parameters is None else raw(tool.parameters)
    return {"type": "function", "name": tool.name, **about, "parameters": parameters, "strict": strict}


def _format_of(grammar: Json) -> Any:
    """What a custom tool takes: the words of a grammar stand one level up from where the neutral form has them."""
    try:
        format = msgspec.json.decode(grammar, type=dict[str, Any])
    except (ValueError, RecursionError):
        return raw(grammar)
    inner = format.pop("grammar", None)
    return {**format, **inner} if isinstance(inner, dict) else raw(grammar)


def _choice(choice: ToolChoice, chat: ChatRequest) -> Any:
    if not choice.names:
        return choice.calling.value
    custom = {tool.name for tool in chat.tools if isinstance(tool, Tool) and tool.kind is ToolKind.CUSTOM}
    named = [{"type": "custom" if name in custom else "function", "name": name} for name in choice.names]
    if choice.calling is Calling.REQUIRED and len(named) == 1:
        return named[0]
    return {"type": "allowed_tools", "mode": choice.calling.value, "tools": named}


def _answer(chat: ChatRequest, losses: Losses) -> dict[str, Any]:
    """What is asked of the answer."""
    fields: dict[str, Any] = {}
    text: dict[str, Any] = {}
    include: list[str] = []
    match chat.format:
        case AnyJson() if losses.takes(Feature.JSON_OBJECT):
            text["format"] = {"type": "json_object"}
        case JsonSchema() if losses.takes(Feature.JSON_SCHEMA):
            text["format"] = _schema(chat.format)
    if chat.verbosity is not None and losses.takes(Feature.VERBOSITY):
        text["verbosity"] = chat.verbosity
    if chat.logprobs is not None and losses.takes(Feature.LOGPROBS):
        include.append("message.output_text.logprobs")
        fields["top_logprobs"] = chat.logprobs
    reasoning = _reasoning(chat, losses)
    if _has_seals(chat) or (reasoning and reasoning.get("effort") != Effort.NONE.value):
        # What is not kept must be sent back, and can be only if it was given out. Models that do not think refuse the
        # wish: it goes to those that are asked to.
        include.append("reasoning.encrypted_content")
    for name, value in (("text", text), ("reasoning", reasoning), ("include", include)):
        if value:
            fields[name] = value
    return fields


def _reasoning(chat: ChatRequest, losses: Losses) -> dict[str, Any]:
    wish = chat.reasoning
    fields: dict[str, Any] = {}
    if wish is not None and wish.effort is not None and losses.takes(Feature.EFFORT):
        fields["effort"] = wish.effort.value
    if wish is not None and wish.summary not in (None, "none") and losses.takes(Feature.SUMMARY):
        fields["summary"] = wish.summary
    return fields


def _has_seals(chat: ChatRequest) -> bool:
    return any(
        isinstance(part, Reasoning) and part.signature is not None and part.signature.dialect in OWNED
        for message in chat.messages
        if message.role is Role.ASSISTANT
        for part in message.parts
    )


def _schema(wanted: JsonSchema) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "json_schema", "name": wanted.name or "answer", "schema": raw(wanted.schema)}
    if wanted.description is not None:
        schema["description"] = wanted.description
    if wanted.strict is not None:
        schema["strict"] = wanted.strict
    return schema
