"""How long recorded sound is, by its size and its first bytes: as far as a head says it, and never less at most.

After the formats' own papers: WAV as in `sound.wav`; FLAC's STREAMINFO (RFC 9639, 8.2); the frame header of MPEG audio
(ISO/IEC 11172-3 and 13818-3). Of others nothing is read: no speech is coded below Opus' 6 kbit/s (RFC 6716, 2.1.1).
"""

from __future__ import annotations

from typing import Final, NamedTuple

from routebook.sound.wav import SoundError, Unwrapper

USUAL: Final = 4_000
"""Bytes of a second of coded speech, where nothing says how many: 32 kbit/s."""

LEAST: Final = 750
"""Bytes of a second that no codec goes below."""

_LAYER_3: Final = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 0)
_LAYER_3_LOW: Final = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160, 0)
"""Kilobits a second by the index in a frame's head, of MPEG 1 and of the later ones."""


class Length(NamedTuple):
    """Milliseconds: what a file probably lasts, and at most."""

    likely: int
    most: int


def length_of(first: bytes, size: int) -> Length:
    """The length of a file of so many bytes that begins like this."""
    if first.startswith(b"RIFF"):
        return _of_wav(first, size)
    if first.startswith(b"fLaC") and (exact := _of_flac(first)):
        return Length(exact, exact)
    return _of_mpeg(first, size) or Length(_ms(size, USUAL), _ms(size, LEAST))


def _of_wav(first: bytes, size: int) -> Length:
    unwrapper = Unwrapper()
    try:
        begun = len(unwrapper.feed(first))
    except SoundError:
        return Length(_ms(size, USUAL), _ms(size, LEAST))
    if unwrapper.samples is None:
        return Length(_ms(size, USUAL), _ms(size, LEAST))
    exact = _ms(max(0, size - len(first) + begun), unwrapper.samples.bytes_per_second)
    return Length(exact, exact)


def _of_flac(first: bytes) -> int:
    """Milliseconds by the number of samples; 0 where the file does not say it."""
    if len(first) < 26:
        return 0
    packed = int.from_bytes(first[18:26], "big")
    rate, samples = packed >> 44, packed & 0xF_FFFF_FFFF
    return -(-samples * 1000 // rate) if rate else 0


def _of_mpeg(first: bytes, size: int) -> Length | None:
    at = 0
    if first.startswith(b"ID3") and len(first) >= 10:
        at = 10 + sum((byte & 0x7F) << shift for byte, shift in zip(first[6:10], (21, 14, 7, 0), strict=True))
    head = first[at : at + 4]
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE6 != 0xE2:
        return None
    is_first = head[1] & 0x18 == 0x18
    rate = (_LAYER_3 if is_first else _LAYER_3_LOW)[head[2] >> 4]
    sound = max(0, size - at)
    return Length(_ms(sound, rate * 125 or USUAL), _ms(sound, (32 if is_first else 8) * 125))


def _ms(size: int, bytes_per_second: int) -> int:
    return -(-size * 1000 // bytes_per_second)
