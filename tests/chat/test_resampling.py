"""Sound that changes its rate or its coding: a tone stays that tone, and no sample is lost or added."""

from __future__ import annotations

import array
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routebook.chat.resampling import Coding, Resampler, decoded, encoded

RATES = (8_000, 16_000, 24_000)


def tone(rate: int, seconds: float = 1.0, hertz: float = 440.0, loudness: float = 8_000) -> bytes:
    """A sine."""
    count = int(rate * seconds)
    return array.array(
        "h", (round(loudness * math.sin(2 * math.pi * hertz * n / rate)) for n in range(count))
    ).tobytes()


def samples_of(sound: bytes) -> list[int]:
    """As numbers."""
    return list(array.array("h", sound))


@pytest.mark.parametrize("source", RATES)
@pytest.mark.parametrize("target", RATES)
@pytest.mark.parametrize("piece", [40, 333, 100_000])
def test_a_tone_is_the_same_tone_at_another_rate(source: int, target: int, piece: int) -> None:
    """Sample by sample, within a thousandth of its loudness; wherever it is cut, and no longer or shorter."""
    sound, resampler = tone(source), Resampler(source, target)
    found = b"".join(resampler.change(sound[at : at + piece]) for at in range(0, len(sound), piece)) + resampler.flush()
    assert len(found) == len(tone(target))
    edge = target // 50
    expected, made = samples_of(tone(target))[edge:-edge], samples_of(found)[edge:-edge]
    assert max(abs(one - other) for one, other in zip(expected, made, strict=True)) <= 20


def test_what_stays_behind_is_little() -> None:
    """At most 26 ms, from 8 to 16 kHz; it comes with `flush`, after which a new stream begins."""
    for source, target, most in ((24_000, 16_000, 15), (16_000, 24_000, 15), (24_000, 8_000, 15), (8_000, 16_000, 26)):
        resampler = Resampler(source, target)
        first = resampler.change(tone(source, 0.5)) + resampler.change(tone(source, 0.5))
        missing = (len(tone(target)) - len(first)) / 2 / target * 1000
        assert missing <= most + 20
        assert len(first + resampler.flush()) == len(tone(target))
        assert resampler.flush() == b""


def test_g711_has_the_values_of_its_standard() -> None:
    """ITU-T G.711, tables 1a to 2b: the ends, the middle, and the quietest of either law."""
    mu = {0x80: 32124, 0x00: -32124, 0xFF: 0, 0x7F: 0, 0xFE: 8, 0x7E: -8, 0x8F: 16764, 0xF0: 120}
    for byte, value in mu.items():
        assert samples_of(decoded(bytes([byte]), Coding.MU_LAW)) == [value]
    a = {0xAA: 32256, 0x2A: -32256, 0xD5: 8, 0x55: -8, 0xD4: 24, 0x80: 5504}
    for byte, value in a.items():
        assert samples_of(decoded(bytes([byte]), Coding.A_LAW)) == [value]


@pytest.mark.parametrize("coding", [Coding.MU_LAW, Coding.A_LAW])
def test_every_byte_of_g711_is_its_own(coding: Coding) -> None:
    """But for µ-law's second zero."""
    everything = bytes(range(256))
    again = encoded(decoded(everything, coding), coding)
    different = [byte for byte in everything if again[byte] != byte]
    assert different in ([], [0x7F], [0xFF])


@settings(deadline=None)
@given(st.lists(st.integers(-32_768, 32_767), min_size=1, max_size=200), st.sampled_from([Coding.MU_LAW, Coding.A_LAW]))
def test_g711_is_as_near_as_its_steps(samples: list[int], coding: Coding) -> None:
    """A sample comes back within half a step of its segment: a sixteenth of it at most, or the quietest step."""
    found = samples_of(decoded(encoded(array.array("h", samples).tobytes(), coding), coding))
    for sample, made in zip(samples, found, strict=True):
        assert abs(sample - made) <= max(16, abs(sample) // 32 + 4, 644 if abs(sample) > 31_000 else 0)


@settings(deadline=None)
@given(st.lists(st.binary(max_size=300), max_size=20), st.sampled_from(RATES), st.sampled_from(RATES))
def test_pieces_of_any_size_lose_nothing(pieces: list[bytes], source: int, target: int) -> None:
    """Halves of samples wait for their other halves."""
    resampler = Resampler(source, target)
    found = b"".join(resampler.change(piece) for piece in pieces) + resampler.flush()
    count = sum(map(len, pieces)) // 2
    assert abs(len(found) // 2 - count * target / source) <= 1
