"""Sound of the simulated upstream: a tone that it speaks with, and an ear that knows when somebody speaks.

All of it is 16-bit little-endian samples, one channel, 24,000 a second (`audio/pcm` of OpenAI's Realtime API).
"""

from __future__ import annotations

import array
import enum
import math
import sys
from collections.abc import Iterator
from typing import Final

RATE: Final = 24_000
TONE: Final = 440
"""Hertz: the a' that orchestras tune to."""

BYTES_PER_MS: Final = RATE * 2 // 1000
FRAME_MS: Final = 20

_LOUDNESS: Final = 8_000
_LOUD: Final = 500.0
"""The root mean square from which on a frame is speech."""


def tone(start_ms: int, length_ms: int) -> bytes:
    """A piece of an endless tone: pieces that follow each other join without a click."""
    first, count = start_ms * RATE // 1000, length_ms * RATE // 1000
    step = 2 * math.pi * TONE / RATE
    samples = array.array("h", (round(_LOUDNESS * math.sin(step * n)) for n in range(first, first + count)))
    if sys.byteorder == "big":
        samples.byteswap()
    return samples.tobytes()


def loudness(frame: bytes) -> float:
    """The root mean square of a frame."""
    samples = array.array("h", frame[: len(frame) // 2 * 2])
    if sys.byteorder == "big":
        samples.byteswap()
    return math.sqrt(sum(each * each for each in samples) / len(samples)) if samples else 0.0


class Heard(enum.Enum):
    """What an ear notices."""

    BEGIN = "speech began"
    END = "speech ended"


class Ear:
    """Finds by energy where speech begins, and where it ends after so many milliseconds of quiet; `rate` is in samples a
    second."""

    def __init__(self, silence_ms: int = 500, rate: int = RATE) -> None:
        self.silence_ms = silence_ms
        self._frame = FRAME_MS * rate * 2 // 1000
        self.heard_ms = 0
        self._rest = b""
        self._quiet_ms = 0
        self._speaking = False

    def __repr__(self) -> str:
        return f"<Ear at {self.heard_ms} ms, {'speech' if self._speaking else 'quiet'}>"

    @property
    def is_in_speech(self) -> bool:
        """Whether speech has begun whose end was not heard."""
        return self._speaking

    def hear(self, sound: bytes) -> Iterator[tuple[Heard, int]]:
        """What happens in some more sound, with the millisecond of it."""
        self._rest += sound
        size = self._frame
        while len(self._rest) >= size:
            frame, self._rest = self._rest[:size], self._rest[size:]
            is_loud = loudness(frame) >= _LOUD
            if is_loud and not self._speaking:
                self._speaking = True
                yield Heard.BEGIN, self.heard_ms
            self.heard_ms += FRAME_MS
            self._quiet_ms = 0 if is_loud else self._quiet_ms + FRAME_MS
            if self._speaking and self._quiet_ms >= self.silence_ms:
                self._speaking = False
                yield Heard.END, self.heard_ms
