"""An upstream's errors in Anthropic's shape, and in the shapes of those who imitate it."""

from __future__ import annotations

from typing import Final

import msgspec

from routebook.chat.faults import Fault
from routebook.protocols.errors import ProtocolError
from routebook.protocols.forgiving import Forgiving

LONGEST: Final = 100
"""Characters of an upstream's word that are kept: it goes into the record."""

STATUS: Final = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "conflict_error": 409,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}
"""The HTTP status that the type of an error stands for, where it comes in a stream and has none."""

_TOO_LONG: Final = ("prompt is too long", "input is too long")
_UNSAID: Final = "the upstream failed without saying why"


class _Details(msgspec.Struct, gc=False):
    error_code: str | None = None
    param: str | None = None


class _Error(msgspec.Struct, gc=False):
    type: str | None = None
    message: str | None = None
    details: _Details | None = None
    code: str | int | None = None


class _Body(msgspec.Struct, gc=False):
    type: str | None = None
    error: _Error | str | None = None
    message: str | None = None


_BODY: Final = Forgiving(_Body)


def read_fault(status: int, body: bytes) -> Fault:
    """What an answer that is no success says; never raises. A status below 400 is that of a stream, which says nothing."""
    try:
        error = _error_of(_BODY.read(body))
    except ProtocolError:
        return Fault(status if status >= 400 else 500, _UNSAID)
    details = error.details or _Details()
    said = error.message or _UNSAID
    code = details.error_code or error.type or (None if error.code is None else str(error.code))
    if code == "invalid_request_error" and said.lower().startswith(_TOO_LONG):
        code = "context_length_exceeded"
    return Fault(_status(status, error), said, code, details.param)


def read_error_code(body: bytes) -> str | None:
    """The code of an error answer, or its type; None where it says neither."""
    code = read_fault(500, body).code
    return None if code is None else code[:LONGEST]


def _error_of(body: _Body) -> _Error:
    if isinstance(body.error, str):
        return _Error(message=body.error)
    return body.error or _Error(None if body.type == "error" else body.type, body.message)


def _status(status: int, error: _Error) -> int:
    if status >= 400:
        return status
    if isinstance(error.code, int) and 400 <= error.code < 600:
        return error.code
    return STATUS.get(error.type or "", 500)
