"""The way through the gateway and back: bytes, headers, usage, and the record before the last byte."""

from __future__ import annotations

import asyncio
import gzip
import json
import zlib
from pathlib import Path

import brotli
import pytest
from backports import zstd

from tests.support.asking import CHAT, ask, chat, events, text_of
from tests.support.proxy import LocalProxy, in_process, small_policy
from tests.support.rawclient import RawClient, get, post
from tests.support.upstream import Close, Pause, Say, Upstream, chunk, chunks, completion, event, head, reply, stream

SAME_NAME = """
version: 1
providers:
  scripted: {{dialect: openai, base_url: "{url}", accounts: [{{name: main}}]}}
models:
  small-1: {{provider: scripted, id: small-1, price: {{input: 1, output: 2}}, context: 128k}}
rules:
  - {{name: everything, route: {{to: [small-1]}}}}
"""


async def test_a_body_that_needs_no_change_goes_upstream_as_the_bytes_it_was(
    tmp_path: Path, upstream: Upstream
) -> None:
    """White space, order, escapes and unknown fields: not a byte differs where the model keeps its name."""
    body = b'{ "x_new": {"b":1e2,"a":"\\u00e9"},\n "model":"small-1", "messages":[{"role":"user","content":"hi"}] }'
    async with in_process(tmp_path, SAME_NAME.format(url=upstream.url)) as proxy:
        await ask(proxy.url, body)
    assert upstream.requests[0].body == body


async def test_only_the_model_changes_where_the_vendor_calls_it_otherwise(tmp_path: Path, upstream: Upstream) -> None:
    """Every other field is sent on with the very bytes it came with."""
    body = b'{"model":"small","messages":[{"role":"user","content":"caf\\u00e9"}],"seed": 1.50,"x":[1 ,2]}'
    async with in_process(tmp_path, small_policy(upstream.url)) as proxy:
        await ask(proxy.url, body)
    sent = upstream.requests[0].body
    assert upstream.requests[0].json()["model"] == "small-1"
    assert b'[{"role":"user","content":"caf\\u00e9"}]' in sent and b"1.50" in sent and b"[1 ,2]" in sent


async def test_an_answer_comes_back_as_the_bytes_it_was(tmp_path: Path, upstream: Upstream) -> None:
    """White space, unknown fields and headers of the upstream's answer reach the client untouched."""
    body = b'{ "id":"x", "usage": {"prompt_tokens":3,"completion_tokens":4}, "new_field": [1 , 2.50] }\n'
    upstream.will(reply(body, headers=[("x-request-id", "req-7"), ("x-ratelimit-remaining-requests", "12")]))
    async with in_process(tmp_path, small_policy(upstream.url)) as proxy:
        answer = await ask(proxy.url)
        record = await proxy.only_record()
    assert answer.status == 200 and answer.body == body and answer.whole
    assert answer.header("x-request-id") == "req-7" and answer.header("x-ratelimit-remaining-requests") == "12"
    assert answer.header("x-routebook-rule") == "everything" and answer.header("x-routebook-model") == "small"
    assert answer.header("x-routebook-decision") == record.decided["id"]
    assert record.ended is not None and record.ended["end"] == "--"
    assert record.ended["input"] == 3 and record.ended["output"] == 4


@pytest.mark.parametrize("piece", [0, 1, 7])
@pytest.mark.parametrize("newline", [b"\n", b"\r\n"], ids=["LF", "CRLF"])
async def test_a_stream_comes_back_as_the_bytes_it_was(
    tmp_path: Path, upstream: Upstream, piece: int, newline: bytes
) -> None:
    """Comments, names of events, several data lines, any cut of the bytes: what arrives is what was said."""
    said = b"".join(
        [
            b": warming up\n\n",
            *chunks(["Grü", "ße ", "🙂"])[:-1],
            b"event: note\ndata: {}\nid: 7\n\n",
            b'data: {"a":\ndata: 1}\n\n',
            event("[DONE]"),
        ]
    ).replace(b"\n", newline)
    upstream.will(stream([said], piece=piece))
    async with in_process(tmp_path, small_policy(upstream.url)) as proxy:
        answer = await ask(proxy.url, chat(stream=True, stream_options={"include_usage": True}))
    assert answer.body == said and answer.whole and answer.header("content-type") == "text/event-stream; charset=utf-8"


async def test_usage_is_asked_for_and_hidden_again(tmp_path: Path, upstream: Upstream) -> None:
    """The record knows what was used; the client, who did not ask, sees the stream as it would be without."""
    async with in_process(tmp_path, small_policy(upstream.url)) as proxy:
        answer = await ask(proxy.url, stream=True)
        record = await proxy.only_record()
    assert upstream.requests[0].json()["stream_options"] == {"include_usage": True}
    assert b'"usage"' not in answer.body and events(answer.body)[-1] == "[DONE]" and text_of(answer.body) == "Hello."
    assert record.ended is not None
    assert (record.ended["input"], record.ended["output"]) == (7, 2)
    assert record.ended["cost"] == 7 * 1000 + 2 * 2000


async def test_usage_is_shown_to_a_client_who_asked(tmp_path: Path, upstream: Upstream) -> None:
    """Then its chunk is part of the answer like any other."""
    async with in_process(tmp_path, small_policy(upstream.url)) as proxy:
        answer = await ask(proxy.url, chat(stream=True, stream_options={"include_usage": True}))
    assert json.loads(events(answer.body)[-2])["usage"]["total_tokens"] == 9


async def test_the_record_is_complete_before_the_last_byte(tmp_path: Path, upstream: Upstream) -> None:
    """Whoever has read the end of an answer finds its record ended, every time: a stream's and a whole answer's."""
    async with in_process(tmp_path, small_policy(upstream.url)) as proxy, RawClient(proxy.url) as client:
        for number in range(40):
            answer = await client.ask(post(CHAT, chat(stream=number % 2 == 0)))
            identity = answer.header("x-routebook-decision")
            assert answer.whole and identity is not None
            assert proxy.records()[identity].ended is not None


async def test_the_decision_is_written_before_anything_goes_upstream(tmp_path: Path) -> None:
    """When the upstream reads a request, the journal already holds its decision, and no end."""
    found: list[tuple[int, int]] = []
    box: list[LocalProxy] = []

    def look(request: object) -> list[object]:
        records = box[0].records().values()
        found.append((len(records), sum(record.ended is not None for record in records)))
        return list(reply(completion()))

    async with Upstream(look) as upstream, in_process(tmp_path, small_policy(upstream.url)) as proxy:  # type: ignore[arg-type]
        box.append(proxy)
        await ask(proxy.url)
    assert found == [(1, 0)]


CODINGS = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": brotli.compress,
    "zstd": zstd.compress,
}


async def test_an_encoded_answer_passes_and_is_counted(tmp_path: Path, upstream: Upstream) -> None:
    """We ask for none; an upstream that encodes all the same is passed on unchanged, and what was used is known."""
    plain = json.dumps(completion(prompt_tokens=11, completion_tokens=5)).encode()
    async with in_process(tmp_path, small_policy(upstream.url)) as proxy:
        for number, (coding, pack) in enumerate(CODINGS.items()):
            body = pack(plain)
            upstream.will(reply(body, headers=[("Content-Encoding", coding)]))
            answer = await ask(proxy.url, headers=[("Accept-Encoding", "gzip, br, zstd")])
            assert upstream.requests[number].header("accept-encoding") == "identity"
            assert answer.body == body and answer.header("content-encoding") == coding
        records = await proxy.ended_records(lambda found: len(found) == len(CODINGS))
    for record in records.values():
        assert record.ended is not None and record.ended["usage_by"] == "measured"
        assert (record.ended["input"], record.ended["output"]) == (11, 5)


async def test_embeddings_pass(tmp_path: Path, upstream: Upstream) -> None:
    """The second operation walks the same steps."""
    policy = small_policy(
        upstream.url,
        more="""
  vectors: {provider: scripted, id: vectors-1, price: {input: 1}, operations: [embeddings], context: 8k}
""",
        rules="  - {name: everything, route: {to: [requested]}}",
    ).replace("models:\n", "models:\n", 1)
    async with in_process(tmp_path, policy) as proxy:
        answer = await ask(proxy.url, {"model": "vectors", "input": "hello"}, "/v1/embeddings")
        record = await proxy.only_record()
    assert answer.json()["data"][0]["embedding"] == [0.25, -0.5]
    assert upstream.requests[0].target == "/v1/embeddings" and upstream.requests[0].json()["model"] == "vectors-1"
    assert record.decided["operation"] == "embeddings"
    assert record.ended is not None and record.ended["input"] == 3


async def test_models_are_listed(tmp_path: Path, upstream: Upstream) -> None:
    """What a client may ask for, by the names of the policy; an unknown one is 404 in OpenAI's words."""
    async with in_process(tmp_path, small_policy(upstream.url)) as proxy, RawClient(proxy.url) as client:
        listed = await client.ask(get("/v1/models"))
        shown = await client.ask(get("/v1/models/large"))
        unknown = await client.ask(get("/v1/models/none"))
    assert [model["id"] for model in listed.json()["data"]] == ["large", "small"]
    assert shown.json()["id"] == "large" and shown.json()["object"] == "model"
    assert unknown.status == 404 and unknown.json()["error"]["code"] == "model_not_found"


async def test_a_connection_to_an_upstream_is_used_again(tmp_path: Path, upstream: Upstream) -> None:
    """After whole answers and after streams, also where the end of the body comes a moment after the last event."""
    late = [*stream(chunks(["a"]), ends=False), Pause(0.05), Say(chunk(b""))]
    async with in_process(tmp_path, small_policy(upstream.url)) as proxy:
        for play in (reply(completion()), stream(), late, reply(completion())):
            upstream.will(play)
            assert (await ask(proxy.url, stream=True)).status == 200
            await asyncio.sleep(0.1)
    assert upstream.connections == 1


async def test_a_body_without_length_ends_with_its_connection(tmp_path: Path, upstream: Upstream) -> None:
    """An upstream of the old kind: its JSON is whole, so the answer is."""
    body = json.dumps(completion()).encode()
    upstream.will([Say(head(200, [("Content-Type", "application/json"), ("Connection", "close")]) + body), Close()])
    async with in_process(tmp_path, small_policy(upstream.url)) as proxy:
        answer = await ask(proxy.url)
    assert answer.status == 200 and answer.body == body
