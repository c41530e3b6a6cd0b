"""Errors inside a stream of this dialect."""

from __future__ import annotations

from typing import Any

import msgspec

from routebook.protocols.openai_errors import error_object


def error_event(
    status: int,
    message: str,
    *,
    type: str | None = None,
    code: str | None = None,
    param: str | None = None,
    retry_after: float | None = None,
    number: int = 0,
) -> bytes:
    """An error as the last event of a stream; `number` is its place in it.

    The vendor documents the words at the top and sends them under `error`, where its clients look for what they raise
    (openai-dotnet 881): they stand in both places.
    """
    error = error_object(status, message, type=type, code=code, param=param)
    shown = {"code": error["code"], "message": error["message"], "param": param}
    return event("error", {"type": "error", "sequence_number": number, **shown, "error": error})


def event(name: str, data: dict[str, Any]) -> bytes:
    """One event; its name stands before it and in it."""
    return b"event: %b\ndata: %b\n\n" % (name.encode("ascii"), msgspec.json.encode(data))
