"""What providers speak, in words alone: for reading and checking a policy, which needs no codec. A test holds it against
the table of dialects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

SPOKEN: Final[Mapping[str, tuple[str, ...]]] = {
    "openai": ("openai-chat", "openai-realtime", "openai-live"),
    "openai-responses": ("openai-responses", "openai-realtime", "openai-live"),
    "anthropic": ("anthropic",),
    "gemini": ("gemini", "gemini-live"),
    "ollama": ("ollama",),
}
"""The dialects that a provider speaks, by the word of its declaration; the first for clients of all others."""

TRANSLATED: Final = frozenset({"chat", "count_tokens"})
"""Operations that may cross from one dialect to another; every other is served by its own dialect alone."""


SESSIONS: Final = frozenset({"openai-realtime", "gemini-live"})
"""Dialects of sessions that cross: each to the other, and to nothing else."""


def asked_in(word: str, client: str) -> str | None:
    """The dialect in which a provider that speaks `word` is asked for a client of a dialect: the client's own where the
    provider speaks it, so that nothing has to be translated; a session in another of sessions. None where nobody here can
    speak to it."""
    spoken = SPOKEN.get(word)
    if spoken is None or client in spoken:
        return None if spoken is None else client
    if client in SESSIONS:
        return next((each for each in spoken if each in SESSIONS), spoken[0])
    return spoken[0]
