"""Identifiers of records: they sort by time (ULID: 48 bits of milliseconds, 80 random bits, Crockford's base 32)."""

from __future__ import annotations

from functools import lru_cache
from struct import Struct

_DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS = tuple(high + low for high in _DIGITS for low in _DIGITS)
_TIME_SHIFTS = tuple(range(40, -1, -10))
_HALVES = Struct(">BIBI").unpack_from


def new_id(now_ms: int, random_bytes: bytes) -> str:
    """An identifier of 26 characters, from milliseconds since 1970 and ten random bytes."""
    high, low, higher, lower = _HALVES(random_bytes)
    first, last = high << 32 | low, higher << 32 | lower
    return (
        f"{_stamp(now_ms)}{_PAIRS[first >> 30]}{_PAIRS[first >> 20 & 1023]}{_PAIRS[first >> 10 & 1023]}{_PAIRS[first & 1023]}"
        f"{_PAIRS[last >> 30]}{_PAIRS[last >> 20 & 1023]}{_PAIRS[last >> 10 & 1023]}{_PAIRS[last & 1023]}"
    )


@lru_cache(maxsize=4)
def _stamp(now_ms: int) -> str:
    return "".join([_PAIRS[now_ms >> shift & 1023] for shift in _TIME_SHIFTS])
