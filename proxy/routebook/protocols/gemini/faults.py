"""An upstream's errors, in the shape of `google.rpc.Status`."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from routebook.chat.faults import Fault
from routebook.protocols.errors import ProtocolError
from routebook.protocols.forgiving import Forgiving, loosely
from routebook.protocols.gemini.answers import short

STATUS: Final = {
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "OUT_OF_RANGE": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "ABORTED": 409,
    "ALREADY_EXISTS": 409,
    "RESOURCE_EXHAUSTED": 429,
    "CANCELLED": 499,
    "INTERNAL": 500,
    "UNKNOWN": 500,
    "DATA_LOSS": 500,
    "UNIMPLEMENTED": 501,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}
"""The HTTP status of each of Google's words."""

SILENT: Final = "the upstream failed without saying why"


class _Violation(msgspec.Struct, gc=False):
    field: str | None = None


class _Detail(msgspec.Struct, gc=False, rename="camel"):
    reason: str | None = None
    retry_delay: str | None = None
    field_violations: list[_Violation] | None = None


class _Error(msgspec.Struct, gc=False):
    code: int | None = None
    message: str | None = None
    status: str | None = None
    details: list[_Detail] | None = None


class _Body(msgspec.Struct, gc=False):
    error: _Error | str | None = None
    message: str | None = None
    detail: str | None = None


_BODY: Final = Forgiving(_Body)


def read_fault(status: int, body: bytes) -> Fault:
    """What an answer that is no success says; never raises. A status below 400 is that of a stream, which says nothing.

    Streams that are arrays fail with an array.
    """
    try:
        read = _BODY.read(_only(body))
    except ProtocolError:
        return Fault(status if status >= 400 else 500, SILENT)
    error = read.error if read.error is not None else _Error(message=read.message or read.detail)
    if isinstance(error, str):
        error = _Error(message=error)
    details = error.details or ()
    reason = next((each.reason for each in details if each.reason), error.status)
    fields = (violation.field for each in details for violation in each.field_violations or () if violation.field)
    waits = (seconds for each in details if (seconds := _seconds(each.retry_delay)) is not None)
    return Fault(_status(status, error), error.message or SILENT, short(reason), next(fields, None), next(waits, None))


def read_error_code(body: bytes) -> str | None:
    """The reason that an error answer gives (`API_KEY_INVALID`), or its status; None where it says neither."""
    return read_fault(0, body).code


def _only(body: bytes) -> bytes:
    if not body.lstrip().startswith(b"["):
        return body
    listed: Any = loosely(body)
    return msgspec.json.encode(listed[0]) if listed else b"{}"


def _status(status: int, error: _Error) -> int:
    if status >= 400:
        return status
    if error.code is not None and 400 <= error.code < 600:
        return error.code
    return STATUS.get(error.status or "", 500)


def _seconds(delay: str | None) -> float | None:
    """A duration as protocol buffers write it (`37s`, `0.5s`)."""
    try:
        seconds = float((delay or "").removesuffix("s"))
    except ValueError:
        return None
    return seconds if 0 <= seconds < float("inf") else None
