"""Which family of tokenizers a model is of, by its name."""

from __future__ import annotations

import pytest

from routebook.catalogue.tokenizers import DEFAULT, FAMILIES, family_of


@pytest.mark.parametrize(
    ("model", "family"),
    [
        ("gpt-5.6-mini", "o200k_base"),
        ("gpt-4o-2024-08-06", "o200k_base"),
        ("gpt-4.1", "o200k_base"),
        ("o3-mini", "o200k_base"),
        ("openai/gpt-oss-120b", "o200k_base"),
        ("gpt-4-turbo", "cl100k_base"),
        ("gpt-3.5-turbo", "cl100k_base"),
        ("text-embedding-3-small", "cl100k_base"),
        ("meta-llama/Llama-3.3-70B-Instruct", "llama3"),
        ("llama3.3:70b", "llama3"),
        ("us.meta.llama3-3-70b-instruct-v1:0", "llama3"),
        ("llama-2-13b", "mistral_v1"),
        ("Qwen/Qwen3-32B", "qwen3"),
        ("deepseek-chat", "deepseek_v3"),
        ("deepseek-r1-distill-llama-70b", "o200k_base"),
        ("mistral-large-latest", "mistral_v3"),
        ("open-mixtral-8x22b", "mistral_v3"),
        ("mixtral-8x7b-32768", "mistral_v1"),
        ("ministral-8b", "mistral_v3"),
        ("glm-4.6", "glm4"),
        ("claude-opus-4-7", DEFAULT),
        ("gemini-3-pro", DEFAULT),
        ("", DEFAULT),
    ],
)
def test_a_name_tells_its_family(model: str, family: str) -> None:
    """By how the line's names begin, whoever serves it; nobody published those of Claude and Gemini."""
    assert family_of(model) == family and family in FAMILIES
