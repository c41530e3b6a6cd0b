"""The neutral conversation, written as turns of a user and an assistant, results of tools at the front of the user's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
from msgspec import Raw

from routebook.chat.conversation import ChatRequest, Message, Role
from routebook.chat.features import Feature, Telling
from routebook.chat.loss import Done, Loss
from routebook.chat.parts import (
    Document,
    Foreign,
    ForeignCitation,
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
from routebook.protocols.anthropic.block_reading import text_of
from routebook.protocols.anthropic.carries import DIALECT, NEW, OWNED
from routebook.protocols.anthropic.ids import CallIds
from routebook.protocols.anthropic.marks import Marks
from routebook.protocols.carrying import Losses

MARK: Final = "system: "
"""What a system prompt in the middle begins with, as a user's text."""

_IMAGES: Final = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})
_OBJECT: Final = msgspec.json.Decoder(dict[str, Raw])

Block = dict[str, Any] | Raw


@dataclass(slots=True)
class _Turn:
    role: str
    results: list[Block] = field(default_factory=list)
    others: list[Block] = field(default_factory=list)

    def written(self) -> dict[str, Any]:
        blocks = [*self.results, *self.others]
        only = blocks[0]
        if len(blocks) == 1 and isinstance(only, dict) and only.keys() == {"type", "text"}:
            return {"role": self.role, "content": only["text"]}
        return {"role": self.role, "content": blocks}


class Turns:
    """Writes a conversation; what cannot be written is among the losses, or in `blank` where nothing was said."""

    def __init__(self, losses: Losses, marks: Marks, version: str) -> None:
        self._losses = losses
        self._marks = marks
        self._version = version
        self._ids = CallIds()
        self._turns: list[_Turn] = []
        self.blank: list[Loss] = []

    def __repr__(self) -> str:
        return f"<Turns {len(self._turns)}>"

    def written(self, chat: ChatRequest) -> list[dict[str, Any]]:
        """All turns; neighbours of one side are put together."""
        for index, message in enumerate(chat.messages):
            if message.role is not Role.SYSTEM or self._says_system_later():
                self._take(message, f"messages[{index}]")
        return [turn.written() for turn in self._turns]

    def system(self, chat: ChatRequest) -> list[dict[str, Any]]:
        """The blocks of the system prompt."""
        return [self._text(text, f"system[{index}]", Role.SYSTEM) for index, text in enumerate(chat.system)]

    def _take(self, message: Message, at: str) -> None:
        role = "assistant" if message.role is Role.ASSISTANT else "user"
        if not self._turns or self._turns[-1].role != role:
            self._turns.append(_Turn(role))
        turn = self._turns[-1]
        says_more = any(not _is_blank(part) for part in message.parts)
        for index, part in enumerate(message.parts):
            path = f"{at}.parts[{index}]"
            if says_more and _is_blank(part):
                self.blank.append(Loss(Telling.TEXT.word, path, Done.DROPPED, "a text of white space alone is refused"))
                continue
            kept = turn.results if isinstance(part, ToolResult) else turn.others
            kept.extend(self._blocks(part, path, message.role))
        if not turn.results and not turn.others:
            self._turns.pop()

    def _blocks(self, part: Part, at: str, role: Role) -> Iterator[Block]:
        if isinstance(part, Text | Image | ToolCall) and part.signature is not None and part.signature.dialect in OWNED:
            self._losses.note(Feature.SIGNATURE, f"{at}.signature", "only thoughts are signed")
        match part:
            case Text():
                yield self._text(part, at, role)
            case Refusal(text):
                yield {"type": "text", "text": text}
            case Reasoning():
                yield from self._thought(part, at)
            case Foreign() if part.dialect == DIALECT:
                yield Raw(part.json.encode("utf-8"))
            case ToolCall():
                yield self._call(part, at)
            case ToolResult():
                yield self._result(part, at)
            case Image() if role is not Role.ASSISTANT:
                yield from self._image(part, at)
            case Document() if role is not Role.ASSISTANT or self._losses.takes(Feature.DOCUMENT_SAID):
                yield from self._document(part, at)

    def _text(self, text: Text, at: str, role: Role) -> dict[str, Any]:
        words = MARK + text.text if role is Role.SYSTEM and at.startswith("messages") else text.text
        block: dict[str, Any] = {"type": "text", "text": words}
        ours = [each for each in text.citations if isinstance(each, ForeignCitation) and each.dialect == DIALECT]
        if role is not Role.ASSISTANT and self._version == NEW:
            ours = []
        if len(ours) < len(text.citations):
            self._losses.note(Feature.CITATION, f"{at}.citations", "it would not be taken back")
        if ours:
            block["citations"] = [Raw(each.json.encode("utf-8")) for each in ours]
        return self._marks.write(block, text.cache, at)

    def _thought(self, thought: Reasoning, at: str) -> Iterator[Block]:
        seal = thought.signature
        if seal is not None and seal.dialect in OWNED and self._losses.takes(Feature.SIGNATURE):
            if thought.is_redacted:
                yield {"type": "redacted_thinking", "data": seal.data}
            else:
                yield {"type": "thinking", "thinking": thought.text, "signature": seal.data}
            return
        done = self._losses.note(Feature.REASONING_SAID, at, "thoughts go back with this dialect's signature alone")
        if done is Done.EMULATED and thought.text:
            yield {"type": "text", "text": thought.text}

    def _call(self, call: ToolCall, at: str) -> Block:
        block = {
            "type": "tool_use",
            "id": self._ids.of_call(call.id),
            "name": call.name,
            "input": input_of(call.arguments, call.kind),
        }
        return self._marks.write(block, call.cache, at)

    def _result(self, result: ToolResult, at: str) -> Block:
        block: dict[str, Any] = {"type": "tool_result", "tool_use_id": self._ids.of_result(result.call_id)}
        content = [
            inner
            for index, part in enumerate(result.content)
            for inner in self._blocks(part, f"{at}.content[{index}]", Role.TOOL)
        ]
        if content:
            block["content"] = content
        if result.is_error and self._losses.takes(Feature.TOOL_RESULT_ERROR):
            block["is_error"] = True
        return self._marks.write(block, result.cache, at)

    def _image(self, image: Image, at: str) -> Iterator[Block]:
        source = image.source
        if isinstance(source, Inline) and source.media_type not in _IMAGES:
            self._losses.note(Feature.IMAGE_INLINE, at, "images are JPEG, PNG, GIF or WebP")
        elif (written := _source(source)) is not None:
            yield self._marks.write({"type": "image", "source": written}, image.cache, at)

    def _document(self, document: Document, at: str) -> Iterator[Block]:
        source = document.source
        if isinstance(source, Inline) and source.media_type != "application/pdf":
            text = text_of(source)
            if text is None:
                self._losses.note(Feature.DOCUMENT_INLINE, at, "documents are PDF or text")
                return
            source = Plain(text)
        written = _source(source)
        if written is None:
            return
        block: dict[str, Any] = {"type": "document", "source": written}
        if document.name is not None:
            block["title"] = document.name
        if document.context is not None:
            block["context"] = document.context
        if document.cite:
            block["citations"] = {"enabled": True}
        yield self._marks.write(block, document.cache, at)

    def _says_system_later(self) -> bool:
        return self._losses.target.done(Feature.SYSTEM_LATER) is not Done.DROPPED


def input_of(arguments: str, kind: ToolKind) -> Raw | dict[str, Any]:
    """The arguments of a call as the object that they must be. What is none, as a model may have written it, is told as
    the vendor advises for it."""
    if kind is ToolKind.CUSTOM:
        return {"input": arguments}
    written = arguments.encode("utf-8", "replace")
    if not written.strip():
        return {}
    try:
        _OBJECT.decode(written)
    except (ValueError, RecursionError):
        return {"INVALID_JSON": arguments}
    return Raw(written)


def _is_blank(part: Part) -> bool:
    return isinstance(part, Text) and not part.text.strip() and part.cache is None


def _source(source: Inline | Url | Stored | Plain) -> dict[str, Any] | None:
    match source:
        case Inline(media_type, data):
            return {"type": "base64", "media_type": media_type, "data": data}
        case Url(url):
            return {"type": "url", "url": url}
        case Plain(text):
            return {"type": "text", "media_type": "text/plain", "data": text}
        case Stored(dialect, identity) if dialect in OWNED:
            return {"type": "file", "file_id": identity}
        case _:
            return None
