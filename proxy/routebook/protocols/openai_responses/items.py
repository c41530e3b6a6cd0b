"""Items of an answer in the making, each with the events that tell a client of it, in the vendor's order."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any, Final, Protocol

import msgspec
from msgspec import Raw

from routebook.chat.events import (
    ArgumentsDelta,
    CitationSeen,
    Event,
    ReasoningDelta,
    RefusalDelta,
    SignatureSeen,
    TextDelta,
    TokenLogprob,
    ToolCallStarted,
)
from routebook.chat.parts import Foreign, Image, Inline, ToolKind
from routebook.protocols.openai_responses.annotations import annotation_of, write_logprobs
from routebook.protocols.openai_responses.errors import event as written
from routebook.protocols.openai_responses.seals import made_id, unsealed

encode: Final = msgspec.json.encode


class Numbering:
    """Numbers the events of one stream."""

    def __init__(self) -> None:
        self.next = 0

    def say(self, name: str, **said: Any) -> bytes:
        """One more event."""
        self.next += 1
        return written(name, {"type": name, "sequence_number": self.next - 1, **said})


class Item(Protocol):
    """One item. What `begin`, `take` and `end` return is what the client hears; `whole` is the item as it stands."""

    def begin(self) -> bytes:
        """The item begins."""

    def take(self, event: Event) -> bytes | None:
        """Some more of it; None where it has no place for that."""

    def end(self, status: str) -> bytes:
        """It is complete, or will never be."""

    def whole(self, status: str) -> Any:
        """The item."""


class _Growing(ABC):
    """What all items share that come in pieces: their place, and how pieces are told."""

    def __init__(self, numbering: Numbering, index: int, identity: str) -> None:
        self._numbering = numbering
        self._index = index
        self.id = identity
        self._pieces: list[str] = []

    @property
    def text(self) -> str:
        """What has been said."""
        return "".join(self._pieces)

    @abstractmethod
    def whole(self, status: str) -> Any:
        """The item as it stands."""

    def _say(self, name: str, **said: Any) -> bytes:
        return self._numbering.say(name, item_id=self.id, output_index=self._index, **said)

    def _added(self, item: Any) -> bytes:
        return self._numbering.say("response.output_item.added", output_index=self._index, item=item)

    def _done(self, status: str) -> bytes:
        return self._numbering.say("response.output_item.done", output_index=self._index, item=self.whole(status))


class SaidText(_Growing):
    """A message with one text."""

    def __init__(self, numbering: Numbering, index: int, seed: str) -> None:
        super().__init__(numbering, index, made_id("msg", seed, index))
        self.annotations: list[dict[str, Any] | Raw] = []
        self.logprobs: list[dict[str, Any]] = []
        self._heard = 0
        name = "response.output_text.delta"
        place = {"item_id": self.id, "output_index": index, "content_index": 0}
        self._before = b'event: %b\ndata: {"type":"%b","sequence_number":' % (name.encode(), name.encode())
        self._between = b",%b," % encode(place)[1:-1] + b'"delta":'

    def note(self, tokens: Iterable[TokenLogprob]) -> None:
        """Probabilities of some more tokens."""
        self.logprobs += write_logprobs(tokens)

    def begin(self) -> bytes:
        """A message, and a part of it without text."""
        return self._added(self._message("in_progress", [])) + self._say(
            "response.content_part.added", content_index=0, part=self._part("", [], [])
        )

    def piece(self, text: str) -> bytes:
        """Some more text: what most events of most streams are."""
        self._pieces.append(text)
        tokens = b"[]"
        if len(self.logprobs) > self._heard:
            tokens = encode(self.logprobs[self._heard :])
            self._heard = len(self.logprobs)
        number = self._numbering.next
        self._numbering.next = number + 1
        return b'%b%d%b%b,"logprobs":%b}\n\n' % (self._before, number, self._between, encode(text), tokens)

    def take(self, event: Event) -> bytes | None:
        """A piece of text, or where it comes from."""
        match event:
            case TextDelta(text):
                return self.piece(text)
            case CitationSeen(citation):
                annotation = annotation_of(citation)
                if annotation is None:
                    return None
                self.annotations.append(annotation)
                place = {"content_index": 0, "annotation_index": len(self.annotations) - 1}
                return self._say("response.output_text.annotation.added", **place, annotation=annotation)
        return None

    def end(self, status: str) -> bytes:
        """The text, the part and the message are complete."""
        text, part = self.text, self._part(self.text, self.annotations, self.logprobs)
        return (
            self._say("response.output_text.done", content_index=0, text=text, logprobs=self.logprobs)
            + self._say("response.content_part.done", content_index=0, part=part)
            + self._done(status)
        )

    def whole(self, status: str) -> Any:
        """The message."""
        return self._message(status, [self._part(self.text, self.annotations, self.logprobs)])

    def _message(self, status: str, content: list[Any]) -> dict[str, Any]:
        return {"id": self.id, "type": "message", "status": status, "role": "assistant", "content": content}

    def _part(self, text: str, annotations: list[Any], logprobs: list[Any]) -> dict[str, Any]:
        return {"type": "output_text", "annotations": annotations, "logprobs": logprobs, "text": text}


class SaidRefusal(_Growing):
    """A message that is a refusal."""

    def __init__(self, numbering: Numbering, index: int, seed: str) -> None:
        super().__init__(numbering, index, made_id("msg", seed, index))

    def begin(self) -> bytes:
        """A message, and a part of it without words."""
        message = {"id": self.id, "type": "message", "status": "in_progress", "role": "assistant", "content": []}
        part = {"type": "refusal", "refusal": ""}
        return self._added(message) + self._say("response.content_part.added", content_index=0, part=part)

    def take(self, event: Event) -> bytes | None:
        """Some more words."""
        if not isinstance(event, RefusalDelta):
            return None
        self._pieces.append(event.text)
        return self._say("response.refusal.delta", content_index=0, delta=event.text)

    def end(self, status: str) -> bytes:
        """The refusal, its part and its message are complete."""
        part = {"type": "refusal", "refusal": self.text}
        return (
            self._say("response.refusal.done", content_index=0, refusal=self.text)
            + self._say("response.content_part.done", content_index=0, part=part)
            + self._done(status)
        )

    def whole(self, status: str) -> Any:
        """The message."""
        content = [{"type": "refusal", "refusal": self.text}]
        return {"id": self.id, "type": "message", "status": status, "role": "assistant", "content": content}


class Thought(_Growing):
    """What was thought, shown as one part of a summary; sealed where its provider wants it back."""

    def __init__(self, numbering: Numbering, index: int, seed: str) -> None:
        super().__init__(numbering, index, made_id("rs", seed, index))
        self._encrypted: str | None = None

    def begin(self) -> bytes:
        """A thought of which nothing is shown yet."""
        return self._added({"id": self.id, "type": "reasoning", "summary": []})

    def take(self, event: Event) -> bytes | None:
        """Some more of it, or its seal."""
        if isinstance(event, SignatureSeen):
            self._encrypted = unsealed(event.signature)[1]
            return b""
        if not isinstance(event, ReasoningDelta):
            return None
        opening = b""
        if not self._pieces:
            opening = self._say("response.reasoning_summary_part.added", summary_index=0, part=self._part(""))
        self._pieces.append(event.text)
        return opening + self._say("response.reasoning_summary_text.delta", summary_index=0, delta=event.text)

    def end(self, status: str) -> bytes:
        """The thought is complete."""
        if not self._pieces:
            return self._done(status)
        return (
            self._say("response.reasoning_summary_text.done", summary_index=0, text=self.text)
            + self._say("response.reasoning_summary_part.done", summary_index=0, part=self._part(self.text))
            + self._done(status)
        )

    def whole(self, status: str) -> Any:
        """The thought."""
        shown = [self._part(self.text)] if self._pieces else []
        item = {"id": self.id, "type": "reasoning", "summary": shown}
        return item if self._encrypted is None else {**item, "encrypted_content": self._encrypted}

    def _part(self, text: str) -> dict[str, str]:
        return {"type": "summary_text", "text": text}


class Called(_Growing):
    """A call of one of the client's tools."""

    def __init__(self, numbering: Numbering, index: int, seed: str, call: ToolCallStarted) -> None:
        self._is_custom = call.kind is ToolKind.CUSTOM
        super().__init__(numbering, index, made_id("ctc" if self._is_custom else "fc", seed, index))
        self._call = call
        self._field = "input" if self._is_custom else "arguments"
        self._name = "response.custom_tool_call_input" if self._is_custom else "response.function_call_arguments"

    def begin(self) -> bytes:
        """A call without arguments yet."""
        return self._added(self.whole("in_progress"))

    def take(self, event: Event) -> bytes | None:
        """Some more arguments."""
        if not isinstance(event, ArgumentsDelta):
            return None
        self._pieces.append(event.text)
        return self._say(f"{self._name}.delta", delta=event.text)

    def end(self, status: str) -> bytes:
        """The call is complete."""
        return self._say(f"{self._name}.done", **{self._field: self.text}) + self._done(status)

    def whole(self, status: str) -> Any:
        """The call."""
        kind = "custom_tool_call" if self._is_custom else "function_call"
        item = {"id": self.id, "type": kind, "status": status, "call_id": self._call.id, "name": self._call.name}
        return {**item, self._field: self.text}


class Shown(_Growing):
    """A picture, as the tool shows it that makes pictures at the vendor; or an item that only this dialect knows."""

    def __init__(self, numbering: Numbering, index: int, seed: str, item: Image | Foreign) -> None:
        super().__init__(numbering, index, made_id("ig", seed, index))
        self._shown = item

    def begin(self) -> bytes:
        """It is whole at once."""
        return self._added(self.whole("completed"))

    def take(self, event: Event) -> bytes | None:
        """It does not grow."""
        return None

    def end(self, status: str) -> bytes:
        """Nor can it be cut."""
        return self._done("completed")

    def whole(self, status: str) -> Any:
        """The item."""
        if isinstance(self._shown, Foreign):
            return Raw(self._shown.json.encode("utf-8"))
        source = self._shown.source
        assert isinstance(source, Inline)
        form = source.media_type.removeprefix("image/")
        picture = {"id": self.id, "type": "image_generation_call", "status": status, "result": source.base64}
        return {**picture, "output_format": form}
