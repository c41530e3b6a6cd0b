"""A policy to plan under, and requests to plan for: one builder for each, with defaults."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from routebook.catalogue.callers import ANONYMOUS, Client
from routebook.protocols.openai_chat.request import read_chat
from routebook.routing.candidates import Plan
from routebook.routing.demand import LiveDemand
from routebook.routing.facts import RequestFacts
from routebook.routing.memory import BLANK, Memory
from routebook.routing.outcomes import UNCONSTRAINED, Route, Within
from routebook.routing.planning import Planner
from routebook.routing.policy import Policy
from routebook.routing.reading.loading import load_sources

NOW = 1_763_719_200.0
"""Friday, 21 November 2025, 10:00 UTC."""

CATALOGUE = """
version: 1
providers:
  big: {dialect: openai, base_url: "https://big.example/v1", region: us, labels: {tier: gold},
        accounts: [{name: main, key: {env: BIG_KEY}}, {name: spare, key: {env: SPARE_KEY}, weight: 3}]}
  home: {dialect: openai, base_url: "http://home.example/v1", region: eu, accounts: [{name: none}]}
models:
  large: {provider: big, price: {input: 2.50, output: 10}, context: 128k, max_output: 16k,
          capabilities: [tools, vision], quality: 0.9}
  small: {provider: big, price: {input: 0.25, output: 1}, context: 400k, max_output: 64k, capabilities: [tools],
          quality: 0.7}
  house: {provider: home, price: {input: 0, output: 0}, context: 8k, quality: 0.6, labels: {tier: bronze}}
  unpriced: {provider: home, price: {request: 0.001}}
  vectors: {provider: big, price: {input: 0.02}, context: 8k, operations: [embeddings]}
pools: {everything: [large, small, house], pricey: [large]}
"""


def policy(rules: str = "rules: [{name: all, route: {to: everything}}]", catalogue: str = CATALOGUE) -> Policy:
    """The catalogue above with these rules (or other sections); it must read well (it is not proven)."""
    loaded = load_sources([("policy.yaml", catalogue + rules)], proving=False)
    assert loaded.policy is not None, [problem.message for problem in loaded.problems.errors]
    return loaded.policy


def facts_of(
    under: Policy,
    client: Client = ANONYMOUS,
    headers: Mapping[str, str] | None = None,
    memory: Memory = BLANK,
    now: float = NOW,
    **fields: Any,
) -> RequestFacts:
    """The facts of a chat request with these fields."""
    body = {"model": "small", "messages": [{"role": "user", "content": "hi"}], **fields}
    return RequestFacts(read_chat(json.dumps(body).encode()), client, headers or {}, now, under, memory)


def plan(
    under: Policy,
    facts: RequestFacts | None = None,
    *,
    draw: float = 0.5,
    keyless: tuple[tuple[str, str], ...] = (),
    within: Within = UNCONSTRAINED,
    memory: Memory = BLANK,
) -> Plan:
    """The plan of the rule that decides; it must be a route."""
    known = facts or facts_of(under)
    rule = under.tree.decide(known).rule
    assert rule is not None and isinstance(rule.outcome, Route)
    return Planner(under, keyless).plan(
        rule.outcome, rule.name, LiveDemand(known), known, known.client, memory, at=0.0, draw=draw, asked_within=within
    )


def names(of: Plan) -> list[str]:
    """The models kept, in order, each once."""
    return list(dict.fromkeys(each.name for each in of.kept))


def reasons(of: Plan) -> dict[str, str]:
    """Who was dropped, and why in words."""
    return {each.name if each.account is None else each.account: each.words for each in of.dropped}
