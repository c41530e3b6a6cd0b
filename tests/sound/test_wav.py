"""WAV files and bare samples: what is written is read by the standard library, and what that writes is read here."""

from __future__ import annotations

import array
import base64
import io
import math
import struct
import wave

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routebook.chat.resampling import resampled_to
from routebook.sound.converting import Bare, cannot_be_made, converted, labelled
from routebook.sound.forms import PCM16, Coded, Form, Samples, Wav, form_of, media_type_of
from routebook.sound.wav import ENDLESS, SoundError, Unwrapper, read_wav, wav_head, wav_of

SOUND = st.binary(min_size=2, max_size=400).map(lambda data: data[: len(data) // 2 * 2])
L16 = "audio/L16;codec=pcm;rate=24000"


def b64(data: bytes) -> str:
    """As it stands in JSON."""
    return base64.b64encode(data).decode()


def plain(text: str) -> bytes:
    """Out of JSON."""
    return base64.b64decode(text)


@given(SOUND, st.sampled_from([8_000, 16_000, 24_000, 48_000]))
def test_the_standard_library_reads_what_is_written(sound: bytes, rate: int) -> None:
    """Sizes, durations and every sample."""
    file = wav_of(sound, Samples(rate))
    assert struct.unpack_from("<I", file, 4)[0] == len(file) - 8
    with wave.open(io.BytesIO(file)) as read:
        assert (read.getframerate(), read.getnchannels(), read.getsampwidth()) == (rate, 1, 2)
        assert read.getnframes() == len(sound) // 2
        assert read.readframes(read.getnframes()) == sound


@given(SOUND, st.integers(1, 2), st.lists(st.integers(0, 500), max_size=8), st.booleans())
def test_what_the_standard_library_writes_is_read_in_any_pieces(
    sound: bytes, channels: int, cuts: list[int], odd_chunk: bool
) -> None:
    """Another chunk before the samples, one behind them, and cuts anywhere, also in the head."""
    whole = sound * channels
    file = io.BytesIO()
    with wave.open(file, "wb") as written:
        written.setnchannels(channels)
        written.setsampwidth(2)
        written.setframerate(44_100)
        written.writeframes(whole)
    data = file.getvalue()
    if odd_chunk:
        data = (
            data[:12] + b"LIST" + struct.pack("<I", 3) + b"abc\0" + data[12:] + b"id3 " + struct.pack("<I", 2) + b"xy"
        )
    unwrapper, given_out, at = Unwrapper(), b"", 0
    for cut in [*sorted(cuts), len(data)]:
        given_out += unwrapper.feed(data[at:cut])
        at = max(at, cut)
    assert given_out == whole
    assert unwrapper.samples == Samples(44_100, channels)


@pytest.mark.parametrize(
    ("file", "why"),
    [
        (b"OggS" + bytes(20), "not a WAV file"),
        (b"RIFF" + bytes(4) + b"WAVE" + b"data" + struct.pack("<I", 2) + b"ab", "does not say what its samples are"),
        (wav_head(2)[:20] + struct.pack("<H", 7) + wav_head(2)[22:] + b"ab", "are coded"),
        (b"RIFF" + bytes(4) + b"WAVE" + b"junk" + struct.pack("<I", 1 << 30), "larger than any"),
        (wav_head(0)[:30], "holds no samples"),
        (b"RIFF" + bytes(4) + b"WAVE" + b"fmt " + struct.pack("<I", 4) + bytes(4), "does not say"),
    ],
)
def test_what_is_no_file_of_samples_is_said_to_be_none(file: bytes, why: str) -> None:
    """Never a guess."""
    with pytest.raises(SoundError, match=why):
        read_wav(file)


@pytest.mark.parametrize("size", [0, ENDLESS])
def test_a_file_that_was_written_as_it_was_made_has_all_that_follows(size: int) -> None:
    """Its head could not say how much that would be."""
    assert read_wav(wav_head(size) + b"abcd") == (PCM16, b"abcd")


@pytest.mark.parametrize(
    ("media_type", "first", "form"),
    [
        ("audio/L16;codec=pcm;rate=24000", b"", PCM16),
        ("audio/L16; rate=16000; channels=2", b"", Samples(16_000, 2)),
        ("audio/pcm", b"", PCM16),
        ("audio/pcm;rate=0", b"", PCM16),
        ("audio/x-wav", b"", Wav()),
        ("AUDIO/WAV", b"", Wav()),
        ("audio/mpeg", b"", Coded("mp3")),
        ("audio/ogg;codecs=opus", b"", Coded("ogg")),
        (None, b"RIFFabcd", Wav()),
        (None, b"abcd", PCM16),
    ],
)
def test_forms_by_media_type_and_by_first_bytes(media_type: str | None, first: bytes, form: Form) -> None:
    """What is not said is 24,000 samples a second in one channel."""
    assert form_of(media_type, first) == form
    if isinstance(form, Samples):
        assert form_of(media_type_of(form)) == form


@given(SOUND)
def test_a_head_put_on_and_taken_off_is_the_sound_again(sound: bytes) -> None:
    """To a WAV file and back, and from either to itself."""
    file = converted(b64(sound), L16, "wav")
    assert plain(file) == wav_of(sound)
    assert converted(file, "audio/wav", "wav") == file
    assert plain(converted(file, "audio/wav", "pcm16")) == sound
    assert converted(b64(sound), L16, "pcm16") == b64(sound)
    assert form_of(labelled(file)) == Wav()


@given(SOUND, st.lists(st.integers(0, 400), max_size=6), st.booleans())
def test_pieces_of_bare_samples_can_be_joined_as_they_are(sound: bytes, cuts: list[int], is_file: bool) -> None:
    """Clients join the base64 of all pieces: only the last one may be padded."""
    data = wav_of(sound) if is_file else sound
    media_type = "audio/wav" if is_file else L16
    bare, told, at = Bare(media_type), [], 0
    for cut in [*sorted(cuts), len(data)]:
        told.append(bare.feed(b64(data[at:cut])))
        at = max(at, cut)
    told.append(bare.end())
    assert plain("".join(told)) == sound
    assert not any(piece.endswith("=") for piece in told[:-1])


@pytest.mark.parametrize(
    ("sound", "media_type", "wanted", "why"),
    [
        (b"abcd", L16, "mp3", "`mp3` needs a transcoder"),
        (b"abcd", "audio/L16;rate=16000", "pcm16", "16000 samples a second"),
        (wav_of(b"abcd", Samples(8_000)), "audio/wav", "pcm16", "8000 samples a second"),
        (b"ID3abc", "audio/mpeg", "wav", "the sound is `mp3`"),
        (b"abcdefghijkl", "audio/wav", "pcm16", "not a WAV file"),
    ],
)
def test_what_would_have_to_be_computed_is_refused(sound: bytes, media_type: str, wanted: str, why: str) -> None:
    """By the name of what is missing."""
    with pytest.raises(SoundError, match=why):
        converted(b64(sound), media_type, wanted)


@pytest.mark.parametrize(("sound", "media_type"), [(b"abcdef", "audio/pcm;rate=8000"), (b"abcdef", "audio/ogg")])
def test_a_stream_of_another_kind_is_refused_at_its_first_piece(sound: bytes, media_type: str) -> None:
    """It would sound at another pitch."""
    with pytest.raises(SoundError):
        Bare(media_type).feed(b64(sound))
    with pytest.raises(SoundError, match="base64"):
        Bare(None).feed("?")


@pytest.mark.parametrize("cut", [7, 301, 4800, 1 << 20])
@pytest.mark.parametrize("is_file", [False, True])
def test_a_stream_of_another_rate_keeps_its_pitch(cut: int, is_file: bool) -> None:
    """Where somebody resamples it, however it is cut: a second stays a second, and 440 Hz are 440 Hz."""
    samples = Samples(16_000)
    step = 2 * math.pi * 440 / samples.rate
    sound = array.array("h", (round(8_000 * math.sin(step * n)) for n in range(samples.rate))).tobytes()
    data = wav_of(sound, samples) if is_file else sound
    bare = Bare("audio/wav" if is_file else "audio/L16;rate=16000", resampled_to(PCM16.rate))
    told = [bare.feed(b64(data[at : at + cut])) for at in range(0, len(data), cut)]
    heard = array.array("h", plain("".join([*told, bare.end()])))
    assert abs(len(heard) - PCM16.rate) <= 2
    ups = [n for n in range(4_000, 20_000) if heard[n - 1] < 0 <= heard[n]]
    assert abs((len(ups) - 1) * PCM16.rate / (ups[-1] - ups[0]) - 440) < 0.5
    with pytest.raises(SoundError, match="2 channels"):
        Bare("audio/L16;rate=16000;channels=2", resampled_to(PCM16.rate)).feed(b64(b"abcdef"))


def test_formats_that_can_be_made() -> None:
    """A stream cannot say how long it will be."""
    assert not any(cannot_be_made(wanted) for wanted in ("wav", "pcm16", "pcm"))
    assert "`pcm16`" in cannot_be_made("wav", stream=True)
    assert not cannot_be_made("pcm16", stream=True)
    assert "`wav`" not in cannot_be_made("opus", stream=True)
