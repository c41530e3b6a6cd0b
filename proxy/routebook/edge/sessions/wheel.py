"""One timer for all sessions of a worker: each is looked at when something may be due, and says when that is next.

A timer for each would be moved with every message; here what happens is an assignment, and a look that comes too early
costs one call.
"""

from __future__ import annotations

import asyncio
import heapq
from typing import Final, Protocol

GRAIN: Final = 0.1
"""Seconds that are one moment here."""


class Watched(Protocol):
    """What is looked at."""

    def look(self, now: float) -> float | None:
        """Something may be due; when to look again (the loop's seconds; None: never)."""


class Wheel:
    """What is looked at, by the moment at which it is."""

    def __init__(self) -> None:
        self._moments: dict[int, set[Watched]] = {}
        self._order: list[int] = []
        self._at: dict[Watched, int] = {}
        self._timer: asyncio.TimerHandle | None = None

    def __repr__(self) -> str:
        return f"<Wheel with {len(self._at)}>"

    def watch(self, each: Watched, due: float) -> None:
        """Look at it then, and not when it was said before."""
        self.leave(each)
        moment = int(due / GRAIN) + 1
        found = self._moments.get(moment)
        if found is None:
            found = self._moments[moment] = set()
            heapq.heappush(self._order, moment)
            if self._order[0] == moment:
                self._arm()
        found.add(each)
        self._at[each] = moment

    def leave(self, each: Watched) -> None:
        """Look at it no more."""
        moment = self._at.pop(each, None)
        if moment is not None:
            self._moments[moment].discard(each)

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_at(self._order[0] * GRAIN, self._ring) if self._order else None

    def _ring(self) -> None:
        now = asyncio.get_running_loop().time()
        self._timer = None
        while self._order and self._order[0] * GRAIN <= now:
            for each in self._moments.pop(heapq.heappop(self._order)):
                del self._at[each]
                due = each.look(now)
                if due is not None:
                    self.watch(each, due)
        self._arm()
