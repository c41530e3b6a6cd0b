"""Counting as OpenAI counts -> kinds that do not overlap, and not one token more or less."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routebook.chat.usage import Usage
from routebook.protocols.openai_chat.usage import read_usage


def read(**wire: Any) -> Usage | None:
    """The usage of a `usage` object."""
    return read_usage(json.dumps(wire).encode())


def test_parts_are_taken_out_of_their_wholes() -> None:
    """Each token counts once: cached, written and spoken ones are not plain input, reasoning is not plain output."""
    usage = read(
        prompt_tokens=100,
        completion_tokens=50,
        total_tokens=150,
        prompt_tokens_details={"cached_tokens": 30, "cache_write_tokens": 20, "audio_tokens": 10},
        completion_tokens_details={"reasoning_tokens": 25, "audio_tokens": 5, "accepted_prediction_tokens": 3},
    )
    assert usage == Usage(40, 30, 20, 10, 20, 25, 5)


@pytest.mark.parametrize(
    ("wire", "usage"),
    [
        ({"prompt_tokens": 8, "total_tokens": 8}, Usage(input=8)),
        ({"completion_tokens": 3, "total_tokens": 10}, Usage(input=7, output=3)),
        ({"prompt_tokens": 5, "completion_tokens": None}, None),
        ({"completion_tokens": 5}, None),
        ({"prompt_tokens": 0, "completion_tokens": 0}, Usage()),
        ({"prompt_tokens": 5.0, "completion_tokens": "3"}, Usage(input=5, output=3)),
        ({"prompt_tokens": 5, "completion_tokens": 0, "prompt_tokens_details": None}, Usage(input=5)),
        ({"prompt_tokens": 5, "total_tokens": 5, "prompt_tokens_details": {"cached_tokens": 9}}, Usage(cached_input=5)),
        ({}, None),
        ({"total_tokens": 5}, None),
        ({"prompt_tokens": -1}, None),
        ({"prompt_tokens": 2**60}, None),
    ],
)
def test_what_vendors_make_of_it(wire: dict[str, Any], usage: Usage | None) -> None:
    """Fields may be absent, null, or written as other numbers; what cannot be counted is not guessed."""
    assert read(**wire) == usage


@pytest.mark.parametrize("raw", [b"null", b"[]", b"{", b'"x"', b"", b"[" * 10_000])
def test_what_is_no_usage_is_none(raw: bytes) -> None:
    """Never an error: the answer is good all the same."""
    assert read_usage(raw) is None


COUNTS = st.integers(0, 2**40)


@settings(deadline=None)
@given(COUNTS, COUNTS, COUNTS, COUNTS, COUNTS, COUNTS, COUNTS)
def test_the_kinds_always_add_up_to_what_the_upstream_counted(
    prompt: int, completion: int, cached: int, written: int, heard: int, thought: int, spoken: int
) -> None:
    """However its details contradict its totals, no token is added and none is lost."""
    usage = read(
        prompt_tokens=prompt,
        completion_tokens=completion,
        prompt_tokens_details={"cached_tokens": cached, "cache_write_tokens": written, "audio_tokens": heard},
        completion_tokens_details={"reasoning_tokens": thought, "audio_tokens": spoken},
    )
    assert usage is not None
    assert (usage.total_input, usage.total_output) == (prompt, completion)
    assert min(usage.parts().values(), default=0) >= 0
