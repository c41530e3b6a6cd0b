"""Tokens estimated from bytes."""

from __future__ import annotations

import base64
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routebook.chat.tokens import CLASSES, DEFAULT_FAMILY, WEIGHTS, estimate_tokens

ENGLISH = (
    "The quick brown fox jumps over the lazy dog, and then it rests for a while under the old tree by the river. "
    "Nobody knows why it does so, but everyone agrees that it has earned it. "
) * 20


def test_english_is_about_four_and_a_half_bytes_a_token() -> None:
    """Plain English prose has 4 to 5.2 bytes a token in the o200k vocabulary."""
    assert 4.0 <= len(ENGLISH) / estimate_tokens(ENGLISH) <= 5.2


def test_base64_is_dense() -> None:
    """Base64 has about two bytes a token: four times as many tokens as its length suggests to who divides by four."""
    text = base64.b64encode(b"".join(hashlib.sha256(bytes([n])).digest() for n in range(200))).decode()
    assert 1.5 <= len(text) / estimate_tokens(text) <= 2.3


def test_chinese_counts_by_character_not_by_byte() -> None:
    """A Chinese character is about one token."""
    text = "人工智能正在改变世界的运作方式" * 30
    assert 0.7 <= estimate_tokens(text) / len(text) <= 1.3


def test_nothing_has_no_tokens() -> None:
    """The empty text."""
    assert estimate_tokens("") == 0


@pytest.mark.parametrize("family", sorted(WEIGHTS))
def test_every_family_has_a_weight_for_every_class(family: str) -> None:
    """A missing weight would silently count a class as nothing."""
    assert len(WEIGHTS[family]) == len(CLASSES)


def test_an_unknown_family_counts_as_the_default() -> None:
    """A tokenizer nobody published still gets an estimate."""
    assert estimate_tokens(ENGLISH, "nobody-knows") == estimate_tokens(ENGLISH, DEFAULT_FAMILY)


@given(st.text())
def test_any_text_has_an_estimate_between_nothing_and_its_bytes(text: str) -> None:
    """No text fails, and none has more than three tokens a byte."""
    assert 0 <= estimate_tokens(text) <= 3 * len(text.encode("utf-8", "surrogatepass")) + 1


def test_half_a_surrogate_pair_is_counted() -> None:
    """JSON may carry lone surrogates; they must not break a decision."""
    assert estimate_tokens("\ud800abc") >= 1
