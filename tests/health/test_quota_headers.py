"""What vendors say of their quotas."""

from __future__ import annotations

import json
import math
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from routebook.health.quota_headers import LONGEST, LONGEST_QUOTA, asked_rest, last_for_now

NOW = 1_763_719_200.0
"""Friday, 21 November 2025, 10:00:00 UTC."""


def retry_info(delay: object) -> dict[str, Any]:
    """A refusal of Google's."""
    details = [
        {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": []},
        {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay},
    ]
    return {"error": {"code": 429, "message": "", "status": "RESOURCE_EXHAUSTED", "details": details}}


@pytest.mark.parametrize(
    ("headers", "body", "seconds"),
    [
        ({"Retry-After": "7"}, None, 7.0),
        ({"Retry-After": "Fri, 21 Nov 2025 10:00:07 GMT"}, None, 7.0),
        ({"Retry-After": "7", "retry-after-ms": "1500"}, None, 1.5),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "6m0s"}, None, 360.0),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "20ms"}, None, 0.02),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "1h2m3.5s"}, None, 3600.0),
        ({"x-ratelimit-remaining-tokens": "9", "x-ratelimit-reset-tokens": "1s"}, None, None),
        (
            {
                "x-ratelimit-remaining-requests": "0",
                "x-ratelimit-reset-requests": "1s",
                "x-ratelimit-remaining-tokens": "0",
                "x-ratelimit-reset-tokens": "12s",
            },
            None,
            12.0,
        ),
        ({"Retry-After": "2", "x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "6m"}, None, 2.0),
        (
            {
                "anthropic-ratelimit-output-tokens-remaining": "0",
                "anthropic-ratelimit-output-tokens-reset": "2025-11-21T10:00:30Z",
            },
            None,
            30.0,
        ),
        ({}, retry_info("34.07s"), 34.07),
        ({}, [retry_info("3s")], 3.0),
        ({}, retry_info(34), None),
        ({}, {"error": "retryDelay"}, None),
        ({}, None, None),
    ],
)
def test_how_long_a_refusal_asks_for(headers: dict[str, str], body: object, seconds: float | None) -> None:
    """Each vendor's way; the word about retrying counts before that about quotas, the longest empty quota counts."""
    rest = asked_rest(CIMultiDict(headers), b"" if body is None else json.dumps(body).encode(), NOW)
    assert (None if rest is None else rest.seconds) == (None if seconds is None else pytest.approx(seconds))


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("7\x1f", 7.0), ("0", 0.0), ("-1", 0.0), ("1000000000", LONGEST), ("Fri, 21 Nov 2025 09:00:00 GMT", 0.0)],
)
def test_absurd_wishes_are_bounded(written: str, seconds: float) -> None:
    """No upstream takes an account out for days, nor puts it back in the past."""
    rest = asked_rest({"retry-after": written}, b"", NOW)
    assert rest is not None and rest.seconds == seconds


@pytest.mark.parametrize("written", ["1e9", "NaN", "nan", "inf", "-", "", "soon", "7s", "٧", "1_0", "0x7"])
def test_what_cannot_be_understood_was_not_said(written: str) -> None:
    """No default is read into nonsense."""
    assert asked_rest({"retry-after": written, "retry-after-ms": written}, b"", NOW) is None


def test_a_quota_that_is_used_up_may_ask_for_a_day() -> None:
    """But for no more than that."""
    rest = asked_rest({"retry-after": "1000000"}, b"", NOW, LONGEST_QUOTA)
    assert rest is not None and rest.seconds == LONGEST_QUOTA


def test_a_good_answer_that_was_the_last_for_now() -> None:
    """Rests the account before anybody is refused; it says on which header's word."""
    headers = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "1s", "retry-after": "5"}
    rest = last_for_now(headers, NOW)
    assert rest is not None
    assert (rest.seconds, rest.because) == (1.0, "x-ratelimit-remaining-requests")
    assert last_for_now({"retry-after": "5"}, NOW) is None
    assert last_for_now({**headers, "x-ratelimit-remaining-requests": "1"}, NOW) is None
    past = {"anthropic-ratelimit-tokens-remaining": "0", "anthropic-ratelimit-tokens-reset": "2025-11-21T09:59:59Z"}
    assert last_for_now(past, NOW) is None


NAMES = [
    "retry-after",
    "retry-after-ms",
    *(f"x-ratelimit-{what}-{of}" for what in ("remaining", "reset") for of in ("requests", "tokens")),
    *(f"anthropic-ratelimit-{of}-{what}" for what in ("remaining", "reset") for of in ("requests", "input-tokens")),
]
MOMENTS = st.integers(0, (datetime.max - datetime.min) // timedelta(microseconds=1)).map(
    lambda micros: datetime.min + timedelta(microseconds=micros)
)
"""Any moment of any year: drawn as one number, which is cheaper than a calendar's parts."""

HOSTILE = st.one_of(
    st.text(max_size=40),
    st.sampled_from(["0", "-1", "1e9", "NaN", "inf", "9" * 15, "9" * 400, "0001-01-01", "9999-12-31T23:59:59-23:59"]),
    st.lists(st.sampled_from(["9" * 9, "0.5", "12", "ms", "s", "m", "h", "d", " ", "-"]), max_size=6).map("".join),
    MOMENTS.map(str),
    MOMENTS.map(lambda moment: moment.strftime("%a, %d %b %Y %H:%M:%S GMT")),
)


@given(st.dictionaries(st.sampled_from(NAMES), HOSTILE), st.binary(max_size=60) | st.just(b'{"retryDelay":1}'))
def test_whatever_is_said_is_finite_and_bounded(headers: dict[str, str], body: bytes) -> None:
    """Never an exception, never NaN, never below nothing or above the longest."""
    for rest in (asked_rest(headers, body, NOW), last_for_now(headers, NOW)):
        assert rest is None or (math.isfinite(rest.seconds) and 0 <= rest.seconds <= LONGEST)


@given(
    st.recursive(
        st.none() | st.integers() | st.text(max_size=5), lambda inner: st.lists(inner, max_size=3), max_leaves=10
    )
)
def test_any_json_may_stand_in_an_error(details: object) -> None:
    """Only a RetryInfo among its details says anything."""
    body = json.dumps({"error": {"details": details, "retryDelay": "1s"}}).encode()
    assert asked_rest({}, body, NOW) is None
