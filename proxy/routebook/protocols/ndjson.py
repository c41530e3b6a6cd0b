"""JSON, one text a line, in bytes that may be cut anywhere."""

from __future__ import annotations

from routebook.protocols.errors import ProtocolError, Side
from routebook.protocols.sse import MAX_EVENT


class Lines:
    """Cuts a stream of bytes into lines; what has not ended yet is held."""

    def __init__(self, limit: int = MAX_EVENT) -> None:
        self._held = bytearray()
        self._limit = limit

    def __repr__(self) -> str:
        return f"<Lines {len(self._held)} bytes held>"

    def feed(self, chunk: bytes) -> list[bytes]:
        """The lines that are whole now, empty ones left out; raises ProtocolError where one grows beyond the limit."""
        end = chunk.rfind(b"\n")
        if end < 0:
            self._held += chunk
            whole = b""
        else:
            whole = bytes(self._held) + chunk[:end]
            self._held = bytearray(chunk[end + 1 :])
        if len(self._held) > self._limit:
            raise ProtocolError(Side.UPSTREAM, f"a line is larger than {self._limit} bytes", code="event_too_large")
        return [line for line in whole.split(b"\n") if line.strip()]

    def end(self) -> bytes:
        """What came after the last end of a line: the last line, where nobody ends it."""
        last, self._held = bytes(self._held).strip(), bytearray()
        return last
