"""Many glob patterns against one text, without trying each.

`text*` and `*text` are looked up by the beginnings and the endings of the text. Any other pattern is filed under a few
letters that must occur in whatever it matches, those that the fewest other patterns contain; it is tried, by regular
expression, on texts in which they do occur. Of patterns under the same letters at most `tries` are known to the index;
the others are *opaque*, and left to be tried by whoever needs them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from routebook.policy.conditions import glob_regex

_LETTERS = 4
"""How many letters make up a key; shorter where a pattern has no stretch of plain text so long."""

_SPECIAL = re.compile(r"[*?]")


def is_plain(pattern: str) -> bool:
    """Whether a pattern matches only itself."""
    return _SPECIAL.search(pattern) is None


class GlobIndex:
    """Finds the patterns that match a text; `opaque` are those it knows nothing about."""

    __slots__ = ("_prefix_lengths", "_prefixes", "_suffix_lengths", "_suffixes", "_tried", "_tried_lengths", "opaque")

    def __init__(self, patterns: Iterable[str], tries: int) -> None:
        self.opaque: set[str] = set()
        self._prefixes: dict[str, str] = {}
        self._suffixes: dict[str, str] = {}
        self._tried: dict[str, list[str]] = {}
        others: list[str] = []
        for pattern in sorted(set(patterns)):
            if pattern.endswith("*") and is_plain(pattern[:-1]):
                self._prefixes[pattern[:-1]] = pattern
            elif pattern.startswith("*") and is_plain(pattern[1:]):
                self._suffixes[pattern[1:]] = pattern
            else:
                others.append(pattern)
        keys = {pattern: _keys(pattern) for pattern in others}
        used = Counter(key for each in keys.values() for key in each)
        for pattern, each in keys.items():
            filed = self._tried.setdefault(min(each, key=lambda key: (used[key], key), default=""), [])
            if len(filed) < tries:
                filed.append(pattern)
            else:
                self.opaque.add(pattern)
        self._prefix_lengths = sorted({len(key) for key in self._prefixes})
        self._suffix_lengths = sorted({len(key) for key in self._suffixes})
        self._tried_lengths = sorted({len(key) for key in self._tried})

    def __bool__(self) -> bool:
        return bool(self._prefixes or self._suffixes or self._tried)

    def matching(self, text: str) -> list[str]:
        """The patterns that match a text, opaque ones left out."""
        found: list[str] = []
        size, prefixes, suffixes = len(text), self._prefixes, self._suffixes
        for length in self._prefix_lengths:
            if length > size:
                break
            end = text[:length]
            if end in prefixes:
                found.append(prefixes[end])
        for length in self._suffix_lengths:
            if length > size:
                break
            end = text[size - length:]
            if end in suffixes:
                found.append(suffixes[end])
        for length in self._tried_lengths:
            stretches = {text[start:start + length] for start in range(size - length + 1)} if length else {""}
            for key in self._tried.keys() & stretches:
                found += [pattern for pattern in self._tried[key] if glob_regex(pattern).match(text) is not None]
        return found


def _keys(pattern: str) -> set[str]:
    """Letters that occur in every text that a pattern matches: stretches of its plain text."""
    keys = set()
    for plain in _SPECIAL.split(pattern):
        length = min(len(plain), _LETTERS)
        keys |= {plain[start:start + length] for start in range(len(plain) - length + 1)}
    return {key for key in keys if len(key) == max(map(len, keys))}
