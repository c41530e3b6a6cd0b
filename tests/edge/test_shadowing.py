"""Copies to another model: recorded and paid for apart, and nothing of them reaches the client."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from routebook.catalogue.callers import Client
from routebook.documents.problems import Location
from routebook.edge.shadowing import AT_ONCE
from routebook.routing.demand import LiveDemand
from routebook.routing.memory import BLANK
from routebook.routing.outcomes import Route
from routebook.routing.planning import Planner
from routebook.routing.replay import decide_again, differences
from routebook.routing.shadowing import shadow_route
from routebook.routing.telling.explanation import explain_record
from routebook.routing.telling.rendering import as_text
from tests.support.asking import ask, chat, text_of
from tests.support.proxy import LocalProxy, Record, compiled, in_process
from tests.support.routes import facts_of
from tests.support.upstream import (
    Hang,
    Play,
    Received,
    Until,
    Upstream,
    answer_politely,
    completion,
    cut_short,
    failure,
    reply,
)

POLICY = """\
version: 1
providers:
  one: {{dialect: openai, base_url: "{url}", region: eu, accounts: [{{name: main}}]}}
  two: {{dialect: openai, base_url: "{url}", region: us, accounts: [{{name: main}}], timeouts: {{first_byte: 300ms}}}}
models:
  real: {{provider: one, price: {{input: 1, output: 2}}}}
  tried: {{provider: two, price: {{input: 10, output: 20}}}}
{more}
rules:
  - {{name: all, route: {{to: [real], shadow: {{to: tried, share: {share}}}}}}}
"""


def by_model(play: Play) -> Any:
    """An upstream whose `tried` does this, and whose `real` answers politely."""

    def answered(request: Received) -> Play:
        return play if request.json()["model"] == "tried" else answer_politely(request)

    return answered


def parted(proxy: LocalProxy) -> tuple[list[Record], list[Record]]:
    """The records of requests, and those of copies."""
    records = list(proxy.records().values())
    return (
        [each for each in records if "shadow" not in each.decided],
        [each for each in records if "shadow" in each.decided],
    )


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_a_copy_is_answered_and_thrown_away(tmp_path: Path, upstream: Upstream, stream: bool) -> None:
    """Both are asked the same; each has its record, its usage and its cost; both decide the same again."""
    async with in_process(tmp_path, POLICY.format(url=upstream.url, share="100%", more="")) as proxy:
        answer = await ask(proxy.url, chat("any", stream=stream))
        await proxy.ended_records(lambda records: len(records) == 2)
        [request], [copy] = parted(proxy)
        policy = proxy.gateway.policy
    assert answer.status == 200 and answer.header("x-routebook-model") == "real"
    assert request.ended is not None and copy.ended is not None
    assert copy.decided["shadow"] == {"of": request.decided["id"]}
    assert (request.ended["model"], copy.ended["model"]) == ("real", "tried")
    assert (request.ended["end"], copy.ended["end"]) == ("--", "--")
    assert copy.ended["cost"] == 10 * request.ended["cost"] > 0
    bodies = {each.json()["model"]: {**each.json(), "model": ""} for each in upstream.requests}
    assert bodies["real"] == bodies["tried"]
    for record in (request, copy):
        assert differences(record.decided, decide_again(policy, record.decided)) == []
    assert f"It is a copy of {request.decided['id']}" in as_text(explain_record(policy, copy.decided, copy.ended))
    if stream:
        assert text_of(answer.body) == "Hello."


@pytest.mark.parametrize(
    ("play", "code"),
    [
        (failure(500), "upstream.failed"),
        ([Hang()], "upstream.first-byte-timeout"),
        (cut_short(reply(completion()), 40), "upstream.disconnected"),
        (reply(b"nonsense"), "upstream.garbled"),
    ],
    ids=["fails", "is silent", "is cut", "is nonsense"],
)
async def test_whatever_becomes_of_a_copy_the_client_has_its_answer(
    tmp_path: Path, upstream: Upstream, play: Play, code: str
) -> None:
    """Before the copy is over, and as it would have been."""
    upstream.otherwise = by_model(play)
    async with in_process(tmp_path, POLICY.format(url=upstream.url, share="100%", more="")) as proxy:
        answer = await ask(proxy.url, chat("any"))
        assert answer.status == 200 and answer.header("x-routebook-model") == "real"
        await proxy.ended_records(lambda records: len(records) == 2)
        _, [copy] = parted(proxy)
        assert copy.ended is not None and copy.ended["error"] == code
        assert proxy.gateway.shadows == 0


async def test_as_many_as_the_share_says_and_no_more_at_once(tmp_path: Path, upstream: Upstream) -> None:
    """About a quarter of many; while copies hang, eight of them and no further one."""
    async with in_process(tmp_path, POLICY.format(url=upstream.url, share="25%", more="")) as proxy:
        for _ in range(200):
            assert (await ask(proxy.url, chat("any"))).status == 200
        await proxy.ended_records(lambda records: len(records) > 200)
        requests, copies = parted(proxy)
        assert len(requests) == 200 and 20 < len(copies) < 85
        held = asyncio.Event()
        upstream.otherwise = by_model([Until(held), *reply(completion())])
        proxy.take(POLICY.format(url=upstream.url, share="100%", more="").replace("300ms", "30s"))
        for _ in range(AT_ONCE + 5):
            assert (await ask(proxy.url, chat("any"))).status == 200
        assert proxy.gateway.shadows == AT_ONCE
        held.set()
        await proxy.ended_records(lambda records: len(records) == 200 + len(copies) + 2 * AT_ONCE + 5)
        assert proxy.gateway.shadows == 0


@pytest.mark.parametrize(
    ("more", "error"),
    [
        ("guarantees: [{name: home, only: {region: eu}}]", "policy.no-candidate"),
        ("budgets: {small: {limit: $0.01, window: day}}\nsettings: {default_max_output: 4096}", "budget.exhausted"),
    ],
    ids=["guarantee", "budget"],
)
async def test_a_copy_goes_nowhere_where_a_request_may_not(
    tmp_path: Path, upstream: Upstream, more: str, error: str
) -> None:
    """Guarantees hold for it, and budgets: the request itself is served, the copy is not sent, and its record says why."""
    async with in_process(tmp_path, POLICY.format(url=upstream.url, share="100%", more=more)) as proxy:
        answer = await ask(proxy.url, chat("any"))
        assert answer.status == 200
        await proxy.ended_records(lambda records: len(records) == 2)
        _, [copy] = parted(proxy)
    assert copy.ended is not None and copy.ended["error"] == error and copy.ended["cost"] == 0
    assert [each.json()["model"] for each in upstream.requests] == ["real"]


def test_a_copy_goes_to_no_model_that_its_client_may_not_use() -> None:
    """It is decided by the same checks."""
    under = compiled(POLICY.format(url="http://127.0.0.1:9/v1", share="100%", more=""))
    client = Client("ann", Location("policy.yaml", 1, 1), models=frozenset({"real"}))
    facts = facts_of(under, client)
    route = under.rules[0].outcome
    assert isinstance(route, Route)
    copied = shadow_route(route)
    assert copied is not None
    found = Planner(under).plan(copied, "all", LiveDemand(facts), facts, client, BLANK, at=0.0, draw=0.5)
    assert [(each.name, each.reason) for each in found.dropped] == [("tried", "client.not-allowed")] and not found.kept


async def test_copies_are_cut_when_the_gateway_leaves(tmp_path: Path, upstream: Upstream) -> None:
    """Nobody waits for them, and their records say so."""
    upstream.otherwise = by_model([Hang()])
    policy = POLICY.format(url=upstream.url, share="100%", more="").replace("300ms", "30s")
    async with in_process(tmp_path, policy) as proxy:
        assert (await ask(proxy.url, chat("any"))).status == 200
        await upstream.arrivals(2)
    _, [copy] = parted(proxy)
    assert copy.ended is not None and copy.ended["error"] == "gateway.draining"
