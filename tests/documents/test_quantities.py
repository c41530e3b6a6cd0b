"""Quantities with units: each unit has one meaning, and what is not of the unit is no quantity."""

from __future__ import annotations

import datetime
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routebook.documents.quantities import EXAMPLES, LONGEST, NANO, Unit, meant_by, parse_quantity


@pytest.mark.parametrize(
    ("text", "unit", "value"),
    [
        ("12", Unit.COUNT, 12),
        ("1_000", Unit.COUNT, 1000),
        ("1.5k", Unit.COUNT, 1500),
        ("2M", Unit.COUNT, 2_000_000),
        ("32k", Unit.TOKENS, 32_000),
        ("20M tokens", Unit.TOKENS, 20_000_000),
        ("1 token", Unit.TOKENS, 1),
        ("512", Unit.BYTES, 512),
        ("64KiB", Unit.BYTES, 65_536),
        ("1MB", Unit.BYTES, 1_000_000),
        ("2MiB", Unit.BYTES, 2 * 1024 * 1024),
        ("$0.05", Unit.MONEY, NANO // 20),
        ("$500", Unit.MONEY, 500 * NANO),
        ("$0.000000001", Unit.MONEY, 1),
        ("$2k", Unit.MONEY, 2000 * NANO),
        ("80%", Unit.SHARE, 0.8),
        ("0%", Unit.SHARE, 0.0),
        ("300ms", Unit.DURATION, 0.3),
        ("2s", Unit.DURATION, 2.0),
        ("5m", Unit.DURATION, 300.0),
        ("1h", Unit.DURATION, 3600.0),
        ("7d", Unit.DURATION, 604_800.0),
        ("22:00", Unit.CLOCK, 79_200),
        ("6:30", Unit.CLOCK, 23_400),
        ("23:59:59", Unit.CLOCK, 86_399),
        ("24:00", Unit.CLOCK, 86_400),
        ("2026-11-21", Unit.DATE, datetime.date(2026, 11, 21).toordinal()),
        ("0.4", Unit.SCORE, 0.4),
        (" 32k ", Unit.TOKENS, 32_000),
    ],
)
def test_a_written_quantity_has_one_meaning(text: str, unit: Unit, value: float) -> None:
    """Each way of writing gives the value in the unit's Python form, exactly."""
    assert parse_quantity(text, unit) == value


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("", Unit.COUNT),
        ("-1", Unit.COUNT),
        ("1e3", Unit.COUNT),
        ("0x10", Unit.COUNT),
        ("1.5", Unit.COUNT),
        ("0.0001k", Unit.TOKENS),
        ("12 apples", Unit.TOKENS),
        ("64 kilobytes", Unit.BYTES),
        ("1.5B", Unit.BYTES),
        ("0.05", Unit.MONEY),
        ("€5", Unit.MONEY),
        ("$0.0000000001", Unit.MONEY),
        ("$", Unit.MONEY),
        ("80", Unit.SHARE),
        ("0.8", Unit.SHARE),
        ("300", Unit.DURATION),
        ("5 minutes", Unit.DURATION),
        ("5M", Unit.DURATION),
        ("24:01", Unit.CLOCK),
        ("25:00", Unit.CLOCK),
        ("22.00", Unit.CLOCK),
        ("1320", Unit.CLOCK),
        ("10pm", Unit.CLOCK),
        ("2026-02-30", Unit.DATE),
        ("21.11.2026", Unit.DATE),
        ("nan", Unit.SCORE),
        ("inf", Unit.SCORE),
        ("٣", Unit.COUNT),
    ],
)
def test_what_is_not_of_the_unit_is_no_quantity(text: str, unit: Unit) -> None:
    """A bare number where a unit is wanted, another unit, a part of what is indivisible: none of them is guessed at."""
    assert parse_quantity(text, unit) is None


def test_every_unit_shows_examples_that_it_accepts() -> None:
    """What a problem tells an author to write is accepted."""
    assert set(EXAMPLES) == set(Unit)
    for unit, text in EXAMPLES.items():
        examples = [part for part in text.split("`")[1::2]]
        assert examples
        for example in examples:
            assert parse_quantity(example.strip('"'), unit) is not None, f"{unit}: {example}"


@pytest.mark.parametrize("unit", Unit)
def test_an_endless_number_is_no_quantity(unit: Unit) -> None:
    """No text makes an infinite value or takes long: a number beyond forty characters is refused."""
    written = EXAMPLES[unit].split("`")[1].strip('"')
    assert parse_quantity("9" * (LONGEST + 1) + written, unit) is None


@given(st.text(max_size=50), st.sampled_from(Unit))
def test_any_text_gives_a_finite_value_or_none(text: str, unit: Unit) -> None:
    """Whatever is written, reading it neither raises nor gives a value that is negative or not finite."""
    value = parse_quantity(text, unit)
    assert value is None or (math.isfinite(value) and value >= 0)


@given(st.integers(min_value=0, max_value=10**15))
def test_money_is_exact(nano: int) -> None:
    """An amount written with nine decimals comes back to the nano-dollar: no float stands between."""
    assert parse_quantity(f"${nano // NANO}.{nano % NANO:09d}", Unit.MONEY) == nano


@pytest.mark.parametrize(
    ("text", "unit", "meant"),
    [
        ("5 minutes", Unit.DURATION, "5m"),
        ("300 msec", Unit.DURATION, "300ms"),
        ("1.5 hours", Unit.DURATION, "1.5h"),
        ("5", Unit.DURATION, None),
        ("10mb", Unit.BYTES, "10MB"),
        ("64k", Unit.BYTES, "64KB"),
        ("32kb", Unit.TOKENS, "32k"),
        ("2 million", Unit.TOKENS, "2M"),
        ("0.05", Unit.MONEY, "$0.05"),
        ("500 USD", Unit.MONEY, "$500"),
        ("€500", Unit.MONEY, None),
        ("0.9", Unit.SHARE, "90%"),
        ("10", Unit.SHARE, "10%"),
        ("10pm", Unit.CLOCK, "22:00"),
        ("12:30 a.m.", Unit.CLOCK, "00:30"),
        ("25pm", Unit.CLOCK, None),
        ("22", Unit.CLOCK, "22:00"),
        ("24.12.2026", Unit.DATE, "2026-12-24"),
        ("2026/1/5", Unit.DATE, "2026-01-05"),
        ("12/24/2026", Unit.DATE, None),
        ("forever", Unit.DURATION, None),
    ],
)
def test_what_is_written_as_elsewhere_is_understood_well_enough_to_suggest(
    text: str, unit: Unit, meant: str | None
) -> None:
    """Words of other languages and programs; where it could be this or that, nothing is guessed."""
    assert meant_by(text, unit) == meant


@given(st.text("0123456789.:/ kmgibapusd$%-", max_size=14), st.sampled_from(Unit))
def test_whatever_is_suggested_is_a_quantity_of_the_unit(text: str, unit: Unit) -> None:
    """A suggestion that is refused in its turn would be worse than none."""
    guess = meant_by(text, unit)
    assert guess is None or parse_quantity(guess, unit) is not None
