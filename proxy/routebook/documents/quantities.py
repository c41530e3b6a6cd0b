"""Numbers with units, as people write them: `32k`, `2M`, `$0.05`, `80%`, `300ms`, `64KiB`, `20M tokens`.

Each unit has one meaning and one Python form: counts, tokens and bytes are integers, money is integer nano-dollars,
a share is a float from 0 to 1 (or more), a duration is seconds as a float, a time of day is seconds since midnight.
"""

from __future__ import annotations

import datetime
import enum
import re
from collections.abc import Callable
from decimal import Decimal, InvalidOperation

NANO = 1_000_000_000
"""Nano-dollars in a dollar: the integer in which all money is counted."""


class Unit(enum.Enum):
    """What a number measures."""

    COUNT = "count"
    TOKENS = "tokens"
    BYTES = "bytes"
    MONEY = "money"
    SHARE = "share"
    DURATION = "duration"
    CLOCK = "time of day"
    DATE = "date"
    SCORE = "score"


EXAMPLES = {
    Unit.COUNT: "`12`, `32k` or `2M`",
    Unit.TOKENS: "`90000`, `32k` or `2M`",
    Unit.BYTES: "`512`, `64KiB`, `2MiB` or `1MB`",
    Unit.MONEY: "`$0.05` or `$500`",
    Unit.SHARE: "`80%`",
    Unit.DURATION: "`300ms`, `2s`, `5m`, `1h` or `7d`",
    Unit.CLOCK: '`"22:00"`',
    Unit.DATE: '`"2026-11-21"`',
    Unit.SCORE: "`0.4`",
}
"""How each unit is written; problems quote it."""

NOUNS = {
    Unit.COUNT: "a whole number",
    Unit.TOKENS: "a number of tokens",
    Unit.BYTES: "a size",
    Unit.MONEY: "an amount of money",
    Unit.SHARE: "a share",
    Unit.DURATION: "a duration",
    Unit.CLOCK: "a time of day",
    Unit.DATE: "a date",
    Unit.SCORE: "a number from 0 up",
}
"""What each unit's quantities are called in a sentence."""

LONGEST = 40
"""Characters of a written quantity: enough for any amount of this world, too few for an infinite float."""

_NUMBER = r"([0-9][0-9_]*(?:\.[0-9]+)?|\.[0-9]+)"
_COUNT = re.compile(_NUMBER + r"\s*([kKMGB]?)\Z")
_TOKENS = re.compile(_NUMBER + r"\s*([kKMGB]?)(?:\s*tokens?)?\Z")
_BYTES = re.compile(_NUMBER + r"\s*(B|kB|KB|KiB|MB|MiB|GB|GiB)?\Z")
_MONEY = re.compile(r"\$\s*" + _NUMBER + r"\s*([kM]?)\Z")
_SHARE = re.compile(_NUMBER + r"\s*%\Z")
_DURATION = re.compile(_NUMBER + r"\s*(us|ms|s|m|h|d)\Z")
_CLOCK = re.compile(r"([01]?[0-9]|2[0-4]):([0-5][0-9])(?::([0-5][0-9]))?\Z")
_DATE = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})\Z")

_SCALE = {"": 1, "k": 1_000, "K": 1_000, "M": 1_000_000, "G": 1_000_000_000, "B": 1_000_000_000}
_BYTE_SCALE = {
    None: 1,
    "B": 1,
    "kB": 1000,
    "KB": 1000,
    "KiB": 1024,
    "MB": 10**6,
    "MiB": 1024**2,
    "GB": 10**9,
    "GiB": 1024**3,
}
_SECONDS = {
    "us": Decimal("0.000001"),
    "ms": Decimal("0.001"),
    "s": Decimal(1),
    "m": Decimal(60),
    "h": Decimal(3600),
    "d": Decimal(86400),
}


def parse_quantity(text: str, unit: Unit) -> int | float | None:
    """A written quantity in the unit's Python form, or None where it is not one.

    >>> parse_quantity("32k", Unit.TOKENS), parse_quantity("$0.05", Unit.MONEY), parse_quantity("80%", Unit.SHARE)
    (32000, 50000000, 0.8)
    """
    if len(text) > LONGEST:
        return None
    try:
        return _PARSERS[unit](text.strip())
    except (InvalidOperation, ValueError, OverflowError):
        return None


_OTHERWISE: dict[Unit, tuple[tuple[str, str], ...]] = {
    Unit.DURATION: (
        (r"(.+?)\s*(?:milliseconds?|millis|msecs?)", r"\1ms"),
        (r"(.+?)\s*(?:seconds?|secs?)", r"\1s"),
        (r"(.+?)\s*(?:minutes?|mins?)", r"\1m"),
        (r"(.+?)\s*(?:hours?|hrs?)", r"\1h"),
        (r"(.+?)\s*days?", r"\1d"),
    ),
    Unit.BYTES: ((r"(.+?)\s*ki?b?", r"\1KB"), (r"(.+?)\s*mi?b?", r"\1MB"), (r"(.+?)\s*gi?b?", r"\1GB")),
    Unit.TOKENS: ((r"(.+?)\s*(?:ki?b|thousand)", r"\1k"), (r"(.+?)\s*(?:m|mi?b|millions?|mio)", r"\1M")),
    Unit.COUNT: ((r"(.+?)\s*thousand", r"\1k"), (r"(.+?)\s*(?:m|millions?|mio)", r"\1M")),
    Unit.MONEY: ((r"(.+?)\s*(?:\$|usd|dollars?)?", r"$\1"), (r"usd\s*(.+)", r"$\1")),
    Unit.SHARE: ((r"(0?\.[0-9]+)", "share"), (r"(.+?)\s*(?:percent|per cent)?", r"\1%")),
    Unit.CLOCK: (
        (r"([0-9]{1,2})", r"\1:00"),
        (r"(0?[1-9]|1[0-2])(?::([0-9]{2}))?\s*([ap])\.?m\.?", "halves"),
        (r"([0-9]{1,2})[.h]([0-9]{2})", r"\1:\2"),
    ),
    Unit.DATE: (
        (r"([0-9]{4})[./]([0-9]{1,2})[./]([0-9]{1,2})", "year first"),
        (r"([0-9]{1,2})\.\s*([0-9]{1,2})\.\s*([0-9]{4})", "day first"),
    ),
}
"""How people write quantities elsewhere, and how they are written here."""


def meant_by(text: str, unit: Unit) -> str | None:
    """What somebody may have meant who wrote a quantity as elsewhere, in this language's words; None for no guess.

    >>> meant_by("5 minutes", Unit.DURATION), meant_by("10mb", Unit.BYTES), meant_by("0.9", Unit.SHARE)
    ('5m', '10MB', '90%')
    """
    for pattern, form in _OTHERWISE.get(unit, ()):
        match = re.fullmatch(pattern, text.strip(), re.IGNORECASE) if len(text) <= LONGEST else None
        if match is not None:
            guess = _formed(match, form)
            if parse_quantity(guess, unit) is not None:
                return guess
    return None


def _formed(match: re.Match[str], form: str) -> str:
    match form:
        case "share":
            return f"{float(match[1]) * 100:g}%"
        case "halves":
            hour = int(match[1]) % 12 + (12 if match[3].lower() == "p" else 0)
            return f"{hour:02}:{match[2] or '00'}"
        case "year first":
            return f"{match[1]}-{int(match[2]):02}-{int(match[3]):02}"
        case "day first":
            return f"{match[3]}-{int(match[2]):02}-{int(match[1]):02}"
    return match.expand(form)


def _scaled(match: re.Match[str] | None) -> int | None:
    return None if match is None else _whole(Decimal(match[1].replace("_", "")) * _SCALE[match[2]])


def _whole(value: Decimal) -> int | None:
    """An integer, or None for a part of one: half a token or a tenth of a nano-dollar is a slip, not an amount."""
    return int(value) if value == value.to_integral_value() else None


def _count(text: str) -> int | None:
    return _scaled(_COUNT.match(text))


def _tokens(text: str) -> int | None:
    return _scaled(_TOKENS.match(text))


def _bytes(text: str) -> int | None:
    match = _BYTES.match(text)
    return None if match is None else _whole(Decimal(match[1].replace("_", "")) * _BYTE_SCALE[match[2]])


def _money(text: str) -> int | None:
    match = _MONEY.match(text)
    return None if match is None else _whole(Decimal(match[1].replace("_", "")) * _SCALE[match[2]] * NANO)


def _share(text: str) -> float | None:
    match = _SHARE.match(text)
    return None if match is None else float(Decimal(match[1]) / 100)


def _duration(text: str) -> float | None:
    match = _DURATION.match(text)
    return None if match is None else float(Decimal(match[1]) * _SECONDS[match[2]])


def _clock(text: str) -> int | None:
    match = _CLOCK.match(text)
    if match is None:
        return None
    seconds = int(match[1]) * 3600 + int(match[2]) * 60 + int(match[3] or 0)
    return seconds if seconds <= 86400 else None


def _date(text: str) -> int | None:
    return datetime.date.fromisoformat(text).toordinal() if _DATE.match(text) else None


def _score(text: str) -> float | None:
    return float(Decimal(text)) if re.match(_NUMBER + r"\Z", text) else None


_PARSERS: dict[Unit, Callable[[str], int | float | None]] = {
    Unit.COUNT: _count,
    Unit.TOKENS: _tokens,
    Unit.BYTES: _bytes,
    Unit.MONEY: _money,
    Unit.SHARE: _share,
    Unit.DURATION: _duration,
    Unit.CLOCK: _clock,
    Unit.DATE: _date,
    Unit.SCORE: _score,
}
