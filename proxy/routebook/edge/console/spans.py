"""How far back pages look, and into how many parts they cut that time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from routebook.edge.journal.tallies import BUCKET_SECONDS


@dataclass(frozen=True, slots=True)
class Span:
    """A time to look back over: how it is written and said, its seconds, and how many buckets of a tally are one part."""

    name: str
    words: str
    seconds: float
    step: int

    def places(self, now: float) -> Mapping[int, int]:
        """The parts of the span by the bucket that they begin with, the oldest first."""
        last = int(now // BUCKET_SECONDS) // self.step * self.step
        first = int((now - self.seconds) // BUCKET_SECONDS) // self.step * self.step
        return {bucket: place for place, bucket in enumerate(range(first, last + 1, self.step))}


SPANS: Final[Mapping[str, Span]] = {
    each.name: each
    for each in (
        Span("1h", "the last hour", 3600.0, 1),
        Span("24h", "the last 24 hours", 86_400.0, 6),
        Span("7d", "the last 7 days", 7 * 86_400.0, 36),
        Span("30d", "the last 30 days", 30 * 86_400.0, 144),
    )
}
"""The spans by name."""
