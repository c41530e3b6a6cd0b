"""The dialects that are spoken: what stands at which path, and what reads and edits it. A further one is a line here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from routebook.chat.asked import Asked
from routebook.protocols.anthropic.dialect import ANTHROPIC
from routebook.protocols.codec import Dialect, Operation
from routebook.protocols.gemini.dialect import GEMINI
from routebook.protocols.openai_chat.dialect import OPENAI_CHAT
from routebook.protocols.openai_responses.dialect import OPENAI_RESPONSES
from routebook.protocols.paths import Paths

__all__ = ["DIALECTS", "OPERATIONS", "PATHS", "SPOKEN_BY", "Dialect", "Operation", "reader_at"]

_ALL = (OPENAI_CHAT, ANTHROPIC, GEMINI, OPENAI_RESPONSES)

DIALECTS: Final[Mapping[str, Dialect]] = {each.name: each for each in _ALL}
"""Every dialect by the name that facts and records use."""

SPOKEN_BY: Final[Mapping[str, Dialect]] = {
    each.spoken_by: each for each in reversed(tuple(DIALECTS.values())) if each.upstream is not None
}
"""The dialect in which a provider is asked, by the word that its declaration uses: the first that stands for it."""

PATHS: Final = Paths(DIALECTS.values())
"""What is served at which path."""

OPERATIONS: Final[Mapping[str, tuple[Dialect, Operation]]] = {
    operation.path: (dialect, operation)
    for dialect in DIALECTS.values()
    for operation in dialect.operations
    if "{" not in operation.path
}
"""What is served at paths without a value in them."""


def reader_at(path: str) -> Callable[[bytes], Asked] | None:
    """What reads a request at this path; None where nothing is served."""
    found = OPERATIONS.get(path)
    return None if found is None else found[1].read
