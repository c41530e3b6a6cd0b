"""Embeddings requests."""

from __future__ import annotations

import json
from typing import Any

import pytest

from routebook.protocols.errors import ProtocolError
from routebook.protocols.openai_chat.embeddings import OpenAIEmbeddings, read_embeddings


def vectors(given: Any) -> OpenAIEmbeddings:
    """A request for vectors of this input."""
    return read_embeddings(json.dumps({"model": "e", "input": given, "user": "u"}).encode())


@pytest.mark.parametrize(
    ("given", "texts", "text", "counted"),
    [
        ("a b", 1, "a b", 0),
        (["a", "b"], 2, "a\nb", 0),
        ([1, 2, 3], 1, "", 3),
        ([[1, 2], [3]], 2, "", 3),
        ([], 0, "", 0),
    ],
)
def test_texts_and_tokens(given: Any, texts: int, text: str, counted: int) -> None:
    """A text, several, or tokens that the client counted itself."""
    asked = vectors(given)
    assert (asked.messages, asked.text, asked.counted_tokens) == (texts, text, counted)
    assert (asked.operation, asked.model, asked.user, asked.stream) == ("embeddings", "e", "u", False)
    assert (asked.max_output, asked.needs, asked.choices) == (0, frozenset(), 1)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"[]",
        b'{"model":"e"}',
        b'{"model":"e","input":null}',
        b'{"model":"e","input":5}',
        b'{"input":"a"}',
        b'{"model":"","input":"a"}',
    ],
)
def test_what_is_no_request_is_refused(raw: bytes) -> None:
    """Nothing but ProtocolError leaves the reader."""
    with pytest.raises(ProtocolError):
        read_embeddings(raw)


def test_an_input_of_a_strange_kind_is_refused_when_it_is_looked_at() -> None:
    """As for chats: what nobody asks about is the upstream's business."""
    with pytest.raises(ProtocolError) as caught:
        _ = vectors([{"a": 1}]).text
    assert caught.value.param == "input[0]"
