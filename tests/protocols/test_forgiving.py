"""What upstreams send, read as far as it can be."""

from __future__ import annotations

import json
from typing import Annotated, Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routebook.protocols.errors import ProtocolError
from routebook.protocols.forgiving import Forgiving


class Inner(msgspec.Struct):
    """Something within."""

    name: str | None = None
    count: int = 0


class Outer(msgspec.Struct):
    """Something that an upstream sends."""

    text: str | None = None
    either: str | Inner | None = None
    many: list[Inner] | None = None
    inner: Inner | None = None


READER = Forgiving(Outer)


@pytest.mark.parametrize(
    ("value", "read_as"),
    [
        ({"text": "a", "many": [{"count": 1}]}, Outer("a", many=[Inner(count=1)])),
        ({"text": 7, "inner": {"name": "n", "count": "x"}}, Outer(inner=Inner("n"))),
        ({"text": "a", "inner": []}, Outer("a")),
        ({"many": [{"name": "a"}, 7, {"name": 7, "count": 2}]}, Outer(many=[Inner("a"), Inner(count=2)])),
        ({"many": {"0": 1}, "either": {"name": "n", "count": []}}, Outer(either=Inner("n"))),
        ({"inner": {"count": "5"}, "text": []}, Outer(inner=Inner(count=5))),
        ({}, Outer()),
    ],
)
def test_a_slip_costs_its_own_field_alone(value: Any, read_as: Outer) -> None:
    """Everything beside it is read."""
    assert READER.read(json.dumps(value).encode()) == read_as


def test_half_a_pair_of_surrogates_costs_one_character() -> None:
    """Some cut texts in the middle of what JSON writes as two escapes."""
    assert READER.read(b'{"text":"a\\ud83d","inner":{"count":1}}') == Outer(
        "a\N{REPLACEMENT CHARACTER}", inner=Inner(count=1)
    )


def test_a_number_beyond_its_bounds_counts_as_absent() -> None:
    """What is taken apart is held to the same bounds as what is read in one pass."""

    class Counted(msgspec.Struct):
        """A count that is never negative."""

        count: Annotated[int, msgspec.Meta(ge=0)] | None = None

    assert Forgiving(Counted).read(b'{"count":-1}') == Counted()
    assert Forgiving(Counted).read(b'{"count":"7"}') == Counted(7)


@pytest.mark.parametrize("data", [b"", b"{", b"7", b"[]", b"[" * 5000, b"\xff", b'{"a":NaN}'])
def test_what_is_no_object_is_an_error(data: bytes) -> None:
    """Of the upstream."""
    with pytest.raises(ProtocolError):
        READER.read(data)


@settings(deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["text", "either", "many", "inner", "name", "count"]), inner, max_size=4)
        ),
        max_leaves=10,
    )
)
def test_any_object_is_read(value: Any) -> None:
    """Whatever stands in it."""
    try:
        assert isinstance(READER.read(json.dumps(value).encode()), Outer)
    except ProtocolError:
        assert not isinstance(value, dict)
