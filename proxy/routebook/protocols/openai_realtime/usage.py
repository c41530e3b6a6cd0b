"""What a response of a session used, in OpenAI's words. Sound and text, fresh and cached, have prices of their own."""

from __future__ import annotations

import msgspec

from routebook.chat.usage import Usage


class _Cached(msgspec.Struct, gc=False):
    text_tokens: int = 0
    audio_tokens: int = 0
    image_tokens: int = 0


class _Input(msgspec.Struct, gc=False):
    audio_tokens: int = 0
    cached_tokens: int = 0
    cached_tokens_details: _Cached | None = None


class _Output(msgspec.Struct, gc=False):
    audio_tokens: int = 0


class _Usage(msgspec.Struct, gc=False):
    input_tokens: int = 0
    output_tokens: int = 0
    input_token_details: _Input | None = None
    output_token_details: _Output | None = None
    type: str = "tokens"
    seconds: float = 0.0


_READER = msgspec.json.Decoder(_Usage, strict=False)


def read_usage(raw: bytes | memoryview) -> Usage | None:
    """The usage in kinds that do not overlap; None where it cannot be read, or counts nothing in tokens.

    Cached tokens are part of the input, of sound as of text; where nobody says which they were, they are taken for text as
    far as there was text.
    """
    said = _said(raw)
    return None if said is None or said.type != "tokens" else _counted(said)


def read_seconds(raw: bytes | memoryview) -> float:
    """The seconds that a transcription is billed by; 0 where it is billed otherwise."""
    said = _said(raw)
    return 0.0 if said is None or said.type != "duration" else max(0.0, said.seconds)


def _said(raw: bytes | memoryview) -> _Usage | None:
    try:
        return _READER.decode(raw)
    except (msgspec.DecodeError, RecursionError):
        return None


def _counted(said: _Usage) -> Usage:
    way_in, way_out = said.input_token_details or _Input(), said.output_token_details or _Output()
    total_in, total_out = max(0, said.input_tokens), max(0, said.output_tokens)
    heard, spoken = _within(way_in.audio_tokens, total_in), _within(way_out.audio_tokens, total_out)
    cached = _within(way_in.cached_tokens, total_in)
    details = way_in.cached_tokens_details
    cached_sound = max(0, cached - (total_in - heard)) if details is None else _within(details.audio_tokens, cached)
    cached_sound = min(cached_sound, heard)
    cached_text = min(cached - cached_sound, total_in - heard)
    return Usage(
        input=total_in - heard - cached_text,
        cached_input=cached_text,
        audio_input=heard - cached_sound,
        cached_audio_input=cached_sound,
        output=total_out - spoken,
        audio_output=spoken,
    )


def _within(count: int, most: int) -> int:
    return min(max(0, count), most)
