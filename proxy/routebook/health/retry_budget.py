"""How many calls may be made again: a share of all requests, so that retries cannot multiply an outage."""

from __future__ import annotations

from typing import Final

FLOOR: Final = 1.0
"""Retries a second that are always allowed: a share of little traffic would be nothing."""

MOST: Final = 100.0
"""Retries that can be saved up in quiet times."""


class RetryBudget:
    """Every request adds its share, every retry takes one; begins as after a quiet time. Times are monotonic seconds."""

    __slots__ = ("_at", "_left")

    def __init__(self) -> None:
        self._left = MOST
        self._at: float | None = None

    def __repr__(self) -> str:
        return f"<RetryBudget {self._left:.1f} left>"

    def began(self, share: float) -> None:
        """A request was called for the first time."""
        self._left = min(self._left + share, MOST)

    def take(self, at: float) -> bool:
        """Whether one more call may be made; it is counted."""
        if self._at is not None:
            self._left = min(self._left + FLOOR * max(0.0, at - self._at), MOST)
        self._at = at
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True
