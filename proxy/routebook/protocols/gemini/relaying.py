"""A stream that passes as it comes, in either form, while it is read along."""

from __future__ import annotations

from routebook.protocols.gemini.stream_reading import GeminiReader
from routebook.protocols.streams import Witness


class GeminiRelayed(Witness):
    """Whole chunks only, byte for byte (`codec.Relaying`)."""

    def __init__(self, hide_usage: bool = False) -> None:
        super().__init__()
        self._reader = GeminiReader("")

    @property
    def done(self) -> bool:
        """Whether the stream has ended in order."""
        return self._reader.done

    def feed(self, chunk: bytes) -> bytes:
        """The chunks that are whole now, as they came. Raises ProtocolError where one grows beyond every bound."""
        if self._reader.done:
            return b""
        self.see(self._reader.feed(chunk))
        return self._reader.framing.passed

    def end(self) -> bytes:
        """The connection has ended in order; `done` says whether the stream had. What is held back is half a chunk."""
        self.see(self._reader.end())
        return b""
