"""What is learnt from traffic, and what choosing makes of it, over real sockets: who becomes slow or dear is left, and come
back to after it heals; nothing goes to and fro."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

from routebook.edge.clock import SystemClock
from routebook.routing.replay import decide_again, differences
from tests.support.asking import ask, chat
from tests.support.proxy import LocalProxy, in_process, running_proxy
from tests.support.rawclient import RawClient, post
from tests.support.upstream import Play, Received, Upstream, completion, reply

POLICY = """\
version: 1
providers:
  one: {{dialect: openai, base_url: "{url}", accounts: [{{name: main}}]}}
  two: {{dialect: openai, base_url: "{url}", accounts: [{{name: main}}]}}
models:
  first: {{provider: one, id: first, price: {{input: 1, output: 10}}, quality: 0.7}}
  second: {{provider: two, id: second, price: {{input: 2, output: 12}}, quality: 0.7}}
rules:
  - {{name: all, route: {{to: [second, first], pick: {pick}{more}}}}}
"""

LEFT_WITHIN = 6
"""Answers after which whoever became slow, or twenty times as dear, is left."""

BACK_WITHIN = 1500
"""Requests after which whoever is well again is back: a few of those three in a hundred that may try it."""


class World(SystemClock):
    """A clock that moves as the upstream says, and dice that always fall the same."""

    def __init__(self, seed: int = 7) -> None:
        super().__init__()
        self.later = 0.0
        self._dice = random.Random(seed)

    def monotonic(self) -> float:  # type: ignore[override]
        """Seconds, moved on by the upstream's answers."""
        return SystemClock.monotonic() + self.later

    def draw(self) -> float:  # type: ignore[override]
        """As the seed has it."""
        return self._dice.random()


class Script:
    """An upstream whose models take so many seconds and say so many tokens, give or take a fifth."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.seconds = {"first": 1.0, "second": 2.0}
        self.tokens = {"first": 100, "second": 100}
        self._chance = random.Random(11)

    def __call__(self, request: Received) -> Play:
        """Answer; the world's clock moves on by what it takes."""
        model = request.json()["model"]
        self.world.later += self.seconds[model] * self._chance.uniform(0.8, 1.2)
        tokens = round(self.tokens[model] * self._chance.uniform(0.8, 1.2))
        return reply(completion(model=model, prompt_tokens=50, completion_tokens=tokens))


class Story:
    """Whom requests went to, and who was only tried."""

    def __init__(self, proxy: LocalProxy, client: RawClient) -> None:
        self.proxy = proxy
        self.client = client

    async def ask(self, count: int, request: bytes = post("/v1/chat/completions", chat("any"))) -> list[str]:
        """Ask so often; who answered each time."""
        found = []
        for _ in range(count):
            answer = await self.client.ask(request, 10.0)
            assert answer.status == 200
            found.append(answer.header("x-routebook-model") or "")
        return found


def regular(models: list[str], proxy: LocalProxy) -> list[str]:
    """The same without those requests that only tried somebody."""
    records = list(proxy.records().values())[-len(models) :]
    return [model for model, record in zip(models, records, strict=True) if "probed" not in record.decided["draw"]]


def moves(models: list[str]) -> int:
    """How often traffic moved."""
    return sum(before != after for before, after in pairwise(models))


@contextmanager
def decided_again(proxy: LocalProxy) -> Iterator[None]:
    """Every record decides the same again."""
    yield
    for record in proxy.records().values():
        assert differences(record.decided, decide_again(proxy.gateway.policy, record.decided)) == []


async def test_who_becomes_slow_is_left_and_come_back_to(tmp_path: Path, upstream: Upstream) -> None:
    """`pick: fastest`: within six answers to the other, back after it heals, and no to and fro in between."""
    world = World()
    script = upstream.otherwise = Script(world)
    async with (
        in_process(tmp_path, POLICY.format(url=upstream.url, pick="fastest", more=""), clock=world) as proxy,
        RawClient(proxy.url) as client,
    ):
        story = Story(proxy, client)
        with decided_again(proxy):
            begun = await story.ask(150)
            assert "first" in begun, "who was never measured is tried"
            settled = regular(await story.ask(150), proxy)
            assert set(settled) == {"first"}
            script.seconds["first"] = 10.0
            left = regular(await story.ask(150), proxy)
            assert "second" in left[: LEFT_WITHIN + 1] and moves(left) == 1
            script.seconds["first"] = 1.0
            back = regular(await story.ask(600), proxy)
            assert back[-1] == "first" and moves(back) == 1


async def test_who_becomes_dear_is_left_and_come_back_to(tmp_path: Path, upstream: Upstream) -> None:
    """`pick: cheapest`: twenty times as many tokens make the model with the lower price the dearer one."""
    world = World()
    script = upstream.otherwise = Script(world)
    async with (
        in_process(tmp_path, POLICY.format(url=upstream.url, pick="cheapest", more=""), clock=world) as proxy,
        RawClient(proxy.url) as client,
    ):
        story = Story(proxy, client)
        with decided_again(proxy):
            assert set(regular(await story.ask(100), proxy)) == {"first"}
            script.tokens["first"] = 2000
            left = regular(await story.ask(100), proxy)
            assert "second" in left[: LEFT_WITHIN + 1] and moves(left) == 1
            script.tokens["first"] = 100
            back = regular(await story.ask(BACK_WITHIN), proxy)
            assert back[-1] == "first" and moves(back) == 1


async def test_who_is_dear_by_its_price_is_never_tried(tmp_path: Path, upstream: Upstream) -> None:
    """Nothing that was learnt speaks against it, so there is nothing to learn anew."""
    world = World()
    upstream.otherwise = Script(world)
    async with (
        in_process(tmp_path, POLICY.format(url=upstream.url, pick="cheapest", more=""), clock=world) as proxy,
        RawClient(proxy.url) as client,
    ):
        assert set(await Story(proxy, client).ask(300)) == {"first"}


async def test_a_limit_that_was_missed_long_ago_is_measured_again(tmp_path: Path, upstream: Upstream) -> None:
    """`within: first_token` drops who is too slow, names both times, and lets a few requests find out whether it still
    is."""
    world = World()
    script = upstream.otherwise = Script(world)
    script.seconds["second"] = 8.0
    more = ", within: {first_token: 4s}"
    async with (
        in_process(tmp_path, POLICY.format(url=upstream.url, pick="in_order", more=more), clock=world) as proxy,
        RawClient(proxy.url) as client,
    ):
        story = Story(proxy, client)
        assert (await story.ask(3))[1:] == ["first", "first"]
        dropped = list(proxy.records().values())[-1].decided["candidates"][-1]
        assert dropped["reason"] == "within.first-token" and dropped["numbers"]["first_token"] > 4.0
        tried = (await story.ask(300)).count("second")
        assert 0 < tried < 30
        script.seconds["second"] = 2.0
        assert (await story.ask(300))[-1] == "second"


async def test_who_was_slow_to_speak_is_heard_again(tmp_path: Path, upstream: Upstream) -> None:
    """The same of `within: first_audio`, of chats that are spoken: by what was measured, in place of what was declared; chats
    that are only written are measured and held to nothing of it."""
    world = World()
    script = upstream.otherwise = Script(world)
    script.seconds["second"] = 8.0
    policy = POLICY.format(url=upstream.url, pick="in_order", more=", within: {first_audio: 4s}")
    policy = policy.replace("quality: 0.7}", "quality: 0.7, capabilities: [audio_out], first_audio: 1s}")
    spoken = post(
        "/v1/chat/completions", chat("any", modalities=["text", "audio"], audio={"voice": "a", "format": "wav"})
    )
    async with in_process(tmp_path, policy, clock=world) as proxy, RawClient(proxy.url) as client:
        story = Story(proxy, client)
        assert await story.ask(2) == ["second", "second"]
        assert proxy.gateway.memory.first_audio("second") is None
        with decided_again(proxy):
            assert (await story.ask(4, spoken))[1:] == ["first", "first", "first"]
        last = list(proxy.records().values())[-1]
        dropped = last.decided["candidates"][-1]
        assert dropped["reason"] == "within.first-audio" and dropped["numbers"]["first_audio"] > 4.0
        assert last.ended is not None and last.ended["first_audio"] >= last.ended["first_token"]
        assert 0 < (await story.ask(300, spoken)).count("second") < 30
        script.seconds["second"] = 2.0
        assert (await story.ask(300, spoken))[-1] == "second"
        assert proxy.gateway.memory.first_audio("second") < 4.0


async def test_what_is_expected_stands_in_the_record(tmp_path: Path, upstream: Upstream) -> None:
    """By hand: the prompt is estimated, and corrected by what its upstream bills; a hundred of the answer learnt beside the assumed five
    hundred."""
    world = World()
    upstream.otherwise = lambda _: reply(
        completion(
            prompt_tokens=100,
            completion_tokens=100,
            usage={"prompt_tokens": 100, "completion_tokens": 100, "prompt_tokens_details": {"cached_tokens": 80}},
        )
    )
    async with (
        in_process(tmp_path, POLICY.format(url=upstream.url, pick="cheapest", more=""), clock=world) as proxy,
        RawClient(proxy.url) as client,
    ):
        await Story(proxy, client).ask(8)
        records = list(proxy.records().values())
    front = records[0].decided["candidates"][0]
    prompt = records[0].decided["asked"]["tokens"]
    assert "memory" not in records[0].decided
    assert front["expected_cost"] == prompt * 1000 + 500 * 10_000
    tokens, cached, weight, _ = records[-1].decided["memory"]["answers"]["first"]
    assert (tokens, cached) == (100.0, 0.8) and 9.5 < weight <= 10.0
    prompt = round(prompt * records[-1].decided["memory"]["billed"]["first"])
    likely = 500 - (400 * weight / (weight + 2))
    assert abs(records[-1].decided["candidates"][0]["expected_cost"] - (prompt * 1000 + likely * 10_000)) <= 1


async def test_workers_tell_each_other_what_they_learnt(tmp_path: Path, upstream: Upstream) -> None:
    """One worker's answers change what another expects, and a worker that begins is told."""
    policy = POLICY.format(url=upstream.url, pick="cheapest", more="")
    upstream.otherwise = lambda request: reply(completion(model=request.json()["model"], completion_tokens=7))
    async with running_proxy(tmp_path, policy, workers=2) as proxy:
        expected: dict[str, list[float]] = {}
        for _ in range(400):
            async with RawClient(proxy.url) as client:
                answer = await client.ask(post("/v1/chat/completions", chat("any")), 10.0)
            record = await proxy.record(answer.header("x-routebook-decision") or "")
            learnt: dict[str, Any] = record.decided.get("memory", {}).get("answers", {})
            expected.setdefault(record.decided["instance"], []).append(learnt.get("first", [0, 0, 0])[2])
            if len(expected) == 2 and all(len(each) > 1 for each in expected.values()):
                most = max(map(len, expected.values()))
                fewest = min(expected.values(), key=len)
                if fewest[-1] > len(fewest) + 1 or most > 200:
                    break
        fewest = min(expected.values(), key=len)
        assert fewest[-1] > len(fewest) + 1, "it knows of more answers than it gave"


PRICED = """\
version: 1
providers:
  one: {{dialect: openai, base_url: "{url}", accounts: [{{name: main}}]}}
models:
  vague: {{provider: one, id: claude-like, price: {{input: 1, output: 2}}}}
  plain: {{provider: one, id: gpt-5.6, price: {{input: 1, output: 2}}}}
rules:
  - {{name: all, route: {{to: requested, pick: cheapest, within: {{cost: $1}}}}}}
"""


async def test_what_a_model_bills_for_prompts_corrects_its_estimate(tmp_path: Path, upstream: Upstream) -> None:
    """Its upstream counts half as many tokens again as were estimated: after some answers its prompts are taken to be
    larger, another model's are not, and every record replays to itself."""

    def counts(request: Received) -> Play:
        model = request.json()["model"]
        tokens = round(1.5 * 660) if model == "claude-like" else 660
        return reply(completion(model=model, prompt_tokens=tokens, completion_tokens=10))

    upstream.otherwise = counts
    text = "The committee has looked at what was proposed, and asks for a list of everything that may go wrong. " * 32
    async with in_process(tmp_path, PRICED.format(url=upstream.url)) as proxy:
        with decided_again(proxy):
            for model in ["vague", "plain"] * 20:
                await ask(proxy.url, chat(model, text=text))
            records = list((await proxy.ended_records(lambda found: len(found) == 40)).values())
    told = [each.decided["memory"]["billed"]["vague"] for each in records if "vague" in _billed(each)]
    others = [each.decided["memory"]["billed"]["plain"] for each in records if "plain" in _billed(each)]
    assert 1.3 < max(told) < 1.6 and all(0.9 < ratio < 1.1 for ratio in others) and len(others) > 10


def _billed(record: Any) -> dict[str, float]:
    found: dict[str, float] = record.decided.get("memory", {}).get("billed", {})
    return found
