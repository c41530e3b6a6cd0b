"""What nobody knows is said, and never taken for nothing: usage that no upstream reported, and prices that nobody gave."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.asking import ask, chat
from tests.support.processes import run_command
from tests.support.proxy import in_process
from tests.support.upstream import Play, Upstream, chunks, completion, reply, stream

TEXT = "word " * 40


def policy(upstream: str, price: str = "price: {input: 1, output: 2}", budget: str = "$1") -> str:
    """One model, one budget."""
    return f"""\
version: 1
providers: {{p: {{dialect: openai, base_url: "{upstream}", accounts: [{{name: main}}]}}}}
models: {{small: {{provider: p, {price + ", " if price else ""}context: 128k, max_output: 1k}}}}
budgets: {{all: {{limit: {budget}, window: day}}}}
rules: [{{name: all, route: {{to: [small]}}}}]
"""


def whole(usage: dict[str, Any] | None) -> Play:
    """A whole answer that reports this usage, or none."""
    said = completion(TEXT)
    if usage is None:
        del said["usage"]
    else:
        said["usage"] = usage
    return reply(said)


def streamed(usage: dict[str, Any] | None) -> Play:
    """The same as a stream."""
    return stream(chunks(["word "] * 40, usage=usage))


@pytest.mark.parametrize("play", [whole, streamed])
@pytest.mark.parametrize("usage", [None, {}, {"prompt_tokens": None, "completion_tokens": None}, {"total_tokens": 99}])
async def test_a_usage_that_nobody_reported_is_estimated_and_says_so(
    tmp_path: Path, upstream: Upstream, play: Any, usage: dict[str, Any] | None
) -> None:
    """Prompt and answer are both counted from their sizes."""
    upstream.will(play(usage))
    ended = await once(tmp_path, policy(upstream.url), stream=play is streamed)
    assert ended["usage_by"] == "estimated" and ended["input"] > 0 and 25 <= ended["output"] <= 150
    assert ended["cost"] == ended["input"] * 1_000 + ended["output"] * 2_000
    assert [amount for _, _, amount in ended["settled"]] == [ended["cost"]]


@pytest.mark.parametrize("play", [whole, streamed])
async def test_an_explicit_zero_is_zero(tmp_path: Path, upstream: Upstream, play: Any) -> None:
    """What the upstream counted is not replaced by what we would have guessed."""
    upstream.will(play({"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}))
    ended = await once(tmp_path, policy(upstream.url), stream=play is streamed)
    assert (ended["usage_by"], ended["input"], ended["output"], ended["cost"]) == ("measured", 0, 0, 0)
    assert [amount for _, _, amount in ended["settled"]] == [0]


@pytest.mark.parametrize("play", [whole, streamed])
@pytest.mark.parametrize(
    "usage", [{"prompt_tokens": 30}, {"completion_tokens": 50}, {"prompt_tokens": 30, "completion_tokens": None}]
)
async def test_half_a_usage_is_never_half_free(
    tmp_path: Path, upstream: Upstream, play: Any, usage: dict[str, Any]
) -> None:
    """Where the upstream counted one side only, both are estimated, and the record says so."""
    upstream.will(play(usage))
    ended = await once(tmp_path, policy(upstream.url), stream=play is streamed)
    assert ended["usage_by"] == "estimated"
    assert ended["input"] > 40 and ended["output"] > 25
    assert ended["cost"] == ended["input"] * 1_000 + ended["output"] * 2_000


async def test_embeddings_have_a_prompt_and_no_answer(tmp_path: Path, upstream: Upstream) -> None:
    """Where nobody reported their usage, the numbers that come back are not taken for an answer's tokens."""
    upstream.will(reply({"object": "list", "data": [{"index": 0, "embedding": [0.25] * 500}]}))
    text = policy(upstream.url).replace("max_output: 1k", "operations: [embeddings]")
    async with in_process(tmp_path, text) as proxy:
        assert (await ask(proxy.url, {"model": "small", "input": TEXT}, "/v1/embeddings")).status == 200
        ended = (await proxy.only_record()).ended
    assert ended is not None
    assert ended["usage_by"] == "estimated" and ended["input"] > 40 and ended["output"] == 0
    assert [amount for _, _, amount in ended["settled"]] == [ended["cost"]] == [ended["input"] * 1_000]


async def test_half_a_usage_with_its_total_is_whole(tmp_path: Path, upstream: Upstream) -> None:
    """The other side follows."""
    upstream.will(whole({"prompt_tokens": 30, "total_tokens": 80}))
    ended = await once(tmp_path, policy(upstream.url))
    assert (ended["usage_by"], ended["input"], ended["output"]) == ("measured", 30, 50)


@pytest.mark.parametrize("price", ["", "price: {input: 1}", "price: {output: 2}"])
async def test_a_budget_of_money_pays_for_nothing_without_a_price(
    tmp_path: Path, upstream: Upstream, price: str
) -> None:
    """Refused before the upstream is called, with a code of its own; budgets of tokens do not mind."""
    async with in_process(tmp_path / "money", policy(upstream.url, price)) as proxy:
        answer = await ask(proxy.url, chat())
        record = await proxy.only_record()
    assert (answer.status, answer.header("x-routebook-error")) == (503, "budget.unpriced")
    assert not upstream.requests and record.ended is not None and not record.ended.get("settled")
    ended = await once(tmp_path / "tokens", policy(upstream.url, price, "100k tokens"))
    assert [amount for _, _, amount in ended["settled"]] == [9] and ended["unpriced"]


async def test_a_kind_without_a_price_is_booked_at_what_was_held(tmp_path: Path, upstream: Upstream) -> None:
    """Cached tokens whose price the list leaves out cost what the dearest kind was held for, never nothing."""
    usage = {
        "prompt_tokens": 50,
        "completion_tokens": 2,
        "total_tokens": 52,
        "prompt_tokens_details": {"cached_tokens": 40, "audio_tokens": 5},
    }
    upstream.will(whole(usage))
    async with in_process(tmp_path, policy(upstream.url)) as proxy:
        assert (await ask(proxy.url, chat())).status == 200
        record = await proxy.only_record()
    ended = record.ended
    assert ended is not None
    if "unpriced" in ended:
        assert [amount for _, _, amount in ended["settled"]] == [record.decided["hold"]["draws"][0][2]]
    else:
        assert [amount for _, _, amount in ended["settled"]] == [ended["cost"]] and ended["cost"] >= 50 * 1_000
    told = run_command("ledger", "verify", "--state-dir", str(proxy.state_dir))
    assert told.returncode == 0, told.stdout


async def once(folder: Path, text: str, stream: bool = False) -> dict[str, Any]:
    """One request and the end of its record, whose ledger is right."""
    async with in_process(folder, text) as proxy:
        assert (await ask(proxy.url, chat(stream=stream, text=TEXT, max_tokens=500))).status == 200
        record = await proxy.only_record()
    told = run_command("ledger", "verify", "--state-dir", str(proxy.state_dir))
    assert told.returncode == 0, told.stdout
    assert record.ended is not None
    return record.ended
