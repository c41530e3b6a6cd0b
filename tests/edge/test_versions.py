"""Anthropic's versions: what a client of one is served with by a provider that is declared to speak the other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.protocols.anthropic.subject import sse
from tests.support.proxy import in_process
from tests.support.rawclient import Answer, RawClient, post
from tests.support.upstream import Play, Say, Upstream, chunk, head, reply

OLD, NEW = "2023-06-01", "2026-10-21"
ASKED: dict[str, Any] = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "Hello?"}]}
USAGE = {"input_tokens": 3, "output_tokens": 2}
ANSWER = {"id": "msg_1", "type": "message", "role": "assistant", "model": "up-1", "stop_reason": "end_turn",
          "stop_sequence": None, "content": [{"type": "text", "text": "Hi."}], "usage": USAGE}  # fmt: skip


def policy(upstream: Upstream, version: str | None, losses: str = "") -> str:
    """One model of a provider that speaks Messages, of this version where one is declared."""
    spoken = "" if version is None else f'version: "{version}", '
    return f"""\
version: 1
providers: {{up: {{dialect: anthropic, {spoken}base_url: "{upstream.url}", accounts: [{{name: main}}]}}}}
models: {{m: {{provider: up, id: up-1, price: {{input: 1, output: 2}}, context: 128k, capabilities: [reasoning]}}}}
rules: [{{name: all, route: {{to: [m]}}}}]
{losses}
"""


async def ask(url: str, version: str | None, path: str = "/v1/messages", **fields: Any) -> Answer:
    """A request of a client of this version."""
    named = [] if version is None else [("anthropic-version", version)]
    headers = [*named, ("anthropic-beta", "files-api-2025-04-14")]
    async with RawClient(url) as raw:
        return await raw.ask(post(path, {**ASKED, **fields}, headers), 20)


def stream() -> Play:
    """A streamed answer, an event a chunk."""
    said = [
        sse("message_start", message={**ANSWER, "content": [], "stop_reason": None}),
        sse("content_block_start", index=0, content_block={"type": "text", "text": ""}),
        sse("content_block_delta", index=0, delta={"type": "text_delta", "text": "Hi."}),
        sse("content_block_stop", index=0),
        sse("message_delta", delta={"stop_reason": "end_turn", "stop_sequence": None}, usage={"output_tokens": 2}),
        sse("message_stop"),
    ]
    given = [("Content-Type", "text/event-stream"), ("Transfer-Encoding", "chunked")]
    return [Say(head(200, given)), *(Say(chunk(each)) for each in said), Say(chunk(b""))]


@pytest.mark.parametrize(("version", "declared"), [(OLD, None), (NEW, None), (OLD, OLD), (NEW, NEW)])
async def test_one_version_on_both_sides_is_relayed(
    tmp_path: Path, upstream: Upstream, version: str, declared: str | None
) -> None:
    """So is whatever the client speaks where the provider declares nothing: byte for byte, with its betas."""
    async with in_process(tmp_path, policy(upstream, declared)) as proxy:
        upstream.will(reply(ANSWER))
        answer = await ask(proxy.url, version, "/v1/messages?beta=true", odd_field={"a": 1})
    [sent] = upstream.requests
    assert (answer.status, answer.json()) == (200, ANSWER)
    assert sent.json() == {**ASKED, "model": "up-1", "odd_field": {"a": 1}}
    assert (sent.header("anthropic-version"), sent.header("anthropic-beta")) == (version, "files-api-2025-04-14")


@pytest.mark.parametrize("streamed", [False, True])
async def test_an_older_client_of_a_newer_provider(tmp_path: Path, upstream: Upstream, streamed: bool) -> None:
    """What the newer version refuses never arrives; the rest does, also what only this dialect knows."""
    async with in_process(tmp_path, policy(upstream, NEW)) as proxy:
        upstream.will(stream() if streamed else reply(ANSWER))
        more = {"temperature": 0.5, "odd_field": {"a": 1}, "system": [{"type": "text", "text": "Be brief."}]}
        answer = await ask(proxy.url, OLD, stream=streamed, **more)
        record = await proxy.only_record()
    [sent] = upstream.requests
    assert answer.status == 200 and b"Hi." in answer.body
    assert sent.header("anthropic-version") == NEW
    assert sent.header("anthropic-beta") == "files-api-2025-04-14"
    assert "temperature" not in sent.json()
    assert sent.json()["odd_field"] == {"a": 1}
    assert (sent.json()["system"], sent.json()["max_tokens"]) == ("Be brief.", 9)
    attempts = record.ended["attempts"] if record.ended is not None else []
    assert "temperature" in str(attempts) or "temperature" in str(record.ended)


async def test_what_is_lost_may_be_refused(tmp_path: Path, upstream: Upstream) -> None:
    """As the policy says of each feature."""
    async with in_process(tmp_path, policy(upstream, NEW, "settings: {losses: {temperature: refused}}")) as proxy:
        answer = await ask(proxy.url, OLD, temperature=0.5)
    assert answer.status == 400 and "temperature" in answer.json()["error"]["message"]
    assert upstream.requests == []


async def test_a_newer_client_of_an_older_provider(tmp_path: Path, upstream: Upstream) -> None:
    """Its request has nothing that the older version would not take, and is told in it."""
    async with in_process(tmp_path, policy(upstream, OLD)) as proxy:
        upstream.will(reply(ANSWER))
        answer = await ask(proxy.url, NEW, thinking={"type": "adaptive"})
    [sent] = upstream.requests
    assert answer.status == 200 and answer.json()["content"] == ANSWER["content"]
    assert sent.header("anthropic-version") == OLD
    assert sent.json()["thinking"] == {"type": "adaptive"}


async def test_a_client_that_names_no_version_speaks_the_providers(tmp_path: Path, upstream: Upstream) -> None:
    """Nothing is said of its own."""
    async with in_process(tmp_path, policy(upstream, NEW)) as proxy:
        upstream.will(reply(ANSWER))
        await ask(proxy.url, None)
    assert upstream.requests[0].header("anthropic-version") == NEW
