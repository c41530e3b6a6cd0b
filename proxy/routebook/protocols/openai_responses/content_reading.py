"""What messages and results of tools are made of, read from a client's request."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec
from msgspec import Raw

from routebook.chat.parts import Audio, CacheMark, Document, Foreign, Image, Inline, Part, Refusal, Stored, Text, Url
from routebook.protocols.body import RAWS, WORD, decode, is_null, json_of, starts_with, wrong
from routebook.protocols.media import base64_at, media_at
from routebook.protocols.openai_responses.annotations import citation_of
from routebook.protocols.openai_responses.carries import VENDOR
from routebook.protocols.openai_responses.seals import DIALECT

UNNAMED: Final = "document"
"""The name of a document that has none: this dialect wants one."""

AUDIO_TYPES: Final = {"wav": "audio/wav", "mp3": "audio/mpeg"}
"""Media types of the formats of sound."""


class _Breakpoint(msgspec.Struct, gc=False):
    ttl: str | None = None


class _Sound(msgspec.Struct, gc=False):
    data: str
    format: str


class _WirePart(msgspec.Struct, gc=False):
    type: str
    text: str | None = None
    refusal: str | None = None
    annotations: list[dict[str, Any]] | None = None
    image_url: str | None = None
    detail: str | None = None
    file_id: str | None = None
    file_url: str | None = None
    file_data: str | None = None
    filename: str | None = None
    input_audio: _Sound | None = None
    prompt_cache_breakpoint: _Breakpoint | None = None


_PART: Final = msgspec.json.Decoder(_WirePart)
_NEEDED: Final = {
    "input_text": "text",
    "output_text": "text",
    "refusal": "refusal",
    "input_image": "image_url",
    "input_file": "file_data",
    "input_audio": "input_audio",
}
"""What a part of a type must have."""


def read_content(raw: Raw | None, at: str) -> Iterator[Part]:
    """The parts of a content that stands at `at`: a mere text, or a list."""
    if raw is None or is_null(raw):
        return
    if not starts_with(raw, b"["):
        text = decode(WORD, raw, at)
        if text:
            yield Text(text)
        return
    parts = decode(RAWS, raw, at)
    for index, each in enumerate(parts):
        yield from _part(each, f"{at}[{index}]")


def _part(raw: Raw, at: str) -> Iterator[Part]:
    part = decode(_PART, raw, at)
    mark = part.prompt_cache_breakpoint
    cache = None if mark is None else CacheMark(mark.ttl)
    match part.type:
        case "input_text" | "output_text" if part.text is not None:
            citations = tuple(map(citation_of, part.annotations or ()))
            if part.text or cache or citations:
                yield Text(part.text, citations, cache=cache)
        case "refusal" if part.refusal is not None:
            yield Refusal(part.refusal)
        case "input_image" if part.image_url is not None or part.file_id is not None:
            yield Image(_media(part.image_url, part.file_id, f"{at}.image_url"), _detail(part.detail), cache)
        case "input_file" if part.file_data or part.file_id or part.file_url:
            yield _document(part, cache, at)
        case "input_audio" if part.input_audio is not None:
            sound = part.input_audio
            media_type = AUDIO_TYPES.get(sound.format, f"audio/{sound.format}")
            yield Audio(Inline(media_type, base64_at(sound.data, f"{at}.input_audio.data")), cache=cache)
        case known if known in _NEEDED:
            raise wrong(f"a part of this type has a `{_NEEDED[known]}`", at)
        case _:
            yield Foreign(DIALECT, part.type, json_of(raw))


def _detail(word: str | None) -> str | None:
    """`auto` is what is meant without a word, and what must be written for some."""
    return None if word == "auto" else word


def _document(part: _WirePart, cache: CacheMark | None, at: str) -> Document:
    name = None if part.filename == UNNAMED else part.filename
    if part.file_id:
        return Document(Stored(VENDOR, part.file_id), name, cache=cache)
    if part.file_url:
        return Document(_media(part.file_url, None, f"{at}.file_url"), name, cache=cache)
    data = part.file_data or ""
    if data[:5].lower() == "data:":
        return Document(_media(data, None, f"{at}.file_data"), name, cache=cache)
    return Document(Inline("application/pdf", base64_at(data, f"{at}.file_data")), name, cache=cache)


def _media(url: str | None, identity: str | None, at: str) -> Inline | Url | Stored:
    if url is None:
        return Stored(VENDOR, identity or "")
    return media_at(url, at)
