"""How long recorded sound is, by its head."""

from __future__ import annotations

import struct

import pytest

from routebook.sound.forms import Samples
from routebook.sound.lengths import LEAST, USUAL, Length, length_of
from routebook.sound.wav import wav_of


def flac(rate: int, samples: int) -> bytes:
    """The beginning of a file: its mark, and STREAMINFO."""
    packed = (rate << 44) | (0 << 41) | (15 << 36) | samples
    return b"fLaC" + bytes([0x80, 0, 0, 34]) + bytes(10) + packed.to_bytes(8, "big") + bytes(16)


@pytest.mark.parametrize(
    ("first", "size", "length"),
    [
        (wav_of(bytes(48_000))[:60], 48_044, Length(1000, 1000)),
        (wav_of(bytes(32_000), Samples(16_000)), 32_044, Length(1000, 1000)),
        (flac(48_000, 480_000), 1_000_000, Length(10_000, 10_000)),
        (flac(0, 0), 4_000, Length(1000, -(-4_000_000 // LEAST))),
        (b"\xff\xfb\x90\x00", 16_000, Length(1000, 4000)),
        (b"\xff\xf3\x40\x00", 4_000, Length(1000, 4000)),
        (b"ID3" + bytes(6) + bytes([20]) + bytes(20) + b"\xff\xfb\x90\x00", 16_030, Length(1000, 4000)),
        (b"OggS", USUAL, Length(1000, -(-USUAL * 1000 // LEAST))),
        (b"RIFFxxxxWAVExxxx", USUAL, Length(1000, -(-USUAL * 1000 // LEAST))),
        (b"RIFFxxxxAVI xxxx", USUAL, Length(1000, -(-USUAL * 1000 // LEAST))),
        (b"", 0, Length(0, 0)),
    ],
)
def test_lengths(first: bytes, size: int, length: Length) -> None:
    """Exact where a head says it, else what is usual and what is the most."""
    assert length_of(first, size) == length
    assert length.likely <= length.most


def test_a_constant_bit_rate_is_believed_and_bounded() -> None:
    """128 kbit/s by the frame's head; a variable one may fall to 32."""
    head = struct.pack(">I", 0xFFFB9000)
    assert length_of(head, 160_000) == (10_000, 40_000)
