"""Sound as two APIs have it: rates are changed by soxr (The SoX Resampler library), G.711 by the tables of its standard.

All of it needs the extra `voice`. A stream is changed piece by piece, so that pieces join without a click; some
milliseconds stay behind (15 at the quality used here, 26 from 8 to 16 kHz) until it is `flush`ed.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from functools import cache, partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import numpy as np

    Samples = np.ndarray[Any, np.dtype[np.int16]]

LIBRARY: Final = "soxr"
"""What the extra `voice` installs."""

_QUALITY: Final = "MQ"
_SIXTEEN_BITS: Final = "<i2"


class Coding(enum.Enum):
    """How samples stand in bytes: 16 bits as they are, or G.711 (ITU-T, 1988) in its µ-law or A-law."""

    PCM = "audio/pcm"
    MU_LAW = "audio/pcmu"
    A_LAW = "audio/pcma"

    @property
    def rate(self) -> int:
        """Samples a second, as OpenAI's Realtime has them."""
        return 24_000 if self is Coding.PCM else 8_000

    @property
    def bytes_per_ms(self) -> int:
        """Bytes of a millisecond."""
        return 48 if self is Coding.PCM else 8


def can_change_sound() -> bool:
    """Whether the extra is installed."""
    return find_spec(LIBRARY) is not None


def resampled_to(target: int) -> Callable[[int], Resampler] | None:
    """What makes of a rate a resampler from it; None where the extra is not installed."""
    return partial(Resampler, target=target) if can_change_sound() else None


class Resampler:
    """One stream, from one rate to another; where both are the same it passes."""

    def __init__(self, source: int, target: int) -> None:
        self.source = source
        self.target = target
        self._odd = b""
        self._stream: Any = None

    def __repr__(self) -> str:
        return f"<Resampler {self.source} -> {self.target}>"

    def change(self, samples: bytes) -> bytes:
        """As much of the target's sound as can be made of this and what came before."""
        return self._change(samples, False)

    def flush(self) -> bytes:
        """What stayed behind; the next sound begins a new stream."""
        if self._stream is None:
            self._odd = b""
            return b""
        found = self._change(b"", True)
        self._stream, self._odd = None, b""
        return found

    def _change(self, samples: bytes, last: bool) -> bytes:
        import numpy as np

        whole = self._odd + samples
        self._odd = whole[len(whole) // 2 * 2 :]
        whole = whole[: len(whole) // 2 * 2]
        if self.source == self.target:
            return whole
        if self._stream is None:
            import soxr  # type: ignore[import-untyped]

            self._stream = soxr.ResampleStream(self.source, self.target, 1, dtype="int16", quality=_QUALITY)
        found = self._stream.resample_chunk(np.frombuffer(whole, _SIXTEEN_BITS).astype(np.int16), last=last)
        written: bytes = found.astype(_SIXTEEN_BITS).tobytes()
        return written


def decoded(data: bytes, coding: Coding) -> bytes:
    """Samples of 16 bits."""
    if coding is Coding.PCM:
        return data
    import numpy as np

    table = _mu_law() if coding is Coding.MU_LAW else _a_law()
    written: bytes = table[np.frombuffer(data, np.uint8)].astype(_SIXTEEN_BITS).tobytes()
    return written


def encoded(samples: bytes, coding: Coding) -> bytes:
    """Samples of 16 bits as they stand in bytes."""
    if coding is Coding.PCM:
        return samples
    import numpy as np

    written: bytes = _encoding(coding)[np.frombuffer(samples, "<u2")].tobytes()
    return written


@cache
def _mu_law() -> Samples:
    """Every µ-law byte's sample: bits are inverted; three of them choose one of eight segments of sixteen steps."""
    import numpy as np

    byte = ~np.arange(256, dtype=np.uint8)
    segment, step = (byte >> 4) & 7, (byte & 15).astype(np.int32)
    size = (((step << 3) + 0x84) << segment) - 0x84
    return np.where(byte & 0x80, -size, size).astype(np.int16)


@cache
def _a_law() -> Samples:
    """Every A-law byte's sample: even bits are inverted; the lowest two of eight segments have steps of one size."""
    import numpy as np

    byte = np.arange(256, dtype=np.uint8) ^ 0x55
    segment, step = (byte >> 4) & 7, (byte & 15).astype(np.int32)
    size = np.where(segment == 0, (step << 4) + 8, ((step << 4) + 0x108) << np.maximum(segment.astype(np.int32) - 1, 0))
    return np.where(byte & 0x80, size, -size).astype(np.int16)


@cache
def _encoding(coding: Coding) -> Any:
    """The byte of every sample, by the sample's 16 bits: that of the nearest value which the law has."""
    import numpy as np

    table = (_mu_law() if coding is Coding.MU_LAW else _a_law()).astype(np.int32)
    order = np.argsort(table, kind="stable")
    values = table[order]
    samples = np.arange(65_536, dtype=np.uint16).astype(np.int16).astype(np.int32)
    above = np.clip(np.searchsorted(values, samples), 1, 255)
    nearer = np.where(samples - values[above - 1] <= values[above] - samples, above - 1, above)
    return order[nearer].astype(np.uint8)
