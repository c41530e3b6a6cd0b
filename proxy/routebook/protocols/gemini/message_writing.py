"""The neutral conversation, written as contents."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec
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
    Signature,
    Stored,
    Text,
    ToolCall,
    ToolKind,
    ToolResult,
    Url,
)
from routebook.chat.turns import in_turns
from routebook.protocols.carrying import Losses, Target
from routebook.protocols.gemini.carries import DIALECT, OWNED, UNSIGNED
from routebook.protocols.gemini.fields import raw_of
from routebook.protocols.gemini.message_reading import FAULT, SAID, WRAPPING

_DEMANDS_NONE: Final = re.compile(r"(models/)?gemini-[12](\D|$)")
"""Models that demand no signatures: those before version 3."""

_OBJECT: Final = msgspec.json.Decoder(dict[str, Raw])
_FETCHED: Final = {Image: Feature.IMAGE_URL, Document: Feature.DOCUMENT_URL, Audio: Feature.AUDIO_URL}


HEARS: Final = frozenset(
    {
        *("audio/wav", "audio/x-wav", "audio/wave", "audio/mp3", "audio/mpeg", "audio/aiff", "audio/x-aiff"),
        *("audio/aac", "audio/ogg", "audio/flac", "audio/x-flac"),
    }
)
"""Media types of sound that this dialect takes (vendor's guide to understanding audio, 2026)."""

_GOOGLES: Final = {"audio/mpeg": "audio/mp3"}
"""Media types for which Google documents another word."""


def written_contents(chat: ChatRequest, losses: Losses) -> list[dict[str, Any]]:
    """All messages as turns of a user and a model; what cannot be written is among the losses."""
    names = {call.id: call.name for call in chat.calls() if call.kind is ToolKind.FUNCTION}
    places = _places(chat)
    contents: list[dict[str, Any]] = []
    turns = in_turns(chat)
    open_at = _first_to_seal(turns, losses.target)
    for number, turn in enumerate(turns):
        parts = [written for part in turn.parts for written in _Writing(losses, names, places).part(part)]
        if turn.role is Role.ASSISTANT and number >= open_at and _seal_first_call(parts):
            first = next(part for part in turn.parts if isinstance(part, ToolCall))
            why = "nobody has it, and the vendor's word for that stands in its place"
            losses.note(Feature.SIGNATURE, f"{places[id(first)]}.signature", why, Done.EMULATED)
        role = "model" if turn.role is Role.ASSISTANT else "user"
        if parts and contents and contents[-1]["role"] == role:
            contents[-1]["parts"] += parts
        elif parts:
            contents.append({"role": role, "parts": parts})
    return contents


def written_texts(texts: Sequence[Text]) -> list[dict[str, Any]]:
    """A system prompt's texts as parts."""
    return [{"text": each.text} for each in texts]


def _places(chat: ChatRequest) -> dict[int, str]:
    """Where parts stand in the neutral form, for reports about them."""
    return {
        id(part): f"messages[{index}].parts[{number}]"
        for index, message in enumerate(chat.messages)
        for number, part in enumerate(message.parts)
    }


def _first_to_seal(turns: Sequence[Message], target: Target) -> int:
    """From which turn on calls must be signed: since the user spoke last, where the model demands it; in all turns,
    or none, where the policy says so."""
    match target.verdicts.get(Feature.SIGNATURE):
        case Done.EMULATED:
            return 0
        case None if _DEMANDS_NONE.match(target.model) is None:
            spoken = [
                number
                for number, turn in enumerate(turns)
                if turn.role is Role.USER and not all(isinstance(part, ToolResult) for part in turn.parts)
            ]
            return spoken[-1] if spoken else 0
    return len(turns)


def _seal_first_call(parts: list[Any]) -> bool:
    """The first call of a turn carries a signature, or the vendor refuses the turn; whether there was none."""
    call = next((each for each in parts if isinstance(each, dict) and "functionCall" in each), None)
    if call is None or "thoughtSignature" in call:
        return False
    call["thoughtSignature"] = UNSIGNED
    return True


class _Writing:
    """Parts being written."""

    def __init__(self, losses: Losses, names: dict[str, str], places: dict[int, str]) -> None:
        self._losses = losses
        self._names = names
        self._places = places

    def part(self, part: Part) -> Iterator[dict[str, Any] | Raw]:
        """One part; nothing where it cannot be written."""
        match part:
            case Text(text) if text or self._owns(part.signature):
                yield self._signed({"text": text}, part.signature)
            case Refusal(text):
                yield {"text": text}
            case Reasoning(text):
                if self._losses.takes(Feature.REASONING_SAID) and (text or self._owns(part.signature)):
                    yield self._signed({"text": text, "thought": True}, part.signature)
            case Image() | Document() | Audio():
                yield from self._media(part)
            case ToolCall():
                yield from self._call(part)
            case ToolResult():
                yield from self._result(part)
            case Foreign() if part.dialect == DIALECT:
                yield raw_of(part.json)

    def _media(self, part: Image | Document | Audio) -> Iterator[dict[str, Any]]:
        signature = part.signature if isinstance(part, Image) else None
        match part.source:
            case Inline(kind, data):
                kind = _GOOGLES.get(kind, kind)
                yield self._signed({"inlineData": {"mimeType": kind, "data": data}}, signature)
            case Plain(text):
                name = part.name if isinstance(part, Document) else None
                yield {"text": text if name is None else f"{name}:\n{text}"}
            case Stored(dialect, identity) if dialect in OWNED:
                kind, _, uri = identity.rpartition(" ")
                file = {"mimeType": kind, "fileUri": uri} if kind else {"fileUri": uri}
                yield self._signed({"fileData": file}, signature)
            case Url(url) if self._losses.target.verdicts.get(_FETCHED[type(part)]) is Done.EMULATED:
                file = (
                    {"mimeType": part.source.media_type, "fileUri": url} if part.source.media_type else {"fileUri": url}
                )
                yield self._signed({"fileData": file}, signature)

    def _call(self, call: ToolCall) -> Iterator[dict[str, Any]]:
        if call.kind is ToolKind.CUSTOM:
            return
        args = as_object(call.arguments)
        if args is None:
            why = "the arguments are no JSON object"
            if self._losses.note(Feature.TOOL_CALL, self._at(call), why) is not Done.EMULATED:
                return
            args = {"input": call.arguments}
        written = {"id": call.id, "name": call.name, "args": args}
        yield self._signed({"functionCall": written}, call.signature)

    def _result(self, result: ToolResult) -> Iterator[dict[str, Any]]:
        name = result.name or self._names.get(result.call_id)
        if name is None:
            self._losses.note(Feature.TOOL_RESULT, self._at(result), "no call in the conversation has its id")
            return
        text = "\n".join(part.text for part in result.content if isinstance(part, Text))
        written: dict[str, Any] = {"id": result.call_id, "name": name, "response": self._response(text, result)}
        others = [part for part in result.content if not isinstance(part, Text)]
        shown = [each for part in others for each in self._media(part)]
        if shown:
            written["parts"] = shown
        yield {"functionResponse": written}

    def _response(self, text: str, result: ToolResult) -> Any:
        """What a function gave back: an object as it is, a text under the name that the vendor documents."""
        if result.is_error and self._losses.takes(Feature.TOOL_RESULT_ERROR):
            return {FAULT: text}
        given = as_object(text) if text else None
        if isinstance(given, Raw) and not (len(named := _OBJECT.decode(given)) == 1 and next(iter(named)) in WRAPPING):
            return given
        return {SAID: text} if text else {}

    def _signed(self, part: dict[str, Any], signature: Signature | None) -> dict[str, Any]:
        if signature is not None and self._owns(signature):
            part["thoughtSignature"] = signature.data
        return part

    def _owns(self, signature: Signature | None) -> bool:
        return signature is not None and signature.dialect in OWNED and self._losses.takes(Feature.SIGNATURE)

    def _at(self, part: Part) -> str:
        return self._places.get(id(part), "messages")


def as_object(text: str) -> Any:
    """A text that is a JSON object, to stand in a body as it is; an empty one is an empty object; None for others."""
    if not text.strip():
        return {}
    data = text.strip().encode("utf-8", "replace")
    try:
        _OBJECT.decode(data)
        msgspec.json.decode(data)
    except (ValueError, RecursionError):
        return None
    return Raw(data)
