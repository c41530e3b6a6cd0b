"""The page on voice says what is true: its policy is one, and its program talks."""

from __future__ import annotations

import re
from pathlib import Path

from routebook.documents.printing import as_text
from routebook.routing.reading.loading import load_sources

PAGE = (Path(__file__).parents[3] / "docs" / "voice.md").read_text()


def block(language: str) -> str:
    """The page's block in a language."""
    found = re.search(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]


def test_its_policy_is_one() -> None:
    """Read, checked and proven without a problem."""
    result = load_sources((("policy.yaml", block("yaml")),))
    assert result.policy is not None, as_text(result.problems, result.documents)
    assert not result.problems.found, as_text(result.problems, result.documents)
