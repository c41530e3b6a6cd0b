"""Streams on their way to a client: translated from one dialect to another, or relayed byte for byte.

Both look the same to whoever passes them on (`codec.Relaying`), and both say the same of what went by.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from routebook.chat.events import (
    ArgumentsDelta,
    AudioDelta,
    Event,
    Failed,
    Finished,
    ReasoningDelta,
    RefusalDelta,
    Started,
    TextDelta,
    UsageSeen,
)
from routebook.chat.faults import Fault
from routebook.chat.loss import Loss
from routebook.chat.remembering import Memory, Remembering
from routebook.chat.usage import Usage
from routebook.protocols.codec import EventReader, EventWriter
from routebook.protocols.sse import Splitter

BYTES_PER_TOKEN: Final = 4
"""What an estimate counts for one token of text, where an upstream counted nothing."""

BASE64_PER_SPOKEN_TOKEN: Final = 3200
"""Base64 of 50 ms of samples at 24,000 a second: what an estimate counts for one token of sound."""

LONGEST: Final = 100
"""Characters of an upstream's word that are kept: it goes into the record."""


class Witness:
    """What events say of their stream, for the record: the last usage, the first choice's reason, the served model; and
    its id, by which a later request may go on from it (`asked.session`); `saw_sound` says that some of it was sound."""

    def __init__(self) -> None:
        self.finish_reason: str | None = None
        self.model: str | None = None
        self.id: str | None = None
        self.saw_error = False
        self.error_code: str | None = None
        self.events = 0
        self.saw_sound = False
        self._usage: Usage | None = None
        self._counted = False
        self._words = 0
        self._refused = 0
        self._text = 0
        self._sound = 0

    def __repr__(self) -> str:
        state = "error" if self.saw_error else "open" if self.finish_reason is None else self.finish_reason
        return f"<Witness {state} {self.events} events, model {self.model}, usage {self.usage}>"

    @property
    def usage(self) -> Usage | None:
        """What was used, as the upstream counted last. None where an answer that has ended was counted before its words
        alone; of one that broke off, such a count is what is known."""
        return self._usage if self.finish_reason is None or self._counted or not self._words else None

    @property
    def estimated_output(self) -> int:
        """Tokens that came out, by the text: one a piece at least, for a stream whose upstream counted nothing."""
        return max(self._words + self._refused, self._text // BYTES_PER_TOKEN) + self.estimated_sound

    @property
    def estimated_sound(self) -> int:
        """How many of these are of sound, by its length."""
        return -(-self._sound // BASE64_PER_SPOKEN_TOKEN)

    def see(self, events: Sequence[Event]) -> None:
        """Take in some more events."""
        self.events += len(events)
        for event in events:
            match event:
                case TextDelta(text) | ReasoningDelta(text) | ArgumentsDelta(text):
                    self._words += 1
                    self._text += len(text)
                case RefusalDelta(text):  # some say it beside the model's own words, and count none of it
                    self._refused += 1
                    self._text += len(text)
                case AudioDelta():
                    self.saw_sound = True
                    self._sound += len(event.base64)
                case Started():
                    self.model = None if event.model is None else event.model[:LONGEST]
                    self.id = event.id
                case UsageSeen(usage):
                    self._usage = usage
                    self._counted = self._counted or self._words > 0
                case Finished():
                    if event.choice == 0 or self.finish_reason is None:
                        self.finish_reason = (event.said or event.finish.value)[:LONGEST]
                case Failed(fault):
                    self.saw_error = True
                    self.error_code = (fault.code or str(fault.status))[:LONGEST]


class Translated(Witness):
    """A stream read in one dialect and written in another. `keep` is given what has to be kept of it, at its end; `by` is
    the model that says it, in its provider's words."""

    def __init__(
        self,
        reader: EventReader,
        writer: EventWriter,
        keep: Callable[[Mapping[str, Memory]], None] | None = None,
        by: str = "",
    ) -> None:
        super().__init__()
        self._reader = reader
        self._writer = writer
        self._keep = keep
        self._remembering = Remembering(by)
        self._over = False
        self.done = False

    @property
    def losses(self) -> tuple[Loss, ...]:
        """What of the answer could not be said in the client's dialect."""
        return tuple(self._writer.losses)

    def feed(self, chunk: bytes) -> bytes:
        """What may go to the client now. Raises ProtocolError where the stream cannot be read on."""
        return self._write(self._reader.feed(chunk)) if not self.done else b""

    def end(self) -> bytes:
        """The connection has ended in order; `done` says whether the stream had."""
        if self.done or self._over:
            return b""
        self._over = True
        return self._write(self._reader.end())

    def keep_alive(self) -> bytes:
        """What may be sent to the client while nothing happens."""
        return self._writer.keep_alive()

    def fail(self, fault: Fault) -> bytes:
        """The stream cannot go on: how the client is told; nothing where it has been told already."""
        return b"" if self.saw_error else self._writer.write((Failed(fault),))

    def _write(self, events: Sequence[Event]) -> bytes:
        written = b""
        if events:
            self.see(events)
            if self._keep is not None and not (len(events) == 1 and type(events[0]) is TextDelta):
                self._remembering.take(events)
            written = self._writer.write(events)
        if self._reader.done:
            self.done = True
            written += self._writer.end()
            if self._keep is not None and (memories := self._remembering.memories()):
                self._keep(memories)
        return written


class Relayed(Witness):
    """A stream of server-sent events that passes as it comes, whole events only, while it is read along."""

    def __init__(self, reader: EventReader) -> None:
        super().__init__()
        self._reader = reader
        self._splitter = Splitter()

    @property
    def done(self) -> bool:
        """Whether the protocol's own end has passed."""
        return self._reader.done

    def feed(self, chunk: bytes) -> bytes:
        """The events that are whole now, as they came. Raises ProtocolError where one grows beyond every bound."""
        if self._reader.done:
            return b""
        whole = self._splitter.feed(chunk)
        if whole:
            self.see(self._reader.feed(whole))
        return whole

    def end(self) -> bytes:
        """The connection has ended in order; `done` says whether the stream had. What is held back is half an event."""
        self.see(self._reader.end())
        return b""
