"""One response as its client sees it: every event between `response.created` and `response.done`, in the API's order."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any, Final

from routebook.chat.resampling import Coding, Resampler, encoded
from routebook.chat.talk import Call
from routebook.chat.usage import Usage

Event = dict[str, Any]

SPOKEN_RATE: Final = 24_000


class Answering:
    """A response in the making. `speaks`: sound and its words, else text. `wish` is what the client asked for with it."""

    def __init__(self, identity: str, speaks: bool, coding: Coding, wish: Event) -> None:
        self.identity = identity
        self.speaks = speaks
        self._coding = coding
        self._wish = wish
        self._items: list[Event] = []
        self._message: Event | None = None
        self._part: Event = {}
        self._words: list[str] = []
        self._resampler = Resampler(SPOKEN_RATE, coding.rate)
        self.sound_bytes = 0

    def __repr__(self) -> str:
        return f"<Answering {self.identity}, {len(self._items)} items>"

    @property
    def item(self) -> str | None:
        """The message that is being spoken, or was."""
        found = self._message or next((each for each in reversed(self._items) if each["type"] == "message"), None)
        return None if found is None else str(found["id"])

    @property
    def spoken_ms(self) -> int:
        """Milliseconds of sound that the client was sent."""
        return self.sound_bytes // self._coding.bytes_per_ms

    def created(self) -> Event:
        """Its first event."""
        return {"type": "response.created", "response": self.shown("in_progress")}

    def shown(self, status: str, reason: str | None = None, usage: Usage | None = None) -> Event:
        """The response as an object."""
        details: Event | None = None if status in ("completed", "in_progress") else {"type": status, "reason": reason}
        if status == "failed":
            details = {"type": status, "error": {"type": "server_error", "code": reason}}
        return {
            "object": "realtime.response",
            "id": self.identity,
            "status": status,
            "status_details": details,
            "output": self._items,
            "output_modalities": ["audio" if self.speaks else "text"],
            "metadata": self._wish.get("metadata"),
            "usage": None if usage is None else written_usage(usage),
        }

    def sound(self, samples: bytes, rate: int) -> Iterator[Event]:
        """More of what is said."""
        yield from self._begin()
        if rate != self._resampler.source:
            yield from self._sounded(self._resampler.flush())
            self._resampler = Resampler(rate, self._coding.rate)
        yield from self._sounded(self._resampler.change(samples))

    def words(self, text: str) -> Iterator[Event]:
        """Words of what is said."""
        yield from self._begin()
        self._words.append(text)
        yield {"type": "response.output_audio_transcript.delta", **self._at, "delta": text}

    def text(self, text: str) -> Iterator[Event]:
        """More of an answer in text; in a spoken answer it stands beside the sound."""
        if self.speaks:
            yield from self.words(text)
            return
        yield from self._begin()
        self._words.append(text)
        yield {"type": "response.output_text.delta", **self._at, "delta": text}

    def calls(self, calls: tuple[Call, ...]) -> Iterator[Event]:
        """Calls of tools, each an item of its own."""
        yield from self.end_message("completed")
        for call in calls:
            item: Event = {
                "id": f"item_{self.identity[5:]}_{len(self._items)}",
                "object": "realtime.item",
                "type": "function_call",
                "status": "in_progress",
                "call_id": call.id,
                "name": call.name,
                "arguments": "",
            }
            index = len(self._items)
            at = {"response_id": self.identity, "item_id": item["id"], "output_index": index, "call_id": call.id}
            yield from self._added(item)
            delta = "response.function_call_arguments"
            yield {"type": f"{delta}.delta", **at, "delta": call.arguments}
            yield {"type": f"{delta}.done", **at, "name": call.name, "arguments": call.arguments}
            item.update(status="completed", arguments=call.arguments)
            yield from self._item_done(item, index)

    def end_message(self, status: str) -> Iterator[Event]:
        """What is being said is over, whole or not."""
        message, self._message = self._message, None
        if message is None:
            return
        at = {**self._at, "item_id": message["id"]}
        whole = "".join(self._words)
        if self.speaks:
            if status == "completed":
                yield from self._sounded(self._resampler.flush(), at)
            yield {"type": "response.output_audio.done", **at}
            yield {"type": "response.output_audio_transcript.done", **at, "transcript": whole}
        else:
            yield {"type": "response.output_text.done", **at, "text": whole}
        part = {**self._part, ("transcript" if self.speaks else "text"): whole}
        yield {"type": "response.content_part.done", **at, "part": part}
        message.update(status="completed" if status == "completed" else "incomplete", content=[part])
        yield from self._item_done(message, at["output_index"])

    def done(self, status: str, reason: str | None, usage: Usage | None) -> Iterator[Event]:
        """Its last events."""
        yield from self.end_message(status)
        yield {"type": "response.done", "response": self.shown(status, reason, usage)}

    @property
    def _at(self) -> Event:
        index = next(number for number, each in enumerate(self._items) if each["type"] == "message")
        return {
            "response_id": self.identity,
            "item_id": self._items[index]["id"],
            "output_index": index,
            "content_index": 0,
        }

    def _begin(self) -> Iterator[Event]:
        if self._message is not None:
            return
        self._message = {
            "id": f"item_{self.identity[5:]}_{len(self._items)}",
            "object": "realtime.item",
            "type": "message",
            "role": "assistant",
            "status": "in_progress",
            "content": [],
        }
        kind = "output_audio" if self.speaks else "output_text"
        self._part = {"type": kind, "transcript" if self.speaks else "text": ""}
        yield from self._added(self._message)
        yield {"type": "response.content_part.added", **self._at, "part": self._part}

    def _sounded(self, samples: bytes, at: Event | None = None) -> Iterator[Event]:
        if samples:
            data = encoded(samples, self._coding)
            self.sound_bytes += len(data)
            delta = base64.b64encode(data).decode()
            yield {"type": "response.output_audio.delta", **(at or self._at), "delta": delta}

    def _added(self, item: Event) -> Iterator[Event]:
        index = len(self._items)
        self._items.append(item)
        at = {"response_id": self.identity, "output_index": index}
        yield {"type": "response.output_item.added", **at, "item": dict(item)}
        yield {"type": "conversation.item.added", "previous_item_id": None, "item": dict(item)}

    def _item_done(self, item: Event, index: int) -> Iterator[Event]:
        yield {"type": "conversation.item.done", "previous_item_id": None, "item": dict(item)}
        at = {"response_id": self.identity, "output_index": index}
        yield {"type": "response.output_item.done", **at, "item": dict(item)}


def written_usage(usage: Usage) -> Event:
    """Usage in OpenAI's words: kinds within their sides; thoughts are text that came out."""
    cached = usage.cached_input + usage.cached_audio_input
    heard = usage.audio_input + usage.cached_audio_input
    return {
        "total_tokens": usage.total_input + usage.total_output,
        "input_tokens": usage.total_input,
        "output_tokens": usage.total_output,
        "input_token_details": {
            "text_tokens": usage.total_input - heard,
            "audio_tokens": heard,
            "image_tokens": 0,
            "cached_tokens": cached,
            "cached_tokens_details": {
                "text_tokens": usage.cached_input,
                "audio_tokens": usage.cached_audio_input,
                "image_tokens": 0,
            },
        },
        "output_token_details": {"text_tokens": usage.output + usage.reasoning, "audio_tokens": usage.audio_output},
    }
