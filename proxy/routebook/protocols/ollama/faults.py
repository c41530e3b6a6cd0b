"""Ollama's errors: one text, whatever went wrong; the status says the rest, where there is one."""

from __future__ import annotations

from typing import Final

import msgspec

from routebook.chat.faults import Fault
from routebook.protocols.errors import ProtocolError
from routebook.protocols.forgiving import Forgiving

UNSAID: Final = "the upstream failed without saying why"


class _Inner(msgspec.Struct, gc=False):
    message: str | None = None
    code: str | None = None


class _Body(msgspec.Struct, gc=False):
    error: str | _Inner | None = None
    status_code: int | None = None


_BODY: Final = Forgiving(_Body)


def read_fault(status: int, body: bytes) -> Fault:
    """What an answer that is no success says; never raises. A status below 400 is that of a stream, which says nothing."""
    try:
        read = _BODY.read(body)
    except ProtocolError:
        read = _Body()
    error = _Inner(read.error) if isinstance(read.error, str) else read.error or _Inner()
    said = read.status_code if read.status_code is not None and 400 <= read.status_code < 600 else 500
    return Fault(status if status >= 400 else said, error.message or UNSAID, error.code)


def read_error_code(body: bytes) -> str | None:
    """The code of an error; this dialect has none."""
    return read_fault(0, body).code


def error_body(
    status: int,
    message: str,
    *,
    type: str | None = None,
    code: str | None = None,
    param: str | None = None,
    retry_after: float | None = None,
) -> bytes:
    """The body of a refusal."""
    return msgspec.json.encode({"error": message.encode("utf-8", "replace").decode("utf-8"), "status_code": status})


def error_event(
    status: int,
    message: str,
    *,
    type: str | None = None,
    code: str | None = None,
    param: str | None = None,
    retry_after: float | None = None,
) -> bytes:
    """An error inside a stream, as one line; nothing may follow it."""
    return error_body(status, message) + b"\n"
