"""What goes wrong between the two sides, as an exception of Python."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from routebook.edge.faults import CallFailed


def test_a_failed_call_passes_through_whatever_is_open() -> None:
    """Python writes into an exception that leaves a generator's context: one that cannot be written to became another."""

    @contextmanager
    def something_open() -> Iterator[None]:
        yield

    with pytest.raises(CallFailed) as raised, something_open():
        raise CallFailed("upstream.cut", "the answer was cut")
    assert str(raised.value) == "upstream.cut: the answer was cut"
    assert (raised.value.code, raised.value.words) == ("upstream.cut", "the answer was cut")
