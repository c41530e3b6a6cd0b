"""Calls made again and calls made beside: in which order, how often, at whose cost."""

from __future__ import annotations

from pathlib import Path

from tests.support.asking import ask, chat
from tests.support.proxy import in_process, small_policy
from tests.support.upstream import Hang, Pause, Upstream, answer_politely, chunks, completion, failure, reply, stream

BOTH = "  - {name: everything, route: {to: [small, large]}}"


def policy(upstream: Upstream, retries: str, rules: str = BOTH) -> str:
    """Two models and how far attempts go on."""
    return small_policy(upstream.url, rules, f"settings: {{retries: {retries}, breaker: {{in_a_row: 1000, of: 1000}}}}")


async def test_a_silent_candidate_is_overtaken(tmp_path: Path, upstream: Upstream) -> None:
    """After `hedge` a second one is called beside it; its answer is the answer, and the first call is left at once."""
    upstream.will([Hang()])
    upstream.will(reply(completion("from the second")))
    async with in_process(tmp_path, policy(upstream, "{hedge: 50ms}")) as proxy:
        answer = await ask(proxy.url)
        assert answer.status == 200 and answer.header("x-routebook-model") == "large"
        await upstream.exchanges[0].gone()
        record = await proxy.only_record()
        assert record.ended is not None
        assert proxy.gateway.memory.in_flight(("scripted", "main")) == 0
    codes = {each["model"]: each["code"] for each in record.ended["attempts"]}
    assert codes == {"small": "gateway.outrun", "large": None}
    # what the one that was left may have done is estimated: its prompt
    assert record.ended["cost_parts"]["lost"] > 0 and record.ended["model"] == "large"


async def test_the_first_may_still_win(tmp_path: Path, upstream: Upstream) -> None:
    """A candidate that begins to answer while the second is silent answers, streamed or not."""
    upstream.will([Pause(0.2), *stream(chunks(["first"]))])
    upstream.will([Hang()])
    async with in_process(tmp_path, policy(upstream, "{hedge: 50ms}")) as proxy:
        answer = await ask(proxy.url, chat(stream=True))
        assert answer.header("x-routebook-model") == "small" and b"first" in answer.body
        await upstream.exchanges[1].gone()


async def test_who_answers_in_time_is_not_hedged(tmp_path: Path, upstream: Upstream) -> None:
    """One call."""
    async with in_process(tmp_path, policy(upstream, "{hedge: 5s}")) as proxy:
        assert (await ask(proxy.url)).status == 200
    assert len(upstream.requests) == 1


async def test_another_round_comes_after_a_pause(tmp_path: Path, upstream: Upstream) -> None:
    """Where every candidate failed in a way that may pass, they are called again, as often as `rounds` says."""
    for _ in range(3):
        upstream.will(failure(503))
    async with in_process(tmp_path, policy(upstream, "{rounds: 2, backoff: 10ms, attempts: 10}")) as proxy:
        answer = await ask(proxy.url)
    assert answer.status == 200
    assert [each.json()["model"] for each in upstream.requests] == ["small-1", "large-1", "small-1", "large-1"]


async def test_rounds_end_within_their_time(tmp_path: Path, upstream: Upstream) -> None:
    """A pause that would end later is not begun; the client hears of the failure."""
    upstream.otherwise = lambda request: failure(503)
    settings = "{rounds: 10, backoff: 10s, within: 1s, attempts: 20}"
    async with in_process(tmp_path, policy(upstream, settings)) as proxy:
        answer = await ask(proxy.url)
    assert (answer.status, len(upstream.requests)) == (502, 2)


async def test_retries_cannot_multiply_an_outage(tmp_path: Path, upstream: Upstream) -> None:
    """A provider that fails everything is called again for a share of the requests only, once what was saved is used."""
    upstream.otherwise = lambda request: failure(500)
    requests = 300
    async with in_process(tmp_path, policy(upstream, "{budget: 10%}")) as proxy:
        for _ in range(requests):
            assert (await ask(proxy.url)).status == 502
        called = len(upstream.requests)
    # a hundred that were saved, ten of a hundred that follow, and one a second
    assert requests + 100 <= called < requests + 100 + requests // 10 + 60
    upstream.otherwise = answer_politely
