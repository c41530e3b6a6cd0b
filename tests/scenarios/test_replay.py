"""`routebook replay` over the journal of a real service that was under load, with upstreams that fail and a reload."""

from __future__ import annotations

import asyncio
import json
import random
from pathlib import Path
from typing import Any

from tests.support.asking import chat
from tests.support.proxy import RunningProxy, running_proxy
from tests.support.rawclient import RawClient, post
from tests.support.upstream import Play, Received, Upstream, completion, failure, reply, stream

POLICY = """\
version: 1
providers:
  one: {{dialect: openai, base_url: "{url}", region: us, spread: round_robin,
        accounts: [{{name: a}}, {{name: b, weight: 2}}, {{name: c}}]}}
  two: {{dialect: openai, base_url: "{url}", region: eu, spread: sticky, accounts: [{{name: a}}, {{name: b}}]}}
  three: {{dialect: openai, base_url: "{url}", region: eu, spread: least_busy, accounts: [{{name: a}}, {{name: b}}]}}
models:
  large: {{provider: one, price: {{input: 10, output: 20}}, context: 128k, max_output: 16k, quality: 0.9}}
  small: {{provider: two, price: {{input: 1, output: 2}}, context: 64k, max_output: 16k, quality: 0.6}}
  house: {{provider: three, price: {{input: 0, output: 0}}, context: 8k, quality: 0.5}}
pools: {{every: [large, small, house]}}
patterns: {{secret: "secret"}}
budgets: {{day: {{limit: $1000, window: day}}}}
limits: {{busy: {{concurrent: 12, when: {{request.model: pressed}}}}}}
guarantees: [{{name: home, when: {{tags: {{any: [phi]}}}}, only: {{region: eu}}}}]
rules:
  - {{name: no, when: {{tags: {{any: [blocked]}}}}, refuse: {{status: 403}}}}
  - {{name: home, when: {{tags: {{any: [phi]}}}}, route: {{to: [small, house]}}}}
  - {{name: secret, when: {{prompt.matches.secret: true}}, route: {{to: [house, small]}}}}
  - {{name: long, when: {{prompt.tokens: {{at_least: 200}}}}, route: {{to: every, pick: cheapest}}}}
  - {{name: pressed, when: {{request.model: pressed}}, route: {{to: [house, large]}}}}
  - {{name: canary, when: {{request.model: canary}}, route: {{to: every, split: {{small: 50%, large: 50%}}}}}}
  - {{name: quick, when: {{request.model: quick}}, route: {{to: every, pick: fastest, within: {{first_token: 30s}}}}}}
  - {{name: idle, when: {{request.model: idle}}, route: {{to: every, pick: least_busy}}}}
  - {{name: mixed, when: {{request.model: mixed}}, route: {{to: every, pick: weighted, weights: {{large: 1, small: 2}}}}}}
  - {{name: talk, when: {{request.model: talk}}, route: {{to: every, pick: weighted, stick: 1h}}}}
  - {{name: rich, when: {{budget.day.left: {{above: 50%}}, time.weekday: {{known: true}}}}, route: {{to: [requested, every]}}}}
  - {{name: otherwise, route: {{to: every}}}}
settings: {{retries: {{attempts: 6}}, breaker: {{in_a_row: 3, rest: 1s}}}}
"""

MODELS = ("pressed", "canary", "quick", "idle", "mixed", "talk", "large", "small", "every", "nobody")


def moody(seed: int) -> Any:
    """An upstream that answers, and now and then does not."""
    dice = random.Random(seed)

    def play(request: Received) -> Play:
        mood = dice.random()
        if mood < 0.12:
            return failure(503)
        if mood < 0.2:
            return failure(429, headers=[("Retry-After", "1")])
        if request.json().get("stream"):
            return stream()
        return reply(completion(prompt_tokens=dice.randrange(1000), completion_tokens=dice.randrange(1000)))

    return play


async def load(proxy: RunningProxy, count: int, seed: int) -> None:
    """So many requests of every kind by twelve clients at once."""
    dice = random.Random(seed)
    waiting = list(range(count))

    async def client() -> None:
        while waiting:
            waiting.pop()
            text = dice.choice(("hi", "a secret", "lorem ipsum " * 200, "word " * 40_000))
            body = chat(dice.choice(MODELS), text=text, stream=dice.random() < 0.3)
            tags = ",".join(tag for tag in ("phi", "blocked", "other") if dice.random() < 0.15)
            headers = [("x-routebook-tags", tags)] if tags else []
            async with RawClient(proxy.url) as connection:
                await connection.ask(post("/v1/chat/completions", body, headers), 30.0)

    await asyncio.gather(*(client() for _ in range(12)))


async def replayed(proxy: RunningProxy, *arguments: str, code: int = 0) -> dict[str, Any]:
    """What a replay says."""
    told = await proxy.command("replay", "--state-dir", str(proxy.state_dir), "--format", "json", *arguments)
    assert told.returncode == code, told.stdout + told.stderr
    found: dict[str, Any] = json.loads(told.stdout)
    return found


async def test_every_record_written_under_load_replays_to_itself(tmp_path: Path, upstream: Upstream) -> None:
    """Two workers, three kinds of accounts, failures, rests, queues, a reload in the middle; then what another policy
    would have done with the same requests."""
    upstream.otherwise = moody(1)
    text = POLICY.format(url=upstream.url)
    async with running_proxy(tmp_path, text, workers=2) as proxy:
        await load(proxy, 150, seed=1)
        proxy.write_policy(text.replace("at_least: 200", "at_least: 20k"))
        told = await proxy.command("reload", "--wait", "--state-dir", str(proxy.state_dir))
        assert told.returncode == 0, told.stderr
        await load(proxy, 150, seed=2)
        records = await proxy.ended_records(lambda found: len(found) == 300, timeout=30)
        assert len({record.decided["policy"] for record in records.values()}) == 2
        reasons = {each["reason"] for record in records.values() for each in record.decided["candidates"]}
        assert {"account.resting", "model.context"} <= reasons

        own = await replayed(proxy, "--own")
        assert (own["records"], own["alike"], own["otherwise"]) == (300, 300, 0), own["differences"]

        same = tmp_path / "same.yaml"
        same.write_text(text)
        found = await replayed(proxy, "--policy", str(same), "--since", "1h")
        assert found["records"] == 300 and found["undecidable"] == 0, found["not_recorded"]
        assert all(each["now"]["rule"] == "long" for each in found["moves"])

        proposed = tmp_path / "proposed.yaml"
        proposed.write_text(text.replace("to: every, pick: cheapest", "to: [large]"))
        found = await replayed(proxy, "--policy", str(proposed), "--fail-on-move", code=1)
        assert found["moved"] + found["kept"] + found["by_another_rule"] == 300 and found["moved"] > 0
        assert {(each["now"]["rule"], each["now"]["model"]) for each in found["moves"]} <= {
            ("long", "large"),
            ("long", None),
        }
        told = await proxy.command(
            "diff", str(same), str(proposed), "--replay", "--state-dir", str(proxy.state_dir), "--format", "json"
        )
        regions = json.loads(told.stdout)["moved"]
        assert [(each["was"]["rule"], each["now"]["rule"]) for each in regions] == [("long", "long")]
        assert regions[0]["requests"] == sum(record.decided["rule"] == "long" for record in records.values())
        files = sorted(map(str, (proxy.state_dir / "journal").glob("*.jsonl")))
        named = await replayed(proxy, "--policy", str(proposed), *files)
        assert named == found


async def test_a_record_that_was_changed_fails_the_check(tmp_path: Path, upstream: Upstream) -> None:
    """Exit code 1 with the record's id and what differs; records of an unknown policy are counted by its digest."""
    async with running_proxy(tmp_path, POLICY.format(url=upstream.url)) as proxy:
        await load(proxy, 12, seed=3)
        await proxy.ended_records(lambda found: len(found) == 12)
    journal = tmp_path / "copy.jsonl"
    lines = [
        json.loads(line)
        for segment in (proxy.state_dir / "journal").glob("*.jsonl")
        for line in segment.read_text().splitlines()
    ]
    decided = [line for line in lines if line["event"] == "decided"]
    decided[0]["rule"] = "another"
    decided[1]["policy"] = "f" * 16
    journal.write_text("".join(json.dumps(line) + "\n" for line in lines))  # spaces and all, as other tools write it
    found = await replayed(proxy, "--own", str(journal), code=1)
    assert (found["otherwise"], found["alike"]) == (1, 10)
    assert found["policies_not_at_hand"] == {"f" * 16: 1}
    (difference,) = found["differences"]
    assert difference["id"] == decided[0]["id"]
    assert difference["found"][0].startswith("rule `another` was recorded")
