"""The one form of a policy file: what moves, what stays, and where comments go."""

from __future__ import annotations

import pytest

from routebook.documents.formatting.form import in_form
from routebook.documents.problems import Problems
from routebook.routing.facts import FACTS
from routebook.routing.reading.published import policy_schema

SCHEMA = policy_schema(FACTS)


def formed(text: str) -> str:
    """The text in form; it must be readable, and in form already when it comes a second time."""
    problems = Problems()
    found = in_form("policy.yaml", text, SCHEMA, problems)
    assert found is not None and not problems.found
    assert in_form("policy.yaml", found, SCHEMA, problems) == found
    return found


def test_keys_stand_in_the_order_of_the_language_with_their_comments() -> None:
    """A comment goes with the key that it stands above or behind; one at the head of the file stays there."""
    assert formed(
        """\
# What this file is for.

rules:
# the only one
- route: {pick: cheapest, to: [a, b]} # where to
  # whom it is called by
  name: one
models: {}   # later
# The language's version.
version: 1
"""
    ) == (
        """\
# What this file is for.

# The language's version.
version: 1
models: {}  # later

rules:
  # the only one
  # whom it is called by
  - name: one
    route: {to: [a, b], pick: cheapest}  # where to
"""
    )


def test_what_the_author_chose_keeps_its_order() -> None:
    """Names, conditions, weights and lists are the author's: only keys of the language move."""
    text = """\
version: 1
models:
  z: {provider: p}
  a: {provider: p}
rules:
  - name: all
    when: {tags: {any: [b, a]}, request.model: auto, prompt.tokens: {at_least: 1k, below: 2k}}
    route: {to: [z, a], pick: weighted, weights: {z: 1, a: 2}}
"""
    assert formed(text) == text


def test_brackets_stay_where_they_fit() -> None:
    """What is too long for a line, or holds a comment, is written out, and only as far as it must be."""
    words = ", ".join(f"word-{number}" for number in range(20))
    assert formed(f"conditions: {{long: {{tags: {{any: [{words}]}}}}, short: {{tags: {{any: [a]}}}}}}\n").startswith(
        "conditions:\n  long:\n    tags:\n      any:\n        - word-0\n"
    )
    assert formed("pools: {a: [x, # the first\n  y]}\n") == "pools:\n  a:\n    - x  # the first\n    - y\n"
    assert formed("pools: {a: [x,\n  y],\n\n  b: [z]}\n") == "pools: {a: [x, y], b: [z]}\n"


def test_quotes_are_of_one_kind_and_never_come_or_go() -> None:
    """A text in quotes stays one; double quotes, unless they would need escapes."""
    assert formed('a: \'x\'\nb: "x"\nc: x\nd: \'"x"\'\ne: "\\"x\\""\nf: \'a\\b\'\ng: \'80\'\nh: "\\u200b"\n') == (
        'a: "x"\nb: "x"\nc: x\nd: \'"x"\'\ne: \'"x"\'\nf: \'a\\b\'\ng: "80"\nh: "\\u200b"\n'
    )


def test_indentation_and_blank_lines() -> None:
    """Two spaces a level, lists indented under their key, at most one blank line, none at the beginning or the end."""
    assert formed("\n\nrules:\n- name: a\n\n\n\n- name: b\n      \n\n") == "rules:\n  - name: a\n\n  - name: b\n"
    assert formed("a:\n      b:\n       c: 1\n") == "a:\n  b:\n    c: 1\n"
    assert formed("a: 1\r\nb: 2\r\n") == "a: 1\nb: 2\n"
    assert formed("\ufeff---\na: 1") == "a: 1\n"


def test_comments_behind_the_last_entry_stay_in_their_block() -> None:
    """A rule that was commented out belongs to the rules; what stands at the margin belongs to what follows."""
    text = """\
rules:
  - name: a
    route: {to: requested}
    # at the end of the rule
  # - name: b

# What must hold.
guarantees: []
# the end
"""
    assert formed(text) == text


def test_text_blocks_are_kept_line_by_line() -> None:
    """Indentation within them is theirs; what is left of it is the file's."""
    text = "a: |-  # said\n      one\n        two\n\n      three\nb: >+\n   x\n\nc: plain text\n     of two lines\n"
    assert formed(text) == "a: |-  # said\n  one\n    two\n\n  three\nb: >+\n  x\n\nc: plain text\n  of two lines\n"
    assert formed("a: |\n one") == "a: |-\n  one\n"
    assert formed("a: |\n one\n    \nb: 1\n") == "a: |\n  one\n     \nb: 1\n"


def test_a_file_with_anchors_keeps_its_order() -> None:
    """An alias stands for what is before it, so nothing moves past anything."""
    text = "rules: &r\n  - name: a\nmodels: *r\nversion: 1\n"
    assert formed(text) == text


@pytest.mark.parametrize("text", ["", "# only a comment\n", "# one\n\n# two\n", "word\n", "{}\n", "[]\n"])
def test_files_with_little_in_them(text: str) -> None:
    """What is in form stays as it is."""
    assert formed(text) == text


def test_the_line_for_editors_stays_first() -> None:
    """`# yaml-language-server:` counts only at the beginning of a file."""
    text = "# yaml-language-server: $schema=x\nrules: []\nversion: 1\n"
    assert formed(text).splitlines()[:2] == ["# yaml-language-server: $schema=x", "version: 1"]


def test_what_cannot_be_read_is_said() -> None:
    """A file that the loader refuses has no form."""
    problems = Problems()
    assert in_form("policy.yaml", "a: 1\na: 2\n", SCHEMA, problems) is None
    assert [problem.code for problem in problems] == ["document.duplicate-key"]
