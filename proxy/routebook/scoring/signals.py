"""What is counted in a prompt, each thing under a name that a person can read.

A signal is a number about 0 to 1 (a share, a density, a logarithm), never negative, so that a weight says how much the
signal at its fullest changes the score. A prompt has the same signals whoever asks.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from math import log1p
from typing import Final, NamedTuple

from routebook.scoring.excerpt import excerpt
from routebook.scoring.words import GROUP_NAMES, PLACES

MOST_COUNTED: Final = 64 * 1024
"""Characters in which lines are counted."""

_WORD: Final = re.compile(r"[a-z]+(?:'[a-z]+)?")
_NUMBER: Final = re.compile(r"[0-9]+(?:[.,][0-9]+)*")
_CHOICE: Final = re.compile(r"^[ \t]*\(?([A-J])[.):][ \t]*(.*)$", re.MULTILINE)
_BULLET: Final = re.compile(r"^[ \t]*(?:[-*•]|\d{1,2}[.)])[ \t]", re.MULTILINE)
_CODE_LINE: Final = re.compile(
    r"^[ \t]*(?:def |class |import |from \w+ import|return\b|for .*:$|while .*:$|if .*:$|#include|function |const |let |"
    r"var |public |private |SELECT |assert |fn |func |struct |@\w+|\}|\{)",
    re.MULTILINE,
)
_LATEX: Final = re.compile(r"\\[a-zA-Z]{2,}|\$[^$\n]{1,80}\$|[_^]\{")
_LATEX_SIGNS: Final = ("\\", "$", "_{", "^{")
"""Without one of these there is none."""

_FORMULA: Final = re.compile(r"[=^*/+<>≤≥][ ]?[-A-Za-z0-9(\[]")
_UNIT: Final = re.compile(
    r"[0-9$](?:(?<=\$)[0-9]|(?<=[0-9])[ ]?(?=[%°kcmµμnMgJWCFKsVAΩH])(?:%|°|[kmcµμn]?m\b|k?g\b|mol\b|[kM]?Hz|[kM]?J\b|"
    r"[kM]?W\b|°?[CFK]\b|s\b|V\b|A\b|Ω))"
)
"""A number with its unit, or a price. The order of the tests is for speed alone."""

_PROPER: Final = re.compile(r" (?<=[a-z,] )[A-Z][a-z]")
_STATEMENT: Final = re.compile(r"\b(?:Statement [12I]|Scenario [12] |[IV]{1,3}[.)]|I, II|both I)")
_SENTENCE: Final = re.compile(r"[.!?](?:\s|$)")
_ASCII_MATHS: Final = "=+*/^<>|"
_MATHS_SIGN: Final = _ASCII_MATHS + "≤≥±×÷√∫∑∏∞πθλ≠≈∈∀∃"
_CODE_SIGN: Final = "{}[]();<>_#\\`"


class Reading(NamedTuple):
    """A prompt as it was read: the excerpt, its words in lower case and how often each stands, how many of each group,
    its numbers, the answers it offers to choose from."""

    prompt: str
    text: str
    words: list[str]
    counts: Counter[str]
    groups: list[int]
    numbers: list[str]
    choices: list[str]


def read(prompt: str) -> Reading:
    """Read the excerpt of a prompt, once for all signals."""
    text = excerpt(prompt)
    words = _WORD.findall(text.lower())
    counts = Counter(words)
    groups = [0] * len(GROUP_NAMES)
    for word in counts.keys() & PLACES.keys():
        for place in PLACES[word]:
            groups[place] += counts[word]
    choices = [found[2] for found in _CHOICE.finditer(text)]
    return Reading(prompt, text, words, counts, groups, _NUMBER.findall(text), choices if len(choices) > 1 else [])


def _share(part: float, whole: float, times: float = 1.0) -> float:
    """A part of a whole, stretched, at most 1."""
    return min(1.0, times * part / whole) if whole else 0.0


def _grown(count: float, full: float) -> float:
    """A count on a logarithmic scale: 1 where it reaches `full`, more beyond."""
    return log1p(count) / log1p(full)


def _group(name: str, times: float = 5.0) -> Callable[[Reading], float]:
    """How thickly a group's words stand: 1 where every fifth word is one of them."""
    place = GROUP_NAMES.index(name)
    return lambda reading: _share(reading.groups[place], len(reading.words) + 5, times)


def _found(pattern: re.Pattern[str], full: float) -> Callable[[Reading], float]:
    """How often a pattern is found, on a logarithmic scale."""

    def signal(reading: Reading) -> float:
        return min(1.5, _grown(len(pattern.findall(reading.text)), full))

    return signal


def _signs(text: str, signs: str) -> int:
    return sum(map(text.count, signs))


def _signs_of_maths(reading: Reading) -> float:
    text = reading.text
    return _share(_signs(text, _ASCII_MATHS if text.isascii() else _MATHS_SIGN), len(text) + 20, 12.0)


def _signs_of_code(reading: Reading) -> float:
    return _share(_signs(reading.text, _CODE_SIGN), len(reading.text) + 20, 10.0)


def _word_length(reading: Reading) -> float:
    words = reading.words
    return max(0.0, _share(sum(map(len, words)), len(words), 0.25) - 0.75) * 2 if len(words) > 3 else 0.0


def _long_words(reading: Reading) -> float:
    return _share(sum(times for word, times in reading.counts.items() if len(word) > 8), len(reading.words) + 5, 2.5)


def _rare_words(reading: Reading) -> float:
    """Long words that the lists do not know: terms of a trade."""
    counts = reading.counts
    rare = sum(counts[word] for word in counts.keys() - PLACES.keys() if len(word) > 8)
    return _share(rare, len(reading.words) + 5, 3.0)


def _capitals(reading: Reading) -> float:
    inside = _PROPER.findall(reading.text)
    return _share(len(inside), len(reading.words) + 5, 4.0)


def _digits(reading: Reading) -> float:
    return _share(sum(map(len, reading.numbers)), len(reading.text) + 20, 4.0)


def _large_numbers(reading: Reading) -> float:
    return _grown(sum(len(number) > 2 for number in reading.numbers), 12)


def _decimals(reading: Reading) -> float:
    return _grown(sum("." in number for number in reading.numbers), 8)


def _foreign(reading: Reading) -> float:
    text = reading.text
    return 0.0 if text.isascii() else _share(sum(char > "\u024f" for char in text), len(text) + 20, 2.0)


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
_units: Final = _found(_UNIT, 8)
_statements: Final = _found(_STATEMENT, 3)


def _statements_to_judge(reading: Reading) -> float:
    return _statements(reading) if any(mark in reading.text for mark in ("Statement", "Scenario", "II")) else 0.0


SIGNALS: Final[dict[str, Callable[[Reading], float]]] = {
    "length": lambda reading: _grown(len(reading.prompt), 4_000),
    "many words": lambda reading: _grown(len(reading.prompt) / 6, 2_000) ** 2,
    "more than a screen": lambda reading: _share(max(0, len(reading.prompt) - 1_500), 10_000),
    "lines": lambda reading: _grown(reading.prompt.count("\n", 0, MOST_COUNTED), 100),
    "sentences": _found(_SENTENCE, 30),
    "length of words": _word_length,
    "long words": _long_words,
    "rare words": _rare_words,
    "proper names": _capitals,
    "digits": _digits,
    "numbers": lambda reading: min(1.5, _grown(len(reading.numbers), 20)),
    "large numbers": _large_numbers,
    "decimals": _decimals,
    "units": lambda reading: _units(reading) if reading.numbers else 0.0,
    "other scripts": _foreign,
    "repetition": _repetition,
    "question marks": lambda reading: _grown(reading.text.count("?"), 5),
    "blanks to fill": lambda reading: _grown(reading.text.count("__"), 6),
    "quotations": lambda reading: _grown(_signs(reading.text, '"“'), 12),
    "signs of mathematics": _signs_of_maths,
    "formulas": _found(_FORMULA, 12),
    "LaTeX": lambda reading: _latex(reading) if any(sign in reading.text for sign in _LATEX_SIGNS) else 0.0,
    "code": _found(_CODE_LINE, 12),
    "fenced code": lambda reading: _grown(reading.text.count("```"), 2),
    "signs of code": _signs_of_code,
    "choices": lambda reading: len(reading.choices) / 10,
    "length of choices": _choice_length,
    "numeric choices": _numeric_choices,
    "question before choices": _stem_length,
    "statements to judge": _statements_to_judge,
    "list items": lambda reading: 0.0 if reading.choices else _grown(len(_BULLET.findall(reading.text)), 12),
    "greeting": _greeting,
    "starts as a question": _starts_with("what who when where which is are do does did can"),
    "starts with why or how": _starts_with("why how explain"),
    "starts as an order": _starts_with(
        "write create make give list generate draft design build implement develop plan"
    ),
    **{f"words of {name}": _group(name) for name in GROUP_NAMES},
}
"""Every signal by its name."""

NAMES: Final = tuple(SIGNALS)


def signals_of(reading: Reading) -> list[float]:
    """The value of every signal, in the order of `NAMES`."""
    return [signal(reading) for signal in SIGNALS.values()]
