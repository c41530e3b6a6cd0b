"""A streamed answer, read along while it passes: usage, finish reason, served model, an error, the end.

Most chunks matter to nobody but the client: substring tests find the few that are parsed. A JSON text cannot hold a
bare quotation mark, so the bytes `"usage"` are a key, or a text of exactly that word, and never a part of a sentence.
"""

from __future__ import annotations

import re
from typing import Final

from msgspec import Raw

from routebook.chat.usage import Usage
from routebook.protocols.openai_chat.answers import LONGEST, NOTHING, SOUND, Said, code_of, read_said, sound_id
from routebook.protocols.openai_chat.usage import read_usage
from routebook.protocols.sse import Splitter, fields, spans

BYTES_PER_TOKEN: Final = 4
"""What an estimate counts for one token of text, where an upstream counted nothing."""

BYTES_PER_SPOKEN_TOKEN: Final = 3200
"""Base64 of 50 ms of `pcm16`, for which OpenAI counts a token."""

LAST: Final = 3
"""Events at the end of a stream that say more than text: the finish reason, the usage, the end."""

_FRAME: Final = len(b"data: \n\n")
"""What stands around the data of an event that is passed on unread."""

_DONE: Final = b"[DONE]"
_DONE_AND_MORE: Final = b"[DONE]\n"
_END_MARK: Final = re.compile(rb"data: ?\[DONE\](\r\n|\n)")


class StreamReader:
    """Reads one stream. Feed what arrives, pass on what comes back; the attributes say what was seen so far.

    With `hide_usage` the chunk that holds nothing but usage is kept from the client, who did not ask for it.

    `events` counts events with data; comments do not count, so a stream has begun when it is not 0.
    `error_code` is the upstream's own code or type of an error event, where it has one.
    """

    def __init__(self, hide_usage: bool = False) -> None:
        self._splitter = Splitter()
        self._hide_usage = hide_usage
        self._first_bytes = 0
        self._bytes = 0
        self._sounds = 0
        self._sound_bytes = 0
        self.usage: Usage | None = None
        self.finish_reason: str | None = None
        self.model: str | None = None
        self.id: str | None = None  # of what was spoken: there is no other way to go on from an answer of this dialect
        self.saw_sound = False
        self.saw_error = False
        self.error_code: str | None = None
        self.done = False
        self.events = 0

    def __repr__(self) -> str:
        state = "done" if self.done else "error" if self.saw_error else "open"
        return f"<StreamReader {state} {self.events} events, model {self.model}, usage {self.usage}>"

    def feed(self, chunk: bytes) -> bytes:
        """What may go to the client now: whole events as they came, nothing after the end.

        Raises ProtocolError where an event grows beyond every bound.
        """
        if self.done:
            return b""
        whole = self._splitter.feed(chunk)
        if not whole:
            return self._ends_early()
        if self.events and _is_dull(whole):
            return self._skip(whole) + self._ends_early()
        first, middle, last = _ends_apart(whole)
        if middle and _is_dull(middle):
            passed = self._read(first)
            if not self.done:
                passed += (self._skip(middle) if self.events else self._read(middle)) + self._read(last)
        else:
            passed = self._read(whole)
        return passed if self.done else passed + self._ends_early()

    def end(self) -> bytes:
        """The connection has ended; this dialect has an end of its own, so nothing follows and `done` stays as it is."""
        return b""

    @property
    def rest(self) -> bytes:
        """What is left of an event that never ended; it is nothing a client may see."""
        return self._splitter.held

    @property
    def estimated_output(self) -> int:
        """Tokens that came out, by the size of the chunks: for a stream whose upstream counted nothing.

        The first chunk holds a role and no text, so its size is what each chunk costs without its text; a chunk
        that brings text brings one token at least.
        """
        events = self.events - self._sounds
        if self.events < 2:
            return 0
        text = self._bytes - self._first_bytes * events
        return max(events - 2, text // BYTES_PER_TOKEN, 0) + self.estimated_sound

    @property
    def estimated_sound(self) -> int:
        """How many of these are of sound, by its length."""
        return -(-max(0, self._sound_bytes - self._first_bytes * self._sounds) // BYTES_PER_SPOKEN_TOKEN)

    def _ends_early(self) -> bytes:
        """The end mark as soon as its line is there: some upstreams forget the empty line after it."""
        held = self._splitter.held
        mark = _END_MARK.match(held) if held else None
        if mark is None:
            return b""
        self.done = True
        self.events += 1
        return mark[0] + mark[1]

    def _skip(self, dull: bytes) -> bytes:
        """Events that only have to be counted."""
        events = dull.count(b"\n") // 2
        self._bytes += len(dull) - events * _FRAME
        self.events += events
        return dull

    def _read(self, whole: bytes) -> bytes:
        """Events one by one: at the beginning, and wherever a run holds something that matters."""
        kept: list[bytes] = []
        for event in spans(whole):
            name, data = fields(event)
            if data is not None and self._hides(name, data):
                continue
            if self.done:
                mark = _END_MARK.match(event)
                kept.append(event if mark is None else mark[0] + mark[1])
                break
            kept.append(event)
        return b"".join(kept)

    def _hides(self, name: str | None, data: bytes) -> bool:
        """Take in one event's data; whether it is to be kept from the client."""
        self.events += 1
        if data == _DONE or data.startswith(_DONE_AND_MORE):
            self.done = True
            return False
        self._bytes += len(data)
        if SOUND in data:
            self.id = self.id or sound_id(data)
            if b'"data"' in data:
                self.saw_sound = True
                self._sounds += 1
                self._sound_bytes += len(data)
                self._bytes -= len(data)
        first = self.events == 1
        if first:
            self._first_bytes = 0 if self.saw_sound else len(data)
        if name == "error":
            self._note_error(Raw(data))
        if not first and name is None and _is_plain(data):
            return False
        chunk = read_said(data)
        if bytes(chunk.error) != b"null":
            self._note_error(chunk.error)
        return self._take(chunk)

    def _take(self, chunk: Said) -> bool:
        if self.model is None and chunk.model:
            self.model = chunk.model[:LONGEST]
        for choice in chunk.choices or ():
            if choice.finish_reason is not None and (choice.index == 0 or self.finish_reason is None):
                self.finish_reason = choice.finish_reason[:LONGEST]
        usage = read_usage(chunk.usage) if chunk.usage is not NOTHING else None
        if usage is None:
            return False
        self.usage = usage
        return self._hide_usage and not chunk.choices and bytes(chunk.error) == b"null"

    def _note_error(self, raw: Raw) -> None:
        self.saw_error = True
        self.error_code = self.error_code or code_of(raw)


def _ends_apart(whole: bytes) -> tuple[bytes, bytes, bytes]:
    """The first event, those in the middle, and the last three: where something that matters usually stands.

    The middle is empty where there is none, or where lines do not end as they usually do.
    """
    first = whole.find(b"\n\n") + 2
    last = len(whole) - 2
    for _ in range(LAST):
        last = whole.rfind(b"\n\n", first, last)
        if last < 0:
            return whole, b"", b""
    return whole[:first], whole[first : last + 2], whole[last + 2 :]


def _is_dull(whole: bytes) -> bool:
    """Whether a run of events, none of them the first, holds nothing that has to be looked at.

    Each event must be one line of data, so that they can be counted without looking at them either.
    """
    return (
        whole.startswith(b"data: ")
        and whole.count(b"\n") == 2 * whole.count(b"\n\ndata: ") + 2
        and b"\r" not in whole
        and _DONE not in whole
        and SOUND not in whole
        and _is_plain(whole)
    )


def _is_plain(data: bytes) -> bool:
    """Whether data holds no usage, finish reason or error that is not null."""
    return (
        b'"error"' not in data
        and _is_null(data, b'"usage"', b'"usage":null', b'"usage": null')
        and _is_null(data, b'"finish_reason"', b'"finish_reason":null', b'"finish_reason": null')
    )


def _is_null(data: bytes, key: bytes, null: bytes, spaced: bytes) -> bool:
    found = data.count(key)
    return not found or found == data.count(null) or found == data.count(spaced)
