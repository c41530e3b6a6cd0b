"""An upstream's stream, read as events."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from routebook.chat.events import Event, Failed, Started, TierSeen, UsageSeen
from routebook.chat.faults import Fault
from routebook.protocols.errors import ProtocolError
from routebook.protocols.forgiving import Forgiving
from routebook.protocols.openai_chat.telling import Telling
from routebook.protocols.openai_chat.usage import usage_of
from routebook.protocols.openai_chat.wire import WireAnswer, WireChoice
from routebook.protocols.openai_faults import read_fault
from routebook.protocols.sse import Splitter, fields, spans

MOST_CHOICES: Final = 128
"""Answers to one request; numbers beyond are no answers."""

ANSWER: Final = Forgiving(WireAnswer)

_DONE: Final = b"[DONE]"
_DONE_AND_MORE: Final = b"[DONE]\n"
_END_MARK: Final = re.compile(rb"data: ?\[DONE\](\r\n|\n)")
"""The end mark's line: some upstreams forget the empty line after it."""


class Reading:
    """One answer, whole or in pieces, as events: what is told once for all choices, and who tells of each."""

    def __init__(self, seed: str) -> None:
        self._seed = seed
        self._choices: dict[int, Telling] = {}
        self._started = False
        self._tier: str | None = None

    def __repr__(self) -> str:
        return f"<Reading {len(self._choices)} choices>"

    def tell(self, answer: WireAnswer) -> Iterator[Event]:
        """What happens in a whole answer, or in one chunk."""
        choices = answer.choices or ()
        if not self._started and (choices or answer.id or answer.usage is not None):
            self._started = True
            yield Started(answer.id or None, answer.model or None, answer.created)
        if answer.service_tier is not None and answer.service_tier != self._tier:
            self._tier = answer.service_tier
            yield TierSeen(answer.service_tier)
        for choice in choices:
            if 0 <= choice.index < MOST_CHOICES:
                yield from self._of(choice).tell(choice.delta or choice.message, choice)
        usage = None if answer.usage is None else usage_of(answer.usage)
        if usage is not None:
            yield UsageSeen(usage)

    def end(self) -> Iterator[Event]:
        """Nothing more comes."""
        for choice in self._choices.values():
            yield from choice.end()

    def _of(self, choice: WireChoice) -> Telling:
        found = self._choices.get(choice.index)
        if found is None:
            found = self._choices[choice.index] = Telling(choice.index, self._seed)
        return found


class ChatReader:
    """Reads one stream (`codec.EventReader`). Its end is `[DONE]`; what follows an error is passed over."""

    def __init__(self, seed: str) -> None:
        self._splitter = Splitter()
        self._reading = Reading(seed)
        self._failed = False
        self.done = False

    def __repr__(self) -> str:
        return f"<ChatReader {'done' if self.done else 'failed' if self._failed else 'open'}>"

    def feed(self, chunk: bytes) -> Sequence[Event]:
        """What happened; raises ProtocolError where an event grows beyond every bound."""
        if self.done:
            return ()
        events: list[Event] = []
        whole = self._splitter.feed(chunk)
        if whole:
            for name, data in _events(whole):
                if data is not None:
                    self._take(name, data, events)
                if self.done:
                    return events
        if _END_MARK.match(self._splitter.held):
            self._end(events)
        return events

    def end(self) -> Sequence[Event]:
        """A stream that ends without its end has been cut."""
        return ()

    def _take(self, name: str | None, data: bytes, events: list[Event]) -> None:
        if data == _DONE or data.startswith(_DONE_AND_MORE):
            self._end(events)
        elif not self._failed:
            try:
                answer = ANSWER.read(data)
            except ProtocolError as error:
                self._fail(Fault(502, error.message, error.code) if name != "error" else read_fault(0, data), events)
                return
            if name == "error" or answer.error is not None:
                self._fail(read_fault(0, data), events)
            else:
                events.extend(self._reading.tell(answer))

    def _end(self, events: list[Event]) -> None:
        self.done = True
        if not self._failed:
            events.extend(self._reading.end())

    def _fail(self, fault: Fault, events: list[Event]) -> None:
        self._failed = True
        events.append(Failed(fault))


def _events(whole: bytes) -> Iterable[tuple[str | None, bytes | None]]:
    """The names and data of a run of whole events; most runs are lines of data with nothing else."""
    if whole.startswith(b"data: ") and b"\r" not in whole and whole.count(b"\n") == 2 * whole.count(b"\n\ndata: ") + 2:
        return [(None, data) for data in whole[6:-2].split(b"\n\ndata: ")]
    return map(fields, spans(whole))
