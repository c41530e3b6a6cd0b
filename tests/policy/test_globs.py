"""Finding the patterns that match a text without trying each."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from routebook.policy.conditions import glob_regex
from routebook.policy.globs import GlobIndex, is_plain

patterns = st.sets(st.text("ab*?", max_size=6), max_size=12)


@given(patterns, st.text("ab*?", max_size=8), st.sampled_from([0, 1, 2, 64]))
def test_the_index_finds_what_trying_each_finds(some: set[str], text: str, tries: int) -> None:
    """Exactly the patterns that match, each once; those it gave up on are named and never found."""
    index = GlobIndex(some, tries)
    found = index.matching(text)
    assert len(found) == len(set(found))
    assert set(found) == {pattern for pattern in some - index.opaque if glob_regex(pattern).match(text)}


def test_a_thousand_patterns_are_not_all_tried() -> None:
    """Patterns with letters of their own are only tried on texts with those letters."""
    index = GlobIndex((f"*word-{number:04}-*x" for number in range(1000)), tries=4)
    assert not index.opaque
    glob_regex.cache_clear()
    assert index.matching("a-word-0123-and-x") == ["*word-0123-*x"]
    assert glob_regex.cache_info().misses <= 8


def test_what_has_no_letters_of_its_own_is_opaque_beyond_the_bound() -> None:
    """Patterns without any plain text share one key, of which only so many are tried."""
    index = GlobIndex(("?", "??", "???", "*?"), tries=2)
    assert len(index.opaque) == 2


def test_plain_patterns_are_known() -> None:
    """A pattern without `*` and `?` is a word."""
    assert is_plain("gpt-4.1[x]")
    assert not is_plain("gpt-?")
    assert not GlobIndex((), tries=1)
