"""Sets of lines as bits of one integer, and indexes from words to such sets.

The first line has the highest bit: `bit_length()` then finds the first line of a set in 50 ns, where finding the lowest
bit would take a microsecond at ten thousand lines.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

_SINGLY = 24
"""Up to so many bits, setting them one at a time is quicker than filling a byte array."""


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
    """From a word to the lines that mention it: a ready mask for much-used words, a list of bits for the others.

    Ready masks cost `width / 8` bytes each, so only `allowance` words get one: those with the most lines.
    """

    __slots__ = ("_listed", "_ready", "_width")

    def __init__(self, lines: Mapping[str, list[int]], width: int, allowance: int) -> None:
        self._width = width
        by_use = sorted(lines, key=lambda word: -len(lines[word]))
        worth = [word for word in by_use[:allowance] if len(lines[word]) > 2 or width <= 1024]
        self._ready = {word: mask_of(lines[word], width) for word in worth}
        self._listed = {word: tuple(bits) for word, bits in lines.items() if word not in self._ready}

    def __bool__(self) -> bool:
        return bool(self._ready or self._listed)

    def mask(self, word: str) -> int:
        """The lines that mention a word; none for a word that no line knows."""
        mask = self._ready.get(word)
        if mask is not None:
            return mask
        bits = self._listed.get(word)
        return 0 if bits is None else mask_of(bits, self._width)
