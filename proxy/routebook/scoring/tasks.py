"""What kind of task a prompt is, by its signals: the classes in which models differ most.

The first class whose condition holds. Which class is better told apart by what models are good at than by subject: the
table of a model's quality by class learns with few outcomes, where a finer score needs thousands.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

Seen = Mapping[str, float]
"""The value of each signal, by name."""

_LONG: Final = 0.75
"""The signal `length` of some 500 characters."""


def _is_conversation(seen: Seen) -> bool:
    return seen["greeting"] > 0.3 and seen["length"] < 0.45


def _is_choice(seen: Seen) -> bool:
    return seen["choices"] > 0.0


def _is_code(seen: Seen) -> bool:
    return (
        seen["code"] > 0.35
        or seen["fenced code"] > 0.5
        or seen["words of programming"] > 0.1
        or (seen["words of computing"] > 0.3 and seen["signs of code"] > 0.08)
    )


def _is_word_problem(seen: Seen) -> bool:
    return (
        seen["words of word problem"] > 0.45
        and seen["numbers"] > 0.35
        and seen["question marks"] > 0
        and seen["formulas"] < 0.5
    )


def _is_maths(seen: Seen) -> bool:
    return (
        seen["LaTeX"] > 0.35
        or (seen["words of maths"] > 0.4 and (seen["numbers"] > 0.2 or seen["signs of mathematics"] > 0.05))
        or (seen["signs of mathematics"] > 0.35 and seen["numbers"] > 0.25)
        or seen["words of maths"] > 0.8
    )


def _is_extraction(seen: Seen) -> bool:
    return seen["words of extraction"] > 0.3 or (seen["words of extraction"] > 0.05 and seen["length"] > _LONG)


def _is_writing(seen: Seen) -> bool:
    return seen["words of writing"] > 0.35 or (seen["words of writing"] > 0.15 and seen["starts as an order"] > 0)


def _is_planning(seen: Seen) -> bool:
    return seen["words of planning"] > 0.25 or (seen["starts as an order"] > 0 and seen["words of planning"] > 0.1)


def _is_reasoning(seen: Seen) -> bool:
    return seen["words of reasoning"] > 0.25 or seen["starts with why or how"] > 0


_CLASSES: Final[tuple[tuple[str, str, Callable[[Seen], bool]], ...]] = (
    ("conversation", "a greeting, thanks, a turn of small talk", _is_conversation),
    ("choice", "a question with answers to choose from", _is_choice),
    ("code", "a program to write, read, explain or mend", _is_code),
    ("word problem", "a sum told as a story", _is_word_problem),
    ("maths", "mathematics in its own language", _is_maths),
    ("extraction", "a text to summarise, translate, correct or take something from", _is_extraction),
    ("writing", "a text to write", _is_writing),
    ("planning", "a plan, a design, a recommendation", _is_planning),
    ("reasoning", "an explanation, a comparison, an argument", _is_reasoning),
    ("long ask", "any other request of more than some 500 characters", lambda seen: seen["length"] > _LONG),
    ("short ask", "any other short question or order", lambda seen: True),
)

TASKS: Final[Mapping[str, str]] = {name.replace(" ", "_"): meaning for name, meaning, _ in _CLASSES}
"""The classes, each with what it is."""


def task_of(seen: Seen) -> str:
    """The class of a prompt with these signals, one of `TASKS`."""
    return next(name for name, _, holds in _CLASSES if holds(seen)).replace(" ", "_")
