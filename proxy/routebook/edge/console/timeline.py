"""The attempts of a request on one line of time: who was called when, when the first byte came, how each ended."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from routebook.edge.console.charts import markup, text
from routebook.edge.console.words import took

if TYPE_CHECKING:
    from markupsafe import Markup

_ROW: Final = 44.0
_HEAD: Final = 22.0
"""Pixels of a call's row, and of the times above them. Across, everything is in parts of the width there is, so that letters
keep their size on a phone."""


def timeline(ending: Mapping[str, Any] | None) -> Markup | None:
    """The picture; None where nobody was called, or the request still runs."""
    attempts = (
        [] if ending is None else [each for each in ending.get("attempts", ()) if each.get("started") is not None]
    )
    if ending is None or not attempts:
        return None
    whole = max(ending.get("seconds") or 0.0, *(each.get("ended") or each["started"] for each in attempts), 0.001)
    height = _HEAD + _ROW * len(attempts) + 4
    says = f"{len(attempts)} calls in {took(whole)}: " + "; ".join(_said(each) for each in attempts)
    parts = [
        f'<svg class="chart timeline" height="{height:g}" role="img" aria-label="{text(says)}">',
        *_axis(whole, height),
    ]
    for number, each in enumerate(attempts):
        parts += _call(each, _HEAD + number * _ROW, whole)
    return markup([*parts, "</svg>"])


def _axis(whole: float, height: float) -> list[str]:
    parts = []
    for number, anchor in enumerate(("start", "middle", "middle", "middle", "end")):
        x = f"{number * 25}%"
        parts.append(f'<line class="grid" x1="{x}" x2="{x}" y1="{_HEAD - 4:g}" y2="{height:g}"/>')
        parts.append(
            f'<text class="axis" text-anchor="{anchor}" x="{x}" y="12">{text(took(whole * number / 4))}</text>'
        )
    return parts


def _call(each: Mapping[str, Any], y: float, whole: float) -> list[str]:
    """One call: who, and how it ended; below, waited for in a thin bar, answering in a thick one, an error crossed."""
    until = whole if each.get("ended") is None else each["ended"]
    failed = each.get("code") is not None
    words = "ok" if not failed else str(each.get("status") or each.get("code"))
    middle = y + 31

    def bar(kind: str, since: float, thick: float) -> str:
        x, wide = 100 * since / whole, max(100 * (until - since) / whole, 0.3)
        return f'<rect class="{kind}" x="{min(x, 99.7):.2f}%" y="{middle - thick / 2:g}" width="{wide:.2f}%" height="{thick:g}"/>'

    parts = [
        f"<g><title>{text(_said(each))}</title>",
        (
            f'<text class="name" x="0" y="{y + 16:g}">{text(_clipped(each["model"], 26))} '
            f'<tspan class="axis">{text(words)}</tspan></text>'
        ),
        bar("wait", each["started"], 4),
    ]
    if each.get("first_byte") is not None:
        parts.append(bar("bad" if failed else "bar", each["first_byte"], 14))
    if failed:
        x = min(100 * until / whole, 99.0)
        cross = '<path class="cross" d="M-5 -5l10 10m0 -10l-10 10"/>'
        parts.append(f'<svg x="{x:.2f}%" y="{middle:g}" overflow="visible">{cross}</svg>')
    return [*parts, "</g>"]


def _said(each: Mapping[str, Any]) -> str:
    status = f"status {each['status']}" if each.get("status") is not None else "no answer"
    code = f" ({each['code']})" if each.get("code") else ""
    first = f", first byte after {took(each['first_byte'])}" if each.get("first_byte") is not None else ""
    ended = f", over after {took(each['ended'])}" if each.get("ended") is not None else ""
    return f"{each['model']} by {each['account']} from {took(each['started'])} on: {status}{code}{first}{ended}"


def _clipped(words: str, most: int) -> str:
    return words if len(words) <= most else words[: most - 1] + "…"
