"""Errors and lists in Anthropic's shape."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from routebook.chat.faults import Fault
from routebook.protocols.anthropic.faults import STATUS

_TYPES: Final = {status: word for word, status in STATUS.items()} | {408: "timeout_error", 503: "overloaded_error"}


def error_body(
    status: int,
    message: str,
    *,
    type: str | None = None,
    code: str | None = None,
    param: str | None = None,
    retry_after: float | None = None,
    request_id: str | None = None,
) -> bytes:
    """The body of a refusal; `type` follows from the status where it is none of Anthropic's. The code stands where the
    vendor's own codes do, so that clients find it as `error_code`."""
    words = (
        type if type in STATUS else _TYPES.get(status) or ("api_error" if status >= 500 else "invalid_request_error")
    )
    error: dict[str, Any] = {"type": words, "message": _clean(message)}
    details = {key: value for key, value in (("error_code", code), ("param", param)) if value is not None}
    if details:
        error["details"] = details
    body: dict[str, Any] = {"type": "error", "error": error}
    if request_id is not None:
        body["request_id"] = request_id
    return msgspec.json.encode(body)


def error_event(
    status: int,
    message: str,
    *,
    type: str | None = None,
    code: str | None = None,
    param: str | None = None,
    retry_after: float | None = None,
    request_id: str | None = None,
) -> bytes:
    """An error inside a stream, as one event; nothing may follow it."""
    body = error_body(status, message, type=type, code=code, param=param, request_id=request_id)
    return b"event: error\ndata: " + body + b"\n\n"


def fault_event(fault: Fault) -> bytes:
    """What an upstream said went wrong, inside a stream."""
    return error_event(fault.status, fault.message, code=fault.code, param=fault.param)


def models_body(names: Iterable[str], created: int = 0) -> bytes:
    """The list of models that a client may use, as one page."""
    models = [_model(name, created) for name in names]
    ends = {"first_id": models[0]["id"], "last_id": models[-1]["id"]} if models else {"first_id": None, "last_id": None}
    return msgspec.json.encode({"data": models, "has_more": False, **ends})


def model_body(name: str, created: int = 0) -> bytes:
    """One model of that list."""
    return msgspec.json.encode(_model(name, created))


def _model(name: str, created: int) -> dict[str, Any]:
    born = datetime.fromtimestamp(created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"type": "model", "id": name, "display_name": name, "created_at": born, "lifecycle": "active"}


def _clean(text: str) -> str:
    """Text that is always valid UTF-8: half of a surrogate pair becomes a replacement character."""
    return text.encode("utf-8", "replace").decode("utf-8")
