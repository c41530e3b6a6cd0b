"""Server-sent events: where they end, in bytes that may be cut anywhere.

An event ends with an empty line; lines end with LF, CR LF or CR (HTML Living Standard, 9.2.5). What comes out is the
longest run of whole events, byte for byte as it came in, so that it can be passed on as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from routebook.protocols.errors import ProtocolError, Side

MAX_EVENT = 8 * 1024 * 1024
"""The largest event that is held back until it is whole: an image in base64 fits, an endless line does not."""

_LINE_END = re.compile(rb"\r\n|\n|\r")
_SPANS = re.compile(rb"(?:[^\r\n]+(?:\r\n|\n|\r))*(?:\r\n|\n|\r)")


class Splitter:
    """Cuts a stream of bytes into runs of whole events; what has not ended yet is held."""

    def __init__(self, limit: int = MAX_EVENT) -> None:
        self._held = bytearray()
        self._limit = limit

    def __repr__(self) -> str:
        return f"<Splitter {len(self._held)} bytes held>"

    def feed(self, chunk: bytes) -> bytes:
        """The events that are whole now; raises ProtocolError where one has grown beyond the limit."""
        held = self._held
        if len(held) > self._limit:
            raise ProtocolError(Side.UPSTREAM, f"an event is larger than {self._limit} bytes", code="event_too_large")
        if not held:
            cut = end_of_events(chunk)
            if cut == len(chunk):
                return chunk
            held += chunk[cut:]
            whole = chunk[:cut]
        else:
            searched = max(0, len(held) - 3)
            held += chunk
            cut = end_of_events(held, searched)
            whole = bytes(held[:cut])
            del held[:cut]
        return whole

    @property
    def held(self) -> bytes:
        """What came after the last whole event."""
        return bytes(self._held)


def end_of_events(data: bytes | bytearray, searched: int = 0) -> int:
    """Where the last whole event in `data` ends; `data` begins at an event's beginning, 0 means that none is whole.

    `searched` bytes at the front are known to hold no end. A CR that ends an empty line ends the event; the LF that
    may belong to it comes next as an empty line of its own, which means nothing.
    """
    if data.find(b"\r", searched) < 0:
        cut = data.rfind(b"\n\n", searched)
        if cut >= 0:
            return cut + 2
        return 1 if data[:1] == b"\n" else 0
    return _end_by_lines(data, searched)


def _end_by_lines(data: bytes | bytearray, searched: int) -> int:
    cut, line_start = 0, 0 if searched == 0 else -1
    for line_end in _LINE_END.finditer(data, searched):
        start, end = line_end.span()
        if start == line_start:
            cut = end
        line_start = end
    return cut


def spans(whole: bytes) -> Iterator[bytes]:
    """The single events of a run of whole events; joined, they are the run."""
    return (match[0] for match in _SPANS.finditer(whole))


def fields(event: bytes) -> tuple[str | None, bytes | None]:
    """The name and the data of one event; data is None where it has none (a comment, a bare name, an empty line)."""
    name: str | None = None
    data: list[bytes] = []
    for line in event.splitlines():
        key, _, value = line.removeprefix(b"\xef\xbb\xbf").partition(b":")
        if key == b"data":
            data.append(value.removeprefix(b" "))
        elif key == b"event":
            name = value.removeprefix(b" ").decode("utf-8", "replace")
    return name, b"\n".join(data) if data else None


def named(whole: bytes) -> Iterator[tuple[str | None, bytes | None]]:
    """The names and data of a run of whole events; most are a line with the one and a line with the other, read at a glance."""
    if b"\r" in whole:
        yield from map(fields, spans(whole))
        return
    for event in whole.split(b"\n\n"):
        name, found, data = event.partition(b"\ndata: ")
        if found and name.startswith(b"event: ") and b"\n" not in name and b"\n" not in data:
            yield name[7:].decode("utf-8", "replace"), data
        elif event:
            yield fields(event)
