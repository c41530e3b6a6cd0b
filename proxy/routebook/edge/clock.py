"""Where time and chance come from, so that everything below is handed them and tests can set them."""

from __future__ import annotations

import os
import random
import time
from typing import Final, Protocol

IDENTIFIERS: Final = 400
"""For how many identifiers noise is fetched at once."""


class Clock(Protocol):
    """What the program asks of the world's clock and dice."""

    def now(self) -> float:
        """Seconds since 1970, for records and for rules about the time of day; may jump."""

    def monotonic(self) -> float:
        """Seconds since some moment, for durations; never jumps."""

    def draw(self) -> float:
        """A random number from 0 to below 1, recorded with the decision that used it."""

    def noise(self) -> bytes:
        """Ten random bytes for an identifier."""


class SystemClock:
    """The machine's clock and the kernel's randomness."""

    now = staticmethod(time.time)
    monotonic = staticmethod(time.monotonic)
    draw = staticmethod(random.random)

    def __init__(self) -> None:
        self._noise: list[bytes] = []

    def noise(self) -> bytes:
        """Ten bytes from the kernel, which is asked for those of many identifiers at once."""
        if not self._noise:
            fetched = os.urandom(10 * IDENTIFIERS)
            self._noise = [fetched[at : at + 10] for at in range(0, len(fetched), 10)]
        return self._noise.pop()
