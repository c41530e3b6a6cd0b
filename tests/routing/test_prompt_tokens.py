"""The size of a prompt: by bytes where they decide, by an estimate, counted where the estimate is too near to a limit; of
each model's own family, corrected by what its upstream bills; and all of it recorded, so that it is decided again."""

from __future__ import annotations

import json
from typing import Any

import pytest

from routebook.routing.memory import BLANK, Memory, Remembered
from routebook.routing.policy import Policy
from routebook.routing.recorded import recorded_of
from routebook.routing.replay import decide_again, differences
from routebook.routing.replaying.deciding import Redeciding
from routebook.routing.replaying.knowing import NotRecorded
from routebook.routing.sizes import MESSAGE_TOKENS
from routebook.routing.telling.explanation import explain_record
from routebook.routing.telling.rendering import as_text
from tests.routing.test_record import line_of
from tests.support.routes import facts_of, policy

RULES = """
rules:
  - {name: long, when: {prompt.tokens: {at_least: 2k}}, route: {to: large}}
  - {name: all, route: {to: everything, pick: cheapest}}
"""
LARGE = RULES.replace("2k", "100k").replace("everything, pick: cheapest", "small")


def asks(words: int) -> list[dict[str, str]]:
    """A prompt of so many words, of which each is some two tokens."""
    return [{"role": "user", "content": "word " * words}]


def line(under: Policy, messages: Any, memory: Memory = BLANK, **fields: Any) -> dict[str, Any]:
    """The first line of the record, which replays to itself."""
    found = json.loads(json.dumps(line_of(under, facts_of(under, memory=memory, messages=messages, **fields))))
    assert differences(found, decide_again(under, found)) == []
    return found


def test_a_limit_that_bytes_alone_decide_needs_no_estimate() -> None:
    """A large prompt under a larger limit is not read; the record says that its figure is by bytes."""
    under = policy(LARGE)
    found = line(under, asks(4_000))
    assert found["rule"] == "all" and found["asked"]["fact_by"] == "bytes" and found["asked"]["tokens_by"] == "bytes"
    assert 0 < found["facts"]["prompt.tokens"] < found["asked"]["most_tokens"] < 100_000


def test_a_figure_by_bytes_is_not_vouched_for_under_another_limit() -> None:
    """What decided then is not known closely enough for a lower limit; for another that it decides as well, it is."""
    served = policy(LARGE)
    record = recorded_of(line(served, asks(4_000)))
    again = Redeciding(policy(LARGE.replace("100k", "110k")), {served.digest: served}.get)
    assert again.decide(record).now.rule == "all"
    with pytest.raises(NotRecorded, match="prompt.tokens"):
        Redeciding(policy(LARGE.replace("100k", "5k")), {served.digest: served}.get).decide(record)


def test_a_prompt_near_a_limit_is_counted() -> None:
    """1,999 words and the frame are over the limit of 2k; a hundred fewer are not; far from it nobody counts."""
    under = policy(RULES)
    over, below, far = (line(under, asks(words)) for words in (1_999, 1_900, 300))
    assert (over["rule"], below["rule"], far["rule"]) == ("long", "all", "all")
    assert over["asked"]["fact_by"] == below["asked"]["fact_by"] == "exact" and "fact_by" not in far["asked"]
    assert 1_999 <= over["facts"]["prompt.tokens"] - MESSAGE_TOKENS <= 2_001
    assert 1_900 <= below["facts"]["prompt.tokens"] - MESSAGE_TOKENS <= 1_902


@pytest.mark.usefixtures("nobody_counts")
def test_where_nobody_counts_the_estimate_decides() -> None:
    """As it does without the extra."""
    found = line(policy(RULES), asks(1_999))
    assert "fact_by" not in found["asked"] and found["asked"]["tokens_by"] in ("estimate", "bytes")


def test_a_prompt_that_nearly_fills_a_context_is_counted() -> None:
    """The estimate alone would leave open whether it fits; counted, it fits one model and not another."""
    under = policy("rules: [{name: r, route: {to: [house, large]}}]")
    fits, over = line(under, asks(7_900)), line(under, asks(8_100))
    reasons = [{each["model"]: each["reason"] for each in found["candidates"]} for found in (fits, over)]
    assert reasons == [{"house": "kept", "large": "kept"}, {"house": "model.context", "large": "kept"}]
    assert fits["asked"]["counted"].keys() == {"o200k_base"}


FAMILIES = """
version: 1
providers: {p: {dialect: openai, base_url: "https://p.example/v1", accounts: [{name: a}]}}
models:
  gpt: {provider: p, id: gpt-5.6, price: {input: 1, output: 0}, max_output: 1}
  qwen: {provider: p, id: Qwen/Qwen3-32B, price: {input: 1, output: 0}, max_output: 1}
rules: [{name: r, route: {to: [qwen, gpt], pick: cheapest}}]
"""


def test_each_model_is_priced_by_its_own_family_of_tokenizers() -> None:
    """Qwen reads digits one by one: a page of numbers is twice as many tokens there, and no cheaper at the same price."""
    messages = [{"role": "user", "content": " ".join(str(number) for number in range(1000, 3000))}]
    found = line(policy("", FAMILIES), messages, model="gpt")
    costs = {each["model"]: each["expected_cost"] for each in found["candidates"]}
    assert [each["model"] for each in found["candidates"]] == ["gpt", "qwen"] and costs["qwen"] > 1.5 * costs["gpt"]
    assert found["asked"]["estimates"].keys() == {"qwen3"}


def test_what_an_upstream_bills_corrects_the_estimate() -> None:
    """A fifth more tokens cost a fifth more, in the order and in the record, and again in a replay."""
    under = policy("", FAMILIES.replace("Qwen/Qwen3-32B", "gpt-5.6-other"))
    plain = line(under, asks(500))
    dearer = line(under, asks(500), Remembered(ratios={"qwen": 1.2}))
    costs = [{each["model"]: each["cost"] for each in found["candidates"]} for found in (plain, dearer)]
    assert costs[0]["qwen"] == costs[0]["gpt"] == costs[1]["gpt"]
    assert costs[1]["qwen"] == pytest.approx(1.2 * costs[0]["qwen"], rel=0.002)
    assert [each["model"] for each in dearer["candidates"]] == ["gpt", "qwen"]
    assert dearer["memory"]["billed"] == {"qwen": 1.2} and "billed" not in plain.get("memory", {})


def test_records_of_earlier_versions_replay_as_they_were() -> None:
    """They know one size, whatever the family."""
    found = line(policy("", FAMILIES.replace("Qwen/Qwen3-32B", "gpt-5.6-other")), asks(500))
    assert not {"estimates", "counted", "fact_by"} & found["asked"].keys()


def test_an_explanation_says_how_a_prompt_was_measured() -> None:
    """What was counted, and what an estimate was corrected by."""
    under = policy(RULES)
    assert "2,005 tokens as counted" in as_text(explain_record(under, line(under, asks(2_000)), None))
    dearer = line(under := policy("", FAMILIES), asks(500), Remembered(ratios={"qwen": 1.2}))
    told = "To one token that is estimated of a prompt, upstreams have billed of late: qwen 1.2."
    assert told in as_text(explain_record(under, dearer, None))
