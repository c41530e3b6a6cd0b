"""Budgets and limits as the running service tells of them: at the admin listener, in metrics, and by `routebook budgets`."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from tests.support.admin import ask
from tests.support.proxy import RunningProxy, running_proxy, small_policy
from tests.support.rawclient import Answer, RawClient, post
from tests.support.upstream import Play, Received, Until, Upstream, completion, reply

COUNTING = """
budgets:
  day: {limit: $1, window: day}
  each: {limit: 1M tokens, window: 24h, per: client}
limits:
  few: {concurrent: 1, requests_per_minute: 60, per: client, queue: {places: 5, wait: 20s}}
  wide: {tokens_per_minute: 2M}
"""
COST = 7 * 1_000 + 2 * 2_000
"""Nano-dollars of an answer of two tokens to seven, at the prices of the small policy."""


def question(**more: object) -> bytes:
    """A request that may be answered with a hundred tokens."""
    messages = [{"role": "user", "content": "hello"}]
    return post("/v1/chat/completions", {"model": "small", "max_tokens": 100, "messages": messages, **more})


async def put(proxy: RunningProxy) -> Answer:
    """Ask on a connection of its own."""
    async with RawClient(proxy.url) as client:
        return await client.ask(question(), timeout=30)


async def shown(proxy: RunningProxy) -> dict[str, Any]:
    """What the admin listener says."""
    answer = await ask(proxy.admin, "GET", "/budgets")
    assert answer.status == 200, answer.body
    found: dict[str, Any] = answer.json()
    return found


async def until(proxy: RunningProxy, holds: Any) -> dict[str, Any]:
    """What the admin listener says, once that holds."""
    async with asyncio.timeout(20):
        while not holds(found := await shown(proxy)):
            await asyncio.sleep(0.02)
    return found


def scopes(found: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """Who draws on a budget or a limit."""
    return next(each["scopes"] for each in (*found["budgets"], *found["limits"]) if each["name"] == name)


def samples(text: str, family: str) -> Iterator[tuple[dict[str, str], float]]:
    """The samples of a metric."""
    for found in text_string_to_metric_families(text):
        for sample in found.samples:
            if sample.name == family:
                yield sample.labels, sample.value


async def test_the_owner_says_what_is_held_and_settled_and_who_waits(tmp_path: Path) -> None:
    """While a request runs, what it holds; while another waits for it, that; afterwards what both cost, to the nano-dollar."""
    gate, begun = asyncio.Event(), asyncio.Event()

    def slow(_: Received) -> Play:
        begun.set()
        return [Until(gate), *reply(completion(prompt_tokens=7, completion_tokens=2))]

    async with Upstream(slow) as upstream, running_proxy(tmp_path, small_policy(upstream.url, more=COUNTING)) as proxy:
        first = asyncio.create_task(put(proxy))
        await asyncio.wait_for(begun.wait(), 20)
        second = asyncio.create_task(put(proxy))
        found = await until(proxy, lambda found: scopes(found, "few") and scopes(found, "few")[0]["waiting"])

        assert (found["running"], found["figures"]) == (True, "owner")
        (day,), (few,) = scopes(found, "day"), scopes(found, "few")
        assert day["settled"] == 0 and day["held"] > 100 * 2_000
        assert day["left"] == 1_000_000_000 - day["held"]
        assert (few["scope"], few["tokens_per_minute"], few["concurrent"], few["waiting"]) == ("anonymous", None, 1, 1)
        # what a worker was granted ahead counts as drawn
        assert 1 <= few["requests_per_minute"] < 60
        assert scopes(found, "wide")[0]["tokens_per_minute"] > 100
        text = (await proxy.get_admin("/metrics"))[1]
        assert list(samples(text, "routebook_queue_waiting")) == [({"kind": "slots", "name": "few"}, 1)]
        assert list(samples(text, "routebook_holds")) == [({}, 1)]

        said = (await proxy.command("budgets", "few", "--state-dir", str(proxy.state_dir))).stdout
        assert re.search(r"drawn [0-9]+ of 60 requests a minute, 1 of 1 at the same time, 1 wait\n", said)

        gate.set()
        assert [(await first).status, (await second).status] == [200, 200]
        found = await until(proxy, lambda found: scopes(found, "day")[0]["settled"] == 2 * COST)
        (each,) = scopes(found, "each")
        assert (each["scope"], each["settled"], each["left"]) == ("anonymous", 18, 1_000_000 - 18 - each["held"])
        text = (await proxy.get_admin("/metrics"))[1]
        labels = {"kind": "slots", "name": "few"}
        assert list(samples(text, "routebook_queue_waiting")) == [(labels, 0)]
        assert list(samples(text, "routebook_queue_wait_seconds_count")) == [(labels, 1)]
        assert list(samples(text, "routebook_holds")) == [({}, 0)]
        assert list(samples(text, "routebook_ledger_strays")) == [({}, 0)]
        assert ({"budget": "day", "unit": "dollars"}, 1.0) in samples(text, "routebook_budget_limit")
        assert {labels["budget"] for labels, _ in samples(text, "routebook_budget_used")} == {"day", "each"}


async def test_what_exceeded_its_hold_is_said(tmp_path: Path) -> None:
    """An upstream that answers with more than it was allowed: in metrics, in the figures, and what it cost is counted."""
    async with (
        Upstream(lambda _: reply(completion(prompt_tokens=7, completion_tokens=5_000))) as upstream,
        running_proxy(tmp_path, small_policy(upstream.url, more=COUNTING)) as proxy,
    ):
        assert (await put(proxy)).status == 200
        found = await until(proxy, lambda found: found["overspend"]["counted"]["day"])
        assert scopes(found, "day")[0]["settled"] == 7_000 + 5_000 * 2_000
        [(_, exceeded)] = samples((await proxy.get_admin("/metrics"))[1], "routebook_hold_exceeded_nanodollars_total")
        assert exceeded == found["overspend"]["counted"]["day"] == scopes(found, "day")[0]["exceeded"] > 9_000_000


async def test_the_command_asks_the_service_and_says_whose_figures_it_shows(tmp_path: Path) -> None:
    """The owner's where one runs, of the policy that it serves; the journal's where it is told so, or nobody answers."""
    async with (
        Upstream(lambda _: reply(completion(prompt_tokens=7, completion_tokens=2))) as upstream,
        running_proxy(tmp_path, small_policy(upstream.url, more=COUNTING)) as proxy,
    ):
        assert (await put(proxy)).status == 200
        await until(proxy, lambda found: scopes(found, "day")[0]["settled"] == COST)
        words = ("budgets", "--state-dir", str(proxy.state_dir))
        done = await proxy.command(*words, "--policy", "nowhere")
        assert done.returncode == 0, done.stderr
        assert "settled $0.000011" in done.stdout
        assert "few: 60 requests a minute, 1 at the same time per client.name, 5 may wait 20 s" in done.stdout
        assert done.stdout.endswith("these are the running service's own figures, which it grants by\n")
        as_json = json.loads((await proxy.command(*words, "day", "--format", "json")).stdout)
        assert (as_json["figures"], [each["name"] for each in as_json["budgets"]], as_json["limits"]) == (
            "owner",
            ["day"],
            [],
        )
        wrong = await proxy.command(*words, "dai")
        assert (wrong.returncode, wrong.stderr) == (
            1,
            "routebook budgets: the policy declares no budget or limit `dai`; did you mean `day`?\n",
        )
        policy = ("--policy", str(proxy.policy_dir))
        of_journal = await proxy.command(*words, *policy, "--journal")
        assert "a service is running; these are the amounts of its journal" in of_journal.stdout
        proxy.environment["ROUTEBOOK_ADMIN_TOKEN"] = "rba_wrong"
        not_asked = await proxy.command(*words, *policy)
        assert (
            "was not asked (this is no admin token of this service [admin.unknown-token]); these are the amounts of its"
            in not_asked.stdout
        )
    done = await proxy.command(*words, *policy)
    assert "settled $0.000011, held $0.00" in done.stdout
    assert "no service is running; these are the amounts of its journal" in done.stdout
