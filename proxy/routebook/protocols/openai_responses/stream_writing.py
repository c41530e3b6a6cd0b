"""Events, written as the stream that this dialect's clients read.

`response.created` and `response.in_progress` open it; every item is told from its beginning to its end before the next
one begins; the whole answer with its usage ends it. Events are numbered from 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from routebook.chat.events import (
    AudioDelta,
    AudioSeen,
    CitationSeen,
    Event,
    Failed,
    Finish,
    Finished,
    ForeignSeen,
    ImageSeen,
    LogprobsSeen,
    ReasoningDelta,
    RefusalDelta,
    SignatureSeen,
    Started,
    TextDelta,
    TierSeen,
    TokenLogprob,
    ToolCallEnded,
    ToolCallStarted,
    TranscriptDelta,
    UsageSeen,
)
from routebook.chat.faults import Fault
from routebook.chat.loss import Done, Loss
from routebook.chat.parts import Inline, UrlCitation
from routebook.chat.sequence import InSequence
from routebook.protocols.codec import ReplyTo
from routebook.protocols.openai_responses.errors import error_event
from routebook.protocols.openai_responses.items import Called, Item, Numbering, SaidRefusal, SaidText, Shown, Thought
from routebook.protocols.openai_responses.response import Response
from routebook.protocols.openai_responses.seals import DIALECT

KEEP_ALIVE: Final = b": keep-alive\n\n"

_CUT: Final = {
    Finish.LENGTH: "max_output_tokens",
    Finish.CONTEXT_FULL: "max_output_tokens",
    Finish.FILTERED: "content_filter",
    Finish.REFUSED: "content_filter",
}
"""Reasons to stop that leave an answer incomplete."""


class ResponsesWriter:
    """Writes one stream (`codec.EventWriter`); `whole` is the same answer as one body."""

    def __init__(self, reply: ReplyTo) -> None:
        self._seed = reply.id
        self._sequence = InSequence()
        self._numbering = Numbering()
        self._response = Response(reply)
        self._closed: list[tuple[Item, str]] = []
        self._open: Item | None = None
        self._block = -1
        self._flowing: int | None = None
        self._text: SaidText | None = None
        self._early: list[TokenLogprob] = []
        self._finish: Finish | None = None
        self._fault: Fault | None = None
        self._begun = self._ended = False
        self.losses: list[Loss] = []

    def __repr__(self) -> str:
        return f"<ResponsesWriter {len(self._closed)} items, {'ended' if self._ended else 'open'}>"

    def write(self, events: Iterable[Event]) -> bytes:
        """The bytes for some more events."""
        written: list[bytes] = []
        for event in _probable_first(events):
            if self._ended:
                break
            if (
                type(event) is TextDelta
                and event.block == self._flowing
                and event.choice == 0
                and self._text is not None
            ):
                written.append(self._text.piece(event.text))
            else:
                self._put(event, written)
        return b"".join(written)

    def end(self) -> bytes:
        """The end of what is open, and the whole answer."""
        if self._ended:
            return b""
        written: list[bytes] = []
        for event in self._sequence.end():
            self._write(event, written)
        self._begin(written)
        self._close(written)
        self._note_early()
        self._ended = True
        written.append(self._numbering.say(f"response.{self._status}", response=self.whole()))
        return b"".join(written)

    def whole(self) -> Any:
        """The answer as it stands."""
        items = [item.whole(status) for item, status in self._closed]
        if self._open is not None:
            items.append(self._open.whole("incomplete"))
        reason = None if self._finish is None else _CUT.get(self._finish)
        return self._response.whole(self._status, items, reason, self._fault)

    def keep_alive(self) -> bytes:
        """A comment; every client of this dialect passes it over."""
        return KEEP_ALIVE

    @property
    def _status(self) -> str:
        if self._fault is not None:
            return "failed"
        return "incomplete" if self._finish in _CUT else "completed"

    def _put(self, event: Event, written: list[bytes]) -> None:
        """One event, and those that waited for it; from a text on, more of the same text needs no such care."""
        self._flowing = None
        if getattr(event, "choice", 0):
            loss = Loss("choices", "choices", Done.DROPPED, "this dialect has one answer")
            self.losses += [loss] if loss not in self.losses else []
            return
        for each in self._sequence.put((event,)):
            self._write(each, written)
        if isinstance(event, TextDelta) and isinstance(self._open, SaidText):
            self._flowing = event.block

    def _write(self, event: Event, written: list[bytes]) -> None:
        match event:
            case Started():
                if not self._begun:
                    self._response.begin(event)
                    self._begin(written)
            case UsageSeen(usage):
                self._response.usage = usage
            case TierSeen(tier):
                self._response.tier = tier
            case Failed(fault):
                self._fail(fault, written)
            case Finished():
                self._end_choice(event, written)
            case LogprobsSeen():
                self._probable(event)
            case ToolCallEnded():
                pass
            case AudioSeen() | AudioDelta() | TranscriptDelta():
                self._lose("audio", event, "answers of this dialect have no sound")
            case _:
                self._take(event, written)

    def _begin(self, written: list[bytes]) -> None:
        """The answer begins, if it has not; what begins it is told twice."""
        if not self._begun:
            self._begun = True
            empty = self._response.whole("in_progress", [])
            written.append(self._numbering.say("response.created", response=empty))
            written.append(self._numbering.say("response.in_progress", response=empty))

    def _take(self, event: Any, written: list[bytes]) -> None:
        """A piece of an item, which begins with it where it is the first."""
        if self._open is None or event.block != self._block:
            item = self._new(event)
            if item is None:
                return
            self._begin(written)
            self._close(written)
            self._open, self._block = item, event.block
            written.append(item.begin())
        said = self._open.take(event)
        if said:
            written.append(said)
        elif said is None:
            self._lose_piece(event)
        if isinstance(event, CitationSeen) and isinstance(event.citation, UrlCitation) and event.citation.quote:
            self._lose("citation", event, "the words that were cited have no place")

    def _new(self, event: Any) -> Item | None:
        """The item that an event begins; None where this dialect has none like it."""
        place = self._numbering, len(self._closed) + (self._open is not None), self._seed
        match event:
            case TextDelta() | CitationSeen():
                self._text = SaidText(*place)
                self._note_early()
                return self._text
            case RefusalDelta():
                return SaidRefusal(*place)
            case ReasoningDelta() | SignatureSeen():
                return Thought(*place)
            case ToolCallStarted():
                return Called(*place, event)
            case ImageSeen(image) if isinstance(image.source, Inline):
                return Shown(*place, image)
            case ForeignSeen(part) if part.dialect == DIALECT:
                return Shown(*place, part)
        self._lose_piece(event)
        return None

    def _close(self, written: list[bytes], status: str = "completed") -> None:
        if self._open is not None:
            written.append(self._open.end(status))
            self._closed.append((self._open, status))
            self._open = None

    def _end_choice(self, event: Finished, written: list[bytes]) -> None:
        if self._finish is not None:
            return
        self._finish = event.finish
        self._begin(written)
        self._close(written, "incomplete" if event.finish in _CUT else "completed")
        if event.finish is Finish.PAUSED:
            self._lose("pause", event, "it is told as complete")
        if event.stop_sequence is not None:
            self._lose("stop_sequence", event, "it is complete like any other")

    def _probable(self, event: LogprobsSeen) -> None:
        """Probabilities stand with the text that is open, or comes next; refusals have none."""
        if event.of_refusal:
            self._lose("logprobs", event, "a refusal has no place for them")
        elif isinstance(self._open, SaidText):
            self._open.note(event.tokens)
        else:
            self._early += event.tokens

    def _note_early(self) -> None:
        if self._text is not None:
            self._text.note(self._early)
            self._early = []
        elif self._early:
            self._lose("logprobs", LogprobsSeen(()), "there is no text that they could stand with")

    def _fail(self, fault: Fault, written: list[bytes]) -> None:
        """What there is of the answer, and why there is no more; then the event that clients raise."""
        self._fault, self._ended = fault, True
        if self._begun:
            written.append(self._numbering.say("response.failed", response=self.whole()))
        number = self._numbering.next
        written.append(error_event(fault.status, fault.message, code=fault.code, param=fault.param, number=number))

    def _lose_piece(self, event: Any) -> None:
        match event:
            case SignatureSeen():
                self._lose("signature", event, "only thoughts have a place for it")
            case CitationSeen():
                self._lose("citation", event, "it is of a kind that only its own dialect has")
            case ForeignSeen(part):
                self._lose("foreign_part", event, f"it belongs to `{part.dialect}`")
            case ImageSeen():
                self._lose("image", event, "pictures stand in the answer itself")

    def _lose(self, feature: str, event: Any, why: str) -> None:
        block = f".parts[{event.block}]" if hasattr(event, "block") else ""
        loss = Loss(feature, f"choices[{event.choice}]{block}", Done.DROPPED, why)
        if loss not in self.losses:
            self.losses.append(loss)


def _probable_first(events: Iterable[Event]) -> Iterable[Event]:
    """Probabilities before the piece of text that they came with, so that they can be told with it."""
    events = list(events)
    return _swapped(events) if any(isinstance(event, LogprobsSeen) for event in events) else events


def _swapped(events: Iterable[Event]) -> Iterator[Event]:
    held: Event | None = None
    for event in events:
        if isinstance(event, LogprobsSeen) and isinstance(held, TextDelta):
            yield event
            continue
        if held is not None:
            yield held
        held = event
    if held is not None:
        yield held
