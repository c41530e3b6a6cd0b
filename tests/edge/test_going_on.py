"""Requests that go on from an answer by its id, and errors that say when to try again in the words of their dialect."""

from __future__ import annotations

import asyncio
import itertools
import json
from pathlib import Path
from typing import Any

import pytest

from routebook.routing.reading.loading import load_sources
from routebook.routing.replay import decide_again, differences
from tests.support.proxy import LocalProxy, in_process, running_proxy
from tests.support.rawclient import Answer, RawClient, post
from tests.support.upstream import Play, Received, Say, Upstream, chunk, failure, head, reply

RESPONSES = "/v1/responses"
ACCOUNTS = ", ".join(f"{{name: a{number}, key: {{env: KEY_{number}}}}}" for number in range(4))


def policy(url: str, stick: str = "") -> str:
    """A model with four accounts, and another one of a provider that also speaks Responses."""
    return f"""\
version: 1
providers:
  many: {{dialect: openai-responses, base_url: "{url}", accounts: [{ACCOUNTS}]}}
  other: {{dialect: openai-responses, base_url: "{url}", accounts: [{{name: main}}]}}
models:
  large: {{provider: many, id: large-1, price: {{input: 10, output: 20}}, context: 128k}}
  small: {{provider: other, id: small-1, price: {{input: 1, output: 2}}, context: 128k}}
rules:
  - {{name: all, route: {{to: [large, small], pick: in_order{stick}}}}}
"""


NUMBERS = itertools.count()


def answering(request: Received) -> Play:
    """An answer with an id of its own, whole or streamed."""
    body = request.json()
    identity = f"resp_{next(NUMBERS)}"
    usage = {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5}
    said = {
        "id": identity,
        "object": "response",
        "model": "large-1",
        "status": "completed",
        "output": [],
        "usage": usage,
    }
    if not body.get("stream"):
        return reply(said)
    events = [
        {"type": "response.created", "sequence_number": 0, "response": {**said, "status": "in_progress"}},
        {"type": "response.completed", "sequence_number": 1, "response": said},
    ]
    given = [("Content-Type", "text/event-stream"), ("Transfer-Encoding", "chunked")]
    frames = [f"event: {each['type']}\ndata: {json.dumps(each)}\n\n".encode() for each in events]
    return [Say(head(200, given)), *(Say(chunk(each)) for each in frames), Say(chunk(b""))]


async def say(proxy: LocalProxy, stream: bool = False, **fields: Any) -> tuple[str, str | None]:
    """The id of the answer, and which account gave it."""
    async with RawClient(proxy.url) as raw:
        answer = await raw.ask(post(RESPONSES, {"model": "m", "input": "Hello?", "stream": stream, **fields}), 20)
    assert answer.status == 200, answer.body
    record = await proxy.record(answer.header("x-routebook-decision") or "")
    assert record.ended is not None
    told = json.loads(answer.body.split(b"data: ")[-1])["response"] if stream else answer.json()
    return told["id"], record.ended["account"]


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys of the accounts."""
    for number in range(4):
        monkeypatch.setenv(f"KEY_{number}", f"secret-{number}")


@pytest.mark.parametrize("stick", ["", ", stick: 30m"])
@pytest.mark.parametrize("stream", [False, True])
async def test_who_gave_an_answer_is_asked_to_go_on_from_it(
    tmp_path: Path, upstream: Upstream, keys: None, stream: bool, stick: str
) -> None:
    """Whether its rule sticks or not: nobody else has it. Each turn of a chain, and each of many conversations."""
    upstream.otherwise = answering
    async with in_process(tmp_path, policy(upstream.url, stick)) as proxy:
        begun = [await say(proxy, stream, input=f"question {number}") for number in range(12)]
        assert len({account for _, account in begun}) > 1
        for identity, account in begun:
            then = await say(proxy, stream, previous_response_id=identity)
            assert then[1] == account
            assert (await say(proxy, not stream, previous_response_id=then[0]))[1] == account
        loaded = load_sources((("policy.yaml", proxy.policy_dir.joinpath("policy.yaml").read_text()),))
        assert loaded.policy is not None
        for record in proxy.records().values():
            assert differences(record.decided, decide_again(loaded.policy, record.decided)) == []


async def test_an_answer_that_nobody_knows_is_anybodys(tmp_path: Path, upstream: Upstream, keys: None) -> None:
    """It was given before, or elsewhere: the upstream has the word."""
    upstream.otherwise = answering
    async with in_process(tmp_path, policy(upstream.url)) as proxy:
        _, account = await say(proxy, previous_response_id="resp_of_another_day")
        record = next(iter(proxy.records().values()))
        assert account is not None and "stick" not in record.decided


async def test_what_one_worker_answered_another_goes_on_from(tmp_path: Path, upstream: Upstream, keys: None) -> None:
    """They tell each other."""
    upstream.otherwise = answering
    async with running_proxy(tmp_path, policy(upstream.url), workers=2) as proxy:

        async def goes_on(identity: str) -> tuple[str, str | None]:
            body = {"model": "m", "input": "And?", "previous_response_id": identity}
            async with RawClient(proxy.url) as raw:
                answer = await raw.ask(post(RESPONSES, body), 20)
            record = await proxy.record(answer.header("x-routebook-decision") or "")
            assert record.ended is not None
            return record.decided["instance"], record.ended["account"]

        identity, account = await say(proxy)
        told: list[tuple[str, str | None]] = []
        async with asyncio.timeout(30):
            while (
                len(told) < 12 or len({each for each, _ in told[-12:]}) < 2 or {a for _, a in told[-12:]} != {account}
            ):
                told.append(await goes_on(identity))


def gemini_policy(url: str, dialect: str) -> str:
    """One model."""
    return f"""\
version: 1
providers: {{up: {{dialect: {dialect}, base_url: "{url}", accounts: [{{name: main}}]}}}}
models: {{m: {{provider: up, id: up-1, price: {{input: 1, output: 2}}, context: 128k}}}}
rules: [{{name: all, route: {{to: [m]}}}}]
"""


async def generate(proxy: LocalProxy) -> Answer:
    """What a client of Gemini is told."""
    async with RawClient(proxy.url) as raw:
        contents = [{"role": "user", "parts": [{"text": "Hello?"}]}]
        return await raw.ask(post("/v1beta/models/m:generateContent", {"contents": contents}), 20)


def delay(answer: Answer) -> str | None:
    """The delay that the body of an error tells of."""
    details = answer.json()["error"].get("details", ())
    found = [each for each in details if each["@type"] == "type.googleapis.com/google.rpc.RetryInfo"]
    return found[0]["retryDelay"] if found else None


async def test_clients_of_gemini_are_told_when_to_try_again(tmp_path: Path, upstream: Upstream) -> None:
    """In the body, where they look, and in the header: where we are the ones who refuse, as where an upstream does."""
    async with in_process(tmp_path, gemini_policy(upstream.url, "openai")) as proxy:
        upstream.will(failure(429, headers=[("Retry-After", "7")]))
        busy = await generate(proxy)
        assert (busy.status, busy.header("retry-after"), delay(busy)) == (429, "7", "7s")
        resting = await generate(proxy)
        assert resting.status == 503 and delay(resting) == f"{resting.header('retry-after')}s"
    async with in_process(tmp_path / "refused", gemini_policy(upstream.url, "openai")) as proxy:
        upstream.will(failure(422, headers=[("Retry-After", "9")]))
        refused = await generate(proxy)
        assert (refused.status, refused.header("retry-after"), delay(refused)) == (422, "9", "9s")
        upstream.will(failure(400))
        assert delay(await generate(proxy)) is None


async def test_a_delay_in_the_body_becomes_a_header(tmp_path: Path, upstream: Upstream) -> None:
    """Clients of other dialects look there."""
    details = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "3.2s"}]
    body = {"error": {"code": 400, "message": "again", "status": "FAILED_PRECONDITION", "details": details}}
    async with in_process(tmp_path, gemini_policy(upstream.url, "gemini")) as proxy:
        upstream.will(reply(body, 400))
        async with RawClient(proxy.url) as raw:
            asked = {"model": "m", "messages": [{"role": "user", "content": "Hello?"}]}
            answer = await raw.ask(post("/v1/chat/completions", asked), 20)
        assert (answer.status, answer.header("retry-after")) == (400, "4")
