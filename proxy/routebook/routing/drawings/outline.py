"""A sketch as text for a terminal: a line for each answer, what is asked next below it.

The last answer of a question goes on at the same depth, so that a long policy grows down and not to the right. What is
reached in several ways is written out once, under a number that the other ways refer to.
"""

from __future__ import annotations

from collections.abc import Iterator

from routebook.documents.visible import visible
from routebook.routing.drawings.lettering import clipped
from routebook.routing.drawings.sketch import Arrow, Kind, Shape, Sketch

WIDTH = 100
"""Columns where nobody says how many there are."""

PLAIN = str.maketrans({"├": "|", "└": "`", "│": "|", "─": "-", "━": "=", "▶": ">", "→": ">", "…": "~", "↓": "v"})
"""For terminals that have no box-drawing characters."""


def as_outline(sketch: Sketch, width: int = WIDTH) -> str:
    """The sketch in lines of at most so many columns."""
    return "".join(f"{clipped(line.rstrip(), width)}\n" for line in _Outline(sketch).lines())


class _Outline:
    def __init__(self, sketch: Sketch) -> None:
        self._shapes = sketch.shapes
        self._leaving = sketch.leaving()
        arrivals = [0] * len(sketch.shapes)
        for arrow in sketch.arrows:
            arrivals[arrow.target] += 1
        several = (number for number, count in enumerate(arrivals) if count > 1)
        self._marks = {shape: mark for mark, shape in enumerate(several, 1)}
        self._drawn: set[int] = set()

    def lines(self) -> Iterator[str]:
        yield self._head(0)
        yield from self._below(0, "")

    def _head(self, number: int) -> str:
        shape = self._shapes[number]
        mark = f" [{self._marks[number]}]" if number in self._marks else ""
        text = f"{visible(shape.title)}{mark}"
        match shape.kind:
            case Kind.QUESTION if not shape.lit:
                return text
            case Kind.TABLE:
                return f"{text}:"
            case _:
                return f"{text}: {visible('; '.join(shape.lines))}" if shape.lines else text

    def _below(self, number: int, indent: str) -> Iterator[str]:
        """The answers of a shape. A loop for those that go on at the same depth: they may be very many."""
        while True:
            self._drawn.add(number)
            shape, arrows = self._shapes[number], self._leaving[number]
            following: int | None = None
            for place, arrow in enumerate(arrows):
                last = place == len(arrows) - 1
                if last and self._goes_on(arrow):
                    yield f"{indent}{_branch(arrow, last)}{self._label(arrow)}↓"
                    yield f"{indent}{self._head(arrow.target)}"
                    following = arrow.target
                else:
                    yield from self._one(arrow, indent, last=last)
            yield from self._rows(shape, indent)
            if following is None:
                return
            number = following

    def _one(self, arrow: Arrow, indent: str, *, last: bool) -> Iterator[str]:
        start = f"{indent}{_branch(arrow, last)}{self._label(arrow)}"
        deeper = indent + ("   " if last else "│  ")
        if arrow.target in self._drawn and arrow.target in self._marks:
            yield f"{start}→ {visible(self._shapes[arrow.target].title)} [{self._marks[arrow.target]}] above"
            return
        yield start + self._head(arrow.target)
        yield from self._below(arrow.target, deeper)

    def _rows(self, shape: Shape, indent: str) -> Iterator[str]:
        if shape.kind is Kind.TABLE:
            yield from (f"{indent}{visible(line)}" for line in shape.lines)

    def _goes_on(self, arrow: Arrow) -> bool:
        return bool(self._leaving[arrow.target]) and arrow.target not in self._drawn

    @staticmethod
    def _label(arrow: Arrow) -> str:
        if not arrow.words:
            return ""
        return f"{visible(arrow.words)} {'━━▶' if arrow.lit else '──'} "


def _branch(arrow: Arrow, last: bool) -> str:
    return ("└" if last else "├") + ("━ " if arrow.lit else "─ ")
