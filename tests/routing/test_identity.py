"""Identifiers of records."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from routebook.routing.identity import new_id

MILLIS = st.integers(0, 2**48 - 1)
NOISE = st.binary(min_size=10, max_size=10)


def test_a_known_one() -> None:
    """ULID as published: 48 bits of time, 80 of chance, Crockford's base 32."""
    assert new_id(1_469_918_176_385, bytes(10)) == "01ARYZ6S41" + "0" * 16
    assert new_id(2**48 - 1, b"\xff" * 10) == "7" + "Z" * 25


@settings(deadline=None)
@given(MILLIS, NOISE, MILLIS, NOISE)
def test_they_sort_by_time_and_are_different(first: int, noise: bytes, second: int, other: bytes) -> None:
    """Whatever chance adds."""
    one, two = new_id(first, noise), new_id(second, other)
    assert len(one) == 26
    assert (one < two) == ((first, noise) < (second, other))
    assert (one == two) == ((first, noise) == (second, other))
