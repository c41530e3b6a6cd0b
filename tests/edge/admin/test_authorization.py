"""Who may do what at the admin listener: every route that its document names, with every kind of credential."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio

from routebook.edge.admin.document import openapi
from routebook.edge.admin.route import Role
from routebook.edge.admin.routes import ROUTES
from tests.support.admin import Operation, ask, code_of, make_token, operations, revoked_token
from tests.support.proxy import RunningProxy, running_proxy, small_policy

pytestmark = pytest.mark.asyncio(loop_scope="module")

OPERATIONS = operations(openapi(ROUTES))
CLIENT_KEY = "rb_0123456789abcdefghijklmnopqrstuvwxyz"
OPEN = {"/healthz", "/readyz"}
"""All of the service that may ever be asked without a token."""

ENTRANCE = {f"/console/{name}" for name in ("login", "logout", "console.css", "console.js", "icon.svg")}
"""What a browser needs to present one: the form that takes it, and how the page looks. Nothing of the service is in it."""

REFUSED_WITH = {
    "none": "admin.no-token",
    "client key": "admin.unknown-token",
    "client key in its own header": "admin.no-token",
    "garbage": "admin.unknown-token",
    "another scheme": "admin.unknown-token",
    "nothing after the scheme": "admin.unknown-token",
    "half a token": "admin.unknown-token",
    "twice": "admin.unknown-token",
    "expired": "admin.expired-token",
    "revoked": "admin.revoked-token",
}
"""What each credential is told, whatever the route asks for."""


@dataclass(slots=True)
class Guarded:
    """A service with tokens, and what a caller of each kind presents."""

    proxy: RunningProxy
    presents: dict[str, list[tuple[str, str]]]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def guarded(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Guarded]:
    """One service for all tests of this file."""
    folder = tmp_path_factory.mktemp("guarded")
    async with running_proxy(folder, small_policy("http://127.0.0.1:9/v1")) as proxy:
        read, _ = make_token(proxy.state_dir, Role.READ)
        operate, _ = make_token(proxy.state_dir, Role.OPERATE)
        expired, _ = make_token(proxy.state_dir, Role.OPERATE, timedelta(0))
        bearers = {
            "read": read,
            "operate": operate,
            "expired": expired,
            "revoked": revoked_token(proxy.state_dir),
            "client key": CLIENT_KEY,
            "garbage": "%00\u2028{};--é",
            "half a token": operate[: len(operate) // 2],
            "nothing after the scheme": "",
        }
        presents = {kind: [("Authorization", f"Bearer {token}")] for kind, token in bearers.items()}
        presents["none"] = []
        presents["client key in its own header"] = [("x-api-key", CLIENT_KEY)]
        presents["another scheme"] = [("Authorization", f"Basic {operate}")]
        presents["twice"] = presents["operate"] * 2
        yield Guarded(proxy, presents)


def named(operation: Operation) -> str:
    """An operation as the name of a test case."""
    return f"{operation.method} {operation.path}"


@pytest.mark.parametrize("credential", [*REFUSED_WITH, "read", "operate"])
@pytest.mark.parametrize("operation", OPERATIONS, ids=named)
async def test_a_route_is_open_to_whom_its_document_says(
    guarded: Guarded, operation: Operation, credential: str
) -> None:
    """Open routes answer everybody; the others only a valid token of their role, and say what was wrong with another."""
    answer = await ask(guarded.proxy.admin, operation.method, operation.target, *guarded.presents[credential])
    code = code_of(answer)

    if operation.path == "/console/login":
        assert (answer.status, code) == (400, "admin.bad-request")  # a token in the form is what counts
    elif operation.needs is None:
        assert answer.status == (303 if operation.path == "/console/logout" else 200)
    elif credential in REFUSED_WITH:
        assert (answer.status, code) == (401, REFUSED_WITH[credential])
        assert (answer.header("www-authenticate") or "").startswith("Bearer")
    elif credential == "read" and operation.needs == "operate":
        assert (answer.status, code) == (403, "admin.wrong-role")
    else:
        assert answer.status not in (401, 403, 405, 500), answer.body


async def test_the_document_that_is_served_is_the_one_tested(guarded: Guarded) -> None:
    """The running service names the same routes as the matrix above, with the same roles."""
    answer = await ask(guarded.proxy.admin, "GET", "/openapi.json", *guarded.presents["read"])
    assert operations(answer.json()) == OPERATIONS


async def test_only_health_is_open_and_only_reading_is_for_readers() -> None:
    """A route without a role is one of two, or the console's entrance; one that is no GET needs a token that may operate,
    but for those that change nothing."""
    assert {operation.path for operation in OPERATIONS if operation.needs is None} == OPEN | ENTRANCE
    trying_out = {"/console/what-if"}  # sends a candidate, and changes nothing
    changing = [each for each in OPERATIONS if each.method != "GET" and each.path not in ENTRANCE | trying_out]
    assert {operation.needs for operation in changing} == {"operate"}


@pytest.mark.parametrize("operation", OPERATIONS, ids=named)
async def test_a_browser_is_refused_whatever_it_presents(guarded: Guarded, operation: Operation) -> None:
    """An `Origin`, or a name that was pointed at this machine, gets no answer, with the best of tokens."""
    token = guarded.presents["operate"]
    page = await ask(guarded.proxy.admin, operation.method, operation.target, *token, ("Origin", "http://evil.example"))
    rebound = await ask(guarded.proxy.admin, operation.method, operation.target, *token, host="evil.example")
    assert (page.status, code_of(page)) == (rebound.status, code_of(rebound)) == (403, "admin.browser")


@pytest.mark.parametrize("operation", OPERATIONS, ids=named)
async def test_nothing_of_it_stands_on_the_public_port(guarded: Guarded, operation: Operation) -> None:
    """Clients reach no route of it, with any method, not even with a token that may operate."""
    for method in ("GET", "POST", operation.method):
        answer = await ask(guarded.proxy.url, method, operation.target, *guarded.presents["operate"])
        assert answer.status == 404, answer.body
        assert answer.header("x-routebook-error") == "request.unknown-path"


@pytest.mark.parametrize(
    "target",
    [
        "/policy/",
        "//policy",
        "/./policy",
        "/x/../policy",
        "/%70olicy",
        "/policy%2f",
        "/POLICY",
        "/policy;x=1",
        "/policy#x",
        "/policy%3fx",
        "\\policy",
        "/healthz/../policy",
        "/healthz%2f..%2fpolicy",
        "/decisions/a/b",
        "/decisions/a%2Fb",
        "/decisions/",
        "http://127.0.0.1/policy",
    ],
)
async def test_a_path_that_only_resembles_a_route_leads_nowhere(guarded: Guarded, target: str) -> None:
    """What is authorized is what is carried out: there is no second reading of a path."""
    for credential in ("none", "operate"):
        answer = await ask(guarded.proxy.admin, "GET", target, *guarded.presents[credential])
        assert answer.status in (400, 404), answer.body


async def test_a_refused_reload_does_not_happen(guarded: Guarded) -> None:
    """Who may not operate changes nothing."""
    count = 'routebook_reloads_total{result="unchanged"}'
    before = _line(await _metrics(guarded), count)
    for credential in (*REFUSED_WITH, "read"):
        await ask(guarded.proxy.admin, "POST", "/reload", *guarded.presents[credential])
    assert _line(await _metrics(guarded), count) == before
    assert (await ask(guarded.proxy.admin, "POST", "/reload", *guarded.presents["operate"])).status == 200
    assert _line(await _metrics(guarded), count) != before


async def test_a_token_is_never_repeated(guarded: Guarded) -> None:
    """Not in the answer and not in the log: of a good one, a bad one, and one in a line that is not HTTP."""
    canary = "rba_canary0123456789canary0123456789"
    answers = [
        await ask(guarded.proxy.admin, "GET", "/policy", token=canary),
        await ask(guarded.proxy.admin, "GET", f"/policy?{canary}=1", *guarded.presents["operate"]),
        await ask(guarded.proxy.admin, "GET", f"/{canary}", *guarded.presents["operate"]),
        await ask(guarded.proxy.admin, "GET", "/policy", token=f"{canary}\x01"),
    ]
    assert [answer.status for answer in answers] == [401, 400, 404, 400]
    assert code_of(answers[3]) == "admin.malformed"
    assert canary.encode() not in answers[0].body + answers[2].body + answers[3].body
    assert canary not in guarded.proxy.log
    for headers in guarded.presents.values():
        assert not any(value.rpartition(" ")[2] in guarded.proxy.log for _, value in headers if len(value) > 20)


async def test_who_operated_stands_in_the_log(guarded: Guarded) -> None:
    """By the token's id, which is no secret."""
    assert (await ask(guarded.proxy.admin, "POST", "/reload", *guarded.presents["operate"])).status == 200
    said = [json.loads(line) for line in guarded.proxy.log.splitlines() if line.startswith("{")]
    last: dict[str, Any] = [line for line in said if line["event"] == "operated"][-1]
    assert (last["method"], last["path"], last["status"]) == ("POST", "/reload", 200)
    assert last["by"] in (guarded.proxy.state_dir / "admin-tokens.json").read_text()


async def _metrics(guarded: Guarded) -> str:
    answer = await ask(guarded.proxy.admin, "GET", "/metrics", *guarded.presents["read"])
    return answer.body.decode()


def _line(text: str, name: str) -> str:
    return next(line for line in text.splitlines() if line.startswith(name))
