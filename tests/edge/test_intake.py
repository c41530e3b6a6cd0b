"""What comes in: bodies too large, too slow, encoded, hostile; and whatever is not HTTP."""

from __future__ import annotations

import asyncio
import json
import os
import re
from pathlib import Path

import pytest

from tests.support.asking import CHAT, ask, chat
from tests.support.proxy import LocalProxy, in_process, small_policy
from tests.support.rawclient import RawClient, get, post
from tests.support.upstream import Received, Step, Upstream, chunk, completion, reply

SMALL = "settings: {max_body: 64KiB, body_timeout: 300ms}"
HEAD = f"POST {CHAT} HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\n"


async def test_a_body_declared_too_large_is_refused_before_it_is_read(tmp_path: Path, upstream: Upstream) -> None:
    """By its length alone; the connection is closed, because what follows is not ours to read."""
    async with in_process(tmp_path, small_policy(upstream.url, more=SMALL)) as proxy, RawClient(proxy.url) as client:
        await client.send(f"{HEAD}Content-Length: 99999999\r\n\r\n".encode())
        answer = await client.answer(1)
        assert answer.status == 413 and answer.json()["error"]["code"] == "request.too-large"
        assert answer.header("connection") == "close" and await client.closed(2)
    assert upstream.requests == []


async def test_a_body_that_grows_too_large_is_refused_when_it_does(tmp_path: Path, upstream: Upstream) -> None:
    """Without a length it is counted as it comes, and no more of it is kept than the limit."""
    async with in_process(tmp_path, small_policy(upstream.url, more=SMALL)) as proxy, RawClient(proxy.url) as client:
        await client.send(f"{HEAD}Transfer-Encoding: chunked\r\n\r\n".encode())
        await client.send(chunk(b"x" * 40_000))
        await client.send(chunk(b"x" * 40_000))
        answer = await client.answer(1)
        assert answer.status == 413 and answer.header("connection") == "close"


async def test_a_body_in_chunks_is_a_body(tmp_path: Path, upstream: Upstream) -> None:
    """However it is cut; it goes upstream with a length."""
    body = json.dumps(chat()).encode()
    async with in_process(tmp_path, small_policy(upstream.url)) as proxy, RawClient(proxy.url) as client:
        await client.send(f"{HEAD}Transfer-Encoding: chunked\r\n\r\n".encode())
        for start in range(0, len(body), 7):
            await client.send(chunk(body[start : start + 7]))
        await client.send(chunk(b""))
        assert (await client.answer()).status == 200
    assert upstream.requests[0].header("content-length") == str(len(upstream.requests[0].body))
    assert upstream.requests[0].header("transfer-encoding") is None


async def test_half_a_body_is_waited_for_only_so_long(tmp_path: Path, upstream: Upstream) -> None:
    """Also where it drips: the limit is for the whole."""
    async with in_process(tmp_path, small_policy(upstream.url, more=SMALL)) as proxy, RawClient(proxy.url) as client:
        await client.send(f"{HEAD}Content-Length: 500\r\n\r\n".encode())
        sending = asyncio.create_task(
            client.send(b'{"model": "small", "messages": [' + b" " * 200, piece=1, pause=0.02)
        )
        answer = await client.answer(2)
        sending.cancel()
        assert answer.status == 408 and answer.json()["error"]["code"] == "request.slow"
        assert answer.header("connection") == "close"


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd", "gzip, gzip", "identity, gzip", "x"])
async def test_encoded_bodies_are_refused(tmp_path: Path, upstream: Upstream, coding: str) -> None:
    """Whatever the coding: nothing is unpacked, so nothing can explode."""
    async with in_process(tmp_path, small_policy(upstream.url)) as proxy:
        answer = await ask(proxy.url, b"\x1f\x8b" + bytes(100), headers=[("Content-Encoding", coding)])
    assert answer.status == 415 and answer.json()["error"]["code"] == "request.encoded"
    assert upstream.requests == []


async def test_who_expects_to_be_told_to_continue_is_told(tmp_path: Path, upstream: Upstream) -> None:
    """As curl does for large bodies; one that is refused is told that instead, before it sends anything."""
    body = json.dumps(chat()).encode()
    async with in_process(tmp_path, small_policy(upstream.url, more=SMALL)) as proxy:
        async with RawClient(proxy.url) as client:
            await client.send(f"{HEAD}Expect: 100-continue\r\nContent-Length: {len(body)}\r\n\r\n".encode())
            assert (await client.head())[0] == 100
            await client.send(body)
            assert (await client.answer()).status == 200
        async with RawClient(proxy.url) as client:
            await client.send(f"{HEAD}Expect: 100-continue\r\nContent-Length: 99999999\r\n\r\n".encode())
            assert (await client.answer()).status == 413
    assert upstream.requests[0].header("expect") is None


HOSTILE = {
    "nothing": b"",
    "no JSON": b"hello",
    "cut": b'{"model":"small","messages":[',
    "a list": b"[]",
    "null": b"null",
    "no model": b'{"messages":[]}',
    "model a number": b'{"model":1,"messages":[]}',
    "no messages": b'{"model":"small"}',
    "model empty": b'{"model":"","messages":[]}',
    "model endless": b'{"model":"%s","messages":[]}' % (b"m" * 70_000),
    "NaN": b'{"model":"small","messages":[],"temperature":NaN}',
    "nested": b'{"model":"small","messages":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "nested elsewhere": b'{"model":"small","messages":[],"x":' + b'{"a":' * 50_000 + b"1" + b"}" * 50_001,
    "not UTF-8": b'{"model":"sm\xffall","messages":[]}',
    "UTF-16": '{"model":"small","messages":[]}'.encode("utf-16"),
    "NUL": b'{"model":"small","messages":[]}\x00',
    "two values": b'{"model":"small","messages":[]} {}',
}


@pytest.mark.parametrize("name", HOSTILE)
async def test_hostile_bodies_are_the_clients_fault(tmp_path: Path, upstream: Upstream, name: str) -> None:
    """400 in OpenAI's shape and never 500; the connection goes on, and what was sent is not echoed at length."""
    async with in_process(tmp_path, small_policy(upstream.url)) as proxy, RawClient(proxy.url) as client:
        answer = await client.ask(post(CHAT, HOSTILE[name]))
        assert (await client.ask(post(CHAT, chat()))).status == 200
    assert answer.status == 400 and answer.header("x-routebook-error") == "request.malformed"
    assert answer.json()["error"]["type"] == "invalid_request_error" and len(answer.body) < 600


@pytest.mark.parametrize(
    "body",
    [
        b'{"model":"small","messages":[],"model":"large"}',
        b'{"model":"large","mod\\u0065l":"small","messages":[]}',
        b'{"model":"small","messages":[{"role":"user","content":"a"}],"messages":[{"role":"user","content":"b"}]}',
        b'{"model":"small","messages":[],"n":1,"n":2,"max_tokens":12345678901234567890}',
        b'\xef\xbb\xbf{"model":"small"}',
        b'{"model":"small","messages":[],"user":"\\ud800"}',
        b'{"model":"small","messages":[],"seed":' + b"9" * 5000 + b"}",
    ],
)
async def test_what_was_decided_is_what_is_sent(tmp_path: Path, upstream: Upstream, body: bytes) -> None:
    """Keys that stand twice, numbers beyond bounds, half surrogates: refused, or upstream reads what we read."""
    rules = """\
  - {name: large, when: {request.model: large}, route: {to: [large]}}
  - {name: small, when: {request.model: small}, route: {to: [small]}}
  - {name: other, route: {to: [requested]}}"""
    upstream.otherwise = lambda _: reply(completion())
    async with in_process(tmp_path, small_policy(upstream.url, rules)) as proxy:
        answer = await ask(proxy.url, body)
        records = list(proxy.records().values())
    if answer.status == 400:
        assert upstream.requests == []
        return
    sent = upstream.requests[0]
    assert answer.status == 200 and b'"model":"%b-1"' % records[0].decided["requested"].encode() in sent.body
    assert records[0].decided["rule"] == records[0].decided["requested"]
    for key in ("model", "messages", "n"):
        assert len(re.findall(rb'"%s"' % key.encode(), sent.body)) <= 1


def wire(*lines: str, body: str = "") -> bytes:
    """A request as it is, line by line."""
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode("latin-1")


POST = f"POST {CHAT} HTTP/1.1"
SMUGGLING = {
    "length and chunks": wire(POST, "Host: t", "Content-Length: 5", "Transfer-Encoding: chunked", body="0\r\n\r\n"),
    "chunks and length": wire(POST, "Host: t", "Transfer-Encoding: chunked", "Content-Length: 5", body="0\r\n\r\n"),
    "two lengths": wire(POST, "Host: t", "Content-Length: 2", "Content-Length: 3", body="{} "),
    "lengths in a list": wire(POST, "Host: t", "Content-Length: 2, 3", body="{} "),
    "xchunked": wire(POST, "Host: t", "Transfer-Encoding: xchunked", body="0\r\n\r\n"),
    "chunked, identity": wire(POST, "Host: t", "Transfer-Encoding: chunked, identity", body="0\r\n\r\n"),
    "space before the colon": wire(POST, "Host: t", "Transfer-Encoding : chunked", body="0\r\n\r\n"),
    "folded line": wire(POST, "Host: t", "X-A: b", " c", "Content-Length: 0"),
    "bare LF": f"{POST}\nHost: t\nContent-Length: 0\n\n".encode(),
    "CR in a value": wire(POST, "Host: t", "X-A: b\rTransfer-Encoding: chunked", "Content-Length: 0"),
    "NUL in a value": wire(POST, "Host: t", "X-A: b\0c", "Content-Length: 0"),
    "two hosts": wire(POST, "Host: t", "Host: u", "Content-Length: 0"),
    "plus in the length": wire(POST, "Host: t", "Content-Length: +2", body="{}"),
    "minus in the length": wire(POST, "Host: t", "Content-Length: -2", body="{}"),
    "hex in the length": wire(POST, "Host: t", "Content-Length: 0x2", body="{}"),
    "0x chunk": wire(POST, "Host: t", "Transfer-Encoding: chunked", body="0x2\r\n{}\r\n0\r\n\r\n"),
    "LF in a chunk extension": wire(POST, "Host: t", "Transfer-Encoding: chunked", body="2;a\nb\r\n{}\r\n0\r\n\r\n"),
    "packed, then in chunks": wire(POST, "Host: t", "Transfer-Encoding: gzip, chunked", body="2\r\n{}\r\n0\r\n\r\n"),
    "in chunks twice": wire(POST, "Host: t", "Transfer-Encoding: chunked, chunked", body="2\r\n{}\r\n0\r\n\r\n"),
    "chunks of an older client": wire(
        f"POST {CHAT} HTTP/1.0",
        "Host: t",
        "Connection: keep-alive",
        "Transfer-Encoding: chunked",
        body="2\r\n{}\r\n0\r\n\r\n",
    ),
    "a head of 9 KB in one line": wire(POST, "Host: t", "X-A: " + "b" * 9000, "Content-Length: 0"),
    "200 headers": wire(POST, "Host: t", *(f"X-{n}: b" for n in range(200)), "Content-Length: 0"),
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a method of its own": wire(f"P\x01ST {CHAT} HTTP/1.1", "Host: t", "Content-Length: 0"),
    "garbage": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
}


@pytest.mark.parametrize("piece", [0, 1], ids=["at once", "byte by byte"])
@pytest.mark.parametrize("name", SMUGGLING)
async def test_what_two_servers_could_read_differently_is_refused(
    tmp_path: Path, upstream: Upstream, name: str, piece: int
) -> None:
    """400 and a closed connection; no second request is ever found in it, and upstream sees nothing."""
    hidden = post(CHAT, chat(text="smuggled"))
    async with in_process(tmp_path, small_policy(upstream.url)) as proxy, RawClient(proxy.url) as client:
        try:
            await client.send(SMUGGLING[name] + hidden, piece)
        except ConnectionError:
            pass
        answer = await client.answer(5)
        assert answer.status == 400 and answer.header("connection") == "close" and await client.closed(2)
    assert upstream.requests == [] and b"smuggled" not in answer.body


async def test_a_key_in_a_bad_request_is_neither_echoed_nor_logged(
    tmp_path: Path, upstream: Upstream, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """aiohttp would quote the line, key included, in its answer and in its log."""
    canary = "sk-canary-31337"
    bad = [
        wire(POST, "Host: t", f"Authorization: Bearer {canary}\x01", "Content-Length: 0"),
        wire(POST, "Host: t", f"X-Api-Key {canary}", "Content-Length: 0"),
        wire(f"POST {CHAT}?key={canary} HTTP/9.9", "Host: t"),
        wire(POST, "Host: t", f"X-A: {canary}" + "b" * 9000),
    ]
    async with in_process(tmp_path, small_policy(upstream.url)) as proxy:
        for request in bad:
            async with RawClient(proxy.url) as client:
                await client.send(request)
                assert canary.encode() not in (await client.answer()).body
    written = capfd.readouterr()
    assert canary not in written.out + written.err + caplog.text


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/v1",
        "/v1/chat/completions/",
        "/v1/chat/../chat/completions",
        "/V1/chat/completions",
        "/v1/chat%2fcompletions",
        "/v1/%63hat/completions",
        "/v1/chat/completions;x",
        "/v1\\chat\\completions",
        "/metrics",
        "http://127.0.0.1:1/v1/chat/completions",
        "/v1/chat/completions/../../../metrics",
        "/policy",
        "/healthz",
        "*",
    ],
)
async def test_only_what_is_served_is_served(tmp_path: Path, upstream: Upstream, path: str) -> None:
    """A closed table, compared byte by byte: dots, escapes, other cases and other hosts are unknown."""
    async with in_process(tmp_path, small_policy(upstream.url)) as proxy:
        answer = await ask(proxy.url, path=path)
    assert answer.status in (400, 404) and upstream.requests == []


async def test_a_path_takes_its_method_only(tmp_path: Path, upstream: Upstream) -> None:
    """405 with the one that it takes."""
    async with in_process(tmp_path, small_policy(upstream.url)) as proxy, RawClient(proxy.url) as client:
        answer = await client.ask(get(CHAT))
        assert answer.status == 405 and answer.header("allow") == "POST"
        assert (await client.ask(post("/v1/models", b""))).header("allow") == "GET"


async def test_many_requests_on_one_connection_are_answered_in_order(tmp_path: Path, upstream: Upstream) -> None:
    """Sent all at once: each gets its own answer, in its turn."""
    upstream.otherwise = echo_user
    async with in_process(tmp_path, small_policy(upstream.url)) as proxy, RawClient(proxy.url) as client:
        await client.send(b"".join(post(CHAT, chat(user=str(number))) for number in range(60)))
        answers = [await client.answer() for _ in range(60)]
    assert [answer.json()["user"] for answer in answers] == [str(number) for number in range(60)]


def echo_user(request: Received) -> list[Step]:
    """An upstream that says who asked."""
    return reply(completion(user=request.json()["user"]))


async def test_a_full_disk_refuses_new_requests(tmp_path: Path, upstream: Upstream) -> None:
    """What cannot be recorded is not done: 503, and nothing goes upstream."""
    async with in_process(tmp_path, small_policy(upstream.url)) as proxy:
        fill_the_disk_of(proxy)
        answer = await ask(proxy.url)
    assert answer.status == 503 and answer.json()["error"]["code"] == "journal.unavailable"
    assert upstream.requests == []


def fill_the_disk_of(proxy: LocalProxy) -> None:
    """Replace the journal's file by the device that is always full."""
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, proxy.gateway.journal._file)
    os.close(full)
