"""Answers and their lines as they stand on the wire, read forgivingly, and the words they share with requests."""

from __future__ import annotations

from typing import Any, Final

import msgspec

DIALECT: Final = "ollama"

PATH: Final = "/api/chat"

OPTIONS: Final = {
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "frequency_penalty": "frequency_penalty",
    "presence_penalty": "presence_penalty",
    "seed": "seed",
}
"""How the next token is chosen: the neutral name of each setting, and its name under `options`."""


class WireFunction(msgspec.Struct, gc=False):
    """What is called, with what."""

    name: str | None = None
    arguments: dict[str, Any] | str | None = None


class WireCall(msgspec.Struct, gc=False):
    """One call of a tool. Older servers give it no id."""

    id: str | None = None
    function: WireFunction | None = None


class WireMessage(msgspec.Struct, gc=False):
    """What was said, whole or some more of it."""

    content: str | None = None
    thinking: str | None = None
    tool_calls: list[WireCall] | None = None


class WireLogprob(msgspec.Struct, gc=False):
    """A token's probability, and those of others."""

    token: str = ""
    logprob: float = 0.0
    bytes: list[int] | None = None
    top_logprobs: list[WireLogprob] | None = None


class WireAnswer(msgspec.Struct, gc=False):
    """A whole answer, or one line of a stream: the last has `done` and the counts."""

    model: str | None = None
    created_at: str | None = None
    message: WireMessage | None = None
    logprobs: list[WireLogprob] | None = None
    done: bool = False
    done_reason: str | None = None
    prompt_eval_count: int | None = None
    eval_count: int | None = None
    error: Any = None
