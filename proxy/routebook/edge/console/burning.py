"""How a budget burns down: what was left when, the pace of late, and when nothing is left at that pace.

The pace is what was settled in the latest quarter of the window that has passed (of what is known of it, and in an hour at
least). It is a straight line: it knows nothing of nights and week-ends, and the page says over how long it was taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from routebook.edge.admin.budgets import BudgetShown, ScopeShown
from routebook.edge.console.charts import Point, line, markup, text
from routebook.edge.console.words import amount, stamp

WIDTH, HEIGHT = 640.0, 150.0
_LEFT, _RIGHT, _TOP, _FOOT = 58.0, 10.0, 10.0, 22.0

LEAST_LOOK: Final = 3600.0
"""Seconds that the pace is taken over at least."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """What comes of the pace: so much a second, taken over so many seconds; when nothing is left (Unix seconds; None: not
    within this window), and what is left when the window ends."""

    pace: float
    over: float
    empty_at: float | None
    left_at_end: int


@dataclass(frozen=True, slots=True)
class Burn:
    """A scope of a budget over its window: what was left at moments (Unix seconds), now and, by the forecast, later."""

    unit: str
    limit: int
    start: float
    now: float
    ends: float
    left: Sequence[tuple[float, int]]
    held: int
    forecast: Forecast
    rolling: bool


def burn_down(
    budget: BudgetShown, scope: ScopeShown, spent: Sequence[tuple[float, int]], now: float, width: float = 600.0
) -> Burn:
    """How a scope's budget has burnt, by what was settled when: the beginning of so many seconds (`width`), and how much."""
    rolling = budget.rolling is not None
    start = now - budget.rolling if budget.rolling is not None else float(budget.start)
    ends = now + (now - start) / 3 if rolling else float(budget.ends)
    settled, points = 0, [(start, budget.limit)]
    for at, cost in spent:
        if points[-1][0] < at:
            points.append((at, budget.limit - settled))
        settled += cost
        points.append((min(at + width, now), budget.limit - settled))
    # what the ledger says now is the truth; what came in part of a step, or beside records, is in it alone
    points.append((now, budget.limit - scope.settled))
    return Burn(
        budget.unit,
        budget.limit,
        start,
        now,
        max(ends, now),
        points,
        scope.held,
        _forecast(budget, scope, spent, width, start, now, max(ends, now)),
        rolling,
    )


def _forecast(
    budget: BudgetShown,
    scope: ScopeShown,
    spent: Sequence[tuple[float, int]],
    width: float,
    start: float,
    now: float,
    ends: float,
) -> Forecast:
    since = min((at for at, _ in spent), default=start)
    over = max(1.0, min(now - start, max(LEAST_LOOK, min((now - start) / 4, now - since))))
    recent = sum(cost for at, cost in spent if at + width > now - over)
    pace = recent / over
    left = budget.limit - scope.settled
    until = left / pace if pace > 0 else None
    empty_at = None if until is None or now + until > ends else now + max(0.0, until)
    return Forecast(pace, over, now if left <= 0 else empty_at, max(0, int(left - pace * (ends - now))))


def picture(burn: Burn, of: str) -> Any:
    """The line of what was left, and on from now, dashed, what will be."""
    wide, high = WIDTH - _LEFT - _RIGHT, HEIGHT - _TOP - _FOOT
    length = max(burn.ends - burn.start, 1.0)

    def at(moment: float, left: float) -> Point:
        share = min(1.0, max(0.0, left / burn.limit)) if burn.limit else 0.0
        return _LEFT + min(1.0, max(0.0, (moment - burn.start) / length)) * wide, _TOP + (1 - share) * high

    known = [at(*point) for point in burn.left]
    last = burn.left[-1][1]
    empty = burn.forecast.empty_at
    to = at(empty, 0) if empty is not None else at(burn.ends, burn.forecast.left_at_end)
    base = _TOP + high
    says = f"{of}: {amount(last, burn.unit)} of {amount(burn.limit, burn.unit)} left"
    says += f", empty by {stamp(empty)} at this pace" if empty is not None else ", enough at this pace"
    parts = [
        (
            f'<svg class="chart burn" viewBox="0 0 {WIDTH:g} {HEIGHT:g}" width="{WIDTH:g}" height="{HEIGHT:g}" '
            f'role="img" aria-label="{text(says)}">'
        ),
        *_grid(burn, wide, high),
        f'<path class="area" d="{line(known)}V{base:.1f}H{_LEFT:.1f}Z"/>',
        f'<path class="stroke" d="{line(known)}"/>',
        f'<path class="forecast{" short" if empty is not None else ""}" d="{line([known[-1], to])}"/>',
        f'<circle class="now" cx="{known[-1][0]:.1f}" cy="{known[-1][1]:.1f}" r="3.5"/>',
    ]
    if empty is not None:
        x = to[0]
        parts.append(f'<path class="cross" d="M{x - 5:.1f} {base - 5:.1f}l10 10m0 -10l-10 10"/>')
    return markup([*parts, "</svg>"])


def _grid(burn: Burn, wide: float, high: float) -> list[str]:
    parts = []
    for part in (0, 0.5, 1):
        y = _TOP + (1 - part) * high
        parts.append(f'<path class="grid" d="M{_LEFT:.1f} {y:.1f}H{_LEFT + wide:.1f}"/>')
        parts.append(
            f'<text class="axis" text-anchor="end" x="{_LEFT - 6:.1f}" y="{y + 4:.1f}">'
            f"{text(amount(burn.limit * part, burn.unit))}</text>"
        )
    x = _LEFT + wide * (burn.now - burn.start) / max(burn.ends - burn.start, 1.0)
    parts.append(f'<path class="grid today" d="M{x:.1f} {_TOP:.1f}V{_TOP + high:.1f}"/>')
    for anchor, moment, place in (("start", burn.start, _LEFT), ("end", burn.ends, _LEFT + wide)):
        words = stamp(moment)[5:16]
        parts.append(
            f'<text class="axis" text-anchor="{anchor}" x="{place:.1f}" y="{HEIGHT - 6:.1f}">{text(words)}</text>'
        )
    return parts
