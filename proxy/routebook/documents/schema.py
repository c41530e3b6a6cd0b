"""Building JSON Schemas (draft 2020-12) from the tables that the readers use, and putting data to them.

The schemas are for editors, which complete keys and words and show descriptions, and for programs that read what this
one writes. They say what a document may look like; what its words mean together is the readers' business.

An editor sees a document as YAML 1.2 does: an unquoted `80` is a number. Where the language wants a text, an unquoted
number or word is one, so the schemas accept it too.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any
from urllib.parse import quote, unquote

from routebook.documents.nodes import Mapping as MappingNode
from routebook.documents.nodes import Node, Scalar, Sequence
from routebook.documents.quantities import EXAMPLES, Unit
from routebook.documents.reading import FALSE, TRUE

Schema = dict[str, Any]
"""One JSON Schema, as JSON values."""

DIALECT = "https://json-schema.org/draft/2020-12/schema"

_NUMBER = r"([0-9][0-9_]*(\.[0-9]+)?|\.[0-9]+)"
_WRITTEN = {
    Unit.COUNT: _NUMBER + r"\s*[kKMGB]?",
    Unit.TOKENS: _NUMBER + r"\s*[kKMGB]?(\s*tokens?)?",
    Unit.BYTES: _NUMBER + r"\s*(B|kB|KB|KiB|MB|MiB|GB|GiB)?",
    Unit.MONEY: r"\$\s*" + _NUMBER + r"\s*[kM]?",
    Unit.SHARE: _NUMBER + r"\s*%",
    Unit.DURATION: _NUMBER + r"\s*(us|ms|s|m|h|d)",
    Unit.CLOCK: r"([01]?[0-9]|2[0-4]):[0-5][0-9](:[0-5][0-9])?",
    Unit.DATE: r"[0-9]{4}-[0-9]{2}-[0-9]{2}",
    Unit.SCORE: _NUMBER,
}
"""Each unit as a pattern. What the patterns cannot say (no 30th of February) is left to the reader."""

_BARE = frozenset({Unit.COUNT, Unit.TOKENS, Unit.BYTES, Unit.SCORE})
"""Units that may be written without any letter, and are numbers to an editor then."""


def document(schema: Schema, identity: str, title: str, definitions: Mapping[str, Schema]) -> Schema:
    """A schema as a document of its own, with the definitions that `ref` points to."""
    return {"$schema": DIALECT, "$id": identity, "title": title, **schema, "$defs": dict(definitions)}


def ref(name: str) -> Schema:
    """The definition of that name."""
    return {"$ref": f"#/$defs/{quote(name)}"}


def described(schema: Schema, doc: str) -> Schema:
    """The schema with a description, which editors show."""
    return {**schema, "description": doc}


def text(examples: Collection[str] = ()) -> Schema:
    """A text; an unquoted number, `true` or `false` is one as well."""
    schema: Schema = {"type": ["string", "number", "boolean"]}
    return {**schema, "examples": list(examples)} if examples else schema


def matching(pattern: str, examples: Collection[str] = ()) -> Schema:
    """A text that a regular expression describes from its beginning to its end."""
    schema: Schema = {"type": "string", "pattern": f"^(?:{pattern})$"}
    return {**schema, "examples": list(examples)} if examples else schema


def flag(default: bool | None = None) -> Schema:
    """`true` or `false`."""
    return {"type": "boolean"} if default is None else {"type": "boolean", "default": default}


def quantity(unit: Unit) -> Schema:
    """A number with its unit, as people write it."""
    written = matching(_WRITTEN[unit], [example.strip('"') for example in EXAMPLES[unit].split("`")[1::2]])
    return one_of_kinds({"type": "number", "minimum": 0}, written) if unit in _BARE else written


def word(words: Mapping[str, str] | Collection[str], default: str | None = None) -> Schema:
    """One of a closed set of words, which editors offer; with what each means where that is given."""
    schema: Schema = {"enum": list(words)}
    if isinstance(words, Mapping):
        # Not part of the standard, and ignored where it is unknown: what VS Code and its kin show beside each word.
        schema["markdownEnumDescriptions"] = list(words.values())
    return schema if default is None else {**schema, "default": default}


def record(keys: Mapping[str, str], values: Mapping[str, Schema], required: Collection[str] = ()) -> Schema:
    """A mapping whose keys are known: `keys` says what each means, `values` what may stand there.

    Raises ValueError where the two do not speak of the same keys, so that a new key cannot be forgotten.
    """
    if set(keys) != set(values):
        raise ValueError(f"keys without a counterpart: {sorted(set(keys) ^ set(values))}")
    schema: Schema = {
        "type": "object",
        "additionalProperties": False,
        "properties": {key: described(values[key], doc) for key, doc in keys.items()},
    }
    return {**schema, "required": list(required)} if required else schema


def named(value: Schema, names: str | None = None) -> Schema:
    """A mapping of names that the author chooses."""
    schema: Schema = {"type": "object", "additionalProperties": value}
    return schema if names is None else {**schema, "propertyNames": {"pattern": f"^(?:{names})$"}}


def listed(item: Schema, least: int = 0) -> Schema:
    """A list."""
    schema: Schema = {"type": "array", "items": item}
    return {**schema, "minItems": least} if least else schema


def one_or_more(item: Schema) -> Schema:
    """A single value or a list of them, which say the same."""
    return one_of_kinds(item, listed(item, 1))


def growing(keys: Mapping[str, str], values: Mapping[str, Schema], required: Collection[str] = ()) -> Schema:
    """Like `record`, for a mapping that may gain keys in a later version."""
    schema = record(keys, values, required)
    del schema["additionalProperties"]
    return schema


def one_of_kinds(*kinds: Schema) -> Schema:
    """Any of several kinds of values."""
    return {"anyOf": list(kinds)}


def or_nothing(schema: Schema) -> Schema:
    """The schema, or nothing written after the key."""
    if "type" in schema:  # editors explain a fault within a type better than one within alternatives
        return {**schema, "type": [schema["type"], "null"]}
    return one_of_kinds(schema, {"type": "null"})


def together(*parts: Mapping[str, Schema]) -> dict[str, Schema]:
    """Definitions from several rooms; raises ValueError where two give the same name to different things."""
    whole: dict[str, Schema] = {}
    for part in parts:
        for name, schema in part.items():
            if whole.setdefault(name, schema) != schema:
                raise ValueError(f"two definitions are named {name!r}")
    return whole


_INTEGER = re.compile(r"[-+]?[0-9]+\Z")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?\Z")


def as_data(node: Node | None) -> Any:
    """A node as an editor sees it: YAML 1.2's core schema, in which only `true`, `false`, null and numbers are no texts."""
    match node:
        case None:
            return None
        case MappingNode(entries):
            return {key.text: as_data(value) for key, value in entries}
        case Sequence(items):
            return [as_data(item) for item in items]
        case Scalar(written, _, True):
            return written
        case Scalar(written):
            return _plain(node, written)


def _plain(node: Scalar, written: str) -> Any:
    if node.is_null:
        return None
    if written in (*TRUE, *FALSE):
        return written in TRUE
    if _INTEGER.match(written):
        return int(written)
    return float(written) if _FLOAT.match(written) else written


def faults(schema: Schema, data: object) -> Iterator[str]:
    """What keeps data from fitting a schema: a path and the reason for each fault, none where it fits."""
    import jsonschema  # takes longer to import than a small policy to check, and only published schemas need it

    validator = jsonschema.Draft202012Validator(schema)
    for error in sorted(validator.iter_errors(data), key=lambda error: error.json_path):
        yield f"{error.json_path}: {error.message}"


def check_schema(schema: Schema) -> None:
    """Raise `ValueError` where a schema is not one of draft 2020-12, or refers to a definition that it does not hold."""
    import jsonschema

    try:
        jsonschema.Draft202012Validator.check_schema(schema)
    except jsonschema.SchemaError as error:
        raise ValueError(f"{error.json_path}: {error.message}") from error
    missing = {name for name in _references(schema) if name not in schema.get("$defs", {})}
    if missing:
        raise ValueError(f"no definition of {sorted(missing)}")


def _references(schema: object) -> Iterator[str]:
    match schema:
        case dict():
            for key, value in schema.items():
                if key == "$ref" and isinstance(value, str):
                    yield unquote(value.removeprefix("#/$defs/"))
                else:
                    yield from _references(value)
        case list():
            for item in schema:
                yield from _references(item)
