"""Conversations that stay, over real sockets and among real workers."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from routebook.edge.clock import SystemClock
from routebook.routing.replay import decide_again, differences
from routebook.routing.telling.explanation import explain_record
from routebook.routing.telling.rendering import as_text
from tests.support.asking import ask, chat
from tests.support.proxy import in_process, running_proxy
from tests.support.upstream import Upstream, failure

POLICY = """\
version: 1
providers:
  many: {{dialect: openai, base_url: "{url}", accounts: [{accounts}]}}
  other: {{dialect: openai, base_url: "{url}", accounts: [{{name: main}}]}}
models:
  large: {{provider: many, id: large-1, price: {{input: 10, output: 20}}, context: 128k}}
  small: {{provider: other, id: small-1, price: {{input: 1, output: 2}}, context: 128k}}
rules:
  - {{name: loose, when: {{tags: {{any: [loose]}}}}, route: {{to: [large, small]}}}}
  - {{name: sticky, route: {{to: [large, small], stick: 30m}}}}
"""


class Clock(SystemClock):
    """The machine's clock, so many seconds later."""

    def __init__(self) -> None:
        super().__init__()
        self.later = 0.0

    def monotonic(self) -> float:  # type: ignore[override]
        """Seconds, moved on by hand."""
        return SystemClock.monotonic() + self.later


def sticky_policy(upstream: Upstream, accounts: int = 4) -> str:
    """A model with several accounts, and another one."""
    return POLICY.format(url=upstream.url, accounts=", ".join(f"{{name: a{number}}}" for number in range(accounts)))


def turn(number: int, question: str = "hello") -> dict[str, Any]:
    """The body of a conversation's request, after so many answers."""
    said = [
        message
        for each in range(number)
        for message in ({"role": "assistant", "content": f"answer {each}"}, {"role": "user", "content": f"more {each}"})
    ]
    return chat("any", messages=[{"role": "user", "content": question}, *said])


async def story(url: str, proxy: Any, *bodies: dict[str, Any]) -> list[tuple[str, str | None]]:
    """What became of the conversation at each of these requests, and which account answered."""
    found = []
    for body in bodies:
        answer = await ask(url, body)
        record = await proxy.record(answer.header("x-routebook-decision"))
        assert record.ended is not None
        found.append((record.decided["stick"]["event"], record.ended["account"]))
    return found


async def test_a_conversation_stays_on_its_account(tmp_path: Path, upstream: Upstream) -> None:
    """Turn after turn, while other conversations are spread over all accounts."""
    async with in_process(tmp_path, sticky_policy(upstream)) as proxy:
        told = await story(proxy.url, proxy, *(turn(number) for number in range(6)))
        others = [await story(proxy.url, proxy, turn(0, f"question {number}")) for number in range(40)]
    assert [event for event, _ in told] == ["initialize", *["retain"] * 5]
    assert len({account for _, account in told}) == 1
    assert {account for [(_, account)] in others} == {f"many/a{number}" for number in range(4)}


async def test_it_moves_where_its_account_cannot_serve_and_stays_there(tmp_path: Path, upstream: Upstream) -> None:
    """A failure moves it within the request; the next one begins where the last was answered, also when the first
    account is well again. Every record decides the same again."""
    clock = Clock()
    async with in_process(tmp_path, sticky_policy(upstream, 2), clock=clock) as proxy:
        [(_, home)] = await story(proxy.url, proxy, turn(0))
        upstream.will(failure(429, headers=[("Retry-After", "60")]))
        moved = await story(proxy.url, proxy, turn(1))
        clock.later = 120.0
        later = await story(proxy.url, proxy, turn(2), turn(3))
        records, policy = proxy.records(), proxy.gateway.policy
    [(event, away)] = moved
    assert event == "retain" and away != home, "it was to stay, and the first attempt failed"
    assert later == [("retain", away), ("retain", away)]
    for record in records.values():
        assert differences(record.decided, decide_again(policy, record.decided)) == []


async def test_an_account_that_rests_is_left_and_the_reason_recorded(tmp_path: Path, upstream: Upstream) -> None:
    """Health comes before affinity; the other account of the model comes before another model."""
    async with in_process(tmp_path, sticky_policy(upstream, 2)) as proxy:
        [(_, home)] = await story(proxy.url, proxy, turn(0))
        assert home is not None
        proxy.gateway.memory.pause(("many", home.removeprefix("many/")), proxy.gateway.clock.monotonic(), 60.0, "429")
        answer = await ask(proxy.url, turn(1))
        record = await proxy.record(answer.header("x-routebook-decision") or "")
        policy = proxy.gateway.policy
    line = record.decided["stick"]
    assert line == {"event": "switch", "from": {"model": "large", "account": home}, "why": "account.resting"}
    assert record.ended is not None and record.ended["model"] == "large" and record.ended["account"] != home
    assert differences(record.decided, decide_again(policy, record.decided)) == []
    assert f"The conversation was with large by {home} and cannot stay there" in as_text(
        explain_record(policy, record.decided, record.ended)
    )


async def test_a_silence_that_is_too_long_begins_anew(tmp_path: Path, upstream: Upstream) -> None:
    """The time counts from the last answer; each answer counts anew."""
    clock = Clock()
    async with in_process(tmp_path, sticky_policy(upstream), clock=clock) as proxy:
        events = []
        for seconds in (0, 1700, 3400, 5300):
            clock.later = float(seconds)
            events += [event for event, _ in await story(proxy.url, proxy, turn(seconds))]
    assert events == ["initialize", "retain", "retain", "initialize"]


async def test_a_rule_that_does_not_stick_says_nothing(tmp_path: Path, upstream: Upstream) -> None:
    """No word in the record, nothing remembered."""
    async with in_process(tmp_path, sticky_policy(upstream)) as proxy:
        await ask(proxy.url, turn(0), headers=[("x-routebook-tags", "loose")])
        record = await proxy.only_record()
        assert "stick" not in record.decided and len(proxy.gateway.affinities) == 0


@pytest.mark.parametrize("names_it", [False, True], ids=["by its words", "by a name"])
async def test_workers_agree_where_a_conversation_is(tmp_path: Path, upstream: Upstream, names_it: bool) -> None:
    """It begins at the same place whichever worker takes it, and what one worker learns the other hears of: after it
    has moved they soon agree again, although its first account is well. Its name stands in no record."""
    headers = [("x-routebook-session", "secret-name")] if names_it else []
    async with running_proxy(tmp_path, sticky_policy(upstream, 4), workers=2) as proxy:

        async def asked(number: int) -> tuple[str, str, str | None]:
            answer = await ask(proxy.url, turn(number), headers=headers)
            record = await proxy.record(answer.header("x-routebook-decision") or "")
            assert record.ended is not None
            return record.decided["instance"], record.decided["stick"]["event"], record.ended["account"]

        begun = [await asked(number) for number in range(30)]
        assert len({instance for instance, _, _ in begun}) == 2, "both workers have answered"
        assert len({account for _, _, account in begun}) == 1
        upstream.will(failure(429, headers=[("Retry-After", "0")]))
        _, _, away = await asked(30)
        assert away != begun[0][2]
        later: list[tuple[str, str, str | None]] = []
        async with asyncio.timeout(30):
            while (
                len({row[0] for row in later[-12:]}) < 2 or len(later) < 12 or len({row[2] for row in later[-12:]}) > 1
            ):
                later.append(await asked(31 + len(later)))
        assert {event for _, event, _ in later} == {"retain"}
        written = json.dumps([record.decided for record in proxy.records().values()])
    assert "secret-name" not in written
