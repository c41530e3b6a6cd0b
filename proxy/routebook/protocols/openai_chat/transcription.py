"""Requests to write down what was said (`/v1/audio/transcriptions`), in its language or in English
(`/v1/audio/translations`), and their answers: JSON, text, subtitles, or events as the words are found.

The vendor counts tokens or seconds, and says so in JSON and in the last event. Text and subtitles say nothing of it:
there the sound's length counts, by the last subtitle or by the file's own head.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from routebook.chat.asked_plain import AskedPlain
from routebook.chat.lazily import lazily
from routebook.chat.usage import Usage
from routebook.protocols.answered import Answered
from routebook.protocols.body import MODEL_LENGTH
from routebook.protocols.errors import ProtocolError, Side
from routebook.protocols.form import FormReader
from routebook.protocols.sse import Splitter, fields, spans
from routebook.sound.lengths import length_of

MS_PER_TOKEN: Final = 100
"""Milliseconds of what a user says to a token, as OpenAI counts."""

FORMATS: Final = ("json", "text", "srt", "verbose_json", "vtt", "diarized_json")
"""How an answer may be asked for (vendor's reference, 2026)."""

_CUE_END: Final = re.compile(rb"--> *(?:(\d+):)?(\d\d):(\d\d)[.,](\d{3})")


class OpenAITranscription(AskedPlain):
    """One request, as far as its form was read when it was decided (`chat.asked.Asked`). `heard_ms` is how many
    milliseconds the sound probably has, `most_ms` how many at most."""

    dialect: Final = "openai-chat"
    wants_usage: Final = True
    max_output: Final = None
    choices: Final = 1
    messages: Final = 1
    user: Final = None

    def __init__(self, operation: str, form: FormReader, size: int, file_size: int, model: str | None = None) -> None:
        named = form.fields.get("model", model)
        if not named or len(named) > MODEL_LENGTH:
            words = f"`model` must be a text of 1 to {MODEL_LENGTH} characters"
            raise ProtocolError(Side.CLIENT, words, param="model")
        if form.file is None:
            raise ProtocolError(Side.CLIENT, "`file` must be a file", param="file")
        self.operation = operation
        self.model = named
        self.form: Mapping[str, str] = dict(form.fields)
        self.stream = form.fields.get("stream", "").lower() in ("true", "1")
        self.body = b""
        length = length_of(form.first, file_size)
        self.heard_ms, self.most_ms = length.likely, -(-length.most // 1000) * 1000  # whole seconds may be billed
        self._size = size

    @property
    def body_bytes(self) -> int:
        """The size of the whole form, its file included."""
        return self._size

    @lazily
    def text(self) -> str:
        """The words that are given with the sound, so that it is spelled like them."""
        return self.form.get("prompt", "")

    @property
    def prompt(self) -> bytes:
        """The same, for its digest."""
        return self.text.encode("utf-8", "replace")

    @property
    def counted_tokens(self) -> int:
        """What the sound counts for."""
        return -(-self.heard_ms // MS_PER_TOKEN)

    @property
    def format(self) -> str:
        """How the answer is wanted."""
        return self.form.get("response_format") or "json"


class _Details(msgspec.Struct, gc=False):
    text_tokens: int = 0
    audio_tokens: int = 0


class _Used(msgspec.Struct, gc=False):
    type: str = ""
    seconds: float | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    input_token_details: _Details | None = None


class _Said(msgspec.Struct, gc=False):
    type: str = ""
    usage: _Used | None = None
    duration: float | None = None
    error: Any = None


_SAID: Final = msgspec.json.Decoder(_Said, strict=False)
_ANY: Final = msgspec.json.Decoder()


def read_transcript(asked: OpenAITranscription, media_type: str, body: bytes) -> Answered | None:
    """What a whole answer says of itself; None where it is none."""
    if asked.format not in ("text", "srt", "vtt") or media_type.startswith("application/json"):
        try:
            _ANY.decode(body)
        except (ValueError, RecursionError):
            return None
        said = _read(body)
        return Answered(_usage_of(said))
    ends = [_ms(*found.groups()) for found in _CUE_END.finditer(body)]
    return Answered(Usage(heard_ms=max(ends))) if ends and asked.format != "text" else Answered()


def _ms(hours: bytes | None, minutes: bytes, seconds: bytes, rest: bytes) -> int:
    return ((int(hours or 0) * 60 + int(minutes)) * 60 + int(seconds)) * 1000 + int(rest)


def _read(data: bytes) -> _Said:
    try:
        return _SAID.decode(data)
    except (msgspec.DecodeError, RecursionError):
        return _Said()


def _usage_of(said: _Said) -> Usage | None:
    used = said.usage
    if used is None:
        return None if said.duration is None else Usage(heard_ms=max(0, round(said.duration * 1000)))
    if used.seconds is not None:
        return Usage(heard_ms=max(0, round(used.seconds * 1000)))
    details = used.input_token_details or _Details()
    heard = min(max(0, details.audio_tokens), max(0, used.input_tokens))
    return Usage(input=max(0, used.input_tokens) - heard, audio_input=heard, output=max(0, used.output_tokens))


class TranscriptReader:
    """Reads events along while they pass (`protocols.codec.Relaying`); `transcript.text.done` is the last."""

    finish_reason: Final = None
    model: Final = None
    id: Final = None
    is_opaque: Final = False

    def __init__(self, asked: OpenAITranscription, media_type: str) -> None:
        self.usage: Usage | None = None
        self.saw_error = False
        self.error_code: str | None = None
        self.events = 0
        self.done = False
        self._bytes = 0
        self._splitter = Splitter()

    def __repr__(self) -> str:
        return f"<TranscriptReader {self.events} events{', done' if self.done else ''}>"

    @property
    def estimated_output(self) -> int:
        """Tokens of the words that passed: one an event."""
        return self.events

    def feed(self, chunk: bytes) -> bytes:
        """The events that are whole now."""
        whole = self._splitter.feed(chunk)
        for event in spans(whole):
            data = fields(event)[1]
            if data is not None:
                self._take(_read(data))
        return whole

    def end(self) -> bytes:
        """Events have an end of their own."""
        return b""

    def _take(self, said: _Said) -> None:
        self.events += 1
        if said.type == "transcript.text.done":
            self.usage = _usage_of(said)
            self.done = True
        elif said.error is not None or said.type == "error":
            self.saw_error = True
