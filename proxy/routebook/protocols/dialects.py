"""The dialects that are spoken: what stands at which path, and what reads and edits it. A further one is a line here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from routebook.chat.asked import Asked
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

SPOKEN_BY: Final[Mapping[str, Dialect]] = {
    each.spoken_by: each for each in reversed(tuple(DIALECTS.values())) if each.upstream is not None
}
"""The dialect in which a provider is asked, by the word that its declaration uses: the first that stands for it."""

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


def asked_in(word: str, dialect: str) -> Dialect | None:
    """The dialect in which a provider that speaks `word` is asked for a client of a dialect: the client's own where the
    provider speaks it, so that nothing has to be translated. None where nobody here can speak to it."""
    own = DIALECTS.get(dialect)
    return own if own is not None and own.spoken_by == word and own.upstream is not None else SPOKEN_BY.get(word)


def reader_at(path: str) -> Callable[[bytes], Asked] | None:
    """What reads a request at this path; None where nothing is served."""
    found = OPERATIONS.get(path)
    return None if found is None else found[1].read
