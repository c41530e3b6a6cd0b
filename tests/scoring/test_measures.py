"""The metrics of routers, on cases that can be worked out by hand, and by their laws."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from routebook.scoring.measures import Trial, curve_of

OUTCOMES = st.lists(st.tuples(st.floats(-5, 5), st.sampled_from([0.0, 1.0]), st.sampled_from([0.0, 1.0])), min_size=2)


def test_an_oracle_and_its_opposite() -> None:
    """Two prompts, the strong model helps with one: sent there first, half the calls recover all of the gap."""
    trials = [Trial(1.0, 1.0, 0.0), Trial(0.0, 1.0, 1.0)]
    best = curve_of(trials)
    assert best.apgr == pytest.approx(0.75) and best.cpt(0.5) == pytest.approx(0.25) and best.quality(0.5) == 1.0
    worst = curve_of([Trial(-trial.score, trial.strong, trial.weak) for trial in trials])
    assert worst.apgr == pytest.approx(0.25) and worst.cpt(0.5) == pytest.approx(0.75)


def test_who_scores_all_alike_is_random() -> None:
    """Ties count as their expectation: exactly one half."""
    trials = [Trial(0.0, 1.0, float(place % 3 == 0)) for place in range(30)]
    curve = curve_of(trials)
    assert curve.apgr == pytest.approx(0.5) and curve.cpt(0.8) == pytest.approx(0.8)


@given(OUTCOMES)
def test_a_router_and_its_mirror_share_the_area(rows: list[tuple[float, float, float]]) -> None:
    """APGR of a score and of its negative add up to one."""
    assume(abs(sum(strong - weak for _, strong, weak in rows)) > 0.5)
    curve = curve_of([Trial(*row) for row in rows])
    mirror = curve_of([Trial(-score, strong, weak) for score, strong, weak in rows])
    assert curve.apgr + mirror.apgr == pytest.approx(1.0)
