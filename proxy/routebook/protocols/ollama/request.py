"""A request for `/api/chat`, read as the simulated upstream and the laws of dialects read it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final

import msgspec
from msgspec import Raw

from routebook.chat.asked_chat import AskedChat
from routebook.chat.conversation import (
    AnyJson,
    ChatRequest,
    Effort,
    Extra,
    JsonSchema,
    Message,
    ReasoningWish,
    Role,
    Sampling,
    Tool,
)
from routebook.chat.lazily import lazily
from routebook.chat.parts import Image, Inline, Part, Reasoning, Text, ToolCall, ToolResult
from routebook.protocols.body import (
    FLAG,
    WORD,
    decode,
    given,
    is_null,
    json_of,
    read_field,
    read_fields,
    read_model,
    starts_with,
    with_fields,
    wrong,
)
from routebook.protocols.errors import ProtocolError, Side
from routebook.protocols.media import base64_at
from routebook.protocols.ollama.wire import DIALECT, OPTIONS

NOTHING: Final = Raw(b"null")

_KNOWN: Final = frozenset(
    {"model", "messages", "stream", "tools", "options", "format", "logprobs", "top_logprobs", "think"}
)
_KINDS: Final = {"iVBOR": "image/png", "/9j/": "image/jpeg", "R0lGOD": "image/gif", "UklGR": "image/webp"}
"""Media types of images, by how their base64 begins; they come without one."""

Count = Annotated[int, msgspec.Meta(ge=-2, le=2**31 - 1)]


class _Function(msgspec.Struct, gc=False):
    name: str
    arguments: Raw = NOTHING
    description: str | None = None
    parameters: Raw = NOTHING


class _Call(msgspec.Struct, gc=False):
    function: _Function
    id: str | None = None


class _Message(msgspec.Struct, gc=False):
    role: str
    content: str = ""
    thinking: str | None = None
    images: list[str] | None = None
    tool_calls: list[_Call] | None = None
    tool_name: str | None = None
    tool_call_id: str | None = None


class _Tool(msgspec.Struct, gc=False):
    function: _Function
    type: str = "function"


class _Options(msgspec.Struct, gc=False):
    num_predict: Count | None = None
    stop: list[str] | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: Count | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    seed: int | None = None


_COUNT: Final = msgspec.json.Decoder(Count)
_THINK: Final = msgspec.json.Decoder(bool | str)
_MESSAGES: Final = msgspec.json.Decoder(list[_Message])
_TOOLS: Final = msgspec.json.Decoder(list[_Tool])
_OPTIONS: Final = msgspec.json.Decoder(_Options)


class OllamaChat(AskedChat):
    """One request (`chat.asked.Asked`). It is streamed unless it says otherwise."""

    dialect = DIALECT

    def __init__(self, body: bytes) -> None:
        self.body = body
        self.fields = read_fields(body)
        self.model = read_model(self.fields)
        self.stream = read_field(self.fields, "stream", FLAG) is not False
        if "messages" not in self.fields:
            raise ProtocolError(Side.CLIENT, "`messages` must be a list", param="messages")

    def __repr__(self) -> str:
        return f"<OllamaChat {self.model} {self.body_bytes} bytes{', streamed' if self.stream else ''}>"

    @lazily
    def chat(self) -> ChatRequest:
        """The whole request in the neutral form; raises ProtocolError."""
        return _read(self.model, {name: raw for name, raw in self.fields.items() if not is_null(raw)})


def edited(asked: OllamaChat, model: str, ask_usage: bool, caps: Any = None) -> bytes:
    """The body to send to an upstream that calls the model `model`; usage always comes."""
    return with_fields(asked.body, asked.fields, {} if model == asked.model else {"model": model})


def _read(model: str, fields: Mapping[str, Raw]) -> ChatRequest:
    system, messages = _conversation(decode(_MESSAGES, fields.get("messages", NOTHING), "messages"))
    options = read_field(fields, "options", _OPTIONS) or _Options()
    logprobs = read_field(fields, "logprobs", FLAG)
    think = read_field(fields, "think", _THINK)
    return ChatRequest(
        model,
        tuple(messages),
        tuple(system),
        tuple(_tool(each.function) for each in read_field(fields, "tools", _TOOLS) or ()),
        format=_format(fields.get("format", NOTHING)),
        max_output=None if options.num_predict is None or options.num_predict < 0 else options.num_predict,
        sampling=Sampling(**{name: getattr(options, option) for name, option in OPTIONS.items()}),
        stop=tuple(options.stop or ()),
        logprobs=(read_field(fields, "top_logprobs", _COUNT) or 0) if logprobs else None,
        reasoning=None if think is None else ReasoningWish(None if think else Effort.NONE),
        extras=tuple(Extra(DIALECT, name, json_of(raw)) for name, raw in fields.items() if name not in _KNOWN),
    )


def _format(raw: Raw) -> AnyJson | JsonSchema | None:
    if is_null(raw):
        return None
    if not starts_with(raw, b'"'):
        return JsonSchema(json_of(raw))
    return AnyJson() if decode(WORD, raw, "format") == "json" else None


def _tool(function: _Function) -> Tool:
    return Tool(function.name, function.description, given(function.parameters))


def _conversation(listed: list[_Message]) -> tuple[list[Text], list[Message]]:
    system: list[Text] = []
    messages: list[Message] = []
    waiting: list[ToolCall] = []
    for index, each in enumerate(listed):
        at = f"messages[{index}]"
        if each.role == "system" and not messages:
            system.append(Text(each.content))
        elif each.role == "tool":
            result = ToolResult(_answered(each, waiting), tuple(_texts(each)), name=None)
            last = messages[-1] if messages else None
            earlier = last.parts if last is not None and last.role is Role.TOOL else ()
            messages[len(messages) - bool(earlier) :] = [Message(Role.TOOL, (*earlier, result))]
        elif each.role in ("system", "user", "assistant"):
            parts = tuple(_parts(each, index, at))
            waiting += [part for part in parts if isinstance(part, ToolCall)]
            messages.append(Message(Role(each.role), parts))
        else:
            raise wrong("`role` is not known", f"{at}.role")
    return system, messages


def _answered(result: _Message, waiting: list[ToolCall]) -> str:
    """The call that a result is of: the one it names, or the first of its tool that has none yet."""
    found = next((call for call in waiting if result.tool_call_id in (None, call.id)), None)
    if result.tool_call_id is None:
        found = next((call for call in waiting if call.name == result.tool_name), found)
    if found is not None:
        waiting.remove(found)
    return result.tool_call_id or (found.id if found is not None else "")


def _texts(message: _Message) -> Iterator[Text]:
    if message.content:
        yield Text(message.content)


def _parts(message: _Message, index: int, at: str) -> Iterator[Part]:
    if message.thinking:
        yield Reasoning(message.thinking)
    yield from _texts(message)
    for number, data in enumerate(message.images or ()):
        whole = base64_at(data, f"{at}.images[{number}]")
        kind = next((kind for begin, kind in _KINDS.items() if whole.startswith(begin)), "image/png")
        yield Image(Inline(kind, whole))
    for number, call in enumerate(message.tool_calls or ()):
        arguments = "{}" if is_null(call.function.arguments) else json_of(call.function.arguments)
        yield ToolCall(call.id or f"call_{index}_{number}", call.function.name, arguments)
