"""How long a session's messages are inside: from when they were read to when they were written, or all that they led to was.

What a message waits for in here counts: a hold on a budget, another one before it, a translation. What waits in the
system's buffers, before this process reads it or after it wrote it, does not; how late the process comes to reading is
`routebook_loop_lag_seconds`.
"""

from __future__ import annotations

from bisect import bisect_left

from routebook.edge.metrics import MOMENTS, Histogram
from routebook.routing.record import Line


class Inside:
    """The messages of one direction of one session; `everybody` is where those of all sessions are counted."""

    __slots__ = ("_counts", "_everybody", "_longest")

    def __init__(self, everybody: Histogram) -> None:
        self._everybody = everybody
        self._counts: list[int] | None = None
        self._longest = 0.0

    def __repr__(self) -> str:
        return f"<Inside: {sum(self._counts or ())} messages>"

    def took(self, seconds: float) -> None:
        """A message was inside for so long."""
        counts = self._counts
        if counts is None:
            counts = self._counts = [0] * (len(MOMENTS) + 1)
        place = bisect_left(MOMENTS, seconds)
        counts[place] += 1
        self._longest = max(self._longest, seconds)
        everybody = self._everybody
        everybody[place] += 1
        everybody[-1] += seconds

    def line(self) -> Line | None:
        """What the session's record says of it; None where there was no message."""
        if self._counts is None:
            return None
        messages = sum(self._counts)
        return {"messages": messages, "p50": round(self._median(messages), 6), "longest": round(self._longest, 6)}

    def _median(self, messages: int) -> float:
        """Between the bounds of its bucket, as if times were spread evenly there; exact to a bucket's width."""
        below = 0
        assert self._counts is not None
        for place, count in enumerate(self._counts):
            if count and (below + count) * 2 >= messages:
                low = MOMENTS[place - 1] if place else 0.0
                high = min(self._longest, MOMENTS[place]) if place < len(MOMENTS) else self._longest
                return low + max(0.0, high - low) * (messages / 2 - below) / count
            below += count
        return self._longest
