"""One place where problems are printed, whatever command found them: `--format` and what each of its words gives."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from routebook.documents.nodes import Document
from routebook.documents.problems import Problems

FORMS = {
    "text": "for people: each problem with its line and a caret",
    "json": "for programs: one object, whose shape is stable",
    "github": "workflow commands, which GitHub shows beside the lines of a pull request",
    "sarif": "SARIF 2.1.0, for code scanning and editors",
    "junit": "JUnit XML, for whatever shows test results",
}
"""What `--format` takes, with what each is for."""


def add_format(parser: argparse.ArgumentParser) -> None:
    """The argument `--format` of a command that prints problems."""
    said = "; ".join(f"`{form}`: {what}" for form, what in FORMS.items())
    parser.add_argument("--format", choices=tuple(FORMS), default="text", help=f"{said} (default: text)")


def written(
    form: str, problems: Problems, documents: Sequence[Document] = (), *, colour: bool = False, strict: bool = False
) -> str:
    """All problems in one of `FORMS`, ending in a newline where there is anything to say.

    `documents` are the files that were looked at: their lines are shown, and a report of tests names those that are
    in order. With `strict`, warnings count as errors in the forms that know failures only.
    """
    from routebook.documents.printing import as_github, as_json, as_text

    match form:
        case "json":
            return as_json(problems)
        case "github":
            return as_github(problems)
        case "sarif":
            from routebook.cli.problem_formats.sarif import as_sarif

            return as_sarif(problems)
        case "junit":
            from routebook.cli.problem_formats.junit import as_junit

            return as_junit(problems, [document.file for document in documents], strict=strict)
        case _:
            return as_text(problems, documents, colour=colour)
