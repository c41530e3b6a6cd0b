"""Errors and lists in OpenAI's shape."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from routebook.chat.faults import Fault

TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "invalid_request_error",
    415: "invalid_request_error",
    422: "invalid_request_error",
    429: "rate_limit_error",
}
"""OpenAI's `type` by HTTP status; 500 and above are `server_error`."""


def error_body(
    status: int, message: str, *, type: str | None = None, code: str | None = None, param: str | None = None
) -> bytes:
    """The body of a refusal; `type` follows from the status where it is not given."""
    return msgspec.json.encode({"error": _error(status, message, type, code, param)})


def error_event(
    status: int, message: str, *, type: str | None = None, code: str | None = None, param: str | None = None
) -> bytes:
    """An error inside a stream, as one event; nothing may follow it, not even the end mark."""
    return b"data: " + error_body(status, message, type=type, code=code, param=param) + b"\n\n"


def fault_body(fault: Fault) -> bytes:
    """What an upstream of another dialect said went wrong, in this one's words."""
    return error_body(fault.status, fault.message, code=fault.code, param=fault.param)


def fault_event(fault: Fault) -> bytes:
    """The same inside a stream."""
    return error_event(fault.status, fault.message, code=fault.code, param=fault.param)


def models_body(names: Iterable[str], created: int = 0) -> bytes:
    """The list of models that a client may use."""
    return msgspec.json.encode({"object": "list", "data": [_model(name, created) for name in names]})


def model_body(name: str, created: int = 0) -> bytes:
    """One model of that list."""
    return msgspec.json.encode(_model(name, created))


def _model(name: str, created: int) -> dict[str, object]:
    return {"id": name, "object": "model", "created": created, "owned_by": "routebook"}


def _error(status: int, message: str, type: str | None, code: str | None, param: str | None) -> dict[str, object]:
    words = type or TYPES.get(status) or ("server_error" if status >= 500 else "invalid_request_error")
    return {"message": _clean(message), "type": words, "param": param, "code": code}


def _clean(text: str) -> str:
    """Text that is always valid UTF-8: half of a surrogate pair becomes a replacement character."""
    return text.encode("utf-8", "replace").decode("utf-8")
