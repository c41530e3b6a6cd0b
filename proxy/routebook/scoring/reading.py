"""A prompt, read once for all signals: its words, its numbers, its lines, counted a byte at a time wherever that is enough.

Most of what is counted are classes of bytes, which `bytes.translate` tells apart many times as fast as a pattern does; a
pattern is only asked where there is something for it to find, and begins with what can be searched for quickly.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Final

from routebook.scoring.excerpt import excerpt
from routebook.scoring.words import GROUP_NAMES, PLACES

LONG_WORD: Final = 9
"""Letters of a long word, at least."""


def _table(classes: dict[str, str], other: str) -> bytes:
    """A table for `bytes.translate`: each character of the values becomes its key, all other bytes `other`."""
    table = bytearray(other.encode() * 256)
    for becomes, chars in classes.items():
        for char in chars.encode():
            table[char] = ord(becomes)
    return bytes(table)


_LOWER: Final = "abcdefghijklmnopqrstuvwxyz"
_UPPER: Final = _LOWER.upper()
_DIGITS: Final = "0123456789"

_WORDS: Final = _table({"'": "'", **{char: char + char.upper() for char in _LOWER}}, " ")
"""Letters in lower case and apostrophes; all else a space."""

_LOOSE: Final = re.compile(rb"'(?:(?<![a-z]')|(?![a-z]))")
"""An apostrophe that stands between no two letters."""

_SHAPES: Final = _table({"a": _LOWER, "A": _UPPER, "0": _DIGITS, " ": " ", ",": ","}, ".")

_ENDS: Final = _table({".": ".!?", " ": " \t\n\r\f\v\x1c\x1d\x1e\x1f"}, "-")
_SENTENCE: Final = re.compile(r"[.!?](?:\s|$)")

_PRICE: Final = re.compile(r"\$[0-9]")
_NUMBER: Final = re.compile(
    r"([0-9][0-9]*(?:[.,][0-9]+)*)"
    r"(?:(?=[ ]?[%°kmcµμnMgJWCFKsVAΩH])(?<!\$[0-9])(?=([ ]?(?:%|°|[kmcµμn]?m\b|k?g\b|mol\b|[kM]?Hz|[kM]?J\b|[kM]?W\b|"
    r"°?[CFK]\b|s\b|V\b|A\b|Ω))))?"
)
"""A number, and its unit where it has one."""

_LINE: Final = re.compile(
    r"\n[ \t]*(?:\(?[A-J][.):][ \t]*(.*)|([-*•]|\d{1,2}[.)])[ \t]|"
    r"(def |class |import |from \w+ import|return\b|for .*:$|while .*:$|if .*:$|#include|function |const |let |var |"
    r"public |private |SELECT |assert |fn |func |struct |@\w+|\}|\{))",
    re.MULTILINE,
)
"""A line that is an answer to choose, an item of a list, or code; no line is two of these."""

_MATHS_SIGNS: Final = b"=+*/^<>|"
_OTHER_MATHS_SIGNS: Final = "≤≥±×÷√∫∑∏∞πθλ≠≈∈∀∃"
_NO_MATHS: Final = bytes(set(range(256)) - {sign.encode()[0] for sign in _OTHER_MATHS_SIGNS})
"""All bytes but those with which these signs begin."""

_NOT_FOREIGN: Final = bytes(range(0xCA))
_IN_BOTH: Final = re.compile(rb"\xc9[\x90-\xbf]")


class Reading:
    """A prompt as it was read: of a long one its beginning and its end, sizes are of the whole.

    `words` are in lower case; `counts` is how often each stands, `groups` how many there are of each group, `long` and
    `rare` how many are long, and long and in no list; `letters` how many letters all of them have. `maths` is how many
    signs of mathematics there are, `foreign` how many characters beyond the Latin alphabets.
    """

    def __init__(self, prompt: str) -> None:
        self.prompt = prompt
        self.text = excerpt(prompt)
        self.data = self.text.encode("utf-8", "surrogatepass")
        self.is_ascii = self.text.isascii()
        self._read_words()
        self.shape = self.data.translate(_SHAPES)
        self.sentences = _sentences(self.text, self.data)
        self.proper_names = _proper_names(self.shape)
        self.foreign = 0 if self.is_ascii else _foreign(self.data)
        self.maths = self.count(_MATHS_SIGNS)
        if not self.is_ascii and self.data.translate(None, _NO_MATHS):
            self.maths += sum(map(self.text.count, _OTHER_MATHS_SIGNS))
        self._read_numbers()
        self._read_lines()

    def __repr__(self) -> str:
        return f"<Reading of {len(self.prompt)} characters, {len(self.words)} words>"

    def _read_words(self) -> None:
        spaced = self.data.translate(_WORDS)
        if b"'" in spaced:
            spaced = _LOOSE.sub(b" ", spaced)
        self.words = spaced.decode("ascii").split()
        self.letters = len(spaced) - spaced.count(b" ")
        self.counts = Counter(self.words)
        self.long = self.rare = 0
        groups = self.groups = [0] * len(GROUP_NAMES)
        for word, times in self.counts.items():
            places = PLACES.get(word)
            if places is not None:
                for place in places:
                    groups[place] += times
            if len(word) >= LONG_WORD:
                self.long += times
                if places is None:
                    self.rare += times

    def _read_numbers(self) -> None:
        """The numbers, and how many of them are amounts: with a unit, or prices."""
        self.numbers: list[str] = []
        self.amounts = 0
        if b"0" not in self.shape:
            return
        found = _NUMBER.findall(self.text)
        self.numbers = [number for number, _ in found]
        self.amounts = sum(unit != "" for _, unit in found)
        if b"$" in self.data:
            self.amounts += len(_PRICE.findall(self.text))

    def _read_lines(self) -> None:
        """The answers to choose from where there are two or more, the items of lists, the lines of code."""
        choices: list[str] = []
        self.items = self.code_lines = 0
        for choice, item, code in _LINE.findall(f"\n{self.text}"):
            if code:
                self.code_lines += 1
            elif item:
                self.items += 1
            else:
                choices.append(choice)
        self.choices = choices if len(choices) > 1 else []

    def count(self, signs: bytes) -> int:
        """How many of these ASCII characters there are."""
        return len(self.data) - len(self.data.translate(None, signs))


def _sentences(text: str, data: bytes) -> int:
    """How many sentences end."""
    if len(text) != len(data):
        return len(_SENTENCE.findall(text))
    ends = data.translate(_ENDS)
    return ends.count(b". ") + ends.endswith(b".")


def _proper_names(shape: bytes) -> int:
    """How many words have a capital after a small letter or a comma, and a space."""
    found = shape.count(b" Aa")
    if found:
        found -= sum(shape.count(before + b" Aa") for before in (b".", b"A", b" ", b"0")) + shape.startswith(b" Aa")
    return found


def _foreign(data: bytes) -> int:
    """Characters beyond the Latin alphabets (U+0250 and above, by the first bytes of their UTF-8 forms)."""
    beyond = len(data.translate(None, _NOT_FOREIGN))
    return beyond + (len(_IN_BOTH.findall(data)) if b"\xc9" in data else 0)


def read(prompt: str) -> Reading:
    """Read the excerpt of a prompt, once for all signals."""
    return Reading(prompt)
