"""The messages of a client's request, read into the neutral form."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, TypeVar

import msgspec
from msgspec import Raw

from routebook.chat.conversation import Extra, Message, Role
from routebook.chat.parts import (
    Audio,
    CacheMark,
    Document,
    Foreign,
    Image,
    Inline,
    Part,
    Reasoning,
    Refusal,
    Stored,
    Text,
    ToolCall,
    ToolKind,
    ToolResult,
)
from routebook.protocols.body import RAWS, WORD, decode, is_null, json_of, starts_with, wrong
from routebook.protocols.media import base64_at, media_at

T = TypeVar("T")

DIALECT: Final = "openai-chat"
VENDOR: Final = "openai"
"""Who keeps files and sound under the ids that a request of this dialect names."""

UNNAMED: Final = "document"
"""The name of a document that has none: this dialect wants one."""

AUDIO_TYPES: Final = {"wav": "audio/wav", "mp3": "audio/mpeg"}
"""Media types of the formats of sound."""

_ROLES: Final = {
    "system": Role.SYSTEM,
    "developer": Role.SYSTEM,
    "user": Role.USER,
    "assistant": Role.ASSISTANT,
    "tool": Role.TOOL,
    "function": Role.TOOL,
}
_KNOWN: Final = frozenset(
    {
        "role",
        "content",
        "name",
        "tool_calls",
        "tool_call_id",
        "refusal",
        "audio",
        "function_call",
        "reasoning_content",
        "reasoning",
    }
)
_IGNORED: Final = frozenset({"annotations", "index"})
"""Fields of an answer's message that come back with it and ask for nothing."""


class _ImageUrl(msgspec.Struct, gc=False):
    url: str
    detail: str | None = None


class _InputAudio(msgspec.Struct, gc=False):
    data: str
    format: str


class _File(msgspec.Struct, gc=False):
    file_data: str | None = None
    file_id: str | None = None
    filename: str | None = None


class _Breakpoint(msgspec.Struct, gc=False):
    ttl: str | None = None


class _WirePart(msgspec.Struct, gc=False):
    type: str
    text: str | None = None
    refusal: str | None = None
    image_url: _ImageUrl | str | None = None
    input_audio: _InputAudio | None = None
    file: _File | None = None
    prompt_cache_breakpoint: _Breakpoint | None = None


class _Function(msgspec.Struct, gc=False):
    name: str
    arguments: str = ""
    input: str = ""


class _WireCall(msgspec.Struct, gc=False):
    id: str
    function: _Function | None = None
    custom: _Function | None = None


class _Held(msgspec.Struct, gc=False):
    id: str


_MESSAGES: Final = msgspec.json.Decoder(list[dict[str, Raw]])
_PART: Final = msgspec.json.Decoder(_WirePart)
_CALLS: Final = msgspec.json.Decoder(list[_WireCall])
_FUNCTION: Final = msgspec.json.Decoder(_Function)
_HELD: Final = msgspec.json.Decoder(_Held)


class Conversation:
    """What the messages hold: `system` from the beginning, all others, and fields that only this dialect knows."""

    def __init__(self, messages: Raw) -> None:
        self.system: list[Text] = []
        self.messages: list[Message] = []
        self.extras: list[Extra] = []
        self._last_function = ""
        listed = decode(_MESSAGES, messages, "messages")
        for index, fields in enumerate(listed):
            self._take(fields, f"messages[{index}]")

    def __repr__(self) -> str:
        return f"<Conversation {len(self.messages)} messages>"

    def _take(self, fields: Mapping[str, Raw], at: str) -> None:
        word = _field(fields, "role", WORD, at)
        role = _ROLES.get(word or "")
        if role is None:
            raise wrong(f"`role` must be one of {', '.join(_ROLES)}", f"{at}.role")
        name = _field(fields, "name", WORD, at) if word != "function" else None
        content = list(_content(fields.get("content"), at))
        if role is Role.SYSTEM and not self.messages and all(isinstance(part, Text) for part in content):
            self.system += [part for part in content if isinstance(part, Text)]
            if name is not None:
                self._extra(f"{at}.name", fields["name"])
        elif role is Role.TOOL:
            self._take_result(fields, content, at)
        else:
            parts = self._said(fields, content, at) if role is Role.ASSISTANT else content
            self.messages.append(Message(role, tuple(parts), name))
        for key in fields.keys() - _KNOWN - _IGNORED:
            self._extra(f"{at}.{key}", fields[key])

    def _take_result(self, fields: Mapping[str, Raw], content: list[Part], at: str) -> None:
        identity = _field(fields, "tool_call_id", WORD, at)
        name = _field(fields, "name", WORD, at)
        if identity is None:
            if _field(fields, "role", WORD, at) == "tool":
                raise wrong("`tool_call_id` is missing", f"{at}.tool_call_id")
            identity = self._last_function
        kept = tuple(part for part in content if isinstance(part, Text | Image | Document))
        if len(kept) < len(content):
            raise wrong("a tool gives back text, images and files", f"{at}.content")
        result = ToolResult(identity, kept, name=name)
        last = self.messages[-1] if self.messages else None
        if last is not None and last.role is Role.TOOL:
            self.messages[-1] = Message(Role.TOOL, (*last.parts, result))
        else:
            self.messages.append(Message(Role.TOOL, (result,)))

    def _said(self, fields: Mapping[str, Raw], content: list[Part], at: str) -> Iterator[Part]:
        """What an assistant said, in the order in which it says things."""
        for key in ("reasoning_content", "reasoning"):
            thought = _field(fields, key, WORD, at)
            if thought:
                yield Reasoning(thought)
                break
        yield from content
        refusal = _field(fields, "refusal", WORD, at)
        if refusal:
            yield Refusal(refusal)
        held = _field(fields, "audio", _HELD, at)
        if held is not None:
            yield Audio(Stored(VENDOR, held.id))
        calls = _field(fields, "tool_calls", _CALLS, at)
        for index, call in enumerate(calls or ()):
            if call.function is not None:
                yield ToolCall(call.id, call.function.name, call.function.arguments)
            elif call.custom is not None:
                yield ToolCall(call.id, call.custom.name, call.custom.input, ToolKind.CUSTOM)
            else:
                raise wrong("a call has a `function` or a `custom`", f"{at}.tool_calls[{index}]")
        function = _field(fields, "function_call", _FUNCTION, at)
        if function is not None:
            self._last_function = f"function_{len(self.messages)}"
            yield ToolCall(self._last_function, function.name, function.arguments)

    def _extra(self, field: str, raw: Raw) -> None:
        if not is_null(raw):
            self.extras.append(Extra(DIALECT, field, json_of(raw)))


def _content(raw: Raw | None, at: str) -> Iterator[Part]:
    if raw is None or is_null(raw):
        return
    if not starts_with(raw, b"["):
        text = decode(WORD, raw, f"{at}.content")
        if text:
            yield Text(text)
        return
    parts = decode(RAWS, raw, f"{at}.content")
    for index, each in enumerate(parts):
        yield from _part(each, f"{at}.content[{index}]")


def _part(raw: Raw, at: str) -> Iterator[Part]:
    part = decode(_PART, raw, at)
    mark = part.prompt_cache_breakpoint
    cache = None if mark is None else CacheMark(mark.ttl)
    match part.type:
        case "text" if part.text is not None:
            if part.text or cache:
                yield Text(part.text, cache=cache)
        case "refusal" if part.refusal is not None:
            yield Refusal(part.refusal)
        case "image_url" if part.image_url is not None:
            image = _ImageUrl(part.image_url) if isinstance(part.image_url, str) else part.image_url
            yield Image(media_at(image.url, f"{at}.image_url"), image.detail, cache)
        case "input_audio" if part.input_audio is not None:
            sound = part.input_audio
            media_type = AUDIO_TYPES.get(sound.format, f"audio/{sound.format}")
            yield Audio(Inline(media_type, base64_at(sound.data, f"{at}.input_audio.data")), cache=cache)
        case "file" if part.file is not None:
            yield _document(part.file, cache, f"{at}.file")
        case "text" | "refusal" | "image_url" | "input_audio" | "file":
            raise wrong(f"a part of this type has a `{part.type}`", at)
        case _:
            yield Foreign(DIALECT, part.type, json_of(raw))


def _document(file: _File, cache: CacheMark | None, at: str) -> Document:
    name = None if file.filename == UNNAMED else file.filename
    if file.file_id is not None:
        return Document(Stored(VENDOR, file.file_id), name, cache=cache)
    if file.file_data is None:
        raise wrong("a file has `file_data` or a `file_id`", at)
    if file.file_data[:5].lower() == "data:":
        return Document(media_at(file.file_data, f"{at}.file_data"), name, cache=cache)
    return Document(Inline("application/pdf", base64_at(file.file_data, f"{at}.file_data")), name, cache=cache)


def _field(fields: Mapping[str, Raw], name: str, decoder: msgspec.json.Decoder[T], at: str) -> T | None:
    raw = fields.get(name)
    return None if raw is None or is_null(raw) else decode(decoder, raw, f"{at}.{name}")
