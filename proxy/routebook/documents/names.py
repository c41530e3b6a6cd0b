"""Names that authors give to things, and references to them.

A name goes into headers, file names, metric labels and paths of facts (`budget.NAME.left`), so it is one plain word.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from routebook.documents.nodes import Node, Scalar
from routebook.documents.problems import Problems, did_you_mean
from routebook.documents.reading import read_text

PATTERN = r"[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,127}"
"""A name as a regular expression."""

_NAME = re.compile(PATTERN + r"\Z")
_LISTED = 8


def is_name(text: str) -> bool:
    """Whether a text is one plain word: letters, digits and `. _ - : / @ +`, at most 128 of them."""
    return _NAME.match(text) is not None


def check_name(key: Scalar, problems: Problems, what: str, reserved: Collection[str] = ()) -> bool:
    """Whether a text may name a `what` ("a model"); adds a problem where it may not."""
    if key.text in reserved:
        problems.error(
            "document.reserved-name",
            f"`{key.text}` cannot name {what}",
            key.location,
            "the language uses this word itself; choose another name",
        )
        return False
    if is_name(key.text):
        return True
    plain = re.sub(r"[^A-Za-z0-9._:/@+-]+", "-", key.text).strip("-._:/@+")[:128]
    problems.error(
        "document.bad-name",
        f"`{key.text}` cannot name {what}",
        key.location,
        f"a name is one word of letters, digits and `. _ - : / @ +`{f'; `{plain}` would do' if plain else ''}",
    )
    return False


def read_reference(node: Node, known: Collection[str], problems: Problems, code: str, what: str) -> str | None:
    """A name that must be one of the known ones; `what` is "a model of this policy" or the like."""
    text = read_text(node, problems, what)
    if text is None or text in known:
        return text
    problems.error(code, f"`{text}` is not {what}", node.location, suggestion(text, known))
    return None


def suggestion(word: str, known: Collection[str]) -> str:
    """The nearest known name, or else some of those there are."""
    near = did_you_mean(word, known)
    if near is not None:
        return near
    if not known:
        return "the policy declares none"
    names = sorted(known)
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return "there is " + ", ".join(f"`{name}`" for name in names[:_LISTED]) + more
