"""A sketch in DOT, the language of Graphviz (https://graphviz.org/doc/info/lang.html)."""

from __future__ import annotations

from collections.abc import Iterator

from routebook.documents.visible import visible
from routebook.routing.drawings.lettering import wrapped
from routebook.routing.drawings.sketch import Kind, Shape, Sketch

COLUMNS = 34

_FORMS = {
    Kind.QUESTION: 'style="rounded"',
    Kind.ROUTE: 'color="#0072b2"',
    Kind.REFUSAL: 'color="#b34700", peripheries=2',
    Kind.GAP: 'color="#b34700", peripheries=2',
    Kind.TABLE: 'shape="note"',
    Kind.FOLDED: 'style="dashed"',
    Kind.KEPT: 'color="#0072b2"',
    Kind.DROPPED: 'style="dashed"',
}


def as_dot(sketch: Sketch) -> str:
    """The sketch as a directed graph, from top to bottom."""
    return "\n".join(_lines(sketch)) + "\n"


def _lines(sketch: Sketch) -> Iterator[str]:
    yield "digraph policy {"
    yield f'  label="{_text(sketch.title)}"; labelloc="t"; tooltip="{_text(sketch.says)}";'
    yield '  node [shape="box", fontname="monospace", fontsize=11]; edge [fontname="monospace", fontsize=11];'
    for number, shape in enumerate(sketch.shapes):
        lit = ", penwidth=3" if shape.lit else ""
        yield f'  n{number} [label="{_label(shape)}", {_FORMS[shape.kind]}{lit}];'
    for arrow in sketch.arrows:
        lit = ", penwidth=3" if arrow.lit else ""
        yield f'  n{arrow.source} -> n{arrow.target} [label="{_text(arrow.words)}"{lit}];'
    yield "}"


def _label(shape: Shape) -> str:
    lines = [part for line in (shape.title, *shape.lines) for part in wrapped(visible(line), COLUMNS, 4)]
    return "".join(f"{_text(line)}\\l" for line in lines)


def _text(text: str) -> str:
    return visible(text).replace("\\", "\\\\").replace('"', '\\"')
