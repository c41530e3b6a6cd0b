"""Upstreams that fail: what the client is told, who is tried next, what the record says."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from tests.support.asking import CHAT, ask, chat, error_of, events, text_of
from tests.support.proxy import in_process, small_policy
from tests.support.rawclient import RawClient, post
from tests.support.upstream import (
    Close,
    Hang,
    Pause,
    Play,
    Reset,
    Say,
    Upstream,
    chunk,
    chunks,
    completion,
    event,
    failure,
    head,
    reply,
    stream,
)

TWO = "  - {name: both, route: {to: [small, large]}}"
SSE = [("Content-Type", "text/event-stream"), ("Transfer-Encoding", "chunked")]


def size_of(play: Play) -> int:
    """How many bytes a play says."""
    return sum(len(step.data) for step in play if isinstance(step, Say))


CUTS = sorted({*range(140, size_of(stream()), 37), size_of(stream()) - 8, size_of(stream()) - 20})


@pytest.mark.parametrize("cut", CUTS)
async def test_a_cut_stream_never_looks_like_an_end(tmp_path: Path, upstream: Upstream, cut: int) -> None:
    """Reset at any byte: whole events, then an error event, no `[DONE]`, a clean end of the body; or, where nothing
    had come yet, a plain 502."""
    upstream.will(stream(), cut=cut)
    async with in_process(tmp_path, small_policy(upstream.url)) as proxy:
        answer = await ask(proxy.url, stream=True)
        record = await proxy.only_record()
    assert record.ended is not None
    if answer.status == 200 and b"[DONE]" in answer.body:
        assert cut > size_of(stream()) - 25 and record.ended["end"] == "--"
        return
    if answer.status != 200:
        assert answer.status == 502 and answer.json()["error"]["code"].startswith("upstream.")
        return
    assert answer.whole and error_of(answer.body)["code"] == "upstream.cut"
    assert record.ended["end"] == "UD" and record.ended["error"] == "upstream.cut"
    assert b"".join(chunks()).startswith(answer.body[: answer.body.rindex(b"data: ")])


async def test_a_stream_that_just_stops_is_no_end(tmp_path: Path, upstream: Upstream) -> None:
    """An orderly end of the body without the protocol's own end is a cut like any other."""
    upstream.will(stream(chunks()[:-1]))
    async with in_process(tmp_path, small_policy(upstream.url)) as proxy:
        answer = await ask(proxy.url, stream=True)
        record = await proxy.only_record()
    assert text_of(answer.body[: answer.body.rindex(b"data: ")]) == "Hello."
    assert error_of(answer.body)["code"] == "upstream.cut" and answer.whole
    assert record.ended is not None and record.ended["end"] == "UD"


async def test_half_an_event_is_never_sent(tmp_path: Path, upstream: Upstream) -> None:
    """What stood after the last whole event is not the client's to guess at."""
    upstream.will(
        [*stream(chunks(["a"])[:2], ends=False), Say(chunk(b'data: {"choices":[{"del')), Pause(0.05), Reset()]
    )
    async with in_process(tmp_path, small_policy(upstream.url)) as proxy:
        answer = await ask(proxy.url, stream=True)
    assert b'"del' not in answer.body.replace(b'"delta"', b"") and error_of(answer.body)["code"] == "upstream.cut"


async def test_an_error_event_in_a_stream_is_passed_on(tmp_path: Path, upstream: Upstream) -> None:
    """The upstream's own words about its failure reach the client; the record says whose failure it was."""
    said = event({"error": {"message": "the server had an error", "type": "server_error", "code": None}})
    upstream.will([*stream(chunks(["a"])[:2], ends=False), Pause(0.05), Say(chunk(said) + chunk(b""))])
    async with in_process(tmp_path, small_policy(upstream.url)) as proxy:
        answer = await ask(proxy.url, stream=True)
        record = await proxy.only_record()
    assert events(answer.body)[-1] == events(said)[0] and answer.body.count(b'"error"') == 1
    assert record.ended is not None
    assert (record.ended["end"], record.ended["error"]) == ("UD", "upstream.error-event")


FAILURES: dict[str, Play] = {
    "429": failure(429, headers=[("Retry-After", "7")]),
    "500": failure(500),
    "503": failure(503),
    "529": failure(529),
    "401": failure(401),
    "redirect": reply(b"", 307, [("Location", "http://127.0.0.1:1/trap")]),
    "reset before the head": [Reset()],
    "closed before the head": [Close()],
    "reset in the head": [Say(b"HTTP/1.1 200 OK\r\nConte"), Pause(0.02), Reset()],
    "no HTTP": [Say(b"\x16\x03\x01 what\r\n\r\n"), Close()],
    "no JSON": reply(b"<html>gateway</html>"),
    "half a body": [
        Say(head(200, [("Content-Type", "application/json"), ("Content-Length", "999")]) + b'{"id":"x"'),
        Pause(0.02),
        Close(),
    ],
    "half a body without length": [Say(head(200, [("Content-Type", "application/json")]) + b'{"id":"x"'), Close()],
    "first event an error": stream([event({"error": {"message": "no", "code": "overloaded"}})]),
    "no event at all": stream([]),
    "half an event": [Say(head(200, SSE) + chunk(b'data: {"id"')), Pause(0.02), Reset()],
}


@pytest.mark.parametrize("name", FAILURES)
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "stream"])
async def test_a_failure_before_the_first_byte_is_mended_by_the_next_candidate(
    tmp_path: Path, upstream: Upstream, name: str, streamed: bool
) -> None:
    """The client sees one clean answer; the record names both attempts and what was wrong with the first."""
    upstream.will(FAILURES[name])
    async with in_process(tmp_path, small_policy(upstream.url, TWO)) as proxy:
        answer = await ask(proxy.url, stream=streamed)
        record = await proxy.only_record()
    assert answer.status == 200 and answer.whole
    assert (text_of(answer.body) if streamed else answer.json()["choices"][0]["message"]["content"]) == "Hello."
    assert answer.header("x-routebook-model") == "large"
    assert [request.json()["model"] for request in upstream.requests][-1] == "large-1"
    assert record.ended is not None and record.ended["end"] == "--"
    first, *_, last = record.ended["attempts"]
    assert first["model"] == "small" and first["code"].startswith("upstream.")
    assert last["model"] == "large" and last["code"] is None


EXPECTED = {
    "429": (429, "upstream.overloaded"),
    "500": (502, "upstream.failed"),
    "503": (502, "upstream.failed"),
    "529": (502, "upstream.failed"),
    "401": (502, "upstream.refused-key"),
    "redirect": (502, "upstream.redirected"),
    "reset before the head": (502, "upstream.disconnected"),
    "closed before the head": (502, "upstream.disconnected"),
    "reset in the head": (502, "upstream.disconnected"),
    "no HTTP": (502, "upstream.garbled"),
    "no JSON": (502, "upstream.garbled"),
    "half a body": (502, "upstream.cut"),
    "half a body without length": (502, "upstream.garbled"),
    "first event an error": (502, "upstream.error-event"),
    "no event at all": (502, "upstream.cut"),
    "half an event": (502, "upstream.cut"),
}


@pytest.mark.parametrize("name", FAILURES)
async def test_when_nobody_is_left_the_client_hears_whose_fault_it_was(tmp_path: Path, name: str) -> None:
    """A status and a code in OpenAI's shape, from one table; nothing of the upstream's own page."""
    async with (
        Upstream(lambda _: FAILURES[name]) as upstream,
        in_process(tmp_path, small_policy(upstream.url, TWO)) as proxy,
    ):
        answer = await ask(proxy.url)
        record = await proxy.only_record()
    status, code = EXPECTED[name]
    assert (answer.status, answer.json()["error"]["code"]) == (status, code)
    assert answer.header("x-routebook-error") == code and b"scripted" not in answer.body
    assert answer.header("retry-after" if name == "429" else "x-should-retry") == ("7" if name == "429" else "false")
    assert record.ended is not None and record.ended["status"] == status and record.ended["error"] == code
    assert record.ended["end"] == "UH"


async def test_a_client_is_told_what_it_did_wrong_in_the_upstreams_words(tmp_path: Path, upstream: Upstream) -> None:
    """400 and its kin are about the request: no other candidate is troubled, the answer passes untouched."""
    upstream.will(failure(400, "no such voice", "unsupported_value"))
    async with in_process(tmp_path, small_policy(upstream.url, TWO)) as proxy:
        answer = await ask(proxy.url)
        record = await proxy.only_record()
    assert answer.status == 400 and answer.json()["error"]["code"] == "unsupported_value"
    assert answer.header("x-routebook-error") == "upstream.rejected" and len(upstream.requests) == 1
    assert record.ended is not None and record.ended["status"] == 400 and record.ended["end"] == "UH"


async def test_a_prompt_too_long_for_one_may_be_short_enough_for_another(tmp_path: Path) -> None:
    """The next candidate is tried; where that is too small as well, the client hears it in the upstream's words."""
    too_long = failure(400, "too long", "context_length_exceeded")
    async with Upstream(lambda _: too_long) as upstream, in_process(tmp_path, small_policy(upstream.url, TWO)) as proxy:
        answer = await ask(proxy.url)
        assert len(upstream.requests) == 2
        assert answer.status == 400 and answer.json()["error"]["code"] == "context_length_exceeded"


async def test_after_the_first_byte_nobody_else_is_asked(tmp_path: Path, upstream: Upstream) -> None:
    """A client that has read a word of one model must not be given another's next words."""
    upstream.will([*stream(chunks(["a"])[:2], ends=False), Pause(0.05), Reset()])
    async with in_process(tmp_path, small_policy(upstream.url, TWO)) as proxy:
        answer = await ask(proxy.url, stream=True)
    assert len(upstream.requests) == 1 and error_of(answer.body)["code"] == "upstream.cut"


async def test_nobody_listens(tmp_path: Path) -> None:
    """A refused connection is said as such, and is no secret of ours: no address in the answer."""
    async with Upstream() as gone:
        url = gone.url
    async with in_process(tmp_path, small_policy(url)) as proxy:
        answer = await ask(proxy.url)
    assert answer.status == 502 and answer.json()["error"]["code"] == "upstream.unreachable"
    assert b"127.0.0.1" not in answer.body


TIMES = {
    "first byte": ([Hang()], "upstream.first-byte-timeout", 504),
    "idle before the first event": ([Say(head(200, SSE)), Hang()], "upstream.idle-timeout", 504),
    "idle in a whole answer": (
        [Say(head(200, [("Content-Length", "50")]) + b"{"), Hang()],
        "upstream.idle-timeout",
        504,
    ),
    "total": (stream([event({"x": n}) for n in range(40)], pause=0.05), "upstream.total-timeout", 200),
    "idle in a stream": ([*stream(chunks(["a"])[:2], ends=False), Hang()], "upstream.idle-timeout", 200),
}


@pytest.mark.parametrize("name", TIMES)
async def test_every_time_limit_has_its_own_code(tmp_path: Path, upstream: Upstream, name: str) -> None:
    """Each fires once, not before its time, says which it was, and leaves the upstream at once."""
    play, code, status = TIMES[name]
    upstream.will(play)
    idle = "900ms" if name == "total" else "200ms"  # a busy machine is late with an event by more than its pause
    policy = small_policy(upstream.url).replace(
        "region: eu,", f"region: eu, timeouts: {{first_byte: 300ms, idle: {idle}, total: 1s}},"
    )
    async with in_process(tmp_path, policy) as proxy:
        began = asyncio.get_running_loop().time()
        answer = await ask(proxy.url, stream=True)
        took = asyncio.get_running_loop().time() - began
        record = await proxy.only_record()
        if name != "total":
            await upstream.exchanges[0].gone(1)
    error = answer.json()["error"] if status != 200 else error_of(answer.body)
    assert (answer.status, error["code"]) == (status, code)
    assert record.ended is not None and record.ended["error"] == code
    assert record.ended["end"] == ("TD" if status == 200 else "TH")
    assert {"total": 1.0, "first byte": 0.3}.get(name, 0.2) <= took < 5


async def test_a_connection_that_never_stands(tmp_path: Path) -> None:
    """A full queue of connections answers nothing: that is the connect limit's business, with its own code."""
    import socket

    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        address = deaf.getsockname()
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(address)
        policy = small_policy(f"http://127.0.0.1:{address[1]}/v1").replace(
            "region: eu,", "region: eu, timeouts: {connect: 300ms},"
        )
        async with in_process(tmp_path, policy) as proxy:
            answer = await ask(proxy.url)
        for filler in fillers:
            filler.close()
    assert answer.status == 504 and answer.json()["error"]["code"] == "upstream.connect-timeout"


async def test_an_upstream_that_closes_idle_connections_at_bad_moments(tmp_path: Path, upstream: Upstream) -> None:
    """No client hears of it: the call is made again, once, because not a byte of an answer had come."""
    async with in_process(tmp_path, small_policy(upstream.url)) as proxy:
        for _ in range(10):
            assert (await ask(proxy.url)).status == 200
            upstream.will([Reset()])
            assert (await ask(proxy.url)).status == 200


async def test_a_client_that_takes_nothing_is_dropped(tmp_path: Path, upstream: Upstream) -> None:
    """After the limit the upstream is left, the connection closed, and the record says that it was the client."""
    flood = stream([event({"filler": "x" * 60_000, "n": n}) for n in range(400)])
    upstream.will(flood)
    policy = small_policy(upstream.url, more="settings: {stream: {stall: 300ms}}")
    async with in_process(tmp_path, policy) as proxy, RawClient(proxy.url, receive_buffer=4096) as client:
        await client.send(post(CHAT, chat(stream=True)))
        record = await proxy.only_record()
        await upstream.exchanges[0].gone(2)
    assert record.ended is not None
    assert (record.ended["end"], record.ended["error"]) == ("TD", "client.stalled")


def test_the_example_stream_is_what_the_cuts_assume() -> None:
    """The offsets above lie in the body of the scripted stream."""
    assert CUTS[0] > len(stream()[0].data) - 20 and json.loads(events(b"".join(chunks()))[0])  # type: ignore[union-attr]
    assert completion()["usage"]["total_tokens"] == 9
