"""An upstream's stream, read as events."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Final

from routebook.chat.events import Event, Failed, Finish, Finished, Started, UsageSeen
from routebook.chat.faults import Fault
from routebook.chat.usage import Usage
from routebook.protocols.errors import ProtocolError
from routebook.protocols.forgiving import Forgiving
from routebook.protocols.gemini.answers import short
from routebook.protocols.gemini.faults import read_fault
from routebook.protocols.gemini.framing import Framing
from routebook.protocols.gemini.telling import Telling
from routebook.protocols.gemini.usage import usage_of
from routebook.protocols.gemini.wire import WireAnswer

MOST_CHOICES: Final = 128
"""Answers to one request; numbers beyond are no answers."""

ANSWER: Final = Forgiving(WireAnswer)

_DONE: Final = b"[DONE]"
"""An end mark that the API does not have; some who imitate it send it, and it says nothing."""


class Reading:
    """One answer, whole or in pieces, as events: what is told once for all choices, and who tells of each."""

    def __init__(self, seed: str) -> None:
        self._seed = seed
        self._choices: dict[int, Telling] = {}
        self._started = False
        self._usage: Usage | None = None
        self._blocked: str | None = None

    def __repr__(self) -> str:
        return f"<Reading {len(self._choices)} choices>"

    @property
    def finished(self) -> bool:
        """Whether the answer may end here: every choice has a reason to stop, or there will be none."""
        if not self._choices:
            return self._blocked is not None
        return all(each.finished for each in self._choices.values())

    def tell(self, answer: WireAnswer) -> Iterator[Event]:
        """What happens in a whole answer, or in one chunk."""
        candidates, feedback = answer.candidates or (), answer.prompt_feedback
        if feedback is not None and feedback.block_reason:
            self._blocked = feedback.block_reason
        if not self._started and (candidates or self._blocked or answer.response_id or answer.usage_metadata):
            self._started = True
            yield Started(answer.response_id or None, answer.model_version or None, seconds_of(answer.create_time))
        for position, candidate in enumerate(candidates):
            index = position if candidate.index is None else candidate.index
            if 0 <= index < MOST_CHOICES:
                yield from self._of(index).tell(candidate)
        usage = None if answer.usage_metadata is None else usage_of(answer.usage_metadata)
        if usage is not None and usage != self._usage:
            self._usage = usage
            yield UsageSeen(usage)

    def end(self) -> Iterator[Event]:
        """Nothing more comes. A prompt that was blocked has one answer, which was filtered."""
        for choice in self._choices.values():
            yield from choice.end()
        if not self._choices and self._blocked is not None:
            yield Finished(Finish.FILTERED, said=short(self._blocked))

    def _of(self, index: int) -> Telling:
        found = self._choices.get(index)
        if found is None:
            found = self._choices[index] = Telling(index, self._seed)
        return found


class GeminiReader:
    """Reads one stream (`codec.EventReader`), in either form.

    An array ends with its bracket. Events end with the connection, which may end when every answer has a reason to
    stop. What follows an error is passed over.
    """

    def __init__(self, seed: str) -> None:
        self.framing = Framing()
        self._reading = Reading(seed)
        self._failed = False
        self.done = False

    def __repr__(self) -> str:
        return f"<GeminiReader {'done' if self.done else 'failed' if self._failed else 'open'}>"

    def feed(self, chunk: bytes) -> Sequence[Event]:
        """What happened; raises ProtocolError where a chunk grows beyond every bound."""
        if self.done:
            return ()
        events: list[Event] = []
        for data in self.framing.feed(chunk):
            if not self._failed and data != _DONE:
                self._take(data, events)
        if self.framing.ended:
            self._end(events)
        return events

    def end(self) -> Sequence[Event]:
        """The connection has ended: that is the end of a stream of events that may end here."""
        events: list[Event] = []
        framing = self.framing
        if not (self.done or self._failed or framing.is_array or framing.holds) and self._reading.finished:
            self._end(events)
        return events

    def _take(self, data: bytes, events: list[Event]) -> None:
        try:
            answer = ANSWER.read(data)
        except ProtocolError as error:
            events.append(Failed(Fault(502, error.message, error.code)))
            self._failed = True
            return
        if answer.error is not None:
            events.append(Failed(read_fault(0, data)))
            self._failed = True
            return
        for event in self._reading.tell(answer):
            events.append(event)
            if type(event) is Failed:
                self._failed = True
                return

    def _end(self, events: list[Event]) -> None:
        self.done = True
        if not self._failed:
            events.extend(self._reading.end())


def seconds_of(moment: str | None) -> int | None:
    """A moment as the API writes it, in seconds since 1970."""
    try:
        read = datetime.fromisoformat(moment or "")
        return int((read if read.tzinfo is not None else read.replace(tzinfo=UTC)).timestamp())
    except (ValueError, OverflowError):
        return None
