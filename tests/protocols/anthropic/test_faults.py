"""Errors of upstreams, and errors for clients."""

from __future__ import annotations

import json

import pytest

from routebook.chat.faults import Fault
from routebook.protocols.anthropic.errors import error_body, models_body
from routebook.protocols.anthropic.faults import read_error_code, read_fault

UNSAID = "the upstream failed without saying why"


@pytest.mark.parametrize(
    ("status", "body", "fault"),
    [
        (
            429,
            b'{"type":"error","error":{"type":"rate_limit_error","message":"no"}}',
            Fault(429, "no", "rate_limit_error"),
        ),
        (0, b'{"type":"error","error":{"type":"timeout_error","message":"no"}}', Fault(504, "no", "timeout_error")),
        (0, b'{"type":"error","error":{"type":"new_error","message":"no"}}', Fault(500, "no", "new_error")),
        (
            400,
            b'{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 9 tokens > 8 maximum"}}',
            Fault(400, "prompt is too long: 9 tokens > 8 maximum", "context_length_exceeded"),
        ),
        (
            409,
            b'{"error":{"type":"conflict_error","message":"no","details":{"error_code":"busy","param":"x"}}}',
            Fault(409, "no", "busy", "x"),
        ),
        (0, b'{"error":{"code":503,"message":"no"}}', Fault(503, "no", "503")),
        (502, b'{"error":"no"}', Fault(502, "no")),
        (502, b'{"message":"no","type":"gateway"}', Fault(502, "no", "gateway")),
        (502, b'{"type":"error"}', Fault(502, UNSAID)),
        (502, b"<html>", Fault(502, UNSAID)),
        (0, b"", Fault(500, UNSAID)),
    ],
)
def test_what_went_wrong_is_read(status: int, body: bytes, fault: Fault) -> None:
    """In the vendor's shape and in others; the kind is the status, or what the type stands for."""
    assert read_fault(status, body) == fault
    assert read_error_code(body) == fault.code


def test_the_type_is_one_of_the_vendors() -> None:
    """Words of other dialects give way to what the status stands for; there is an id where one is known."""

    def error(body: bytes) -> dict[str, object]:
        return dict(json.loads(body)["error"])

    assert error(error_body(429, "no", type="insufficient_quota")) == {"type": "rate_limit_error", "message": "no"}
    assert error(error_body(422, "no")) == {"type": "invalid_request_error", "message": "no"}
    assert error(error_body(502, "no", type="server_error")) == {"type": "api_error", "message": "no"}
    assert error(error_body(403, "no", type="billing_error"))["type"] == "billing_error"
    assert json.loads(error_body(400, "a\ud83d", request_id="req_1")) == {
        "type": "error",
        "error": {"type": "invalid_request_error", "message": "a?"},
        "request_id": "req_1",
    }


def test_a_list_of_models_is_one_page() -> None:
    """Its ends are named, as paging clients want."""
    listed = json.loads(models_body(["a", "b"]))
    assert (listed["has_more"], listed["first_id"], listed["last_id"]) == (False, "a", "b")
    assert listed["data"][0] == {
        "type": "model",
        "id": "a",
        "display_name": "a",
        "created_at": "1970-01-01T00:00:00Z",
        "lifecycle": "active",
    }
