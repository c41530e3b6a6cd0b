"""The slice of a budget at a moment."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routebook.documents.problems import Location
from routebook.documents.quantities import Unit
from routebook.ledger.budgets import WINDOWS, Budget
from routebook.ledger.windows import slice_of

ZONES = ("UTC", "Europe/Berlin", "Asia/Kolkata", "Australia/Lord_Howe", "America/Havana", "America/St_Johns")
moments = st.integers(0, 4_000_000_000)


def budget(window: str | None = None, rolling: float | None = None, zone: str = "UTC") -> Budget:
    return Budget("b", 100, Unit.COUNT, window, rolling, Location("policy.yaml", 1, 1), None, zone)


def at(text: str, zone: str = "UTC") -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp())


@pytest.mark.parametrize(
    ("window", "start", "ends"),
    [
        ("minute", "2026-07-15T13:37:00", "2026-07-15T13:38:00"),
        ("hour", "2026-07-15T13:00:00", "2026-07-15T14:00:00"),
        ("day", "2026-07-15", "2026-07-16"),
        ("week", "2026-07-13", "2026-07-20"),
        ("month", "2026-07-01", "2026-08-01"),
    ],
)
def test_a_window_of_the_calendar_is_one_slice_in_its_zone(window: str, start: str, ends: str) -> None:
    """From its beginning to its end as the clocks of the zone show it; weeks begin on Monday."""
    zone = "Europe/Berlin"
    current = slice_of(budget(window, zone=zone), at("2026-07-15T13:37:42", zone) + 0.5)
    assert (current.start, current.first, current.ends) == (at(start, zone), at(start, zone), at(ends, zone))


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Europe/Berlin", "2026-03-29", 23),
        ("Europe/Berlin", "2026-10-25", 25),
        ("Europe/Berlin", "2026-06-01", 24),
        ("Australia/Lord_Howe", "2026-04-05", 24.5),
        ("America/Havana", "2026-03-08", 23),  # midnight itself is left out
        ("America/Havana", "2026-11-01", 25),  # midnight comes twice
        ("Pacific/Apia", "2011-12-29", 24),  # the next day was left out of the calendar
    ],
)
def test_a_day_has_as_many_hours_as_its_clocks_show(zone: str, day: str, hours: float) -> None:
    """Clocks that are set forward or back make a shorter or a longer day; every moment of it is in it."""
    noon = at(f"{day}T12:00:00", zone)
    current = slice_of(budget("day", zone=zone), noon)
    assert current.ends - current.start == hours * 3600
    assert {slice_of(budget("day", zone=zone), second) for second in range(current.start, current.ends, 900)} == {
        current
    }


def test_an_hour_begins_where_the_clocks_of_the_zone_say_so() -> None:
    """In India it is half past everywhere else."""
    current = slice_of(budget("hour", zone="Asia/Kolkata"), at("2026-07-15T10:45:00"))
    assert (current.start, current.ends) == (at("2026-07-15T10:30:00"), at("2026-07-15T11:30:00"))


@given(st.sampled_from(WINDOWS), st.sampled_from(ZONES), st.lists(moments, min_size=1, max_size=5))
def test_every_moment_lies_in_its_window(window: str, zone: str, times: list[int]) -> None:
    """In whatever order moments are asked for: the window begins at or before, ends after, and its end begins the
    next."""
    b = budget(window, zone=zone)
    for now in times:
        current = slice_of(b, now + 0.25)
        assert current.first == current.start <= now < current.ends
        assert slice_of(b, current.ends).start >= current.start + (current.ends - current.start) // 2


@given(st.sampled_from(ZONES), moments)
def test_days_follow_each_other_without_a_gap(zone: str, now: int) -> None:
    """Where one day, week or month ends, the next begins."""
    for window in ("day", "week", "month"):
        b = budget(window, zone=zone)
        assert slice_of(b, slice_of(b, now).ends).start == slice_of(b, now).ends


@given(st.floats(1.0, 10_000_000.0), moments, st.floats(0.0, 1.0))
def test_a_rolling_window_never_counts_less_than_the_truth(seconds: float, now: int, back: float) -> None:
    """Whatever happened within the window lies in a slice that counts, and no slice counts that ended long before."""
    b = budget(rolling=seconds)
    current, then = slice_of(b, now), slice_of(b, max(now - back * seconds, 0))
    width = current.ends - current.start
    assert current.start <= now < current.ends
    assert current.first <= then.start <= current.start
    assert now - current.first <= seconds + 2 * width + 1
    assert width <= max(1, seconds / 60) + 1


def test_a_rolling_day_is_cut_into_sixty_slices() -> None:
    """Each of 24 minutes; the oldest one that counts leaves when the current one ends."""
    current = slice_of(budget(rolling=timedelta(hours=24).total_seconds()), 1_800_000_000.9)
    assert current.ends - current.start == 24 * 60
    assert current.start - current.first == 24 * 3600
    assert current.start % 1440 == 0
