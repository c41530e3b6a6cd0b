"""What an answer's items say, told as events: one way for whole answers and for streams, so that both say the same.

A stream says everything several times: in pieces, whole when a part is done, again when its item is, and once more at
its end. Each time only what was not told before is told, so that nothing is missing where an upstream leaves one out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import msgspec

from routebook.chat.events import (
    ArgumentsDelta,
    CitationSeen,
    Event,
    ForeignSeen,
    ImageSeen,
    LogprobsSeen,
    ReasoningDelta,
    RefusalDelta,
    SignatureSeen,
    TextDelta,
    ToolCallEnded,
    ToolCallStarted,
)
from routebook.chat.parts import Foreign, Image, Inline, Json, ToolKind
from routebook.protocols.media import standard
from routebook.protocols.openai_responses.annotations import citation_of, read_logprobs
from routebook.protocols.openai_responses.seals import DIALECT, seal_of
from routebook.protocols.openai_responses.wire import WireEvent, WireItem, WireLogprob, WirePart

MOST_ITEMS: Final = 4096
"""Items of one answer, and parts of one item; numbers beyond are no answers."""

_CALLS: Final = {"function_call": ToolKind.FUNCTION, "custom_tool_call": ToolKind.CUSTOM}
_KNOWN: Final = frozenset({"message", "reasoning", *_CALLS})

Words = type[TextDelta] | type[RefusalDelta] | type[ReasoningDelta]


class _Part:
    """A part that grows: its block, how much of it was told, how many of its notes."""

    def __init__(self, block: int) -> None:
        self.block = block
        self.told = 0
        self.citations = 0
        self.logprobs = 0


class _Call:
    """A call in the making. It begins when its name is known; what comes before is held."""

    def __init__(self, block: int, kind: ToolKind) -> None:
        self.block = block
        self.kind = kind
        self.begun = False
        self.held: list[str] = []
        self.told = 0
        self.ended = False


class _Item:
    """What was told of one item."""

    def __init__(self) -> None:
        self.parts: dict[tuple[str, int], _Part] = {}
        self.call: _Call | None = None
        self.thought: int | None = None
        self.is_sealed = False
        self.is_told = False


class Telling:
    """One answer's events; blocks are numbered as they begin."""

    def __init__(self, seed: str) -> None:
        self._seed = seed
        self._items: dict[int, _Item] = {}
        self._ids: dict[str, int] = {}
        self._next = 0

    def __repr__(self) -> str:
        return f"<Telling {len(self._items)} items, {self._next} blocks>"

    @property
    def has_calls(self) -> bool:
        """Whether the client's own tools were called."""
        return any(item.call is not None for item in self._items.values())

    def event(self, event: WireEvent, whole: Callable[[], Any]) -> Iterator[Event]:
        """What happens in one event of a stream; `whole` gives its item as it came."""
        tell = _TOLD.get(event.type or "")
        number = self._number(event)
        if tell is not None and 0 <= number < MOST_ITEMS:
            yield from tell(self, number, event)
            if event.type == "response.output_item.done" and event.item is not None:
                yield from self.item(number, event.item, whole)

    def item(self, number: int, item: WireItem, whole: Callable[[], Any]) -> Iterator[Event]:
        """What a whole item says that was not told before."""
        if item.type in _CALLS:
            yield from self._whole_call(number, item)
        elif item.type == "reasoning":
            yield from self._whole_thought(number, item)
        elif item.type == "message":
            content = item.content
            parts = [WirePart("output_text", content)] if isinstance(content, str) else content or []
            for index, part in enumerate(parts[:MOST_ITEMS]):
                yield from self._whole_part(number, index, part)
        elif item.type is not None:
            yield from self._whole_other(self._of(number), item, whole)

    def end(self) -> Iterator[Event]:
        """Nothing more comes: every call ends."""
        for number, item in self._items.items():
            if item.call is not None:
                yield from self._end_call(number, item.call, None)

    def _number(self, event: WireEvent) -> int:
        if event.output_index is not None:
            if event.item is not None and event.item.id is not None and len(self._ids) < MOST_ITEMS:
                self._ids[event.item.id] = event.output_index
            return event.output_index
        identity = event.item_id if event.item is None else event.item.id
        known = None if identity is None else self._ids.get(identity)
        if known is None:
            last = max(self._items, default=0)
            known = last + 1 if event.type == "response.output_item.added" and self._items else last
            if identity is not None and len(self._ids) < MOST_ITEMS:
                self._ids[identity] = known
        return known

    def _of(self, number: int) -> _Item:
        found = self._items.get(number)
        if found is None:
            found = self._items[number] = _Item()
        return found

    def _block(self) -> int:
        self._next += 1
        return self._next - 1

    def _part(self, number: int, kind: str, index: int, thought: bool = False) -> _Part:
        item = self._of(number)
        part = item.parts.get((kind, index))
        if part is None:
            part = item.parts[kind, index] = _Part(self._thought(item) if thought else self._block())
        return part

    def _thought(self, item: _Item) -> int:
        if item.thought is None:
            item.thought = self._block()
        return item.thought

    def _text(self, number: int, event: WireEvent) -> Iterator[Event]:
        yield from self._say(number, "text", event.content_index, TextDelta, event.delta, event.text)
        if event.logprobs:
            part = self._part(number, "text", event.content_index)
            if event.delta is not None:
                part.logprobs += len(event.logprobs)
                yield LogprobsSeen(read_logprobs(event.logprobs))
            else:
                yield from self._logprobs(part, event.logprobs)

    def _refusal(self, number: int, event: WireEvent) -> Iterator[Event]:
        yield from self._say(number, "refusal", event.content_index, RefusalDelta, event.delta, event.refusal)

    def _summary(self, number: int, event: WireEvent) -> Iterator[Event]:
        yield from self._think(number, "summary", event.summary_index, event.delta, event.text)

    def _reasoning(self, number: int, event: WireEvent) -> Iterator[Event]:
        yield from self._think(number, "content", event.content_index, event.delta, event.text)

    def _cited(self, number: int, event: WireEvent) -> Iterator[Event]:
        if event.annotation is not None:
            part = self._part(number, "text", event.content_index)
            part.citations += 1
            yield CitationSeen(citation_of(event.annotation), part.block)

    def _part_done(self, number: int, event: WireEvent) -> Iterator[Event]:
        if event.part is not None:
            yield from self._whole_part(number, event.content_index, event.part)

    def _function(self, number: int, event: WireEvent) -> Iterator[Event]:
        yield from self._argue(number, ToolKind.FUNCTION, event.delta, event.arguments)

    def _custom(self, number: int, event: WireEvent) -> Iterator[Event]:
        yield from self._argue(number, ToolKind.CUSTOM, event.delta, event.input)

    def _added(self, number: int, event: WireEvent) -> Iterator[Event]:
        item = event.item
        if item is not None and item.type in _CALLS:
            yield from self._begin_call(number, self._call(number, _CALLS[item.type]), item)

    def _say(
        self, number: int, kind: str, index: int, words: Words, piece: str | None, whole: str | None
    ) -> Iterator[Event]:
        """Some more text, or all of it; nothing for numbers that no answer has."""
        if not 0 <= index < MOST_ITEMS or not (piece or whole):
            return
        part = self._part(number, kind, index)
        said = piece if piece is not None else (whole or "")[part.told :]
        if said:
            part.told += len(said)
            yield words(said, part.block)

    def _think(self, number: int, kind: str, index: int, piece: str | None, whole: str | None) -> Iterator[Event]:
        """Some more thought, or all of it; the parts of one thought are apart by an empty line."""
        if not 0 <= index < MOST_ITEMS or not (piece or whole):
            return
        part = self._part(number, kind, index, thought=True)
        said = piece if piece is not None else (whole or "")[part.told :]
        if said:
            begins = not part.told and any(each.told for each in self._of(number).parts.values())
            part.told += len(said)
            yield ReasoningDelta(f"\n\n{said}" if begins else said, part.block)

    def _logprobs(self, part: _Part, tokens: Sequence[WireLogprob]) -> Iterator[Event]:
        untold = tokens[part.logprobs :]
        if untold:
            part.logprobs += len(untold)
            yield LogprobsSeen(read_logprobs(untold))

    def _whole_part(self, number: int, index: int, part: WirePart) -> Iterator[Event]:
        if not 0 <= index < MOST_ITEMS:
            return
        if part.refusal is not None:
            yield from self._say(number, "refusal", index, RefusalDelta, None, part.refusal)
        elif part.type == "reasoning_text":
            yield from self._think(number, "content", index, None, part.text)
        else:
            yield from self._say(number, "text", index, TextDelta, None, part.text)
            if part.annotations or part.logprobs:
                told = self._part(number, "text", index)
                for annotation in (part.annotations or ())[told.citations :]:
                    told.citations += 1
                    yield CitationSeen(citation_of(annotation), told.block)
                yield from self._logprobs(told, part.logprobs or ())

    def _whole_thought(self, number: int, item: WireItem) -> Iterator[Event]:
        for index, part in enumerate((item.summary or ())[:MOST_ITEMS]):
            yield from self._think(number, "summary", index, None, part.text)
        content = [WirePart(text=item.content)] if isinstance(item.content, str) else item.content or []
        for index, part in enumerate(content[:MOST_ITEMS]):
            yield from self._think(number, "content", index, None, part.text)
        told = self._of(number)
        # Without its sealed content an id means something to a provider that keeps answers, and nobody asks it to.
        seal = seal_of(item.id, item.encrypted_content) if item.encrypted_content else None
        if seal is not None and not told.is_sealed:
            told.is_sealed = True
            is_bare = not any(part.told for part in told.parts.values())
            yield SignatureSeen(seal, self._thought(told), is_redacted=is_bare)

    def _call(self, number: int, kind: ToolKind) -> _Call:
        item = self._of(number)
        if item.call is None:
            item.call = _Call(self._block(), kind)
        return item.call

    def _begin_call(self, number: int, call: _Call, item: WireItem | None) -> Iterator[Event]:
        """The call begins, if its name is known or must do without one."""
        name = "" if item is None else item.name
        if call.begun or name is None:
            return
        call.begun = True
        identity = None if item is None else item.call_id or item.id
        yield ToolCallStarted(identity or f"call_{self._seed}_{number}", name, call.block, kind=call.kind)
        if call.held:
            yield ArgumentsDelta("".join(call.held), call.block)

    def _argue(self, number: int, kind: ToolKind, piece: str | None, whole: str | None) -> Iterator[Event]:
        call = self._call(number, kind)
        said = piece if piece is not None else (whole or "")[call.told :]
        if not said or call.ended:
            return
        call.told += len(said)
        if call.begun:
            yield ArgumentsDelta(said, call.block)
        else:
            call.held.append(said)

    def _whole_call(self, number: int, item: WireItem) -> Iterator[Event]:
        call = self._call(number, _CALLS[item.type or ""])
        written = item.arguments if item.input is None else item.input
        if isinstance(written, dict):
            written = msgspec.json.encode(written).decode("utf-8")
        yield from self._begin_call(number, call, item)
        yield from self._argue(number, call.kind, None, written)
        yield from self._end_call(number, call, item)

    def _end_call(self, number: int, call: _Call, item: WireItem | None) -> Iterator[Event]:
        if call.ended:
            return
        yield from self._begin_call(number, call, None)
        if not call.told and call.kind is ToolKind.FUNCTION:
            yield ArgumentsDelta("{}", call.block)
        call.ended = True
        yield ToolCallEnded(call.block)

    def _whole_other(self, told: _Item, item: WireItem, whole: Callable[[], Any]) -> Iterator[Event]:
        """An item of the provider's own tools: a picture that can be shown, or what only this dialect knows."""
        if told.is_told:
            return
        told.is_told = True
        if item.type == "image_generation_call" and item.result:
            try:
                source = Inline(f"image/{item.output_format or 'png'}", standard(item.result))
            except ValueError:
                source = None
            if source is not None:
                yield ImageSeen(Image(source), self._block())
                return
        json = Json(msgspec.json.encode(whole()).decode("utf-8"))
        yield ForeignSeen(Foreign(DIALECT, item.type or "", json), self._block())


_TOLD: Final[dict[str, Callable[[Telling, int, WireEvent], Iterator[Event]]]] = {
    "response.output_text.delta": Telling._text,
    "response.output_text.done": Telling._text,
    "response.refusal.delta": Telling._refusal,
    "response.refusal.done": Telling._refusal,
    "response.reasoning_summary_text.delta": Telling._summary,
    "response.reasoning_summary_text.done": Telling._summary,
    "response.reasoning_text.delta": Telling._reasoning,
    "response.reasoning_text.done": Telling._reasoning,
    "response.function_call_arguments.delta": Telling._function,
    "response.function_call_arguments.done": Telling._function,
    "response.custom_tool_call_input.delta": Telling._custom,
    "response.custom_tool_call_input.done": Telling._custom,
    "response.output_text.annotation.added": Telling._cited,
    "response.content_part.done": Telling._part_done,
    "response.output_item.added": Telling._added,
    "response.output_item.done": Telling._added,
}
"""What each event tells; those that are not here tell nothing that is not told by another."""
