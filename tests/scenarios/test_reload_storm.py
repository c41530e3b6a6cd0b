"""Fifty SIGHUPs a second for twenty seconds, under load and with streams open: nobody notices, nothing mixes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from tests.support.proxy import RunningProxy, compiled, running_proxy, small_policy
from tests.support.upstream import Play, Received, Upstream, answer_politely, chunks, stream

SECONDS = 20.0
SIGHUPS_A_SECOND = 50
CLIENTS = 12
LONG_STREAMS = 6
LONG_TEXTS = [f"word{n} " for n in range(60)]


def policy_called(name: str, upstream: str) -> str:
    """A policy whose every part says which one it is: rules, upstream ids."""
    rules = (f"  - {{name: {name}-streams, when: {{request.stream: true}}, route: {{to: [large]}}}}\n"
             f"  - {{name: {name}-others, route: {{to: [small]}}}}")
    return small_policy(upstream, rules).replace("small-1", f"{name}-small").replace("large-1", f"{name}-large")


def play(request: Received) -> Play:
    """Short answers, and a stream of three seconds for who asks for a long one."""
    if b"take your time" in request.body:
        return stream(chunks(LONG_TEXTS, model=request.json()["model"]), pause=0.05)
    return answer_politely(request)


@dataclass(slots=True)
class Seen:
    """What the clients saw: per decision the rule told in the headers and the upstream id told in the answer."""

    answers: dict[str, tuple[str, str]] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)


async def ask_once(session: aiohttp.ClientSession, proxy: RunningProxy, streaming: bool, prompt: str,
                   seen: Seen) -> None:
    """One request; anything but a whole answer is a failure."""
    body = {"model": "any", "stream": streaming, "messages": [{"role": "user", "content": prompt}]}
    try:
        async with session.post(f"{proxy.base_url}/chat/completions", json=body) as answer:
            data = await answer.read()
            whole = answer.status == 200 and (data.endswith(b"data: [DONE]\n\n") if streaming else b'"choices"' in data)
            if prompt == "take your time":
                whole = whole and all(text.encode() in data for text in LONG_TEXTS)
            if not whole:
                seen.failures.append(f"{answer.status} {data[-200:]!r}")
                return
            served = data.partition(b'"model": "')[2].partition(b'"')[0].decode()
            seen.answers[answer.headers["x-routebook-decision"]] = (answer.headers["x-routebook-rule"], served)
    except (aiohttp.ClientError, TimeoutError) as error:
        seen.failures.append(repr(error))


async def again_and_again(until: float, once: Callable[[], Awaitable[None]]) -> None:
    """Ask, and ask again, until the time is over."""
    while time.monotonic() < until:
        await once()


def storm(proxy: RunningProxy, policies: tuple[str, str], until: float) -> int:
    """Write the two policies in turn, a SIGHUP after each, on time whatever else goes on; returns how many were sent."""
    sent, due = 0, time.monotonic()
    while (now := time.monotonic()) < until:
        if now < due:
            time.sleep(due - now)
        proxy.write_policy(policies[sent % 2])
        proxy.hang_up()
        sent += 1
        due += 1 / SIGHUPS_A_SECOND
    return sent


async def test_a_storm_of_reloads_fails_no_request_and_mixes_no_policies(tmp_path: Path) -> None:
    """No request fails; each decision, its rule, its model and its digest belong to one of the two policies."""
    async with Upstream(play) as upstream:
        policies = (policy_called("one", upstream.url), policy_called("two", upstream.url))
        digests = {compiled(policies[0]).digest: "one", compiled(policies[1]).digest: "two"}
        async with running_proxy(tmp_path, policies[0], workers=2) as proxy, aiohttp.ClientSession() as session:
            seen = Seen()
            until = time.monotonic() + SECONDS

            def asking(streaming: bool, prompt: str) -> Awaitable[None]:
                return again_and_again(until, lambda: ask_once(session, proxy, streaming, prompt, seen))

            long = [asking(True, "take your time") for _ in range(LONG_STREAMS)]
            short = [asking(bool(n % 2), "quick") for n in range(CLIENTS)]
            sent, *_ = await asyncio.gather(asyncio.to_thread(storm, proxy, policies, until), *long, *short)
            records = await proxy.ended_records(lambda found: len(found) >= len(seen.answers))

    assert seen.failures == []
    assert sent >= SECONDS * SIGHUPS_A_SECOND * 0.8, "the machine was too slow for a storm"
    decided_by = set()
    for identity, (rule, served) in seen.answers.items():
        record = records[identity].decided
        name = digests[record["policy"]]
        decided_by.add(name)
        assert (record["rule"], rule.partition("-")[0], served.partition("-")[0]) == (rule, name, name)
    assert decided_by == {"one", "two"}, "both policies must have served"
    assert len(seen.answers) > 200
