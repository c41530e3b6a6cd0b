"""Recorded requests under a policy that is proposed: the same as if it had decided then, or said to be undecidable."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from routebook.catalogue.callers import ANONYMOUS, Client
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
from routebook.routing.replaying.deciding import Destination, Redecided, Redeciding
from routebook.routing.replaying.knowing import NotRecorded
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


def redecided(served: Policy, proposed: Policy, record: Recorded) -> Redecided:
    """One record under another policy, with its own at hand."""
    return Redeciding(proposed, {served.digest: served}.get).decide(record)


@pytest.mark.parametrize("seed", range(60))
def test_what_is_decided_again_is_what_would_have_been_decided(seed: int) -> None:
    """For random policies and requests: the same rule and the same first model, or an honest "not recorded"."""
    dice = random.Random(seed)
    served, proposed = some_policy(dice), some_policy(dice)
    redeciding = Redeciding(proposed, {served.digest: served}.get)
    for _ in range(40):
        request = some_request(dice)
        record = recorded(served, some_facts(dice, served, request), request)
        now = destination(*live(proposed, some_facts(dice, proposed, request), request))
        try:
            found = redeciding.decide(record)
        except NotRecorded:
            continue
        assert found.now.rule == now.rule
        if request["memory"] is BLANK or (not found.assumed and found.now.outcome != "nobody"):
            assert found.now == now, record


def test_most_of_what_was_recorded_can_be_decided_again() -> None:
    """Otherwise the law above would hold of nothing: a quarter is decided, a tenth goes elsewhere."""
    decided = moved = asked = 0
    for seed in range(60):
        dice = random.Random(seed)
        served, proposed = some_policy(dice), some_policy(dice)
        for _ in range(10):
            asked += 1
            request = some_request(dice)
            try:
                found = redecided(served, proposed, recorded(served, some_facts(dice, served, request), request))
            except NotRecorded:
                continue
            decided += not found.assumed
            moved += found.moves and not found.assumed
    assert decided > asked / 4 and moved > asked / 10, (decided, moved, asked)


@pytest.mark.parametrize("seed", range(10))
def test_under_its_own_policy_nothing_moves_and_nothing_is_missing(seed: int) -> None:
    """Whatever the record holds is enough for the policy that made it."""
    dice = random.Random(seed)
    served = some_policy(dice)
    for _ in range(20):
        request = some_request(dice)
        record = recorded(served, some_facts(dice, served, request), request)
        found = redecided(served, served, record)
        assert not found.moves and found.then == found.now


def missing(served: str, proposed: str, **more: Any) -> str:
    """What a record of one policy does not hold that another depends on."""
    one, other = policy(served), policy(proposed)
    request = some_request(random.Random(1)) | {"within": UNCONSTRAINED, "client": "x"} | more
    record = recorded(one, some_facts(random.Random(1), one, request), request)
    with pytest.raises(NotRecorded) as found:
        redecided(one, other, record)
    return found.value.what


ALL = "rules: [{name: all, route: {to: everything}}]"


@pytest.mark.parametrize(
    ("served", "proposed", "what"),
    [
        (
            ALL,
            "rules: [{name: r, when: {tags: {any: [a]}}, route: {to: small}}, {name: l, route: {to: large}}]",
            "tags",
        ),
        (
            ALL,
            "rules: [{name: r, when: {request.header.x-a: a}, route: {to: small}}, {name: l, route: {to: large}}]",
            "request.header.x-a",
        ),
        (ALL, "rules: [{name: all, route: {to: everything, pick: fastest}}]", "model.large.first_token"),
        (
            ALL,
            "rules: [{name: all, route: {to: everything, split: {small: 50%, large: 50%}}}]",
            "the request's place in the split of `all`",
        ),
        (
            ALL,
            "rules: [{name: all, route: {to: everything, pick: least_busy}}]",
            "how many calls of each account were running",
        ),
        (
            "patterns: {p: a}\nrules: [{name: a, when: {prompt.matches.p: true}, route: {to: small}}, {name: l, route: {to: large}}]",
            "patterns: {p: b}\nrules: [{name: a, when: {prompt.matches.p: true}, route: {to: small}}, {name: l, route: {to: large}}]",
            "prompt.matches.p",
        ),
        (ALL, f"clients: {{x: {{}}}}\n{ALL}", "client.name"),
        (
            "rules: [{name: no, refuse: {status: 403}}]",
            "rules: [{name: all, route: {to: everything, pick: cheapest}}]",
            "prompt.tokens",
        ),
    ],
)
def test_what_no_record_holds_is_named(served: str, proposed: str, what: str) -> None:
    """A fact that was never asked for, or that means something else now: nothing is guessed."""
    assert missing(served, proposed) == what


def test_a_client_is_who_the_proposed_policy_says() -> None:
    """Its team and labels follow from its name; one that is not declared any more is not let in."""
    served = policy("clients: {x: {team: core}}\n" + ALL)
    by_team = "rules: [{name: t, when: {client.team: new}, route: {to: small}}, {name: l, route: {to: large}}]"
    record = recorded_of_client(served, served.clients["x"])
    assert redecided(served, policy(f"clients: {{x: {{team: new}}}}\n{by_team}"), record).now.rule == "t"
    assert redecided(served, policy(f"clients: {{x: {{team: old}}}}\n{by_team}"), record).now.rule == "l"
    gone = redecided(served, policy(f"clients: {{z: {{team: old}}}}\n{by_team}"), record)
    assert gone.moves and gone.now == Destination("unknown client")


def test_whom_a_budget_kept_out_then_is_kept_out_now() -> None:
    """What the record remembers of refusals and rests holds for both sides."""
    served = policy(ALL)
    line = recorded_of_client(served, ANONYMOUS)
    first, second = line.candidates[0], next(each for each in line.candidates if each.model != "large")
    assert first.model == "large"
    refused = recorded_of(
        {
            "id": "01A",
            "time": line.time,
            "policy": line.policy,
            "operation": line.operation,
            "outcome": "route",
            "dialect": line.dialect,
            "requested": line.requested,
            "client": line.client,
            "rule": "all",
            "asked": {"bytes": 10, "most_tokens": 10, "texts": 1, "tokens": 3, "tokens_by": "estimate"},
            "draw": {"draw": 0.5},
            "candidates": [
                {"model": each.model, "account": each.account, "verdict": each.verdict, "reason": each.reason}
                for each in line.candidates
            ],
            "hold": {
                "refused": [
                    {"model": each.model, "account": each.account} for each in line.candidates if each.model == "large"
                ]
            },
        }
    )
    proposed = policy("rules: [{name: all, route: {to: [large, house]}}]")
    found = redecided(served, proposed, refused)
    assert (found.then.model, found.now.model) == (second.model, "house")
    assert redecided(served, policy("rules: [{name: all, route: {to: large}}]"), refused).now.outcome == "nobody"


def recorded_of_client(served: Policy, client: Client) -> Recorded:
    """The record of a plain request of a client."""
    request = some_request(random.Random(1)) | {"within": UNCONSTRAINED, "memory": BLANK}
    return recorded(served, facts_of(served, client), request)
