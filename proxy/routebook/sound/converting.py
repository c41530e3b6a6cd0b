"""Sound in the form that somebody wants: the head of a WAV file put before samples, or taken off them.

Nothing is computed on samples here and nothing is coded: what would need that, and has nobody for it, is a `SoundError`
that says so.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from typing import Final, Protocol

from routebook.sound.forms import PCM16, Coded, Form, Samples, Wav, form_of, media_type_of
from routebook.sound.wav import SoundError, Unwrapper, read_wav, wav_of

WAV: Final = "wav"
BARE: Final = frozenset({"pcm16", "pcm"})
"""What OpenAI's clients call bare samples."""

UNCODED: Final = BARE | {WAV}
"""Formats that need nobody to code them."""

CODED: Final = frozenset({"mp3", "opus", "aac", "flac"})
"""Formats that somebody has to code."""

_RIFF: Final = "UklGR"
"""How a WAV file begins, in base64."""

TURN: Final = 6
"""Bytes after which both base64 and a sample of 16 bits are whole, so that pieces can be joined as they are."""


def cannot_be_made(wanted: str, stream: bool = False, transcodes: bool = False) -> str:
    """Why samples cannot be given in a format, one of OpenAI's words; empty where they can. `transcodes`: there is somebody
    who codes whole sound; a stream's goes as it comes."""
    if wanted not in UNCODED and not (transcodes and wanted in CODED):
        return (
            f"`{wanted}` needs a transcoder, and there is none: ask for " + ("" if stream else "`wav` or ") + "`pcm16`"
        )
    if stream and wanted in CODED:
        return f"a stream has bare samples, and `{wanted}` is coded as a whole: ask for `pcm16`"
    if stream and wanted == WAV:
        return "a stream has bare samples, whose number a WAV file would have to say first: ask for `pcm16`"
    return ""


def labelled(sound: str) -> str:
    """The media type of sound (base64) that came without one: that of a WAV file, or of what OpenAI calls `pcm16`."""
    return "audio/wav" if sound.startswith(_RIFF) else media_type_of(PCM16)


def converted(sound: str, media_type: str | None, wanted: str) -> str:
    """Whole sound (base64) in the format that is wanted, which is one of OpenAI's words; raises SoundError."""
    data = _decoded(sound)
    found = form_of(media_type, data)
    if isinstance(found, Coded):
        if found.codec == wanted:
            return sound
        raise SoundError(f"the sound is `{found.codec}`, and `{wanted}` was asked for")
    if why := cannot_be_made(wanted):
        raise SoundError(why)
    if isinstance(found, Wav):
        if wanted == WAV:
            return sound
        samples, data = read_wav(data)
        _check_bare(samples)
        return _encoded(data)
    if wanted == WAV:
        return _encoded(wav_of(data, found))
    _check_bare(found)
    return sound


class Resampling(Protocol):
    """Changes the rate of a stream of samples of 16 bits in one channel."""

    def change(self, samples: bytes) -> bytes:
        """What can be told of them now."""

    def flush(self) -> bytes:
        """What stayed behind."""


class Bare:
    """A stream's sound (base64, piece by piece) as bare samples of the kind that OpenAI calls `pcm16`. `resampled` makes of a
    rate what changes it; without it another rate is an error."""

    def __init__(self, media_type: str | None, resampled: Callable[[int], Resampling] | None = None) -> None:
        self._media_type = media_type
        self._resampled = resampled
        self._form: Form | None = None
        self._unwrapper: Unwrapper | None = None
        self._resampling: Resampling | None = None
        self._is_checked = False
        self._held = b""

    def __repr__(self) -> str:
        return f"<Bare of {self._form}>"

    def feed(self, piece: str) -> str:
        """Samples that may be told now, in whole turns of base64; raises SoundError."""
        data = _decoded(piece)
        if self._form is None and data:
            self._form = form_of(self._media_type, data)
            self._unwrapper = Unwrapper() if isinstance(self._form, Wav) else None
        if self._unwrapper is not None:
            data = self._unwrapper.feed(data)
        if data and not self._is_checked:
            self._check()
        self._held += data if self._resampling is None else self._resampling.change(data)
        whole = len(self._held) // TURN * TURN
        given, self._held = self._held[:whole], self._held[whole:]
        return _encoded(given)

    def end(self) -> str:
        """What is left; half a sample is none."""
        if self._resampling is not None:
            self._held += self._resampling.flush()
        left, self._held = self._held[: len(self._held) // 2 * 2], b""
        return _encoded(left)

    def _check(self) -> None:
        """The first samples are there: what they are is known."""
        self._is_checked = True
        if isinstance(self._form, Coded):
            raise SoundError(f"the sound is `{self._form.codec}`, and `pcm16` was asked for")
        samples = self._form if self._unwrapper is None else self._unwrapper.samples
        assert isinstance(samples, Samples)
        if self._resampled is not None and samples == Samples(samples.rate) != PCM16:
            self._resampling = self._resampled(samples.rate)
        else:
            _check_bare(samples)


def _check_bare(samples: Samples) -> None:
    if samples != PCM16:
        raise SoundError(
            f"the sound has {samples.rate} samples a second of {samples.bits} bits in {samples.channels} channels, and"
            f" `pcm16` has {PCM16.rate} of {PCM16.bits} bits in one"
        )


def _decoded(sound: str) -> bytes:
    try:
        return base64.b64decode(sound, validate=True)
    except (binascii.Error, ValueError):
        raise SoundError("the sound is not base64") from None


def _encoded(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
