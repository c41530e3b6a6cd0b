"""The official SDKs where something goes wrong: each raises its own error, and none sees an end that nobody sent."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from routebook.edge import relay
from tests.sdk.conftest import PAIRS
from tests.sdk.house import CROSSED, KINDS, OWN, Client, House, opened
from tests.sdk.processes import Processes
from tests.sdk.words.asking import Ask, How, User

pytestmark = pytest.mark.asyncio(loop_scope="module")

HELLO = User("Say hello to the world.")

BREAKS = {"cut": "cut=1500", "error": "error-event=6"}
"""What an upstream does in the middle of a stream: it breaks off, or says that it fails."""

BROKEN = {"chat": "APIError", "responses": "APIError", "anthropic": "APIStatusError", "google": "ServerError"}
"""What SDKs for Python raise for it, where the answer had begun with 200."""

CLASSES: Mapping[str, Mapping[int, str]] = {
    "openai": {
        400: "BadRequestError",
        403: "PermissionDeniedError",
        404: "NotFoundError",
        413: "APIStatusError",
        422: "UnprocessableEntityError",
        429: "RateLimitError",
        502: "InternalServerError",
    },
    "anthropic": {
        400: "BadRequestError",
        403: "PermissionDeniedError",
        404: "NotFoundError",
        413: "RequestTooLargeError",
        422: "UnprocessableEntityError",
        429: "RateLimitError",
        502: "InternalServerError",
    },
    "google": dict.fromkeys((400, 403, 404, 413, 422, 429), "ClientError") | {502: "ServerError"},
}
"""What each vendor's SDK raises for a status."""

OTHERWISE = {
    ("openai-js", 413): "APIError",
    ("anthropic-js", 413): "ContentTooLargeError",
    ("anthropic-2", 413): "ContentTooLargeError",
}
"""Where one version has another name."""

SEEN = {400: 400, 401: 502, 404: 502, 413: 413, 422: 422, 429: 429, 500: 502, 503: 502, 529: 502}
"""What a client sees of an upstream's status: what is said of its request is passed on, what is said of the proxy's key
or model is not its fault, and who is overloaded or broken has failed."""


def raised(client: Client, status: int) -> str:
    """The class that a client raises for a status."""
    if client.name == "google-js":
        return "ApiError"
    vendor = client.kind.sdk.rpartition("-")[0]
    return OTHERWISE.get((client.kind.sdk, status)) or CLASSES[vendor][status]


@pytest.fixture(params=PAIRS)
def pair(request: pytest.FixtureRequest, house: House) -> tuple[Client, str]:
    """A client, and the model of an upstream."""
    name, word = request.param
    return house.client(name), word


@pytest.mark.parametrize("how", [How.STREAM, How.HELPER], ids=lambda how: how.value)
@pytest.mark.parametrize("fault", BREAKS)
async def test_c1_c2_a_stream_that_fails_is_an_error(pair: tuple[Client, str], fault: str, how: How) -> None:
    """Of the SDK's own kind, with what went wrong, after the text that had come; from a helper as from events."""
    client, word = pair
    result = await client.try_to(Ask((HELLO,), word, headers={"x-simulate": BREAKS[fault]}), how)

    expected = {"google-js": "ApiError", "anthropic-js": "APIError"}.get(client.name, BROKEN[client.family])
    assert (result["error"], result["own"]) == (expected, True), result
    assert ("broke off" if fault == "cut" else "a simulated problem") in result["message"]
    assert f"This is a simulated answer of {word}-9 to".startswith(result["text"].rstrip())


async def test_c3_silence_breaks_no_client(pair: tuple[Client, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """While an upstream of another dialect is silent, clients get signs of life, and they do not see them."""
    monkeypatch.setattr(relay, "SILENCE", 0.01)
    client, word = pair
    ask = Ask((HELLO,), word, headers={"x-simulate": "tokens=6 pace=40ms"})
    for how in (How.STREAM, How.HELPER):
        answer = await client.ask(ask, how)
        assert answer.text.startswith("This is a simulated answer of")


NEARBY = [
    (name, word) for name in KINDS for word in CROSSED if word in (OWN[name.rpartition("-")[0]], "gemini", "openai")
]
"""Each client with its own dialect and with others."""


@pytest.mark.parametrize(("name", "word"), NEARBY)
async def test_c4_every_status_is_the_sdks_own_class(
    tmp_path: Path, processes: Processes, name: str, word: str
) -> None:
    """With the id of the exchange, where the SDK shows headers of errors."""
    for status, seen in SEEN.items():
        async with opened(tmp_path / str(status), processes) as house:
            client = house.client(name)
            result = await client.try_to(Ask((HELLO,), word, headers={"x-simulate": str(status)}))
            assert (result["error"], result["own"], result["status"]) == (raised(client, seen), True, seen), status
            assert str(status) in result["message"]
            assert len(house.tap.requests) == 1
            if client.name != "google-js":
                assert result["request_id"]
                assert result["headers"]["x-routebook-error"].startswith("upstream.")


@pytest.mark.parametrize("name", KINDS)
async def test_c4_our_own_refusals_are_the_sdks_own_class(tmp_path: Path, processes: Processes, name: str) -> None:
    """What does not exist, what a rule refuses, what is too large, and what a budget has no room for."""
    budget = "budgets: {few: {limit: 1 requests, window: day}}\n"
    refusing = "{name: no, when: {request.model: forbidden}, refuse: {status: 403, code: closed, message: not here}}"
    async with opened(tmp_path, processes, budget, ", max_body: 10KB", refusing) as house:
        client = house.client(name)
        for status, said, ask in (
            (404, "model", Ask((HELLO,), "nothing")),
            (403, "not here", Ask((HELLO,), "forbidden")),
            (413, "larger", Ask((User("long " * 4000),), "gemini")),
        ):
            result = await client.try_to(ask)
            assert (result["error"], result["own"], result["status"]) == (raised(client, status), True, status), result
            assert said in result["message"]
        assert "hello" in (await client.ask(Ask((HELLO,), "gemini"))).text
        spent = await client.try_to(Ask((HELLO,), "gemini"))
        assert (spent["error"], spent["status"]) == (raised(client, 429), 429)
        assert "budget" in spent["message"]
        assert len(house.tap.requests) == 1


@pytest.mark.parametrize(("name", "word"), NEARBY)
async def test_c5_when_to_ask_again_arrives(tmp_path: Path, processes: Processes, name: str, word: str) -> None:
    """In the header, and in the error itself for Google's SDKs; whoever gave it, and however it was said."""
    async with opened(tmp_path, processes) as house:
        client = house.client(name)
        result = await client.try_to(Ask((HELLO,), word, headers={"x-simulate": "429 retry-after=7"}))
    assert (result["error"], result["status"]) == (raised(client, 429), 429)
    if client.family == "google":
        waits = [value for detail in details_of(result) for key, value in detail.items() if key == "retryDelay"]
        assert waits == ["7s"]
    if client.name != "google-js":
        assert result["headers"]["retry-after"] == "7"


def details_of(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The details of one of Google's errors."""
    found = result["details"]
    details: list[dict[str, Any]] = found.get("error", found)["details"]
    return details


@pytest.mark.parametrize("retries", [0, 2])
@pytest.mark.parametrize("name", KINDS)
async def test_c5_an_sdk_does_not_multiply_our_attempts(
    tmp_path: Path, processes: Processes, name: str, retries: int
) -> None:
    """Who is told not to try again does not. Google's SDKs know no such word: they try as often as they are made to."""
    async with opened(tmp_path, processes) as house:
        client = house.client(name, max_retries=retries)
        result = await client.try_to(Ask((HELLO,), "openai", headers={"x-simulate": "503"}))
        assert result["error"] == raised(client, 502)
        assert len(house.tap.requests) == (1 + retries if client.family == "google" else 1)
