"""The simulation of queues against the formulae that are known."""

from __future__ import annotations

import math
import random
import statistics

import pytest

from bench.queues import (
    Kind,
    alone,
    erlang_c,
    exponential,
    fixed,
    mean_of,
    mean_shared,
    mean_wait,
    quantile,
    shaped,
    together,
    waiting_longer,
)

MEAN, COUNT = 0.001, 60_000


@pytest.mark.parametrize(
    ("workers", "load", "waits"), [(1, 0.5, 0.5), (2, 1.0, 1 / 3), (3, 2.0, 4 / 9), (10, 8.0, 0.40918)]
)
def test_erlang_c(workers: int, load: float, waits: float) -> None:
    """Values from tables."""
    assert erlang_c(workers, load) == pytest.approx(waits, rel=1e-4)
    assert erlang_c(workers, workers) == 1


@pytest.mark.parametrize(("workers", "used"), [(1, 0.5), (1, 0.8), (3, 0.8), (8, 0.8)])
def test_workers_that_share_a_queue_wait_as_erlang_says(workers: int, used: float) -> None:
    """The mean time, and with one worker the share that takes long, in M/M/k."""
    load = workers * used
    times = together(load / MEAN, exponential(MEAN), workers, COUNT, seed=7)
    expected = erlang_c(workers, load) * MEAN / (workers - load) + MEAN
    assert statistics.mean(times) == pytest.approx(expected, rel=0.1)
    if workers == 1:  # The time in M/M/1 is exponential, with the rate of service less that of arrival.
        longer = sum(each > 2 * MEAN for each in times) / len(times)
        assert longer == pytest.approx(math.exp(-(1 - used) * 2), rel=0.1)
        assert waiting_longer(1, used, MEAN, 2 * MEAN) == pytest.approx(used * math.exp(-(1 - used) * 2))


@pytest.mark.parametrize("used", [0.3, 0.7, 0.85])
def test_one_worker_waits_as_pollaczek_and_khinchine_say(used: float) -> None:
    """For services that are all alike, and where there is other work that nobody looks at."""
    rate = used / MEAN
    alike = alone([Kind(rate, fixed(MEAN))], COUNT)
    assert statistics.mean(alike) == pytest.approx(mean_wait(rate, MEAN, MEAN**2) + MEAN, rel=0.05)
    short, long = Kind(rate / 2, fixed(MEAN / 2)), Kind(rate / 2, fixed(MEAN * 1.5), counts=False)
    wait = mean_wait(rate, MEAN, (0.25 + 2.25) / 2 * MEAN**2)
    assert statistics.mean(alone([short, long], COUNT)) == pytest.approx(wait + MEAN / 2, rel=0.07)


def test_with_many_steps_a_worker_is_shared() -> None:
    """Equal steps of requests that are alike share it evenly (M/G/1-PS), and a short one is not held up by a long one."""
    shared = alone([Kind(0.7 / MEAN, fixed(MEAN), steps=40)], COUNT // 4, seed=5)
    assert statistics.mean(shared) == pytest.approx(mean_shared(MEAN, 0.7), rel=0.1)
    long = Kind(10.0, fixed(0.04), counts=False)
    behind = alone([Kind(100.0, fixed(MEAN)), long], 5000)
    between = alone([Kind(100.0, fixed(MEAN)), Kind(10.0, fixed(0.04), steps=40, counts=False)], 5000)
    assert quantile(between, 0.9) < quantile(behind, 0.9) / 4


def test_many_short_events_take_their_share() -> None:
    """Requests have what is left of the worker: a slower worker and no events is a cautious reckoning, by less than half."""
    events = Kind(0.4 / 0.00002, fixed(0.00002), counts=False)
    among = alone([Kind(300.0, exponential(MEAN), steps=4), events], 3000)
    slower = alone([Kind(300.0, exponential(MEAN / 0.6), steps=4)], 3000)
    for share in (0.5, 0.9, 0.99):
        assert 0.5 < quantile(among, share) / quantile(slower, share) < 1.05


def test_workers_together_wait_less_than_apart() -> None:
    """Nobody waits where another is free."""
    assert quantile(together(2400.0, exponential(MEAN), 4, COUNT), 0.99) < quantile(
        alone([Kind(600.0, exponential(MEAN))], COUNT), 0.99
    )


def test_a_measured_shape_keeps_its_mean() -> None:
    """Quantiles in equal steps, scaled; none is longer than the longest."""
    quantiles = [1.0, 1.0, 2.0, 9.0]
    assert mean_of(quantiles) == pytest.approx(8 / 3)
    draw, dice = shaped(2.0, quantiles), random.Random(1)
    drawn = [draw(dice) for _ in range(50_000)]
    assert statistics.mean(drawn) == pytest.approx(2.0, rel=0.02)
    assert max(drawn) <= 9.0 * 2.0 / (8 / 3) + 1e-9


def test_the_same_seed_is_the_same_day() -> None:
    """A simulation can be repeated, and another seed is another day."""
    kinds = [Kind(300.0, exponential(MEAN), steps=3), Kind(300.0, exponential(MEAN), counts=False)]
    assert alone(kinds, 500, seed=9) == alone(kinds, 500, seed=9) != alone(kinds, 500, seed=10)
