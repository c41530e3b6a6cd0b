"""Errors in OpenAI's shape, whole and inside a stream of chunks."""

from __future__ import annotations

from routebook.chat.faults import Fault
from routebook.protocols.openai_errors import error_body, model_body, models_body

__all__ = ["error_body", "error_event", "fault_body", "fault_event", "model_body", "models_body"]


def error_event(
    status: int,
    message: str,
    *,
    type: str | None = None,
    code: str | None = None,
    param: str | None = None,
    retry_after: float | None = None,
) -> bytes:
    """An error inside a stream, as one event; nothing may follow it, not even the end mark."""
    return b"data: " + error_body(status, message, type=type, code=code, param=param) + b"\n\n"


def fault_body(fault: Fault) -> bytes:
    """What an upstream of another dialect said went wrong, in this one's words."""
    return error_body(fault.status, fault.message, code=fault.code, param=fault.param)


def fault_event(fault: Fault) -> bytes:
    """The same inside a stream."""
    return error_event(fault.status, fault.message, code=fault.code, param=fault.param)
