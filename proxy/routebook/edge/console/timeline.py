"""The attempts of a request on one line of time: who was called when, when the first byte came, how each ended."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from routebook.edge.console.charts import markup, text
from routebook.edge.console.words import took

if TYPE_CHECKING:
    from markupsafe import Markup

WIDTH: Final = 860.0
_NAME, _ROW, _HEAD = 220.0, 30.0, 26.0


def timeline(ending: Mapping[str, Any] | None) -> Markup | None:
    """The picture; None where nobody was called, or the request still runs."""
    attempts = (
        [] if ending is None else [each for each in ending.get("attempts", ()) if each.get("started") is not None]
    )
    if ending is None or not attempts:
        return None
    whole = max(ending.get("seconds") or 0.0, *(each.get("ended") or each["started"] for each in attempts), 0.001)
    scale = (WIDTH - _NAME - 90) / whole
    height = _HEAD + _ROW * len(attempts) + 8
    says = f"{len(attempts)} calls in {took(whole)}: " + "; ".join(_said(each) for each in attempts)
    parts = [
        (
            f'<svg class="chart timeline" width="{WIDTH:g}" height="{height:g}" viewBox="0 0 {WIDTH:g} {height:g}" '
            f'role="img" aria-label="{text(says)}">'
        ),
        *_axis(whole, scale, height),
    ]
    for number, each in enumerate(attempts):
        parts += _call(each, _HEAD + number * _ROW, scale, whole)
    return markup([*parts, "</svg>"])


def _axis(whole: float, scale: float, height: float) -> list[str]:
    parts = []
    for number in range(5):
        x = _NAME + whole * scale * number / 4
        parts.append(f'<path class="grid" d="M{x:.1f} {_HEAD - 6}V{height - 4:.1f}"/>')
        anchor = "start" if number == 0 else "middle"
        parts.append(
            f'<text class="axis" text-anchor="{anchor}" x="{x:.1f}" y="14">{text(took(whole * number / 4))}</text>'
        )
    return parts


def _call(each: Mapping[str, Any], y: float, scale: float, whole: float) -> list[str]:
    """One call: waited for in a thin bar, answering in a thick one, an error crossed."""
    began, ended = each["started"], each.get("ended")
    first = each.get("first_byte")
    until = whole if ended is None else ended
    x, end = _NAME + began * scale, _NAME + until * scale
    failed = each.get("code") is not None
    middle = y + _ROW / 2
    parts = [
        f"<g><title>{text(_said(each))}</title>",
        f'<text class="name" x="0" y="{middle + 4:.1f}">{text(_clipped(each["model"], 26))}</text>',
        f'<rect class="wait" x="{x:.1f}" y="{middle - 2:.1f}" width="{max(end - x, 2):.1f}" height="4"/>',
    ]
    if first is not None:
        at = _NAME + first * scale
        parts.append(
            f'<rect class="{"bad" if failed else "bar"}" x="{at:.1f}" y="{middle - 7:.1f}" '
            f'width="{max(end - at, 2):.1f}" height="14" rx="2"/>'
        )
    if failed:
        parts.append(f'<path class="cross" d="M{end - 5:.1f} {middle - 5:.1f}l10 10m0 -10l-10 10"/>')
    words = "ok" if not failed else str(each.get("status") or each.get("code"))
    parts.append(
        f'<text class="axis" x="{min(end + 10, WIDTH - 84):.1f}" y="{middle + 4:.1f}">{text(words)}</text></g>'
    )
    return parts


def _said(each: Mapping[str, Any]) -> str:
    status = f"status {each['status']}" if each.get("status") is not None else "no answer"
    code = f" ({each['code']})" if each.get("code") else ""
    first = f", first byte after {took(each['first_byte'])}" if each.get("first_byte") is not None else ""
    ended = f", over after {took(each['ended'])}" if each.get("ended") is not None else ""
    return f"{each['model']} by {each['account']} from {took(each['started'])} on: {status}{code}{first}{ended}"


def _clipped(words: str, most: int) -> str:
    return words if len(words) <= most else words[: most - 1] + "…"
