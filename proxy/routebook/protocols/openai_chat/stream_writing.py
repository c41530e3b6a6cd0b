"""Events, written as the stream that OpenAI's clients read: exactly its order, one chunk an event.

A role opens each choice; calls of tools are numbered as they begin, with id and name once and then fragments; a reason to
stop closes a choice; the usage follows where the client asked for it, in a chunk of its own; `[DONE]` ends it all.
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
    Finish,
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
    ToolCallStarted,
    TranscriptDelta,
    UsageSeen,
)
from routebook.chat.faults import Fault
from routebook.chat.loss import Done, Loss
from routebook.chat.parts import ToolKind, UrlCitation
from routebook.chat.resampling import resampled_to
from routebook.chat.usage import Usage
from routebook.protocols.codec import ReplyTo
from routebook.protocols.openai_chat.answer_writing import (
    annotation_of,
    asks_for_functions,
    audio_id,
    image_of,
    logprobs_of,
    shown_model,
    wanted_sound,
    word_of,
)
from routebook.protocols.openai_chat.errors import fault_event
from routebook.protocols.openai_chat.usage import write_usage
from routebook.sound.converting import BARE, Bare
from routebook.sound.forms import RATE
from routebook.sound.wav import SoundError

encode: Final = msgspec.json.encode

KEEP_ALIVE: Final = b": keep-alive\n\n"

_ROLE: Final = b'{"role":"assistant","content":"","refusal":null}'


class _Choice:
    """What has been written of one choice."""

    def __init__(self) -> None:
        self.calls: dict[int, tuple[int, ToolKind]] = {}
        self.starts: dict[int, int] = {}
        self.length = 0
        self.media_type: str | None = None
        self.sound: Bare | None = None
        self.finished = False


class ChatWriter:
    """Writes one stream (`codec.EventWriter`)."""

    def __init__(self, reply: ReplyTo) -> None:
        self._reply = reply
        self._shows_usage: bool = reply.asked.wants_usage
        self._functions = asks_for_functions(reply.asked)
        self._bares_sound = wanted_sound(reply.asked) in BARE
        self._choices: dict[int, _Choice] = {}
        self._usage: Usage | None = None
        self._tier: str | None = None
        self._started = Started()
        self._head = self._tail = b""
        self._frame()
        self._ended = False
        self.losses: list[Loss] = []

    def __repr__(self) -> str:
        return f"<ChatWriter {len(self._choices)} choices, {'ended' if self._ended else 'open'}>"

    def write(self, events: Iterable[Event]) -> bytes:
        """The chunks for some more events."""
        written: list[bytes] = []
        for event in events:
            if self._ended:
                break
            if type(event) is TextDelta and (choice := self._choices.get(event.choice)) is not None:
                written.append(self._text(choice, event))
            else:
                self._write(event, written)
        return b"".join(written)

    def end(self) -> bytes:
        """Reasons for choices that gave none, the usage where it is wanted, and the end mark."""
        if self._ended:
            return b""
        self._ended = True
        written = [
            self._left(number, choice) + self._chunk(number, b"{}", finish=b'"stop"')
            for number, choice in sorted(self._choices.items())
            if not choice.finished
        ]
        if self._shows_usage and self._usage is not None:
            usage = encode(write_usage(self._usage))
            written.append(b'%b],%b"usage":%b}\n\n' % (self._head, self._extra(), usage))
        written.append(b"data: [DONE]\n\n")
        return b"".join(written)

    def keep_alive(self) -> bytes:
        """A comment; every client of this dialect passes it over."""
        return KEEP_ALIVE

    def _write(self, event: Event, written: list[bytes]) -> None:
        match event:
            case Started():
                self._started = event
                self._frame()
                self._open(0, written)
            case UsageSeen(usage):
                self._usage = usage
            case TierSeen(tier):
                self._tier = tier
                self._frame()
            case Failed(fault):
                self._ended = True
                written.append(fault_event(fault))
            case _:
                choice = self._open(event.choice, written)
                piece = _PIECES.get(type(event))
                if piece is not None and (chunk := piece(self, choice, event)) is not None:
                    written.append(chunk)

    def _open(self, number: int, written: list[bytes]) -> _Choice:
        choice = self._choices.get(number)
        if choice is None:
            choice = self._choices[number] = _Choice()
            written.append(self._chunk(number, _ROLE))
        return choice

    def _text(self, choice: _Choice, event: TextDelta) -> bytes:
        choice.starts.setdefault(event.block, choice.length)
        choice.length += len(event.text)
        return self._chunk(event.choice, b'{"content":%b}' % encode(event.text))

    def _thought(self, choice: _Choice, event: ReasoningDelta) -> bytes:
        return self._chunk(event.choice, b'{"reasoning_content":%b}' % encode(event.text))

    def _refused(self, choice: _Choice, event: RefusalDelta) -> bytes:
        return self._chunk(event.choice, b'{"refusal":%b}' % encode(event.text))

    def _called(self, choice: _Choice, event: ToolCallStarted) -> bytes | None:
        number = len(choice.calls)
        choice.calls[event.block] = number, event.kind
        if self._functions:
            if number:
                self._lose("tool_call", event, "a client of functions takes one call at a time")
                return None
            return self._delta(event.choice, function_call={"name": event.name, "arguments": ""})
        key, said = ("custom", "input") if event.kind is ToolKind.CUSTOM else ("function", "arguments")
        call = {"index": number, "id": event.id, "type": key, key: {"name": event.name, said: ""}}
        return self._delta(event.choice, tool_calls=[call])

    def _arguments(self, choice: _Choice, event: ArgumentsDelta) -> bytes | None:
        number, kind = choice.calls.get(event.block, (0, ToolKind.FUNCTION))
        if self._functions:
            return None if number else self._delta(event.choice, function_call={"arguments": event.text})
        piece: Any = {"input": event.text} if kind is ToolKind.CUSTOM else {"arguments": event.text}
        return self._delta(event.choice, tool_calls=[{"index": number, kind.value: piece}])

    def _audio_seen(self, choice: _Choice, event: AudioSeen) -> bytes:
        choice.media_type = event.media_type or choice.media_type
        seen: dict[str, Any] = {} if event.expires_at is None else {"expires_at": event.expires_at}
        if event.id is not None or event.expires_at is None:
            seen["id"] = event.id or audio_id(self._reply, event.choice)
        return self._delta(event.choice, audio=seen)

    def _audio(self, choice: _Choice, event: AudioDelta) -> bytes | None:
        if not self._bares_sound:
            return self._delta(event.choice, audio={"data": event.base64})
        if choice.sound is None:
            choice.sound = Bare(choice.media_type, resampled_to(RATE))
        try:
            data = choice.sound.feed(event.base64)
        except SoundError as error:
            self._ended = True
            return fault_event(Fault(502, str(error), "sound"))
        return self._delta(event.choice, audio={"data": data}) if data else None

    def _left(self, number: int, choice: _Choice) -> bytes:
        """Sound that was held back until more would come."""
        data = "" if choice.sound is None else choice.sound.end()
        return self._delta(number, audio={"data": data}) if data else b""

    def _transcript(self, choice: _Choice, event: TranscriptDelta) -> bytes:
        return self._delta(event.choice, audio={"transcript": event.text})

    def _image(self, choice: _Choice, event: ImageSeen) -> bytes | None:
        image = image_of(event.image)
        if image is None:
            self._lose("image_stored", event, "the provider keeps it")
            return None
        return self._delta(event.choice, images=[image])

    def _cited(self, choice: _Choice, event: CitationSeen) -> bytes | None:
        annotation = annotation_of(event.citation, choice.starts.get(event.block, choice.length))
        if annotation is None:
            self._lose("citation", event, "it is of a kind that only its own dialect has")
            return None
        if isinstance(event.citation, UrlCitation) and event.citation.quote is not None:
            self._lose("citation", event, "the words that were cited have no place")
        return self._delta(event.choice, annotations=[annotation])

    def _probable(self, choice: _Choice, event: LogprobsSeen) -> bytes:
        content = logprobs_of(event.tokens)
        both = {"content": None, "refusal": content} if event.of_refusal else {"content": content, "refusal": None}
        return self._chunk(event.choice, b"{}", logprobs=encode(both))

    def _finished(self, choice: _Choice, event: Finished) -> bytes | None:
        if choice.finished:
            return None
        choice.finished = True
        if event.finish is Finish.PAUSED:
            self._lose("pause", event, "it is told as a stop")
        if event.stop_sequence is not None:
            self._lose("stop_sequence", event, "it is a stop like any other")
        left = self._left(event.choice, choice)
        return left + self._chunk(event.choice, b"{}", finish=encode(word_of(event.finish, self._functions)))

    def _sealed(self, choice: _Choice, event: SignatureSeen) -> None:
        self._lose("signature", event, "this dialect has no place for it")

    def _foreign(self, choice: _Choice, event: ForeignSeen) -> None:
        self._lose("foreign_part", event, f"it belongs to `{event.part.dialect}`")

    def _lose(self, feature: str, event: Any, why: str) -> None:
        block = f".parts[{event.block}]" if hasattr(event, "block") else ""
        self.losses.append(Loss(feature, f"choices[{event.choice}]{block}", Done.DROPPED, why))

    def _delta(self, number: int, **fields: object) -> bytes:
        return self._chunk(number, encode(fields))

    def _chunk(self, number: int, delta: bytes, *, logprobs: bytes = b"null", finish: bytes = b"null") -> bytes:
        return b'%b{"index":%d,"delta":%b,"logprobs":%b,"finish_reason":%b}%b' % (
            self._head,
            number,
            delta,
            logprobs,
            finish,
            self._tail,
        )

    def _frame(self) -> None:
        """What stands around every chunk's choice; it changes when more is known of the whole."""
        begun, reply = self._started, self._reply
        about = {
            "id": begun.id or f"chatcmpl-{reply.id}",
            "object": "chat.completion.chunk",
            "created": reply.now if begun.created is None else begun.created,
            "model": shown_model(reply, begun.model),
        }
        self._head = b'data: %b,"choices":[' % encode(about)[:-1]
        usage = b'"usage":null' if self._shows_usage else b""
        rest = b",".join(each for each in (self._extra().rstrip(b","), usage) if each)
        self._tail = b"]%b}\n\n" % (b"," + rest if rest else b"")

    def _extra(self) -> bytes:
        return b"" if self._tier is None else b'"service_tier":%b,' % encode(self._tier)


_PIECES: Final[dict[type[Any], Callable[[ChatWriter, _Choice, Any], bytes | None]]] = {
    TextDelta: ChatWriter._text,
    ReasoningDelta: ChatWriter._thought,
    RefusalDelta: ChatWriter._refused,
    ToolCallStarted: ChatWriter._called,
    ArgumentsDelta: ChatWriter._arguments,
    AudioSeen: ChatWriter._audio_seen,
    AudioDelta: ChatWriter._audio,
    TranscriptDelta: ChatWriter._transcript,
    ImageSeen: ChatWriter._image,
    CitationSeen: ChatWriter._cited,
    LogprobsSeen: ChatWriter._probable,
    Finished: ChatWriter._finished,
    SignatureSeen: ChatWriter._sealed,
    ForeignSeen: ChatWriter._foreign,
}
"""What is written for each kind of event of a choice."""
