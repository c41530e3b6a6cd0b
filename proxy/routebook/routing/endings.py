"""How an exchange ended, in two letters: by whom, and in which phase. `--` is the normal end."""

from __future__ import annotations

import enum
from typing import Final

NORMAL: Final = "--"
"""The answer was passed on to its last byte, or was not meant to be more than it was."""


class Who(enum.Enum):
    """By whom an exchange was ended: the first letter."""

    CLIENT = "C"
    UPSTREAM = "U"
    POLICY = "P"
    BUDGET = "B"
    TIME = "T"
    GATEWAY = "G"


class Phase(enum.Enum):
    """How far it had come: the second letter."""

    REQUEST = "Q"
    ROUTING = "R"
    HEAD = "H"
    DATA = "D"


WHO_WORDS: Final = {
    Who.CLIENT: "the client",
    Who.UPSTREAM: "the upstream",
    Who.POLICY: "the policy",
    Who.BUDGET: "a budget",
    Who.TIME: "a time limit",
    Who.GATEWAY: "the gateway",
}
PHASE_WORDS: Final = {
    Phase.REQUEST: "while the request was read",
    Phase.ROUTING: "while it was decided",
    Phase.HEAD: "before an answer began",
    Phase.DATA: "while the answer was passed on",
}


def end_code(who: Who, phase: Phase) -> str:
    """The two letters.

    >>> end_code(Who.UPSTREAM, Phase.DATA)
    'UD'
    """
    return who.value + phase.value


def end_in_words(code: str) -> str:
    """An end code as a sentence for people; an unknown code stands for itself."""
    if code == NORMAL:
        return "it ended normally"
    if code == "GX":
        return "the gateway's process died before it ended"
    try:
        who, phase = Who(code[:1]), Phase(code[1:])
    except ValueError:
        return code
    return f"ended by {WHO_WORDS[who]} {PHASE_WORDS[phase]}"
