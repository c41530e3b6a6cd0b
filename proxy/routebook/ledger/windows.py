"""The slice of time that a budget is drawn on at a moment, and how far back its window reaches.

A window of the calendar is one slice, from its beginning in the budget's zone to its end; a day may have 23 or 25 hours.
A rolling window is cut into sixty slices, and counts every slice that it still overlaps: never less than the truth.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from routebook.ledger.budgets import Budget

SLICES: Final = 60
"""Into how many slices a rolling window is cut, where these are not shorter than a second."""

_SECONDS: Final = {"minute": 60, "hour": 3600}


@dataclass(frozen=True, slots=True)
class Slice:
    """What is drawn on now. `start` is the slice's beginning and its name, `first` the oldest slice that still counts,
    `ends` when that one leaves the window and the next slice begins; seconds since 1970."""

    start: int
    first: int
    ends: int


def slice_of(budget: Budget, now: float) -> Slice:
    """The slice that a budget is drawn on at a moment (seconds since 1970)."""
    window = _window(budget.window, budget.rolling, budget.zone)
    current = window.current
    return current if current.start <= now < current.ends else window.turn(int(now))


class _Window:
    """One kind of window, and the slice that it was last asked for: most requests fall into the same."""

    __slots__ = ("_rolling", "_unit", "_zone", "current")

    def __init__(self, unit: str | None, rolling: float | None, zone: str) -> None:
        self._unit, self._rolling, self._zone = unit, rolling, ZoneInfo(zone)
        self.current = Slice(0, 0, 0)

    def turn(self, now: int) -> Slice:
        self.current = self._at(now)
        return self.current

    def _at(self, now: int) -> Slice:
        if self._rolling is not None:
            return _rolling_slice(self._rolling, now)
        if self._unit in _SECONDS:
            return _even_slice(_SECONDS[self._unit], now, self._zone)
        return _days_slice(self._unit, now, self._zone)


@lru_cache(maxsize=1024)
def _window(unit: str | None, rolling: float | None, zone: str) -> _Window:
    return _Window(unit, rolling, zone)


def _rolling_slice(seconds: float, now: int) -> Slice:
    length = max(1, -int(-seconds // 1))
    width = -(-length // SLICES)
    start = now // width * width
    return Slice(start, (start - length) // width * width, start + width)


def _even_slice(width: int, now: int, zone: ZoneInfo) -> Slice:
    """Minutes and hours, which begin where the clocks of the zone say so (in some, half an hour from everybody's)."""
    shift = round((datetime.fromtimestamp(now, zone).utcoffset() or timedelta()).total_seconds())
    start = (now + shift) // width * width - shift
    return Slice(start, start, start + width)


def _days_slice(unit: str | None, now: int, zone: ZoneInfo) -> Slice:
    begin = _beginning(unit, datetime.fromtimestamp(now, zone).date())
    after = _following(unit, begin)
    while _midnight(after, zone) <= now:  # clocks were set back over midnight: the day that began stays begun
        begin, after = after, _following(unit, after)
    start = _midnight(begin, zone)
    return Slice(start, start, _midnight(after, zone))


def _beginning(unit: str | None, day: date) -> date:
    match unit:
        case "month":
            return day.replace(day=1)
        case "week":
            return day - timedelta(days=day.weekday())
        case _:
            return day


def _following(unit: str | None, begin: date) -> date:
    match unit:
        case "month":
            return (begin + timedelta(days=31)).replace(day=1)
        case "week":
            return begin + timedelta(days=7)
        case _:
            return begin + timedelta(days=1)


def _midnight(day: date, zone: ZoneInfo) -> int:
    """When a day begins: at the first of two midnights, and where the clocks leave midnight out, when they do so."""
    return int(datetime(day.year, day.month, day.day, tzinfo=zone).timestamp())
