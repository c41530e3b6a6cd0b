"""What an answer and a chunk of a stream have in common, read forgivingly: an upstream's slip in one field must not
cost the others, least of all the usage."""

from __future__ import annotations

from typing import Final, TypeVar

import msgspec
from msgspec import Raw

T = TypeVar("T")

NOTHING: Final = Raw(b"null")

LONGEST: Final = 100
"""Characters of an upstream's word that are kept: it goes into the record."""


class _Choice(msgspec.Struct, gc=False):
    index: int = 0
    finish_reason: str | None = None


class Said(msgspec.Struct, gc=False):
    """The fields that the record needs."""

    model: str | None = None
    choices: list[_Choice] | None = None
    usage: Raw = NOTHING
    error: Raw = NOTHING


class _Fields(msgspec.Struct, gc=False):
    model: Raw = NOTHING
    choices: Raw = NOTHING
    usage: Raw = NOTHING
    error: Raw = NOTHING


class _Error(msgspec.Struct, gc=False):
    code: str | int | None = None
    type: str | None = None


class _Sound(msgspec.Struct, gc=False):
    id: str | None = None


class _Words(msgspec.Struct, gc=False):
    audio: _Sound | None = None


class _Speaking(msgspec.Struct, gc=False):
    message: _Words | None = None
    delta: _Words | None = None


class _Spoken(msgspec.Struct, gc=False):
    choices: list[_Speaking] = []


SOUND: Final = b'"audio"'
"""What stands in everything that holds sound."""

_SPOKEN = msgspec.json.Decoder(_Spoken)
_SAID = msgspec.json.Decoder(Said)
_FIELDS = msgspec.json.Decoder(_Fields)
_MODEL = msgspec.json.Decoder(str | None)
_CHOICES = msgspec.json.Decoder(list[_Choice] | None)
_ERROR = msgspec.json.Decoder(_Error)
_TEXT = msgspec.json.Decoder(str)


def read_said(data: bytes) -> Said:
    """Whatever can be read of it; a field that is not what it should be counts as absent. Never raises."""
    try:
        return _SAID.decode(data)
    except (ValueError, RecursionError):
        fields = _tried(_FIELDS, data)
    if fields is None:
        return Said()
    return Said(_tried(_MODEL, fields.model), _tried(_CHOICES, fields.choices), fields.usage, fields.error)


def sound_id(data: bytes) -> str | None:
    """The id of what was spoken, which a later request may name; None where nothing was, or it has none."""
    spoken = _tried(_SPOKEN, data) if SOUND in data else None
    for choice in () if spoken is None else spoken.choices:
        words = choice.message or choice.delta
        if words is not None and words.audio is not None and words.audio.id:
            return words.audio.id
    return None


def code_of(error: Raw) -> str | None:
    """The code of an error object, or its type; the error itself where it is a mere text; None where it says none."""
    read = _tried(_ERROR, error)
    said = _tried(_TEXT, error) if read is None else read.type if read.code is None else str(read.code)
    return None if said is None else said[:LONGEST]


def _tried(decoder: msgspec.json.Decoder[T], data: bytes | Raw) -> T | None:
    try:
        return decoder.decode(data)
    except (ValueError, RecursionError):
        return None
