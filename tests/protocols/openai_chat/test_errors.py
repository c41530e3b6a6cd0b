"""Errors and lists in OpenAI's shape."""

from __future__ import annotations

import json

import pytest

from routebook.protocols.openai_chat.errors import error_body, error_event, model_body, models_body


def test_an_error_has_the_four_fields_that_clients_read() -> None:
    """All four are always there, null where there is nothing to say."""
    assert json.loads(error_body(404, "no such model", code="model.unknown", param="model")) == {
        "error": {"message": "no such model", "type": "not_found_error", "param": "model", "code": "model.unknown"}
    }
    assert json.loads(error_body(400, "m"))["error"]["code"] is None


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "invalid_request_error"),
        (401, "authentication_error"),
        (403, "permission_error"),
        (404, "not_found_error"),
        (418, "invalid_request_error"),
        (429, "rate_limit_error"),
        (500, "server_error"),
        (504, "server_error"),
    ],
)
def test_the_type_follows_from_the_status(status: int, kind: str) -> None:
    """Unless the caller knows better."""
    assert json.loads(error_body(status, "m"))["error"]["type"] == kind
    assert json.loads(error_body(status, "m", type="mine"))["error"]["type"] == "mine"


def test_an_error_in_a_stream_is_one_event_on_one_line() -> None:
    """A message with line ends cannot break out of its event."""
    event = error_event(502, "a\n\ndata: [DONE]\n\nb", code="upstream.cut")
    assert event.startswith(b'data: {"error":') and event.endswith(b"}\n\n")
    assert event.count(b"\n") == 2
    assert json.loads(event[6:])["error"]["message"] == "a\n\ndata: [DONE]\n\nb"


def test_half_a_surrogate_pair_in_a_message_is_replaced() -> None:
    """An error about an odd text must not become an error itself."""
    assert json.loads(error_body(400, "a\ud800"))["error"]["message"] == "a?"


def test_lists_of_models() -> None:
    """As `client.models.list()` and `.retrieve()` want them."""
    one = {"id": "a", "object": "model", "created": 0, "owned_by": "routebook"}
    assert json.loads(models_body(["a"])) == {"object": "list", "data": [one]}
    assert json.loads(model_body("a")) == one
