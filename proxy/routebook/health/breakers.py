"""When calls fail too often, or are too slow: the counts that open a breaker, and those that tell one account from others.

Calls are counted over a sliding window of ten slices; the clock is an argument.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

SLICES = 10
"""Of a window. What is counted goes back to between nine and ten tenths of it."""

FAR_ABOVE = 0.3
"""An account's share of failures is far above that of the others where it is higher by so much."""


@dataclass(frozen=True, slots=True)
class Thresholds:
    """When a breaker opens (`settings.breaker`). Times in seconds.

    It opens at a share of `failures` among at least `of` calls `within` so long, or at so many failures `in_a_row`, and
    stays open for `rest`, twice as long each further time. A first token that comes later than `slow_after` counts as a
    failure (None: none does).
    """

    failures: float = 0.5
    of: int = 20
    within: float = 30.0
    in_a_row: int = 5
    rest: float = 15.0
    slow_after: float | None = None


USUAL = Thresholds()
"""What holds where nothing is declared."""


class Window:
    """The calls of the last so many seconds, and how many of them failed."""

    __slots__ = ("_slices", "in_a_row")

    def __init__(self) -> None:
        self._slices: deque[list[float]] = deque()
        self.in_a_row = 0

    def __repr__(self) -> str:
        return f"<Window of {len(self._slices)} slices, {self.in_a_row} failures in a row>"

    def note(self, at: float, within: float, failed: bool) -> None:
        """A call is over."""
        start = at - at % (within / SLICES)
        latest = self._slices[-1] if self._slices else None
        if latest is None or latest[0] < start:
            latest = [start, 0, 0]
            self._slices.append(latest)
            self._leave(at, within)
        latest[1] += 1
        latest[2] += failed
        self.in_a_row = self.in_a_row + 1 if failed else 0

    def counts(self, at: float, within: float) -> tuple[int, int]:
        """Calls, and failures among them."""
        self._leave(at, within)
        return int(sum(each[1] for each in self._slices)), int(sum(each[2] for each in self._slices))

    def forget(self) -> None:
        """Begin anew."""
        self._slices.clear()
        self.in_a_row = 0

    def _leave(self, at: float, within: float) -> None:
        while self._slices and self._slices[0][0] + within <= at:
            self._slices.popleft()


def why_open(window: Window, thresholds: Thresholds, at: float) -> str | None:
    """Why a breaker has to open, in words; None where it need not."""
    calls, failed = window.counts(at, thresholds.within)
    if failed and calls >= thresholds.of and failed >= thresholds.failures * calls:
        return f"{failed} of {calls} calls failed"
    if window.in_a_row >= thresholds.in_a_row:
        return f"{window.in_a_row} failures in a row"
    return None


def why_ejected(own: Window, others: Sequence[Window], thresholds: Thresholds, at: float) -> str | None:
    """Why an account fails far more often than the others of its provider, in words; None where it does not, or where
    too few calls were made to know."""
    calls, failed = own.counts(at, thresholds.within)
    counts = [each.counts(at, thresholds.within) for each in others]
    all_calls, all_failed = sum(each[0] for each in counts), sum(each[1] for each in counts)
    if calls < thresholds.of or all_calls < thresholds.of:
        return None
    share, usual = failed / calls, all_failed / all_calls
    return f"{share:.0%} failed, {usual:.0%} with the other accounts" if share - usual >= FAR_ABOVE else None
