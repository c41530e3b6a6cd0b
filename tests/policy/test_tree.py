"""The tree's own ways: which facts it asks, in which order, what it counts, what it costs."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bench.policies import TABLE as BENCH_TABLE
from bench.policies import sheet, tenant
from routebook.policy.conditions import ALWAYS, AllOf, AnyOf, Condition, HasAny, InIntervals, Interval, IsFlag, OneOf
from routebook.policy.conditions import Test as FactTest
from routebook.policy.facts import Value
from routebook.policy.rules import Decision, Rule, Step
from routebook.policy.tree import DecisionTree
from tests.policy.worlds import NOWHERE, TABLE

HERE = Path(__file__).resolve()

TEAM_A = FactTest("team", OneOf(frozenset("a")), "team: a", NOWHERE)
TEAM_B = FactTest("team", OneOf(frozenset("b")), "team: b", NOWHERE)
TAGGED = FactTest("tags", HasAny(frozenset("x")), "tags: {any: [x]}", NOWHERE)
LONG = FactTest("tokens", InIntervals((Interval(1000, None),)), "tokens: {at_least: 1k}", NOWHERE)
HARD = FactTest("complexity", InIntervals((Interval(0.5, None),)), "complexity: {at_least: 0.5}", NOWHERE)
POOR = FactTest("budget.m.left", InIntervals((Interval(None, 0.1),)), "budget.m.left: {at_most: 10%}", NOWHERE)
STREAM = FactTest("stream", IsFlag(True), "stream: true", NOWHERE)


def tree_of(*whens: Condition) -> DecisionTree[int]:
    """A tree of rules `0`, `1`, ... with these conditions."""
    return DecisionTree([Rule(str(number), when, number, NOWHERE) for number, when in enumerate(whens)], TABLE)


def decided(decision: Decision[int]) -> str | None:
    """The name of the rule that decides."""
    return None if decision.rule is None else decision.rule.name


def test_a_policy_without_rules_decides_nothing() -> None:
    """And asks nothing."""
    assert tree_of().decide({}.get) == Decision(None, ())


def test_a_rule_without_conditions_asks_nothing() -> None:
    """It decides at once, whatever stands after it."""
    decision = tree_of(ALWAYS, TEAM_A).decide({}.get)
    assert decided(decision) == "0"
    assert decision.steps == ()


def test_facts_are_asked_from_cheap_to_dear() -> None:
    """Within a rule the order of writing does not matter: the ledger is asked last, and only if all else holds."""
    tree = tree_of(AllOf((POOR, HARD, LONG, TEAM_A)), ALWAYS)
    facts: dict[str, Value] = {"team": "a", "tokens": 5000, "complexity": 0.2, "budget.m.left": 0.05}
    assert [step.fact for step in tree.decide(facts.get).steps] == ["team", "tokens", "complexity"]
    assert decided(tree.decide({**facts, "complexity": 0.7}.get)) == "0"


def test_a_dear_fact_is_not_asked_for_rules_behind_the_one_that_decides() -> None:
    """The second rule needs the ledger; the first is certain without it."""
    decision = tree_of(TEAM_A, POOR, ALWAYS).decide({"team": "a"}.get)
    assert decision.steps == (Step("team", "a", 3),)


def test_alternatives_without_dear_facts_are_tried_first() -> None:
    """Of `any_of: [the ledger, a tag]` the tag is looked at first, and the ledger only where it does not hold."""
    tree = tree_of(AnyOf((POOR, TAGGED)), ALWAYS)
    assert [step.fact for step in tree.decide({"tags": frozenset("x")}.get).steps] == ["tags"]
    assert [step.fact for step in tree.decide({"tags": frozenset("y")}.get).steps] == ["tags", "budget.m.left"]


def test_an_alternative_that_is_certain_already_ends_the_walk() -> None:
    """What an earlier rule asked for makes one way of meeting this rule certain; the other asks nothing."""
    decision = tree_of(TEAM_B, AnyOf((STREAM, TEAM_A)), ALWAYS).decide({"team": "a"}.get)
    assert decided(decision) == "1"
    assert [step.fact for step in decision.steps] == ["team"]


def test_a_step_counts_rules_not_ways_of_meeting_them() -> None:
    """A rule that can be met in two ways counts once while either stands."""
    decision = tree_of(AnyOf((AllOf((TEAM_A, LONG)), AllOf((TEAM_A, HARD)))), AllOf((TEAM_B, LONG)), ALWAYS).decide(
        {"team": "a", "tokens": 10, "complexity": 0.9}.get
    )
    assert decided(decision) == "0"
    assert decision.steps == (Step("team", "a", 2), Step("tokens", 10, 2), Step("complexity", 0.9, 2))


def test_a_missing_fact_is_a_step_with_no_value() -> None:
    """The record says that it was asked for, and that there was none."""
    assert tree_of(TEAM_A, ALWAYS).decide({}.get).steps == (Step("team", None, 1),)


def test_alternatives_that_multiply_stay_bounded() -> None:
    """Forty times three alternatives would be more ways than there are atoms in a person; the rule is tried as a whole
    instead, and still decides."""
    bulky = AllOf(tuple(AnyOf((TEAM_A, LONG, HARD)) for _ in range(40)))
    tree = tree_of(bulky, ALWAYS)
    assert len(tree._compiled.rule_at) < 20
    assert decided(tree.decide({"team": "a"}.get)) == "0"
    fallen = tree.decide({"team": "b", "tokens": 5, "complexity": 0.1}.get)
    assert decided(fallen) == "1"
    assert fallen.steps[-1].standing == 1


def test_a_rule_that_was_tried_as_a_whole_and_fell_counts_no_more() -> None:
    """Eighteen alternatives have no lines of their own: the last answer that makes all of them fail lowers the count."""
    decision = tree_of(AnyOf((TEAM_A, LONG) * 9), ALWAYS).decide({"team": "b", "tokens": 5}.get)
    assert decided(decision) == "1"
    assert decision.steps == (Step("team", "b", 2), Step("tokens", 5, 1))


def test_a_fact_that_nobody_declares_is_refused() -> None:
    """The reader reports it with its place; the tree does not guess either."""
    with pytest.raises(ValueError, match="unknown fact `colour`"):
        tree_of(FactTest("colour", OneOf(frozenset("a")), "colour: a", NOWHERE))


def test_a_tree_and_a_decision_tell_their_story() -> None:
    """For whoever meets them in a debugger."""
    tree = tree_of(AnyOf((TEAM_A, LONG)), ALWAYS)
    assert repr(tree) == "<DecisionTree: 2 rules in 3 lines over 2 facts, 1 lines want a closer look>"
    assert repr(tree.decide({"team": "a"}.get)) == "<Decision: 0; team = 'a' (2 stand)>"
    assert repr(tree_of().decide({}.get)) == "<Decision: no rule; nothing asked>"


def test_a_decision_hardly_depends_on_the_number_of_rules() -> None:
    """Forty times as many rules take less than four times as long; a scan takes forty times."""

    def cost(count: int) -> float:
        tree = DecisionTree(tenant(count), BENCH_TABLE)
        random_ = random.Random(count)
        asks = [sheet(random_, count).get for _ in range(400)]
        rounds = []
        for _ in range(5):
            started = time.process_time()
            for ask in asks:
                tree.decide(ask)
            rounds.append(time.process_time() - started)
        return min(rounds)

    assert cost(4000) < 4 * cost(100)


@pytest.mark.parametrize("family", ["wild", "chaos"])
def test_ten_thousand_random_rules_fit_and_compile(family: str) -> None:
    """Compiled and asked a thousand times within 200 MB for the whole process. (One second is the promise of the
    benchmark on a quiet machine; here a bound that a busy one keeps.)"""
    bench = HERE.parents[2] / "bench" / "decisions.py"
    output = subprocess.run(
        [sys.executable, bench, "--memory", family, "10000"], check=True, capture_output=True, text=True, timeout=120
    ).stdout.split()
    milliseconds, megabytes = float(output[0]), float(output[1])
    assert megabytes < 200
    assert milliseconds < 4000
