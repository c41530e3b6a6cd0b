"""Facts given by hand, and who would serve a request with them."""

from __future__ import annotations

import pytest

from routebook.policy.facts import Value
from routebook.routing.given import client_of, given_facts, memory_of, plan_for_given
from routebook.routing.memory import BLANK
from routebook.routing.outcomes import Route
from routebook.routing.planning import Planner
from routebook.routing.policy import Policy
from routebook.routing.reading.loading import load_sources

POLICY = f"""\
version: 1
providers:
  one: {{dialect: openai, base_url: https://one.example/v1, accounts: [{{name: a, key: {{env: NOT_SET_ANYWHERE}}}}]}}
models:
  large: {{provider: one}}
  small: {{provider: one}}
  fresh: {{provider: one}}
clients:
  web: {{keys: ["hmac-sha256:{"ab" * 32}"], team: shop, tags: [vip], labels: {{tier: gold}}, models: [small]}}
rules:
  - {{name: night, when: {{time.of_day: {{from: "22:00", to: "06:00", zone: Asia/Tokyo}}}}, route: {{to: small}}}}
  - {{name: canary, route: {{to: [fresh, requested], split: {{fresh: 5%, requested: 95%}}}}}}
guarantees:
  - {{name: office, when: {{time.weekday: {{not: sun, zone: Asia/Tokyo}}}}, never: {{model: small}}}}
"""


@pytest.fixture(scope="module")
def policy() -> Policy:
    """Two rules, three models, a client and a guarantee."""
    found = load_sources([("policy.yaml", POLICY)], proving=False).policy
    assert found is not None
    return found


def first(policy: Policy, given: dict[str, Value], draw: float) -> str:
    """Who is tried first under the canary."""
    route = policy.rules[1].outcome
    assert isinstance(route, Route)
    plan = plan_for_given(Planner(policy), route, "canary", given, draw)
    return plan.kept[0].name if plan.kept else plan.dropped[0].reason


def test_a_clock_counts_in_every_zone_that_a_rule_or_guarantee_names(policy: Policy) -> None:
    """An author who writes `23:30` means the clock that the rule looks at."""
    facts = given_facts(policy, {"time.of_day": 84_600, "time.weekday": "sun"})
    assert facts("time.of_day[Asia/Tokyo]") == 84_600 and facts("time.weekday[Asia/Tokyo]") == "sun"
    assert given_facts(policy, {"time.of_day[Asia/Tokyo]": 60, "time.of_day": 84_600})("time.of_day[Asia/Tokyo]") == 60


def test_a_request_is_a_plain_chat_where_nothing_else_is_said(policy: Policy) -> None:
    """What every real request has is not missing; everything else is."""
    facts = given_facts(policy, {})
    assert (facts("request.operation"), facts("tags"), facts("request.needs")) == ("chat", frozenset(), frozenset())
    assert facts("prompt.tokens") is None and facts("client.team") is None


def test_a_client_brings_what_the_policy_says_of_it(policy: Policy) -> None:
    """Its team, labels and tags; what is given by hand comes first, and tags add up."""
    facts = given_facts(policy, {"client.name": "web", "client.team": "other", "tags": frozenset({"x"})})
    assert (facts("client.team"), facts("client.label.tier"), facts("tags")) == ("other", "gold", {"x", "vip"})
    assert client_of(policy, {"client.name": "web"}).models == ("small",)
    assert client_of(policy, {"client.name": "nobody"}).models is None


def test_a_share_of_what_was_requested_is_a_share(policy: Policy) -> None:
    """Ninety-five of a hundred get the model they asked for, though the fresh one stands before it in the list."""
    firsts = [first(policy, {"request.model": "large"}, number / 100) for number in range(100)]
    assert firsts == ["fresh"] * 5 + ["large"] * 95


def test_a_plan_for_given_facts_minds_the_client_and_the_guarantees(policy: Policy) -> None:
    """But no key need be set, and no account is resting."""
    assert first(policy, {"request.model": "small", "client.name": "web", "time.weekday": "sun"}, 0.5) == "small"
    assert first(policy, {"request.model": "small", "time.weekday": "mon"}, 0.5) == "fresh"
    assert first(policy, {"request.model": "large", "client.name": "web"}, 0.5) == "client.not-allowed"


def test_a_bearer_of_a_token_has_what_its_client_has() -> None:
    """So that a record of one can be decided again: its models are those of the client that the policy declares."""
    jwt = "{issuer: i, audience: a, jwks: {file: keys.json}, claims: {name: sub}}"
    staff = f"  staff: {{team: house, models: [small], jwt: {jwt}}}\nrules:"
    policy = load_sources([("policy.yaml", POLICY.replace("rules:", staff))], proving=False).policy
    assert policy is not None
    assert client_of(policy, {"client.name": "staff/ann"}).models == ("small",)
    assert given_facts(policy, {"client.name": "staff/ann"})("client.team") == "house"


def test_what_was_measured_may_be_given(policy: Policy) -> None:
    """A model that is given as not available has no account that may be called; a time to the first token is remembered."""
    memory = memory_of(policy, {"model.small.available": False, "model.large.first_token": 0.8, "tags": frozenset()})
    bar = memory.barred(("one", "a"), "small", 0.0)
    assert bar is not None and bar[0] == "account.out"
    assert memory.barred(("one", "a"), "large", 0.0) is None
    assert (memory.first_token("large"), memory.first_token("small")) == (0.8, None)
    memory = memory_of(policy, {"model.large.first_audio": 0.3})
    assert (memory.first_audio("large"), memory.first_audio("small"), memory.first_token("large")) == (0.3, None, None)
    assert memory_of(policy, {"model.small.available": True, "model.gone.available": False}) == BLANK
