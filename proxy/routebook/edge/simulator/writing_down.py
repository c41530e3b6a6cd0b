"""What the simulated upstream makes of recorded sound: words that say what it heard, in every form that the API has.

As strict as the vendor (reference, 2026): subtitles and segments are for `whisper` models, events for all others.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from routebook.protocols.errors import ProtocolError, Side
from routebook.protocols.form import FormReader
from routebook.protocols.openai_chat.transcription import FORMATS, MS_PER_TOKEN, OpenAITranscription

SEGMENT_MS: Final = 2_000
"""The longest segment of subtitles."""

_KINDS: Final = {"srt": "text/plain", "vtt": "text/vtt", "text": "text/plain"}
_HEADS: Final = (b"RIFF", b"fLaC", b"OggS", b"ID3", b"\xff\xfb", b"\xff\xf3", b"\x1aE\xdf\xa3")


def check_form(asked: OpenAITranscription, form: FormReader) -> None:
    """Raise ProtocolError where the API would refuse the request."""
    is_old = asked.model.startswith("whisper")
    if form.file != "file" or not form.size:
        raise ProtocolError(Side.CLIENT, "`file` must be a file with sound in it", param="file")
    if not form.first.startswith(_HEADS) and form.first[4:8] != b"ftyp":
        raise ProtocolError(Side.CLIENT, "the sound is in no format that is known here", param="file")
    if asked.format not in FORMATS:
        raise ProtocolError(
            Side.CLIENT, f"`response_format` must be one of {', '.join(FORMATS)}", param="response_format"
        )
    if not is_old and asked.format not in ("json", "text", "diarized_json"):
        words = f"`{asked.format}` is for `whisper-1` alone"
        raise ProtocolError(Side.CLIENT, words, param="response_format", code="unsupported_value")
    if asked.operation == "translation" and (asked.stream or not is_old):
        raise ProtocolError(Side.CLIENT, "`whisper-1` alone translates, and not in events", param="model")
    temperature = asked.form.get("temperature", "0")
    if not temperature.replace(".", "", 1).isdigit() or not 0 <= float(temperature) <= 1:
        raise ProtocolError(Side.CLIENT, "`temperature` must be a number from 0 to 1", param="temperature")


def words_of(asked: OpenAITranscription) -> list[str]:
    """What was heard, word by word with the white space before each."""
    language = "en" if asked.operation == "translation" else asked.form.get("language", "en")
    text = f"{asked.heard_ms} milliseconds of simulated sound were heard by {asked.model} ({language})."
    first, *others = text.split(" ")
    return [first, *(f" {word}" for word in others)]


def whole_of(asked: OpenAITranscription) -> tuple[str, bytes]:
    """The media type and the body of a whole answer."""
    text, seconds = "".join(words_of(asked)), asked.heard_ms / 1000
    match asked.format:
        case "text":
            return _KINDS["text"], f"{text}\n".encode()
        case "srt" | "vtt":
            return _KINDS[asked.format], "\n".join(_subtitles(asked, text)).encode()
        case "verbose_json":
            segments = [
                {"id": n, "start": a / 1000, "end": b / 1000, "text": t} for n, a, b, t in _segments(asked, text)
            ]
            task = "translate" if asked.operation == "translation" else "transcribe"
            said = {"task": task, "language": asked.form.get("language", "english"), "duration": seconds}
            return "application/json", _json({**said, "text": text, "segments": segments, "usage": usage_of(asked)})
    return "application/json", _json({"text": text, "usage": usage_of(asked)})


def events_of(asked: OpenAITranscription) -> Iterator[Mapping[str, Any]]:
    """The same as events."""
    words = words_of(asked)
    yield from ({"type": "transcript.text.delta", "delta": word} for word in words)
    yield {"type": "transcript.text.done", "text": "".join(words), "usage": usage_of(asked)}


def usage_of(asked: OpenAITranscription) -> dict[str, Any]:
    """Seconds for the old model, tokens for all others."""
    if asked.model.startswith("whisper"):
        return {"type": "duration", "seconds": -(-asked.heard_ms // 1000)}
    heard, given, said = -(-asked.heard_ms // MS_PER_TOKEN), len(asked.text.split()), len(words_of(asked))
    return {
        "type": "tokens",
        "input_tokens": heard + given,
        "input_token_details": {"text_tokens": given, "audio_tokens": heard},
        "output_tokens": said,
        "total_tokens": heard + given + said,
    }


def _segments(asked: OpenAITranscription, text: str) -> Iterator[tuple[int, int, int, str]]:
    count = -(-asked.heard_ms // SEGMENT_MS) or 1
    size = -(-len(text) // count)
    for number in range(count):
        start = number * SEGMENT_MS
        yield number, start, min(start + SEGMENT_MS, asked.heard_ms), text[number * size : (number + 1) * size]


def _subtitles(asked: OpenAITranscription, text: str) -> Iterator[str]:
    point = "," if asked.format == "srt" else "."
    if asked.format == "vtt":
        yield "WEBVTT\n"
    for number, start, end, words in _segments(asked, text):
        if asked.format == "srt":
            yield str(number + 1)
        yield f"{_clock(start, point)} --> {_clock(end, point)}\n{words}\n"


def _clock(ms: int, point: str) -> str:
    seconds = ms // 1000
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}{point}{ms % 1000:03}"


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
