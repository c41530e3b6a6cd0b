"""Many glob patterns against one text, without trying each.

`text*` and `*text` are looked up by the beginnings and the endings of the text. Any other pattern is filed under a few
letters that must occur in whatever it matches, those that the fewest other patterns contain; it is tried, by regular
expression, on texts in which they do occur. Of patterns under the same letters at most `tries` are known to the index;
the others are *opaque*, and left to be tried by whoever needs them.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping

from routebook.policy.conditions import glob_regex

_LETTERS = 4
"""How many letters make up a key; shorter where a pattern has no stretch of plain text so long."""

_SPECIAL = re.compile(r"[*?]")


def is_plain(pattern: str) -> bool:
    """Whether a pattern matches only itself."""
    return _SPECIAL.search(pattern) is None


class GlobIndex:
    """Finds the patterns that match a text; `opaque` are those it knows nothing about."""

    __slots__ = ("_prefixes", "_suffixes", "_tried", "_tried_lengths", "opaque")

    def __init__(self, patterns: Iterable[str], tries: int) -> None:
        self.opaque: set[str] = set()
        self._tried: dict[str, list[str]] = {}
        prefixes: dict[str, str] = {}
        suffixes: dict[str, str] = {}
        others: list[str] = []
        for pattern in sorted(set(patterns)):
            if pattern.endswith("*") and is_plain(pattern[:-1]):
                prefixes[pattern[:-1]] = pattern
            elif pattern.startswith("*") and is_plain(pattern[1:]):
                suffixes[pattern[:0:-1]] = pattern
            else:
                others.append(pattern)
        self._prefixes = _Beginnings(prefixes) if prefixes else None
        self._suffixes = _Beginnings(suffixes) if suffixes else None
        keys = {pattern: _keys(pattern) for pattern in others}
        used = Counter(key for each in keys.values() for key in each)
        for pattern, each in keys.items():
            filed = self._tried.setdefault(min(each, key=lambda key: (used[key], key), default=""), [])
            if len(filed) < tries:
                filed.append(pattern)
            else:
                self.opaque.add(pattern)
        self._tried_lengths = sorted({len(key) for key in self._tried})

    def __bool__(self) -> bool:
        return self._prefixes is not None or self._suffixes is not None or bool(self._tried)

    def matching(self, text: str) -> list[str]:
        """The patterns that match a text, opaque ones left out."""
        found: list[str] = []
        if self._prefixes is not None:
            self._prefixes.find(text, found)
        if self._suffixes is not None:
            self._suffixes.find(text[::-1], found)
        size = len(text)
        for length in self._tried_lengths:
            stretches = {text[start : start + length] for start in range(size - length + 1)} if length else {""}
            for key in self._tried.keys() & stretches:
                found += [pattern for pattern in self._tried[key] if glob_regex(pattern).match(text) is not None]
        return found


class _Beginnings:
    """Patterns by the text with which a match begins, in the order of these texts.

    All beginnings of a text lie before it, and whatever lies between one of them and the text begins with it, too: so
    the nearest one before the text leads to all of them, each being the longest beginning of the one after it.
    """

    __slots__ = ("_longest_within", "_patterns", "_texts")

    def __init__(self, patterns: Mapping[str, str]) -> None:
        self._texts = sorted(patterns)
        self._patterns = [patterns[text] for text in self._texts]
        self._longest_within: list[int] = []
        for place, text in enumerate(self._texts):
            self._longest_within.append(self._beginning(text, place - 1))

    def _beginning(self, text: str, place: int) -> int:
        """The longest beginning of a text among the texts up to a place; -1 for none."""
        while place >= 0 and not text.startswith(self._texts[place]):
            place = self._longest_within[place]
        return place

    def find(self, text: str, found: list[str]) -> None:
        """Add the patterns of all beginnings of a text."""
        place = self._beginning(text, bisect_right(self._texts, text) - 1)
        while place >= 0:
            found.append(self._patterns[place])
            place = self._longest_within[place]


def _keys(pattern: str) -> set[str]:
    """Letters that occur in every text that a pattern matches: stretches of its plain text."""
    keys = set()
    for plain in _SPECIAL.split(pattern):
        length = min(len(plain), _LETTERS)
        keys |= {plain[start : start + length] for start in range(len(plain) - length + 1)}
    return {key for key in keys if len(key) == max(map(len, keys))}
