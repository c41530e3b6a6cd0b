"""Identifiers of records: they sort by time (ULID: 48 bits of milliseconds, 80 random bits, Crockford's base 32)."""

from __future__ import annotations

_DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS = tuple(high + low for high in _DIGITS for low in _DIGITS)
_SHIFTS = tuple(range(120, -1, -10))


def new_id(now_ms: int, random_bytes: bytes) -> str:
    """An identifier of 26 characters, from milliseconds since 1970 and ten random bytes."""
    number = now_ms << 80 | int.from_bytes(random_bytes[:10], "big")
    return "".join([_PAIRS[number >> shift & 1023] for shift in _SHIFTS])
