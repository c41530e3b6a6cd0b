"""What vendors say of their quotas: in headers of refusals and of answers, and in the bodies of refusals.

Headers are any mapping whose look-up does not care for case, or one with lower-case names. `now` is seconds since 1970.
Whatever a vendor says is bounded; what cannot be understood is as if it had not been said.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

import msgspec

from routebook.health.verdicts import Rest

LONGEST: Final = 3600.0
"""Seconds: an upstream that asks for more is tried again after an hour all the same."""

LONGEST_QUOTA: Final = 86_400.0
"""Seconds: the same, where the quota itself is used up."""

LARGEST_BODY: Final = 64 * 1024
"""Bytes of a refusal that are looked through."""

_OPENAI: Final = tuple(
    (f"x-ratelimit-remaining-{each}", f"x-ratelimit-reset-{each}") for each in ("requests", "tokens")
)
_ANTHROPIC: Final = tuple(
    (f"anthropic-ratelimit-{each}-remaining", f"anthropic-ratelimit-{each}-reset")
    for each in ("requests", "tokens", "input-tokens", "output-tokens")
)

_DECIMAL: Final = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,9})?", re.ASCII)
_DURATION: Final = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(ms|us|µs|ns|d|h|m|s)", re.ASCII)
_UNITS: Final = {"d": 86_400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_RETRY_INFO: Final = "type.googleapis.com/google.rpc.RetryInfo"


def asked_rest(headers: Mapping[str, str], body: bytes, now: float, longest: float = LONGEST) -> Rest | None:
    """How long a refusal asks to be left alone; None where it does not say.

    What is said of retrying counts before what is said of quotas: `x-ratelimit-reset-*` tells when a quota is whole
    again, which is later than when it allows one more request.
    """
    for seconds, because in _said(headers, body, now):
        return Rest(min(max(seconds, 0.0), longest), because)
    return None


def last_for_now(headers: Mapping[str, str], now: float) -> Rest | None:
    """How long to leave an account alone whose good answer says that it was the last for now; None where it does not."""
    for seconds, because in _resets(headers, now):
        return Rest(min(seconds, LONGEST), because) if seconds > 0 else None
    return None


def _said(headers: Mapping[str, str], body: bytes, now: float) -> Iterator[tuple[float, str]]:
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        yield milliseconds / 1000, "retry-after-ms"
    retry_after = _seconds_or_date(headers.get("retry-after"), now)
    if retry_after is not None:
        yield retry_after, "retry-after"
    retry_info = _retry_info(body)
    if retry_info is not None:
        yield retry_info, "RetryInfo"
    yield from _resets(headers, now)


def _resets(headers: Mapping[str, str], now: float) -> list[tuple[float, str]]:
    """Of all quotas of which nothing remains, when the last is whole again."""
    found = [
        (seconds, remaining)
        for remaining, reset, read in _QUOTAS
        if (left := headers.get(remaining)) is not None
        and _number(left) == 0
        and (seconds := read(headers.get(reset), now)) is not None
    ]
    return [max(found)] if found else []


def _number(text: str | None) -> float | None:
    found = None if text is None else _DECIMAL.fullmatch(text.strip())
    return None if found is None else float(found[0])


def _seconds_or_date(text: str | None, now: float) -> float | None:
    """`7`, or `Fri, 21 Nov 2026 10:00:07 GMT`."""
    if text is None:
        return None
    if (number := _number(text)) is not None:
        return number
    try:
        return parsedate_to_datetime(text).timestamp() - now
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


def _duration(text: str | None, now: float = 0.0) -> float | None:
    """`1s`, `6m0s`, `20ms`, as Go writes durations; a bare number is seconds."""
    if text is None:
        return None
    if (number := _number(text)) is not None:
        return number
    parts = _DURATION.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        return None
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


def _instant(text: str | None, now: float) -> float | None:
    """`2026-11-21T10:00:07Z` (RFC 3339)."""
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() - now
    except (ValueError, OverflowError):
        return None


def _retry_info(body: bytes) -> float | None:
    """`google.rpc.RetryInfo` among an error's details: `{"retryDelay": "34.07s"}`."""
    if len(body) > LARGEST_BODY or b"retryDelay" not in body:
        return None
    try:
        said: Any = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None
    if isinstance(said, list) and said:
        said = said[0]
    error = said.get("error") if isinstance(said, dict) else None
    details = error.get("details") if isinstance(error, dict) else None
    for detail in details if isinstance(details, list) else ():
        if isinstance(detail, dict) and detail.get("@type") == _RETRY_INFO:
            delay = detail.get("retryDelay")
            return _duration(delay) if isinstance(delay, str) else None
    return None


_QUOTAS: Final = (
    *((remaining, reset, _duration) for remaining, reset in _OPENAI),
    *((remaining, reset, _instant) for remaining, reset in _ANTHROPIC),
)
"""What is left of a quota and when it is whole again, by the names of their headers, and how the latter is read."""
