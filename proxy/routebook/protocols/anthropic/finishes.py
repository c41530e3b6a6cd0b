"""Why a model stopped: Anthropic's words and the neutral ones."""

from __future__ import annotations

from typing import Final

from routebook.chat.events import Finish

_READ: Final = {
    "end_turn": Finish.STOP,
    "stop_sequence": Finish.STOP_SEQUENCE,
    "max_tokens": Finish.LENGTH,
    "model_context_window_exceeded": Finish.CONTEXT_FULL,
    "tool_use": Finish.TOOL_CALLS,
    "refusal": Finish.REFUSED,
    "pause_turn": Finish.PAUSED,
    "compaction": Finish.PAUSED,
}

WORDS: Final = {
    Finish.STOP: "end_turn",
    Finish.STOP_SEQUENCE: "stop_sequence",
    Finish.LENGTH: "max_tokens",
    Finish.CONTEXT_FULL: "model_context_window_exceeded",
    Finish.TOOL_CALLS: "tool_use",
    Finish.FILTERED: "refusal",
    Finish.REFUSED: "refusal",
    Finish.PAUSED: "pause_turn",
}
"""How each reason is said; several are said in one word."""


def read_finish(word: str, calls: bool) -> Finish:
    """The reason that a word stands for, an unknown one for an ordinary stop; a stop after calls is one for them."""
    finish = _READ.get(word, Finish.STOP)
    return Finish.TOOL_CALLS if calls and finish is Finish.STOP else finish
