"""Keys in the order in which the language's schema has them.

Only mappings whose keys the language chose are put in order: those whose schema lists every key. Names that an author
chose and conditions keep the order in which they were written.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote

from routebook.documents.formatting.pieces import Collection, Comment, Piece, Word
from routebook.documents.schema import Schema

EDITORS = "# yaml-language-server:"
"""How a line begins that tells an editor the schema of a file; it counts only at the beginning."""


def put_in_order(root: Piece, schema: Schema) -> None:
    """Order the keys within a value, as its schema lists them; with aliases in it, it stays as it is.

    An alias stands for what comes before it, so a key that moves could take the meaning of another.
    """
    if not _has_alias(root):
        _order(root, schema, schema.get("$defs", {}))


def _has_alias(piece: Piece) -> bool:
    if isinstance(piece, Word):
        return piece.anchor is not None or bool(piece.lines and piece.lines[0].startswith("*"))
    return piece.anchor is not None or any(
        (entry.key is not None and _has_alias(entry.key)) or _has_alias(entry.value) for entry in piece.entries
    )


def _order(piece: Piece, schema: Schema, definitions: dict[str, Schema]) -> None:
    if isinstance(piece, Word):
        return
    kinds = list(_kinds(schema, definitions))
    if not piece.mapping:
        items = next((kind["items"] for kind in kinds if "items" in kind), None)
        # a single value and a list of them say the same in many places
        for entry in piece.entries:
            _order(entry.value, items if items is not None else schema, definitions)
        return
    names = {entry.name for entry in piece.entries}
    objects = [kind for kind in kinds if "properties" in kind or "additionalProperties" in kind]
    found = next((kind for kind in objects if names <= set(kind.get("properties", {}))), None)
    found = found if found is not None else next(iter(objects), {})
    for entry in piece.entries:
        _order(entry.value, _of_key(entry.name or "", found), definitions)
    if _lists_every_key(found, names):
        places = {name: place for place, name in enumerate(found["properties"])}
        piece.entries.sort(key=lambda entry: places[entry.name or ""])


def _kinds(schema: Schema, definitions: dict[str, Schema]) -> list[Schema]:
    """The schemas that a value may meet, references and alternatives resolved."""
    if "$ref" in schema:
        return _kinds(definitions.get(unquote(schema["$ref"].removeprefix("#/$defs/")), {}), definitions)
    if "anyOf" in schema:
        return [kind for each in schema["anyOf"] for kind in _kinds(each, definitions)]
    return [schema]


def _lists_every_key(schema: Schema, names: set[str | None]) -> bool:
    return (
        schema.get("additionalProperties") is False
        and "patternProperties" not in schema
        and names <= set(schema.get("properties", {}))
    )


def _of_key(name: str, schema: Schema) -> Schema:
    if name in schema.get("properties", {}):
        return dict(schema["properties"][name])
    for pattern, inner in schema.get("patternProperties", {}).items():
        if re.search(pattern, name):
            return dict(inner)
    rest: Any = schema.get("additionalProperties")
    return dict(rest) if isinstance(rest, dict) else {}


def split_header(root: Collection) -> list[Comment]:
    """Take the comments that speak of the whole file: those above its first key, up to the last blank line, and an
    editor's line."""
    first = root.entries[0]
    below = [*(comment.blank for comment in first.above[1:]), first.blank]
    cut = max((number for number, blank in enumerate(below, 1) if blank and first.above), default=0)
    while cut < len(first.above) and first.above[cut].text.startswith(EDITORS):
        cut += 1
    header, first.above = first.above[:cut], first.above[cut:]
    return header
