"""Events, written as the stream that Google's clients read: a whole answer in each chunk, no names, no comments, no mark
at the end.

A call of a function is told at once, when it is complete and its signature has come or will not. The reasons to stop
come last, in one chunk with the usage.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec
from msgspec import Raw

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
from routebook.chat.faults import Fault
from routebook.chat.loss import Done, Loss
from routebook.chat.parts import Signature, ToolCall
from routebook.chat.sequence import InSequence
from routebook.chat.usage import Usage
from routebook.protocols.codec import ReplyTo
from routebook.protocols.gemini.answer_writing import BROKEN, CUT, Sealing, about, logprobs_of
from routebook.protocols.gemini.errors import fault_body
from routebook.protocols.gemini.sources import Texts
from routebook.protocols.gemini.usage import write_usage
from routebook.sound.converting import labelled

encode: Final = msgspec.json.encode

NOTHING: Final = b'{"text":""}'
"""A part that says nothing: the SDK's chats take a stream for broken in which a chunk has no part."""


class _Choice:
    """What has been written of one choice, and what waits."""

    def __init__(self, number: int, losses: list[Loss]) -> None:
        self.number = number
        self.sealing = Sealing(number, losses)
        self.texts = Texts()
        self.citations: list[dict[str, Any]] = []
        self.started: ToolCallStarted | None = None
        self.arguments: list[str] = []
        self.complete: ToolCall | None = None
        self.seal: Signature | None = None
        self.block = -1
        self.is_broken = False
        self.media_type: str | None = None
        self.lost_transcript = False
        self.has_parts = False
        self.finish: str | None = None


class GeminiWriter:
    """Writes one stream (`codec.EventWriter`), in the form that the client asked for."""

    def __init__(self, reply: ReplyTo) -> None:
        self._reply = reply
        self._is_array: bool = reply.asked.is_array
        self._sequence = InSequence()
        self._choices: dict[int, _Choice] = {}
        self._usage: Usage | None = None
        self._about = b""
        self._frame(Started())
        self._begun = False
        self._ended = False
        self.losses: list[Loss] = []

    def __repr__(self) -> str:
        return f"<GeminiWriter {len(self._choices)} choices, {'ended' if self._ended else 'open'}>"

    def write(self, events: Iterable[Event]) -> bytes:
        """The chunks for some more events."""
        written: list[bytes] = []
        if type(events) is list and len(events) == 1 and type(event := events[0]) is TextDelta and self._goes_on(event):
            self._text(self._choices[event.choice], event, written)
        elif not self._ended:
            self._put(self._sequence.put(events), written)
        return b"".join(written)

    def end(self) -> bytes:
        """What still waits, the reasons to stop and the usage; the bracket of an array."""
        if self._ended:
            return b""
        written: list[bytes] = []
        self._put(self._sequence.end(), written)
        for choice in self._choices.values():
            self._flush(choice, written)
        if self._ended:
            return b"".join(written)
        if any(choice.is_broken and choice.finish is None for choice in self._choices.values()):
            self._fail(Fault(502, BROKEN, "malformed_call"), written)
            return b"".join(written)
        self._ended = True
        written.append(self._last())
        if self._is_array:
            written.append(b"\n]")
        return b"".join(written)

    def keep_alive(self) -> bytes:
        """Nothing: a comment ends Google's Python client with an error. White space is free between the elements of an
        array."""
        return b"\n" if self._is_array and self._begun and not self._ended else b""

    def _goes_on(self, event: TextDelta) -> bool:
        """Whether it is some more of the text that is being told, as most events are."""
        choice = self._choices.get(event.choice)
        is_open = choice is not None and choice.complete is None and not self._ended
        return is_open and self._sequence.goes_on(event)

    def _put(self, events: Iterable[Event], written: list[bytes]) -> None:
        for event in events:
            if self._ended:
                return
            match event:
                case Started():
                    self._frame(event)
                case UsageSeen(usage):
                    self._usage = usage
                case TierSeen():
                    self.losses.append(Loss("tier", "tier", Done.DROPPED, "answers do not name it"))
                case Failed(fault):
                    self._fail(fault, written)
                case _:
                    choice = self._of(event.choice)
                    if choice.complete is not None and not _seals(event, choice.block):
                        self._flush(choice, written)
                    if not self._ended:
                        _PIECES[type(event)](self, choice, event, written)

    def _of(self, number: int) -> _Choice:
        found = self._choices.get(number)
        if found is None:
            found = self._choices[number] = _Choice(number, self.losses)
        return found

    def _text(self, choice: _Choice, event: TextDelta, written: list[bytes]) -> None:
        choice.texts.add(event.block, event.text)
        if event.text:
            self._part(choice, b'{"text":%b}' % encode(event.text), written)

    def _refused(self, choice: _Choice, event: RefusalDelta, written: list[bytes]) -> None:
        self._part(choice, b'{"text":%b}' % encode(event.text), written)

    def _thought(self, choice: _Choice, event: ReasoningDelta, written: list[bytes]) -> None:
        if event.text:
            self._part(choice, b'{"text":%b,"thought":true}' % encode(event.text), written)

    def _sealed(self, choice: _Choice, event: SignatureSeen, written: list[bytes]) -> None:
        if choice.complete is not None:
            self._flush(choice, written, event.signature)
            return
        if choice.started is not None and event.block == choice.started.block:
            choice.seal = event.signature
            return
        is_text = event.block in choice.texts.blocks()
        part = choice.sealing.sealed(
            {"text": ""} if is_text else {"text": "", "thought": True}, event.signature, event.block
        )
        if "thoughtSignature" in part:
            self._part(choice, encode(part), written)

    def _called(self, choice: _Choice, event: ToolCallStarted, written: list[bytes]) -> None:
        choice.started, choice.arguments = event, []

    def _arguments(self, choice: _Choice, event: ArgumentsDelta, written: list[bytes]) -> None:
        choice.arguments.append(event.text)

    def _call_ended(self, choice: _Choice, event: ToolCallEnded, written: list[bytes]) -> None:
        begun = choice.started
        if begun is not None:
            choice.started, choice.block = None, event.block
            choice.complete = ToolCall(begun.id, begun.name, "".join(choice.arguments), begun.kind, choice.seal)
            choice.seal = None

    def _flush(self, choice: _Choice, written: list[bytes], signature: Signature | None = None) -> None:
        """Tell the call that is complete. One that is none may have been cut: the reason to stop will say so."""
        call, choice.complete = choice.complete, None
        if call is None:
            choice.is_broken = choice.is_broken or choice.started is not None
            return
        sealed = call if signature is None else msgspec.structs.replace(call, signature=signature)
        part = choice.sealing.call(sealed, choice.block)
        if part is None:
            choice.is_broken = True
        else:
            self._part(choice, encode(part), written)

    def _audio_seen(self, choice: _Choice, event: AudioSeen, written: list[bytes]) -> None:
        choice.media_type = event.media_type or choice.media_type

    def _audio(self, choice: _Choice, event: AudioDelta, written: list[bytes]) -> None:
        if choice.media_type is None:
            choice.media_type = labelled(event.base64)
        blob = {"mimeType": choice.media_type, "data": event.base64}
        self._part(choice, encode({"inlineData": blob}), written)

    def _transcript(self, choice: _Choice, event: TranscriptDelta, written: list[bytes]) -> None:
        if not choice.lost_transcript:
            choice.lost_transcript = True
            choice.sealing.lose("audio", event.block, "its transcript has no place")

    def _image(self, choice: _Choice, event: ImageSeen, written: list[bytes]) -> None:
        part = choice.sealing.image(event.image, event.block)
        if part is not None:
            self._part(choice, encode(part), written)

    def _foreign(self, choice: _Choice, event: ForeignSeen, written: list[bytes]) -> None:
        part = choice.sealing.foreign(event.part, event.block)
        if part is not None:
            self._part(choice, encode(part), written)

    def _cited(self, choice: _Choice, event: CitationSeen, written: list[bytes]) -> None:
        citation = choice.sealing.citation(event.citation, event.block, choice.texts)
        if citation is not None:
            choice.citations.append(citation)

    def _probable(self, choice: _Choice, event: LogprobsSeen, written: list[bytes]) -> None:
        self._part(choice, NOTHING, written, b'"logprobsResult":%b,' % encode(logprobs_of(event.tokens)))

    def _finished(self, choice: _Choice, event: Finished, written: list[bytes]) -> None:
        if choice.finish is not None:
            return
        if (choice.is_broken or choice.started is not None) and event.finish not in CUT:
            self._fail(Fault(502, BROKEN, "malformed_call"), written)
            return
        if choice.is_broken or choice.started is not None:
            choice.started = None
            choice.sealing.lose("tool_call", None, "the answer was cut in it")
        choice.finish = choice.sealing.word(event.finish, event.stop_sequence)

    def _last(self) -> bytes:
        """The reason to stop of every choice; one that gave none has stopped."""
        candidates = []
        for number, choice in sorted(self._choices.items()):
            parts = [Raw(NOTHING)] if choice.has_parts else []
            candidate: dict[str, Any] = {"content": {"parts": parts, "role": "model"}}
            candidate["finishReason"] = choice.finish or "STOP"
            if choice.citations:
                candidate["citationMetadata"] = {"citationSources": choice.citations}
            candidates.append({**candidate, "index": number})
        usage = b"" if self._usage is None else b'"usageMetadata":%b,' % encode(write_usage(self._usage))
        return self._framed(b'{"candidates":%b,%b%b' % (encode(candidates), usage, self._about))

    def _part(self, choice: _Choice, part: bytes, written: list[bytes], more: bytes = b"") -> None:
        choice.has_parts = True
        written.append(
            self._chunk(b'{"content":{"parts":[%b],"role":"model"},%b"index":%d}' % (part, more, choice.number))
        )

    def _chunk(self, candidate: bytes) -> bytes:
        return self._framed(b'{"candidates":[%b],%b' % (candidate, self._about))

    def _framed(self, chunk: bytes) -> bytes:
        if not self._is_array:
            return b"data: %b\n\n" % chunk
        begun, self._begun = self._begun, True
        return (b",\n" if begun else b"[") + chunk

    def _fail(self, fault: Fault, written: list[bytes]) -> None:
        self._ended = True
        written.append(self._framed(fault_body(fault)))
        if self._is_array:
            written.append(b"\n]")

    def _frame(self, begun: Started) -> None:
        """What ends every chunk."""
        self._about = encode(about(self._reply, begun.id, begun.model, begun.created))[1:]


def _seals(event: Any, block: int) -> bool:
    return isinstance(event, SignatureSeen) and event.block == block


_PIECES: Final[dict[type[Any], Callable[[GeminiWriter, _Choice, Any, list[bytes]], None]]] = {
    TextDelta: GeminiWriter._text,
    ReasoningDelta: GeminiWriter._thought,
    RefusalDelta: GeminiWriter._refused,
    SignatureSeen: GeminiWriter._sealed,
    ToolCallStarted: GeminiWriter._called,
    ArgumentsDelta: GeminiWriter._arguments,
    ToolCallEnded: GeminiWriter._call_ended,
    AudioSeen: GeminiWriter._audio_seen,
    AudioDelta: GeminiWriter._audio,
    TranscriptDelta: GeminiWriter._transcript,
    ImageSeen: GeminiWriter._image,
    CitationSeen: GeminiWriter._cited,
    ForeignSeen: GeminiWriter._foreign,
    LogprobsSeen: GeminiWriter._probable,
    Finished: GeminiWriter._finished,
}
"""What is written for each kind of event of a choice."""
