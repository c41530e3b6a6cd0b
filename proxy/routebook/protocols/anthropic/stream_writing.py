"""Events, written as the stream that Anthropic's clients read: exactly its order, one block after the other.

`message_start`; for each block its start, its pieces and its stop; `message_delta` with the reason to stop and all that
was used, which replaces what the start said; `message_stop`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec

from routebook.chat.events import (
    ArgumentsDelta,
    AudioDelta,
    AudioSeen,
    CitationSeen,
    Event,
    Failed,
    Finished,
    ForeignSeen,
    ImageSeen,
    LogprobsSeen,
    ReasoningDelta,
    RefusalDelta,
    SignatureSeen,
    Started,
    TextDelta,
    TierSeen,
    ToolCallEnded,
    ToolCallStarted,
    TranscriptDelta,
    UsageSeen,
)
from routebook.chat.loss import Loss
from routebook.chat.parts import ToolKind
from routebook.chat.sequence import InSequence
from routebook.chat.usage import Usage
from routebook.protocols.anthropic.answer_writing import citation_of, lost, message_of, stop_of, usage_of
from routebook.protocols.anthropic.carries import DIALECT
from routebook.protocols.anthropic.errors import fault_event
from routebook.protocols.codec import ReplyTo

encode: Final = msgspec.json.encode

PING: Final = b'event: ping\ndata: {"type":"ping"}\n\n'

_DELTA: Final = (
    b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,"delta":{"type":"%b","%b":%b}}\n\n'
)


_Piece = Callable[["MessagesWriter", Any, list[bytes]], None]


class MessagesWriter:
    """Writes one stream (`codec.EventWriter`). There is one answer: the first."""

    def __init__(self, reply: ReplyTo) -> None:
        self._reply = reply
        self._sequence = InSequence()
        self._started = Started()
        self._begun = False
        self._ended = False
        self._usage: Usage | None = None
        self._tier: str | None = None
        self._index = -1
        self._block: tuple[int, str] | None = None
        self._custom: list[str] | None = None
        self._calls = False
        self._refused: list[str] = []
        self._finished: Finished | None = None
        self._lost: set[tuple[str, str]] = set()
        self.losses: list[Loss] = []

    def __repr__(self) -> str:
        return f"<MessagesWriter {self._index + 1} blocks, {'ended' if self._ended else 'open'}>"

    def write(self, events: Iterable[Event]) -> bytes:
        """The stream's events for some more events."""
        if type(events) is list and len(events) == 1 and type(event := events[0]) is TextDelta and self._goes_on(event):
            return _DELTA % (self._index, b"text_delta", b"text", encode(event.text))
        written: list[bytes] = []
        for event in self._sequence.put(events):
            if self._ended:
                break
            piece = _PIECES.get(type(event))
            if piece is None:
                self._write(event, written)
            else:
                self._tell(piece, event, written)
        if not self._ended:
            self._begin(written)
        return b"".join(written)

    def end(self) -> bytes:
        """The last block's stop, the reason to stop with the usage, and the end."""
        if self._ended:
            return b""
        written: list[bytes] = []
        for event in self._sequence.end():
            self._tell(_PIECES[type(event)], event, written)
        self._begin(written)
        self._close(written)
        self._ended = True
        end = self._finished
        finish, sequence = (None, None) if end is None else (end.finish, end.stop_sequence)
        delta = stop_of(finish, sequence, self._calls, "".join(self._refused))
        written.append(_event("message_delta", delta=delta, usage=usage_of(self._usage, self._tier)))
        written.append(_event("message_stop"))
        return b"".join(written)

    def keep_alive(self) -> bytes:
        """A ping, which may come anywhere."""
        return PING

    def _goes_on(self, event: TextDelta) -> bool:
        """Whether it is some more of the text that is being told, as most events are."""
        is_open = self._block == (event.block, "text") and not self._ended and not event.choice
        return is_open and self._sequence.goes_on(event)

    def _write(self, event: Event, written: list[bytes]) -> None:
        match event:
            case Started():
                self._started = event
            case UsageSeen(usage):
                self._usage = usage
            case TierSeen(tier):
                self._tier = tier
            case Failed(fault):
                self._ended = True
                written.append(fault_event(fault))
            case Finished(choice=0):
                self._finished = event

    def _tell(self, piece: _Piece, event: Any, written: list[bytes]) -> None:
        if event.choice:
            self._lose("choices", f"choices[{event.choice}]", "there is one answer")
            return
        self._begin(written)
        piece(self, event, written)

    def _begin(self, written: list[bytes]) -> None:
        """The beginning, as late as may be: it says what was used so far."""
        if not self._begun:
            self._begun = True
            message = message_of(self._reply, self._started.id, self._started.model, [])
            message |= {"stop_reason": None, "stop_sequence": None, "usage": usage_of(self._usage, self._tier)}
            written.append(_event("message_start", message=message))

    def _open(self, number: int, block: dict[str, Any], written: list[bytes]) -> None:
        """Begin a block, unless it is one of this kind that stands open."""
        if self._block == (number, block["type"]):
            return
        self._close(written)
        self._index += 1
        self._block = number, block["type"]
        written.append(_event("content_block_start", index=self._index, content_block=block))

    def _close(self, written: list[bytes]) -> None:
        if self._custom is not None:
            self._grow(b"input_json_delta", b"partial_json", encode({"input": "".join(self._custom)}).decode(), written)
            self._custom = None
        if self._block is not None:
            self._block = None
            written.append(_event("content_block_stop", index=self._index))

    def _grow(self, kind: bytes, key: bytes, text: str, written: list[bytes]) -> None:
        written.append(_DELTA % (self._index, kind, key, encode(text)))

    def _text(self, event: TextDelta | TranscriptDelta, written: list[bytes]) -> None:
        self._open(event.block, {"type": "text", "text": ""}, written)
        self._grow(b"text_delta", b"text", event.text, written)

    def _refuse(self, event: RefusalDelta, written: list[bytes]) -> None:
        self._refused.append(event.text)
        self._open(event.block, {"type": "text", "text": ""}, written)
        self._grow(b"text_delta", b"text", event.text, written)

    def _thought(self, event: ReasoningDelta, written: list[bytes]) -> None:
        self._open(event.block, {"type": "thinking", "thinking": "", "signature": ""}, written)
        self._grow(b"thinking_delta", b"thinking", event.text, written)

    def _sealed(self, event: SignatureSeen, written: list[bytes]) -> None:
        seal = event.signature
        if seal.dialect != DIALECT:
            self._lose("signature", self._at(event), f"it belongs to `{seal.dialect}`")
        elif event.is_redacted:
            self._open(event.block, {"type": "redacted_thinking", "data": seal.data}, written)
        elif self._block is not None and self._block[0] == event.block and self._block[1] != "thinking":
            self._lose("signature", self._at(event), "only thoughts are signed")
        else:
            self._open(event.block, {"type": "thinking", "thinking": "", "signature": ""}, written)
            self._grow(b"signature_delta", b"signature", seal.data, written)

    def _called(self, event: ToolCallStarted, written: list[bytes]) -> None:
        self._calls = True
        block = {"type": "tool_use", "id": event.id, "name": event.name, "input": {}}
        self._open(event.block, block, written)
        self._custom = [] if event.kind is ToolKind.CUSTOM else None

    def _arguments(self, event: ArgumentsDelta, written: list[bytes]) -> None:
        if self._custom is not None:
            self._custom.append(event.text)
        elif self._block == (event.block, "tool_use"):
            self._grow(b"input_json_delta", b"partial_json", event.text, written)

    def _call_ended(self, event: ToolCallEnded, written: list[bytes]) -> None:
        if self._block == (event.block, "tool_use"):
            self._close(written)

    def _cited(self, event: CitationSeen, written: list[bytes]) -> None:
        citation = citation_of(event.citation)
        if citation is None:
            self._lose("citation", self._at(event), "it is of a kind that only its own dialect has")
            return
        self._open(event.block, {"type": "text", "text": ""}, written)
        delta = {"type": "citations_delta", "citation": citation}
        written.append(_event("content_block_delta", index=self._index, delta=delta))

    def _foreign(self, event: ForeignSeen, written: list[bytes]) -> None:
        if event.part.dialect != DIALECT:
            self._lose("foreign", self._at(event), f"it belongs to `{event.part.dialect}`")
            return
        self._close(written)
        self._index += 1
        self._block = event.block, event.part.kind
        block = msgspec.Raw(event.part.json.encode("utf-8"))
        written.append(_event("content_block_start", index=self._index, content_block=block))

    def _image(self, event: ImageSeen, written: list[bytes]) -> None:
        self._lose("image", self._at(event))

    def _audio(self, event: AudioDelta, written: list[bytes]) -> None:
        self._lose("audio", self._at(event))

    def _probable(self, event: LogprobsSeen, written: list[bytes]) -> None:
        self._lose("logprobs", f"choices[{event.choice}].logprobs")

    def _lose(self, feature: str, path: str, why: str = "this dialect has no place for it") -> None:
        if (feature, path) not in self._lost:
            self._lost.add((feature, path))
            self.losses.append(lost(feature, path, why))

    def _at(self, event: Any) -> str:
        return f"choices[{event.choice}].parts[{event.block}]"


def _event(kind: str, **fields: object) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), encode({"type": kind, **fields}))


def _pass(writer: MessagesWriter, event: Event, written: list[bytes]) -> None:
    """What is known of a sound that is not told."""


_PIECES: Final[dict[type[Any], _Piece]] = {
    AudioSeen: _pass,
    TextDelta: MessagesWriter._text,
    TranscriptDelta: MessagesWriter._text,
    ReasoningDelta: MessagesWriter._thought,
    RefusalDelta: MessagesWriter._refuse,
    SignatureSeen: MessagesWriter._sealed,
    ToolCallStarted: MessagesWriter._called,
    ArgumentsDelta: MessagesWriter._arguments,
    ToolCallEnded: MessagesWriter._call_ended,
    CitationSeen: MessagesWriter._cited,
    ForeignSeen: MessagesWriter._foreign,
    ImageSeen: MessagesWriter._image,
    AudioDelta: MessagesWriter._audio,
    LogprobsSeen: MessagesWriter._probable,
}
"""What is written for each kind of event of a block."""
