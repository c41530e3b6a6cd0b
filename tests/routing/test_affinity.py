"""Conversations that stay: how they are known, what comes first, and deciding again from the record."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

from routebook.catalogue.callers import ANONYMOUS, Client
from routebook.documents.problems import Location
from routebook.health.affinity import Affinities
from routebook.protocols.openai_chat.embeddings import read_embeddings
from routebook.routing.affinity import Conversation, Place, conversation_of
from routebook.routing.candidates import Plan, Stick
from routebook.routing.demand import LiveDemand
from routebook.routing.facts import RequestFacts
from routebook.routing.memory import BLANK, Memory, Remembered
from routebook.routing.outcomes import Route
from routebook.routing.planning import Planner
from routebook.routing.policy import Policy
from routebook.routing.record import Heading, decided_line
from routebook.routing.replay import decide_again, differences
from tests.support.routes import NOW, facts_of, names, policy

STICKY = policy("rules: [{name: all, route: {to: everything, stick: 10m}}]")
NOBODY = Affinities()
OPENING = [{"role": "system", "content": "be brief"}, {"role": "user", "content": "hi"}]
ANSWERED = [*OPENING, {"role": "assistant", "content": "hello"}, {"role": "user", "content": "and now?"}]


def route_of(under: Policy) -> Route:
    outcome = under.rules[0].outcome
    assert isinstance(outcome, Route)
    return outcome


def known_as(facts: RequestFacts, under: Policy = STICKY, secret: bytes = b"s") -> Conversation | None:
    """The conversation of a request of which nothing is remembered."""
    return conversation_of(route_of(under), facts, NOBODY, secret)


def plan(before: Place | None, facts: RequestFacts | None = None, memory: Memory = BLANK, draw: float = 0.5) -> Plan:
    """The plan for a conversation that was there before."""
    known = facts or facts_of(STICKY)
    return Planner(STICKY).plan(
        route_of(STICKY),
        "all",
        LiveDemand(known),
        known,
        known.client,
        memory,
        at=0.0,
        draw=draw,
        conversation=Conversation(before),
    )


def first(of: Plan) -> Place:
    return of.kept[0].name, of.kept[0].path


def test_a_conversation_is_known_by_what_it_began_with() -> None:
    """Later messages make no other one; the first words of the user, the model asked for and the client do."""
    begun = known_as(facts_of(STICKY, messages=OPENING))
    assert begun is not None and begun == known_as(facts_of(STICKY, messages=ANSWERED))
    others = [
        facts_of(STICKY, messages=[OPENING[0], {"role": "user", "content": "hey"}]),
        facts_of(STICKY, messages=[{"role": "system", "content": "be long"}, OPENING[1]]),
        facts_of(STICKY, messages=OPENING, model="large"),
        facts_of(STICKY, Client("ann", Location("p", 1, 1)), messages=OPENING),
    ]
    found = [known_as(facts) for facts in others]
    assert len({begun, *found}) == 5 and None not in found
    assert known_as(facts_of(STICKY, messages=OPENING), secret=b"t") != begun


def test_what_a_client_calls_it_counts_more() -> None:
    """The header first, then the field of the dialect: then neither words nor models make another one."""
    by_header = [
        known_as(
            facts_of(STICKY, headers={"x-routebook-session": "7"}, prompt_cache_key="8", messages=each, model=model)
        )
        for each, model in ((OPENING, "small"), (ANSWERED[2:], "large"))
    ]
    by_field = [known_as(facts_of(STICKY, prompt_cache_key="7", messages=each)) for each in (OPENING, ANSWERED[3:])]
    assert by_header[0] is not None and len({*by_header, *by_field}) == 1
    assert known_as(facts_of(STICKY, prompt_cache_key="8", messages=OPENING)) != by_header[0]


def test_nothing_sticks_where_no_rule_says_so_or_nothing_tells_a_conversation() -> None:
    """Vectors belong to no conversation, unless the client names one."""
    assert known_as(facts_of(STICKY), under=policy()) is None
    asked = read_embeddings(b'{"model":"vectors","input":"a"}')
    assert known_as(RequestFacts(asked, ANONYMOUS, {}, NOW, STICKY, BLANK)) is None
    assert known_as(RequestFacts(asked, ANONYMOUS, {"x-routebook-session": "7"}, NOW, STICKY, BLANK)) is not None


def test_memory_says_where_it_was() -> None:
    """For as long as the rule says."""
    known = Affinities()
    begun = known_as(facts_of(STICKY))
    assert begun is not None and begun.before is None
    known.answered(begun.digest, ("small", "big/spare"), 0.0)
    again = conversation_of(route_of(STICKY), facts_of(STICKY), known, b"s")
    assert again == Conversation(("small", "big/spare"), begun.digest)


def test_who_answered_last_comes_first_and_the_others_keep_their_order() -> None:
    """Whatever `pick` or a share says."""
    usual = plan(None)
    found = plan(("house", "home/none"))
    assert (usual.stick, found.stick) == (Stick("initialize"), Stick("retain", ("house", "home/none")))
    assert first(found) == ("house", "home/none")
    assert [each.path for each in found.kept[1:]] == [each.path for each in usual.kept if each.name != "house"]


@pytest.mark.parametrize(
    ("before", "fields", "memory", "why", "then"),
    [
        (("large", "big/main"), {"max_tokens": 20_000}, BLANK, "model.max-output", "small"),
        (("house", "home/none"), {"tools": [{"type": "function"}]}, BLANK, "model.lacks", "large"),
        (("gone", "big/main"), {}, BLANK, "route.elsewhere", "large"),
        (("large", "big/former"), {}, BLANK, "route.elsewhere", "large"),
        (("small", "big/main"), {}, Remembered(rests={("big", "main"): (9.0, "429")}), "account.resting", "small"),
    ],
)
def test_who_may_not_serve_is_never_brought_back(
    before: Place, fields: dict[str, Any], memory: Memory, why: str, then: str
) -> None:
    """The conversation moves, to another account of its model where there is one, and the reason is said."""
    found = plan(before, facts_of(STICKY, **fields), memory)
    assert found.stick == Stick("switch", before, why)
    assert before not in [(each.name, each.path) for each in found.kept]
    assert names(found)[0] == then


@pytest.mark.usefixtures("nobody_counts")
def test_a_place_that_the_prompt_may_not_fit_stays_behind_those_that_it_does() -> None:
    """A conversation that has grown moves before it is refused."""
    facts = facts_of(STICKY, messages=[{"role": "user", "content": "lorem ipsum dolor " * 30_000}])
    found = plan(("large", "big/main"), facts)
    assert found.stick == Stick("switch", ("large", "big/main"), "kept.tight")
    assert names(found) == ["small", "large"]


def test_nobody_may_serve() -> None:
    """Then there is nothing to put in order, and the reason is said all the same."""
    found = plan(("large", "big/main"), facts_of(STICKY, Client("x", Location("p", 1, 1), models=())))
    assert not found.kept and found.stick == Stick("switch", ("large", "big/main"), "client.not-allowed")


def test_new_conversations_begin_as_often_at_each_account_as_its_weight_says() -> None:
    """One to three, without anybody telling anybody: each worker comes to the same."""
    begun: Counter[str] = Counter()
    for number in range(2000):
        facts = facts_of(STICKY, messages=[{"role": "user", "content": f"question {number}"}])
        conversation = known_as(facts)
        assert conversation is not None and 0 <= conversation.draw < 1
        assert conversation.draw == known_as(facts).draw  # type: ignore[union-attr]
        begun[first(plan(None, facts, draw=conversation.draw))[1]] += 1
    assert set(begun) == {"big/main", "big/spare"} and 0.7 < begun["big/spare"] / 2000 < 0.8


@pytest.mark.parametrize("before", [None, ("house", "home/none"), ("small", "big/main"), ("gone", "big/main")])
@pytest.mark.parametrize("memory", [BLANK, Remembered(rests={("big", "main"): (9.0, "429")})])
@pytest.mark.parametrize("draw", [0.03, 0.97])
def test_a_decision_that_stuck_made_again_is_the_same(before: Place | None, memory: Memory, draw: float) -> None:
    """Where the conversation was stands in the record; without it the decision would be another."""
    facts = facts_of(STICKY, memory=memory)
    found = plan(before, facts, memory, draw)
    line = decided_line(
        Heading("01A", "w", STICKY.digest, NOW), facts, LiveDemand(facts), STICKY.tree.decide(facts), found, draw
    )
    line = json.loads(json.dumps(line))
    assert line["stick"]["event"] in ("initialize", "retain", "switch")
    again = decide_again(STICKY, line)
    assert differences(line, again) == [] and again.plan is not None and again.plan.stick == found.stick
    if line["stick"]["event"] == "retain" and before != first(plan(None, facts, memory, draw)):
        del line["stick"]
        assert differences(line, decide_again(STICKY, line))


PRICED = """
version: 1
providers:
  one: {{dialect: openai, base_url: "https://one.example/v1", accounts: [{{name: main}}]}}
  two: {{dialect: openai, base_url: "https://two.example/v1", accounts: [{{name: main}}]}}
models:
  here: {{provider: one, price: {{input: 10, cached_input: 1, output: 10}}, quality: {here}}}
  there: {{provider: two, price: {{input: {input}, cached_input: {cached}, output: 8}}, quality: 0.8}}
rules: [{{name: all, route: {{to: [here, there], pick: {pick}, stick: 10m}}}}]
"""
LONG = [{"role": "user", "content": "word " * 4000}]
WARM = (100.0, 0.9, 10.0, 1.0)


def weighed(
    *, input: float, cached: float, pick: str = "cheapest", here: float = 0.8, bound: bool = False
) -> tuple[Plan, dict[str, Any]]:
    """A conversation that is `here`, of which most is in the cache; and its line in the record."""
    under = policy("", PRICED.format(input=input, cached=cached, pick=pick, here=here))
    facts = facts_of(under, messages=LONG)
    memory = Remembered(habits={"here": WARM, "there": WARM})
    conversation = Conversation(("here", "one/main"), bound=bound)
    demand, route = LiveDemand(facts), route_of(under)
    found = Planner(under).plan(
        route, "all", demand, facts, facts.client, memory, at=0.0, draw=0.5, conversation=conversation
    )
    decision = under.tree.decide(facts)
    line = decided_line(Heading("0" * 26, "test", under.digest, NOW), facts, demand, decision, found, 0.5)
    assert differences(line, decide_again(under, line)) == []
    return found, line["stick"]


def test_a_conversation_stays_while_moving_costs_more_than_it_saves() -> None:
    """A fifth cheaper with each request, and the cached part of the prompt would be read anew once."""
    found, line = weighed(input=8, cached=0.8)
    assert first(found) == ("here", "one/main") and line["event"] == "retain"
    assert 0 < line["gain"] < line["loss"]


def test_a_conversation_moves_where_that_pays_at_once() -> None:
    """Even with nothing of it in the cache the other one is cheaper than staying."""
    found, line = weighed(input=0.5, cached=0.05)
    assert first(found) == ("there", "two/main")
    assert (line["event"], line["why"]) == ("switch", "route.saves") and line["gain"] > line["loss"]


def test_a_conversation_whose_state_its_provider_has_is_not_moved_for_money() -> None:
    """It would be lost."""
    found, line = weighed(input=0.5, cached=0.05, bound=True)
    assert first(found) == ("here", "one/main") and line["event"] == "retain" and line["bound"] is True


@pytest.mark.parametrize(("here", "stays"), [(0.795, True), (0.7, False)])
def test_a_conversation_leaves_a_model_that_is_much_worse_for_its_prompt(here: float, stays: bool) -> None:
    """More than two bands below the best; within them it stays, whatever the order would be."""
    found, line = weighed(input=8, cached=0.8, pick="balanced", here=here)
    assert (first(found)[0] == "here") is stays
    assert (line["event"], line.get("why")) == (("retain", None) if stays else ("switch", "route.quality"))


def test_a_route_in_order_weighs_nothing() -> None:
    """What an author put in order stays as it is."""
    found, line = weighed(input=0.5, cached=0.05, pick="in_order")
    assert first(found) == ("here", "one/main") and "gain" not in line
