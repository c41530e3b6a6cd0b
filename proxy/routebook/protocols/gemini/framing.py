"""Where the chunks of a stream end, in either form: server-sent events (`alt=sse`), or one JSON array that grows.

Bytes may be cut anywhere. Which form it is shows in the first byte. What comes out are the JSON texts of whole chunks,
and the bytes in which they stood, so that these can be passed on as they came.
"""

from __future__ import annotations

import re
from typing import Final

from routebook.protocols.errors import ProtocolError, Side
from routebook.protocols.sse import MAX_EVENT, Splitter, fields, spans

_BLANK: Final = b" \t\r\n"
_OUTSIDE: Final = re.compile(rb'["{}\[\]]')
_INSIDE: Final = re.compile(rb'["\\]')
_OPENING: Final = b"{["
_QUOTE: Final = ord('"')


class _Array:
    """Cuts a JSON array, or a row of JSON objects, into its elements."""

    def __init__(self) -> None:
        self._held = bytearray()
        self._searched = 0
        self._depth = 0
        self._bottom = -1
        self._in_text = False
        self._skips = False
        self._starts = 0
        self._ended = False

    @property
    def is_bracketed(self) -> bool:
        """Whether it is an array, and no mere row of objects."""
        return self._bottom == 1

    @property
    def ended(self) -> bool:
        """Whether the bracket that closes the array has come."""
        return self._ended and self.is_bracketed

    @property
    def holds(self) -> bool:
        """Whether an element has begun that has not ended."""
        return self._depth > max(self._bottom, 0) or self._in_text

    def feed(self, chunk: bytes) -> tuple[bytes, list[bytes]]:
        """The bytes up to the end of the last whole element, and the elements in them."""
        if self._ended:
            return b"", []
        if len(self._held) > MAX_EVENT:
            raise ProtocolError(Side.UPSTREAM, f"a chunk is larger than {MAX_EVENT} bytes", code="event_too_large")
        self._held += chunk
        elements: list[bytes] = []
        passed = 0
        while not self._ended and (end := self._next()) is not None:
            if not self._ended:
                elements.append(bytes(self._held[self._starts : end]))
            passed = end
        whole = bytes(self._held[:passed])
        del self._held[:passed]
        self._searched -= passed
        self._starts -= passed
        return whole, elements

    def _next(self) -> int | None:
        """Where the next element, or the array itself, ends; None where that has not come yet."""
        held = self._held
        while self._searched < len(held):
            if self._skips:
                self._skips = False
                self._searched += 1
                continue
            found = (_INSIDE if self._in_text else _OUTSIDE).search(held, self._searched)
            if found is None:
                self._searched = len(held)
                return None
            self._searched = found.end()
            byte = held[found.start()]
            if self._in_text:
                self._in_text = self._skips = byte != _QUOTE
            elif byte == _QUOTE:
                self._in_text = True
            elif self._turn(byte, found.start()):
                return self._searched
        return None

    def _turn(self, byte: int, at: int) -> bool:
        """A bracket; whether something has ended with it."""
        if self._bottom < 0:
            self._bottom = int(byte == ord("["))
            if self._bottom:
                self._depth = 1
                return False
        if byte in _OPENING:
            if self._depth == self._bottom:
                self._starts = at
            self._depth += 1
            return False
        self._depth -= 1
        self._ended = self._depth < self._bottom
        return self._depth <= self._bottom


class Framing:
    """Cuts one stream into its chunks. `passed` are the bytes of the whole chunks of the last `feed`, as they came."""

    def __init__(self) -> None:
        self._head = b""
        self._events: Splitter | None = None
        self._array: _Array | None = None
        self.passed = b""

    def __repr__(self) -> str:
        form = "an array" if self._array else "events" if self._events else "unknown"
        return f"<Framing {form}>"

    @property
    def is_array(self) -> bool:
        """Whether the stream has an end of its own: the bracket that closes the array."""
        return self._array is not None and self._array.is_bracketed

    @property
    def ended(self) -> bool:
        """Whether that bracket has come."""
        return self._array is not None and self._array.ended

    @property
    def holds(self) -> bool:
        """Whether half a chunk has come."""
        if self._array is not None:
            return self._array.holds
        return self._events is not None and bool(self._events.held.strip())

    def feed(self, chunk: bytes) -> list[bytes]:
        """The JSON texts of the chunks that are whole now; raises ProtocolError where one grows beyond every bound."""
        self.passed = b""
        if self._events is None and self._array is None:
            chunk = self._head + chunk
            begun = chunk.lstrip(_BLANK)
            if not begun:
                self._head = chunk[-MAX_EVENT:]
                return []
            if begun[0] in _OPENING:
                self._array = _Array()
            else:
                self._events = Splitter()
        if self._array is not None:
            self.passed, elements = self._array.feed(chunk)
            return elements
        assert self._events is not None
        self.passed = self._events.feed(chunk)
        return data_of(self.passed) if self.passed else []


def data_of(whole: bytes) -> list[bytes]:
    """The data of a run of whole events; most runs are lines of data with nothing else, all of which end in one way."""
    end = b"\r\n" if whole.endswith(b"\r\n") else b"\n"
    between = end + end + b"data: "
    ends = whole.count(end)
    if (
        whole.startswith(b"data: ")
        and ends == whole.count(b"\n") == 2 * whole.count(between) + 2
        and whole.count(b"\r") == ends * (len(end) - 1)
    ):
        return whole[6 : -2 * len(end)].split(between)
    return [data for event in spans(whole) if (data := fields(event)[1]) is not None]
