"""Queues: how long requests wait for a worker, by formula where there is one and by simulation where there is none.

Two ways to share work among several workers are known here. *Together*: one queue from which whoever is free takes the next
(M/G/k). *Alone*: each request belongs to one worker, as connections that stay open make it, and waits for that one (M/G/1).
A worker that serves many things in an event loop serves each in steps, and after each step whoever came meanwhile: with many
equal steps that is a processor that all share (M/G/1-PS). Times are in seconds. Formulae: Erlang (1917) for M/M/k, Pollaczek (1930)
and Khinchine (1932) for M/G/1, Kleinrock (1967) for M/G/1-PS, all in Kleinrock, Queueing Systems, volumes 1 and 2.
"""

from __future__ import annotations

import heapq
import itertools
import math
import random
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

Draw = Callable[[random.Random], float]
"""A random service time."""


def erlang_c(workers: int, load: float) -> float:
    """The share of requests that must wait in M/M/k; `load` is the rate times the mean service time, in workers."""
    if load >= workers:
        return 1.0
    blocked = 1.0
    for number in range(1, workers + 1):
        blocked = load * blocked / (number + load * blocked)
    return blocked / (1 - load / workers * (1 - blocked))


def waiting_longer(workers: int, load: float, mean: float, seconds: float) -> float:
    """The share of requests that wait longer than so many seconds in M/M/k; `mean` is the mean service time."""
    return erlang_c(workers, load) * math.exp(-(workers - load) * seconds / mean)


def mean_wait(rate: float, mean: float, second_moment: float) -> float:
    """The mean wait in M/G/1; infinite where more comes than can be served."""
    used = rate * mean
    return rate * second_moment / (2 * (1 - used)) if used < 1 else math.inf


def mean_shared(mean: float, used: float) -> float:
    """The mean time in M/G/1-PS, whatever the shape of service times; infinite where more comes than can be served."""
    return mean / (1 - used) if used < 1 else math.inf


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of work: how often it comes in a second, how long it takes, in how many steps it is served, and whether
    somebody waits to see its end."""

    rate: float
    service: Draw
    steps: int = 1
    counts: bool = True


def together(rate: float, service: Draw, workers: int, count: int, seed: int = 1) -> list[float]:
    """The times that so many requests take with workers that share one queue, first come first served, sorted; a tenth
    more comes before, as warm-up."""
    dice = random.Random(seed)
    free = [0.0] * workers
    times, now = [], 0.0
    for number in range(-count // 10, count):
        now += dice.expovariate(rate)
        end = max(now, free[0]) + service(dice)
        heapq.heapreplace(free, end)
        if number >= 0:
            times.append(end - now)
    return sorted(times)


def alone(kinds: Sequence[Kind], count: int, seed: int = 1) -> list[float]:
    """The times that so many requests (of the kinds that count) take with one worker of their own, sorted; a tenth more comes
    before, as warm-up. What is not done after a step goes to the end of the queue."""
    dice = random.Random(seed)
    rates = list(itertools.accumulate(kind.rate for kind in kinds))
    queue: deque[tuple[float, float, int, bool]] = deque()
    times: list[float] = []
    now, comes, warm = 0.0, dice.expovariate(rates[-1]), count // 10

    def admit() -> None:
        nonlocal comes
        while comes <= now:
            kind = kinds[bisect_right(rates, dice.random() * rates[-1], hi=len(rates) - 1)]
            queue.append((comes, kind.service(dice) / kind.steps, kind.steps, kind.counts))
            comes += dice.expovariate(rates[-1])

    while len(times) < count + warm:
        now = now if queue else max(now, comes)
        admit()
        came, step, left, counts = queue.popleft()
        now += step
        if left > 1:
            admit()
            queue.append((came, step, left - 1, counts))
        elif counts:
            times.append(now - came)
    return sorted(times[warm:])


def quantile(times: Sequence[float], share: float) -> float:
    """A quantile of sorted times."""
    return times[min(len(times) - 1, int(share * len(times)))]


def exponential(mean: float) -> Draw:
    """Service times as M/M/k has them."""
    return lambda dice: dice.expovariate(1 / mean)


def fixed(mean: float) -> Draw:
    """Service times that are all the same."""
    return lambda dice: mean


def mean_of(quantiles: Sequence[float]) -> float:
    """The mean of what is given by its quantiles in equal steps."""
    return sum(map(sum, itertools.pairwise(quantiles))) / 2 / (len(quantiles) - 1)


def shaped(mean: float, quantiles: Sequence[float]) -> Draw:
    """Service times of a measured shape, given by its quantiles in equal steps, scaled to a mean."""
    steps, scale = len(quantiles) - 1, mean / mean_of(quantiles)

    def draw(dice: random.Random) -> float:
        at = dice.random() * steps
        low = int(at)
        return scale * (quantiles[low] + (at - low) * (quantiles[low + 1] - quantiles[low]))

    return draw
