"""Sets of lines as bits of one integer, and indexes from words to such sets.

The first line has the highest bit: `bit_length()` then finds the first line of a set in 50 ns, where finding the lowest
bit would take a microsecond at ten thousand lines.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

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
    """From a name (a word, a pattern) to the lines that mention it, in several *slots*: sets of lines kept apart.

    Much-used names have ready masks, which cost `width / 8` bytes each, so there are at most `allowance` of them: those
    with the most lines. The others have lists of bits.
    """

    __slots__ = ("_entries", "_width")

    def __init__(self, lines: Mapping[tuple[str, int], Sequence[int]], width: int, allowance: int) -> None:
        self._width = width
        worth = [key for key, bits in lines.items() if len(bits) > _RARE or width <= _NARROW]
        if len(worth) > allowance:
            worth = sorted(worth, key=lambda key: -len(lines[key]))[: max(0, allowance)]
        ready = frozenset(worth)
        self._entries: dict[str, list[tuple[int, int, tuple[int, ...] | None]]] = {}
        for (name, slot), bits in lines.items():
            entry = (slot, mask_of(bits, width), None) if (name, slot) in ready else (slot, 0, tuple(bits))
            self._entries.setdefault(name, []).append(entry)

    def spread(self, names: Iterable[str], slots: list[int]) -> None:
        """Add the lines that mention one of these names to the slots in which they do."""
        for name in names:
            for slot, mask, bits in self._entries.get(name, ()):
                slots[slot] |= mask if bits is None else mask_of(bits, self._width)
