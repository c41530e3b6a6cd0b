"""What a client of Realtime is told of what it says itself, where the upstream tells less: when speech began and ended,
the item that it becomes, and its words."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

Event = dict[str, Any]


class Hearing:
    """The input buffer of one session. `name` makes ids of items. `is_open`: a turn was begun by the client's word;
    `is_committed`: and ended."""

    def __init__(self, name: Callable[[], str]) -> None:
        self._name = name
        self.buffered_ms = 0.0
        self.is_open = False
        self.is_committed = False
        self._total_ms = 0.0
        self._item: str | None = None
        self._last_item: str | None = None
        self._words: list[str] = []
        self._listened_ms = 0.0

    def __repr__(self) -> str:
        return f"<Hearing {self.buffered_ms:.0f} ms>"

    def add(self, milliseconds: float) -> None:
        """So much more sound has come."""
        self.buffered_ms += milliseconds
        self._total_ms += milliseconds

    def began(self) -> Iterator[Event]:
        """Somebody speaks; told once for each turn."""
        if self._item is None:
            self._item = self._name()
            at = {"audio_start_ms": int(self._total_ms), "item_id": self._item}
            yield {"type": "input_audio_buffer.speech_started", **at}

    def committed(self, previous: str | None) -> Iterator[Event]:
        """What was said is an item from now on; nothing where nothing was."""
        if not self.buffered_ms:
            return
        if self._item is not None:
            at = {"audio_end_ms": int(self._total_ms), "item_id": self._item}
            yield {"type": "input_audio_buffer.speech_stopped", **at}
        item = self._item or self._name()
        yield from self.written_down()
        self._listened_ms, self.buffered_ms = self.buffered_ms, 0.0
        self._item, self._last_item = None, item
        yield {"type": "input_audio_buffer.committed", "previous_item_id": previous, "item_id": item}
        content = [{"type": "input_audio", "transcript": None}]
        whole = {"id": item, "object": "realtime.item", "type": "message", "role": "user", "status": "completed"}
        for kind in ("added", "done"):
            yield {
                "type": f"conversation.item.{kind}",
                "previous_item_id": previous,
                "item": {**whole, "content": content},
            }
        words, self._words = self._words, []
        for text in words:
            yield from self.words(text)

    def words(self, text: str) -> Iterator[Event]:
        """More of what was said: kept until there is an item for it."""
        self._words.append(text)
        if self._item is None and self._last_item is not None:
            at = {"item_id": self._last_item, "content_index": 0}
            yield {"type": "conversation.item.input_audio_transcription.delta", **at, "delta": text}

    def written_down(self) -> Iterator[Event]:
        """All of what was said in the last item; told once, where any of it was."""
        if self._last_item is None or self._item is not None or not self._words:
            return
        whole, self._words = "".join(self._words), []
        yield {
            "type": "conversation.item.input_audio_transcription.completed",
            "item_id": self._last_item,
            "content_index": 0,
            "transcript": whole,
            "usage": {"type": "duration", "seconds": round(self._listened_ms / 1000, 3)},
        }
        self._last_item = None
