"""The record's two lines, and deciding again from the first."""

from __future__ import annotations

import json
from typing import Any

import pytest

from routebook.catalogue.callers import ANONYMOUS, Client
from routebook.catalogue.providers import Spread
from routebook.chat.usage import Usage
from routebook.documents.problems import Location
from routebook.ledger.cost import Cost
from routebook.routing.attempts import Attempt, AttemptOutcome
from routebook.routing.demand import LiveDemand
from routebook.routing.endings import Phase, Who, end_code, end_in_words
from routebook.routing.facts import RequestFacts
from routebook.routing.memory import BLANK, Memory, Remembered
from routebook.routing.meter import metered
from routebook.routing.outcomes import UNCONSTRAINED, Route, Within
from routebook.routing.planning import Planner
from routebook.routing.policy import Policy
from routebook.routing.record import Ending, Heading, decided_line, ended_line, utc
from routebook.routing.replay import decide_again, differences
from tests.support.routes import NOW, facts_of, plan, policy

RULES = """
rules:
  - {name: no-phi, when: {tags: {any: [phi]}}, refuse: {status: 403}}
  - {name: long, when: {prompt.tokens: {at_least: 1k}}, route: {to: everything, pick: cheapest}}
  - {name: canary, when: {request.model: auto}, route: {to: everything, split: {small: 90%, large: 10%}}}
  - {name: shared, when: {request.model: shared}, route: {to: everything, pick: weighted, weights: {large: 1, small: 3}}}
  - {name: quick, when: {request.model: quick}, route: {to: everything, pick: fastest, within: {first_token: 1s}}}
  - {name: idle, when: {request.model: idle}, route: {to: everything, pick: least_busy}}
  - {name: all, route: {to: [requested, small]}}
guarantees: [{name: g, when: {client.team: interns}, never: {model: [house]}}]
"""


def line_of(
    under: Policy,
    facts: RequestFacts,
    draw: float = 0.5,
    keyless: tuple[tuple[str, str], ...] = (),
    within: Within = UNCONSTRAINED,
) -> dict[str, Any]:
    """The first line of a request's record, as it comes back from the journal."""
    decision = under.tree.decide(facts)
    demand = LiveDemand(facts)
    made = None
    if decision.rule is not None and isinstance(decision.rule.outcome, Route):
        made = Planner(under, keyless).plan(
            decision.rule.outcome,
            decision.rule.name,
            demand,
            facts,
            facts.client,
            facts.memory,
            at=0.0,
            draw=draw,
            asked_within=within,
        )
    line = decided_line(Heading("01A", "w1", under.digest, NOW), facts, demand, decision, made, draw, keyless, within)
    found: dict[str, Any] = json.loads(json.dumps(line, allow_nan=False))
    return found


def test_the_first_line_says_what_was_asked_and_why_it_was_so_decided() -> None:
    """Every group of the record's page, with names and numbers."""
    under = policy(RULES)
    line = line_of(under, facts_of(under, headers={"x-routebook-tags": "a"}, model="large", max_tokens=20_000))
    assert {
        "id": "01A",
        "time": "2025-11-21T10:00:00.000Z",
        "instance": "w1",
        "policy": under.digest,
        "schema": 1,
        "operation": "chat",
        "dialect": "openai-chat",
        "requested": "large",
        "stream": False,
        "client": "anonymous",
        "team": None,
        "rule": "all",
        "outcome": "route",
    }.items() <= line.items()
    assert line["where"].startswith("policy.yaml:")
    assert line["asked"]["max_output"] == 20_000 and line["asked"]["messages"] == 1
    assert line["facts"] == {"tags": ["a"], "prompt.tokens": 4, "request.model": "large"}
    assert {step["fact"] for step in line["steps"]} == {"tags", "request.model", "prompt.tokens"}
    assert line["steps"][-1]["standing"] >= 1
    kept = [each for each in line["candidates"] if each["verdict"] == "kept"]
    dropped = [each for each in line["candidates"] if each["verdict"] == "dropped"]
    assert {each["account"] for each in kept} == {"big/main", "big/spare"}
    assert all(each["cost"] == 20_000 * 1_000 + 4 * 250 for each in kept)
    assert dropped == [
        {
            "model": "large",
            "account": None,
            "verdict": "dropped",
            "reason": "model.max-output",
            "numbers": {"max_output": 16_000, "asked": 20_000},
        }
    ]
    assert line["draw"] == {"draw": 0.5}


def test_a_refusal_has_a_record_without_candidates() -> None:
    """The rule, its place and the facts are all there is to say."""
    under = policy(RULES)
    line = line_of(under, facts_of(under, headers={"x-routebook-tags": "phi"}))
    assert (line["rule"], line["outcome"], line["candidates"]) == ("no-phi", "refuse", [])


def test_no_word_of_a_prompt_stands_in_a_record() -> None:
    """Sizes, never contents."""
    under = policy(RULES)
    facts = facts_of(
        under, messages=[{"role": "user", "content": "the canary sings"}], tools=[{"function": "canary-f"}]
    )
    assert "canary sings" not in json.dumps(line_of(under, facts))
    assert "canary-f" not in json.dumps(line_of(under, facts))


BUSY = Remembered(
    rests={("home", "none"): (12.5, "429")},
    first_tokens={"large": 2.0, "small": 0.3, "house": 0.1},
    running={("big", "main"): 4},
)


TRIED = Remembered(
    bars={
        (("big", "main"), "large"): ("breaker.open", 4.0, "5 failures in a row"),
        (("home", "none"), "house"): ("account.out", 0.0, "401"),
    },
    turns={"big": 3},
)


@pytest.mark.parametrize("memory", [BLANK, BUSY, TRIED])
@pytest.mark.parametrize("keyless", [(), (("big", "main"),)])
@pytest.mark.parametrize("model", ["auto", "shared", "quick", "idle", "large", "house", "nobody", "everything"])
@pytest.mark.parametrize("client", [ANONYMOUS, Client("x", Location("p", 1, 1), team="core")])
@pytest.mark.parametrize(
    "within", [UNCONSTRAINED, Within(cost=5_000_000, first_token=0.25), Within(regions=frozenset({"us"}), quality=0.65)]
)
def test_a_decision_made_again_from_its_record_is_the_same(
    memory: Memory, keyless: tuple[tuple[str, str], ...], model: str, client: Client, within: Within
) -> None:
    """Law 8: policy, facts, memory and draw as recorded give rule, order, reasons and costs as recorded."""
    under = policy_of_replays()
    for draw in (0.03, 0.97):
        for content in ("hi", "lorem ipsum " * 2000):
            facts = facts_of(
                under,
                client,
                memory=memory,
                model=model,
                messages=[{"role": "user", "content": content}],
                max_tokens=100,
            )
            line = line_of(under, facts, draw, keyless, within)
            assert differences(line, decide_again(under, line)) == []


@pytest.mark.parametrize("how", [each.value for each in Spread])
def test_accounts_are_spread_again_as_they_were(how: str) -> None:
    """By draw, by turn, by load, by conversation: whatever it followed from stands in the record."""
    under = policy("rules: [{name: all, route: {to: large}}]", THREE_KEYS.replace("SPREAD", how))
    orders = set()
    for turn in range(3):
        memory = Remembered(turns={"big": turn}, running={("big", "two"): 3, ("big", "three"): 1})
        for draw in (0.03, 0.97):
            for text in ("one story", "another story", "a third one", "the last"):
                facts = facts_of(under, memory=memory, messages=[{"role": "user", "content": text}])
                line = json.loads(json.dumps(line_of(under, facts, draw)))
                assert differences(line, decide_again(under, line)) == []
                orders.add(tuple(each["account"] for each in line["candidates"]))
    assert len(orders) >= (1 if how in ("drain_first", "least_busy") else 2)


THREE_KEYS = """
version: 1
providers:
  big: {dialect: openai, base_url: "https://big.example/v1", spread: SPREAD,
        accounts: [{name: one}, {name: two}, {name: three}]}
models:
  large: {provider: big}
"""


_POLICIES: list[Policy] = []


def policy_of_replays() -> Policy:
    """Read once: the test above runs some hundred times."""
    if not _POLICIES:
        _POLICIES.append(policy(RULES))
    return _POLICIES[0]


def test_a_record_that_was_changed_is_found_out() -> None:
    """Replaying compares everything that was decided: the rule, who was kept, in which order, at which cost."""
    under = policy(RULES)
    line = line_of(under, facts_of(under, model="shared"), draw=0.2)
    assert differences({**line, "rule": "all"}, decide_again(under, line)) == [
        "rule `all` was recorded, `shared` decides"
    ]
    turned = {**line, "candidates": list(reversed(line["candidates"]))}
    assert len(differences(turned, decide_again(under, line))) == 1
    dearer = [{**each, "cost": 1} if each["verdict"] == "kept" else each for each in line["candidates"]]
    assert len(differences({**line, "candidates": dearer}, decide_again(under, line))) == 1
    assert differences(line, decide_again(under, {**line, "draw": {"draw": 0.9}})) != []


def test_the_second_line_holds_usage_cost_and_every_attempt() -> None:
    """The numbers add up: parts to the total, kinds to input and output."""
    kept = plan(policy()).kept
    usage = Usage(input=70, cached_input=30, output=40, reasoning=10)
    ending = Ending(
        metered=metered(kept[1].model, usage, 0, 0),
        candidate=kept[1],
        served="large-0721",
        finish="stop",
        attempts=[
            Attempt(kept[0], AttemptOutcome(status=429, retry_after=3.0), 0.001, 0.1, 0.2),
            Attempt(kept[1], AttemptOutcome(status=200), 0.2, 0.45, 1.0),
        ],
        first_token=0.4500000001,
        seconds=1.25,
    )
    line = ended_line("01A", NOW + 1.25, ending)
    assert line["time"] == "2025-11-21T10:00:01.250Z"
    assert (line["end"], line["status"], line["error"]) == ("--", 200, None)
    assert (line["model"], line["account"], line["served"]) == (kept[1].name, kept[1].path, "large-0721")
    assert line["usage"] == {"input": 70, "cached_input": 30, "output": 40, "reasoning": 10}
    assert (line["input"], line["output"], line["usage_by"]) == (100, 50, "measured")
    assert line["cost"] == sum(line["cost_parts"].values()) == 100 * 2_500 + 50 * 10_000
    assert (line["first_token"], line["seconds"]) == (0.45, 1.25)
    assert [each["code"] for each in line["attempts"]] == ["upstream.overloaded", None]
    assert line["attempts"][0]["next"] == kept[1].name and "next" not in line["attempts"][1]
    assert line["attempts"][0]["retry_after"] == 3.0
    assert json.loads(json.dumps(line)) == line


def test_usage_that_nobody_counted_is_estimated_and_said_to_be() -> None:
    """Flagged, so that nobody takes it for a measurement; without an answer nothing is charged."""
    large = plan(policy()).kept[0].model
    estimated = metered(large, None, 100, 20)
    assert (estimated.by, estimated.usage, estimated.cost.total) == (
        "estimated",
        Usage(input=100, output=20),
        100 * 2_500 + 20 * 10_000,
    )
    assert metered(large, None, 100, 20, sound=5) == estimated, "a model without a price for sound"
    assert Ending().metered.by == "nothing"
    assert Ending().metered.cost == Cost({})


def test_kinds_without_a_price_are_named() -> None:
    """Never counted as zero in silence."""
    unpriced = policy().catalogue.models["unpriced"]
    line = ended_line("x", NOW, Ending(metered=metered(unpriced, Usage(input=5, output=1), 0, 0)))
    assert line["unpriced"] == ["input", "output"]
    assert line["cost"] == 1_000_000


@pytest.mark.parametrize(
    ("now", "text"),
    [
        (0.0, "1970-01-01T00:00:00.000Z"),
        (NOW + 0.0019, "2025-11-21T10:00:00.001Z"),
        (NOW + 0.9999, "2025-11-21T10:00:00.999Z"),
    ],
)
def test_times_are_utc_to_the_millisecond(now: float, text: str) -> None:
    """Cut, not rounded: no time of a record lies in its future."""
    assert utc(now) == text


def test_end_codes_say_who_and_when() -> None:
    """Two letters, and the sentence that they stand for."""
    assert end_code(Who.CLIENT, Phase.DATA) == "CD"
    assert end_in_words("CD") == "ended by the client while the answer was passed on"
    assert end_in_words("--") == "it ended normally"
    assert end_in_words("??") == "??"
    assert len({end_in_words(end_code(who, phase)) for who in Who for phase in Phase}) == len(Who) * len(Phase)
