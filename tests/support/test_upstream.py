"""The scripted upstream does what it is told and sees what was done to it."""

from __future__ import annotations

import asyncio
import time

from tests.support.rawclient import RawClient, get, post
from tests.support.upstream import Close, Hang, Pause, Say, Upstream, chunks, failure, head, stream


async def test_polite_answer_and_what_was_received(upstream: Upstream) -> None:
    """Without a script it answers honestly, and keeps the request as it arrived, header case included."""
    async with RawClient(upstream.url) as client:
        answer = await client.ask(post("/v1/chat/completions", {"model": "m", "messages": []}, [("X-Odd-CASE", "1")]))

    assert answer.status == 200
    assert answer.whole
    assert answer.json()["model"] == "m"
    assert ("X-Odd-CASE", "1") in upstream.requests[0].headers
    assert upstream.requests[0].target == "/v1/chat/completions"


async def test_plays_are_used_once_in_order(upstream: Upstream) -> None:
    """Queued plays answer the next requests, one each, on one connection; then the polite answer returns."""
    upstream.will(failure(429, headers=[("Retry-After", "2")]))
    upstream.will(stream())
    async with RawClient(upstream.url) as client:
        first, second, third = [await client.ask(post("/v1/chat/completions", {})) for _ in range(3)]

    assert (first.status, first.header("retry-after")) == (429, "2")
    assert second.body == b"".join(chunks())
    assert third.status == 200
    assert upstream.connections == 1


async def test_one_byte_at_a_time_is_the_same_answer(upstream: Upstream) -> None:
    """However finely an answer is cut, its bytes are the same."""
    upstream.will(stream(piece=1))
    async with RawClient(upstream.url) as client:
        answer = await client.ask(post("/v1/chat/completions", {}))

    assert answer.body == b"".join(chunks())


async def test_a_cut_stream_is_not_whole(upstream: Upstream) -> None:
    """A reset after N bytes is seen as such: fewer bytes, and no end."""
    upstream.will(stream(), cut=200)
    async with RawClient(upstream.url) as client:
        answer = await client.ask(post("/v1/chat/completions", {}))

    assert not answer.whole
    assert b"".join(chunks()).startswith(answer.body)


async def test_a_close_before_the_promised_length(upstream: Upstream) -> None:
    """An orderly close in the middle of a body leaves a body that is not whole."""
    upstream.will([Say(head(200, [("Content-Length", "10")]) + b"12345"), Close()])
    async with RawClient(upstream.url) as client:
        answer = await client.ask(get("/v1/models"))

    assert (answer.body, answer.whole) == (b"12345", False)


async def test_it_sees_at_once_that_its_peer_is_gone(upstream: Upstream) -> None:
    """Silent or in the middle of a stream: the departure of the peer is noticed within milliseconds."""
    for play in ([Hang()], [Say(head(200, [("Transfer-Encoding", "chunked")])), Pause(0.05), Hang()]):
        upstream.will(play)
        async with RawClient(upstream.url) as client:
            await client.send(get("/v1/models"))
            exchange = (await upstream.arrivals(len(upstream.exchanges) + 1))[-1]
            await asyncio.sleep(0.02)
            assert exchange.gone_at is None
            left = time.monotonic()
            client.drop()
            assert await exchange.gone() - left < 1.0


async def test_chunked_requests_are_put_together(upstream: Upstream) -> None:
    """A request's chunked body arrives as one, also when it drips."""
    async with RawClient(upstream.url) as client:
        await client.send(
            b"POST /v1/x HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", 3
        )
        await client.answer()

    assert upstream.requests[0].body == b"{}"
