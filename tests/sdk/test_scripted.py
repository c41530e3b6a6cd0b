"""The official SDK through the proxy, against an upstream that is scripted byte by byte: as if it were not there."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.sdk.conftest import Talk
from tests.support.proxy import LocalProxy, in_process, small_policy
from tests.support.upstream import Upstream, chunks, completion, event, failure, reply, stream

Call = Callable[..., dict[str, Any]]

HELLO = [{"role": "user", "content": "Say hello."}]
USAGE = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}


@pytest.fixture
async def proxy(tmp_path: Path, upstream: Upstream) -> AsyncIterator[LocalProxy]:
    """A proxy with one rule, in front of the scripted upstream; a fallback goes there too."""
    rules = "  - {name: everything, route: {to: [small]}}"
    async with in_process(tmp_path, small_policy(upstream.url, rules)) as running:
        yield running


async def test_a_whole_answer_is_the_upstreams(talk: Talk, call: Call, proxy: LocalProxy, upstream: Upstream) -> None:
    """Through the proxy and directly, a completion is the same object, and the request the same but for the model."""
    for _ in range(2):
        upstream.will(reply(completion("Bonjour – 你好 👋", system_fingerprint="fp_1")))
    asked = call("chat", model="small", messages=HELLO, temperature=0.5)
    [through] = await talk(proxy.base_url, asked)
    [direct] = await talk(upstream.url, asked)

    assert through["dump"] == direct["dump"]
    assert through["text"] == "Bonjour – 你好 👋"
    first, second = upstream.requests
    assert first.json() == second.json() | {"model": "small-1"}


async def test_a_stream_is_the_upstreams_chunk_for_chunk(
    talk: Talk, call: Call, proxy: LocalProxy, upstream: Upstream
) -> None:
    """Streamed one byte at a time with text that is split inside characters, every chunk is the same as directly."""
    for _ in range(2):
        upstream.will(stream(chunks(["Grüße", " – ", "你好", " 👋"]), piece=1))
    asked = call("stream", model="small", messages=HELLO)
    [through] = await talk(proxy.base_url, asked)
    [direct] = await talk(upstream.url, asked)

    assert through["chunks"] == direct["chunks"]
    assert through["text"] == "Grüße – 你好 👋"


async def test_usage_is_asked_for_and_hidden_again(
    talk: Talk, call: Call, proxy: LocalProxy, upstream: Upstream
) -> None:
    """A client that did not ask for usage does not see it, and the record has it nevertheless."""
    upstream.will(stream(chunks(usage=USAGE)))
    [result] = await talk(proxy.base_url, call("stream", model="small", messages=HELLO))
    record = await proxy.only_record()

    assert upstream.requests[0].json()["stream_options"] == {"include_usage": True}
    assert all(chunk["choices"] and not chunk.get("usage") for chunk in result["chunks"])
    assert record.ended is not None
    assert record.ended["usage"]["input"] == 7
    assert record.ended["usage"]["output"] == 3


async def test_usage_that_was_asked_for_is_shown(talk: Talk, call: Call, proxy: LocalProxy, upstream: Upstream) -> None:
    """A client that asked for usage gets the chunk as the upstream sent it."""
    upstream.will(stream(chunks(usage=USAGE)))
    [result] = await talk(
        proxy.base_url, call("stream", model="small", messages=HELLO, stream_options={"include_usage": True})
    )

    assert result["chunks"][-1]["usage"]["total_tokens"] == 10
    assert result["chunks"][-1]["choices"] == []


async def test_unknown_fields_survive_both_ways(talk: Talk, call: Call, proxy: LocalProxy, upstream: Upstream) -> None:
    """A field of next year reaches the upstream, and one in its answer reaches the client."""
    upstream.will(reply(completion(next_years_field={"a": [1, 2.50]})))
    upstream.will(stream(chunks(next_years_field=7)))
    new = {"thinking_style": {"depth": "très profond", "steps": 3}}
    whole, streamed = await talk(
        proxy.base_url,
        call("chat", model="small", messages=HELLO, extra_body=new),
        call("stream", model="small", messages=HELLO, extra_body=new),
    )

    assert [request.json()["thinking_style"] for request in upstream.requests] == [new["thinking_style"]] * 2
    assert whole["extra"]["next_years_field"] == {"a": [1, 2.5]}
    assert all(chunk["next_years_field"] == 7 for chunk in streamed["chunks"])


async def test_tool_calls_pass_in_fragments(talk: Talk, call: Call, proxy: LocalProxy, upstream: Upstream) -> None:
    """Two parallel calls in fragments are put together by the SDK's own helper."""
    frame = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "small-1"}

    def delta(calls: list[dict[str, Any]], reason: str | None = None) -> bytes:
        return event(
            {
                **frame,
                "choices": [{"index": 0, "finish_reason": reason, "delta": {"role": "assistant", "tool_calls": calls}}],
            }
        )

    shown = [
        delta(
            [{"index": number, "id": f"call_{number}", "type": "function", "function": {"name": name, "arguments": ""}}]
        )
        for number, name in enumerate(("a", "b"))
    ]
    shown += [
        delta([{"index": number, "function": {"arguments": part}}])
        for part in ('{"city": "Zü', 'rich"}')
        for number in (0, 1)
    ]
    finish = event({**frame, "choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]})
    upstream.will(stream([*shown, finish, event("[DONE]")], piece=1))
    tools = [{"type": "function", "function": {"name": name, "parameters": {"type": "object"}}} for name in "ab"]
    [result] = await talk(proxy.base_url, call("helper", model="small", messages=HELLO, tools=tools))

    message = result["dump"]["choices"][0]["message"]
    assert [one["function"]["name"] for one in message["tool_calls"]] == ["a", "b"]
    assert [json.loads(one["function"]["arguments"]) for one in message["tool_calls"]] == [{"city": "Zürich"}] * 2


@pytest.mark.parametrize(("status", "name"), [(400, "BadRequestError"), (422, "UnprocessableEntityError")])
async def test_what_the_upstream_says_of_the_request_is_the_sdks_own_error(
    talk: Talk, call: Call, proxy: LocalProxy, upstream: Upstream, status: int, name: str
) -> None:
    """A complaint about the request passes through: the SDK raises its class for it, with the upstream's words."""
    upstream.otherwise = lambda request: failure(status, "no, thank you", "because")
    [result] = await talk(proxy.base_url, call("chat", model="small", messages=HELLO))

    assert (result["error"], result["status"], result["code"]) == (name, status, "because")
    assert "no, thank you" in result["message"]


@pytest.mark.parametrize("status", [401, 403, 404])
async def test_what_the_upstream_says_of_the_proxy_is_not_the_clients_fault(
    talk: Talk, call: Call, proxy: LocalProxy, upstream: Upstream, status: int
) -> None:
    """A key or a model that the upstream does not know is the proxy's, so the SDK must not blame the client's."""
    upstream.otherwise = lambda request: failure(status, "sk-proxy is not known", "because")
    [result] = await talk(proxy.base_url, call("chat", model="small", messages=HELLO))

    assert (result["error"], result["status"]) == ("InternalServerError", 502)
    assert result["code"].startswith("upstream.")
    assert "sk-proxy" not in result["message"]


async def test_an_exhausted_upstream_is_not_asked_again_by_the_sdk(
    talk: Talk, call: Call, proxy: LocalProxy, upstream: Upstream
) -> None:
    """After all attempts of the proxy failed, an SDK with retries switched on does not multiply them without end."""
    upstream.otherwise = lambda request: failure(500)
    [result] = await talk(proxy.base_url, call("chat", model="small", messages=HELLO), max_retries=2)

    assert result["status"] in (500, 502, 503)
    assert len(upstream.requests) <= 4


async def test_a_cut_stream_is_an_error_and_never_a_quiet_end(
    talk: Talk, call: Call, proxy: LocalProxy, upstream: Upstream
) -> None:
    """Where an upstream breaks off, the SDK raises; it would have ended quietly if the bytes were passed on as they came."""
    upstream.will(stream(chunks()[:-2], ends=False), cut=100_000)
    upstream.will(stream(chunks()[:-1]))
    reset, ended = await talk(
        proxy.base_url, call("stream", model="small", messages=HELLO), call("stream", model="small", messages=HELLO)
    )

    assert reset["error"] == "APIError"
    assert ended["error"] == "APIError"
    assert reset["text"] == ended["text"] == "Hello."


async def test_an_unknown_model_is_not_found(talk: Talk, call: Call, tmp_path: Path, upstream: Upstream) -> None:
    """Where the client chooses, a model that does not exist is the error that the SDK knows, and nothing is asked."""
    rules = "  - {name: as-asked, route: {to: requested}}"
    async with in_process(tmp_path / "requested", small_policy(upstream.url, rules)) as proxy:
        [result] = await talk(proxy.base_url, call("chat", model="nothing", messages=HELLO))

    assert (result["error"], result["status"]) == ("NotFoundError", 404)
    assert "nothing" in result["message"]
    assert upstream.requests == []


async def test_models_are_the_policys(talk: Talk, call: Call, proxy: LocalProxy) -> None:
    """`models.list` and `models.retrieve` show the names that the policy gives."""
    listed, shown = await talk(proxy.base_url, call("models"), call("model", model="small"))

    assert {"small", "large"} <= set(listed["ids"])
    assert shown["dump"]["id"] == "small"


async def test_the_decision_is_in_the_headers(talk: Talk, call: Call, proxy: LocalProxy) -> None:
    """Whoever uses the SDK reads the decision's id, the rule and the model from the raw response, and finds the record."""
    [result] = await talk(proxy.base_url, call("chat", model="small", messages=HELLO))
    record = await proxy.record(result["headers"]["x-routebook-decision"])

    assert result["headers"]["x-routebook-rule"] == "everything"
    assert result["headers"]["x-routebook-model"] == "small"
    assert record.decided["rule"] == "everything"


async def test_embeddings_pass(talk: Talk, call: Call, tmp_path: Path, upstream: Upstream) -> None:
    """Embeddings come as the upstream said them, for a model that offers them."""
    policy = small_policy(upstream.url).replace("quality: 0.5}", "quality: 0.5, operations: [chat, embeddings]}")
    async with in_process(tmp_path / "embeddings", policy) as proxy:
        [result] = await talk(
            proxy.base_url, call("embeddings", model="small", input="a text", encoding_format="float")
        )

    assert result["dump"]["data"][0]["embedding"] == [0.25, -0.5]
    assert upstream.requests[0].json()["model"] == "small-1"
