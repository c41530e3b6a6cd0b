"""What an upstream's answer says, told as events: a whole answer and a stream in the same way."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from routebook.chat.events import (
    ArgumentsDelta,
    CitationSeen,
    Event,
    Finished,
    ForeignSeen,
    ReasoningDelta,
    RefusalDelta,
    SignatureSeen,
    Started,
    TextDelta,
    TierSeen,
    ToolCallEnded,
    ToolCallStarted,
    UsageSeen,
)
from routebook.chat.parts import Citation, Foreign, ForeignCitation, Json, Signature, UrlCitation
from routebook.protocols.anthropic.carries import DIALECT
from routebook.protocols.anthropic.finishes import read_finish
from routebook.protocols.anthropic.usage import TIERS, WireUsage, merged, usage_of
from routebook.protocols.anthropic.wire import WireBlock, WireDelta, WireMessage, WireStop
from routebook.protocols.forgiving import Forgiving

MOST_BLOCKS: Final = 4096
"""Blocks of one answer; what comes beyond is no answer."""

LONGEST: Final = 100
"""Characters of an upstream's word for its reason to stop that are kept."""

_BLOCK: Final = Forgiving(WireBlock)
_KIND_OF_DELTA: Final = {
    "text_delta": "text",
    "citations_delta": "text",
    "thinking_delta": "thinking",
    "signature_delta": "thinking",
    "input_json_delta": "tool_use",
}
_KNOWN: Final = frozenset({"text", "thinking", "redacted_thinking", "tool_use"})


class _Open:
    """A block that has begun: its number here, what it began as, and what has come of its input."""

    def __init__(self, number: int, kind: str, began: dict[str, Any]) -> None:
        self.number = number
        self.kind = kind
        self.began = began
        self.given = ""
        self.has_input = False
        self.pieces: list[str] = []


class Telling:
    """One answer's events."""

    def __init__(self, seed: str) -> None:
        self._seed = seed
        self._open: dict[int, _Open] = {}
        self._next = 0
        self._started = False
        self._calls = False
        self._usage = WireUsage()
        self._tier: str | None = None
        self._reason: str | None = None
        self._sequence: str | None = None
        self._stopped: WireStop | None = None

    def __repr__(self) -> str:
        return f"<Telling {self._next} blocks>"

    def start(self, message: WireMessage) -> Iterator[Event]:
        """The message begins, or is whole."""
        if not self._started:
            self._started = True
            yield Started(message.id or None, message.model or None)
        if message.usage is not None:
            yield from self.count(message.usage)
        for index, block in enumerate(message.content or ()):
            yield from self.begin(index, block)
            yield from self.stop(index)
        self.stopping(message)

    def begin(self, index: int, began: dict[str, Any]) -> Iterator[Event]:
        """A block begins, with as much of it as there is. One that is still open at this place is over."""
        yield from self.stop(index)
        if self._next >= MOST_BLOCKS:
            return
        block = _BLOCK.read(msgspec.json.encode(began))
        kind = block.type or "text"
        opened = self._open[index] = _Open(self._next, kind, began)
        self._next += 1
        match kind:
            case "text":
                yield from self._text(opened, block)
            case "thinking":
                if block.thinking:
                    yield ReasoningDelta(block.thinking, opened.number)
                if block.signature:
                    yield SignatureSeen(Signature(DIALECT, block.signature), opened.number)
            case "redacted_thinking":
                yield SignatureSeen(Signature(DIALECT, block.data or ""), opened.number, is_redacted=True)
            case "tool_use":
                self._calls = True
                identity = block.id or f"toolu_{self._seed}_{opened.number}"
                yield ToolCallStarted(identity, block.name or "", opened.number)
                given = block.input
                opened.given = given if isinstance(given, str) else _json(given) if given else ""

    def grow(self, index: int, delta: WireDelta) -> Iterator[Event]:
        """Some more of a block. Some who imitate the API never say that it begins."""
        kind = _KIND_OF_DELTA.get(delta.type or "")
        if index not in self._open and kind is not None:
            yield from self.begin(index, {"type": kind})
        block = self._open.get(index)
        if block is None:
            return
        if block.kind not in _KNOWN:
            block.pieces.append(delta.partial_json or "")
        elif delta.text and block.kind == "text":
            yield TextDelta(delta.text, block.number)
        elif delta.thinking and block.kind == "thinking":
            yield ReasoningDelta(delta.thinking, block.number)
        elif delta.signature and block.kind == "thinking":
            yield SignatureSeen(Signature(DIALECT, delta.signature), block.number)
        elif delta.citation and block.kind == "text":
            yield CitationSeen(citation_of(delta.citation), block.number)
        elif delta.partial_json and block.kind == "tool_use":
            block.has_input = True
            yield ArgumentsDelta(delta.partial_json, block.number)

    def stop(self, index: int) -> Iterator[Event]:
        """A block is over, where one was open."""
        block = self._open.pop(index, None)
        if block is None:
            return
        if block.kind == "tool_use":
            if not block.has_input:
                yield ArgumentsDelta(block.given or "{}", block.number)
            yield ToolCallEnded(block.number)
        elif block.kind not in _KNOWN:
            yield ForeignSeen(Foreign(DIALECT, block.kind, _json(_with_input(block))), block.number)

    def stopping(self, said: WireMessage | WireDelta) -> None:
        """Why the model stops; it is told when the message is over."""
        self._reason = said.stop_reason or self._reason
        self._sequence = said.stop_sequence or self._sequence
        self._stopped = said.stop_details or self._stopped

    def count(self, usage: WireUsage) -> Iterator[Event]:
        """What was used so far."""
        self._usage = merged(self._usage, usage)
        if self._usage.service_tier is not None and self._usage.service_tier != self._tier:
            self._tier = self._usage.service_tier
            yield TierSeen(TIERS.get(self._tier, self._tier))
        counted = usage_of(self._usage)
        if counted is not None:
            yield UsageSeen(counted)

    def end(self) -> Iterator[Event]:
        """The message is over: every block ends, and so does the answer."""
        for index in sorted(self._open):
            yield from self.stop(index)
        if self._reason is None:
            return
        finish = read_finish(self._reason, self._calls)
        if self._reason == "refusal" and self._stopped is not None and self._stopped.explanation:
            yield RefusalDelta(self._stopped.explanation, self._next)
        yield Finished(finish, stop_sequence=self._sequence, said=self._reason[:LONGEST])

    def failed(self) -> bool:
        """Whether the reason to stop is that the model failed."""
        return self._reason == "error"

    def _text(self, opened: _Open, block: WireBlock) -> Iterator[Event]:
        if block.text:
            yield TextDelta(block.text, opened.number)
        for citation in block.citations or ():
            yield CitationSeen(citation_of(citation), opened.number)


def citation_of(citation: dict[str, Any]) -> Citation:
    """A citation in an answer: one of a page in the web is understood everywhere."""
    url, title, quote = citation.get("url"), citation.get("title"), citation.get("cited_text")
    if citation.get("type") == "web_search_result_location" and isinstance(url, str):
        return UrlCitation(
            url, title if isinstance(title, str) else None, quote=quote if isinstance(quote, str) and quote else None
        )
    return ForeignCitation(DIALECT, _json(citation))


def _with_input(block: _Open) -> dict[str, Any]:
    """A block of the provider's own tools, with its input where that came in pieces."""
    text = "".join(block.pieces)
    if not text:
        return block.began
    try:
        return {**block.began, "input": msgspec.json.decode(text)}
    except (ValueError, RecursionError):
        return {**block.began, "input": text}


def _json(value: Any) -> Json:
    return Json(msgspec.json.encode(value).decode("utf-8"))
