"""An upstream's errors in OpenAI's shape, in all of its dialects, and in the shapes of those who imitate it."""

from __future__ import annotations

from typing import Final

import msgspec

from routebook.chat.faults import Fault
from routebook.protocols.errors import ProtocolError
from routebook.protocols.forgiving import Forgiving

LONGEST: Final = 100
"""Characters of an upstream's word that are kept: it goes into the record."""

_STATUS: Final = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "invalid_api_key": 401,
    "permission_error": 403,
    "not_found_error": 404,
    "model_not_found": 404,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "insufficient_quota": 429,
    "tokens": 429,
    "requests": 429,
    "server_error": 500,
    "overloaded": 503,
    "overloaded_error": 503,
    "timeout": 504,
    "too_many_requests": 429,
    "slow_down": 429,
    "server_is_overloaded": 503,
    "context_length_exceeded": 400,
    "invalid_prompt": 400,
    "bio_policy": 400,
    "failed_to_download_image": 400,
    "image_content_policy_violation": 400,
}
"""The HTTP status that the words of an error stand for, where it comes in a stream and has none."""


class WireError(msgspec.Struct, gc=False):
    """What went wrong, as it stands in an answer; `status` and a number as `code` are others' ways."""

    message: str | None = None
    type: str | None = None
    code: str | int | None = None
    param: str | None = None
    status: int | None = None


class _Body(msgspec.Struct, gc=False):
    error: WireError | str | None = None
    message: str | None = None
    detail: str | None = None
    type: str | None = None
    code: str | int | None = None
    param: str | None = None


_BODY: Final = Forgiving(_Body)


def read_fault(status: int, body: bytes) -> Fault:
    """What an answer that is no success says; never raises. A status below 400 is that of a stream, which says nothing."""
    try:
        read = _BODY.read(body)
    except ProtocolError:
        return Fault(_status(status, None), "the upstream failed without saying why")
    error = read.error
    if error is None:
        kind = None if read.type == "error" else read.type
        error = WireError(read.message or read.detail, kind, read.code, read.param)
    return fault_of(status, error)


def fault_of(status: int, error: WireError | str) -> Fault:
    """What an error object says, or a mere text; never raises."""
    if isinstance(error, str):
        error = WireError(error)
    code = error.type if error.code is None else str(error.code)
    said = error.message or "the upstream failed without saying why"
    return Fault(_status(status, error), said, code, error.param)


def _status(status: int, error: WireError | None) -> int:
    if status >= 400:
        return status
    if error is not None:
        for number in (error.status, error.code):
            if isinstance(number, int) and 400 <= number < 600:
                return number
        for word in (error.code, error.type):
            if isinstance(word, str) and word in _STATUS:
                return _STATUS[word]
            if isinstance(word, str) and word.isdecimal() and 400 <= int(word[:4]) < 600:
                return int(word)
    return 500


def read_error_code(body: bytes) -> str | None:
    """The code of an error answer (`context_length_exceeded`), or its type; None where it says neither."""
    code = read_fault(0, body).code
    return None if code is None else code[:LONGEST]
