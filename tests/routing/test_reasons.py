"""Reasons in words."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from routebook.health import measurements
from routebook.routing import planning
from routebook.routing.reasons import REASONS, count, dollars, in_words, seconds


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0"),
        (999, "999"),
        (1000, "1k"),
        (1500, "1.5k"),
        (1501, "1,501"),
        (128_000, "128k"),
        (1_000_000, "1M"),
        (1_048_576, "1,048,576"),
        (2_500_000, "2.5M"),
    ],
)
def test_counts_are_short_and_exact(number: int, text: str) -> None:
    """Rounding could make two different numbers look equal."""
    assert count(number) == text


@pytest.mark.parametrize(
    ("nano", "text"),
    [
        (0, "$0.00"),
        (1, "$0.000000001"),
        (31_000_000, "$0.031"),
        (10_000_000, "$0.01"),
        (10_010_000, "$0.01001"),
        (12_500_000_000, "$12.50"),
        (1_234_000_000_000, "$1,234.00"),
    ],
)
def test_money_is_exact(nano: int, text: str) -> None:
    """To the nano-dollar, without the zeros that say nothing."""
    assert dollars(nano) == text


@pytest.mark.parametrize(
    ("duration", "text"), [(0.3, "300 ms"), (0.0004, "0 ms"), (1.25, "1.25 s"), (12.0, "12 s"), (300.0, "5 min")]
)
def test_durations(duration: float, text: str) -> None:
    """In the unit that people would choose."""
    assert seconds(duration) == text


def test_every_reason_that_can_be_given_has_words() -> None:
    """And no words stand there for a reason that is never given."""
    source = "".join(Path(str(module.__file__)).read_text("utf-8") for module in (planning, measurements))
    given = set(re.findall(r'"((?:kept|model|client|guarantee|within|account|breaker)(?:\.[a-z-]+)?)"', source))
    assert given - {"model", "client", "account", "guarantee", "breaker"} == set(REASONS)


def test_a_reason_from_another_version_stands_for_itself() -> None:
    """Records outlive programs."""
    assert in_words("model.too-slow", {}) == "model.too-slow"
