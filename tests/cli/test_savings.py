"""`routebook savings` over a journal that a real process has written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from routebook.cli.main import main
from tests.support.asking import CHAT, chat
from tests.support.proxy import running_proxy, small_policy
from tests.support.rawclient import RawClient, post
from tests.support.upstream import Upstream

RULES = """\
  - {name: hard, when: {prompt.complexity: {above: 0.5}}, route: {to: [large]}}
  - {name: rest, route: {to: [small, large], pick: balanced, band: 0.9}}"""
MORE = """\
  # nobody routes to it: it is compared all the same, and holds less than these prompts
  tiny: {provider: scripted, id: tiny-1, price: {input: 0.1, output: 0.2}, context: 4, quality: 0.2}
  bare: {provider: scripted, id: bare-1, price: {input: 3}, context: 128k}
  vectors: {provider: scripted, id: vectors-1, price: {input: 1}, operations: [embeddings]}"""

EASY, HARD = "hi there", "Prove in detail that the integral of exp(-x^2) converges, and compute it. " * 20


async def test_the_sums_are_those_of_the_records(tmp_path: Path, upstream: Upstream) -> None:
    """Every answer is priced anew on every model; what was paid, and quality, are as recorded."""
    async with running_proxy(tmp_path, small_policy(upstream.url, RULES, MORE)) as proxy:
        async with RawClient(proxy.url) as client:
            for text in (EASY, EASY, HARD):
                body = {**chat(), "messages": [{"role": "user", "content": text}]}
                assert (await client.ask(post(CHAT, body))).status == 200
        records = await proxy.ended_records(lambda records: len(records) == 3)
        words = ("savings", "--state-dir", str(proxy.state_dir))
        told = await proxy.command(*words, "--format", "json")
        assert told.returncode == 0, told.stderr
        found = json.loads(told.stdout)
        by_rule = json.loads((await proxy.command(*words, "--by", "rule", "--format", "json")).stdout)
        shown = await proxy.command(*words, "--by", "day")
        dear = tmp_path / "dear.yaml"
        dear.write_text(small_policy(upstream.url, RULES, MORE).replace("input: 10,", "input: 1000,"))
        priced_anew = json.loads((await proxy.command(*words, "--policy", str(dear), "--format", "json")).stdout)
    (part,) = found["parts"]
    ends = [record.ended for record in records.values() if record.ended is not None]
    assert (found["requests"], part["answers"], part["paid"]) == (3, 3, sum(end["cost"] for end in ends))
    large = sum(end["usage"]["input"] * 10_000 + end["usage"]["output"] * 20_000 for end in ends)
    assert part["models"]["large"]["cost"] == large > part["paid"] > part["models"]["small"]["cost"]
    assert part["models"]["tiny"]["unable"] == 3 and part["models"]["large"]["unable"] == 0
    assert part["models"]["bare"]["unpriced"] == ["output"] and part["models"]["bare"]["quality"] is None
    assert set(part["models"]) == {"small", "large", "tiny", "bare"}
    qualities = [part["models"]["tiny"]["quality"], part["quality"], part["models"]["large"]["quality"]]
    assert qualities == sorted(qualities) and part["models"]["small"]["quality"] < part["quality"]
    assert {each["part"]: each["answers"] for each in by_rule["parts"]} == {"hard": 1, "rest": 2}
    assert sum(each["paid"] for each in by_rule["parts"]) == part["paid"]
    assert (
        priced_anew["parts"][0]["models"]["large"]["cost"] > 10 * large
        and priced_anew["parts"][0]["paid"] == part["paid"]
    )
    assert "assumed:" in shown.stdout and "large" in shown.stdout and ">=" in shown.stdout
    assert next(iter(records.values())).decided["time"][:10] in shown.stdout


def test_without_records_or_with_a_time_that_is_none_it_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each with its exit code."""
    (tmp_path / "var").mkdir()
    state = ["--state-dir", str(tmp_path / "var")]
    assert main(["savings", *state]) == 1
    assert "holds no records" in capsys.readouterr().err
    assert main(["savings", *state, "--since", "yesterday"]) == 2
    assert main(["savings", "--state-dir", str(tmp_path / "nowhere")]) == 1
