"""How a request to the admin listener is read: the names of its path, its query, its body; and a defect of ours."""

from __future__ import annotations

import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated

import pytest
from msgspec import Meta

from routebook.edge.admin.access import Access
from routebook.edge.admin.document import openapi
from routebook.edge.admin.listener import start_admin
from routebook.edge.admin.route import Asked, Reply, Role, Route, Wanted
from routebook.edge.admin.service import PolicyShown, Service, Shown
from routebook.edge.processes.rollout import Reloaded
from tests.support.admin import ask, code_of
from tests.support.rawclient import Answer


class Quiet:
    """A service of which nothing is asked: the routes of these tests answer out of the request."""

    is_ready = False
    state_dir = Path("nowhere")

    def describe(self) -> PolicyShown:
        """Nothing to describe."""
        raise AssertionError("none of these tests asks the service")

    async def metrics_text(self) -> bytes:
        """Nothing to count."""
        raise AssertionError("none of these tests asks the service")

    async def reload(self) -> Reloaded:
        """Nothing to reload."""
        raise AssertionError("none of these tests asks the service")


class Kept(Wanted, frozen=True):
    """A body."""

    name: Annotated[str, Meta(min_length=1)]
    days: Annotated[int, Meta(ge=1, description="for how long")] = 30


class Echo(Shown, frozen=True):
    """What was read."""

    names: dict[str, str]
    name: str
    days: int


async def keep(_: Service, asked: Asked) -> Reply:
    """Made, as asked."""
    wanted: Kept = asked.body
    return Reply(Echo(dict(asked.names), wanted.name, wanted.days), 201)


async def fail(service: Service, _: Asked) -> Reply:
    """A defect whose words hold a secret."""
    raise RuntimeError("sk-canary")


ROUTES = (
    Route("POST", "/shelves/{shelf}/{place}", Role.OPERATE, "keep a thing", keep, {201: Echo}, None, Kept),
    Route("GET", "/defect", Role.READ, "fail", fail, {200: Echo}),
)


@asynccontextmanager
async def listening(tmp_path: Path, on_loopback: bool = True) -> AsyncIterator[str]:
    """A listener with the routes above; its address."""
    bound = socket.create_server(("127.0.0.1", 0))
    bound.setblocking(False)
    access = Access(tmp_path, None, on_loopback, b"k" * 32, "rba_local")
    runner = await start_admin(Quiet(), access, bound, ROUTES)
    try:
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"
    finally:
        await runner.cleanup()


async def keep_at(url: str, path: str, body: object) -> Answer:
    """Ask to keep something; bytes are sent as they stand."""
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()
    return await ask(url, "POST", path, body=sent)


async def test_names_and_body_reach_the_handler(tmp_path: Path) -> None:
    """Names are decoded once, fields that are left out have their default."""
    async with listening(tmp_path) as url:
        answer = await keep_at(url, "/shelves/a%20b/%2541", {"name": "x"})
        assert answer.status == 201
        assert answer.json() == {"names": {"shelf": "a b", "place": "%41"}, "name": "x", "days": 30}


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"name": "x", "days": 0}, "`days`: expected `int` >= 1"),
        ({"name": "x", "days": "7"}, "`days`: expected `int`, got `str`"),
        ({"name": ""}, "`name`: expected `str` of length >= 1"),
        ({}, "object missing required field `name`"),
        ({"name": "x", "dayz": 1}, "object contains unknown field `dayz`"),
        ([], "expected `object`, got `array`"),
        (b"", "the body is no JSON"),
        (b"{", "the body is no JSON"),
        (b"\xff", "the body is no JSON"),
        (b"[" * 100_000, "the body is no JSON"),
    ],
)
async def test_a_body_that_does_not_fit_is_refused_with_its_place(tmp_path: Path, body: object, says: str) -> None:
    """Nothing is passed over: an unknown field is refused as a wrong one is."""
    async with listening(tmp_path) as url:
        answer = await keep_at(url, "/shelves/a/b", body)
        assert (answer.status, code_of(answer)) == (400, "admin.bad-request")
        assert answer.json()["error"]["message"] == says


async def test_a_body_is_limited(tmp_path: Path) -> None:
    """To what no route ever needs; it is read only from who may ask."""
    async with listening(tmp_path) as url:
        answer = await keep_at(url, "/shelves/a/b", b'"' + b"x" * 2_000_000 + b'"')
        assert (answer.status, code_of(answer)) == (413, "admin.too-large")
    async with listening(tmp_path, on_loopback=False) as url:
        assert code_of(await keep_at(url, "/shelves/a/b", b"{")) == "admin.no-token"


@pytest.mark.parametrize("query", ["a=1", "a", "a=1&a=2", "=", "%ff=1", "&"])
async def test_a_query_that_nobody_asked_for_is_refused(tmp_path: Path, query: str) -> None:
    """A parameter that a route does not take would change nothing, and its sender would not know."""
    async with listening(tmp_path) as url:
        answer = await ask(url, "GET", f"/defect?{query}")
        assert (answer.status, code_of(answer)) == (400, "admin.bad-request")


async def test_a_defect_is_answered_as_one(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """With a code, and without the words of the exception, in the answer and in the log."""
    async with listening(tmp_path) as url:
        answer = await ask(url, "GET", "/defect")
        assert (answer.status, code_of(answer)) == (500, "admin.bug")
        assert b"canary" not in answer.body
    said = capfd.readouterr()
    assert "RuntimeError" in said.out + said.err
    assert "canary" not in said.out + said.err


async def test_other_names_are_for_addresses_that_others_reach(tmp_path: Path) -> None:
    """Where a token is needed anyway, a name in `Host` is how the service is called; on loopback it is a trap."""
    async with listening(tmp_path) as url:
        assert code_of(await ask(url, "GET", "/defect", host="routebook.internal")) == "admin.browser"
    async with listening(tmp_path, on_loopback=False) as url:
        assert code_of(await ask(url, "GET", "/defect", host="routebook.internal")) == "admin.no-token"
        assert code_of(await ask(url, "GET", "/defect", token="rba_local", host="routebook.internal")) == "admin.bug"
        page = ("Origin", "http://routebook.internal")
        assert code_of(await ask(url, "GET", "/defect", page, token="rba_local")) == "admin.browser"


async def test_a_wrong_method_is_told_the_right_one(tmp_path: Path) -> None:
    """In the header that HTTP has for it."""
    async with listening(tmp_path) as url:
        wrong = await ask(url, "PUT", "/shelves/a/b")
        assert (wrong.status, code_of(wrong), wrong.header("allow")) == (405, "admin.wrong-method", "POST")


def test_a_body_is_in_the_document() -> None:
    """With its descriptions, for a route that has one, and the names of its path."""
    document = openapi(ROUTES)
    operation = document["paths"]["/shelves/{shelf}/{place}"]["post"]
    assert [parameter["name"] for parameter in operation["parameters"]] == ["shelf", "place"]
    assert operation["requestBody"]["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/Kept"}
    kept = document["components"]["schemas"]["Kept"]
    assert kept["additionalProperties"] is False and kept["required"] == ["name"]
    assert kept["properties"]["days"]["description"] == "for how long"
