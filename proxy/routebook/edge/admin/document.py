"""The table of routes as an OpenAPI 3.1 document, and as a page for people. Shapes and descriptions come from the types."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from routebook.edge.admin.route import TEXT, Conversation, Role, Route, Text, Wanted

VERSION: Final = "1"
"""Of the admin API. Within it, fields and routes are added and none changes its meaning."""

_JSON: Final = "application/json"
_FORM: Final = "multipart/form-data"
_OUTCOMES: Final = {
    101: "a WebSocket, where one is asked for",
    200: "done",
    201: "made",
    202: "not there yet",
    303: "done; `Location` says what to look at next",
    422: "not carried out; the answer says why",
    503: "not at the moment",
}
_DESCRIPTION: Final = (
    "Health, metrics, the policy in force, reload and decisions of a running Routebook. A request that is refused is "
    "answered with `error.code`, a stable code, and `error.message`."
)

Schema = dict[str, Any]


class Failure(msgspec.Struct):
    """Why a request was not carried out."""

    code: str
    message: str


class Failed(msgspec.Struct):
    """The answer to a request that was not carried out."""

    error: Failure


def openapi(routes: Iterable[Route]) -> Schema:
    """The OpenAPI 3.1 document of these rows. A row's role stands in `security`."""
    rows = list(routes)
    shapes = {
        shape
        for route in rows
        for shape in route.answers.values()
        if shape is not dict and not issubclass(shape, (bytes, Conversation))
    }
    bodies = {body for route in rows for body in (route.body, route.form) if body is not None}
    _, components = msgspec.json.schema_components(
        sorted([*shapes, *bodies, Failed], key=lambda shape: str(shape)), ref_template="#/components/schemas/{name}"
    )
    paths: dict[str, Schema] = {}
    for route in rows:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Routebook admin listener", "version": VERSION, "description": _DESCRIPTION},
        "paths": paths,
        "components": {
            "schemas": components,
            "responses": {
                "Failed": _answer("the request was not carried out", {"$ref": "#/components/schemas/Failed"})
            },
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "made by `routebook admin token create`; not asked for while there is none and the "
                    "listener is on a loopback address",
                }
            },
        },
    }


def _operation(route: Route) -> Schema:
    answers = {str(status): _answered(status, shape) for status, shape in route.answers.items()}
    operation: Schema = {
        "operationId": route.handler.__name__,
        "summary": route.summary,
        "security": [] if route.role is Role.ANYONE else [{"token": [route.role.value]}],
        "responses": {**answers, "default": {"$ref": "#/components/responses/Failed"}},
    }
    if parameters := [*_names(route.path), *_queries(route.query)]:
        operation["parameters"] = parameters
    if route.body is not None:
        content = {_JSON: {"schema": {"$ref": f"#/components/schemas/{route.body.__name__}"}}}
        operation["requestBody"] = {"required": True, "content": content}
    if route.form is not None:
        schema = {"$ref": f"#/components/schemas/{route.form.__name__}"}
        operation["requestBody"] = {"required": True, "content": {_FORM: {"schema": schema}}}
    return operation


def _answered(status: int, shape: type) -> Schema:
    if shape is Conversation:
        return {"description": _OUTCOMES[status]}
    if issubclass(shape, bytes):
        media = (shape.media if issubclass(shape, Text) else TEXT).partition(";")[0]
        return {"description": _OUTCOMES[status], "content": {media: {"schema": {"type": "string"}}}}
    schema: Schema = {"type": "object"} if shape is dict else {"$ref": f"#/components/schemas/{shape.__name__}"}
    return _answer(_OUTCOMES[status], schema)


def _answer(description: str, schema: Schema) -> Schema:
    return {"description": description, "content": {_JSON: {"schema": schema}}}


def _names(path: str) -> list[Schema]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        for name in re.findall(r"{(\w+)}", path)
    ]


def _queries(wanted: type[Wanted] | None) -> list[Schema]:
    """A query's fields as parameters. One that may be left out is never null: it is left out."""
    return [
        {"name": name, "in": "query", "required": name in required, "description": description, "schema": schema}
        for name, schema, required, description in _fields(wanted)
    ]


def _fields(wanted: type[Wanted] | None) -> Iterable[tuple[str, Schema, Iterable[str], str]]:
    if wanted is None:
        return
    whole = msgspec.json.schema(wanted)["$defs"][wanted.__name__]
    for name, field in whole["properties"].items():
        schema = {key: value for key, value in field.items() if key != "description"}
        schema = next((kind for kind in schema.get("anyOf", []) if kind != {"type": "null"}), schema)
        if schema.get("default", "") is None:
            del schema["default"]
        yield name, schema, whole.get("required", ()), field.get("description", "")


def page(routes: Iterable[Route], statuses: Mapping[str, int], meanings: Mapping[str, str]) -> str:
    """The page `docs/admin.md`: each row with its role and what it takes, and each code."""
    rows = list(routes)
    table = "".join(f"| `{route.method} {route.path}` | {route.role.value} | {route.summary} |\n" for route in rows)
    parts = [_BEGIN + "\n| route | who | says |\n|---|---|---|\n" + table]
    for route in rows:
        taken = [*_fields(route.query), *_fields(route.body), *_fields(route.form)]
        if taken:
            lines = "".join(f"| `{name}` | {'yes' if name in need else ''} | {doc} |\n" for name, _, need, doc in taken)
            parts.append(f"## {route.method} {route.path}\n\n| name | needed | meaning |\n|---|---|---|\n{lines}")
    codes = "".join(f"| `{code}` | {status} | {meanings[code]} |\n" for code, status in statuses.items())
    parts.append(f"{_CODES}\n| code | status | meaning |\n|---|---|---|\n{codes}")
    return "\n".join(parts)


_BEGIN: Final = """\
# The admin listener, route by route

<!-- Written by `make docs` from the table in `edge/admin/routes.py`; changes by hand are lost. -->

Who may ask what, and how tokens are made, stands in [operating.md](operating.md#the-admin-listener).
`GET /openapi.json`, `routebook schema admin` and `schemas/admin-openapi.json` say the same to programs, with every shape.
"""

_CODES: Final = """\
## What it refuses with

The body is `{"error": {"code": ..., "message": ...}}`.
"""
