"""Recorded requests under a policy that is proposed: the same as if it had decided then, or said to be undecidable."""

from __future__ import annotations

import random
from typing import Any

import pytest

from routebook.catalogue.callers import ANONYMOUS, Client
from routebook.routing.memory import BLANK
from routebook.routing.outcomes import UNCONSTRAINED
from routebook.routing.policy import Policy
from routebook.routing.recorded import Recorded, recorded_of
from routebook.routing.replaying.deciding import Destination, Redecided, Redeciding
from routebook.routing.replaying.knowing import NotRecorded
from tests.support.recording import destination, live, recorded, some_facts, some_policy, some_request
from tests.support.routes import facts_of, policy


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
    """Otherwise the law above would hold of nothing: a fifth is decided, a tenth goes elsewhere. (The rest asks
    for what nobody asked then: every fact is as likely in a random rule.)"""
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
    assert decided > asked / 5 and moved > asked / 10, (decided, moved, asked)


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
            "rules: [{name: r, when: {model.large.first_audio: {above: 1s}}, route: {to: small}}, {name: l, route: {to: large}}]",
            "model.large.first_audio",
        ),
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


def test_tags_stay_known_where_only_something_else_of_their_client_changes() -> None:
    """What it may use is not what it is tagged with."""
    rules = "rules: [{name: t, when: {tags: {any: [a]}}, route: {to: everything}}, {name: l, route: {to: small}}]"
    served = policy("clients: {x: {tags: [a]}}\n" + rules)
    record = recorded_of_client(served, served.clients["x"])
    limited = redecided(served, policy("clients: {x: {tags: [a], models: [house]}}\n" + rules), record)
    assert (limited.then.model, limited.now) == ("large", Destination("route", "t", "house"))
    with pytest.raises(NotRecorded, match="tags"):
        redecided(served, policy("clients: {x: {tags: [b]}}\n" + rules), record)


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
