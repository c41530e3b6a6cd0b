"""The raw client sends what it is given and tells what stood on the wire."""

from __future__ import annotations

import asyncio

from tests.support.rawclient import RawClient, get, post
from tests.support.upstream import Close, Hang, Say, Upstream, chunk, head


async def test_requests_arrive_byte_for_byte(upstream: Upstream) -> None:
    """Whatever the pieces it is sent in, a request arrives as it was written."""
    async with RawClient(upstream.url) as client:
        await client.send(post("/v1/chat/completions", b'{"a": "\xc3\xa9"}', [("X-A", "b")]), piece=3)
        await client.answer()

    assert upstream.requests[0].body == b'{"a": "\xc3\xa9"}'
    assert upstream.requests[0].header("x-a") == "b"


async def test_a_body_without_length_ends_with_the_connection(upstream: Upstream) -> None:
    """Neither length nor chunks: the body is what comes until the connection ends."""
    upstream.will([Say(head(200) + b"all of it"), Close()])
    async with RawClient(upstream.url) as client:
        answer = await client.ask(get("/v1/models"))

    assert answer.body == b"all of it"


async def test_a_chunked_body_without_its_end_is_not_whole(upstream: Upstream) -> None:
    """A body that stops between two chunks is told apart from one that ended."""
    upstream.will([Say(head(200, [("Transfer-Encoding", "chunked")]) + chunk(b"half")), Close()])
    async with RawClient(upstream.url) as client:
        answer = await client.ask(get("/v1/models"))

    assert (answer.body, answer.whole) == (b"half", False)


async def test_it_tells_whether_the_server_closes(upstream: Upstream) -> None:
    """`closed` is False while the server keeps the connection and True once it has closed it."""
    upstream.will([Hang()])
    async with RawClient(upstream.url) as client:
        await client.send(get("/v1/models"))
        assert not await client.closed(0.05)
    async with RawClient(upstream.url) as client:
        await asyncio.sleep(0.02)
        await upstream.close_idle()
        assert await client.closed()
