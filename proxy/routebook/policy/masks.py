"""Sets of lines as bits of one integer, and indexes from words to such sets.

The first line has the highest bit: `bit_length()` then finds the first line of a set in 50 ns, where finding the lowest
bit would take a microsecond at ten thousand lines.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

_SINGLY = 24
"""Up to so many bits, setting them one at a time is quicker than filling a byte array."""

_RARE = 2
"""A word with so few lines needs no ready mask, except where masks are as short as a list."""

_NARROW = 1024


def mask_of(bits: Iterable[int], width: int) -> int:
    """The set of these bit positions, in sets that are `width` bits wide."""
    positions = list(bits)
    if len(positions) <= _SINGLY:
        mask = 0
        for bit in positions:
            mask |= 1 << bit
        return mask
    buffer = bytearray(width + 7 >> 3)
    for bit in positions:
        buffer[bit >> 3] |= 1 << (bit & 7)
    return int.from_bytes(buffer, "little")


class Postings:
    """From a word, or a pattern, to the lines that mention it: a ready mask for much-used ones, else a list of bits.

    Ready masks cost `width / 8` bytes each, so at most `allowance` words and patterns get one: those with the most lines.
    """

    __slots__ = ("_patterns", "_rare_patterns", "_rare_words", "_width", "_words")

    def __init__(self, words: Mapping[str, list[int]], patterns: Mapping[str, list[int]], width: int,
                 allowance: int) -> None:
        self._width = width
        self._patterns, self._rare_patterns = _by_use(patterns, width, allowance)
        self._words, self._rare_words = _by_use(words, width, allowance - len(self._patterns))

    def union(self, words: Iterable[str], patterns: Iterable[str]) -> int:
        """The lines that mention one of these words or one of these patterns."""
        union = 0
        for word in words:
            mask = self._words.get(word)
            if mask is not None:
                union |= mask
            elif word in self._rare_words:
                union |= mask_of(self._rare_words[word], self._width)
        for pattern in patterns:
            mask = self._patterns.get(pattern)
            if mask is not None:
                union |= mask
            elif pattern in self._rare_patterns:
                union |= mask_of(self._rare_patterns[pattern], self._width)
        return union


def _by_use(lines: Mapping[str, list[int]], width: int,
            allowance: int) -> tuple[dict[str, int], dict[str, tuple[int, ...]]]:
    """Ready masks for the most used names, lists of bits for the others."""
    worth = [name for name in lines if len(lines[name]) > _RARE or width <= _NARROW]
    if len(worth) > allowance:
        worth = sorted(worth, key=lambda name: -len(lines[name]))[:max(0, allowance)]
    ready = {name: mask_of(lines[name], width) for name in worth}
    return ready, {name: tuple(bits) for name, bits in lines.items() if name not in ready}
