"""A clock that shows what a test sets it to."""

from __future__ import annotations

import os
from dataclasses import dataclass


@dataclass(slots=True)
class SetClock:
    """`at` is seconds since 1970; durations pass with it, unless `since` is set by itself."""

    at: float = 1_795_255_200.0
    since: float = 1000.0

    def now(self) -> float:
        """Seconds since 1970."""
        return self.at

    def monotonic(self) -> float:
        """Seconds since some moment."""
        return self.since

    def pass_by(self, seconds: float) -> None:
        """Let time go on."""
        self.at += seconds
        self.since += seconds

    def draw(self) -> float:
        """Always the middle."""
        return 0.5

    def noise(self) -> bytes:
        """Ten bytes from the kernel."""
        return os.urandom(10)
