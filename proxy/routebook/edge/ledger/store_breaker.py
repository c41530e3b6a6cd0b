"""Whether the shared store is worth asking: so that not every request pays for finding out that it is not."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from typing import Final

from routebook.edge.operations_log import operations_log

FAILURES: Final = 3
"""So many failures in a row open the breaker."""

TIMEOUTS: Final = 2
"""So many time-outs within `WITHIN` seconds do."""

WITHIN: Final = 1.0


class StoreBreaker:
    """Open while the store is away. Every change is one line in the log and one count. `clock` is monotonic."""

    def __init__(self, store: str, clock: Callable[[], float]) -> None:
        self._store = store
        self._clock = clock
        self._failures = 0
        self._timeouts: deque[float] = deque(maxlen=TIMEOUTS)
        self._opened_at: float | None = None
        self._reason = ""
        self.changes: Counter[str] = Counter()
        """How often it was `opened` and `closed`."""
        self.failures: Counter[str] = Counter()
        """How often the store failed, by reason."""

    def __repr__(self) -> str:
        return f"<StoreBreaker {f'open: {self._reason}' if self.is_open else 'closed'}>"

    @property
    def is_open(self) -> bool:
        """Whether the store is taken to be away."""
        return self._opened_at is not None

    @property
    def reason(self) -> str:
        """Why the store failed last."""
        return self._reason

    def failed(self, reason: str, timed_out: bool = False) -> None:
        """The store failed to answer, or answered that it cannot."""
        now = self._clock()
        self._reason = reason
        self._failures += 1
        self.failures[reason] += 1
        if timed_out:
            self._timeouts.append(now)
        hung = len(self._timeouts) == TIMEOUTS and now - self._timeouts[0] <= WITHIN
        if not self.is_open and (hung or self._failures >= FAILURES):
            self._opened_at = now
            self.changes["opened"] += 1
            operations_log().warning("shared ledger away", store=self._store, reason=reason)

    def succeeded(self) -> None:
        """The store answered."""
        self._failures = 0
        if self._opened_at is not None:
            away = round(self._clock() - self._opened_at, 3)
            self._opened_at = None
            self._timeouts.clear()
            self.changes["closed"] += 1
            operations_log().info("shared ledger is back", store=self._store, away_seconds=away)
