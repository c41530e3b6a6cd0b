"""The cost-quality curves of a contest as one SVG: no library, no script, black on white."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final
from xml.sax.saxutils import escape

from routebook.scoring.contests import Contest

WIDTH, HEIGHT, MARGIN, GAP = 420, 300, 52, 16
COLUMNS: Final = 2
STROKES: Final = {"gain": "#0072b2", "complexity": "#d55e00", "length": "#009e73", "random": "#999999"}
"""Colours that people who do not see them all can tell apart (Okabe, Ito 2008)."""
STEPS: Final = 100
"""Points of a curve that are drawn."""


def as_svg(contests: Sequence[Contest]) -> str:
    """One diagram for each contest: quality against the share of calls to the strong model."""
    rows = -(-len(contests) // COLUMNS)
    width, height = COLUMNS * (WIDTH + GAP) + GAP, rows * (HEIGHT + GAP) + GAP
    size = f'width="{width}" height="{height}"'
    opening = f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="11">'
    parts = [opening, f'<rect {size} fill="white"/>']
    for place, each in enumerate(contests):
        left, top = GAP + place % COLUMNS * (WIDTH + GAP), GAP + place // COLUMNS * (HEIGHT + GAP)
        parts += [f'<g transform="translate({left} {top})">', *_diagram(each), "</g>"]
    return "\n".join([*parts, "</svg>", ""])


def _diagram(contest: Contest) -> Iterator[str]:
    pool = contest.pool
    curves = {name: standing.curve for name, standing in contest.standings.items()}
    seen = [curve.quality(step / STEPS) for curve in curves.values() for step in range(STEPS + 1)]
    low, high = min(seen), max(seen)
    inner_width, inner_height = WIDTH - MARGIN - GAP, HEIGHT - 2 * MARGIN

    def across(share: float) -> float:
        return round(MARGIN + share * inner_width, 2)

    def down(quality: float) -> float:
        return round(MARGIN + inner_height * (1 - (quality - low) / (high - low)), 2)

    title = f"{pool.name}: {pool.strong} over {pool.weak}, {len(pool.rows):,} prompts"
    yield f"<title>{escape(title)}</title>"
    yield f'<text x="{MARGIN}" y="20" font-weight="bold">{escape(title)}</text>'
    yield f'<rect x="{MARGIN}" y="{MARGIN}" width="{inner_width}" height="{inner_height}" fill="none" stroke="#bbb"/>'
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        y = HEIGHT - MARGIN + 14
        yield f'<text x="{across(share)}" y="{y}" text-anchor="middle">{share:.0%}</text>'
    for quality in (low, (low + high) / 2, high):
        yield f'<text x="{MARGIN - 4}" y="{down(quality) + 4}" text-anchor="end">{quality:.3f}</text>'
    middle = MARGIN + inner_width / 2
    yield f'<text x="{middle}" y="{HEIGHT - 22}" text-anchor="middle">share of calls to the strong model</text>'
    for place, (name, curve) in enumerate(curves.items()):
        points = " ".join(f"{across(step / STEPS)},{down(curve.quality(step / STEPS))}" for step in range(STEPS + 1))
        colour = STROKES.get(name, "black")
        yield f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.6"/>'
        x, y = MARGIN + place * 88, 40
        yield f'<text x="{x}" y="{y}" fill="{colour}">{escape(name)} {curve.apgr:.3f}</text>'
