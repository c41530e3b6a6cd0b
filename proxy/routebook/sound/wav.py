"""WAV files (Microsoft and IBM, Multimedia Programming Interface 1.0, 1991): their heads, read and written."""

from __future__ import annotations

import struct
from typing import Final

from routebook.sound.forms import PCM16, RIFF, Samples

HEAD: Final = 44
"""Bytes before the samples, in a file that says nothing but what they are."""

MOST_HEAD: Final = 1 << 20
"""Bytes of chunks before the samples; more of them is no WAV file that anybody would play."""

ENDLESS: Final = 0xFFFF_FFFF
"""The size that whoever writes a file as it is made puts in its head."""

_PLAIN: Final = 1
_EXTENSIBLE: Final = 0xFFFE


class SoundError(ValueError):
    """Sound that is not what it claims to be, or not what is needed; its text says which."""


def wav_head(size: int, samples: Samples = PCM16) -> bytes:
    """The head of a file with so many bytes of samples."""
    form = struct.pack(
        "<4sIHHIIHH",
        b"fmt ",
        16,
        _PLAIN,
        samples.channels,
        samples.rate,
        samples.bytes_per_second,
        samples.frame,
        samples.bits,
    )
    return struct.pack("<4sI4s", RIFF, min(36 + size, ENDLESS), b"WAVE") + form + struct.pack("<4sI", b"data", size)


def wav_of(sound: bytes, samples: Samples = PCM16) -> bytes:
    """The samples as a file. A last frame that is not whole is left out: a file has none."""
    whole = sound[: len(sound) // samples.frame * samples.frame]
    return wav_head(len(whole), samples) + whole


class Unwrapper:
    """The samples of a WAV file as they arrive. `samples` is known once `feed` has given the first of them."""

    def __init__(self) -> None:
        self.samples: Samples | None = None
        self._held = b""
        self._left: int | None = None
        self._begun = False

    def __repr__(self) -> str:
        return f"<Unwrapper of {self.samples}>"

    def feed(self, chunk: bytes) -> bytes:
        """Samples that are there now; raises SoundError for what is no WAV file of whole samples."""
        if self._left is None:
            self._held += chunk
            self._read()
            if self._left is None:
                return b""
            chunk, self._held = self._held, b""
        given = chunk[: self._left]
        self._left -= len(given)
        return given

    def _read(self) -> None:
        if not self._begun:
            if len(self._held) < 12:
                return
            if self._held[:4] != RIFF or self._held[8:12] != b"WAVE":
                raise SoundError("it is not a WAV file")
            self._held, self._begun = self._held[12:], True
        while self._left is None and len(self._held) >= 8:
            name, size = struct.unpack_from("<4sI", self._held)
            if name == b"data":
                self._begin(size)
                return
            if size > MOST_HEAD:
                raise SoundError("a chunk of the WAV file is larger than any before its samples")
            end = 8 + size + size % 2
            if len(self._held) < end:
                return
            if name == b"fmt ":
                self.samples = _samples_of(self._held[8 : 8 + size])
            self._held = self._held[end:]

    def _begin(self, size: int) -> None:
        if self.samples is None:
            raise SoundError("the WAV file does not say what its samples are")
        self._held = self._held[8:]
        # Whoever writes a file as it is made does not know its size, and writes none or the largest.
        self._left = 1 << 62 if size in (0, ENDLESS) else size


def _samples_of(chunk: bytes) -> Samples:
    if len(chunk) < 16:
        raise SoundError("the WAV file does not say what its samples are")
    kind, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", chunk)
    if kind == _EXTENSIBLE and len(chunk) >= 26:
        kind = struct.unpack_from("<H", chunk, 24)[0]
    if kind != _PLAIN or not channels or not rate or not bits or bits % 8:
        raise SoundError("the samples of the WAV file are coded")
    return Samples(rate, channels, bits)


def read_wav(file: bytes) -> tuple[Samples, bytes]:
    """What the samples of a file are, and they themselves; raises SoundError."""
    unwrapper = Unwrapper()
    sound = unwrapper.feed(file)
    if unwrapper.samples is None or not sound:
        raise SoundError("the WAV file holds no samples")
    return unwrapper.samples, sound
