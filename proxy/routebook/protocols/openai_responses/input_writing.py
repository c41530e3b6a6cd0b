"""The neutral conversation, written as items."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from msgspec import Raw

from routebook.chat.conversation import ChatRequest, Message, Role
from routebook.chat.features import Feature
from routebook.chat.loss import Done
from routebook.chat.parts import (
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
from routebook.protocols.openai_responses.annotations import annotation_of
from routebook.protocols.openai_responses.carries import OWNED
from routebook.protocols.openai_responses.content_reading import UNNAMED
from routebook.protocols.openai_responses.input_reading import ITEM
from routebook.protocols.openai_responses.seals import DIALECT, unsealed

Entry = dict[str, Any] | Raw


def written_instructions(chat: ChatRequest) -> str | None:
    """The system prompt, where it is one text: several are items, so that they stay apart."""
    return chat.system[0].text if len(chat.system) == 1 else None


def written_items(chat: ChatRequest, losses: Losses) -> list[Entry]:
    """All items; what cannot be written is among the losses."""
    writing = _Writing(losses, {call.id for call in chat.calls() if call.kind is ToolKind.CUSTOM})
    items: list[Entry] = []
    if len(chat.system) > 1:
        items.append(_message("system", [_text(each) for each in chat.system]))
    for index, message in enumerate(chat.messages):
        items += writing.message(message, f"messages[{index}]")
    return items


class _Writing:
    """A conversation being written; `custom` are the ids of calls with free text."""

    def __init__(self, losses: Losses, custom: set[str]) -> None:
        self._losses = losses
        self._custom = custom

    def message(self, message: Message, at: str) -> Iterator[Entry]:
        """The items that say what a message says, in its order."""
        role = message.role.value
        said: list[Entry] = []
        for index, part in enumerate(message.parts):
            item = self._item(part, f"{at}.parts[{index}]")
            if item is None:
                said += self._said(part) if message.role is Role.ASSISTANT else self._part(part)
                continue
            if said:
                yield _message(role, said)
                said = []
            yield from item
        if said or not message.parts:
            yield _message(role, said)

    def _item(self, part: Part, at: str) -> list[Entry] | None:
        """The item that a part is, if it is not to stand in a message."""
        match part:
            case ToolCall():
                return [self._call(part, at)]
            case ToolResult():
                return [self._result(part)]
            case Reasoning():
                return self._thought(part, at)
            case Foreign() if part.dialect == DIALECT and part.kind.startswith(ITEM):
                return [Raw(part.json.encode("utf-8"))]
        return None

    def _call(self, call: ToolCall, at: str) -> Entry:
        if call.signature is not None and call.signature.dialect in OWNED:
            self._losses.note(Feature.SIGNATURE, f"{at}.signature", "a call has no place for it")
        if call.kind is ToolKind.CUSTOM:
            return {"type": "custom_tool_call", "call_id": call.id, "name": call.name, "input": call.arguments}
        return {"type": "function_call", "call_id": call.id, "name": call.name, "arguments": call.arguments}

    def _result(self, result: ToolResult) -> Entry:
        content = [written for part in result.content for written in self._part(part)]
        kind = "custom_tool_call_output" if result.call_id in self._custom else "function_call_output"
        return {"type": kind, "call_id": result.call_id, "output": _plain(content)}

    def _thought(self, thought: Reasoning, at: str) -> list[Entry]:
        """A thought comes back under its seal; one without is no provider's of this dialect, and most refuse it."""
        signature = thought.signature
        if signature is not None and signature.dialect in OWNED and self._losses.takes(Feature.SIGNATURE):
            identity, encrypted = unsealed(signature)
            shown = [{"type": "summary_text", "text": thought.text}] if thought.text else []
            item: dict[str, Any] = {"type": "reasoning", "summary": shown}
            if identity is not None:
                item["id"] = identity
            if encrypted is not None:
                item["encrypted_content"] = encrypted
            return [item]
        if self._losses.target.verdicts.get(Feature.REASONING_SAID) is Done.EMULATED and thought.text:
            self._losses.note(Feature.REASONING_SAID, at, "in plain words, without a seal", Done.EMULATED)
            return [{"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": thought.text}]}]
        self._losses.note(Feature.REASONING_SAID, at, "thoughts come back under their provider's seal alone")
        return []

    def _said(self, part: Part) -> Iterator[Entry]:
        match part:
            case Text():
                noted = [each for citation in part.citations if (each := annotation_of(citation)) is not None]
                yield {"type": "output_text", "text": part.text, "annotations": noted}
            case Refusal(text):
                yield {"type": "refusal", "refusal": text}
            case Foreign() if part.dialect == DIALECT:
                yield Raw(part.json.encode("utf-8"))

    def _part(self, part: Part) -> Iterator[Entry]:
        match part:
            case Text():
                yield _text(part)
            case Image():
                yield from self._image(part)
            case Document():
                yield from self._document(part)
            case Refusal(text):
                yield {"type": "input_text", "text": text}
            case Foreign() if part.dialect == DIALECT:
                yield Raw(part.json.encode("utf-8"))

    def _image(self, image: Image) -> Iterator[Entry]:
        wanted = image.detail if self._losses.takes(Feature.IMAGE_DETAIL) else None
        part = {"type": "input_image", "detail": wanted or "auto"}
        match image.source:
            case Url(url):
                yield {**part, "image_url": url}
            case Inline() as source:
                yield {**part, "image_url": as_url(source)}
            case Stored(dialect, identity) if dialect in OWNED:
                yield {**part, "file_id": identity}

    def _document(self, document: Document) -> Iterator[Entry]:
        part = {"type": "input_file"} if document.name is None else {"type": "input_file", "filename": document.name}
        match document.source:
            case Inline() as source:
                yield {**part, "filename": document.name or UNNAMED, "file_data": as_url(source)}
            case Url(url):
                yield {**part, "file_url": url}
            case Stored(dialect, identity) if dialect in OWNED:
                yield {**part, "file_id": identity}
            case Plain(text):
                words = text if document.name is None else f"{document.name}:\n{text}"
                yield {"type": "input_text", "text": words}


def _text(text: Text) -> dict[str, Any]:
    return {"type": "input_text", "text": text.text}


def _message(role: str, content: Sequence[Entry]) -> dict[str, Any]:
    return {"type": "message", "role": role, "content": _plain(content)}


def _plain(content: Sequence[Entry]) -> Any:
    """The parts as a content: a lone text as it is, for upstreams that know no parts."""
    if not content:
        return ""
    only = content[0]
    if len(content) == 1 and isinstance(only, dict) and "text" in only and not only.get("annotations"):
        return only["text"]
    return content
