"""Policy files as documents: strict YAML, bounded before it is parsed, every value with its place.

Scalars keep their text, so what YAML 1.1 makes of `NO`, `22:00` or `010` never happens. A file that cannot be read
gives a document without a root and a problem that says why; nothing here raises for what an author wrote.
"""

from __future__ import annotations

import gc
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import yaml

from routebook.documents.composing import Composer, Refused
from routebook.documents.nodes import Document, Node, scalars_of
from routebook.documents.problems import Location, Problems
from routebook.documents.syntax import explain_syntax

MAX_FILE_BYTES = 8 * 1024 * 1024
"""One file; 10,000 rules take about 2 MB."""

MAX_POLICY_BYTES = 32 * 1024 * 1024
"""All files of a policy together."""

MAX_FILES = 1000
"""Files of a policy."""

LARGE = 100_000
"""Characters from which the collector is off while composing: it would visit every new node again and again."""

BYTE_ORDER_MARK = "\ufeff"

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffe\uffff]")
_CURLY = re.compile(
    "([\u201c\u201d\u201e\u2018\u2019\u00ab\u00bb]).*[\u201c\u201d\u2018\u2019\u00ab\u00bb]\\Z", re.DOTALL
)
_HIDDEN = re.compile("[\u200b\u2028-\u202e\u2066-\u2069\ufeff]")
"""Characters that nobody sees: they hide a difference between names, or show a line in another order than it is read."""

Loader = type[yaml.SafeLoader] | type[yaml.CSafeLoader]

FASTEST: Loader = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader
"""libyaml's parser where PyYAML was built with it, ten times as fast as the one in Python."""


def load_documents(paths: Sequence[Path]) -> tuple[list[Document], Problems]:
    """Every file as a document, named as it was given, with what is wrong with their YAML."""
    problems = Problems()
    if len(paths) > MAX_FILES:
        problems.error(
            "document.too-large",
            f"a policy has at most {MAX_FILES:,} files, this one has {len(paths):,}",
            Location(str(paths[MAX_FILES]), 1, 1),
        )
        return [], problems
    documents: list[Document] = []
    room = MAX_POLICY_BYTES
    for path in paths:
        content = _read(path, min(room, MAX_FILE_BYTES), problems)
        room -= len(content or b"")
        documents.append(
            Document(str(path), "", None, readable=False)
            if content is None
            else _load_bytes(str(path), content, problems)
        )
    return documents, problems


def load_text(file: str, text: str, problems: Problems, loader: Loader = FASTEST) -> Document:
    """One file's text as a document; its root is None where it is empty or cannot be read."""
    text = text.removeprefix(BYTE_ORDER_MARK)
    if not _is_visible(file, text, problems):
        return Document(file, text, None, readable=False)
    with collector_off(len(text)):
        return _compose(file, text, loader, problems)


def _compose(file: str, text: str, loader: Loader, problems: Problems) -> Document:
    composer = Composer(file, problems)
    unread = Document(file, text, None, readable=False)
    events = loader(text)
    try:
        composer.read(events.get_event)
    except Refused:
        return unread
    except yaml.MarkedYAMLError as error:
        explain_syntax(file, text, error, problems)
        return unread
    finally:
        events.dispose()
    _report_curly_quotes(composer.root, problems)
    return Document(file, text, composer.root)


def _report_curly_quotes(root: Node | None, problems: Problems) -> None:
    """A text in quotes that are none to YAML: a word processor has put them there, and they would be part of it."""
    for scalar in scalars_of(root):
        found = None if scalar.quoted else _CURLY.match(scalar.text)
        if found is not None:
            problems.error(
                "document.typographic-quotes",
                f"`{found[1]}` is no quote to YAML, but part of the text",
                scalar.location,
                "write straight quotes, `\"` or `'`",
            )


def _read(path: Path, limit: int, problems: Problems) -> bytes | None:
    """A regular file's bytes, never more than the limit; a pipe would wait for ever."""
    start = Location(str(path), 1, 1)
    try:
        if not path.is_file():
            problems.error(
                "document.unreadable", "this is no file" if path.exists() else "there is no such file", start
            )
            return None
        with path.open("rb") as file:
            content = file.read(limit + 1)
    except OSError as error:
        problems.error(
            "document.unreadable", f"the file cannot be read: {(error.strerror or 'no reason given').lower()}", start
        )
        return None
    if len(content) > limit:
        problems.error(
            "document.too-large",
            f"a policy file has at most {MAX_FILE_BYTES // 2**20} MiB, "
            f"and all of them together {MAX_POLICY_BYTES // 2**20} MiB",
            start,
        )
        return None
    return content


def _load_bytes(file: str, content: bytes, problems: Problems) -> Document:
    try:
        return load_text(file, content.decode("utf-8"), problems)
    except UnicodeDecodeError as error:
        before = content[: error.start].decode("utf-8")
        problems.error(
            "document.not-utf8",
            f"byte `0x{content[error.start]:02x}` is not UTF-8",
            _place_at(file, before, len(before)),
            "save the file as UTF-8",
        )
        return Document(file, content.decode("utf-8", "replace"), None, readable=False)


def _is_visible(file: str, text: str, problems: Problems) -> bool:
    for pattern, code, kind in (
        (_CONTROL, "document.control-character", "the control character"),
        (_HIDDEN, "document.hidden-character", "the invisible character"),
    ):
        found = pattern.search(text)
        if found is not None:
            name = f"U+{ord(found[0]):04X}"
            problems.error(
                code,
                f"{kind} {name} may not stand in a policy",
                _place_at(file, text, found.start()),
                f"remove it, or write `\\u{ord(found[0]):04x}` in double quotes",
            )
            return False
    return True


def _place_at(file: str, text: str, index: int) -> Location:
    lines = re.split("\r\n|\r|\n", text[:index])
    return Location(file, len(lines), len(lines[-1]) + 1)


@contextmanager
def collector_off(characters: int) -> Iterator[None]:
    """Run without the cyclic garbage collector while a large text is made into values; without effect for a small one.

    Nodes and rules hold no cycles, so nothing is lost; a caller that goes on to read the documents wraps that too,
    because the collector's first look at everything new costs as much as a third of the composing.
    """
    if characters < LARGE or not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
