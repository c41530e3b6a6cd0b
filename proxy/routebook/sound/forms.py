"""In which form sound comes: bare samples, a WAV file, or coded by a codec that is not ours to read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

RATE: Final = 24_000
"""Samples a second of `pcm16`, and of what Gemini's models speak."""

LOWEST_RATE: Final = 1_000
HIGHEST_RATE: Final = 384_000
"""What a media type may claim."""

RIFF: Final = b"RIFF"


@dataclass(frozen=True, slots=True)
class Samples:
    """Bare samples, little-endian: how many a second, of how many channels side by side, of how many bits each.

    Google labels them `audio/L16`, whose samples are big-endian by RFC 2586; what it sends is little-endian.
    """

    rate: int = RATE
    channels: int = 1
    bits: int = 16

    @property
    def frame(self) -> int:
        """Bytes of all channels at one moment."""
        return self.channels * self.bits // 8

    @property
    def bytes_per_second(self) -> int:
        """Bytes of one second."""
        return self.rate * self.frame


@dataclass(frozen=True, slots=True)
class Wav:
    """A WAV file, which says itself what its samples are."""


@dataclass(frozen=True, slots=True)
class Coded:
    """Coded sound, by the usual word for it (`mp3`)."""

    codec: str


Form = Samples | Wav | Coded

PCM16: Final = Samples()
"""What OpenAI calls `pcm16` or `pcm`."""

_WAVS: Final = frozenset({"wav", "x-wav", "wave", "vnd.wave", "x-pn-wav"})
_SAMPLES: Final = frozenset({"l16", "pcm", "x-pcm", "x-l16", "raw"})
_CODECS: Final = {"mpeg": "mp3", "mp3": "mp3", "mpga": "mp3", "x-flac": "flac", "x-aac": "aac", "aacp": "aac"}


def form_of(media_type: str | None, first: bytes = b"") -> Form:
    """The form that a media type names; without one, what the first bytes look like: a WAV file, else `pcm16`."""
    if media_type is None:
        return Wav() if first.startswith(RIFF) else PCM16
    kind, *parameters = media_type.lower().split(";")
    subtype = kind.strip().rpartition("/")[2]
    if subtype in _WAVS:
        return Wav()
    if subtype in _SAMPLES:
        said = dict(_parameter(each) for each in parameters)
        return Samples(_number(said, "rate", RATE, LOWEST_RATE, HIGHEST_RATE), _number(said, "channels", 1, 1, 8))
    return Coded(_CODECS.get(subtype, subtype))


def media_type_of(samples: Samples) -> str:
    """The media type of bare samples, as Google writes it."""
    channels = "" if samples.channels == 1 else f";channels={samples.channels}"
    return f"audio/L16;codec=pcm;rate={samples.rate}{channels}"


def _parameter(written: str) -> tuple[str, str]:
    name, _, value = written.partition("=")
    return name.strip(), value.strip().strip('"')


def _number(said: dict[str, str], name: str, usual: int, least: int, most: int) -> int:
    word = said.get(name, "")
    value = int(word) if word.isascii() and word.isdigit() and len(word) < 8 else usual
    return value if least <= value <= most else usual
