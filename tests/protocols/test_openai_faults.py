"""Errors of upstreams in OpenAI's shape, and in others'."""

from __future__ import annotations

import pytest

from routebook.chat.faults import Fault
from routebook.protocols.openai_faults import read_fault

SILENT = "the upstream failed without saying why"


@pytest.mark.parametrize(
    ("status", "body", "fault"),
    [
        (
            400,
            b'{"error":{"message":"too long","type":"invalid_request_error","param":"messages","code":"context_length_exceeded"}}',
            Fault(400, "too long", "context_length_exceeded", "messages"),
        ),
        (
            401,
            b'{"error":{"message":"no","type":"authentication_error","code":null}}',
            Fault(401, "no", "authentication_error"),
        ),
        (404, b'{"detail":"Not Found"}', Fault(404, "Not Found")),
        (422, b'{"object":"error","message":"bad","type":"BadRequestError","code":422}', Fault(422, "bad", "422")),
        (500, b'{"error":"boom"}', Fault(500, "boom")),
        (502, b"<html>", Fault(502, SILENT)),
        (503, b"", Fault(503, SILENT)),
        (500, b"[]", Fault(500, SILENT)),
        (0, b'{"error":{"message":"m","code":429}}', Fault(429, "m", "429")),
        (0, b'{"error":{"message":"m","code":"429"}}', Fault(429, "m", "429")),
        (0, b'{"error":{"message":"m","status":503,"code":7}}', Fault(503, "m", "7")),
        (0, b'{"error":{"message":"m","type":"rate_limit_error"}}', Fault(429, "m", "rate_limit_error")),
        (0, b'{"error":{"message":"m","type":"odd","code":"99999999999"}}', Fault(500, "m", "99999999999")),
        (200, b'{"error":{"message":["m"],"type":7}}', Fault(500, SILENT)),
    ],
)
def test_errors_are_read(status: int, body: bytes, fault: Fault) -> None:
    """Their kind is the status; in a stream, what their words amount to."""
    assert read_fault(status, body) == fault
