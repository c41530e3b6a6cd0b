"""Errors and lists of models as OpenAI writes them, in all of its dialects."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

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


def error_object(
    status: int, message: str, *, type: str | None = None, code: str | None = None, param: str | None = None
) -> dict[str, object]:
    """What went wrong; `type` follows from the status where it is not given."""
    words = type or TYPES.get(status) or ("server_error" if status >= 500 else "invalid_request_error")
    return {"message": _clean(message), "type": words, "param": param, "code": code}


def error_body(
    status: int,
    message: str,
    *,
    type: str | None = None,
    code: str | None = None,
    param: str | None = None,
    retry_after: float | None = None,
) -> bytes:
    """The body of a refusal; when to try again stands in a header."""
    return msgspec.json.encode({"error": error_object(status, message, type=type, code=code, param=param)})


def models_body(names: Iterable[str], created: int = 0) -> bytes:
    """The list of models that a client may use."""
    return msgspec.json.encode({"object": "list", "data": [_model(name, created) for name in names]})


def model_body(name: str, created: int = 0) -> bytes:
    """One model of that list."""
    return msgspec.json.encode(_model(name, created))


def _model(name: str, created: int) -> dict[str, object]:
    return {"id": name, "object": "model", "created": created, "owned_by": "routebook"}


def _clean(text: str) -> str:
    """Text that is always valid UTF-8: half of a surrogate pair becomes a replacement character."""
    return text.encode("utf-8", "replace").decode("utf-8")
