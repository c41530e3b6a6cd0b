"""A short run of everything that is fuzzed for longer by `make fuzz`: what was found once is not found again."""

from __future__ import annotations

import pytest

from tests.fuzzing import TARGETS, fuzz


@pytest.mark.parametrize("target", TARGETS)
def test_nothing_comes_out_but_what_is_promised(target: str) -> None:
    """The same examples in every run."""
    fuzz(target, 0, first=8, examples=100)
