"""The dialects that are spoken: what stands at which path, and what reads and edits it. A further one is a line here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from routebook.chat.asked import Asked
from routebook.protocols import spoken
from routebook.protocols.anthropic.dialect import ANTHROPIC
from routebook.protocols.codec import Dialect, Operation
from routebook.protocols.gemini.dialect import GEMINI
from routebook.protocols.ollama.dialect import OLLAMA
from routebook.protocols.openai_chat.dialect import OPENAI_CHAT
from routebook.protocols.openai_responses.dialect import OPENAI_RESPONSES
from routebook.protocols.paths import Paths

__all__ = ["DIALECTS", "OPERATIONS", "PATHS", "SERVED", "SPOKEN_BY", "Dialect", "Operation", "asked_in", "reader_at"]

_ALL = (OPENAI_CHAT, ANTHROPIC, GEMINI, OPENAI_RESPONSES, OLLAMA)

DIALECTS: Final[Mapping[str, Dialect]] = {each.name: each for each in _ALL}
"""Every dialect by the name that facts and records use."""

SPOKEN_BY: Final[Mapping[str, Dialect]] = {word: DIALECTS[names[0]] for word, names in spoken.SPOKEN.items()}
"""The dialect in which a provider is asked, by the word that its declaration uses, for clients of all others."""

SERVED: Final[tuple[Dialect, ...]] = tuple(each for each in DIALECTS.values() if each.serves)
"""The dialects in which clients are served; the first is spoken to whoever says nothing of their own."""

PATHS: Final = Paths(SERVED)
"""What is served at which path."""

OPERATIONS: Final[Mapping[str, tuple[Dialect, Operation]]] = {
    operation.path: (dialect, operation)
    for dialect in SERVED
    for operation in dialect.operations
    if "{" not in operation.path
}
"""What is served at paths without a value in them."""


def asked_in(word: str, client: str) -> Dialect | None:
    """The dialect in which a provider is asked for a client of a dialect (`spoken.asked_in`)."""
    name = spoken.asked_in(word, client)
    return None if name is None else DIALECTS[name]


def reader_at(path: str) -> Callable[[bytes], Asked] | None:
    """What reads a request at this path; None where nothing is served."""
    found = OPERATIONS.get(path)
    return None if found is None else found[1].read
