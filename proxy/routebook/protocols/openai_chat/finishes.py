"""Why a model stopped: OpenAI's words and the neutral ones."""

from __future__ import annotations

from typing import Final

from routebook.chat.events import Finish

_READ: Final = {
    "stop": Finish.STOP,
    "length": Finish.LENGTH,
    "max_tokens": Finish.LENGTH,
    "tool_calls": Finish.TOOL_CALLS,
    "function_call": Finish.TOOL_CALLS,
    "content_filter": Finish.FILTERED,
}

WORDS: Final = {
    Finish.STOP: "stop",
    Finish.STOP_SEQUENCE: "stop",
    Finish.LENGTH: "length",
    Finish.CONTEXT_FULL: "length",
    Finish.TOOL_CALLS: "tool_calls",
    Finish.FILTERED: "content_filter",
    Finish.REFUSED: "content_filter",
    Finish.PAUSED: "stop",
}
"""How each reason is said; several are said in one word."""


def read_finish(word: str, calls: bool) -> Finish:
    """The reason that a word stands for, an unknown one for an ordinary stop.

    Some who imitate the API say `stop` after calls of tools; a client that believes it never answers the calls.
    """
    finish = _READ.get(word, Finish.STOP)
    return Finish.TOOL_CALLS if calls and finish is Finish.STOP else finish
