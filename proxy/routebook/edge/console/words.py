"""How pages say amounts, times and outcomes: short enough for a table, exact where somebody rests the pointer."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from routebook.documents.quantities import NANO, Unit
from routebook.routing.endings import end_in_words

DIGITS: Final = 3
"""Significant digits of a small amount of money."""


LEFT: Final = 499
"""The status of a record whose client was not there any more to be told one."""


class Outcome(NamedTuple):
    """How a request ended, for the eye: a class for its colour, a sign that tells it apart without one, and words."""

    kind: str
    sign: str
    words: str


def money(nano: float | None) -> str:
    """Nano-dollars in so many digits as can be compared: `$12.50`, `$0.0314`, `$0.0000042`."""
    if nano is None:
        return "–"
    amount = abs(nano) / NANO
    sign = "-" if nano < 0 else ""
    if amount >= 1000:
        return f"{sign}${amount:,.0f}"
    if amount >= 0.1 or amount == 0:
        return f"{sign}${amount:,.2f}"
    places = DIGITS - 1 - int(f"{amount:e}".rpartition("e")[2])
    return f"{sign}${amount:.{min(places, 9)}f}"


def amount(value: float | None, unit: str) -> str:
    """An amount of a budget in its unit: `money`, `tokens` or `count`."""
    if value is None:
        return "–"
    return money(value) if unit == Unit.MONEY.name.lower() else short(value)


def short(number: float | None) -> str:
    """A count in three digits: `942`, `12.3k`, `4.56M`."""
    if number is None:
        return "–"
    for scale, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(number) >= scale:
            scaled = number / scale
            return f"{scaled:.{max(0, 2 - len(f'{abs(int(scaled))}') + 1)}f}{letter}"
    return f"{number:,.0f}"


def took(seconds: float | None) -> str:
    """A duration: `34 ms`, `1.25 s`, `2 min 5 s`, `3 h 10 min`, `4 d 2 h`."""
    if seconds is None:
        return "–"
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.3g} s"
    whole = round(seconds)
    for large, small, words in ((86_400, 3600, ("d", "h")), (3600, 60, ("h", "min")), (60, 1, ("min", "s"))):
        if whole >= large:
            rest = whole % large // small
            return f"{whole // large} {words[0]}" + (f" {rest} {words[1]}" if rest else "")
    return f"{whole} s"


def share(part: float, whole: float) -> str:
    """A part of a whole: `12.5 %`."""
    if not whole:
        return "–"
    percent = part / whole * 100
    return f"{percent:.0f} %" if percent >= 10 or not percent else f"{percent:.2g} %"


def clock(at: str | float | None, now: float) -> str:
    """A moment in UTC: the time of today, with its day where it is another."""
    moment = moment_of(at)
    if moment is None:
        return "–"
    return f"{moment:%H:%M:%S}" if moment.date() == datetime.fromtimestamp(now, UTC).date() else f"{moment:%d %b %H:%M}"


def stamp(at: str | float | None) -> str:
    """A moment in UTC, whole: `2026-11-21 10:00:00 UTC`."""
    moment = moment_of(at)
    return "–" if moment is None else f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def ago(at: str | float | None, now: float) -> str:
    """How long ago, in one unit."""
    moment = moment_of(at)
    if moment is None:
        return "never"
    seconds = max(0.0, now - moment.timestamp())
    for size, word in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{int(seconds // size)} {word} ago"
    return f"{int(seconds)} s ago"


def moment_of(at: str | float | None) -> datetime | None:
    """A moment of a record or of a clock; None where it is none."""
    if at is None or at == "":
        return None
    try:
        if isinstance(at, str):
            found = datetime.fromisoformat(at)
            return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
        return datetime.fromtimestamp(at, UTC)
    except (ValueError, OverflowError, OSError):
        return None


_ENDERS: Final = {
    "C": ("quiet", "◌", "client left"),
    "U": ("bad", "✕", "upstream failed"),
    "P": ("held", "⊘", "refused by policy"),
    "B": ("held", "⊘", "over budget or limit"),
    "T": ("bad", "✕", "out of time"),
    "G": ("bad", "✕", "gateway failed"),
}


def outcome(end: str | None, status: int | None) -> Outcome:
    """How a request ended, by its end code and status; one that still runs has neither."""
    if end is None:
        return Outcome("running", "…", "running")
    if end == "--":
        return Outcome("good", "✓", "ok") if status is None or status < 400 else Outcome("bad", "✕", "error passed on")
    if end[:1] == "C" and status is not None and status != LEFT:
        return Outcome("held", "⊘", "bad request")
    return Outcome(*_ENDERS.get(end[:1], ("bad", "✕", end)))


def ended(end: str | None) -> str:
    """An end code as a sentence."""
    return "it still runs" if end is None else end_in_words(end)


_STATES: Final = {
    "ready": Outcome("good", "●", "ready"),
    "probing": Outcome("held", "◐", "probing"),
    "resting": Outcome("held", "◔", "resting"),
    "out": Outcome("bad", "✕", "out of service"),
}


def state(word: str) -> Outcome:
    """How an account stands, for the eye."""
    return _STATES.get(word, Outcome("bad", "✕", word))


FILTERS: Final[dict[str, Any]] = {
    "money": money,
    "amount": amount,
    "short": short,
    "took": took,
    "share": share,
    "clock": clock,
    "stamp": stamp,
    "ago": ago,
    "ended": ended,
    "upper_first": lambda text: text[:1].upper() + text[1:],
}
"""What templates call them."""
