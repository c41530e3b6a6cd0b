"""A client of one dialect and an upstream of another: OpenAI's chat in front, Ollama's behind, byte by byte."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from routebook.edge import relay, server, translating
from routebook.protocols.codec import Operation
from routebook.protocols.openai_chat.dialect import OPENAI_CHAT
from routebook.protocols.openai_chat.request import OpenAIChat, edited
from routebook.protocols.paths import Paths
from routebook.routing.reading.loading import load_sources
from routebook.routing.replay import decide_again, differences
from tests.support.asking import ask, chat, error_of, events, text_of
from tests.support.proxy import LocalProxy, Record, in_process, running_proxy
from tests.support.upstream import Close, Pause, Play, Say, Upstream, chunk, head, reply

MODEL = "llama"
TOOL = {
    "type": "function",
    "function": {"name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}},
}


def policy(upstream: Upstream, rules: str = "  - {name: all, route: {to: [llama]}}", more: str = "") -> str:
    """One model of an Ollama, a second of a server that speaks OpenAI's chat."""
    root = upstream.url.removesuffix("/v1")
    return f"""\
version: 1
providers:
  home: {{dialect: ollama, base_url: "{root}", accounts: [{{name: main}}]}}
  other: {{dialect: openai, base_url: "{upstream.url}", accounts: [{{name: main}}]}}
models:
  llama: {{provider: home, id: "llama3:8b", price: {{input: 1, output: 2}}, context: 128k, max_output: 4k,
          capabilities: [tools, vision, json_schema, reasoning, logprobs]}}
  plain: {{provider: other, id: plain-1, price: {{input: 1, output: 2}}, context: 128k,
          capabilities: [tools, vision, json_schema, reasoning, logprobs]}}
{more}
rules:
{rules}
"""


def line(done: bool = False, **message: Any) -> dict[str, Any]:
    """One line of a stream."""
    said = {"model": "llama3:8b", "created_at": "2025-11-21T10:00:00Z", "message": {"role": "assistant", **message}}
    counts = {"done_reason": "stop", "prompt_eval_count": 11, "eval_count": 3} if done else {}
    return {**said, "done": done, **counts}


def lines(*said: dict[str, Any]) -> bytes:
    """Lines as they stand in a body."""
    return b"".join(json.dumps(each).encode() + b"\n" for each in said)


HELLO = (line(content="Hel"), line(content="lö"), line(content="."), line(True, content=""))


def stream(said: Iterable[bytes]) -> Play:
    """A chunked answer, one chunk each."""
    given = [("Content-Type", "application/x-ndjson"), ("Transfer-Encoding", "chunked")]
    return [Say(head(200, given)), *(Say(chunk(each)) for each in said), Say(chunk(b""))]


def whole(**more: Any) -> Play:
    """A whole answer."""
    return reply({**line(True, content="Hellö."), **more})


async def replays(proxy: LocalProxy, record: Record) -> list[str]:
    """What comes out otherwise when the record is decided again."""
    source = (proxy.policy_dir / "policy.yaml").read_text()
    loaded = load_sources((("policy.yaml", source),))
    assert loaded.policy is not None
    return differences(record.decided, decide_again(loaded.policy, record.decided))


async def test_an_answer_crosses_whole_and_streamed_alike(tmp_path: Path) -> None:
    """The same text, reason and usage; the upstream gets a request in its own words, and the record says who served."""
    async with Upstream() as upstream, in_process(tmp_path, policy(upstream)) as proxy:
        upstream.will(whole())
        upstream.will(stream([lines(*HELLO)]))
        unary = await ask(proxy.url, chat(max_tokens=50, temperature=0.5, stop=["x"]))
        streamed = await ask(proxy.url, chat(stream=True, stream_options={"include_usage": True}))
        records = await proxy.ended_records(lambda records: len(records) == 2)

        first, second = upstream.requests
        assert (first.target, second.target) == ("/api/chat", "/api/chat")
        assert first.json() == {
            "model": "llama3:8b",
            "messages": [{"role": "user", "content": "Hello?"}],
            "stream": False,
            "options": {"temperature": 0.5, "num_predict": 50, "stop": ["x"]},
        }
        assert second.json()["stream"] is True
        said = unary.json()
        assert said["object"] == "chat.completion"
        assert said["choices"][0]["message"]["content"] == text_of(streamed.body) == "Hellö."
        assert said["choices"][0]["finish_reason"] == "stop"
        assert (said["usage"]["prompt_tokens"], said["usage"]["completion_tokens"]) == (11, 3)
        assert json.loads(events(streamed.body)[-2])["usage"] == said["usage"]
        assert streamed.header("content-type") == "text/event-stream"
        assert events(streamed.body)[-1] == "[DONE]"
        for answer in (unary, streamed):
            record = records[answer.header("x-routebook-decision") or ""]
            assert record.ended is not None
            assert (record.ended["end"], record.ended["model"], record.ended["served"]) == ("--", "llama", "llama3:8b")
            assert (record.ended["input"], record.ended["output"], record.ended["usage_by"]) == (11, 3, "measured")
            assert record.ended["finish"] == "stop"
            assert await replays(proxy, record) == []


async def test_tools_cross_there_and_back(tmp_path: Path) -> None:
    """Calls keep names and arguments, and what answers them finds its way by their ids, whole and streamed."""
    call = {"function": {"name": "weather", "arguments": {"city": "Graz"}}}
    async with Upstream() as upstream, in_process(tmp_path, policy(upstream)) as proxy:
        for streamed in (False, True):
            said = line(content="", tool_calls=[call, call])
            upstream.will(
                stream([lines(said, line(True, content=""))])
                if streamed
                else reply({**line(True, content="", tool_calls=[call, call])})
            )
            first = await ask(proxy.url, chat(stream=streamed, tools=[TOOL]))
            calls = streamed_calls(first.body) if streamed else first.json()["choices"][0]["message"]["tool_calls"]
            assert [each["function"]["name"] for each in calls] == ["weather"] * 2
            assert [json.loads(each["function"]["arguments"]) for each in calls] == [{"city": "Graz"}] * 2
            assert len({each["id"] for each in calls}) == 2
            upstream.will(whole())
            messages = [
                {"role": "user", "content": "How is it there?"},
                {"role": "assistant", "tool_calls": calls},
                *({"role": "tool", "tool_call_id": each["id"], "content": "sunny"} for each in calls),
            ]
            again = await ask(proxy.url, {"model": "llama", "messages": messages, "tools": [TOOL]})
            assert again.status == 200
            sent = upstream.requests[-1].json()["messages"]
            assert [each["role"] for each in sent] == ["user", "assistant", "tool", "tool"]
            assert sent[1]["tool_calls"][0]["function"]["arguments"] == {"city": "Graz"}
            assert sent[2]["tool_name"] == "weather"


def streamed_calls(body: bytes) -> list[dict[str, Any]]:
    """The calls of a stream, put together by their index."""
    calls: dict[int, dict[str, Any]] = {}
    for data in events(body)[:-1]:
        for choice in json.loads(data)["choices"]:
            for piece in choice["delta"].get("tool_calls", ()):
                held = calls.setdefault(piece["index"], {"function": {"arguments": ""}})
                held.setdefault("id", piece.get("id"))
                held["type"] = "function"
                held["function"].setdefault("name", piece["function"].get("name"))
                held["function"]["arguments"] += piece["function"].get("arguments", "")
    return [calls[index] for index in sorted(calls)]


async def test_a_cut_anywhere_is_an_error_in_the_clients_words(tmp_path: Path) -> None:
    """At every byte of the stream: text so far, then an error event, never an end; the record knows whose fault it was."""
    data = lines(*HELLO)
    last = data.rindex(b'{"model"')
    patient = "settings: {breaker: {of: 100k, in_a_row: 100k}}"
    async with Upstream() as upstream, in_process(tmp_path, policy(upstream, more=patient)) as proxy:
        for at in range(data.index(b"\n") + 1, len(data) - 1):
            upstream.will([*stream([data[:at]])[:-1], Close()])
            answer = await ask(proxy.url, chat(stream=True))
            assert answer.status == 200
            assert error_of(answer.body)["code"] == "upstream.cut"
            assert "Hellö.".startswith(text_of(answer.body.rpartition(b"data: ")[0]))
        for record in (await proxy.ended_records()).values():
            assert record.ended is not None
            assert (record.ended["end"], record.ended["error"]) == ("UD", "upstream.cut")
        upstream.will(stream([data[: last + 5]]))
        ended = await ask(proxy.url, chat(stream=True))
        assert error_of(ended.body)["code"] == "upstream.cut"
        upstream.will(stream([data.rstrip()]))
        complete = await ask(proxy.url, chat(stream=True))
        assert events(complete.body)[-1] == "[DONE]"


async def test_the_network_may_cut_a_stream_anywhere(tmp_path: Path) -> None:
    """One byte at a time, the client gets the same events."""
    data = lines(*HELLO)
    async with Upstream() as upstream, in_process(tmp_path, policy(upstream)) as proxy:
        upstream.will(stream([data[at : at + 1] for at in range(len(data))]))
        answer = await ask(proxy.url, chat(stream=True))
        assert text_of(answer.body) == "Hellö."
        assert events(answer.body)[-1] == "[DONE]"


async def test_an_error_in_the_stream_is_told_in_the_clients_words(tmp_path: Path) -> None:
    """As an event with the upstream's words; what comes first in a stream makes the next candidate answer."""
    rules = "  - {name: all, route: {to: [llama, plain]}}"
    async with Upstream() as upstream, in_process(tmp_path, policy(upstream, rules)) as proxy:
        first, *rest = stream([lines(HELLO[0]), b'{"error":"out of memory"}\n'])
        upstream.will([first, rest[0], Pause(0.2), *rest[1:]])
        answer = await ask(proxy.url, chat(stream=True))
        assert error_of(answer.body)["message"] == "out of memory"
        record = await proxy.only_record()
        assert record.ended is not None
        assert (record.ended["end"], record.ended["error"]) == ("UD", "upstream.error-event")
        upstream.will(stream([b'{"error":"out of memory"}\n']))
        mended = await ask(proxy.url, chat(stream=True))
        assert mended.header("x-routebook-model") == "plain"
        assert text_of(mended.body) == "Hello."


@pytest.mark.parametrize(("status", "told"), [(400, 400), (404, 404), (422, 422)])
async def test_a_refusal_is_told_in_the_clients_shape(tmp_path: Path, status: int, told: int) -> None:
    """What the upstream says is the client's to read; its shape is the client's own."""
    async with Upstream() as upstream, in_process(tmp_path, policy(upstream)) as proxy:
        upstream.will(reply({"error": "no such thing"}, status, [("x-request-id", "up-1")]))
        answer = await ask(proxy.url, chat())
        error = answer.json()["error"]
        if status == 404:
            assert answer.status in (404, 502)
        else:
            assert (answer.status, error["message"]) == (told, "no such thing")
            assert answer.header("x-request-id") == "up-1"
        assert set(error) == {"message", "type", "param", "code"}


async def test_what_cannot_be_carried_is_refused_before_the_call_or_said(tmp_path: Path) -> None:
    """What changes the meaning keeps the model out of the plan; what only advises is dropped, and both stand in the
    record and are shown to the client."""
    rules = "  - {name: all, route: {to: [llama, plain]}}"
    async with Upstream() as upstream, in_process(tmp_path, policy(upstream, rules)) as proxy:
        several = await ask(proxy.url, chat(n=2))
        assert several.header("x-routebook-model") == "plain"
        record = await proxy.only_record()
        dropped = [each for each in record.decided["candidates"] if each["verdict"] == "dropped"]
        assert [(each["model"], each["reason"], each["numbers"]["lost"]) for each in dropped] == [
            ("llama", "model.loses", ["choices"])
        ]
        assert await replays(proxy, record) == []

        upstream.will(whole())
        advised = await ask(proxy.url, chat(user="me", seed=7))
        assert advised.header("x-routebook-losses") == "user"
        ended = (await proxy.ended_records())[advised.header("x-routebook-decision") or ""].ended
        assert ended is not None
        assert [(each["feature"], each["path"], each["done"]) for each in ended["attempts"][0]["losses"]] == [
            ("user", "user", "dropped")
        ]
        assert "user" not in upstream.requests[-1].json()

        required = await ask(proxy.url, chat(tools=[TOOL], tool_choice="required"))
        assert required.header("x-routebook-model") == "plain"
        ended = (await proxy.ended_records())[required.header("x-routebook-decision") or ""].ended
        assert ended is not None
        assert [each["code"] for each in ended["attempts"]] == ["request.not-carried", None]
        assert ended["attempts"][0]["losses"][0]["feature"] == "tool_choice"


@pytest.mark.parametrize("body", [chat(n=2), chat(tools=[TOOL], tool_choice="required")], ids=["table", "value"])
async def test_where_nobody_can_carry_it_the_client_hears_what(tmp_path: Path, body: dict[str, Any]) -> None:
    """A 400 that names it; no upstream is called."""
    async with Upstream() as upstream, in_process(tmp_path, policy(upstream)) as proxy:
        answer = await ask(proxy.url, body)
        assert answer.status == 400
        assert answer.header("x-routebook-error") == "request.not-carried"
        assert "choices" in answer.json()["error"]["message"] or "tool_choice" in answer.json()["error"]["message"]
        assert not upstream.requests


async def test_the_policy_says_what_is_done_with_what_is_lost(tmp_path: Path) -> None:
    """`settings.losses` overrules the defaults, `lacks` says what a model does not take."""
    more = "settings: {losses: {choices: dropped, user: refused}}"
    source_rules = "  - {name: all, route: {to: [llama]}}"
    async with Upstream() as upstream:
        text = policy(upstream, source_rules, more).replace("max_output: 4k,", "max_output: 4k, lacks: [temperature],")
        async with in_process(tmp_path, text) as proxy:
            upstream.will(whole())
            answer = await ask(proxy.url, chat(n=2, temperature=1))
            assert answer.header("x-routebook-losses") == "temperature,choices"
            assert "options" not in upstream.requests[0].json()
            refused = await ask(proxy.url, chat(user="me"))
            assert refused.status == 400


async def test_embeddings_do_not_cross(tmp_path: Path) -> None:
    """What is only relayed needs a provider of its own dialect."""
    async with Upstream() as upstream:
        text = policy(upstream).replace('id: "llama3:8b",', 'id: "llama3:8b", operations: [chat, embeddings],')
        async with in_process(tmp_path, text) as proxy:
            answer = await ask(proxy.url, {"model": "llama", "input": "a"}, "/v1/embeddings")
            record = await proxy.only_record()
        assert answer.status == 400
        assert [each["reason"] for each in record.decided["candidates"]] == ["model.translation"]
        assert not upstream.requests


async def test_an_upstream_that_streams_unasked_is_understood(tmp_path: Path) -> None:
    """A stream for a whole answer, and a whole answer for a stream, arrive as they were asked for."""
    async with Upstream() as upstream, in_process(tmp_path, policy(upstream)) as proxy:
        upstream.will(stream([lines(*HELLO)]))
        unary = await ask(proxy.url, chat())
        assert unary.json()["choices"][0]["message"]["content"] == "Hellö."
        upstream.will(whole())
        streamed = await ask(proxy.url, chat(stream=True))
        assert text_of(streamed.body) == "Hellö."
        assert events(streamed.body)[-1] == "[DONE]"
        for answer in (unary, streamed):
            record = await proxy.record(answer.header("x-routebook-decision") or "")
            assert record.ended is not None and record.ended["output"] == 3


@pytest.mark.parametrize("body", [b"{", b"[]", b"<html>", b'{"error":"boom"}'])
async def test_nonsense_is_our_failure_to_get_an_answer(tmp_path: Path, body: bytes) -> None:
    """What cannot be read is no answer, and says nothing of what it held."""
    async with Upstream() as upstream, in_process(tmp_path, policy(upstream)) as proxy:
        upstream.will(reply(body))
        answer = await ask(proxy.url, chat())
        assert answer.status == 502
        assert answer.json()["error"]["code"] in ("upstream.garbled", "upstream.error-event")


async def test_an_upstream_that_counts_nothing_is_estimated(tmp_path: Path) -> None:
    """By the text that passed, so that it is not for free."""
    said: Sequence[dict[str, Any]] = [*HELLO[:3], {"model": "m", "done": True, "message": {"content": ""}}]
    async with Upstream() as upstream, in_process(tmp_path, policy(upstream)) as proxy:
        upstream.will(stream([lines(*said)]))
        await ask(proxy.url, chat(stream=True))
        record = await proxy.only_record()
    assert record.ended is not None
    assert (record.ended["usage_by"], record.ended["output"]) == ("estimated", 3)


async def test_azures_paths_reach_any_upstream(tmp_path: Path) -> None:
    """The deployment in the path is the model, whoever serves it."""
    rules = "  - {name: all, route: {to: requested}}"
    async with Upstream() as upstream, in_process(tmp_path, policy(upstream, rules)) as proxy:
        upstream.will(whole())
        body = {"messages": [{"role": "user", "content": "Hello?"}]}
        path = "/openai/deployments/llama/chat/completions?api-version=2025-04-01"
        answer = await ask(proxy.url, body, path, headers=[("api-key", "k")])
        assert answer.json()["choices"][0]["message"]["content"] == "Hellö."
        assert (await ask(proxy.url, chat("plain"), "/openai/v1/chat/completions")).status == 200
        assert (await ask(proxy.url, chat("plain"), "//v1//chat/completions")).status == 200


async def test_keys_go_where_the_provider_takes_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`key_header` names the header; a bearer stands in `Authorization` alone. What the client sent goes nowhere."""
    monkeypatch.setenv("AZURE_KEY", "azure-secret")
    async with Upstream() as upstream:
        text = policy(upstream, "  - {name: all, route: {to: [plain]}}").replace(
            f'base_url: "{upstream.url}", accounts: [{{name: main}}]',
            f'base_url: "{upstream.url}", key_header: api-key, accounts: [{{name: main, key: {{env: AZURE_KEY}}}}]',
        )
        async with in_process(tmp_path, text) as proxy:
            await ask(proxy.url, chat(), headers=[("Authorization", "Bearer of-the-client")])
    sent = upstream.requests[0]
    assert (sent.header("api-key"), sent.header("authorization")) == ("azure-secret", None)


async def test_legacy_completions_are_relayed(tmp_path: Path) -> None:
    """Byte for byte to a provider of the same dialect, and metered."""
    said = {"id": "cmpl-1", "object": "text_completion", "model": "plain-1", "choices": [{"index": 0, "text": "!"}]}
    async with Upstream() as upstream:
        text = policy(upstream, "  - {name: all, route: {to: [plain]}}").replace(
            "id: plain-1,", "id: plain-1, operations: [chat, completion],"
        )
        async with in_process(tmp_path, text) as proxy:
            upstream.will(reply({**said, "usage": {"prompt_tokens": 2, "completion_tokens": 1, "total_tokens": 3}}))
            answer = await ask(proxy.url, {"model": "plain", "prompt": "Hi", "odd": 1}, "/v1/completions")
            record = await proxy.only_record()
    assert answer.json()["choices"][0]["text"] == "!"
    assert upstream.requests[0].target == "/v1/completions"
    assert upstream.requests[0].json() == {"model": "plain-1", "prompt": "Hi", "odd": 1}
    assert record.ended is not None
    assert (record.decided["operation"], record.ended["input"], record.ended["output"]) == ("completion", 2, 1)


async def test_silence_is_bridged_in_the_clients_own_form(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An upstream's signs of life are not translated: while it thinks, the client is shown that somebody is at work."""
    monkeypatch.setattr(relay, "SILENCE", 0.02)
    first, opening, *rest = stream([lines(HELLO[0]), lines(*HELLO[1:])])
    async with Upstream() as upstream, in_process(tmp_path, policy(upstream)) as proxy:
        upstream.will([first, opening, Pause(0.3), *rest])
        answer = await ask(proxy.url, chat(stream=True))
    assert b": keep-alive\n\n" in answer.body
    assert text_of(answer.body) == "Hellö."
    assert events(answer.body)[-1] == "[DONE]"


class Counting(OpenAIChat):
    """A chat of which only the tokens are to be counted."""

    operation = "count_tokens"  # type: ignore[misc]  # a dialect of its own, for the test


COUNTED = replace(
    OPENAI_CHAT,
    operations=(Operation("count_tokens", "/v1/count", "/count", Counting, edited),),
    client=replace(OPENAI_CHAT.client, write_count=lambda tokens: b'{"tokens":%d}' % tokens),  # type: ignore[type-var]
)


async def test_tokens_are_counted_here_where_the_upstream_cannot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over everything, tools included; the client is told that it is an estimate, nobody is called, and nothing is paid."""
    monkeypatch.setattr(server, "PATHS", Paths([COUNTED]))
    async with Upstream() as upstream, in_process(tmp_path, policy(upstream)) as proxy:
        plain = await ask(proxy.url, chat(), "/v1/count")
        tools = await ask(proxy.url, chat(tools=[TOOL]), "/v1/count")
        records = await proxy.ended_records(lambda records: len(records) == 2)
        assert not upstream.requests
    assert plain.status == 200
    assert (plain.header("x-routebook-estimated"), plain.header("x-routebook-model")) == ("true", "llama")
    assert 0 < plain.json()["tokens"] < tools.json()["tokens"]
    for record in records.values():
        assert record.decided["operation"] == "count_tokens"
        assert record.ended is not None
        assert (record.ended["end"], record.ended["cost"]) == ("--", 0)


async def test_tokens_are_counted_by_the_upstream_that_can(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the same dialect: its own bytes, there and back."""
    monkeypatch.setattr(server, "PATHS", Paths([COUNTED]))
    monkeypatch.setattr(translating, "asked_in", lambda word, client: COUNTED)
    rules = "  - {name: all, route: {to: [plain]}}"
    async with Upstream() as upstream, in_process(tmp_path, policy(upstream, rules)) as proxy:
        upstream.will(reply({"tokens": 17}))
        answer = await ask(proxy.url, chat(), "/v1/count")
        record = await proxy.only_record()
        assert upstream.requests[0].target == "/v1/count"
    assert answer.json() == {"tokens": 17}
    assert answer.header("x-routebook-estimated") is None
    assert record.ended is not None and record.ended["cost"] == 0


async def test_the_program_serves_another_dialect_simulated(tmp_path: Path) -> None:
    """`routebook serve --simulate`, with more than one worker, as people run it."""
    async with Upstream() as upstream, running_proxy(tmp_path, policy(upstream), "--simulate", workers=2) as proxy:
        whole_answer = await ask(proxy.url, chat(max_tokens=5))
        streamed = await ask(proxy.url, chat(stream=True, max_tokens=5), timeout=30)
    assert whole_answer.json()["choices"][0]["message"]["content"] == text_of(streamed.body)
    assert whole_answer.json()["choices"][0]["finish_reason"] == "length"
