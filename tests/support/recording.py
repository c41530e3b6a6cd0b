"""Random policies over the product's facts, random requests, and what a proxy decides and records of them."""

from __future__ import annotations

import json
import random
from typing import Any

from routebook.catalogue.callers import ANONYMOUS
from routebook.policy.rules import Decision
from routebook.routing.candidates import Plan
from routebook.routing.demand import LiveDemand
from routebook.routing.facts import Figure, RequestFacts
from routebook.routing.memory import BLANK, Memory, Remembered
from routebook.routing.outcomes import UNCONSTRAINED, Outcome, Refuse, Route, Within
from routebook.routing.planning import Planner
from routebook.routing.policy import Policy
from routebook.routing.record import Heading, decided_line
from routebook.routing.recorded import Recorded, recorded_of
from routebook.routing.replaying.deciding import Destination
from tests.support.routes import CATALOGUE, NOW, facts_of, policy

ROUTES = (
    "to: everything",
    "to: [house, small]",
    "to: requested",
    "to: [requested, small]",
    "to: everything, pick: cheapest",
    "to: everything, pick: fastest",
    "to: everything, pick: least_busy",
    "to: everything, pick: best",
    "to: everything, pick: balanced",
    "to: everything, pick: weighted, weights: {large: 1, small: 3}",
    "to: everything, split: {small: 50%, large: 50%}",
    "to: everything, within: {cost: $0.01}",
    "to: everything, within: {first_token: 500ms}",
    "to: [large], set: {max_output: 10}",
)
WHENS = (
    "tags: {any: [a]}",
    "tags: {none: [b]}",
    "client.team: core",
    "client.label.site: berlin",
    "client.name: x",
    "prompt.tokens: {at_least: 100}",
    "prompt.matches.secret: true",
    "prompt.bytes: {above: 1KiB}",
    "prompt.messages: 1",
    "request.model: {prefix: s}",
    "request.max_output: {known: true}",
    "request.header.x-place: north",
    "request.stream: true",
    "time.of_day: {from: '09:00', to: '12:00', zone: Europe/Berlin}",
    "time.weekday: fri",
    "budget.month.left: {below: 50%}",
    "model.large.available: true",
)
MORE = """
patterns: {secret: "key"}
budgets: {month: {limit: $10, window: month}}
guarantees: [{name: g, when: {client.team: core}, never: {model: [house]}}]
clients: {x: {team: core, labels: {site: berlin}}, y: {tags: [a]}}
"""


def some_policy(dice: random.Random, more: str = MORE) -> Policy:
    """Up to five rules, the last for all; sometimes another price."""
    whens = [f"when: {{{dice.choice(WHENS)}}}, " for _ in range(dice.randint(0, 4))]
    outcomes = [
        f"route: {{{dice.choice(ROUTES)}}}" if dice.random() < 0.9 else "refuse: {status: 403}" for _ in range(5)
    ]
    rules = [f"{{name: r{number}, {when}{outcomes[number]}}}" for number, when in enumerate([*whens, ""])]
    catalogue = CATALOGUE if dice.random() < 0.5 else CATALOGUE.replace("input: 2.50", "input: 0.10")
    return policy(f"{more}\nrules: [{', '.join(rules)}]", catalogue)


def some_facts(dice: random.Random, under: Policy, seed: dict[str, Any]) -> RequestFacts:
    """One request, the same under every policy."""
    client = under.clients[seed["client"]] if under.clients else ANONYMOUS
    facts = facts_of(under, client, seed["headers"], seed["memory"], NOW + seed["at"], **seed["body"])
    facts.figures = {"month": Figure(seed["used"], 10)}
    return facts


def some_request(dice: random.Random) -> dict[str, Any]:
    """What a request is made of."""
    body: dict[str, Any] = {
        "model": dice.choice(("small", "large", "everything", "nobody")),
        "messages": [{"role": "user", "content": dice.choice(("hi", "the key", "lorem ipsum " * 90, "x " * 9000))}],
    }
    if dice.random() < 0.5:
        body["max_tokens"] = dice.choice((10, 5000, 20_000))
    if dice.random() < 0.3:
        body["stream"] = True
    tags = [tag for tag in "abc" if dice.random() < 0.4]
    return {
        "client": dice.choice("xy"),
        "body": body,
        "headers": {"x-routebook-tags": ",".join(tags), **({"x-place": "north"} if dice.random() < 0.5 else {})},
        "memory": dice.choice((BLANK, BUSY)),
        "at": dice.randrange(86_400) + dice.random(),
        "used": dice.choice((1, 9)),
        "draw": dice.random(),
        "within": dice.choice((UNCONSTRAINED, UNCONSTRAINED, Within(cost=20_000_000), Within(first_token=0.4))),
    }


BUSY = Remembered(
    rests={("big", "main"): (12.5, "429")},
    first_tokens={"large": 0.2, "small": 0.3, "house": 0.9},
    running={("big", "spare"): 4, ("home", "none"): 1},
)


def live(under: Policy, facts: RequestFacts, seed: dict[str, Any]) -> tuple[Decision[Outcome], Plan | None]:
    """What a proxy decides."""
    decision, plan = under.tree.decide(facts), None
    if decision.rule is not None and isinstance(decision.rule.outcome, Route):
        outcome, name = decision.rule.outcome, decision.rule.name
        memory: Memory = seed["memory"]
        plan = Planner(under).plan(
            outcome,
            name,
            LiveDemand(facts),
            facts,
            facts.client,
            memory,
            at=0.0,
            draw=seed["draw"],
            asked_within=seed["within"],
        )
    return decision, plan


def recorded(under: Policy, facts: RequestFacts, seed: dict[str, Any]) -> Recorded:
    """Its record, as it comes back from the journal."""
    decision, plan = live(under, facts, seed)
    line = decided_line(
        Heading("01A", "w1", under.digest, facts.now),
        facts,
        LiveDemand(facts),
        decision,
        plan,
        seed["draw"],
        (),
        seed["within"],
    )
    return recorded_of(json.loads(json.dumps(line)))


def destination(decision: Decision[Outcome], plan: Plan | None) -> Destination:
    """Where a live decision leads."""
    rule = decision.rule
    if rule is None:
        return Destination("none")
    if isinstance(rule.outcome, Refuse):
        return Destination("refuse", rule.name)
    assert plan is not None
    return Destination("route", rule.name, plan.kept[0].name) if plan.kept else Destination("nobody", rule.name)
