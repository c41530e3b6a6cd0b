"""The classes of texts that words and patterns tell apart: each with a text of it, found by running all patterns at once.

All patterns together are one machine, whose states are sets of places in the patterns; it is walked breadth first, so
that the text found for a class is among its shortest. Patterns that would make it too large are *opaque*: nothing is
claimed about which texts match them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from routebook.policy.conditions import glob_regex
from routebook.policy.globs import is_plain

MAX_STATES = 4000
"""States of the machine that are walked at most; about a tenth of a second's work."""

_PLAIN = "other"
"""How texts that no rule names are begun: it stands in examples."""

_OTHERS = "xyzXYZ_~"
"""Letters of which one stands for all that no pattern names."""


@dataclass(frozen=True, slots=True)
class TextClasses:
    """`samples` are the named words, so many as `words`, then a text of each further class; `matched` are the patterns
    that each of them matches."""

    samples: tuple[str, ...]
    matched: tuple[frozenset[str], ...]
    opaque: frozenset[str]
    words: int


def text_classes(words: Iterable[str], patterns: Iterable[str]) -> TextClasses:
    """What can be told apart with these words and patterns."""
    named = sorted({*words, *filter(is_plain, patterns)})
    exact = sorted({each for each in patterns if not is_plain(each)}, key=_simplicity)
    opaque: set[str] = set()
    machine = _Machine(exact)
    while (found := machine.classes()) is None:
        half = len(exact) // 2
        opaque.update(exact[half:])
        exact = exact[:half]
        machine = _Machine(exact)
    taken = set(named)
    samples = [(word, _matching(word, exact)) for word in named]
    for matched, text in found.items():
        unnamed: str | None = _unnamed(text, matched, exact, taken)
        if unnamed in taken:
            unnamed = machine.other_than([word for word, own in samples if own == matched], matched)
        if unnamed is not None:
            samples.append((unnamed, matched))
    return TextClasses(
        tuple(text for text, _ in samples), tuple(each for _, each in samples), frozenset(opaque), len(named)
    )


def _simplicity(pattern: str) -> tuple[int, str]:
    """Beginnings before endings before all else: they make the smallest machines."""
    if pattern.endswith("*") and is_plain(pattern[:-1]):
        return 0, pattern
    return (1 if pattern.startswith("*") and is_plain(pattern[1:]) else 2), pattern


def _matching(text: str, patterns: Iterable[str]) -> frozenset[str]:
    return frozenset(pattern for pattern in patterns if glob_regex(pattern).match(text) is not None)


def _unnamed(text: str, matched: frozenset[str], patterns: Collection[str], taken: Collection[str]) -> str:
    """A text of the class that is none of the named words, and reads as one where that is easy."""
    for candidate in _variants(text):
        if candidate and candidate not in taken and _matching(candidate, patterns) == matched:
            return candidate
    return text


def _variants(text: str) -> Iterator[str]:
    if not text:
        yield from (_PLAIN, *(f"{_PLAIN}-{number}" for number in range(2, 50)), *_OTHERS, "other/" * 9)
        return
    yield text
    for filler in ("1", "-other", *_OTHERS):
        for size in (1, 2, 3):
            yield from (text[:place] + filler * size + text[place:] for place in range(len(text), -1, -1))
    for letter in _OTHERS:
        yield from (text[:place] + letter + text[place + 1 :] for place in range(len(text)))


class _Machine:
    """All patterns side by side, each place of each pattern a bit: a step is a mask and a shift."""

    def __init__(self, patterns: Iterable[str]) -> None:
        self._ends: dict[int, str] = {}
        self._start = self._runs = self._any = 0
        self._letters: dict[str, int] = {}
        place = 0
        for pattern in patterns:
            self._start |= 1 << place
            for token in _tokens(pattern):
                if token == "*":
                    self._runs |= 1 << place
                elif token == "?":
                    self._any |= 1 << place
                else:
                    self._letters[token] = self._letters.get(token, 0) | 1 << place
                place += 1
            self._ends[1 << place] = pattern
            place += 1
        self._accepting = sum(self._ends)

    def classes(self) -> dict[frozenset[str], str] | None:
        """A shortest text for each set of patterns that some text matches; None where the machine is too large."""
        start = self._through(self._start)
        steps = self._steps("")
        seen = {start}
        queue = deque([(start, "")])
        found: dict[int, str] = {}
        while queue:
            state, text = queue.popleft()
            found.setdefault(state & self._accepting, text)
            for letter, taken in steps:
                following = self._next(state, taken)
                if following not in seen:
                    seen.add(following)
                    queue.append((following, text + letter))
            if len(seen) > MAX_STATES:
                return None
        return {frozenset(self._ends[bit] for bit in _bits(ends)): text for ends, text in found.items()}

    def other_than(self, words: Collection[str], matched: frozenset[str]) -> str | None:
        """A text that matches these patterns, no others, and is none of the words; None where there is none.

        Where the search for one would be too long, one of the words: too many texts are better than too few.
        """
        wanted = sum(bit for bit, pattern in self._ends.items() if pattern in matched)
        prefixes = {word[:end] for word in words for end in range(len(word) + 1)}
        steps = self._steps("".join(words))
        begin = self._through(self._start), "" if prefixes else None
        seen = {begin}
        queue = deque([(begin, "")])
        while queue:
            (state, prefix), text = queue.popleft()
            if state & self._accepting == wanted and text not in words:
                return text
            if len(seen) > 4 * MAX_STATES:
                return min(words)
            for letter, taken in steps:
                longer = None if prefix is None else prefix + letter
                node = (self._next(state, taken), longer if longer in prefixes else None)
                if node not in seen:
                    seen.add(node)
                    queue.append((node, text + letter))
        return None

    def _steps(self, more: str) -> list[tuple[str, int]]:
        """Letters, with the places that each goes on from: those of patterns, more, and one that stands for all others."""
        letters = sorted({*self._letters, *more})
        other = next(each for each in map(chr, range(0x78, 0x110000)) if each not in letters)
        return [(letter, self._letters.get(letter, 0) | self._any) for letter in (*letters, other)]

    def _next(self, state: int, taken: int) -> int:
        return self._through((state & taken) << 1 | state & self._runs)

    def _through(self, state: int) -> int:
        """A run may be empty: the place behind it is reached with it."""
        return state | (state & self._runs) << 1


def _tokens(pattern: str) -> Iterator[str]:
    before = ""
    for letter in pattern:
        if letter != "*" or before != "*":
            yield letter
        before = letter


def _bits(mask: int) -> Iterator[int]:
    while mask:
        low = mask & -mask
        yield low
        mask ^= low
