"""Watching processes from outside: memory and descriptors from /proc, and what their course says.

Resident memory comes in steps, so its slope is the median of the slopes between all pairs of samples (Theil and Sen), which
is 0 where a single step is all there is, unless it falls in the middle; least squares would see a slope in every step.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

MIB = 1024 * 1024
_PAGE = os.sysconf("SC_PAGE_SIZE")

MOST_PAIRED = 400
"""Samples that a slope is computed of: a longer course is thinned out, for pairs grow by the square."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A process at a moment. `at` in seconds since the watch began, `resident` in bytes."""

    at: float
    resident: int
    descriptors: int


def look(pid: int, at: float) -> Sample | None:
    """A process now; None where it is gone."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        return Sample(at, pages * _PAGE, len(os.listdir(f"/proc/{pid}/fd")))
    except OSError:
        return None


def slope(samples: Sequence[Sample]) -> float:
    """By how much resident memory grows, in MiB an hour."""
    thin = samples[:: max(1, len(samples) // MOST_PAIRED)]
    pairs = [
        (later.resident - earlier.resident) / (later.at - earlier.at)
        for index, earlier in enumerate(thin)
        for later in thin[index + 1 :]
        if later.at > earlier.at
    ]
    return statistics.median(pairs) / MIB * 3600 if pairs else 0.0


@dataclass(slots=True)
class Watch:
    """Samples of named processes, as long as `running` is awaited."""

    processes: Callable[[], Mapping[str, int]]
    every: float
    samples: dict[tuple[str, int], list[Sample]] = field(default_factory=dict)
    began: float = field(default_factory=time.monotonic)

    def sample(self) -> None:
        """Look at every process that is there."""
        at = time.monotonic() - self.began
        for name, pid in self.processes().items():
            if (found := look(pid, at)) is not None:
                self.samples.setdefault((name, pid), []).append(found)

    async def running(self) -> None:
        """Look again and again, until it is cancelled."""
        while True:
            self.sample()
            await asyncio.sleep(self.every)

    def after(self, warm_up: float) -> dict[str, list[Sample]]:
        """What was seen after so many seconds, by name and process id."""
        kept = {
            f"{name} {pid}": [sample for sample in samples if sample.at >= warm_up]
            for (name, pid), samples in self.samples.items()
        }
        return {name: samples for name, samples in kept.items() if len(samples) > 1}


def growth(samples: Sequence[Sample]) -> float:
    """By how many descriptors the last quarter of a course stands above its first, by their medians."""
    part = max(1, len(samples) // 4)
    return statistics.median(each.descriptors for each in samples[-part:]) - statistics.median(
        each.descriptors for each in samples[:part]
    )
