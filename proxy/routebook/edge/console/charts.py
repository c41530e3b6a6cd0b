"""Small pictures of numbers, as SVG that stands in a page: every one has its words, and a form beside its colour."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from routebook.documents.visible import visible

if TYPE_CHECKING:
    from markupsafe import Markup

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar of a row: how much, how much of it did not go well, and what it says where the pointer rests."""

    whole: float
    bad: float
    words: str


def markup(parts: Iterable[str]) -> Markup:
    """Parts of a picture as they may stand in a page; every text in them has gone through `text`."""
    from markupsafe import Markup

    return Markup("\n".join(parts))


def text(words: object) -> str:
    """A text as SVG holds it."""
    return escape(visible(words))


def head(kind: str, width: float, height: float, says: str) -> str:
    """The beginning of a picture; `says` is for whoever cannot see it."""
    return (
        f'<svg class="chart {kind}" viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{text(says)}" '
        f'preserveAspectRatio="none">'
    )


def bars(found: Sequence[Bar], says: str, width: float = 600, height: float = 64) -> Markup:
    """A row of bars, the part that did not go well at the foot, hatched."""
    most = max((bar.whole for bar in found), default=0) or 1
    step = width / max(1, len(found))
    parts = [head("bars", width, height, says)]
    for number, bar in enumerate(found):
        x, wide = number * step + step * 0.1, step * 0.8
        whole, bad = bar.whole / most * (height - 2), bar.bad / most * (height - 2)
        parts.append(f"<g><title>{text(bar.words)}</title>")
        parts.append(f'<rect class="ground" x="{number * step:.2f}" y="0" width="{step:.2f}" height="{height:g}"/>')
        if bar.whole:
            parts.append(
                f'<rect class="bar" x="{x:.2f}" y="{height - max(whole, 1.5):.2f}" width="{wide:.2f}" '
                f'height="{max(whole, 1.5):.2f}"/>'
            )
        if bar.bad:
            parts.append(
                f'<rect class="bad" x="{x:.2f}" y="{height - max(bad, 1.5):.2f}" width="{wide:.2f}" '
                f'height="{max(bad, 1.5):.2f}"/>'
            )
        parts.append("</g>")
    return markup([*parts, "</svg>"])


def meter(part: float, whole: float, says: str, kind: str = "bar", beside: float = 0) -> Markup:
    """How much of a whole: a bar of fixed length; `beside` is drawn on, lighter."""
    whole = whole or 1
    first = min(1.0, max(0.0, part / whole)) * 100
    second = min(100 - first, max(0.0, beside / whole) * 100)
    return markup(
        [
            head("meter", 100, 8, says),
            '<rect class="ground" width="100" height="8"/>',
            f'<rect class="{kind}" width="{first:.2f}" height="8"/>',
            f'<rect class="beside" x="{first:.2f}" width="{second:.2f}" height="8"/>' if second else "",
            "</svg>",
        ]
    )


def line(points: Sequence[Point]) -> str:
    """Points as the path of a line."""
    return "M" + "L".join(f"{x:.2f} {y:.2f}" for x, y in points)
