"""Why a model stopped, or was not even asked: Gemini's words and the neutral ones."""

from __future__ import annotations

from typing import Final

from routebook.chat.events import Finish

_READ: Final = {
    "STOP": Finish.STOP,
    "MAX_TOKENS": Finish.LENGTH,
    "CONTINUATION": Finish.PAUSED,
    **dict.fromkeys(
        (
            "SAFETY",
            "RECITATION",
            "LANGUAGE",
            "BLOCKLIST",
            "PROHIBITED_CONTENT",
            "SPII",
            "MODEL_ARMOR",
            "IMAGE_SAFETY",
            "IMAGE_PROHIBITED_CONTENT",
            "IMAGE_RECITATION",
        ),
        Finish.FILTERED,
    ),
}

FAILURES: Final = {
    "MALFORMED_FUNCTION_CALL": 502,
    "UNEXPECTED_TOOL_CALL": 502,
    "TOO_MANY_TOOL_CALLS": 502,
    "MALFORMED_RESPONSE": 502,
    "MISSING_THOUGHT_SIGNATURE": 400,
    "NO_IMAGE": 502,
    "IMAGE_OTHER": 502,
    "OTHER": 502,
}
"""Reasons that are errors of the model, or of what it was sent, with the HTTP status that they amount to."""

WORDS: Final = {
    Finish.STOP: "STOP",
    Finish.STOP_SEQUENCE: "STOP",
    Finish.LENGTH: "MAX_TOKENS",
    Finish.CONTEXT_FULL: "MAX_TOKENS",
    Finish.TOOL_CALLS: "STOP",
    Finish.FILTERED: "SAFETY",
    Finish.REFUSED: "SAFETY",
    Finish.PAUSED: "STOP",
}
"""How each reason is said; several are said in one word."""


def read_finish(word: str, calls: bool) -> Finish:
    """The reason that a word stands for, an unknown one for an ordinary stop. After calls this dialect says `STOP`."""
    finish = _READ.get(word, Finish.STOP)
    return Finish.TOOL_CALLS if calls and finish is Finish.STOP else finish
