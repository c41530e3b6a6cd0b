"""Whole answers, read along."""

from __future__ import annotations

import pytest

from routebook.chat.usage import Usage
from routebook.protocols.openai_chat.response import Answered, read_answer, read_error_code


def test_an_answer_says_what_it_used_why_it_stopped_and_who_served() -> None:
    """The three things that the record needs; everything else is skipped."""
    body = b"""{"id":"x","model":"gpt-5.6-2026","choices":[{"index":1,"finish_reason":"stop"},
        {"index":0,"message":{"content":"hi"},"finish_reason":"length"}],
        "usage":{"prompt_tokens":3,"completion_tokens":2}}"""
    assert read_answer(body) == Answered(Usage(input=3, output=2), "length", "gpt-5.6-2026")


def test_a_slip_in_one_field_does_not_cost_the_usage() -> None:
    """Vendors differ; money is counted all the same."""
    body = b'{"model":5,"choices":[{"finish_reason":7}],"usage":{"prompt_tokens":3,"completion_tokens":1}}'
    assert read_answer(body) == Answered(Usage(input=3, output=1), None, None)


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"null", b'{"a":' + b"[" * 5000, b"\xff\xfe"])
def test_what_cannot_be_read_says_nothing(body: bytes) -> None:
    """Never an error: the client gets the bytes as they came."""
    assert read_answer(body) == Answered()
    assert read_error_code(body) is None


def test_a_word_of_an_upstream_is_kept_short() -> None:
    """It goes into the record, so it must be bounded."""
    answered = read_answer(b'{"model":"' + b"m" * 5000 + b'"}')
    assert answered.model == "m" * 100


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b'{"error":{"code":"insufficient_quota","type":"x"}}', "insufficient_quota"),
        (b'{"error":{"code":null,"type":"invalid_request_error"}}', "invalid_request_error"),
        (b'{"error":{"code":429}}', "429"),
        (b'{"error":"overloaded"}', "overloaded"),
        (b'{"error":{}}', None),
        (b'{"error":null}', None),
        (b'{"detail":"Not Found"}', None),
        (b'{"error":{"code":[1]}}', None),
    ],
)
def test_the_code_of_an_error_answer(body: bytes, code: str | None) -> None:
    """The code, or the type where there is none, whatever shape the vendor gives it."""
    assert read_error_code(body) == code
