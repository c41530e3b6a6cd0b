"""How budgets stand, as conditions of rules: traffic moves as money is spent, decisions can be made again from their
records, and refusals are explained.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from routebook.edge.identity.store import KeyStore
from routebook.edge.ledger.till import FRESH_SECONDS, REPORT_SECONDS
from routebook.routing.replay import decide_again, differences
from tests.support.asking import ask, chat
from tests.support.clock import SetClock
from tests.support.processes import run_command
from tests.support.proxy import Proxy, compiled, in_process, running_proxy
from tests.support.upstream import Upstream, completion, reply

ANSWER = 1_000
"""Tokens of every answer; with a prompt of 100."""


def policy(upstream: str, budgets: str, rules: str, more: str = "") -> str:
    """A dear model and a cheap one."""
    return f"""\
version: 1
providers: {{p: {{dialect: openai, base_url: "{upstream}", accounts: [{{name: main}}]}}}}
models:
  dear: {{provider: p, price: {{input: 10, output: 20}}, context: 128k, max_output: 2k}}
  cheap: {{provider: p, price: {{input: 1, output: 2}}, context: 128k, max_output: 2k}}
budgets: {{{budgets}}}
{more}
rules:
{rules}
"""


SAVING = """\
  - {name: saving, when: {budget.day.left: {below: 10%}}, route: {to: [cheap]}}
  - {name: usual, route: {to: [dear]}}
"""


def bills(upstream: Upstream) -> None:
    """Every answer used the same."""
    upstream.otherwise = lambda request: reply(completion(prompt_tokens=100, completion_tokens=ANSWER))


async def once(proxy: Proxy, headers: list[tuple[str, str]] | None = None, **more: object) -> Any:
    """One request of 1,000 tokens at most."""
    return await ask(proxy.url, chat("dear", max_tokens=ANSWER, **more), headers=headers or ())


def command(proxy: Proxy, *arguments: str) -> str:
    """What a command says that must succeed."""
    told = run_command(*arguments, "--state-dir", str(proxy.state_dir), "--policy", str(proxy.policy_dir))
    assert told.returncode == 0, told.stdout + told.stderr
    return told.stdout


@pytest.mark.parametrize("workers", [1, 3])
async def test_traffic_moves_to_the_cheaper_model_within_half_a_second(
    tmp_path: Path, upstream: Upstream, workers: int
) -> None:
    """However many workers: half a second after nine tenths are spent, nobody asks the dear model any more."""
    bills(upstream)
    text = policy(upstream.url, "day: {limit: $0.23, window: day}", SAVING)
    async with running_proxy(tmp_path, text, workers=workers) as proxy:
        for _ in range(11):  # each 21,000,000 nano-dollars: ten leave less than a tenth
            if len(upstream.requests) == 10:
                break
            assert (await once(proxy)).header("x-routebook-model") == "dear"
        await asyncio.sleep(0.55)
        answers = await asyncio.gather(*(once(proxy) for _ in range(5)))
        assert {answer.header("x-routebook-model") for answer in answers} == {"cheap"}
        records = await proxy.ended_records(lambda found: len(found) == 15)
        decision = answers[0].header("x-routebook-decision") or ""
    assert Counter(record.decided["rule"] for record in records.values()) == {"usual": 10, "saving": 5}
    told = command(proxy, "explain", decision)
    assert "budget.day.left" in told and "saving" in told
    under = compiled(text)
    for record in records.values():
        assert any(step["fact"] == "budget.day.left" for step in record.decided["steps"])
        assert not list(differences(record.decided, decide_again(under, record.decided)))


def test_what_is_spent_is_known_half_a_second_later_at_most() -> None:
    """A worker says what it spent after the one time, and others ask again after the other."""
    assert REPORT_SECONDS + FRESH_SECONDS <= 0.5


async def test_per_tag_each_tag_is_counted_and_the_tightest_decides(tmp_path: Path, upstream: Upstream) -> None:
    """A request with two tags draws on both; the fact speaks of the one with least left."""
    bills(upstream)
    more = "clients: {web: {tags: [a, b]}, one: {tags: [a]}, two: {tags: [b]}, none: {}}"
    store = KeyStore(tmp_path / "var", {})
    key = {
        name: [("Authorization", f"Bearer {store.create(name, 1_700_000_000, None, None)[0]}")]
        for name in ("web", "one", "two", "none")
    }
    text = policy(upstream.url, "day: {limit: $0.063, window: day, per: tag}", SAVING, more)
    async with in_process(tmp_path, text) as proxy:
        for who in ("web", "one", "none", "none", "none", "none"):
            assert (await once(proxy, key[who])).header("x-routebook-model") == "dear"
            await asyncio.sleep(0.8)  # figures are half a second old at most
        assert (await once(proxy, key["one"])).header("x-routebook-model") == "dear"
        await asyncio.sleep(0.8)
        assert (await once(proxy, key["one"])).status == 429
        assert (await once(proxy, key["two"])).header("x-routebook-model") == "dear"
        both = await once(proxy, key["web"])
        assert both.header("x-routebook-error") == "budget.exhausted"
        records = await proxy.ended_records(lambda found: len(found) == 10)
        refused = records[both.header("x-routebook-decision") or ""]
    drawn: Counter[str] = Counter()
    for record in records.values():
        assert record.ended is not None
        for pot, _, amount in record.ended.get("settled", ()):
            drawn[pot] += amount
    assert drawn == {"budget/day/a": 63_000_000, "budget/day/b": 42_000_000}
    assert refused.decided["rule"] == "saving" and refused.ended is not None
    told = command(proxy, "explain", both.header("x-routebook-decision") or "")
    assert "day" in told and "cheap" in told
    assert run_command("ledger", "verify", "--state-dir", str(proxy.state_dir)).returncode == 0


@pytest.mark.parametrize("per", ["model", "provider"])
async def test_a_budget_of_a_model_lets_the_next_one_serve(tmp_path: Path, upstream: Upstream, per: str) -> None:
    """Per model, a cheaper one serves on when the dear one's is used up; per provider, both are counted together."""
    bills(upstream)
    rules = "  - {name: all, route: {to: [dear, cheap]}}"
    async with in_process(
        tmp_path, policy(upstream.url, f"day: {{limit: $0.05, window: day, per: {per}}}", rules)
    ) as proxy:
        served = [(await once(proxy)).header("x-routebook-model") for _ in range(6)]
        records = await proxy.ended_records()
    assert served[:2] == ["dear", "dear"] and served[2] == "cheap"
    pots = {pot for record in records.values() if record.ended for pot, _, _ in record.ended.get("settled", ())}
    assert pots == ({"budget/day/dear", "budget/day/cheap"} if per == "model" else {"budget/day/p"})
    told = command(
        proxy, "explain", next(name for name, record in records.items() if record.decided["hold"].get("refused"))
    )
    assert "dear" in told and "day" in told


async def test_when_says_which_requests_count(tmp_path: Path, upstream: Upstream) -> None:
    """Streams are counted and nothing else; what does not count is not refused either."""
    bills(upstream)
    rules = "  - {name: all, route: {to: [dear]}}"
    text = policy(upstream.url, "day: {limit: $0.05, window: day, when: {request.model: dear}}", rules)
    async with in_process(tmp_path, text) as proxy:
        for _ in range(5):
            assert (await ask(proxy.url, chat("cheap", max_tokens=ANSWER))).status == 200
        assert [(await once(proxy)).status for _ in range(3)] == [200, 200, 429]
        assert (await ask(proxy.url, chat("cheap", max_tokens=ANSWER))).status == 200
        records = await proxy.ended_records()
    assert sum(bool(record.ended and record.ended.get("settled")) for record in records.values()) == 2


async def test_a_refusal_says_when_the_window_ends(tmp_path: Path, upstream: Upstream) -> None:
    """`Retry-After` is the next midnight, and official clients are told not to wait for it themselves."""
    bills(upstream)
    clock = SetClock()
    left = 86_400 - clock.at % 86_400
    rules = "  - {name: all, route: {to: [dear]}}"
    async with in_process(
        tmp_path, policy(upstream.url, "day: {limit: $0.03, window: day}", rules), clock=clock
    ) as proxy:
        assert (await once(proxy)).status == 200
        answer = await once(proxy)
        assert answer.status == 429 and answer.json()["error"]["type"] == "insufficient_quota"
        assert abs(int(answer.header("retry-after") or 0) - left) <= 1 and answer.header("x-should-retry") == "false"
        too_much = await ask(proxy.url, chat("dear", text="word " * 20_000, max_tokens=ANSWER))
        assert too_much.header("retry-after") is None and too_much.header("x-should-retry") == "false"
        told = command(proxy, "explain", answer.header("x-routebook-decision") or "")
    assert "day" in told
