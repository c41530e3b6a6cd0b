"""Problems as text with carets, as JSON, and as annotations."""

from __future__ import annotations

import json

from routebook.documents.loading import load_text
from routebook.documents.nodes import Document
from routebook.documents.printing import WIDTH, as_github, as_json, as_text, headline
from routebook.documents.problems import Location, Problem, Problems, Severity

TEXT = "version: 1\nrules:\n  - name: night\n    when: {request.modle: auto}\n"
FAULT = Problem(
    "policy.unknown-fact",
    "unknown fact `request.modle`",
    Location("rules/policy.yaml", 4, 12),
    "did you mean `request.model`?",
)


def _document(text: str = TEXT, file: str = "rules/policy.yaml") -> Document:
    return load_text(file, text, Problems())


def test_a_problem_shows_its_line_with_a_caret_under_the_place() -> None:
    """Place, kind and code, message; the line; the caret; what to do."""
    assert as_text([FAULT], [_document()]) == (
        "rules/policy.yaml:4:12: error[policy.unknown-fact]: unknown fact `request.modle`\n"
        "    4 |     when: {request.modle: auto}\n"
        "      |            ^\n"
        "       = did you mean `request.model`?\n"
    )


def test_related_places_are_shown_with_their_lines() -> None:
    """A duplicate shows where the first stands."""
    problem = Problem(
        "document.duplicate-key",
        "the key `a` stands twice",
        Location("p.yaml", 2, 1),
        related=((Location("p.yaml", 1, 1), "`a` stands here first"),),
    )
    assert as_text([problem], [_document("a: 1\na: 2\n", "p.yaml")]) == (
        "p.yaml:2:1: error[document.duplicate-key]: the key `a` stands twice\n"
        "    2 | a: 2\n      | ^\n"
        "  p.yaml:1:1: `a` stands here first\n"
        "    1 | a: 1\n      | -\n"
    )


def test_a_place_without_a_line_is_still_named() -> None:
    """A file that could not be read, an empty one, and a document that is not at hand have no line to show."""
    expected = (
        "rules/policy.yaml:4:12: error[policy.unknown-fact]: unknown fact `request.modle`\n"
        "       = did you mean `request.model`?\n"
    )
    assert as_text([FAULT]) == expected
    assert as_text([FAULT], [_document("")]) == expected


def test_the_caret_keeps_its_place_behind_tabs() -> None:
    """A tab before the place is repeated before the caret, however wide a terminal shows it."""
    problem = Problem("document.tab", "no tabs", Location("p.yaml", 2, 2))
    shown = as_text([problem], [_document("a:\n\tb: 1\n", "p.yaml")]).splitlines()
    assert shown[1:] == ["    2 | \tb: 1", "      | \t^"]


def test_a_long_line_is_cut_around_the_place() -> None:
    """A line of ten thousand characters does not fill the screen, and the caret stays under its place."""
    text = "a" * 5000 + "HERE" + "b" * 5000
    problem = Problem("document.syntax", "look here", Location("p.yaml", 1, 5001))
    _, source, caret = as_text([problem], [Document("p.yaml", text, None)]).splitlines()
    assert len(source) <= WIDTH + 20
    assert source[caret.index("^") :].startswith("HERE")


def test_colour_stands_only_where_it_is_asked_for() -> None:
    """Without it the same text comes out, free of escapes."""
    painted = as_text([FAULT], [_document()], colour=True)
    assert "\x1b[1;31merror[policy.unknown-fact]\x1b[0m" in painted
    assert "\x1b" not in as_text([FAULT], [_document()])


def test_what_a_terminal_would_obey_is_written_out() -> None:
    """A policy may come from a stranger: neither its words nor its lines move the cursor or turn text around."""
    problem = Problem("document.syntax", "found `\x1b[2J`", Location("p.yaml", 1, 1), "remove \u202e")
    shown = as_text([problem], [Document("p.yaml", "\x1b[2Jx\u202ey", None)])
    assert "\x1b" not in shown and "\u202e" not in shown
    assert "\\u001b[2Jx\\u202ey" in shown
    assert "\n" not in headline(Problem("a.b", "two\nlines", Location("p.yaml", 1, 1)))


def test_json_says_all_that_the_text_says() -> None:
    """One object with a version; a hint and related places only where there are some."""
    warning = Problem(
        "policy.not-in-force",
        "`cache` is not in force",
        Location("p.yaml", 7, 3),
        severity=Severity.WARNING,
        related=((Location("p.yaml", 1, 1), "see here"),),
    )
    shown = json.loads(as_json([FAULT, warning]))
    assert shown == {
        "version": 1,
        "ok": False,
        "problems": [
            {
                "severity": "error",
                "code": "policy.unknown-fact",
                "message": "unknown fact `request.modle`",
                "file": "rules/policy.yaml",
                "line": 4,
                "column": 12,
                "hint": "did you mean `request.model`?",
            },
            {
                "severity": "warning",
                "code": "policy.not-in-force",
                "message": "`cache` is not in force",
                "file": "p.yaml",
                "line": 7,
                "column": 3,
                "related": [{"message": "see here", "file": "p.yaml", "line": 1, "column": 1}],
            },
        ],
    }
    assert json.loads(as_json([warning]))["ok"] is True
    assert json.loads(as_json([])) == {"version": 1, "ok": True, "problems": []}


def test_annotations_escape_what_the_command_would_read() -> None:
    """Commas, colons, percent signs and new lines in a file's name or a message do not end the command."""
    problem = Problem("document.syntax", "80% of a:b,\nwrong", Location("a,b:c.yaml", 3, 4), "mend it")
    assert as_github([problem]) == (
        "::error file=a%2Cb%3Ac.yaml,line=3,col=4,title=document.syntax::80%25 of a:b,%0Awrong; mend it\n"
    )
    assert as_github([Problem("a.b", "m", Location("p", 1, 1), severity=Severity.WARNING)]).startswith("::warning ")


def test_a_headline_is_one_line_with_place_code_and_hint() -> None:
    """What a log or an exit message can carry."""
    assert headline(FAULT) == (
        "rules/policy.yaml:4:12: error[policy.unknown-fact]: unknown fact `request.modle`; "
        "did you mean `request.model`?"
    )
