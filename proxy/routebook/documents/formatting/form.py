"""A file's text in its one form, or the reason why it stays as it is."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

from routebook.documents.formatting.ordering import EDITORS, put_in_order, split_header
from routebook.documents.formatting.pieces import Collection
from routebook.documents.formatting.reading import comments_in, read_pieces
from routebook.documents.formatting.writing import write_pieces
from routebook.documents.loading import BYTE_ORDER_MARK, collector_off, load_text
from routebook.documents.nodes import Mapping, Node, Scalar, Sequence
from routebook.documents.problems import Problems
from routebook.documents.schema import Schema

_LINE_BREAK = re.compile("\r\n|\r|\n")

_ROUNDS = 4
"""How often a text is laid out again at most; nearly every one is settled the first time."""


class ChangedMeaning(Exception):
    """What would be written would not say the same: a fault of the formatter, caught before anything was written."""


def in_form(file: str, text: str, schema: Schema, problems: Problems) -> str | None:
    """The text of a policy file in its one form; None after adding what keeps the file from being read.

    The result is read again and compared. Raises `ChangedMeaning` where it would say something else, or lose a comment.
    """
    with collector_off(len(text)):
        return _in_form(file, text, schema, problems)


def _in_form(file: str, text: str, schema: Schema, problems: Problems) -> str | None:
    document = load_text(file, text, problems)
    if not document.readable or problems.errors:
        return None
    unified = "\n".join(_LINE_BREAK.split(text.removeprefix(BYTE_ORDER_MARK)))
    written = _laid_out(unified, schema)
    for _ in range(_ROUNDS):
        # A comment that had no line of its own may find its place only when everything else has.
        before, written = written, _laid_out(written, schema)
        if before == written:
            break
    again = Problems()
    reread = load_text(file, written, again)
    if again.errors or meaning(reread.root) != meaning(document.root):
        raise ChangedMeaning(file)
    if Counter(comments_in(unified)) != Counter(comments_in(written)):
        raise ChangedMeaning(file)
    return written


def _laid_out(text: str, schema: Schema) -> str:
    root, loose = read_pieces(text)
    if not isinstance(root, Collection) or not root.entries:
        return write_pieces(root, loose)
    header = split_header(root)
    before = root.entries[0]
    put_in_order(root, schema)
    first = root.entries[0]
    if header and first is not before and not header[-1].text.startswith(EDITORS):
        # what parted the header from the first key of before went away with that key
        (first.above[0] if first.above else first).blank = True
    first.above = header + first.above
    return write_pieces(root, loose)


def meaning(node: Node | None) -> Any:
    """What a node says, whatever the order of its keys and the form of its quotes."""
    match node:
        case None:
            return None
        case Scalar():
            return None if node.is_null else (node.text, node.quoted)
        case Sequence(items):
            return [meaning(item) for item in items]
        case Mapping(entries):
            return {key.text: meaning(value) for key, value in entries}
