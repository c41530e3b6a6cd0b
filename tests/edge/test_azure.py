"""Azure's addresses: the older form with a deployment in the path and a version in the query, and the newer one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.asking import ask, chat, text_of
from tests.support.proxy import in_process
from tests.support.rawclient import Answer, RawClient
from tests.support.upstream import Upstream, reply, stream

VERSION = "2024-10-21"
BODY: dict[str, Any] = {"messages": [{"role": "user", "content": "Hello?"}]}
KEY = [("api-key", "of-the-client")]


def policy(upstream: Upstream, base: str, dialect: str = "openai") -> str:
    """Two deployments of a resource on Azure, whose names an address must be careful with."""
    root = upstream.url.removesuffix("/v1")
    return f"""\
version: 1
providers:
  azure: {{dialect: {dialect}, base_url: "{root}{base}", key_header: api-key, accounts: [{{name: main, key: {{env: AZURE_KEY}}}}]}}
models:
  one: {{provider: azure, id: our-gpt, price: {{input: 1, output: 2}}, context: 128k, operations: [chat, completion]}}
  two: {{provider: azure, id: "their gpt/5", price: {{input: 1, output: 2}}, context: 128k}}
  vectors: {{provider: azure, id: our-vectors, price: {{input: 1}}, context: 8k, operations: [embeddings]}}
rules: [{{name: all, route: {{to: requested}}}}]
"""


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    """The resource's key."""
    monkeypatch.setenv("AZURE_KEY", "azure-secret")


async def test_a_deployment_is_called_at_its_own_address(tmp_path: Path, upstream: Upstream) -> None:
    """Each model at its own, whatever form the client uses; the version behind it, and the key where Azure looks."""
    old = "/openai/deployments/{model}?api-version=" + VERSION
    async with in_process(tmp_path, policy(upstream, old)) as proxy:
        upstream.will(reply({"object": "list", "data": [], "usage": {"prompt_tokens": 1, "total_tokens": 1}}))
        assert (await ask(proxy.url, {"model": "vectors", "input": "a"}, "/v1/embeddings")).status == 200
        for model, path in (
            ("one", "/v1/chat/completions"),
            ("one", "/openai/v1/chat/completions"),
            ("two", f"/openai/deployments/two/chat/completions?api-version={VERSION}"),
            ("one", "/openai/deployments/one/chat/completions?api-version=2023-05-15"),
        ):
            upstream.will(stream())
            body = {**chat(model, stream=True)} if "deployments" not in path else {**BODY, "stream": True}
            answer = await ask(proxy.url, body, path, headers=KEY)
            assert answer.status == 200 and text_of(answer.body) == "Hello."
        upstream.will(
            reply({"choices": [{"index": 0, "text": "!"}], "usage": {"prompt_tokens": 2, "completion_tokens": 1}})
        )
        legacy = await ask(
            proxy.url, {"prompt": "Hi"}, "/openai/deployments/one/completions?api-version=1", headers=KEY
        )
        assert legacy.json()["choices"][0]["text"] == "!"
    assert [request.target for request in upstream.requests] == [
        f"/openai/deployments/our-vectors/embeddings?api-version={VERSION}",
        f"/openai/deployments/our-gpt/chat/completions?api-version={VERSION}",
        f"/openai/deployments/our-gpt/chat/completions?api-version={VERSION}",
        f"/openai/deployments/their%20gpt%2F5/chat/completions?api-version={VERSION}",
        f"/openai/deployments/our-gpt/chat/completions?api-version={VERSION}",
        f"/openai/deployments/our-gpt/completions?api-version={VERSION}",
    ]
    for request in upstream.requests:
        assert (request.header("api-key"), request.header("authorization")) == ("azure-secret", None)


async def test_clients_of_other_dialects_reach_a_deployment(tmp_path: Path, upstream: Upstream) -> None:
    """What is translated goes to the same address."""
    async with in_process(tmp_path, policy(upstream, "/openai/deployments/{model}?api-version=1")) as proxy:
        body = {"model": "one", "max_tokens": 9, **BODY}
        answer = await ask(proxy.url, body, "/v1/messages", headers=[("x-api-key", "k")])
        assert answer.status == 200 and answer.json()["type"] == "message"
    assert upstream.requests[0].target == "/openai/deployments/our-gpt/chat/completions?api-version=1"


@pytest.mark.parametrize("path", ["/v1/responses", "/openai/responses?api-version=1", "/openai/v1/responses"])
async def test_responses_have_a_version_too(tmp_path: Path, upstream: Upstream, path: str) -> None:
    """There the body names the deployment."""
    said = {"id": "resp_1", "object": "response", "status": "completed", "model": "m", "output": [],
            "usage": {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2}}  # fmt: skip
    async with in_process(tmp_path, policy(upstream, "/openai?api-version=2025-04-01", "openai-responses")) as proxy:
        upstream.will(reply(said))
        answer = await ask(proxy.url, {"model": "one", "input": "Hello?"}, path, headers=KEY)
        assert answer.json() == said
    [request] = upstream.requests
    assert request.target == "/openai/responses?api-version=2025-04-01"
    assert request.json()["model"] == "our-gpt"


@pytest.mark.parametrize("path", ["/openai/models", "/openai/v1/models"])
async def test_models_are_listed_at_azures_paths(tmp_path: Path, upstream: Upstream, path: str) -> None:
    """In the form of OpenAI."""
    async with in_process(tmp_path, policy(upstream, "/openai/v1")) as proxy, RawClient(proxy.url) as raw:
        head = f"GET {path}?api-version=1 HTTP/1.1\r\nHost: x\r\napi-key: k\r\n\r\n"
        listed: Answer = await raw.ask(head.encode())
    assert [each["id"] for each in listed.json()["data"]] == ["one", "two", "vectors"]
