"""A service that stands in the way of requests, and is asked no more for a while where it fails: a guard's.

It is a breaker with nobody to fail over to: after so many failures in a row it opens, and whoever would have asked is told
at once that nobody answers; when it has rested, one request asks for all. The clock is an argument (monotonic seconds).
"""

from __future__ import annotations

from typing import Final

from routebook.health.breakers import Thresholds
from routebook.health.standings import WELL, Standing, State

LONGEST_OPEN: Final = 16
"""So many times its first rest is the longest that it stays open."""


class Circuit:
    """How one service stands, as one worker knows it."""

    __slots__ = ("_in_a_row", "_standing")

    def __init__(self) -> None:
        self._standing: Standing = WELL
        self._in_a_row = 0

    def __repr__(self) -> str:
        return f"<Circuit {self._in_a_row} failures in a row, {self._standing.strikes} rests>"

    @property
    def is_open(self) -> bool:
        """Whether it failed too often, and has not answered since."""
        return self._standing.strikes > 0

    def rests_for(self, at: float) -> float:
        """Seconds until it may be asked again; 0 where it may be now."""
        return max(0.0, self._standing.until - at)

    def may_ask(self, at: float) -> bool:
        """Whether this request asks it; where it was open and has rested, the first one that wants to does, alone."""
        match self._standing.state(at):
            case State.READY:
                return True
            case State.ON_TRIAL:
                self._standing = self._standing.tried(at, "")
                return True
        return False

    def answered(self, at: float, began: float) -> bool:
        """It gave its word to who asked at `began`; whether that closes it."""
        self._in_a_row = 0
        before, self._standing = self._standing, self._standing.proven(at, began)
        return self._standing is not before

    def failed(self, at: float, began: float, thresholds: Thresholds) -> float | None:
        """It did not answer who asked at `began`. For how many seconds it rests from now on, where this opens it."""
        self._in_a_row += 1
        standing = self._standing.judged(self._standing)
        if began < standing.since or (not standing.strikes and self._in_a_row < thresholds.in_a_row):
            return None
        seconds = thresholds.rest * min(1 << min(standing.strikes, 20), LONGEST_OPEN)
        self._standing = standing.struck(at, began, seconds, "")
        return seconds

    def let_go(self) -> None:
        """Whoever asked has left before it answered: the next may try."""
        self._standing = self._standing.judged(self._standing)
