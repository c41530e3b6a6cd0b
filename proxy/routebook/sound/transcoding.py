"""What a transcoder is asked for: ffmpeg's command line, from sound in one form to sound in another, pipe to pipe.

Nothing is guessed from the sound itself: who reads it and who decodes it is named beforehand, and no other protocol than
the pipe is open. So no file can choose a reader that follows what stands in it, such as a playlist's. The options are
those of ffmpeg 4 and later (ffmpeg.org: ffmpeg, ffmpeg-formats, ffmpeg-codecs).
"""

from __future__ import annotations

from typing import Final, NamedTuple

from routebook.sound.converting import BARE, WAV
from routebook.sound.forms import PCM16, Coded, Form, Samples, Wav, form_of
from routebook.sound.wav import SoundError, read_wav


class Made(NamedTuple):
    """How a format is made: the encoder with its options, the container, and the media type of what comes out."""

    encoder: tuple[str, ...]
    container: str
    media_type: str


MADE: Final = {
    "mp3": Made(("libmp3lame", "-b:a", "64k"), "mp3", "audio/mpeg"),
    "opus": Made(("libopus", "-b:a", "32k"), "ogg", "audio/opus"),
    "aac": Made(("aac", "-b:a", "64k"), "adts", "audio/aac"),
    "flac": Made(("flac",), "flac", "audio/flac"),
}
"""Formats that OpenAI's clients may ask for and somebody has to code. Rates are those at which one voice is clear."""

_PCM: Final = "pcm_s16le,pcm_u8,pcm_s24le,pcm_s32le,pcm_f32le,pcm_f64le,pcm_alaw,pcm_mulaw"
_OGG: Final = "opus,libopus,vorbis,libvorbis,flac"

_READ: Final = {
    "mp3": ("mp3", "mp3,mp3float"),
    "flac": ("flac", "flac"),
    "aac": ("aac", "aac"),
    "ogg": ("ogg", _OGG),
    "opus": ("ogg", _OGG),
    "vorbis": ("ogg", _OGG),
    "webm": ("matroska", _OGG),
}
"""Coded sound that can be read from a pipe: who reads it, and who may decode what is in it."""


def is_readable(form: Form) -> bool:
    """Whether a transcoder can read sound in this form."""
    return not isinstance(form, Coded) or form.codec in _READ


def source_of(media_type: str | None, sound: bytes, wanted: str) -> Form | None:
    """The form that sound is in, where it takes a transcoder to make of it what is wanted (one of OpenAI's words); None
    where it takes nothing, or a head put on or taken off."""
    found = form_of(media_type, sound)
    if isinstance(found, Coded):
        return None if found.codec == wanted else found
    if wanted == WAV:
        return None
    if wanted not in BARE:
        return found
    return None if _samples_of(found, sound) in (PCM16, None) else found


def _samples_of(form: Samples | Wav, sound: bytes) -> Samples | None:
    """What the samples are; None where that is not said, and nobody can know."""
    if isinstance(form, Samples):
        return form
    try:
        return read_wav(sound)[0]
    except SoundError:
        return None


def command(program: str, source: Form, wanted: str) -> tuple[str, ...]:
    """The command line; what comes out is in the format that is wanted where it stands in `MADE`, else samples of the kind
    `PCM16`. Raises SoundError for a source that nobody reads."""
    general = ("-hide_banner", "-nostdin", "-nostats", "-loglevel", "error", "-threads", "1")
    rate, channels = str(PCM16.rate), str(PCM16.channels)
    clean = (
        "-map",
        "0:a:0",
        "-vn",
        "-sn",
        "-dn",
        "-map_metadata",
        "-1",
        "-fflags",
        "+bitexact",
        "-flags:a",
        "+bitexact",
    )
    made = MADE.get(wanted)
    how = ("-c:a", "pcm_s16le", "-f", "s16le") if made is None else ("-c:a", *made.encoder, "-f", made.container)
    shape = ("-threads", "1", "-ac", channels, "-ar", rate)
    return (program, *general, *_read(source), "-i", "pipe:0", *clean, *shape, *how, "pipe:1")


def _read(source: Form) -> tuple[str, ...]:
    said: tuple[str, ...] = ()
    match source:
        case Samples(rate, channels):
            reader, decoders, said = "s16le", "pcm_s16le", ("-ar", str(rate), "-ac", str(channels))
        case Wav():
            reader, decoders = "wav", _PCM
        case Coded(codec):
            if codec not in _READ:
                raise SoundError(f"nobody here reads `{codec}`")
            reader, decoders = _READ[codec]
    return (
        "-protocol_whitelist",
        "pipe",
        "-format_whitelist",
        reader,
        "-codec_whitelist",
        decoders,
        "-f",
        reader,
        *said,
    )
