"""Errors and lists in Google's shape."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from routebook.chat.faults import Fault

WORDS: Final = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    402: "RESOURCE_EXHAUSTED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    408: "DEADLINE_EXCEEDED",
    409: "ABORTED",
    413: "INVALID_ARGUMENT",
    415: "INVALID_ARGUMENT",
    422: "INVALID_ARGUMENT",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
"""Google's word by HTTP status."""

OVERLOADED: Final = 529
"""A status that Google's clients do not know; they are told 503."""

_METHODS: Final = ("generateContent", "streamGenerateContent", "countTokens")


def error_body(
    status: int,
    message: str,
    *,
    type: str | None = None,
    code: str | None = None,
    param: str | None = None,
    retry_after: float | None = None,
) -> bytes:
    """The body of a refusal. `type` is Google's word, which follows from the status where it is not one of them;
    `code` becomes its reason, `param` the field at fault, `retry_after` (seconds) what retrying clients wait for."""
    status = 503 if status == OVERLOADED else status
    word = type if type in WORDS.values() else WORDS.get(status, "INTERNAL" if status >= 500 else "FAILED_PRECONDITION")
    error: dict[str, Any] = {"code": status, "message": _clean(message), "status": word}
    details = list(_details(message, code, param, retry_after))
    if details:
        error["details"] = details
    return msgspec.json.encode({"error": error})


def error_event(
    status: int,
    message: str,
    *,
    type: str | None = None,
    code: str | None = None,
    param: str | None = None,
    retry_after: float | None = None,
    is_array: bool = False,
) -> bytes:
    """An error inside a stream that has begun, after which nothing may follow; in a stream that `is_array`, its end."""
    body = error_body(status, message, type=type, code=code, param=param, retry_after=retry_after)
    return b",\n" + body + b"]" if is_array else b"data: " + body + b"\n\n"


def fault_body(fault: Fault) -> bytes:
    """What an upstream of another dialect said went wrong, in this one's words."""
    return error_body(fault.status, fault.message, code=fault.code, param=fault.param, retry_after=fault.retry_after)


def models_body(names: Iterable[str], created: int = 0) -> bytes:
    """The list of models that a client may use."""
    return msgspec.json.encode({"models": [_model(name) for name in names]})


def model_body(name: str, created: int = 0) -> bytes:
    """One model of that list."""
    return msgspec.json.encode(_model(name))


def _model(name: str) -> dict[str, Any]:
    return {
        "name": f"models/{name}",
        "baseModelId": name,
        "version": "1",
        "displayName": name,
        "supportedGenerationMethods": _METHODS,
    }


def _details(message: str, code: str | None, param: str | None, retry_after: float | None) -> Iterable[dict[str, Any]]:
    if code is not None:
        yield {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": _clean(code), "domain": "routebook"}
    if param is not None:
        violation = {"field": _clean(param), "description": _clean(message)}
        yield {"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": [violation]}
    if retry_after is not None:
        yield {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": f"{retry_after:g}s"}


def _clean(text: str) -> str:
    """Text that is always valid UTF-8: half of a surrogate pair becomes a replacement character."""
    return text.encode("utf-8", "replace").decode("utf-8")
