"""A Realtime upstream, for clients of other APIs: what is asked for as its events, and its events as what they tell.

It answers only when it is told to, or when it hears that somebody has spoken; one answer at a time. So an answer that is
asked for while another runs waits until that is over.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from routebook.chat.conversation import Calling, Message, Role, Tool
from routebook.chat.features import Feature
from routebook.chat.parts import Image, Inline, Text, ToolCall
from routebook.chat.resampling import Resampler
from routebook.chat.talk import (
    Add,
    AddResult,
    Ask,
    Call,
    Called,
    Cancel,
    CloseTurn,
    Configure,
    Failed,
    Interrupted,
    Lack,
    NotCarried,
    OpenTurn,
    PauseSound,
    Ready,
    Respond,
    Settings,
    Sound,
    SoundMade,
    SpeechBegan,
    SpeechEnded,
    Tell,
    TextMade,
    TurnBegan,
    TurnEnded,
    Up,
    WordsHeard,
    WordsMade,
)
from routebook.protocols.errors import ProtocolError, Side
from routebook.protocols.openai_realtime.usage import read_usage

RATE: Final = 24_000
"""Samples a second of `audio/pcm` (vendor's reference, 2026: no other is taken)."""

SILENCE_MS: Final = 500
"""Quiet that ends a turn where the client did not say how much does."""

TRANSCRIBER: Final = "gpt-4o-mini-transcribe"
"""Who writes down what is said, where a client wants that and its API has no word for a model: the vendor's smallest."""

_HARMLESS: Final = frozenset({"response_cancel_not_active", "input_audio_buffer_commit_empty"})
"""Errors that only say that there was nothing to do."""

_SHORTEST_MS: Final = 100
_BYTES_PER_MS: Final = RATE * 2 // 1000

Out = Up | Tell


class _Event(msgspec.Struct, gc=False):
    type: str = ""
    response: dict[str, Any] | None = None
    item: dict[str, Any] | None = None
    delta: str | None = None
    transcript: str | None = None
    error: dict[str, Any] | None = None


_EVENT: Final = msgspec.json.Decoder(_Event, strict=False)


class RealtimeUpstream:
    """One session (`protocols.session_codecs.UpstreamCodec`)."""

    def __init__(self) -> None:
        self._settings = Settings()
        self._resampler = Resampler(RATE, RATE)
        self._is_ready = False
        self._is_running = False
        self._is_wanted = False
        self._is_cancelled = False
        self._turn_ms = 0.0
        self._calls: list[Call] = []

    def __repr__(self) -> str:
        return f"<RealtimeUpstream {'answering' if self._is_running else 'quiet'}>"

    @property
    def is_in_turn(self) -> bool:
        """Every answer is one of its own."""
        return False

    def lacks(self, settings: Settings) -> Sequence[Lack]:
        """What a session cannot be set to."""
        if settings.temperature is None:
            return ()
        return (Lack(Feature.TEMPERATURE, "setup.generationConfig.temperature", "sessions have none"),)

    def opening(self) -> Sequence[bytes]:
        """The settings; the session is there before."""
        return (_event("session.update", session=self._session()).frame,)

    def may_resume(self) -> bool:
        """Sessions end with their connections."""
        return False

    def cut(self) -> Iterator[Out]:
        """Nothing is to be said of it."""
        yield from ()

    # ---- what is asked for

    def ask(self, ask: Ask) -> Iterator[Out]:
        """Events, or what stands in the way."""
        match ask:
            case Configure(settings):
                self._settings = settings
                if self._is_ready:
                    yield _event("session.update", session=self._session())
            case Sound(samples, rate):
                yield from self._sound(samples, rate)
            case OpenTurn():
                self._turn_ms = 0.0
                yield _event("input_audio_buffer.clear")
            case CloseTurn():
                yield from self._close_turn()
            case PauseSound():
                yield from self._pause()
            case Add(message):
                yield from self._add(message)
            case AddResult(call, _, output):
                item = {"type": "function_call_output", "call_id": call, "output": output}
                yield _event("conversation.item.create", item=item)
            case Respond():
                yield from self._respond()
            case Cancel():
                self._is_wanted = False
                if self._is_running and not self._is_cancelled:
                    self._is_cancelled = True
                    yield _event("response.cancel")

    def _respond(self) -> Iterator[Out]:
        if self._is_running:
            self._is_wanted = True
            return
        self._is_running = True
        yield _event("response.create")

    def _sound(self, samples: bytes, rate: int) -> Iterator[Out]:
        if rate != self._resampler.source:
            yield from self._appended(self._resampler.flush())
            self._resampler = Resampler(rate, RATE)
        yield from self._appended(self._resampler.change(samples))

    def _appended(self, samples: bytes) -> Iterator[Out]:
        if samples:
            self._turn_ms += len(samples) / _BYTES_PER_MS
            yield _event("input_audio_buffer.append", audio=base64.b64encode(samples).decode())

    def _close_turn(self) -> Iterator[Out]:
        """What was spoken becomes an item; quiet is added to what is too short to be one."""
        yield from self._appended(self._resampler.flush())
        missing = _SHORTEST_MS - self._turn_ms
        if missing > 0:
            yield from self._appended(bytes((int(missing) + 1) * _BYTES_PER_MS))
        self._turn_ms = 0.0
        yield _event("input_audio_buffer.commit")

    def _pause(self) -> Iterator[Out]:
        """Quiet, as much as tells the upstream that the speaker has ended."""
        yield from self._appended(self._resampler.flush())
        silence = self._settings.turns.silence_ms or SILENCE_MS
        yield from self._appended(bytes((silence + _SHORTEST_MS) * _BYTES_PER_MS))

    def _add(self, message: Message) -> Iterator[Out]:
        said = message.role is Role.ASSISTANT
        content: list[dict[str, Any]] = []
        for part in message.parts:
            match part:
                case Text(text):
                    content.append({"type": "output_text" if said else "input_text", "text": text})
                case Image(Inline(media_type, data)) if not said:
                    content.append({"type": "input_image", "image_url": f"data:{media_type};base64,{data}"})
                case ToolCall(id=identity, name=name, arguments=arguments):
                    call = {"type": "function_call", "call_id": identity, "name": name, "arguments": arguments}
                    yield _event("conversation.item.create", item=call)
                case _:
                    yield NotCarried("turns", "the upstream takes text, and images of the user's")
                    return
        if content:
            item = {"type": "message", "role": "assistant" if said else "user", "content": content}
            yield _event("conversation.item.create", item=item)

    # ---- what it tells

    def came(self, frame: bytes) -> Iterator[Out]:
        """What an event tells; raises ProtocolError where it is none of the API's."""
        try:
            event = _EVENT.decode(frame)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            raise ProtocolError(Side.UPSTREAM, "an event is not what the API says") from None
        reader = _READERS.get(event.type)
        if reader is not None:
            yield from reader(self, event)

    def _updated(self, event: _Event) -> Iterator[Out]:
        self._is_ready = True
        yield Ready()

    def _created(self, event: _Event) -> Iterator[Out]:
        self._is_running = True
        self._calls = []
        yield TurnBegan()

    def _audio(self, event: _Event) -> Iterator[Out]:
        if event.delta and not self._is_cancelled:
            try:
                samples = base64.b64decode(event.delta, validate=True)
            except (binascii.Error, ValueError):
                raise ProtocolError(Side.UPSTREAM, "sound is not base64") from None
            yield SoundMade(samples, RATE)

    def _words(self, event: _Event) -> Iterator[Out]:
        if event.delta and not self._is_cancelled:
            yield WordsMade(event.delta)

    def _text(self, event: _Event) -> Iterator[Out]:
        if event.delta and not self._is_cancelled:
            yield TextMade(event.delta)

    def _item_done(self, event: _Event) -> Iterator[Out]:
        item = event.item or {}
        if item.get("type") == "function_call":
            call = str(item.get("call_id") or ""), str(item.get("name") or ""), str(item.get("arguments") or "{}")
            self._calls.append(Call(*call))
        yield from ()

    def _speech_began(self, event: _Event) -> Iterator[Out]:
        yield SpeechBegan()
        if self._is_running and self._settings.turns.interrupts and not self._is_cancelled:
            self._is_cancelled = True
            yield Interrupted()

    def _speech_ended(self, event: _Event) -> Iterator[Out]:
        yield SpeechEnded()

    def _heard(self, event: _Event) -> Iterator[Out]:
        if event.delta:
            yield WordsHeard(event.delta)

    def _heard_out(self, event: _Event) -> Iterator[Out]:
        yield WordsHeard(event.transcript or "", True)

    def _done(self, event: _Event) -> Iterator[Out]:
        response = event.response or {}
        self._is_running = self._is_cancelled = False
        calls, self._calls = tuple(self._calls), []
        usage = response.get("usage")
        counted = None if usage is None else read_usage(msgspec.json.encode(usage))
        status, details = str(response.get("status") or "completed"), response.get("status_details") or {}
        if status == "completed" and calls:
            yield Called(calls, counted)
        else:
            error = details.get("error") if isinstance(details, dict) else None
            reason = details.get("reason") if isinstance(details, dict) else None
            if isinstance(error, dict):
                reason = error.get("code") or error.get("type") or reason
            yield TurnEnded(status, None if reason is None else str(reason)[:100], counted)
        if self._is_wanted:
            self._is_wanted = False
            yield from self._respond()

    def _erred(self, event: _Event) -> Iterator[Out]:
        said = event.error or {}
        code = str(said.get("code") or said.get("type") or "")[:100]
        if code not in _HARMLESS:
            yield Failed(code or None, str(said.get("message") or "")[:200])

    # ---- how it is set

    def _session(self) -> dict[str, Any]:
        settings, turns = self._settings, self._settings.turns
        detection: dict[str, Any] | None = None
        if turns.automatic:
            detection = {"type": "server_vad", "create_response": True, "interrupt_response": turns.interrupts}
            detection["silence_duration_ms"] = turns.silence_ms or SILENCE_MS
            if turns.padding_ms is not None:
                detection["prefix_padding_ms"] = turns.padding_ms
        pcm = {"type": "audio/pcm", "rate": RATE}
        spoken: dict[str, Any] = {"format": pcm} if settings.voice is None else {"format": pcm, "voice": settings.voice}
        session: dict[str, Any] = {
            "type": "realtime",
            "output_modalities": ["audio" if settings.speaks else "text"],
            "audio": {
                "input": {
                    "format": pcm,
                    "turn_detection": detection,
                    "transcription": {"model": TRANSCRIBER} if settings.hears else None,
                },
                "output": spoken,
            },
        }
        if settings.instructions:
            session["instructions"] = settings.instructions
        if settings.tools:
            session["tools"] = [_tool(each) for each in settings.tools]
        if settings.choice is not None and settings.choice.calling is Calling.NONE:
            session["tool_choice"] = "none"
        if settings.max_output is not None:
            session["max_output_tokens"] = settings.max_output
        return session


_READERS: Final[Mapping[str, Callable[[RealtimeUpstream, _Event], Iterator[Out]]]] = {
    "session.updated": RealtimeUpstream._updated,
    "response.created": RealtimeUpstream._created,
    "response.output_audio.delta": RealtimeUpstream._audio,
    "response.output_audio_transcript.delta": RealtimeUpstream._words,
    "response.output_text.delta": RealtimeUpstream._text,
    "response.output_item.done": RealtimeUpstream._item_done,
    "response.done": RealtimeUpstream._done,
    "input_audio_buffer.speech_started": RealtimeUpstream._speech_began,
    "input_audio_buffer.speech_stopped": RealtimeUpstream._speech_ended,
    "conversation.item.input_audio_transcription.delta": RealtimeUpstream._heard,
    "conversation.item.input_audio_transcription.completed": RealtimeUpstream._heard_out,
    "error": RealtimeUpstream._erred,
}


def _tool(tool: Tool) -> dict[str, Any]:
    written: dict[str, Any] = {"type": "function", "name": tool.name}
    if tool.description is not None:
        written["description"] = tool.description
    written["parameters"] = (
        {"type": "object", "properties": {}} if tool.parameters is None else msgspec.Raw(tool.parameters.encode())
    )
    return written


def _event(kind: str, **fields: Any) -> Up:
    return Up(msgspec.json.encode({"type": kind, **fields}))
