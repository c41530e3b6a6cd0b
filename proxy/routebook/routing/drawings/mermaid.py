"""A sketch as a Mermaid flowchart (https://mermaid.js.org/syntax/flowchart.html), which many wikis and forges draw."""

from __future__ import annotations

from collections.abc import Iterator

from routebook.documents.visible import visible
from routebook.routing.drawings.lettering import wrapped
from routebook.routing.drawings.sketch import Kind, Shape, Sketch

COLUMNS = 34

_BRACKETS = {Kind.QUESTION: ("([", "])"), Kind.REFUSAL: ("[[", "]]"), Kind.GAP: ("[[", "]]")}

_CLASSES = """\
  classDef route stroke:#0072b2
  classDef refusal stroke:#b34700,stroke-width:2px
  classDef folded stroke-dasharray:5 4
  classDef lit stroke-width:4px"""

_NAMED = {
    Kind.ROUTE: "route",
    Kind.KEPT: "route",
    Kind.REFUSAL: "refusal",
    Kind.GAP: "refusal",
    Kind.FOLDED: "folded",
    Kind.DROPPED: "folded",
}


def as_mermaid(sketch: Sketch) -> str:
    """The sketch as a flowchart, from top to bottom."""
    return "\n".join(_lines(sketch)) + "\n"


def _lines(sketch: Sketch) -> Iterator[str]:
    yield "flowchart TD"
    yield f"  accTitle: {_plain(sketch.title)}"
    yield f"  accDescr: {_plain(sketch.says)}"
    for number, shape in enumerate(sketch.shapes):
        left, right = _BRACKETS.get(shape.kind, ("[", "]"))
        yield f'  n{number}{left}"{_label(shape)}"{right}'
    for arrow in sketch.arrows:
        line = "==>" if arrow.lit else "-->"
        words = f'|"{_text(arrow.words)}"|' if arrow.words else ""
        yield f"  n{arrow.source} {line}{words} n{arrow.target}"
    yield _CLASSES
    for number, shape in enumerate(sketch.shapes):
        if shape.kind in _NAMED:
            yield f"  class n{number} {_NAMED[shape.kind]}"
        if shape.lit:
            yield f"  class n{number} lit"


def _label(shape: Shape) -> str:
    lines = [part for line in (shape.title, *shape.lines) for part in wrapped(visible(line), COLUMNS, 4)]
    return "<br/>".join(map(_text, lines))


def _text(text: str) -> str:
    """Everything that Mermaid, its Markdown or HTML could take for a sign of theirs is written as a number."""
    return "".join(
        letter if letter.isalnum() or letter in " .,:?/-_" else f"#{ord(letter)};" for letter in visible(text)
    )


def _plain(text: str) -> str:
    """For a line of Mermaid's that is not quoted."""
    return "".join(letter if letter.isalnum() or letter in " .,-_" else " " for letter in visible(text))
