"""What prompts are billed as: a ratio of what answers report to what was estimated, per model."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routebook.health.billing import HALF_LIFE, LEAST_RATIO, MOST, MOST_RATIO, Billing
from routebook.health.learnt import Learnt

COUNTS = st.integers(1, 100_000)


def test_what_upstreams_bill_corrects_what_is_estimated() -> None:
    """A vocabulary that makes a fifth more: little is believed at first, and nearly all of it after some prompts."""
    billing = Billing()
    assert billing.ratio("m", 0.0) is None
    billing.billed("m", 100, 120, 0.0)
    assert billing.ratio("m", 0.0) == pytest.approx(1.01, abs=0.001)
    for _ in range(50):
        billing.billed("m", 1_000, 1_200, 0.0)
    assert billing.ratio("m", 0.0) == pytest.approx(1.19, abs=0.005)
    assert billing.ratio("other", 0.0) is None


def test_what_was_long_ago_counts_less() -> None:
    """After ten half-lives what comes now says nearly everything; unheard of, the ratio goes back to one."""
    billing = Billing()
    for _ in range(100):
        billing.billed("m", 2_000, 1_000, 0.0)
    late = 10 * HALF_LIFE
    assert billing.ratio("m", late) == pytest.approx(1.0, abs=0.06)
    for _ in range(20):
        billing.billed("m", 2_000, 2_400, late)
    assert billing.ratio("m", late) == pytest.approx(1.19, abs=0.01)


def test_a_vendor_that_bills_anew_is_followed() -> None:
    """However much was billed before: the past counts for so many tokens at most."""
    billing = Billing()
    for _ in range(10_000):
        billing.billed("m", 1_000, 1_000, 0.0)
    for _ in range(int(5 * MOST / 1_000)):
        billing.billed("m", 1_000, 1_500, 0.0)
    assert billing.ratio("m", 0.0) == pytest.approx(1.49, abs=0.01)


@given(st.lists(st.tuples(COUNTS, COUNTS), max_size=20))
def test_the_ratio_stays_within_what_is_believed(prompts: list[tuple[int, int]]) -> None:
    """Whatever upstreams say: a hidden system prompt must not make every prompt ten times as dear."""
    billing = Billing()
    for estimated, billed in prompts:
        billing.billed("m", estimated, billed, 0.0)
    ratio = billing.ratio("m", 0.0)
    assert ratio is None if not prompts else ratio is not None and LEAST_RATIO <= ratio <= MOST_RATIO


@given(st.lists(st.tuples(st.booleans(), COUNTS, st.integers(1, 60_000)), max_size=12))
def test_workers_know_together_what_one_would(prompts: list[tuple[bool, int, int]]) -> None:
    """Each hears of the other's; the ratios are alike, and a worker that begins later knows it too."""
    one, left, right, later = Billing(), Learnt(), Learnt(), Learnt()
    for goes_left, estimated, billed in prompts:
        estimated = estimated % 4_000 + 1  # below what the past counts for, so that nothing depends on the order
        one.billed("m", estimated, billed, 1.0)
        (left if goes_left else right).billing.billed("m", estimated, billed, 1.0)
    told = [json.loads(json.dumps(each.news())) for each in (left, right)]
    left.hear(told[1])
    right.hear(told[0])
    later.hear(json.loads(json.dumps(left.known())))
    wanted = one.ratio("m", 1.0)
    for each in (left, right, later):
        assert each.billing.ratio("m", 1.0) == (None if wanted is None else pytest.approx(wanted, abs=0.0015))
    assert left.news() == {}
