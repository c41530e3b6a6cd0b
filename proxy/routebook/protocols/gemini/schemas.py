"""Gemini's own schemas (types in capitals, `nullable`), as JSON Schemas: what other dialects understand."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import Raw

from routebook.chat.parts import Json
from routebook.protocols.gemini.fields import anything

_INNER: Final = ("items", "additionalProperties")
_LISTS: Final = ("anyOf", "prefixItems")
_MAPS: Final = ("properties", "defs")
_COUNTS: Final = ("maxItems", "minItems", "maxLength", "minLength", "maxProperties", "minProperties")
_SNAKE: Final[dict[str, str]] = {
    "any_of": "anyOf",
    "max_items": "maxItems",
    "min_items": "minItems",
    "max_length": "maxLength",
    "min_length": "minLength",
    "max_properties": "maxProperties",
    "min_properties": "minProperties",
    "property_ordering": "propertyOrdering",
    "additional_properties": "additionalProperties",
    "prefix_items": "prefixItems",
}
_RENAMED: Final[dict[str, str]] = {"defs": "$defs", "ref": "$ref"}
_DEEPEST: Final = 100


def as_json_schema(raw: Raw, at: str) -> Json:
    """The JSON Schema that a schema of Gemini's stands for; raises ProtocolError where it cannot be read."""
    return Json(msgspec.json.encode(_schema(anything(raw, at), 0)).decode("utf-8"))


def _schema(schema: Any, depth: int) -> Any:
    if not isinstance(schema, dict) or depth > _DEEPEST:
        return schema
    found: dict[str, Any] = {}
    for name, value in schema.items():
        found[_SNAKE.get(name) or name] = value
    found.pop("propertyOrdering", None)
    nullable = found.pop("nullable", False) is True
    kind = found.get("type")
    if isinstance(kind, str):
        found["type"] = kind.lower()
        if kind.upper() == "TYPE_UNSPECIFIED":
            del found["type"]
    for name in _COUNTS:
        if isinstance(found.get(name), str) and found[name].isdecimal():
            found[name] = int(found[name][:9])
    for name in _INNER:
        if name in found:
            found[name] = _schema(found[name], depth + 1)
    for name in _LISTS:
        if isinstance(found.get(name), list):
            found[name] = [_schema(each, depth + 1) for each in found[name]]
    for name in _MAPS:
        if isinstance(found.get(name), dict):
            found[name] = {key: _schema(each, depth + 1) for key, each in found[name].items()}
    if "example" in found:
        found["examples"] = [found.pop("example")]
    found = {_RENAMED.get(name, name): value for name, value in found.items()}
    return _or_null(found) if nullable else found


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    if isinstance(schema.get("type"), str):
        schema["type"] = [schema["type"], "null"]
        if isinstance(schema.get("enum"), list) and None not in schema["enum"]:
            schema["enum"] = [*schema["enum"], None]
        return schema
    if isinstance(schema.get("anyOf"), list):
        return {**schema, "anyOf": [*schema["anyOf"], {"type": "null"}]}
    return {"anyOf": [schema, {"type": "null"}]} if schema else schema
