"""Values as people write them."""

from __future__ import annotations

import pytest

from routebook.documents.quantities import Unit
from routebook.policy.facts import Value
from routebook.policy.given import parse_given
from routebook.policy.saying import say_value
from tests.policy.worlds import TABLE


@pytest.mark.parametrize(
    ("fact", "value", "said"),
    [
        ("tokens", 90_000, "90k"),
        ("tokens", 90_001, "90001"),
        ("tokens", 2_000_000, "2M"),
        ("bytes", 65_536, "64KiB"),
        ("bytes", 1000, "1000"),
        ("complexity", 0.4, "0.4"),
        ("budget.m.left", 0.1, "10%"),
        ("budget.m.left", -0.005, "-0.5%"),
        ("hour[UTC]", 84_600, "23:30"),
        ("hour[UTC]", 84_601, "23:30:01"),
        ("day", 739976, "2026-12-26"),
        ("tags", frozenset({"b", "a"}), "[a, b]"),
        ("team", "red", "red"),
        ("team", "", '""'),
        ("stream", True, "true"),
        ("team", None, "missing"),
        ("no.such.fact", 5, "5"),
    ],
)
def test_a_value_is_said_in_its_unit(fact: str, value: Value | None, said: str) -> None:
    """Short where nothing is lost by it."""
    assert say_value(fact, value, TABLE) == said


@pytest.mark.parametrize(
    "written",
    [
        "tokens=90k",
        "tokens=12345",
        "bytes=64KiB",
        "budget.m.left=12.5%",
        "hour=06:05",
        "day=2026-12-24",
        "complexity=0.25",
    ],
)
def test_what_is_said_can_be_given_again(written: str) -> None:
    """What an explanation shows can be pasted behind `--given`."""
    fact, value = parse_given(written, TABLE)
    assert parse_given(f"{fact}={say_value(fact, value, TABLE)}", TABLE) == (fact, value)


def test_an_amount_is_said_in_the_unit_it_was_asked_in() -> None:
    """The same key holds dollars for one budget and tokens for another; without the unit it is a plain number."""
    assert say_value("budget.m.left[amount]", 5_000_000_000, TABLE, Unit.MONEY) == "$5.00"
    assert say_value("budget.m.left[amount]", 31_000_000, TABLE, Unit.MONEY) == "$0.031"
    assert say_value("budget.m.left[amount]", 5_000_000, TABLE, Unit.TOKENS) == "5M"
    assert say_value("budget.m.left[amount]", 5_000_000, TABLE) == "5000000"
