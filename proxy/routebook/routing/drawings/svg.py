"""A sketch as SVG 1.1: text that can be selected, light or dark as the reader's screen is, nothing loaded from anywhere.

Colours are of Okabe and Ito's palette (2008), which people with any colour vision can tell apart; besides, every kind
of shape has a form of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from routebook.documents.visible import visible
from routebook.routing.drawings.layout import Link, Placed, Point, Way, lay_out
from routebook.routing.drawings.lettering import columns, wrapped
from routebook.routing.drawings.sketch import Arrow, Kind, Shape, Sketch

COLUMNS = 30
"""Columns of a shape's text before it is broken."""

LINES = 4
"""Lines that one text of a shape may take."""

PITCH, TITLE_PITCH, LINE, TITLE_LINE = 7.3, 8.0, 16.0, 18.0
"""Width of a column and height of a line, in the text's two sizes: 12 and 13 pixels of a font of fixed pitch."""

PAD, MARGIN, HEAD = 10.0, 16.0, 30.0

WIDE = 1400.0
"""Pixels beyond which a picture is turned on its side, where it is narrower then."""

STYLE = """\
.picture{--paper:#ffffff;--ink:#1b1f24;--quiet:#4d5660;--line:#6b7580;--question:#ffffff;--route:#e3f1fa;\
--refusal:#fbe9df;--other:#f3f4f6;--blue:#0072b2;--red:#b34700;--lit:#9a5b00;--glow:#fff3cf}
@media (prefers-color-scheme:dark){.picture{--paper:#14181d;--ink:#eef1f4;--quiet:#b3bcc5;--line:#8b95a0;\
--question:#1e242b;--route:#12303f;--refusal:#40241a;--other:#232a31;--blue:#56b4e9;--red:#ef8a5a;--lit:#f0c000;\
--glow:#3a3214}}
.picture .paper{fill:var(--paper)}
.picture text{font:12px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;fill:var(--ink)}
.picture .title{font-size:13px;font-weight:bold}
.picture .quiet{fill:var(--quiet)}
.picture .box{fill:var(--other);stroke:var(--line);stroke-width:1.3}
.picture .question{fill:var(--question)}
.picture .route,.picture .kept{fill:var(--route);stroke:var(--blue)}
.picture .refusal,.picture .gap{fill:var(--refusal);stroke:var(--red)}
.picture .refusal,.picture .gap{stroke-width:2.4}
.picture .folded,.picture .dropped{stroke-dasharray:5 4}
.picture .idle.box{fill:var(--paper);stroke:var(--line);stroke-width:1.3;stroke-dasharray:1.5 4}
.picture .bar{stroke:var(--red);stroke-width:5}
.picture .arrow{fill:none;stroke:var(--line);stroke-width:1.3}
.picture .head{fill:var(--line)}
.picture .lit.box{fill:var(--glow);stroke:var(--lit);stroke-width:3.2}
.picture .lit.arrow{stroke:var(--lit);stroke-width:3.2}
.picture .lit.head{fill:var(--lit)}
.picture .lit.words{font-weight:bold}"""


def as_svg(sketch: Sketch, *, within: str = "") -> str:
    """The sketch as a file of its own; or as a part of a page that has `STYLE`, with ids that begin with `within`."""
    blocks = [_Block(shape) for shape in sketch.shapes]
    links = [
        Link(arrow.source, arrow.target, max(map(_words_width, _words(arrow)), default=0.0), LINE * len(_words(arrow)))
        for arrow in sketch.arrows
    ]
    placed = _laid_out([(block.width, block.height) for block in blocks], links)
    width = max(placed.width, columns(sketch.title) * TITLE_PITCH) + 2 * MARGIN
    height = placed.height + 2 * MARGIN + HEAD
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" class="picture" width="{width:.0f}" height="{height:.0f}" '
            f'viewBox="0 0 {width:.0f} {height:.0f}" role="img" aria-labelledby="{within}title {within}says">'
        ),
        f'<title id="{within}title">{_text(sketch.title)}</title>',
        f'<desc id="{within}says">{_text(sketch.says)}</desc>',
        *([] if within else [f"<style>{STYLE}</style>"]),
        f'<rect class="paper" width="{width:.0f}" height="{height:.0f}"/>',
        f'<text class="title" x="{MARGIN:.0f}" y="{MARGIN + 10:.0f}">{_text(sketch.title)}</text>',
        f'<g transform="translate({MARGIN:.0f} {MARGIN + HEAD:.0f})">',
        *_arrows(sketch, placed),
        *(line for block, corner in zip(blocks, placed.corners, strict=True) for line in block.drawn(corner)),
        *_labels(sketch, placed),
        "</g>",
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _laid_out(sizes: Sequence[tuple[float, float]], links: Sequence[Link]) -> Placed:
    """From top to bottom where that fits a page, from left to right where that is less wide."""
    down = lay_out(sizes, links)
    if down.width <= WIDE:
        return down
    sideways = lay_out(sizes, links, sideways=True)
    return sideways if sideways.width < down.width else down


class _Block:
    """A shape with its text broken into lines."""

    def __init__(self, shape: Shape) -> None:
        self._shape = shape
        self._titles = wrapped(visible(shape.title), COLUMNS, 3)
        self._lines = [part for line in shape.lines for part in wrapped(visible(line), COLUMNS, LINES)]
        widest = max(
            [columns(title) * TITLE_PITCH for title in self._titles] + [columns(line) * PITCH for line in self._lines]
        )
        self.width = widest + 2 * PAD + (8 if self._has_bar else 0)
        self.height = len(self._titles) * TITLE_LINE + len(self._lines) * LINE + 2 * PAD - 4

    @property
    def _has_bar(self) -> bool:
        return self._shape.kind in (Kind.REFUSAL, Kind.GAP)

    def drawn(self, corner: Point) -> Iterator[str]:
        """The box and its text; the whole text appears where the pointer rests."""
        shape, (x, y) = self._shape, corner
        lit = (" lit" if shape.lit else "") + (" idle" if shape.idle else "")
        round_ = 14 if shape.kind is Kind.QUESTION else 2
        yield "<g>"
        yield f"<title>{_text(chr(10).join([shape.title, *shape.lines]))}</title>"
        yield (
            f'<rect class="box {shape.kind.value}{lit}" x="{x:.1f}" y="{y:.1f}" width="{self.width:.1f}" '
            f'height="{self.height:.1f}" rx="{round_}"/>'
        )
        left = x + PAD
        if self._has_bar:
            yield f'<path class="bar" d="M{x + 5:.1f} {y + 5:.1f}V{y + self.height - 5:.1f}"/>'
            left += 6
        baseline = y + PAD + 10
        for title in self._titles:
            yield f'<text class="title" x="{left:.1f}" y="{baseline:.1f}">{_text(title)}</text>'
            baseline += TITLE_LINE
        for line in self._lines:
            yield f'<text class="quiet" x="{left:.1f}" y="{baseline - 2:.1f}">{_text(line)}</text>'
            baseline += LINE
        yield "</g>"


def _words(arrow: Arrow) -> list[str]:
    return wrapped(visible(arrow.words), COLUMNS, 2) if arrow.words else []


def _words_width(line: str) -> float:
    return columns(line) * PITCH + 6


def _arrows(sketch: Sketch, placed: Placed) -> Iterator[str]:
    """The lines, those that are lit last and so above the others."""
    for arrow, way in sorted(zip(sketch.arrows, placed.ways, strict=True), key=lambda pair: pair[0].lit):
        lit = " lit" if arrow.lit else ""
        x, y = way.end
        tip = "l-9 -5v10z" if placed.sideways else "l-5 -9h10z"
        yield f'<path class="arrow{lit}" d="{_curve(way, _gap(arrow, placed.sideways), placed.sideways)}"/>'
        yield f'<path class="head{lit}" d="M{x:.1f} {y:.1f}{tip}"/>'


def _gap(arrow: Arrow, sideways: bool) -> float:
    """Room for an arrow's words, along the arrow."""
    lines = _words(arrow)
    return max(map(_words_width, lines), default=0.0) if sideways else LINE * len(lines)


def _curve(way: Way, gap: float, sideways: bool) -> str:
    """A line that is bent between layers only, leaves and enters everything straight, and leaves out its words."""
    end = (way.end[0] - 8, way.end[1]) if sideways else (way.end[0], way.end[1] - 8)
    parts = [_at("M", way.start), _at("L", way.out)]
    at = way.out
    for number, (enter, leave) in enumerate([*way.through, (end, end)]):
        if sideways:
            half = (at[0] + enter[0]) / 2
            parts.append(_at("C", (half, at[1]), (half, enter[1]), enter))
        else:
            half = (at[1] + enter[1]) / 2
            parts.append(_at("C", (at[0], half), (enter[0], half), enter))
        if number == 0 and gap:
            x, y = way.words
            across, along = (gap / 2, 0.0) if sideways else (0.0, gap / 2)
            parts += [_at("L", (x - across, y - along)), _at("M", (x + across, y + along))]
        if leave != enter:
            parts.append(_at("L", leave))
        at = leave
    return "".join(parts)


def _at(letter: str, *points: Point) -> str:
    return letter + " ".join(f"{x:.1f} {y:.1f}" for x, y in points)


def _labels(sketch: Sketch, placed: Placed) -> Iterator[str]:
    for arrow, way in zip(sketch.arrows, placed.ways, strict=True):
        lines = _words(arrow)
        lit = " lit" if arrow.lit else ""
        x, y = way.words
        y += 4 - (len(lines) - 1) * LINE / 2
        for number, line in enumerate(lines):
            yield (
                f'<text class="words{lit}" text-anchor="middle" x="{x:.1f}" y="{y + number * LINE:.1f}">'
                f"{_text(line)}</text>"
            )


def _text(text: str) -> str:
    """Text as SVG holds it: nothing in it is markup, and no character that XML forbids is left."""
    return escape("\n".join(map(visible, text.split("\n"))))
