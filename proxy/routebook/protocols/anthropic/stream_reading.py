"""An upstream's stream, read as events."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from routebook.chat.events import Event, Failed
from routebook.chat.faults import Fault
from routebook.protocols.anthropic.faults import read_fault
from routebook.protocols.anthropic.telling import Telling
from routebook.protocols.anthropic.wire import WireEvent
from routebook.protocols.errors import ProtocolError
from routebook.protocols.forgiving import Forgiving
from routebook.protocols.sse import Splitter, named

_EVENT: Final = Forgiving(WireEvent)


class MessagesReader:
    """Reads one stream (`codec.EventReader`). Its end is `message_stop`; what follows an error is passed over."""

    def __init__(self, seed: str) -> None:
        self._splitter = Splitter()
        self._telling = Telling(seed)
        self._failed = False
        self.done = False

    def __repr__(self) -> str:
        return f"<MessagesReader {'done' if self.done else 'failed' if self._failed else 'open'}>"

    def feed(self, chunk: bytes) -> Sequence[Event]:
        """What happened; raises ProtocolError where an event grows beyond every bound."""
        events: list[Event] = []
        if self.done:
            return events
        whole = self._splitter.feed(chunk)
        for name, data in named(whole):
            if data is not None and not self.done:
                self._take(name, data, events)
        return events

    def end(self) -> Sequence[Event]:
        """A stream that ends without its end has been cut."""
        return ()

    def _take(self, name: str | None, data: bytes, events: list[Event]) -> None:
        if self._failed or name == "ping":
            return
        try:
            event = _EVENT.read(data)
        except ProtocolError as error:
            self._fail(read_fault(0, data) if name == "error" else Fault(502, error.message, error.code), events)
            return
        kind = event.type or name
        if kind == "error" or name == "error" or event.error is not None:
            self._fail(read_fault(0, data), events)
        elif kind == "message_stop":
            self._stop(events)
        else:
            self._tell(kind, event, events)

    def _tell(self, kind: str | None, event: WireEvent, events: list[Event]) -> None:
        telling, index = self._telling, event.index or 0
        if kind == "content_block_delta" and event.delta is not None:
            events += telling.grow(index, event.delta)
        elif kind == "content_block_start" and event.content_block is not None:
            events += telling.begin(index, event.content_block)
        elif kind == "content_block_stop":
            events += telling.stop(index)
        elif kind == "message_start" and event.message is not None:
            events += telling.start(event.message)
        elif kind == "message_delta":
            if event.delta is not None:
                telling.stopping(event.delta)
            if event.usage is not None:
                events += telling.count(event.usage)

    def _stop(self, events: list[Event]) -> None:
        self.done = True
        if self._telling.failed():
            self._fail(Fault(502, "the model failed", "error"), events)
        else:
            events += self._telling.end()

    def _fail(self, fault: Fault, events: list[Event]) -> None:
        self._failed = True
        events.append(Failed(fault))
