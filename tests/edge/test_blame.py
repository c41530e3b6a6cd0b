"""An account rests for what its upstream did, never for what clients do."""

from __future__ import annotations

from pathlib import Path

from tests.support.proxy import in_process, small_policy
from tests.support.rawclient import RawClient, post
from tests.support.upstream import Hang, Upstream, failure

QUESTION = post("/v1/chat/completions", {"model": "small", "messages": [{"role": "user", "content": "hello"}]})


async def test_clients_that_hang_up_do_not_rest_an_account(tmp_path: Path, upstream: Upstream) -> None:
    """Six clients leave while the model is thinking; the seventh is served all the same."""
    async with in_process(tmp_path, small_policy(upstream.url)) as proxy:
        for number in range(6):
            upstream.will([Hang()])
            async with RawClient(proxy.url) as client:
                await client.send(QUESTION)
                [*_, exchange] = await upstream.arrivals(number + 1)
                client.drop()
                await exchange.gone()
        await proxy.ended_records(lambda records: len(records) == 6)
        async with RawClient(proxy.url) as client:
            answer = await client.ask(QUESTION)

    assert answer.status == 200


async def test_an_upstream_that_fails_in_a_row_rests(tmp_path: Path, upstream: Upstream) -> None:
    """The same number of failures of the upstream itself do: the next request does not reach it."""
    async with in_process(tmp_path, small_policy(upstream.url)) as proxy, RawClient(proxy.url) as client:
        upstream.otherwise = lambda request: failure(500)
        for _ in range(6):
            answer = await client.ask(QUESTION)

    assert answer.status == 503
    assert len(upstream.requests) < 6
