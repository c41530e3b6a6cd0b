"""What a YAML parser's complaint means to the person who wrote the line.

libyaml and PyYAML's own parser word the same fault differently and point at where reading stopped, which is often a line
after the mistake; this table says what is usually wrong in plain words.
"""

from __future__ import annotations

import re

import yaml

from routebook.documents.problems import Location, Problems

_LINE_BREAK = re.compile("\r\n|\r|\n")

_NO_VALUE = "could not find expected ':'"
"""What both parsers say at the line *after* the one that has no colon; their context is the line that is meant."""

_GLUED = re.compile(r"(?:^|[\s{,])[A-Za-z_][\w.-]*(:)[\[{\"'&*]")
"""A key with its value right behind the colon, which YAML reads as one word."""

_MEANINGS: tuple[tuple[str, str, str | None], ...] = (
    (
        "mapping values are not allowed",
        "a `:` is not expected here",
        "put a text that contains `: ` in quotes; else look at the indentation of this line",
    ),
    (
        _NO_VALUE,
        "this is no `key: value`, and not indented as part of the line before",
        "put `: ` behind a key, or quotes around a text of several lines",
    ),
    ("did not find expected ',' or '}'", "a `{` is not closed, or a `,` is missing", None),
    ("expected ',' or '}'", "a `{` is not closed, or a `,` is missing", None),
    ("did not find expected ',' or ']'", "a `[` is not closed, or a `,` is missing", None),
    ("expected ',' or ']'", "a `[` is not closed, or a `,` is missing", None),
    ("found unexpected end of stream", "a quote is opened and never closed", None),
    ("unexpected end of stream", "a quote is opened and never closed", None),
    (
        "did not find expected key",
        "a key is expected here",
        "look at the indentation of this line and of the ones before",
    ),
    (
        "did not find expected '-' indicator",
        "a list item that begins with `- ` is expected here",
        "look at the indentation of this line and of the ones before",
    ),
    (
        "expected <block end>",
        "this does not fit what stands before it",
        "look at the indentation of this line and of the ones before",
    ),
    ("sequence entries are not allowed", "a list cannot begin here", "begin it on a line of its own"),
    ("expected node content", "a value is expected here", "a `[` or `{` may be open, or a `,` too many"),
    ("expected the node content", "a value is expected here", "a `[` or `{` may be open, or a `,` too many"),
    (
        "unknown escape character",
        "`\\` begins an escape in double quotes, and this one does not exist",
        "write `\\\\`, or use single quotes, where `\\` is only itself",
    ),
    (
        "expected escape sequence of",
        "`\\x`, `\\u` and `\\U` want 2, 4 and 8 hexadecimal digits",
        "write `\\\\`, or use single quotes, where `\\` is only itself",
    ),
    (
        "did not find expected hexdecimal number",
        "`\\x`, `\\u` and `\\U` want 2, 4 and 8 hexadecimal digits",
        "write `\\\\`, or use single quotes, where `\\` is only itself",
    ),
    ("unexpected document separator", "a second document begins inside a quoted text", "close the quote before `---`"),
    (
        "did not find expected <document start>",
        "this does not belong to what stands before it",
        "look at the indentation of this line and of the ones before",
    ),
    (
        "expected '<document start>'",
        "this does not belong to what stands before it",
        "look at the indentation of this line and of the ones before",
    ),
    ("while scanning a block scalar", "a text block that begins with `|` or `>` is not written right", None),
    (
        "while scanning an alias",
        "`*` begins an alias, and a name must follow",
        "put a text that begins with `*` in quotes",
    ),
    (
        "while scanning an anchor",
        "`&` begins an anchor, and a name must follow",
        "put a text that begins with `&` in quotes",
    ),
    ("while scanning a directive", "`%` at the beginning of a line is a directive of YAML", "put the text in quotes"),
    (
        "undefined tag handle",
        "`!` begins a tag, which the policy language does not have",
        "put a text that begins with `!` in quotes",
    ),
    (
        "while scanning a tag",
        "`!` begins a tag, which the policy language does not have",
        "put a text that begins with `!` in quotes",
    ),
)
"""A fragment of the parser's words (of either parser), what it means, and what to do."""


_TOO_DEEP = "exceeded maximum nesting depth"
"""What newer versions of the parser say before they would crash; older ones never come so far."""


def explain_syntax(file: str, text: str, error: yaml.MarkedYAMLError, problems: Problems) -> None:
    """Add the problem that a parser's error stands for, at the place where reading stopped."""
    said = " ".join(part for part in (error.context, error.problem) if part)
    stopped = _place(file, error.problem_mark or error.context_mark)
    began = _place(file, error.context_mark or error.problem_mark)
    glued = None if "quoted" in said else _GLUED.search(_line(text, stopped))
    if _TOO_DEEP in said:
        problems.error("document.too-deep", "lists and mappings stand far too deep in each other", stopped)
    elif _stands_at_tab(text, stopped):
        problems.error(
            "document.tab",
            "a tab cannot indent a line or begin a value",
            stopped,
            "use spaces; most editors can do so by themselves for YAML",
        )
    elif (filled := _template(text, stopped)) is not None:
        problems.error(
            "document.syntax",
            "`${...}` is not filled in",
            Location(file, stopped.line, filled + 1),
            "write the value itself; only keys come from the environment, as `key: {env: NAME}`",
        )
    elif re.match(r"\s*-\w", _line(text, stopped)) and "'-' indicator" in said:
        problems.error(
            "document.syntax", "a `-` needs a space after it", stopped, "so that it begins an item of a list"
        )
    elif glued is not None:
        problems.error(
            "document.syntax",
            "a `:` needs a space after it",
            Location(file, stopped.line, glued.start(1) + 1),
            "without one, YAML takes the key and what follows for one word",
        )
    else:
        message, hint = _meaning(said, _character(text, stopped))
        place = began if _NO_VALUE in said else stopped
        problems.error("document.syntax", message, place, hint, [] if began == place else [(began, "it began here")])


def _template(text: str, stopped: Location) -> int | None:
    """Where `${`, which other programs fill in, stands unquoted just before the place where reading stopped."""
    found = _line(text, stopped)[: stopped.column].rfind("${")
    return found if 0 <= found and stopped.column - found <= 3 else None


def _place(file: str, mark: yaml.Mark | None) -> Location:
    return Location(file, 1, 1) if mark is None else Location(file, mark.line + 1, mark.column + 1)


def _meaning(said: str, character: str) -> tuple[str, str | None]:
    if "cannot start any token" in said:
        shown = "a backtick" if character == "`" else f"`{character}`"
        return f"a value cannot begin with {shown}", "put the text in quotes"
    for fragment, message, hint in _MEANINGS:
        if fragment in said:
            return message, hint
    return said, None


def _line(text: str, location: Location) -> str:
    lines = _LINE_BREAK.split(text)
    return lines[location.line - 1] if location.line <= len(lines) else ""


def _character(text: str, location: Location) -> str:
    return _line(text, location)[location.column - 1 : location.column]


def _stands_at_tab(text: str, location: Location) -> bool:
    """Whether reading stopped at a tab, or at a line that a tab indents."""
    line = _line(text, location)
    return _character(text, location) == "\t" or "\t" in line[: len(line) - len(line.lstrip())]
