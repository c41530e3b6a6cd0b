"""The neutral conversation, written as messages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any, Final

from msgspec import Raw

from routebook.chat.conversation import ChatRequest, Message, Role
from routebook.chat.features import Feature
from routebook.chat.loss import Done
from routebook.chat.parts import (
    Audio,
    Document,
    Foreign,
    Image,
    Inline,
    Part,
    Plain,
    Reasoning,
    Refusal,
    Stored,
    Text,
    ToolCall,
    ToolKind,
    ToolResult,
    Url,
)
from routebook.protocols.carrying import Losses
from routebook.protocols.media import as_url
from routebook.protocols.openai_chat.carries import OWNED
from routebook.protocols.openai_chat.message_reading import DIALECT, UNNAMED
from routebook.sound.converting import WAV, converted
from routebook.sound.forms import Samples, form_of
from routebook.sound.wav import SoundError

_FORMATS: Final = {
    "audio/wav": "wav",
    "audio/x-wav": "wav",
    "audio/wave": "wav",
    "audio/mpeg": "mp3",
    "audio/mp3": "mp3",
}
"""Formats of sound that this dialect takes, by media type."""

HEARS: Final = frozenset(_FORMATS)
"""Media types of sound that this dialect takes."""


def written_messages(chat: ChatRequest, losses: Losses) -> list[dict[str, Any]]:
    """All messages, the system prompt first; what cannot be written is among the losses."""
    messages: list[dict[str, Any]] = []
    if chat.system:
        messages.append({"role": "system", "content": _content([_text(each) for each in chat.system])})
    for index, message in enumerate(chat.messages):
        messages += _Writing(losses, f"messages[{index}]").message(message)
    return messages


class _Writing:
    """One message being written."""

    def __init__(self, losses: Losses, at: str) -> None:
        self._losses = losses
        self._at = at

    def message(self, message: Message) -> Iterator[dict[str, Any]]:
        """The message, or the several that say the same."""
        if message.role is Role.TOOL:
            yield from self._results(message)
            return
        written: dict[str, Any] = {"role": message.role.value}
        if message.name is not None and self._losses.takes(Feature.SPEAKER):
            written["name"] = message.name
        if message.role is Role.ASSISTANT:
            written.update(self._said(message.parts))
        else:
            written["content"] = _content([*self._parts(message.parts)])
        yield written

    def _results(self, message: Message) -> Iterator[dict[str, Any]]:
        """One message a result. A tool's message takes text alone: images and files follow in a user's message."""
        shown: list[dict[str, Any] | Raw] = []
        for number, result in enumerate(message.parts):
            if not isinstance(result, ToolResult):
                continue
            texts = [part for part in result.content if isinstance(part, Text)]
            others = [part for part in result.content if not isinstance(part, Text)]
            yield {"role": "tool", "tool_call_id": result.call_id, "content": _content([_text(each) for each in texts])}
            seen = [*self._parts(others, f".parts[{number}].content")]
            if seen:
                shown += [{"type": "text", "text": f"what {result.call_id} gave back:"}, *seen]
        if shown:
            yield {"role": "user", "content": shown}

    def _said(self, parts: Sequence[Part]) -> dict[str, Any]:
        said: dict[str, Any] = {"content": None}
        words: list[dict[str, Any] | Raw] = []
        for part in parts:
            match part:
                case Text():
                    words.append(_text(part))
                case Refusal(text):
                    words.append({"type": "refusal", "refusal": text})
                case Audio(Stored(dialect, identity)) if dialect in OWNED:
                    said["audio"] = {"id": identity}
                case ToolCall():
                    said.setdefault("tool_calls", []).append(_call(part))
                case Reasoning(text) if self._thinks_aloud() and text:
                    said["reasoning_content"] = said.get("reasoning_content", "") + text
                case Foreign() if part.dialect == DIALECT:
                    words.append(Raw(part.json.encode("utf-8")))
        if len(words) == 1 and isinstance(words[0], dict) and "refusal" in words[0]:
            said["refusal"] = words[0]["refusal"]
        elif words or len(said) == 1:
            said["content"] = _content(words)
        return said

    def _thinks_aloud(self) -> bool:
        """Whether thoughts are sent back: no standard field takes them, and some upstreams refuse the usual one."""
        return self._losses.target.verdicts.get(Feature.REASONING_SAID) is Done.EMULATED

    def _parts(self, parts: Sequence[Part], within: str = ".parts") -> Iterator[dict[str, Any] | Raw]:
        for index, part in enumerate(parts):
            at = f"{self._at}{within}[{index}]"
            match part:
                case Text():
                    yield _text(part)
                case Image():
                    yield from self._image(part)
                case Document():
                    yield from self._document(part)
                case Audio(Inline() as source):
                    yield from self._audio(source, at)
                case Refusal(text) | Reasoning(text):
                    yield {"type": "text", "text": text}
                case Foreign() if part.dialect == DIALECT:
                    yield Raw(part.json.encode("utf-8"))

    def _image(self, image: Image) -> Iterator[dict[str, Any]]:
        source = image.source
        if isinstance(source, Stored):
            return
        url = {"url": source.url if isinstance(source, Url) else as_url(source)}
        if image.detail is not None and self._losses.takes(Feature.IMAGE_DETAIL):
            url["detail"] = image.detail
        yield {"type": "image_url", "image_url": url}

    def _document(self, document: Document) -> Iterator[dict[str, Any]]:
        match document.source:
            case Inline() as source:
                file = {"filename": document.name or UNNAMED, "file_data": as_url(source)}
                yield {"type": "file", "file": file}
            case Plain(text):
                yield {"type": "text", "text": text if document.name is None else f"{document.name}:\n{text}"}
            case Stored(dialect, identity) if dialect in OWNED:
                file = {"file_id": identity}
                yield {"type": "file", "file": file if document.name is None else {**file, "filename": document.name}}

    def _audio(self, source: Inline, at: str) -> Iterator[dict[str, Any]]:
        format, data = _FORMATS.get(source.media_type), source.base64
        if format is None and isinstance(form_of(source.media_type), Samples):
            with suppress(SoundError):
                format, data = WAV, converted(data, source.media_type, WAV)
        if format is None:
            self._losses.note(Feature.AUDIO_INLINE, at, "this dialect takes wav and mp3")
            return
        yield {"type": "input_audio", "input_audio": {"data": data, "format": format}}


def _text(text: Text) -> dict[str, Any]:
    return {"type": "text", "text": text.text}


def _content(parts: Sequence[dict[str, Any] | Raw]) -> Any:
    """The parts as a content: a lone text as it is, for upstreams that know no parts."""
    if not parts:
        return ""
    only = parts[0]
    if len(parts) == 1 and isinstance(only, dict) and only["type"] == "text":
        return only["text"]
    return parts


def _call(call: ToolCall) -> dict[str, Any]:
    if call.kind is ToolKind.CUSTOM:
        return {"id": call.id, "type": "custom", "custom": {"name": call.name, "input": call.arguments}}
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
