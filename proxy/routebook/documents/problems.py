"""What an author should hear: a problem with its place, a stable code and a suggestion.

A `Problem` is a value. Readers collect them in a `Problems` and go on, so that an author hears everything at once.
"""

from __future__ import annotations

import difflib
import enum
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field


class Severity(enum.Enum):
    """Whether a document may be used in spite of the problem."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True, order=True)
class Location:
    """A place in a file; lines and columns are counted from 1, as editors do."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing an author should mend.

    `code` is stable (`policy.unknown-fact`); `message` is lower case without a full stop, the author's own words in
    backticks; `hint` is what to do next; `related` are further places (the first definition of a duplicate).
    """

    code: str
    message: str
    location: Location
    hint: str | None = None
    severity: Severity = Severity.ERROR
    related: tuple[tuple[Location, str], ...] = ()


@dataclass(slots=True)
class Problems:
    """A collection that readers add to; errors decide whether a document may be used."""

    found: list[Problem] = field(default_factory=list)

    def error(
        self,
        code: str,
        message: str,
        location: Location,
        hint: str | None = None,
        related: Iterable[tuple[Location, str]] = (),
    ) -> None:
        """Add an error at a place."""
        self.found.append(Problem(code, message, location, hint, Severity.ERROR, tuple(related)))

    def warning(
        self,
        code: str,
        message: str,
        location: Location,
        hint: str | None = None,
        related: Iterable[tuple[Location, str]] = (),
    ) -> None:
        """Add a warning at a place."""
        self.found.append(Problem(code, message, location, hint, Severity.WARNING, tuple(related)))

    def __iter__(self) -> Iterator[Problem]:
        """In the order of files and lines, as an author works through them."""
        return iter(sorted(self.found, key=lambda problem: problem.location))

    @property
    def errors(self) -> list[Problem]:
        """The problems that keep the document from being used, in the order of their places."""
        return [problem for problem in self if problem.severity is Severity.ERROR]


_SHORTEST = 3
"""Letters of a name that a longer word may begin with by more than chance."""


def did_you_mean(word: str, known: Iterable[str]) -> str | None:
    """A hint with the nearest known name, the first of several, or None where nothing is near: `saturday` is near `sat`."""
    names = list(known)
    near = difflib.get_close_matches(word, names, n=3, cutoff=0.6)
    if near:
        likeness = {name: difflib.SequenceMatcher(None, name, word).ratio() for name in near}
        near = [min(near, key=lambda name: (-likeness[name], names.index(name)))]
    elif len(word) > _SHORTEST:
        near = [name for name in names if len(name) >= _SHORTEST and word.lower().startswith(name.lower())]
    return f"did you mean `{near[0]}`?" if len(near) == 1 else None
