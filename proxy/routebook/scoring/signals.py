"""What is counted in a prompt, each thing under a name that a person can read.

A signal is a number about 0 to 1 (a share, a density, a logarithm), never negative, so that a weight says how much the
signal at its fullest changes the score. A prompt has the same signals whoever asks.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from math import log1p
from typing import Final

from routebook.scoring.reading import Reading, read
from routebook.scoring.words import GROUP_NAMES

__all__ = ["NAMES", "SIGNALS", "Reading", "read", "signals_of"]

MOST_COUNTED: Final = 64 * 1024
"""Characters in which lines are counted."""

_LATEX: Final = re.compile(r"\\[a-zA-Z]{2,}|\$[^$\n]{1,80}\$|[_^]\{")
_LATEX_SIGNS: Final = ("\\", "$", "_{", "^{")
"""Without one of these there is none."""

_FORMULA: Final = re.compile(r"[=^*/+<>≤≥][ ]?[-A-Za-z0-9(\[]")
_STATEMENT: Final = re.compile(r"\b(?:Statement [12I]|Scenario [12] |[IV]{1,3}[.)]|I, II|both I)")
_CODE_SIGNS: Final = b"{}[]();<>_#\\`"


def _share(part: float, whole: float, times: float = 1.0) -> float:
    """A part of a whole, stretched, at most 1."""
    return min(1.0, times * part / whole) if whole else 0.0


def _grown(count: float, full: float) -> float:
    """A count on a logarithmic scale: 1 where it reaches `full`, more beyond."""
    return log1p(count) / log1p(full)


def _found(pattern: re.Pattern[str], full: float) -> Callable[[Reading], float]:
    """How often a pattern is found, on a logarithmic scale."""

    def signal(reading: Reading) -> float:
        return min(1.5, _grown(len(pattern.findall(reading.text)), full))

    return signal


def _signs_of_maths(reading: Reading) -> float:
    return _share(reading.maths, len(reading.text) + 20, 12.0)


def _formulas(reading: Reading) -> float:
    return _formula(reading) if reading.maths else 0.0


def _signs_of_code(reading: Reading) -> float:
    return _share(reading.count(_CODE_SIGNS), len(reading.text) + 20, 10.0)


def _word_length(reading: Reading) -> float:
    words = len(reading.words)
    return max(0.0, _share(reading.letters, words, 0.25) - 0.75) * 2 if words > 3 else 0.0


def _of_words(count: int, reading: Reading, times: float) -> float:
    """How thickly something stands among the words."""
    return _share(count, len(reading.words) + 5, times)


def _digits(reading: Reading) -> float:
    return _share(sum(map(len, reading.numbers)), len(reading.text) + 20, 4.0)


def _large_numbers(reading: Reading) -> float:
    return _grown(sum(len(number) > 2 for number in reading.numbers), 12)


def _decimals(reading: Reading) -> float:
    return _grown(sum("." in number for number in reading.numbers), 8)


def _repetition(reading: Reading) -> float:
    words = reading.words
    return 1 - len(reading.counts) / len(words) if len(words) > 9 else 0.0


def _choice_length(reading: Reading) -> float:
    choices = reading.choices
    return _grown(sum(map(len, choices)) / len(choices), 150) if choices else 0.0


def _numeric_choices(reading: Reading) -> float:
    choices = reading.choices
    return sum(bool(re.match(r"[-$(]*\d", choice)) for choice in choices) / len(choices) if choices else 0.0


def _stem_length(reading: Reading) -> float:
    """How long a question is without its choices."""
    return _grown(max(0, len(reading.text) - sum(map(len, reading.choices))), 2_000) if reading.choices else 0.0


def _greeting(reading: Reading) -> float:
    words = reading.words
    return _share(reading.groups[GROUP_NAMES.index("small talk")], len(words), 2.0) if len(words) < 12 else 0.0


def _starts_with(words: str) -> Callable[[Reading], float]:
    known = frozenset(words.split())
    return lambda reading: float(bool(known.intersection(reading.words[:3])))


_latex: Final = _found(_LATEX, 12)
_formula: Final = _found(_FORMULA, 12)
_statements: Final = _found(_STATEMENT, 3)


def _statements_to_judge(reading: Reading) -> float:
    return _statements(reading) if any(mark in reading.text for mark in ("Statement", "Scenario", "II")) else 0.0


SIGNALS: Final[dict[str, Callable[[Reading], float]]] = {
    "length": lambda reading: _grown(len(reading.prompt), 4_000),
    "many words": lambda reading: _grown(len(reading.prompt) / 6, 2_000) ** 2,
    "more than a screen": lambda reading: _share(max(0, len(reading.prompt) - 1_500), 10_000),
    "lines": lambda reading: _grown(reading.prompt.count("\n", 0, MOST_COUNTED), 100),
    "sentences": lambda reading: min(1.5, _grown(reading.sentences, 30)),
    "length of words": _word_length,
    "long words": lambda reading: _of_words(reading.long, reading, 2.5),
    "rare words": lambda reading: _of_words(reading.rare, reading, 3.0),
    "proper names": lambda reading: _of_words(reading.proper_names, reading, 4.0),
    "digits": _digits,
    "numbers": lambda reading: min(1.5, _grown(len(reading.numbers), 20)),
    "large numbers": _large_numbers,
    "decimals": _decimals,
    "units": lambda reading: min(1.5, _grown(reading.amounts, 8)),
    "other scripts": lambda reading: _share(reading.foreign, len(reading.text) + 20, 2.0),
    "repetition": _repetition,
    "question marks": lambda reading: _grown(reading.text.count("?"), 5),
    "blanks to fill": lambda reading: _grown(reading.text.count("__"), 6),
    "quotations": lambda reading: _grown(reading.text.count('"') + reading.text.count("“"), 12),
    "signs of mathematics": _signs_of_maths,
    "formulas": _formulas,
    "LaTeX": lambda reading: _latex(reading) if any(sign in reading.text for sign in _LATEX_SIGNS) else 0.0,
    "code": lambda reading: min(1.5, _grown(reading.code_lines, 12)),
    "fenced code": lambda reading: _grown(reading.text.count("```"), 2),
    "signs of code": _signs_of_code,
    "choices": lambda reading: len(reading.choices) / 10,
    "length of choices": _choice_length,
    "numeric choices": _numeric_choices,
    "question before choices": _stem_length,
    "statements to judge": _statements_to_judge,
    "list items": lambda reading: 0.0 if reading.choices else _grown(reading.items, 12),
    "greeting": _greeting,
    "starts as a question": _starts_with("what who when where which is are do does did can"),
    "starts with why or how": _starts_with("why how explain"),
    "starts as an order": _starts_with(
        "write create make give list generate draft design build implement develop plan"
    ),
}
"""Every signal but those of the groups of words, by its name."""

NAMES: Final = (*SIGNALS, *(f"words of {name}" for name in GROUP_NAMES))


def signals_of(reading: Reading) -> list[float]:
    """The value of every signal, in the order of `NAMES`. A group of words is at 1 where every fifth word is one of it."""
    words = len(reading.words) + 5
    groups = [min(1.0, 5.0 * count / words) if count else 0.0 for count in reading.groups]
    return [*(signal(reading) for signal in SIGNALS.values()), *groups]
