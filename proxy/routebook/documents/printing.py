"""Problems for people and for programs: text with a caret, JSON, and annotations on a pull request.

rules/policy.yaml:14:9: error[policy.unknown-fact]: unknown fact `request.modle`
   14 |   when: {request.modle: auto}
      |          ^
      = did you mean `request.model`?
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence

from routebook.documents.nodes import Document
from routebook.documents.problems import Location, Problem, Severity
from routebook.documents.visible import readable

JSON_VERSION = 1
"""Version of the shape that `as_json` prints."""

WIDTH = 160
"""Characters of a source line that are shown; a longer one is cut around the caret."""

_LINE_BREAK = re.compile("\r\n|\r|\n")

_COLOURS = {Severity.ERROR: "\x1b[1;31m", Severity.WARNING: "\x1b[1;33m"}
_BOLD, _FAINT, _PLAIN = "\x1b[1m", "\x1b[2m", "\x1b[0m"


def as_text(problems: Iterable[Problem], documents: Sequence[Document] = (), *, colour: bool = False) -> str:
    """All problems for a terminal, each with its line and a caret where the document is given; ends in a newline."""
    lines = {document.file: _LINE_BREAK.split(document.text) for document in documents}
    return "".join(_one_as_text(problem, lines, colour) + "\n" for problem in problems)


def as_json(problems: Iterable[Problem]) -> str:
    """All problems as one JSON object: `version`, `ok`, `problems`; the shape is stable."""
    found = list(problems)
    ok = all(problem.severity is not Severity.ERROR for problem in found)
    shown = {"version": JSON_VERSION, "ok": ok, "problems": [problem_to_json(problem) for problem in found]}
    return json.dumps(shown, ensure_ascii=False, indent=2) + "\n"


def as_github(problems: Iterable[Problem]) -> str:
    """All problems as workflow commands, which GitHub shows beside the lines of a pull request."""
    return "".join(_one_as_github(problem) + "\n" for problem in problems)


def problem_to_json(problem: Problem) -> dict[str, object]:
    """One problem as JSON values; a hint and related places stand there only where the problem has them."""
    shown: dict[str, object] = {
        "severity": problem.severity.value,
        "code": problem.code,
        "message": problem.message,
        **_place(problem.location),
    }
    if problem.hint is not None:
        shown["hint"] = problem.hint
    if problem.related:
        shown["related"] = [{"message": text, **_place(location)} for location, text in problem.related]
    return shown


def headline(problem: Problem) -> str:
    """A problem on one line, hint included, as a log or an exit message shows it."""
    hint = f"; {problem.hint}" if problem.hint else ""
    return readable(f"{problem.location}: {problem.severity.value}[{problem.code}]: {problem.message}{hint}")


def _one_as_text(problem: Problem, lines: dict[str, list[str]], colour: bool) -> str:
    severity = f"{problem.severity.value}[{problem.code}]"
    place, kind = _paint(str(problem.location), _BOLD, colour), _paint(severity, _COLOURS[problem.severity], colour)
    shown = [f"{place}: {kind}: {readable(problem.message)}"]
    shown += _source(problem.location, "^", lines, colour)
    if problem.hint is not None:
        shown.append(f"{'':7}= {readable(problem.hint)}")
    for location, text in problem.related:
        shown.append(f"  {location}: {readable(text)}")
        shown += _source(location, "-", lines, colour)
    return "\n".join(shown)


def _source(location: Location, caret: str, lines: dict[str, list[str]], colour: bool) -> list[str]:
    """The line of the place with a caret under its column; nothing where the document is not at hand."""
    known = lines.get(location.file, [])
    if location.line > len(known) or not known[location.line - 1].strip():
        return []
    line, column = _window(known[location.line - 1], location.column)
    # A wide character takes two cells of a terminal and a tab several; the same characters before the caret keep it
    # in place for tabs, and being off by a cell under wide ones is the price of not measuring fonts.
    before = "".join("\t" if char == "\t" else " " for char in line[: column - 1])
    margin = _paint(f"{location.line:>5} |", _FAINT, colour)
    return [
        f"{margin} {readable(line, keep_tabs=True)}",
        f"{_paint('      |', _FAINT, colour)} {before}{_paint(caret, _BOLD, colour)}",
    ]


def _window(line: str, column: int) -> tuple[str, int]:
    """The part of a long line around a column, and the column within it."""
    if len(line) <= WIDTH:
        return line, column
    start = max(0, min(column - 1 - WIDTH // 2, len(line) - WIDTH))
    cut = line[start : start + WIDTH]
    head = "..." if start else ""
    tail = "..." if start + WIDTH < len(line) else ""
    return head + cut + tail, column - start + len(head)


def _one_as_github(problem: Problem) -> str:
    text = problem.message if problem.hint is None else f"{problem.message}; {problem.hint}"
    text += "".join(f"\n{location}: {said}" for location, said in problem.related)
    place = problem.location
    properties = f"file={_property(place.file)},line={place.line},col={place.column},title={_property(problem.code)}"
    return f"::{problem.severity.value} {properties}::{_data(text)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def _place(location: Location) -> dict[str, object]:
    return {"file": location.file, "line": location.line, "column": location.column}


def _paint(text: str, colour: str, wanted: bool) -> str:
    return f"{colour}{text}{_PLAIN}" if wanted else text
