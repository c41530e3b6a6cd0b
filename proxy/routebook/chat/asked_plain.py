"""What routing asks of a request that is no conversation: texts to be embedded or completed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Final

from routebook.chat.lazily import lazily


class AskedPlain(ABC):
    """A request as `chat.asked.Asked` wants it, without what only conversations have. A dialect's own class says what the
    rest is."""

    images: Final = 0
    tools: Final = 0
    tool_bytes: Final = 0
    needs: Final[frozenset[str]] = frozenset()
    metadata: Final[Mapping[str, str]] = {}
    was_read: Final = True
    opening: Final = b""
    goes_on_from: Final = None
    form: Mapping[str, str] = {}
    heard_ms: int = 0
    most_ms: int = 0
    characters: int = 0
    session: Final = None

    model: str
    body: bytes

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.model} {self.body_bytes} bytes>"

    @property
    def body_bytes(self) -> int:
        """The size of the request's body."""
        return len(self.body)

    @lazily
    @abstractmethod
    def text(self) -> str:
        """All texts, one after the other."""

    @property
    def latest(self) -> str:
        """All of it."""
        return self.text


class AskedVectors(AskedPlain):
    """A request for vectors: nothing is generated."""

    operation: Final = "embeddings"
    stream: Final = False
    wants_usage: Final = True
    max_output: Final = 0
    choices: Final = 1
