"""Which API a body is written for: told by what only one of them knows, said to be open where several fit."""

from __future__ import annotations

from typing import Any

import pytest

from routebook.protocols.dialects import OPERATIONS, PATHS
from routebook.protocols.shapes import CHAT, COMPLETION, EMBEDDINGS, GEMINI, MESSAGES, RESPONSES, paths_of

HELLO = [{"role": "user", "content": "hello"}]


@pytest.mark.parametrize(
    ("body", "paths"),
    [
        ({"messages": HELLO}, (CHAT,)),
        ({"messages": HELLO, "max_tokens": 5, "tools": [{"type": "function", "function": {"name": "f"}}]}, (CHAT,)),
        ({"messages": HELLO, "max_tokens": 5, "system": "s"}, (MESSAGES,)),
        ({"messages": HELLO, "max_tokens": 5, "tools": [{"name": "f", "input_schema": {}}]}, (MESSAGES,)),
        ({"messages": [{"role": "user", "content": [{"type": "image", "source": {}}]}]}, (MESSAGES,)),
        ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]}, (CHAT,)),
        ({"messages": [{"role": "user", "content": [{"type": "tool_result"}]}], "stop_sequences": []}, (MESSAGES,)),
        ({"messages": "not a list", "tools": {"not": "a list"}}, (CHAT,)),
        ({"contents": []}, (GEMINI,)),
        ({"input": HELLO}, (RESPONSES,)),
        ({"input": "hello", "instructions": "s"}, (RESPONSES,)),
        ({"input": ["a", "b"]}, (EMBEDDINGS,)),
        ({"input": [1, 2]}, (EMBEDDINGS,)),
        ({"input": "hello", "dimensions": 3}, (EMBEDDINGS,)),
        ({"input": "hello"}, (EMBEDDINGS, RESPONSES)),
        ({"prompt": "hello"}, (COMPLETION,)),
        ({"model": "m"}, ()),
    ],
)
def test_the_api_of_a_body(body: dict[str, Any], paths: tuple[str, ...]) -> None:
    """Whatever else stands in it."""
    assert paths_of({"model": "m", **body}, {}) == paths


def test_a_header_tells_too() -> None:
    """Anthropic's own libraries always send theirs."""
    assert paths_of({"messages": HELLO}, {"anthropic-version": "2023-06-01"}) == (MESSAGES,)


def test_the_paths_are_served() -> None:
    """Each leads to a dialect's own reader."""
    for path in (CHAT, COMPLETION, EMBEDDINGS, MESSAGES, RESPONSES):
        assert path in OPERATIONS
    assert PATHS.find(GEMINI.replace("{model}", "m")) is not None
