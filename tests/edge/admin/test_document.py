"""The document of the admin listener: made of the table, and true of the running service."""

from __future__ import annotations

import asyncio
import importlib
import json
import pkgutil
from pathlib import Path
from typing import Any

import jsonschema
from hypothesis import HealthCheck, given, settings
from hypothesis.strategies import SearchStrategy
from schemathesis import GenerationMode, openapi
from schemathesis.specs.openapi.checks import positive_data_acceptance

import routebook.edge.admin
import routebook.edge.console
from routebook.edge.admin import document
from routebook.edge.admin.route import Role
from routebook.edge.admin.routes import ROUTES
from tests.support.admin import ask, make_token, operations
from tests.support.asking import ask as ask_model
from tests.support.proxy import running_proxy, small_policy

DOCUMENT = document.openapi(ROUTES)
EXAMPLES = 8
BODIES = {("POST", "/decisions/{id}/feedback"): b'{"quality": 1}', ("POST", "/keys"): b'{"client": "web"}'}
"""What a route is sent that needs a body."""

FORM = ("Content-Type", "application/x-www-form-urlencoded")
"""What a page's form says of itself."""


def test_every_route_of_a_subject_is_in_the_table() -> None:
    """A module's rows are not forgotten, and no path has one method twice."""
    modules = [
        importlib.import_module(f"{room.__name__}.{found.name}")
        for room in (routebook.edge.admin, routebook.edge.console)
        for found in pkgutil.iter_modules(room.__path__)
    ]
    rows = [row for module in modules for row in getattr(module, "ROUTES", ())]
    assert {id(row) for row in rows} == {id(row) for row in ROUTES}
    assert len({(row.method, row.path) for row in ROUTES}) == len(ROUTES)


def test_the_document_has_a_row_for_every_route() -> None:
    """Paths, methods and roles are those of the table; ids are unique, and everything is said in words."""
    roles = {(row.method, row.path): None if row.role is Role.ANYONE else row.role.value for row in ROUTES}
    assert {(found.method, found.path): found.needs for found in operations(DOCUMENT)} == roles
    described = [operation for methods in DOCUMENT["paths"].values() for operation in methods.values()]
    assert len({operation["operationId"] for operation in described}) == len(described)
    assert all(operation["summary"] for operation in described)
    assert all(parameter["name"] for operation in described for parameter in operation.get("parameters", []))


def test_a_query_may_leave_out_what_has_a_default() -> None:
    """An optional parameter is one that may be left out, not one that may be null."""
    parameters = {field["name"]: field for field in DOCUMENT["paths"]["/decisions"]["get"]["parameters"]}
    assert parameters["limit"]["schema"] == {"type": "integer", "minimum": 1, "maximum": 1000, "default": 20}
    assert parameters["client"]["schema"] == {"type": "string"}
    assert not any(parameter["required"] for parameter in parameters.values())


async def test_answers_have_the_shape_that_the_document_promises(tmp_path: Path) -> None:
    """Of every route: exactly one shape a status, and every field that it requires."""
    async with running_proxy(tmp_path, small_policy("http://127.0.0.1:9/v1"), "--simulate") as proxy:
        answered = await ask_model(proxy.url)
        record = answered.header("x-routebook-decision")
        assert record is not None
        await proxy.record(record)
        made = await ask(proxy.admin, "POST", "/keys", body=b'{"client": "web"}')
        key = made.json()["made"]["id"]
        digest = (await ask(proxy.admin, "GET", "/policy")).json()["digest"]
        tried = await ask(proxy.admin, "POST", "/console/what-if", FORM, body=b"replay=none")
        work = (tried.header("location") or "").rpartition("/")[2]
        for operation in operations(DOCUMENT):
            if "101" in _promised(operation.path, operation.method):
                continue  # a WebSocket: `tests/edge/console/test_talk.py` opens it, and asks for it wrongly
            identity = key if operation.path.startswith("/keys") else record
            target = operation.path.format(id=identity, provider="scripted", account="main", work=work)
            if operation.path == "/console/history/compare":
                target += f"?old={digest}&new={digest}"
            body = BODIES.get((operation.method, operation.path), b"")
            headers = [FORM] if operation.path.startswith("/console") else []
            if operation.path == "/console/login":
                body = b"token=" + (proxy.state_dir / "admin-token").read_bytes()
            answer = await ask(proxy.admin, operation.method, target, *headers, body=body)
            promised = _promised(operation.path, operation.method)
            assert str(answer.status) in promised and answer.status < 400, (target, answer.body)
            ((media_type, content),) = promised[str(answer.status)]["content"].items()
            assert (answer.header("content-type") or "").startswith(media_type)
            if media_type == "application/json":
                whole: dict[str, Any] = {**content["schema"], "components": DOCUMENT["components"]}
                jsonschema.Draft202012Validator(whole).validate(answer.json())


def _promised(path: str, method: str) -> dict[str, Any]:
    responses: dict[str, Any] = DOCUMENT["paths"][path][method.lower()]["responses"]
    return responses


async def test_the_service_holds_to_its_document_whatever_it_is_asked(tmp_path: Path) -> None:
    """Generated requests, valid and not: no fault of ours, only answers of the document, and nothing without a token."""
    async with running_proxy(tmp_path, small_policy("http://127.0.0.1:9/v1")) as proxy:
        token, _ = make_token(proxy.state_dir)
        await asyncio.to_thread(_conforms, proxy.admin, token)
        bugs = [line for line in proxy.log.splitlines() if line.startswith("{") and json.loads(line)["event"] == "bug"]
        assert not bugs


def _conforms(url: str, token: str) -> None:
    for found in openapi.from_dict(DOCUMENT).get_all_operations():
        # `since` is a text of which only some are times: a request may be well formed and still be refused.
        _operation_conforms(found.ok().as_strategy(GenerationMode.POSITIVE), url, token, [positive_data_acceptance])
        if found.ok().query:
            _operation_conforms(found.ok().as_strategy(GenerationMode.NEGATIVE), url, token, [])


def _operation_conforms(cases: SearchStrategy[Any], url: str, token: str, excluded: list[Any]) -> None:
    @given(cases)
    @settings(
        max_examples=EXAMPLES, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck)
    )
    def holds(case: Any) -> None:
        headers = {"Authorization": f"Bearer {token}"}
        case.call_and_validate(base_url=url, headers=headers, excluded_checks=excluded, timeout=60)

    holds()
