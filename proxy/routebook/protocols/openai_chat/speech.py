"""A request for speech (`/v1/audio/speech`) and its answer: sound as it is made, or in events with what was used.

Sound alone says nothing of what was used, so that is estimated: from its bytes where they are samples, else from what
is to be said, at fifteen characters a second.
"""

from __future__ import annotations

from typing import Final

import msgspec

from routebook.chat.asked_plain import AskedPlain
from routebook.chat.caps import Caps
from routebook.chat.lazily import lazily
from routebook.chat.usage import Usage
from routebook.protocols.body import WORD, named, read_field, read_fields, read_model, with_fields
from routebook.protocols.errors import ProtocolError, Side
from routebook.protocols.sse import Splitter, fields, spans

EVENTS: Final = "text/event-stream"

CHARACTERS_PER_TOKEN: Final = 0.75
"""Fifteen characters a second, at a token for 50 ms."""

BYTES_PER_TOKEN: Final = 2400
"""Of samples of 16 bits, 24,000 a second."""


class OpenAISpeech(AskedPlain):
    """One request for speech, read as far as somebody asks (`chat.asked.Asked`)."""

    operation: Final = "speech"
    dialect: Final = "openai-chat"
    stream: Final = True
    wants_usage: Final = True
    max_output: Final = None
    choices: Final = 1
    counted_tokens: Final = 0
    messages: Final = 1
    user: Final = None

    def __init__(self, body: bytes, model: str | None = None) -> None:
        read = read_fields(body)
        if model is not None:
            body = named(body, read, model)
        self.model = read_model(read)
        text = read_field(read, "input", WORD)
        if text is None:
            raise ProtocolError(Side.CLIENT, "`input` must be a text", param="input")
        self._text = text
        self.characters = len(text)
        self.body = body
        self.fields = read

    @lazily
    def text(self) -> str:
        """What is to be said."""
        return self._text

    @property
    def prompt(self) -> memoryview:
        """What is to be said, as it came."""
        return memoryview(self.fields["input"])

    @property
    def format(self) -> str:
        """How the sound is wanted."""
        return read_field(self.fields, "response_format", WORD) or "mp3"


def edited_speech(asked: OpenAISpeech, model: str, ask_usage: bool, caps: Caps | None = None) -> bytes:
    """The client's own bytes but for the model's name; nothing else can be set on a request for speech."""
    return with_fields(asked.body, asked.fields, {} if model == asked.model else {"model": model})


class _Done(msgspec.Struct, gc=False):
    input_tokens: int = 0
    output_tokens: int = 0


class _Event(msgspec.Struct, gc=False):
    type: str = ""
    usage: _Done | None = None


_EVENT: Final = msgspec.json.Decoder(_Event, strict=False)


class SpeechReader:
    """Reads sound along while it passes (`protocols.codec.Relaying`): as it is, or in events that end with
    `speech.audio.done`."""

    finish_reason: Final = None
    model: Final = None
    id: Final = None

    def __init__(self, asked: OpenAISpeech, media_type: str) -> None:
        self.is_opaque = not media_type.startswith(EVENTS)
        self.usage: Usage | None = None
        self.saw_error = False
        self.saw_sound = False
        self.error_code: str | None = None
        self.events = 0
        self.done = False
        self._asked = asked
        self._bytes = 0
        self._splitter = Splitter()

    def __repr__(self) -> str:
        return f"<SpeechReader {self._bytes} bytes>"

    @property
    def estimated_output(self) -> int:
        """Tokens of the sound that passed."""
        if self.is_opaque and self._asked.format in ("pcm", "wav"):
            return -(-self._bytes // BYTES_PER_TOKEN)
        return round(len(self._asked.text) / CHARACTERS_PER_TOKEN) if self._bytes else 0

    def feed(self, chunk: bytes) -> bytes:
        """What may go to the client now."""
        self._bytes += len(chunk)
        if self.is_opaque:
            self.events += 1
            self.saw_sound = True
            return chunk
        whole = self._splitter.feed(chunk)
        for event in spans(whole):
            self._read(fields(event)[1])
        return whole

    def end(self) -> bytes:
        """The end of the connection is that of sound; events have one of their own."""
        if self.is_opaque:
            self.done = True
        return b""

    def _read(self, data: bytes | None) -> None:
        if data is None:
            return
        self.events += 1
        try:
            event = _EVENT.decode(data)
        except (msgspec.DecodeError, RecursionError):
            return
        if event.type == "speech.audio.delta":
            self.saw_sound = True
        elif event.type == "speech.audio.done":
            self.done = True
            if event.usage is not None:
                self.usage = Usage(input=max(0, event.usage.input_tokens), output=max(0, event.usage.output_tokens))
        elif event.type == "error":
            self.saw_error = True
