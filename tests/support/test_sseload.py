"""The load counts what went well and what did not."""

from __future__ import annotations

import asyncio

from tests.support.sseload import SseLoad
from tests.support.upstream import Upstream, chunks, failure, stream


async def test_every_whole_answer_is_counted(upstream: Upstream) -> None:
    """Clients ask again and again; what they got is there with its times, and nothing failed."""
    upstream.otherwise = lambda request: stream(pause=0.01)
    load = SseLoad(upstream.url, clients=4)
    async with load.running():
        await asyncio.sleep(0.3)

    assert load.failures == []
    assert len(load.answers) == len(upstream.requests) >= 4
    assert all(answer.body == b"".join(chunks()) for answer in load.answers)
    assert all(0 < answer.longest_gap <= answer.took for answer in load.answers)


async def test_every_failure_is_counted(upstream: Upstream) -> None:
    """An error status, a stream without its end and a stream that is cut are each a failure."""
    upstream.will(failure(500))
    upstream.will(stream(chunks()[:-1]))
    upstream.will(stream(), cut=250)
    load = SseLoad(upstream.url, clients=1)
    async with load.running():
        await upstream.arrivals(4)

    assert len(load.failures) == 3
    assert load.answers
