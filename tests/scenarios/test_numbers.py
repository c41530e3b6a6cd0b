"""Every number in the record of a finished request, held against what the scripted upstream says it sent."""

from __future__ import annotations

import json
import random
import time
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from routebook.routing.replay import decide_again, differences
from tests.support.proxy import Record, compiled, in_process, small_policy
from tests.support.upstream import Pause, Play, Upstream, chunks, completion, failure, reply, stream

NANO = 10**9
PRICES = {
    "input": Fraction("1.25"),
    "cached_input": Fraction("0.125"),
    "output": Fraction("7.7"),
    "reasoning": Fraction("8.8"),
    "audio_input": Fraction("32"),
    "audio_output": Fraction("64"),
}
"""Dollars per million tokens."""

WAIT = 0.08


@dataclass(frozen=True, slots=True)
class Script:
    """What the upstream will say, and so what the record must say."""

    streaming: bool
    texts: list[str]
    usage: dict[str, Any]
    parts: dict[str, int]
    refusals: int
    finish: str

    def plays(self) -> list[Play]:
        """First the refusals, each of which sends us to the next account; then the answer, after a moment."""
        refusals = [failure(503, headers=[("Retry-After", "0")]) for _ in range(self.refusals)]
        if self.streaming:
            events = [
                event.replace(b'"stop"', f'"{self.finish}"'.encode())
                for event in chunks(self.texts, model="served-7", usage=self.usage)
            ]
            return [*refusals, [Pause(WAIT), *stream(events)]]
        body = completion("".join(self.texts), model="served-7")
        body["usage"] = self.usage
        body["choices"][0]["finish_reason"] = self.finish
        return [*refusals, [Pause(WAIT), *reply(body)]]


def script(chance: random.Random) -> Script:
    """An answer with random counts of every kind."""
    parts = {
        "input": chance.randrange(1, 90_000),
        "cached_input": chance.choice([0, chance.randrange(1, 9_000)]),
        "audio_input": chance.choice([0, 0, chance.randrange(1, 900)]),
        "output": chance.randrange(1, 9_000),
        "reasoning": chance.choice([0, chance.randrange(1, 9_000)]),
        "audio_output": chance.choice([0, 0, chance.randrange(1, 900)]),
    }
    taken = parts["input"] + parts["cached_input"] + parts["audio_input"]
    given = parts["output"] + parts["reasoning"] + parts["audio_output"]
    usage = {
        "prompt_tokens": taken,
        "completion_tokens": given,
        "total_tokens": taken + given,
        "prompt_tokens_details": {"cached_tokens": parts["cached_input"], "audio_tokens": parts["audio_input"]},
        "completion_tokens_details": {"reasoning_tokens": parts["reasoning"], "audio_tokens": parts["audio_output"]},
    }
    return Script(
        chance.random() < 0.5,
        ["word "] * chance.randrange(1, 9),
        usage,
        {kind: count for kind, count in parts.items() if count},
        chance.randrange(3),
        chance.choice(["stop", "length"]),
    )


def cost_by_hand(parts: dict[str, int]) -> dict[str, int]:
    """Nano-dollars of each kind, rounded half up, worked out with fractions."""
    return {kind: int(PRICES[kind] * count * NANO / 1_000_000 + Fraction(1, 2)) for kind, count in parts.items()}


def policy(upstream: str) -> str:
    """One model with a price for every kind, at a provider with three accounts."""
    prices = ", ".join(f"{kind}: {float(price)}" for kind, price in PRICES.items())
    return (
        small_policy(upstream, "  - {name: only, route: {to: [large]}}")
        .replace("price: {input: 10, output: 20}", f"price: {{{prices}}}")
        .replace("accounts: [{name: main}]", "accounts: [{name: one}, {name: two}, {name: three}]")
        + "settings: {breaker: {of: 100k, in_a_row: 100k}}\n"  # all that fails here is told by the script
    )


def check(record: Record, said: Script, body: bytes, heard: float) -> None:
    """Every number of one record."""
    decided, ended = record.decided, record.ended
    assert ended is not None
    assert decided["asked"]["bytes"] == len(body)
    assert decided["asked"]["messages"] == 2
    assert decided["stream"] is said.streaming
    assert ended["usage"] == said.parts
    assert ended["usage_by"] == "measured"
    assert (ended["input"], ended["output"]) == (said.usage["prompt_tokens"], said.usage["completion_tokens"])
    assert ended["cost_parts"] == cost_by_hand(said.parts)
    assert ended["cost"] == sum(cost_by_hand(said.parts).values())
    assert (ended["end"], ended["status"], ended["error"]) == ("--", 200, None)
    assert (ended["model"], ended["served"], ended["finish"]) == ("large", "served-7", said.finish)
    attempts = ended["attempts"]
    assert [attempt["status"] for attempt in attempts] == [503] * said.refusals + [200]
    assert len({attempt["account"] for attempt in attempts}) == len(attempts), "each attempt on another account"
    assert attempts[-1]["account"] == ended["account"]
    starts = [attempt["started"] for attempt in attempts]
    assert starts == sorted(starts)
    assert WAIT <= ended["first_token"] <= ended["seconds"] <= heard + 0.005
    assert attempts[-1]["ended"] == ended["seconds"]
    assert ended["first_token"] >= attempts[-1]["started"] + WAIT * 0.95


@pytest.mark.parametrize("seed", range(4))
async def test_every_number_of_a_finished_request_is_right(tmp_path: Path, seed: int) -> None:
    """Usage by kind, cost to the nano-dollar, attempts, times, sizes; and each record replays to itself."""
    chance = random.Random(seed)
    async with Upstream() as upstream, in_process(tmp_path, policy(upstream.url)) as proxy:
        loaded = compiled(policy(upstream.url))
        async with aiohttp.ClientSession() as session:
            for number in range(12):
                said = script(chance)
                for play in said.plays():
                    upstream.will(play)
                body = json.dumps(
                    {
                        "model": "whatever",
                        "stream": said.streaming,
                        "messages": [
                            {"role": "system", "content": "be brief"},
                            {"role": "user", "content": f"question {number}"},
                        ],
                    }
                ).encode()
                began = time.monotonic()
                async with session.post(
                    f"{proxy.base_url}/chat/completions", data=body, headers={"Content-Type": "application/json"}
                ) as answer:
                    assert answer.status == 200, await answer.text()
                    data = await answer.read()
                heard = time.monotonic() - began
                if said.streaming:
                    assert b'"prompt_tokens"' not in data, "usage that was not asked for stays hidden"
                record = await proxy.record(answer.headers["x-routebook-decision"])
                check(record, said, body, heard)
                assert differences(record.decided, decide_again(loaded, record.decided)) == []
