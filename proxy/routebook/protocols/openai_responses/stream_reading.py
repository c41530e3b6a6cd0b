"""An upstream's stream, read as events."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, Final

from routebook.chat.events import Event, Failed, Finish, Finished, Started, TierSeen, UsageSeen
from routebook.chat.faults import Fault
from routebook.protocols.errors import ProtocolError
from routebook.protocols.forgiving import Forgiving, loosely
from routebook.protocols.openai_faults import fault_of, read_fault
from routebook.protocols.openai_responses.telling import Telling
from routebook.protocols.openai_responses.wire import WireEvent, WireResponse
from routebook.protocols.responses_usage import usage_of
from routebook.protocols.sse import Splitter, named

LONGEST: Final = 100
"""Characters of an upstream's word for its reason to stop that are kept."""

_EVENT: Final = Forgiving(WireEvent)
_BEGINS: Final = frozenset({"response.created", "response.queued", "response.in_progress"})
_ENDS: Final = frozenset({"response.completed", "response.incomplete", "response.failed", "response.cancelled"})
_OPEN: Final = frozenset({"queued", "in_progress"})
_INCOMPLETE: Final = {"content_filter": Finish.FILTERED}
"""Reasons for an answer to be incomplete; every other is its length."""


class Reading:
    """One answer, whole or in pieces, as events."""

    def __init__(self, seed: str) -> None:
        self.telling = Telling(seed)
        self._started = False

    def __repr__(self) -> str:
        return f"<Reading {self.telling!r}>"

    def begin(self, response: WireResponse) -> Iterator[Event]:
        """What is known of the answer as a whole, the first time that it is."""
        if not self._started:
            self._started = True
            created = None if response.created_at is None else int(response.created_at)
            yield Started(response.id or None, response.model or None, created)

    def end(self, response: WireResponse, whole: Callable[[], Any]) -> Iterator[Event]:
        """The answer as it is at its end; `whole` gives it as it came."""
        yield from self.begin(response)
        for number, item in enumerate(response.output or ()):
            yield from self.telling.item(number, item, partial(_entry, whole, number))
        if response.service_tier not in (None, "auto"):
            yield TierSeen(response.service_tier or "")
        usage = None if response.usage is None else usage_of(response.usage)
        if usage is not None:
            yield UsageSeen(usage)
        if response.status == "failed" or response.error is not None:
            yield Failed(fault_of(0, response.error or ""))
        elif response.status not in _OPEN:
            yield from self.telling.end()
            yield self._finished(response)

    def _finished(self, response: WireResponse) -> Finished:
        reason = None if response.incomplete_details is None else response.incomplete_details.reason
        if response.status == "incomplete":
            finish = _INCOMPLETE.get(reason or "", Finish.LENGTH)
            return Finished(finish, said=(reason or "incomplete")[:LONGEST])
        finish = Finish.TOOL_CALLS if self.telling.has_calls else Finish.STOP
        return Finished(finish, said=(response.status or "completed")[:LONGEST])


class ResponsesReader:
    """Reads one stream (`codec.EventReader`). Its end is the event that has the whole answer, or says that it failed."""

    def __init__(self, seed: str) -> None:
        self._splitter = Splitter()
        self._reading = Reading(seed)
        self._failed = False
        self.done = False

    def __repr__(self) -> str:
        return f"<ResponsesReader {'done' if self.done else 'failed' if self._failed else 'open'}>"

    def feed(self, chunk: bytes) -> Sequence[Event]:
        """What happened; raises ProtocolError where an event grows beyond every bound."""
        if self.done:
            return ()
        events: list[Event] = []
        whole = self._splitter.feed(chunk)
        for name, data in named(whole):
            if data is not None and not data.startswith(b"[DONE]"):
                self._take(name, data, events)
            if self.done:
                break
        return events

    def end(self) -> Sequence[Event]:
        """A stream that ends without its end has been cut."""
        return ()

    def _take(self, name: str | None, data: bytes, events: list[Event]) -> None:
        try:
            event = _EVENT.read(data)
        except ProtocolError as error:
            self._fail(Fault(502, error.message, error.code) if name != "error" else read_fault(0, data), events)
            return
        kind = event.type = event.type or name
        if kind == "error" or (kind is None and event.error is not None):
            self._fail(read_fault(0, data), events)
        elif kind in _ENDS:
            self.done = True
            if not self._failed:
                events.extend(self._end(kind, event, data))
        elif self._failed:
            return
        elif kind in _BEGINS:
            events.extend(self._reading.begin(event.response or WireResponse()))
        else:
            events.extend(self._reading.telling.event(event, lambda: loosely(data)["item"]))

    def _end(self, kind: str | None, event: WireEvent, data: bytes) -> Iterator[Event]:
        response = event.response or WireResponse()
        response.status = response.status or (kind or "").removeprefix("response.")
        yield from self._reading.end(response, lambda: loosely(data)["response"])

    def _fail(self, fault: Fault, events: list[Event]) -> None:
        if not self._failed:
            self._failed = True
            events.append(Failed(fault))


def _entry(whole: Callable[[], Any], number: int) -> Any:
    """An item of an answer as it came; what is no item was not read either."""
    return [each for each in whole()["output"] if isinstance(each, dict)][number]
