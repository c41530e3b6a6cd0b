"""What a rule sets on a request, whichever dialect it is written in."""

from __future__ import annotations

from typing import Protocol

from msgspec.structs import replace

from routebook.chat.conversation import ChatRequest, Effort, ReasoningWish


class Caps(Protocol):
    """A cap on the answer, and defaults for what the client leaves open."""

    @property
    def max_output(self) -> int | None:
        """The most tokens that an answer may have."""

    @property
    def temperature(self) -> float | None:
        """The temperature where the client names none."""

    @property
    def reasoning_effort(self) -> str | None:
        """The reasoning effort where the client names none."""


def capped(chat: ChatRequest, caps: Caps) -> ChatRequest:
    """The request with the caps applied; the same where they change nothing."""
    most, sampling, thinking = chat.max_output, chat.sampling, chat.reasoning
    if caps.max_output is not None:
        most = caps.max_output if most is None else min(most, caps.max_output)
    if caps.temperature is not None and sampling.temperature is None:
        sampling = replace(sampling, temperature=caps.temperature)
    if caps.reasoning_effort is not None and thinking is None:
        thinking = ReasoningWish(Effort(caps.reasoning_effort))
    if (most, sampling, thinking) == (chat.max_output, chat.sampling, chat.reasoning):
        return chat
    return replace(chat, max_output=most, sampling=sampling, reasoning=thinking)
