"""Looks along in a session of OpenAI's Realtime API: what is asked, what is answered, what was used.

Several responses may run at the same time (those with `conversation: none`), so each is known by its id. The names of
events are those of the API as it is now and, where they differ, of its beta.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import msgspec

from routebook.chat.usage import Usage
from routebook.protocols.body import read_fields, with_fields
from routebook.protocols.errors import ProtocolError
from routebook.protocols.openai_realtime.usage import read_seconds, read_usage
from routebook.protocols.sessions import (
    NOTHING,
    Began,
    Erred,
    Finished,
    Happening,
    Heard,
    Sounded,
    Spoke,
    Unfinished,
    Wish,
)

LONGEST: Final = 100
"""Characters of an upstream's word that are kept: it goes into the record."""

MOST_RUNNING: Final = 64
"""Responses that are followed at the same time; of further ones only the end is seen."""

BASE64_PER_SPOKEN_TOKEN: Final = 3200
"""Characters of a spoken token: 50 ms of 16-bit samples at 24 kHz, in base64."""

BASE64_PER_HEARD_TOKEN: Final = 6400
"""Characters of a token heard: 100 ms of the same."""

SHORTEST_HEARD_TOKEN: Final = 1066
"""The fewest that it can have: 100 ms of 8-bit samples at 8 kHz (G.711)."""

BYTES_PER_TOKEN: Final = 4

_RAW: Final = msgspec.Raw(b"")


class _Frame(msgspec.Struct, gc=False):
    type: str = ""
    event_id: msgspec.Raw = _RAW
    response: msgspec.Raw = _RAW
    response_id: msgspec.Raw = _RAW
    delta: msgspec.Raw = _RAW
    audio: msgspec.Raw = _RAW
    usage: msgspec.Raw = _RAW
    session: msgspec.Raw = _RAW
    error: msgspec.Raw = _RAW


class _Details(msgspec.Struct, gc=False):
    reason: str | None = None


class _Response(msgspec.Struct, gc=False):
    id: str = ""
    status: str = ""
    status_details: _Details | None = None
    usage: msgspec.Raw = _RAW


class _Transcription(msgspec.Struct, gc=False):
    model: str | None = None


class _TurnDetection(msgspec.Struct, gc=False):
    create_response: bool | None = None


class _AudioInput(msgspec.Struct, gc=False):
    transcription: _Transcription | None = None
    turn_detection: _TurnDetection | None = None


class _Audio(msgspec.Struct, gc=False):
    input: _AudioInput | None = None


class _Session(msgspec.Struct, gc=False):
    model: str | None = None
    audio: _Audio | None = None
    turn_detection: _TurnDetection | None = None
    input_audio_transcription: _Transcription | None = None


class _Error(msgspec.Struct, gc=False):
    code: str | None = None
    message: str | None = None


_FRAME: Final = msgspec.json.Decoder(_Frame)
_RESPONSE: Final = msgspec.json.Decoder(_Response, strict=False)
_SESSION: Final = msgspec.json.Decoder(_Session, strict=False)
_ERROR: Final = msgspec.json.Decoder(_Error, strict=False)
_TEXT: Final = msgspec.json.Decoder(str)

_UNREAD: Final = (msgspec.DecodeError, RecursionError, UnicodeDecodeError)

_SOUND: Final = frozenset({"response.output_audio.delta", "response.audio.delta"})
_WORDS: Final = frozenset(
    {
        "response.output_text.delta",
        "response.text.delta",
        "response.output_audio_transcript.delta",
        "response.audio_transcript.delta",
        "response.function_call_arguments.delta",
    }
)
_SPEAKING: Final = frozenset({"input_audio_buffer.append", "input_audio_buffer.commit"})


class _Running:
    """A response that has begun: what of it has passed, in characters, and what the client had told before it."""

    __slots__ = ("before", "sound", "words")

    def __init__(self, before: tuple[int, int]) -> None:
        self.before = before
        self.sound = 0
        self.words = 0

    @property
    def usage(self) -> Usage:
        """What it has made so far."""
        sound = -(-self.sound // BASE64_PER_SPOKEN_TOKEN)
        return Usage(output=-(-self.words // BYTES_PER_TOKEN), audio_output=sound)


class RealtimeReader:
    """Looks along in one session (`protocols.sessions.SessionReader`). `asked` is the client's name of the model, `served` the
    upstream's: some clients (OpenAI's for agents) say theirs again in the session's settings, where it must not change."""

    def __init__(self, asked: str = "", served: str = "") -> None:
        self._asked = asked
        self._served = served
        self.model: str | None = None
        self.transcriber: str | None = None
        self._answers_by_itself = True
        self._running: dict[str, _Running] = {}
        self._known = Usage()
        self._text = 0
        self._sound = 0

    def __repr__(self) -> str:
        return f"<RealtimeReader of {self.model}, {len(self._running)} responses running>"

    @property
    def most_input(self) -> int:
        """All that was read and said before, and a token for every byte told since; sound is counted by its shortest
        token."""
        known = self._known.total_input + self._known.total_output
        return known + self._text + -(-self._sound // SHORTEST_HEARD_TOKEN)

    def sent(self, frame: bytes) -> Wish:
        """A frame of the client. Sound leads to a response where the upstream itself finds the end of what is said."""
        try:
            read = _FRAME.decode(frame)
        except _UNREAD:
            self._text += len(frame)
            return Wish()
        if read.type == "input_audio_buffer.append":
            self._sound += len(read.audio)
            return Wish(speaks=True, event=_text(read.event_id)) if self._answers_by_itself else Wish()
        self._text += len(frame)
        if read.type == "session.update":
            return Wish(instead=self._renamed(frame, read))
        if read.type == "response.create":
            return Wish(asks=True, event=_text(read.event_id))
        if read.type in _SPEAKING and self._answers_by_itself:
            return Wish(speaks=True, event=_text(read.event_id))
        return Wish()

    def _renamed(self, frame: bytes, read: _Frame) -> bytes | None:
        """Settings that name the model, with the upstream's name of it; None where that is what they say, or nothing."""
        if self._asked == self._served or b'"model"' not in bytes(read.session):
            return None
        try:
            session = bytes(read.session)
            fields = read_fields(session)
            if _text(fields.get("model", _RAW)) != self._asked:
                return None
            renamed = with_fields(session, fields, {"model": self._served})
            return with_fields(frame, read_fields(frame), {"session": msgspec.Raw(renamed)})
        except ProtocolError:
            return None

    def came(self, frame: bytes) -> Sequence[Happening]:
        """A frame of the upstream."""
        try:
            read = _FRAME.decode(frame)
            if read.type in _SOUND or read.type in _WORDS:
                return self._passed(read)
            reader = _READERS.get(read.type)
            return NOTHING if reader is None else reader(self, read)
        except _UNREAD:
            return NOTHING

    def unfinished(self) -> Sequence[Unfinished]:
        """What each has read is taken to be all that was told before it, and none of it cached."""
        return [
            Unfinished(identity, self._likely(running.before, running.usage))
            for identity, running in self._running.items()
        ]

    def broke(self) -> Sequence[Finished]:
        """Those that were running, by what passed of them."""
        ended = [Finished(left.id, "failed", None, None, left.usage) for left in self.unfinished()]
        self._running.clear()
        return ended

    def _likely(self, before: tuple[int, int], made: Usage) -> Usage:
        known = self._known
        text, sound = before
        return Usage(
            input=known.input + known.cached_input + known.output + -(-text // BYTES_PER_TOKEN),
            audio_input=known.audio_input
            + known.cached_audio_input
            + known.audio_output
            + -(-sound // BASE64_PER_HEARD_TOKEN),
            output=made.output,
            audio_output=made.audio_output,
        )

    def _passed(self, read: _Frame) -> Sequence[Happening]:
        identity = _text(read.response_id) or ""
        running = self._running.get(identity)
        if running is None:
            return NOTHING
        is_first = not running.sound and not running.words
        size = max(0, len(read.delta) - 2)
        if read.type not in _SOUND:
            running.words += size
            return (Spoke(identity),) if is_first else NOTHING
        is_first_sound = not running.sound
        running.sound += size
        if is_first:
            return Spoke(identity), Sounded(identity)
        return (Sounded(identity),) if is_first_sound else NOTHING

    def _began(self, read: _Frame) -> Sequence[Happening]:
        identity = _RESPONSE.decode(read.response).id
        if len(self._running) < MOST_RUNNING:
            self._running[identity] = _Running((self._text, self._sound))
        return (Began(identity),)

    def _finished(self, read: _Frame) -> Sequence[Happening]:
        said = _RESPONSE.decode(read.response)
        running = self._running.pop(said.id, None)
        usage = read_usage(said.usage) if bytes(said.usage) not in (b"", b"null") else None
        estimate = Usage() if running is None else self._likely(running.before, running.usage)
        self._known = usage or estimate
        if running is not None:
            self._was_read(*running.before)
        reason = None if said.status_details is None else said.status_details.reason
        return (Finished(said.id, said.status[:LONGEST], reason and reason[:LONGEST], usage, estimate),)

    def _was_read(self, text: int, sound: int) -> None:
        """So much of what was told is counted in what is known now."""
        self._text, self._sound = max(0, self._text - text), max(0, self._sound - sound)
        for other in self._running.values():
            other.before = max(0, other.before[0] - text), max(0, other.before[1] - sound)

    def _heard(self, read: _Frame) -> Sequence[Happening]:
        if not len(read.usage):
            return NOTHING
        return (Heard(read_usage(read.usage), read_seconds(read.usage)),)

    def _settled(self, read: _Frame) -> Sequence[Happening]:
        """What the session is set to, as the upstream says it."""
        said = _SESSION.decode(read.session)
        if said.model is not None:
            self.model = said.model[:LONGEST]
        way_in = None if said.audio is None else said.audio.input
        detects = said.turn_detection if way_in is None else way_in.turn_detection
        writes = said.input_audio_transcription if way_in is None else way_in.transcription
        self._answers_by_itself = detects is not None and detects.create_response is not False
        self.transcriber = None if writes is None or writes.model is None else writes.model[:LONGEST]
        return NOTHING

    def _erred(self, read: _Frame) -> Sequence[Happening]:
        said = _ERROR.decode(read.error)
        return (Erred(said.code and said.code[:LONGEST], (said.message or "")[:LONGEST]),)


_READERS: Final[Mapping[str, Callable[[RealtimeReader, _Frame], Sequence[Happening]]]] = {
    "response.created": RealtimeReader._began,
    "response.done": RealtimeReader._finished,
    "conversation.item.input_audio_transcription.completed": RealtimeReader._heard,
    "session.created": RealtimeReader._settled,
    "session.updated": RealtimeReader._settled,
    "error": RealtimeReader._erred,
}


def _text(raw: msgspec.Raw) -> str | None:
    try:
        return _TEXT.decode(raw)
    except _UNREAD:
        return None
