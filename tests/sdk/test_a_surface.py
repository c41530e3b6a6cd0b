"""The official SDKs at the surface of the proxy: text, usage, models, keys, counts, headers, large bodies."""

from __future__ import annotations

import base64
import time
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from routebook.chat.events import Finish, Finished, Started, TextDelta
from routebook.edge.identity.store import KeyStore
from tests.sdk.conftest import PAIRS
from tests.sdk.house import CROSSED, KINDS, OWN, UPSTREAMS, Client, House, opened
from tests.sdk.processes import Processes
from tests.sdk.speaking import says
from tests.sdk.words.asking import Ask, End, How, Tool, User
from tests.support.proxy import in_process, small_policy
from tests.support.rawclient import RawClient, post
from tests.support.upstream import Upstream

pytestmark = pytest.mark.asyncio(loop_scope="module")

HELLO = User("Say hello to the world, grüße und 你好 👋.")
SDK_KINDS = [name for name in KINDS if not name.startswith("responses")]
"""One client for each version of an SDK."""

NOT_FOUND = {
    "chat": "NotFoundError",
    "responses": "NotFoundError",
    "anthropic": "NotFoundError",
    "google": "ClientError",
}
UNAUTHENTICATED = {
    "chat": "AuthenticationError",
    "responses": "AuthenticationError",
    "anthropic": "AuthenticationError",
    "google": "ClientError",
}


def raised(client: Client, classes: dict[str, str]) -> str:
    """The class that a client raises; Google's SDK for JavaScript has one for all."""
    return "ApiError" if client.name == "google-js" else classes[client.family]


@pytest.fixture(params=PAIRS)
def pair(request: pytest.FixtureRequest, house: House) -> tuple[Client, str]:
    """A client, and the model of an upstream."""
    return model_of(request, house)


def model_of(request: pytest.FixtureRequest, house: House) -> tuple[Client, str]:
    """A client and a model, by their names."""
    name, word = request.param
    return house.client(name), word


@pytest.fixture(params=[*PAIRS, *(pytest.param((name, "ollama"), id=f"{name}-on-ollama") for name in KINDS)])
def wider(request: pytest.FixtureRequest, house: House) -> tuple[Client, str]:
    """Also with the upstream that no client speaks."""
    return model_of(request, house)


@pytest.fixture(params=KINDS)
def client(request: pytest.FixtureRequest, house: House) -> Client:
    """Each client in each version."""
    return house.client(request.param)


@pytest.mark.parametrize("name", SDK_KINDS)
async def test_a1_models_come_in_the_clients_own_shape(house: House, name: str) -> None:
    """All of them, each by its name, and what does not exist is the SDK's own error."""
    client = house.client(name)
    asked: dict[str, str] = {"anthropic": "model_id"}
    prefix = "models/" if client.family == "google" else ""
    listed = await client.do("models")
    one = await client.do("model", **{asked.get(client.family, "model"): "gemini"})
    none = await client.do("model", **{asked.get(client.family, "model"): "nothing"})

    assert {prefix + word for word in UPSTREAMS} <= set(listed["ids"]), listed
    assert one["dump"]["name" if client.family == "google" else "id"] == f"{prefix}gemini"
    assert (none["error"], none["own"], none["status"]) == (raised(client, NOT_FOUND), True, 404)
    assert "there is no model of this name" in none["message"]


async def test_a2_a_whole_answer_is_understood(wider: tuple[Client, str]) -> None:
    """Text, the reason to stop, usage, and the model that served."""
    client, word = wider
    answer = await client.ask(Ask((HELLO,), word, system="Be kind."))

    assert "Say hello to the world, grüße und 你好 👋." in answer.text
    assert client.last["text"] == answer.text
    assert answer.end is End.STOP
    assert answer.used is not None and min(answer.used) > 5


async def test_a3_a_stream_says_what_the_whole_answer_says(wider: tuple[Client, str]) -> None:
    """The same text, piece by piece, the same reason to stop and the same usage."""
    client, word = wider
    ask = Ask((HELLO,), word, system="Be kind.")
    whole, streamed = await client.ask(ask), await client.ask(ask, How.STREAM)

    assert streamed.text == whole.text
    assert streamed.end is whole.end is End.STOP
    assert streamed.used == whole.used
    assert len(client.last.get("chunks") or client.last["events"]) > 10


@pytest.mark.parametrize("word", CROSSED)
@pytest.mark.parametrize("name", ["chat-1", "chat-3", "chat-js"])
async def test_a4_usage_is_told_to_whom_asked_for_it(house: House, name: str, word: str) -> None:
    """Chat Completions have a chunk for it, which nobody gets unasked; the record has it in both cases."""
    client = house.client(name)
    plain = {"model": word, "messages": [{"role": "user", "content": "Hello"}]}
    silent = await client.do("stream", **plain)
    record = await house.record_of(silent)
    asked = await client.do("stream", stream_options={"include_usage": True}, **plain)

    assert all(chunk["choices"] and not chunk.get("usage") for chunk in silent["chunks"])
    assert (asked["chunks"][-1]["choices"], silent["text"]) == ([], asked["text"])
    assert asked["chunks"][-1]["usage"]["completion_tokens"] == record.ended["usage"]["output"] > 0


async def test_a5_keys_are_taken_as_each_sdk_sends_them(tmp_path: Path, processes: Processes) -> None:
    """As a bearer, in `x-api-key`, in `x-goog-api-key`; a wrong one is each SDK's own error for that."""
    key, _ = KeyStore(tmp_path / "var", {}).create("me", time.time(), None, None)
    async with opened(tmp_path, processes, "clients: {me: {}}\n") as house:
        for name in SDK_KINDS:
            client = house.client(name, api_key=key)
            answer = await client.ask(Ask((HELLO,), "gemini"))
            assert "hello" in answer.text, name
            refused = await house.client(name, api_key="rb_wrong").try_to(Ask((HELLO,), "gemini"))
            assert (refused["error"], refused["own"], refused["status"]) == (raised(client, UNAUTHENTICATED), True, 401)
            assert key not in str(refused)
            if client.family == "anthropic":
                bearer = await house.client(name, api_key=None, bearer=key).try_to(Ask((HELLO,), "gemini"))
                assert "hello" in bearer["text"]
        assert {record.decided["client"] for record in house.proxy.records().values()} == {"me", None}
        assert not any(key in str(request) for request in house.tap.requests)


@pytest.mark.parametrize("word", CROSSED)
@pytest.mark.parametrize("name", ["chat-1", "chat-3", "chat-js", "responses-1", "responses-3", "responses-js"])
async def test_a6_azures_addresses_are_served(tmp_path: Path, processes: Processes, name: str, word: str) -> None:
    """By the SDK's client for Azure, whose deployments are models here and whose key is in `api-key`, and by the plain one
    at Azure's newer address; another key is the SDK's own error."""
    key, _ = KeyStore(tmp_path / "var", {}).create("me", time.time(), None, None)
    async with opened(tmp_path, processes, "clients: {me: {}}\n") as house:
        url = house.proxy.url
        for made in ({"base_url": url, "azure": "2025-04-01-preview"}, {"base_url": f"{url}/openai/v1"}):
            client = house.client(name, api_key=key, **made)
            for how in How:
                assert "hello" in (await client.ask(Ask((HELLO,), word), how)).text
            refused = await house.client(name, api_key="rb_wrong", **made).try_to(Ask((HELLO,), word))
            assert (refused["error"], refused["own"], refused["status"]) == ("AuthenticationError", True, 401)
        assert len(house.tap.requests) == 6


CROSSING = [name for name in KINDS if not name.startswith("anthropic")]


@pytest.mark.parametrize("name", [*CROSSING, "anthropic-0"])
async def test_a7_sampling_never_reaches_a_version_that_refuses_it(house: House, name: str) -> None:
    """Anthropic's newer version takes no temperature: what a client says of it is dropped, and the client is told."""
    client = house.client(name)
    for word, version, arrives in (("anthropic-newer", "2026-10-21", False), ("anthropic", "2023-06-01", True)):
        answer = await client.ask(Ask((HELLO,), word, temperature=0.3))
        [request] = house.tap.requests[-1:]
        losses = client.last["headers"].get("x-routebook-losses", "")
        assert "hello" in answer.text
        assert ("temperature" in request.json(), "temperature" in losses) == (arrives, not arrives)
        assert request.header("anthropic-version") == version


@pytest.mark.parametrize("name", ["anthropic-2", "anthropic-js"])
async def test_a7_the_version_that_a_client_speaks_is_spoken_upstream(house: House, name: str) -> None:
    """Its request is relayed as it came, so it must mean there what it means to the client."""
    client = house.client(name)
    for word in ("anthropic", "anthropic-newer"):
        await client.ask(Ask((HELLO,), word))
        assert house.tap.requests[-1].header("anthropic-version") == "2026-10-21"


COUNTING = [name for name in KINDS if not name.startswith("chat")]
COUNTERS = {
    "openai-responses": "/responses/input_tokens",
    "anthropic": "/messages/count_tokens",
    "gemini": ":countTokens",
}


@pytest.mark.parametrize(("name", "word"), [*product(COUNTING, CROSSED)])
async def test_a8_tokens_are_counted_with_all_that_is_sent(house: House, name: str, word: str) -> None:
    """By the upstream where it has a counter, else here, and then we say so; tools and system prompts count."""
    client = house.client(name)
    few = await counted(client, Ask((HELLO,), word))
    many = await counted(client, Ask((HELLO,), word, system="Be kind. " * 100, tools=(WEATHER,)))
    exact = await client.ask(Ask((HELLO,), word))

    assert exact.used is not None
    assert exact.used[0] / 2 <= few <= exact.used[0] * 2
    assert few + 200 < many
    before = len(house.tap.requests)
    await counted(client, Ask((HELLO,), word))
    asked = [request.target for request in house.tap.requests[before:]]
    assert len(asked) == (word in COUNTERS)
    assert all(COUNTERS[word] in target for target in asked)


WEATHER = Tool("weather", {"type": "object", "properties": {"city": {"type": "string", "description": "where " * 50}}})


async def counted(client: Client, ask: Ask) -> int:
    """How many tokens a client hears that a request has."""
    given = client.kind.words.given(ask, How.WHOLE)
    if client.family == "google":
        result = await google_count(client, given)
        return int(result["dump"]["totalTokens"])
    kept = {"model", "input", "instructions", "tools", "messages", "system"}
    order = "responses_count" if client.family == "responses" else "count"
    result = await client.do(order, **{key: each for key, each in given.items() if key in kept})
    assert "error" not in result, result
    return int(result["dump"]["input_tokens"])


async def google_count(client: Client, given: dict[str, Any]) -> dict[str, Any]:
    """Google's SDKs count contents alone; the API counts whole requests, which their users send by hand."""
    whole = {"model": f"models/{given['model']}", "contents": given["contents"]}
    config = given["config"]
    whole |= {key: config[key] for key in ("systemInstruction", "tools") if key in config}
    path = f"/v1beta/models/{given['model']}:countTokens"
    if "systemInstruction" not in config:
        return await client.do("count", model=given["model"], contents=given["contents"])
    async with RawClient(client.house.proxy.url) as raw:
        answer = await raw.ask(post(path, {"generateContentRequest": whole}))
    return {"dump": answer.json()}


UNKNOWN = {"depth": "très profond", "steps": [1, 2.5]}


@pytest.mark.parametrize("how", [How.WHOLE, How.STREAM], ids=lambda how: how.value)
async def test_a9_unknown_fields_of_a_request_arrive_at_its_own_dialect(client: Client, how: How) -> None:
    """A field of next year reaches the upstream as it is, and the answer's headers name the decision."""
    body = {"next_years_field": UNKNOWN}
    google = {"httpOptions": {"extraBody": body}}
    ask = Ask((HELLO,), OWN[client.family], extra=google if client.family == "google" else {"extra_body": body})
    answer = await client.ask(ask, how)
    [request] = client.house.tap.requests[-1:]
    headers = client.last["headers"]

    assert "hello" in answer.text
    assert request.json()["next_years_field"] == UNKNOWN
    assert headers["x-routebook-rule"] == "as-asked"
    assert headers["x-routebook-model"] == OWN[client.family]
    record = await client.house.record_of(client.last)
    assert record.ended["served"] == f"{OWN[client.family]}-9"


@pytest.mark.parametrize("name", [name for name in KINDS if not name.startswith("google")])
async def test_a9_unknown_fields_of_an_answer_arrive(tmp_path: Path, processes: Processes, name: str) -> None:
    """Google's SDKs leave out what they do not know; all others show it."""
    kind = KINDS[name]
    word = OWN[name.rpartition("-")[0]]
    said = [Started(None, "m-1", 0), TextDelta("Hello."), Finished(Finish.STOP)]
    async with Upstream(says(said, next_years_field=UNKNOWN)) as upstream:
        policy = small_policy(upstream.url).replace("dialect: openai", f"dialect: {word}")
        async with in_process(tmp_path, policy) as proxy:
            given = kind.words.given(Ask((HELLO,), "small"), How.WHOLE)
            made = {"base_url": kind.words.base(proxy.url)}
            result = await processes[kind.sdk].do(kind.words.operation(How.WHOLE), made, given)
    assert result["text"] == "Hello."
    assert result["extra"]["next_years_field"] == UNKNOWN


@pytest.mark.parametrize("name", SDK_KINDS)
async def test_a10_large_pictures_pass(tmp_path: Path, processes: Processes, name: str) -> None:
    """Twenty megabytes, from each SDK to another dialect than its own, byte for byte."""
    word = "anthropic" if name.startswith("chat") else "openai"
    picture = base64.b64encode(bytes(range(256)) * (15 * 1024 * 1024 // 256)).decode()
    async with opened(tmp_path, processes) as house:
        answer = await house.client(name).ask(Ask((User("What is this?", picture),), word))
        [request] = house.tap.requests
    assert "with 1 image" in answer.text
    assert picture in request.body.decode()


async def test_a11_the_model_that_served_is_told(pair: tuple[Client, str]) -> None:
    """By its name at the provider, in the answer and in the record."""
    client, word = pair
    for how in (How.WHOLE, How.STREAM):
        answer = await client.ask(Ask((HELLO,), word), how)
        record = await client.house.record_of(client.last)
        assert answer.model == f"{word}-9"
        assert record.ended["served"] == f"{word}-9"
        assert client.last["headers"]["x-routebook-model"] == word


@pytest.mark.parametrize("name", [name for name in SDK_KINDS if not name.startswith("anthropic")])
async def test_vectors_come_from_the_own_dialect(house: House, name: str) -> None:
    """Embeddings cross to no other API: whoever asks a model that speaks another hears so, and nobody is called."""
    client = house.client(name)
    own, other = ("vectors-google", "vectors") if client.family == "google" else ("vectors", "vectors-google")
    texts = {"contents" if client.family == "google" else "input": ["one", "two"]}
    served = await client.do("embeddings", model=own, **texts)
    before = len(house.tap.requests)
    refused = await client.do("embeddings", model=other, **texts)

    dump = served["dump"]
    vectors = [each.get("values") or each["embedding"] for each in dump.get("embeddings") or dump["data"]]
    assert [len(vector) for vector in vectors] == [256, 256]
    assert (refused["own"], refused["status"]) == (True, 400)
    assert "cannot be asked for" in refused["message"]
    assert len(house.tap.requests) == before
