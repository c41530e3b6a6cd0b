"""`routebook fmt` changes how a policy looks and never what it says: over scribbled YAML, and over every policy here."""

from __future__ import annotations

import dataclasses
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from routebook.documents.formatting.form import in_form
from routebook.documents.loading import load_text
from routebook.documents.nodes import Node, Scalar, scalars_of
from routebook.documents.problems import Location, Problems
from routebook.routing.facts import FACTS
from routebook.routing.reading.loading import load_sources
from routebook.routing.reading.published import policy_schema
from tests.support.scribbled import COMMENTS, scribbles

ROOT = Path(__file__).parents[2]
SCHEMA = policy_schema(FACTS)
POLICIES = sorted(
    {path.parent for path in [*(ROOT / "rules").glob("*.yaml"), *(ROOT / "tests" / "corpus").rglob("*.yaml")]}
    - {ROOT / "rules" / "tests"}
)


def words_of(node: Node | None) -> Counter[tuple[str, bool]]:
    """Every scalar with whether it stands in quotes, however often."""
    return Counter(("~" if word.is_null else word.text, word.quoted) for word in scalars_of(node))


def words_in_comments(text: str) -> Counter[str]:
    """How often each comment that can be told from a value stands in a text, found without the formatter's own eyes."""
    marked = [comment.rstrip() for comment in COMMENTS if len(comment) > 3]
    return Counter({comment: text.count(comment) for comment in marked})


@settings(max_examples=400, deadline=None)
@given(scribbles())
def test_scribbles_keep_words_and_comments(text: str) -> None:
    """Every value and every comment is there afterwards, and a second time changes nothing."""
    problems = Problems()
    formed = in_form("policy.yaml", text, SCHEMA, problems)
    assert formed is not None, problems.found
    before, after = load_text("a", text, Problems()).root, load_text("b", formed, Problems()).root
    assert isinstance(before, Scalar) or type(before) is type(after)
    assert words_of(before) == words_of(after)
    assert words_in_comments(text) == words_in_comments(formed)
    assert in_form("policy.yaml", formed, SCHEMA, Problems()) == formed


def said(value: object) -> Any:
    """A compiled policy as plain values, without what only says where something stands."""
    if isinstance(value, Location):
        return None
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = [field.name for field in dataclasses.fields(value) if field.name not in ("digest", "sources", "tree")]
        return type(value).__name__, {name: said(getattr(value, name)) for name in fields}
    if isinstance(value, dict):
        return {key: said(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [said(inner) for inner in value]
    return value


@pytest.mark.parametrize("directory", POLICIES, ids=[str(path.relative_to(ROOT)) for path in POLICIES])
def test_policies_mean_what_they_meant(directory: Path) -> None:
    """The compiled policy, or what is wrong with it, is the same; the order of what is found wrong may change."""
    files = [path for path in sorted(directory.rglob("*.yaml")) if path.parent in (directory, directory / "tests")]
    try:
        before = [(path.relative_to(directory).as_posix(), path.read_bytes().decode()) for path in files]
    except UnicodeDecodeError:
        return
    after = []
    for name, text in before:
        formed = in_form(name, text, SCHEMA, Problems())
        after.append((name, text if formed is None else formed))
    old, new = load_sources(before), load_sources(after)
    assert said(old.policy) == said(new.policy)
    assert Counter(problem.code for problem in old.problems) == Counter(problem.code for problem in new.problems)
