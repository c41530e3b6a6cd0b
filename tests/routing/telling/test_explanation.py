"""Why a request went where it went, and where one would go: the same calculation that serves it, in plain words."""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping
from typing import Any

import pytest

from routebook.catalogue.callers import ANONYMOUS
from routebook.policy.explain import Verdict
from routebook.policy.facts import Value
from routebook.protocols.openai_chat.request import read_chat
from routebook.routing.attempts import Attempt, AttemptOutcome
from routebook.routing.demand import LiveDemand
from routebook.routing.facts import RequestFacts
from routebook.routing.given import clock_facts
from routebook.routing.memory import BLANK
from routebook.routing.outcomes import Route
from routebook.routing.planning import Planner
from routebook.routing.policy import Policy
from routebook.routing.reading.loading import load_sources
from routebook.routing.record import Ending, Heading, decided_line, ended_line
from routebook.routing.telling.explanation import explain_given, explain_record
from routebook.routing.telling.rendering import MOST_RULES, as_json, as_text

POLICY = """\
version: 1
providers:
  one: {dialect: openai, base_url: https://one.example/v1, region: us, accounts: [{name: main, key: {env: ONE_KEY}}]}
  two: {dialect: openai, base_url: https://two.example/v1, region: eu, accounts: [{name: main}]}
models:
  large: {provider: one, price: {input: 2, output: 8}, context: 100k}
  small: {provider: two, price: {input: 1, output: 2}, context: 10k}
rules:
  - {name: phi, when: {tags: {any: [phi]}}, route: {to: small}}
  - {name: night, when: {time.of_day: {from: "22:00", to: "06:00", zone: Europe/Berlin}, tags: {any: [batch]}}, route: {to: small}}
  - {name: gone, when: {request.model: old}, refuse: {status: 410, message: "no longer served"}}
  - {name: rest, route: {to: [small, large], pick: cheapest}}
guarantees:
  - {name: at-home, when: {tags: {any: [phi]}}, only: {region: eu}}
"""
NOON = datetime.datetime(2026, 11, 21, 12, 0, tzinfo=datetime.UTC).timestamp()
MIDNIGHT = datetime.datetime(2026, 11, 21, 23, 30, tzinfo=datetime.UTC).timestamp()


@pytest.fixture(scope="module")
def policy() -> Policy:
    """Four rules, two models, one guarantee."""
    found = load_sources([("policy.yaml", POLICY)]).policy
    assert found is not None
    return found


def recorded(policy: Policy, body: Mapping[str, Any], headers: Mapping[str, str], now: float = NOON) -> dict[str, Any]:
    """The first line of a request's record, as the journal holds it: JSON there and back."""
    asked = read_chat(json.dumps(body).encode())
    facts = RequestFacts(asked, ANONYMOUS, headers, now, policy, BLANK)
    demand = LiveDemand(facts)
    decision = policy.tree.decide(facts)
    plan = None
    if decision.rule is not None and isinstance(decision.rule.outcome, Route):
        plan = Planner(policy, [("one", "main")]).plan(
            decision.rule.outcome, decision.rule.name, demand, facts, ANONYMOUS, BLANK, at=0.0, draw=0.3
        )
    line = decided_line(
        Heading("01TEST", "host-w0", policy.digest, facts.now), facts, demand, decision, plan, 0.3, [("one", "main")]
    )
    again: dict[str, Any] = json.loads(json.dumps(line))
    return again


HELLO = {"model": "auto", "messages": [{"role": "user", "content": "hello"}]}


def test_a_request_that_was_never_sent(policy: Policy) -> None:
    """The rule, why it and no rule before it, and every candidate with its reason in numbers."""
    found = explain_given(policy, {"prompt.tokens": 50_000, "time.of_day": 12 * 3600}, NOON)
    assert (found.rule, found.where) == ("rest", "policy.yaml:12")
    assert [(each.model, each.kept, each.reason) for each in found.candidates] == [
        ("large", True, "kept"),
        ("small", False, "model.context"),
    ]
    assert [rule.name for rule in found.rules] == ["phi", "night", "gone", "rest"]
    assert found.rules[2].why_not[0].verdict is Verdict.MISSING
    text = as_text(found)
    assert "The rule `rest` decided (policy.yaml:12): route to small and large, the cheapest first." in text
    assert "-  small: passed over: context 10k < prompt 50k" in text
    assert "  phi: tags: {any: [phi]}: did not hold ([])" in text


def test_the_time_is_now_where_none_is_given(policy: Policy) -> None:
    """And it is said, since tomorrow the same words may mean another rule."""
    at_night = explain_given(policy, {"tags": frozenset({"batch"})}, MIDNIGHT)
    assert at_night.rule == "night" and at_night.notes == ("not given, so taken from the clock: time.of_day",)
    given = explain_given(policy, {"tags": frozenset({"batch"}), "time.of_day": 12 * 3600}, MIDNIGHT)
    assert given.rule == "rest" and given.notes == ()


def test_the_clock_is_read_in_every_zone_that_a_rule_names(policy: Policy) -> None:
    """Noon in UTC is one o'clock in Berlin in winter."""
    facts = clock_facts(policy, NOON)
    assert (facts["time.of_day"], facts["time.of_day[Europe/Berlin]"]) == (12 * 3600, 13 * 3600)
    assert facts["time.weekday"] == "sat" and facts["time.date"] == datetime.date(2026, 11, 21).toordinal()


def test_a_refusal_is_explained_by_its_words(policy: Policy) -> None:
    """There are no candidates to speak of."""
    found = explain_given(policy, {"request.model": "old"}, NOON)
    assert found.candidates == () and found.outcome.startswith("refuse with status 410")
    assert "Candidates" not in as_text(found)


def test_a_recorded_request_is_explained_under_the_policy_that_served_it(policy: Policy) -> None:
    """Who asked for what, the rule, the candidates as recorded: the key was not set then, whatever is set now."""
    record = recorded(policy, HELLO, {"x-routebook-tags": "batch"})
    found = explain_record(policy, record, None)
    assert (found.rule, found.notes) == ("rest", ())
    assert [(each.model, each.kept, each.words) for each in found.candidates] == [
        ("small", True, "may serve the request"),
        ("large", False, "its key is not set"),
    ]
    text = as_text(found)
    assert "Decision 01TEST of 2026-11-21T12:00:00.000Z, under policy " + policy.digest in text
    assert "The client `anonymous` asked `auto` for chat" in text
    assert "  night: time.of_day:" in text and "did not hold (13:00)" in text


def test_attempts_and_the_end_are_told(policy: Policy) -> None:
    """What was tried, what came of it, who was next, and how it ended."""
    record = recorded(policy, HELLO, {})
    rest = policy.rules[-1].outcome
    assert isinstance(rest, Route)
    facts = RequestFacts(read_chat(json.dumps(HELLO).encode()), ANONYMOUS, {}, NOON, policy, BLANK)
    kept = Planner(policy).plan(rest, "rest", LiveDemand(facts), facts, ANONYMOUS, BLANK, at=0.0, draw=0.5).kept
    attempts = (
        Attempt(kept[0], AttemptOutcome(None, 429, 2.0), 0.0, 0.25),
        Attempt(kept[1], AttemptOutcome(None, 200), 0.3, 0.9),
    )
    ending = ended_line("01TEST", NOON, Ending(candidate=kept[1], attempts=attempts, seconds=1.5))
    text = as_text(explain_record(policy, record, json.loads(json.dumps(ending))))
    assert "  1. small by two/main: status 429 (upstream.overloaded)" in text and ", then large" in text
    assert "  2. large by one/main: status 200" in text
    assert "The client got status 200 from large by one/main in 1.50 s: it ended normally" in text


def test_a_record_whose_policy_is_gone_still_tells_what_it_holds(policy: Policy) -> None:
    """The walk and the candidates are in the record itself."""
    found = explain_record(None, recorded(policy, HELLO, {}), None)
    assert found.rule == "rest" and found.rules == () and len(found.candidates) == 2
    [note] = found.notes
    assert "is not kept here" in note and "rules still stood" in as_text(found)


def test_a_record_that_does_not_replay_says_so(policy: Policy) -> None:
    """What was recorded is shown; that deciding again gives something else is not hidden."""
    record = recorded(policy, HELLO, {}) | {"rule": "phi"}
    found = explain_record(policy, record, None)
    assert found.rule == "phi"
    assert any("`phi` was recorded, `rest` decides" in note for note in found.notes)


def test_json_says_what_the_text_says(policy: Policy) -> None:
    """And survives the way to a program and back."""
    record = recorded(policy, HELLO, {"x-routebook-tags": "batch"})
    shown = json.loads(json.dumps(as_json(explain_record(policy, record, None))))
    assert (shown["version"], shown["id"], shown["rule"]) == (1, "01TEST", "rest")
    assert shown["rules"][0]["conditions"] == [
        {"text": "tags: {any: [phi]}", "verdict": "did not hold", "fact": "tags", "value": ["batch"]}
    ]
    assert [each["verdict"] for each in shown["candidates"]] == ["kept", "dropped"]
    assert shown["decided"] == record and shown["ended"] is None


def test_what_a_client_sent_cannot_move_the_cursor(policy: Policy) -> None:
    """Control characters in names from outside are written out."""
    text = as_text(explain_record(policy, recorded(policy, HELLO | {"model": "a\x1b[2Jb\n"}, {}), None))
    assert "\x1b" not in text and "a\\x1b[2Jb\\n" in text


def test_a_long_policy_is_told_in_a_page() -> None:
    """The text names the nearest rules before the one that decided, JSON all of them."""
    rules = "".join(
        f"  - {{name: r{number}, when: {{request.model: m{number}}}, route: {{to: small}}}}\n" for number in range(200)
    )
    policy = load_sources([("policy.yaml", POLICY.replace("rules:\n", f"rules:\n{rules}"))]).policy
    assert policy is not None
    given: dict[str, Value] = {"request.model": "nobody", "time.of_day": 0, "tags": frozenset()}
    found = explain_given(policy, given, NOON)
    text = as_text(found)
    assert text.count("did not hold") == MOST_RULES and "... 163 rules before these" in text
    assert len(as_json(found)["rules"]) == 204
