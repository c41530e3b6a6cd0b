"""An upstream's answers, whole and streamed, told as events in one way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

import msgspec

from routebook.chat.answer import ChatAnswer
from routebook.chat.assembling import assemble
from routebook.chat.events import (
    ArgumentsDelta,
    Event,
    Failed,
    Finish,
    Finished,
    LogprobsSeen,
    ReasoningDelta,
    Started,
    TextDelta,
    TokenLogprob,
    ToolCallEnded,
    ToolCallStarted,
    UsageSeen,
)
from routebook.chat.faults import Fault
from routebook.chat.usage import Usage
from routebook.protocols.errors import ProtocolError
from routebook.protocols.forgiving import Forgiving
from routebook.protocols.ndjson import Lines
from routebook.protocols.ollama.faults import read_fault
from routebook.protocols.ollama.wire import WireAnswer, WireCall, WireFunction, WireLogprob, WireMessage

ANSWER: Final = Forgiving(WireAnswer)

LONGEST: Final = 100
"""Characters of an upstream's word for its reason to stop that are kept."""

MOST_CALLS: Final = 1024
"""Calls of tools in one answer; what comes beyond is no answer."""


class Reading:
    """One answer's events, out of a whole or of lines."""

    def __init__(self, seed: str) -> None:
        self._seed = seed
        self._started = False
        self._blocks: dict[str, int] = {}
        self._next = 0
        self._calls = 0

    def __repr__(self) -> str:
        return f"<Reading {self._next} blocks>"

    def tell(self, answer: WireAnswer) -> Iterator[Event]:
        """What happens in a whole answer, or in one line."""
        if not self._started:
            self._started = True
            yield Started(None, answer.model or None, _seconds(answer.created_at))
        if answer.message is not None:
            yield from self._tell(answer.message)
        if answer.logprobs:
            yield LogprobsSeen(tuple(_logprob(each) for each in answer.logprobs))
        if answer.done:
            went_in, came_out = answer.prompt_eval_count, answer.eval_count
            if went_in is not None and came_out is not None:
                yield UsageSeen(Usage(input=max(0, went_in), output=max(0, came_out)))
            yield Finished(self._finish(answer.done_reason), said=(answer.done_reason or "stop")[:LONGEST])

    def _tell(self, said: WireMessage) -> Iterator[Event]:
        if said.thinking:
            yield ReasoningDelta(said.thinking, self._block("thinking"))
        if said.content:
            yield TextDelta(said.content, self._block("text"))
        for call in said.tool_calls or ():
            if self._calls < MOST_CALLS:
                yield from self._tell_call(call)

    def _tell_call(self, call: WireCall) -> Iterator[Event]:
        block, function = self._new_block(), call.function or WireFunction()
        self._calls += 1
        arguments = {} if function.arguments is None else function.arguments
        if not isinstance(arguments, str):
            arguments = msgspec.json.encode(arguments).decode("utf-8")
        yield ToolCallStarted(call.id or f"call_{self._seed}_{block}", function.name or "", block)
        yield ArgumentsDelta(arguments or "{}", block)
        yield ToolCallEnded(block)

    def _finish(self, word: str | None) -> Finish:
        if word == "length":
            return Finish.LENGTH
        return Finish.TOOL_CALLS if self._calls else Finish.STOP

    def _block(self, kind: str) -> int:
        found = self._blocks.get(kind)
        if found is None:
            found = self._blocks[kind] = self._new_block()
        return found

    def _new_block(self) -> int:
        self._next += 1
        return self._next - 1


class OllamaReader:
    """Reads one stream (`codec.EventReader`). Its end is the line that says `done`."""

    def __init__(self, seed: str) -> None:
        self._lines = Lines()
        self._reading = Reading(seed)
        self._failed = False
        self.done = False

    def __repr__(self) -> str:
        return f"<OllamaReader {'done' if self.done else 'failed' if self._failed else 'open'}>"

    def feed(self, chunk: bytes) -> Sequence[Event]:
        """What happened; raises ProtocolError where a line grows beyond every bound."""
        events: list[Event] = []
        for line in self._lines.feed(chunk):
            self._take(line, events)
        return events

    def end(self) -> Sequence[Event]:
        """The last line may lack its end; a stream without `done` has been cut."""
        events: list[Event] = []
        last = self._lines.end()
        if last.endswith(b"}"):
            self._take(last, events)
        return events

    def _take(self, line: bytes, events: list[Event]) -> None:
        if self.done or self._failed:
            return
        try:
            answer = ANSWER.read(line)
        except ProtocolError as error:
            self._fail(Fault(502, error.message, error.code), events)
            return
        if answer.error is not None:
            self._fail(read_fault(0, line), events)
            return
        events.extend(self._reading.tell(answer))
        self.done = answer.done

    def _fail(self, fault: Fault, events: list[Event]) -> None:
        self._failed = True
        events.append(Failed(fault))


def read_answer(body: bytes, seed: str) -> ChatAnswer:
    """The answer in a body; raises ProtocolError where there is none."""
    answer = ANSWER.read(body)
    events: list[Event] = [*Reading(seed).tell(answer)]
    if answer.error is not None:
        events.append(Failed(read_fault(0, body)))
    return assemble(events)


def _seconds(written: str | None) -> int | None:
    if written is None:
        return None
    try:
        return int(datetime.fromisoformat(written).timestamp())
    except (ValueError, OverflowError, OSError):
        return None


def _logprob(each: WireLogprob) -> TokenLogprob:
    return TokenLogprob(
        each.token,
        each.logprob,
        None if each.bytes is None else tuple(each.bytes),
        tuple(_logprob(top) for top in each.top_logprobs or ()),
    )
