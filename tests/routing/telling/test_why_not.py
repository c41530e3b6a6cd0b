"""Why a model was not chosen, and the smallest change that would choose it: found, decided again, and no smaller one left."""

from __future__ import annotations

import itertools
import random
from collections.abc import Mapping
from pathlib import Path

import pytest

from routebook.policy.facts import Value
from routebook.policy.given import parse_given
from routebook.routing.facts import FACTS
from routebook.routing.given import given_facts, plan_for_given
from routebook.routing.outcomes import Route
from routebook.routing.planning import Planner
from routebook.routing.policy import Policy
from routebook.routing.reading.loading import load_policy, load_sources
from routebook.routing.telling.explanation import explain_given
from routebook.routing.telling.nearest import Nearest
from routebook.routing.telling.why_not import WhyNot, as_json, as_text, why_not
from tests.routing.reading.test_proving import CHOICES, random_policy, unproven

ROOT = Path(__file__).parents[3]
NOON = 1_780_000_000.0


def facts(*texts: str) -> dict[str, Value]:
    """Facts as they are given on the command line."""
    return dict(parse_given(text, FACTS) for text in texts)


def shipped() -> Policy:
    """The policy that comes with the program."""
    policy = load_policy(ROOT / "rules", proving=False).policy
    assert policy is not None
    return policy


def asked(policy: Policy, model: str, given: Mapping[str, Value]) -> WhyNot:
    """The answer about a request that was never sent."""
    return why_not(policy, explain_given(policy, given, NOON), given, model)


DAY = ("time.of_day=12:00", "time.weekday=wed")


def test_a_model_that_costs_too_much() -> None:
    """Its own reason, every rule that leads to it with what kept it from deciding, and the one fact to change: an answer that
    is short enough for the limit."""
    given = facts("request.model=auto", "prompt.tokens=1k", *DAY)
    found = asked(shipped(), "gpt-5.6", given)
    assert not found.chosen and "passed over: costs at most $" in found.why[0] and "limit $0.05" in found.why[0]
    assert [(each.rule, each.when) for each in found.naming] == [
        ("long-prompts", "before"),
        ("auto", "decided"),
        ("assistant-canary", "after"),
        ("as-asked", "after"),
    ]
    assert found.naming[0].why == "prompt.tokens: {at_least: 120k}: did not hold (1k)"
    assert found.naming[2].why == "request.model: assistant: did not hold (auto)"
    assert found.naming[3].why == "its conditions hold, but `auto` comes first"
    assert found.change is not None and found.change.rule == "auto"
    [(fact, before, after)] = found.change.facts
    assert (fact, before) == ("request.max_output", None) and isinstance(after, int) and 3_000 < after < 3_333
    text = as_text(found)
    assert f"request.max_output: {after}" in text.replace(",", "") and "shown by: routebook explain --given" in text


def test_a_model_that_the_route_does_not_name() -> None:
    """And one that a guarantee keeps out: what lifts the guarantee is part of the change."""
    found = asked(shipped(), "gpt-5.6-mini", facts("tags=phi", "request.model=gpt-5.6-mini", *DAY))
    assert "`health-data-stays-home` decided" in found.why[0] and "does not lead to it" in found.why[0]
    assert found.change is not None
    assert found.change.facts == (("tags", frozenset({"phi"}), frozenset()),)


def test_a_request_that_is_refused() -> None:
    """The refusal is the reason, and what it was for is the change."""
    found = asked(
        shipped(), "gpt-5.6", facts("prompt.matches.private-key=true", "request.model=gpt-5.6", "prompt.tokens=5", *DAY)
    )
    assert "it refuses: refuse with status 403" in found.why[0]
    assert found.change is not None and found.change.facts == (("prompt.matches.private-key", True, False),)


def test_a_model_that_was_chosen() -> None:
    """Is said to be."""
    found = asked(shipped(), "gpt-5.6", facts("request.model=gpt-5.6", *DAY))
    assert found.chosen and found.why[0].startswith("`gpt-5.6` was chosen") and found.change is None
    assert as_text(found).count("\n") == 1


def test_a_prompt_that_is_too_long_for_the_model() -> None:
    """The number that fits, and no more than that."""
    found = asked(shipped(), "llama-4-70b", facts("tags=phi", "prompt.tokens=130k", *DAY))
    assert "context 128k < prompt 130k" in found.why[0]
    assert found.change is not None and found.change.facts == (("prompt.tokens", 130_000, 128_000),)


CLIENTS = """\
version: 1
providers: {p: {dialect: openai, base_url: https://p.example/v1, region: us, accounts: [{name: a}]}}
models:
  small: {provider: p, price: {input: 1, output: 1}}
  large: {provider: p, price: {input: 2, output: 2}}
clients:
  app: {keys: ["hmac-sha256:0000000000000000000000000000000000000000000000000000000000000000"], team: web, models: [small]}
  lab: {keys: ["hmac-sha256:1111111111111111111111111111111111111111111111111111111111111111"], team: lab}
rules:
  - {name: labs, when: {client.team: lab}, route: {to: large}}
  - {name: rest, route: {to: [small, large]}}
"""


def test_a_model_that_the_client_may_not_use() -> None:
    """Who it is cannot be changed fact by fact: another client is named, as a whole."""
    policy = load_sources([("policy.yaml", CLIENTS)], proving=False).policy
    assert policy is not None
    found = asked(policy, "large", facts("client.name=app"))
    assert any("the client `app` may not use it" in line for line in found.why)
    assert found.change is not None and found.change.rule == "labs"
    assert [(fact, becomes) for fact, _, becomes in found.change.facts] == [("client.name", "lab")]


def test_a_model_that_no_rule_leads_to() -> None:
    """Is said so; no change is made up."""
    text = CLIENTS.replace("route: {to: [small, large]}", "route: {to: small}").replace(
        "route: {to: large}", "refuse: {}"
    )
    policy = load_sources([("policy.yaml", text)], proving=False).policy
    assert policy is not None
    found = asked(policy, "large", facts("client.name=lab"))
    assert found.naming == () and found.change is None
    assert "No rule leads to `large`." in as_text(found) and "No small change" in as_text(found)
    assert as_json(found)["change"] is None


def first_of(policy: Policy, given: Mapping[str, Value]) -> str | None:
    """Who would be asked first."""
    rule = policy.tree.decide(given_facts(policy, given)).rule
    if rule is None or not isinstance(rule.outcome, Route):
        return None
    plan = plan_for_given(Planner(policy), rule.outcome, rule.name, given)
    return plan.kept[0].name if plan.kept else None


@pytest.mark.parametrize("part", range(2))
def test_no_smaller_change_is_left(part: int) -> None:
    """Random policies against every request of their world: what is said is true, and as small as brute force finds
    up to two facts; a failure names its seed."""
    counted = {"one": 0, "two": 0, "none": 0}
    for seed in range(part * 30, part * 30 + 30):
        dice = random.Random(seed)
        policy = unproven(random_policy(dice))
        worlds = list(itertools.product(*CHOICES.values()))
        firsts = {
            values: first_of(
                policy, {fact: value for fact, value in zip(CHOICES, values, strict=True) if value is not None}
            )
            for values in worlds
        }
        for model in ("near", "far"):
            start = dice.choice(worlds)
            given = {fact: value for fact, value in zip(CHOICES, start, strict=True) if value is not None}
            if firsts[start] == model:
                continue
            fewest = min(
                (
                    sum(one != other for one, other in zip(start, values, strict=True))
                    for values, first in firsts.items()
                    if first == model
                ),
                default=None,
            )
            change = Nearest(policy, given, model).change()
            chosen = change is not None and change.place == 1
            if chosen:
                assert change is not None
                changed = {**given, **{fact: value for fact, _, value in change.facts}}
                known = {fact: value for fact, value in changed.items() if value is not None}
                assert first_of(policy, known) == model, f"seed {seed}, {model}"
            if fewest is None:
                counted["none"] += 1
            elif fewest <= 2:
                assert chosen and change is not None and len(change.facts) <= fewest, f"seed {seed}, {model}"
                counted["one" if fewest == 1 else "two"] += 1
    assert counted["one"] > 5 and counted["two"] > 0, counted
