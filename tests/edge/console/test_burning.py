"""How a budget burns down, and when it is said to be over."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from routebook.edge.admin.budgets import BudgetShown, ScopeShown
from routebook.edge.console.burning import burn_down, picture

DAY = 86_400
START = 1_763_683_200


def budget(limit: int, rolling: float | None = None) -> BudgetShown:
    """A budget of a day in money."""
    window = None if rolling else "day"
    return BudgetShown("b", "money", limit, window, rolling, "UTC", None, None, START, START + DAY, [])


def test_at_an_even_pace_it_is_over_when_the_line_says_so() -> None:
    """Half of it in six hours: empty after twelve."""
    now = START + DAY / 4
    spent = [(float(START + 600 * number), 500 // 36) for number in range(36)]
    burn = burn_down(budget(1000), ScopeShown("-", 500, 0, 500, 0), spent, now)
    assert burn.forecast.empty_at is not None
    assert abs(burn.forecast.empty_at - (START + DAY / 2)) < 2000
    assert burn.left[0] == (START, 1000) and burn.left[-1] == (now, 500)


def test_the_pace_is_the_same_in_longer_steps() -> None:
    """What was settled in seventy minutes at a time tells the same as in ten, but for a step at the edge."""
    now = START + DAY - 1.0
    short = [(float(START + 600 * number), 3 + number % 5) for number in range(144)]
    long = [(at, sum(cost for _, cost in short[place : place + 7])) for place, (at, _) in enumerate(short)][::7]
    settled = sum(cost for _, cost in short)
    scope = ScopeShown("-", settled, 0, 2000 - settled, 0)
    fine, coarse = (
        burn_down(budget(2000), scope, spent, now, width) for spent, width in ((short, 600.0), (long, 4200.0))
    )
    assert abs(coarse.forecast.pace / fine.forecast.pace - 1) < 4200 / fine.forecast.over + 0.01
    assert coarse.left[-1] == fine.left[-1] and set(coarse.left[2::2]) & set(fine.left)


def test_a_slow_pace_leaves_something() -> None:
    """And what was spent long ago is no pace."""
    early = [(float(START), 400)]
    burn = burn_down(budget(1000), ScopeShown("-", 400, 0, 600, 0), early, START + DAY / 2)
    assert burn.forecast.empty_at is None and burn.forecast.pace == 0 and burn.forecast.left_at_end == 600


def test_what_is_used_up_is_used_up_now() -> None:
    """Whatever the pace."""
    burn = burn_down(budget(1000), ScopeShown("-", 1200, 0, -200, 0), [], START + 60.0)
    assert burn.forecast.empty_at == START + 60.0 and burn.forecast.left_at_end == 0


@given(
    st.integers(1, 10**12),
    st.lists(st.tuples(st.integers(0, 143), st.integers(0, 10**10)), max_size=30),
    st.one_of(st.none(), st.floats(600, 10**6)),
)
def test_the_picture_stays_in_its_frame(limit: int, spent: list[tuple[int, int]], rolling: float | None) -> None:
    """Whatever was spent when: well-formed, and no point outside."""
    at = sorted((float(START + 600 * bucket), cost) for bucket, cost in spent)
    settled = sum(cost for _, cost in at)
    burn = burn_down(budget(limit, rolling), ScopeShown("-", settled, 0, limit - settled, 0), at, START + DAY - 1.0)
    root = ET.fromstring(str(picture(burn, '<b> & "of"')))
    numbers = [
        float(each)
        for path in root.iter()
        if "stroke" in path.get("class", "")
        for point in path.get("d", "")[1:].split("L")
        for each in point.split()
    ]
    assert all(0 <= each <= 640 for each in numbers)
