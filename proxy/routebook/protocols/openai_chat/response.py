"""An answer that is not a stream: what the record needs of it. The bytes themselves go to the client as they came."""

from __future__ import annotations

import msgspec
from msgspec import Raw

from routebook.chat.usage import Usage
from routebook.protocols.openai_chat.usage import read_usage

NOTHING = Raw(b"null")


class _Choice(msgspec.Struct, gc=False):
    index: int = 0
    finish_reason: str | None = None


class _Body(msgspec.Struct, gc=False):
    model: str | None = None
    choices: list[_Choice] | None = None
    usage: Raw = NOTHING


class _Error(msgspec.Struct, gc=False):
    code: str | int | None = None
    type: str | None = None
    param: str | None = None


class _ErrorBody(msgspec.Struct, gc=False):
    error: Raw = NOTHING


class Answered(msgspec.Struct, frozen=True, gc=False):
    """What an answer says of itself; None is what it does not say."""

    usage: Usage | None = None
    finish_reason: str | None = None
    model: str | None = None


_BODY = msgspec.json.Decoder(_Body)
_ERROR_BODY = msgspec.json.Decoder(_ErrorBody)
_ERROR = msgspec.json.Decoder(_Error)
_UNREADABLE = Answered()


def read_answer(body: bytes) -> Answered:
    """What stands in a whole answer; nothing where it cannot be read (never raises: the client still gets it)."""
    try:
        read = _BODY.decode(body)
    except (ValueError, RecursionError):
        return _UNREADABLE
    choices = read.choices or ()
    finish = next((each.finish_reason for each in choices if each.index == 0),
                  choices[0].finish_reason if choices else None)
    return Answered(read_usage(read.usage) if read.usage is not NOTHING else None, finish, read.model)


def read_error_code(body: bytes) -> str | None:
    """The code of an error answer (`context_length_exceeded`), or its type; None where it says neither."""
    try:
        error = _ERROR.decode(_ERROR_BODY.decode(body).error)
    except (ValueError, RecursionError):
        return None
    code = error.code if error.code is not None else error.type
    return None if code is None else str(code)[:100]
