"""The neutral form, written as a request for `/api/chat`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from msgspec import Raw

from routebook.chat.conversation import AnyJson, Calling, ChatRequest, Effort, JsonSchema, Message, Role, Tool
from routebook.chat.features import Feature
from routebook.chat.loss import Done
from routebook.chat.parts import (
    Document,
    Image,
    Inline,
    Json,
    Part,
    Plain,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolKind,
    ToolResult,
)
from routebook.protocols.carrying import Losses, Target, losses_of
from routebook.protocols.codec import Sent
from routebook.protocols.ollama.carries import CARRIES, OWNED
from routebook.protocols.ollama.wire import DIALECT, OPTIONS, PATH


def write_request(chat: ChatRequest, target: Target, stream: bool) -> Sent:
    """The request for a target, and what of it the target cannot be asked."""
    losses = losses_of(chat, OWNED, CARRIES, target)
    body: dict[str, Any] = {"model": target.model, "messages": [*_messages(chat, losses)], "stream": stream}
    if tools := _tools(chat, losses):
        body["tools"] = tools
    if options := _options(chat, losses):
        body["options"] = options
    match chat.format:
        case AnyJson() if losses.takes(Feature.JSON_OBJECT):
            body["format"] = "json"
        case JsonSchema(schema) if losses.takes(Feature.JSON_SCHEMA):
            body["format"] = _raw(schema)
    if chat.logprobs is not None and losses.takes(Feature.LOGPROBS):
        body["logprobs"] = True
        if chat.logprobs:
            body["top_logprobs"] = chat.logprobs
    if chat.reasoning is not None and losses.takes(Feature.ADAPTIVE):
        body["think"] = chat.reasoning.effort is not Effort.NONE
    body.update((extra.field, _raw(extra.json)) for extra in chat.extras if extra.dialect == DIALECT)
    return Sent(PATH, msgspec.json.encode(body), losses=losses.all())


def _raw(json: Json | str) -> Raw:
    return Raw(json.encode("utf-8"))


def _tools(chat: ChatRequest, losses: Losses) -> list[dict[str, Any]]:
    """The tools that may be called. None where none is to be; that one must be called cannot be said."""
    choice = chat.tool_choice
    if choice is not None and choice.calling is Calling.REQUIRED and not choice.names:
        losses.note(Feature.TOOL_CHOICE, "tool_choice", "that a tool must be called cannot be said")
    if chat.parallel_tools is False:
        losses.note(Feature.PARALLEL_TOOLS, "parallel_tools", "several may always be called at once")
    if not losses.takes(Feature.TOOLS):
        return []
    if choice is not None and choice.calling is Calling.NONE:
        if chat.tools:
            losses.note(Feature.TOOLS, "tools", "none is to be called, so the model is told of none", Done.EMULATED)
        return []
    return [_tool(tool) for tool in chat.tools if isinstance(tool, Tool) and tool.kind is ToolKind.FUNCTION]


def _tool(tool: Tool) -> dict[str, Any]:
    function: dict[str, Any] = {"name": tool.name}
    if tool.description is not None:
        function["description"] = tool.description
    if tool.parameters is not None:
        function["parameters"] = _raw(tool.parameters)
    return {"type": "function", "function": function}


def _options(chat: ChatRequest, losses: Losses) -> dict[str, Any]:
    options = {
        option: value
        for name, option in OPTIONS.items()
        if (value := getattr(chat.sampling, name)) is not None and losses.takes(Feature[name.upper()])
    }
    if chat.max_output is not None and losses.takes(Feature.MAX_OUTPUT):
        options["num_predict"] = chat.max_output
    if chat.stop and losses.takes(Feature.STOP):
        options["stop"] = chat.stop
    return options


def _messages(chat: ChatRequest, losses: Losses) -> Iterator[dict[str, Any]]:
    names = chat.tool_names()
    for text in chat.system:
        yield {"role": "system", "content": text.text}
    for index, message in enumerate(chat.messages):
        if message.role is Role.TOOL:
            yield from _results(message.parts, names)
        elif message.role is Role.ASSISTANT:
            yield _said(message, f"messages[{index}]", losses)
        else:
            yield {"role": message.role.value, **_shown(message.parts)}


def _results(parts: Sequence[Part], names: dict[str, str]) -> Iterator[dict[str, Any]]:
    """One message a result; images and documents in them follow in a user's message."""
    others: list[Part] = []
    for result in parts:
        if isinstance(result, ToolResult):
            text = "\n".join(part.text for part in result.content if isinstance(part, Text))
            name = result.name or names.get(result.call_id)
            named = {} if name is None else {"tool_name": name}
            yield {"role": "tool", "content": text, **named, "tool_call_id": result.call_id}
            others += [part for part in result.content if not isinstance(part, Text)]
    shown = _shown(others)
    if "images" in shown or shown["content"]:
        yield {"role": "user", **shown}


def _said(message: Message, at: str, losses: Losses) -> dict[str, Any]:
    said: dict[str, Any] = {"role": "assistant", "content": _shown(message.parts)["content"]}
    thoughts = "".join(part.text for part in message.parts if isinstance(part, Reasoning))
    if thoughts and losses.takes(Feature.REASONING_SAID):
        said["thinking"] = thoughts
    calls = []
    for number, part in enumerate(message.parts):
        if isinstance(part, ToolCall) and part.kind is ToolKind.FUNCTION:
            calls.append(_call(part, f"{at}.parts[{number}]", losses))
    if calls:
        said["tool_calls"] = calls
    return said


def _call(call: ToolCall, at: str, losses: Losses) -> dict[str, Any]:
    arguments = call.arguments or "{}"
    try:
        whole = isinstance(msgspec.json.decode(arguments), dict)
    except (ValueError, RecursionError):
        whole = False
    if not whole:
        losses.note(Feature.TOOL_CALL, at, "its arguments are no JSON object")
        arguments = "{}"
    return {"id": call.id, "function": {"name": call.name, "arguments": _raw(arguments)}}


def _shown(parts: Sequence[Part]) -> dict[str, Any]:
    """Texts one after the other, and images beside them."""
    texts: list[str] = []
    images: list[str] = []
    for part in parts:
        match part:
            case Text(text) | Refusal(text):
                texts.append(text)
            case Document(Plain(text), name):
                texts.append(text if name is None else f"{name}:\n{text}")
            case Image(Inline(_, data)):
                images.append(data)
    return {"content": "\n".join(texts), **({"images": images} if images else {})}
