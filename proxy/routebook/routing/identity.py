"""Identifiers of records: they sort by time (ULID: 48 bits of milliseconds, 80 random bits, Crockford's base 32)."""

from __future__ import annotations

from functools import lru_cache

_DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS = tuple(high + low for high in _DIGITS for low in _DIGITS)
_TIME_SHIFTS = tuple(range(40, -1, -10))
_CHANCE_SHIFTS = tuple(range(70, -1, -10))


def new_id(now_ms: int, random_bytes: bytes) -> str:
    """An identifier of 26 characters, from milliseconds since 1970 and ten random bytes."""
    chance = int.from_bytes(random_bytes[:10], "big")
    return _stamp(now_ms) + "".join([_PAIRS[chance >> shift & 1023] for shift in _CHANCE_SHIFTS])


@lru_cache(maxsize=4)
def _stamp(now_ms: int) -> str:
    return "".join([_PAIRS[now_ms >> shift & 1023] for shift in _TIME_SHIFTS])
