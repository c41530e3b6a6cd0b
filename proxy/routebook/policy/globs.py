"""Many glob patterns against one text, without trying each.

A pattern is filed under the plain text with which it begins or ends, whichever fewer patterns share; a text looks up its
own beginnings and endings. What is found under a plain `text*` or `*text` is a match; the rest is tried by regular
expression, at most `tries` for one key. Patterns beyond that are *opaque*: left to be tried by whoever needs them.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator

from routebook.policy.conditions import glob_regex


def is_plain(pattern: str) -> bool:
    """Whether a pattern matches only itself."""
    return "*" not in pattern and "?" not in pattern


class GlobIndex:
    """Finds the patterns that match a text; `opaque` are those it knows nothing about."""

    __slots__ = ("_by_prefix", "_by_suffix", "_prefix_lengths", "_suffix_lengths", "opaque")

    def __init__(self, patterns: Iterable[str], tries: int) -> None:
        self.opaque: set[str] = set()
        self._by_prefix: dict[str, list[tuple[str, bool]]] = defaultdict(list)
        self._by_suffix: dict[str, list[tuple[str, bool]]] = defaultdict(list)
        ends = {pattern: (_head(pattern), _head(pattern[::-1])[::-1]) for pattern in sorted(set(patterns))}
        heads = Counter(head for head, _ in ends.values())
        tails = Counter(tail for _, tail in ends.values())
        tried: Counter[tuple[bool, str]] = Counter()
        for pattern, (head, tail) in ends.items():
            if pattern == head + "*":
                self._by_prefix[head].append((pattern, True))
                continue
            if pattern == "*" + tail:
                self._by_suffix[tail].append((pattern, True))
                continue
            by_head = bool(head) and (not tail or heads[head] <= tails[tail])
            key = head if by_head else tail
            tried[by_head, key] += 1
            if tried[by_head, key] > tries:
                self.opaque.add(pattern)
            else:
                (self._by_prefix if by_head else self._by_suffix)[key].append((pattern, False))
        self._by_prefix, self._by_suffix = dict(self._by_prefix), dict(self._by_suffix)
        self._prefix_lengths = tuple(sorted({len(key) for key in self._by_prefix}))
        self._suffix_lengths = tuple(sorted({len(key) for key in self._by_suffix}))

    def __bool__(self) -> bool:
        return bool(self._by_prefix or self._by_suffix)

    def matching(self, text: str) -> Iterator[str]:
        """The patterns that match a text, opaque ones left out."""
        size = len(text)
        for length in self._prefix_lengths:
            if length > size:
                break
            yield from _confirmed(self._by_prefix.get(text[:length], ()), text)
        for length in self._suffix_lengths:
            if length > size:
                break
            yield from _confirmed(self._by_suffix.get(text[size - length:], ()), text)


def _head(pattern: str) -> str:
    """The plain text with which a pattern begins."""
    stop = min((place for place in (pattern.find("*"), pattern.find("?")) if place >= 0), default=len(pattern))
    return pattern[:stop]


def _confirmed(found: Iterable[tuple[str, bool]], text: str) -> Iterator[str]:
    for pattern, is_certain in found:
        if is_certain or glob_regex(pattern).match(text) is not None:
            yield pattern
