"""The compiled tree decides as the rules read: for every policy and every sheet of facts, however small its tables."""

from __future__ import annotations

import pickle
import random
from collections.abc import Callable, Mapping

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from bench.policies import TABLE as BENCH_TABLE
from bench.policies import Chaos, sheet, tenant, wild
from routebook.policy.conditions import AllOf, AnyOf, Condition, Named
from routebook.policy.conditions import Test as FactTest
from routebook.policy.conditions import test_holds as holds_for
from routebook.policy.facts import Value
from routebook.policy.lines import facts_in
from routebook.policy.rules import Rule, first_match
from routebook.policy.tables import Limits
from routebook.policy.tree import DecisionTree
from tests.policy.worlds import LIMITS, NONE, TABLE, TINY, Dice, policies, sheets, specification

Policy = tuple[Rule[int], ...]
Sheet = Mapping[str, Value | None]

thorough = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))


@thorough
@given(policies(), st.lists(sheets(), min_size=1, max_size=5), st.sampled_from(LIMITS))
def test_the_tree_decides_as_the_rules_read(rules: Policy, requests: list[Sheet], limits: Limits) -> None:
    """The same rule, or none, for every policy and every sheet: missing facts, roomy, tiny and no tables included."""
    tree = DecisionTree(rules, TABLE, limits)
    for facts in requests * 2:  # twice: the second time answers may have been kept
        assert tree.decide(facts.get).rule is first_match(rules, facts.get)


@thorough
@given(policies(), sheets(), st.sampled_from(LIMITS))
def test_every_fact_is_asked_at_most_once_and_is_a_step(rules: Policy, facts: Sheet, limits: Limits) -> None:
    """The steps are the questions in their order, each once, with the answers that were given."""
    asked: list[str] = []

    def ask(fact: str) -> Value | None:
        asked.append(fact)
        return facts.get(fact)

    steps = DecisionTree(rules, TABLE, limits).decide(ask).steps
    assert [step.fact for step in steps] == asked
    assert len(set(asked)) == len(asked)
    assert [step.value for step in steps] == [facts.get(fact) for fact in asked]


@thorough
@given(policies(), sheets(), st.sampled_from(LIMITS))
def test_what_was_asked_is_enough_to_decide_again(rules: Policy, facts: Sheet, limits: Limits) -> None:
    """A record of the steps replays: the same rule and the same steps from the recorded facts alone, nothing else
    asked; and the rules as they read decide so for any values of the facts that were not asked."""
    tree = DecisionTree(rules, TABLE, limits)
    decision = tree.decide(facts.get)
    recorded = {step.fact: step.value for step in decision.steps}
    assert tree.decide(recorded.__getitem__) == decision
    assert first_match(rules, recorded.get) is decision.rule


@thorough
@given(policies(), sheets(), st.sampled_from(LIMITS))
def test_no_fact_is_asked_that_no_standing_rule_needs(rules: Policy, facts: Sheet, limits: Limits) -> None:
    """At each question, the first rule that is not refuted by what is known is still open, and depends on the fact."""
    seen: dict[str, Value | None] = {}

    def ask(fact: str) -> Value | None:
        front = next(rule for rule in rules if state(rule.when, seen) is not False)
        assert state(front.when, seen) is None, f"`{front.name}` was certain already, yet {fact} was asked"
        assert fact in open_facts(front.when, seen)
        seen[fact] = facts.get(fact)
        return seen[fact]

    DecisionTree(rules, TABLE, limits).decide(ask)


@thorough
@given(policies(most=1), sheets())
def test_a_plain_rule_asks_its_cheap_facts_first(rules: Policy, facts: Sheet) -> None:
    """A rule whose conditions all hold together asks in the order of cost, and nothing after the first that fails."""
    tests = [fact for rule in rules for fact in facts_in(rule.when)]
    assume(not any(has_alternatives(rule.when) for rule in rules))
    steps = DecisionTree(rules, TABLE).decide(facts.get).steps
    costs = [specification(step.fact).cost for step in steps]
    assert costs == sorted(costs)
    assert {step.fact for step in steps} <= set(tests)


@thorough
@given(policies(), sheets())
def test_a_step_counts_the_rules_that_still_stand(rules: Policy, facts: Sheet) -> None:
    """With roomy tables, the count after a step never grows, is never less than the rules that may yet match, and the
    rule that decides is among them."""
    decision = DecisionTree(rules, TABLE).decide(facts.get)
    seen: dict[str, Value | None] = {}
    before = len(rules)
    for step in decision.steps:
        seen[step.fact] = step.value
        possible = sum(state(rule.when, seen) is not False for rule in rules)
        assert possible <= step.standing <= before
        before = step.standing
    if decision.rule is not None:
        assert before >= 1


@thorough
@given(policies(), sheets(), st.sampled_from(LIMITS))
def test_a_pickled_tree_decides_the_same(rules: Policy, facts: Sheet, limits: Limits) -> None:
    """A worker that receives the tree walks the same steps to an equal rule."""
    tree = DecisionTree(rules, TABLE, limits)
    copy: DecisionTree[int] = pickle.loads(pickle.dumps(tree))
    assert copy.decide(facts.get) == tree.decide(facts.get)
    assert copy.rules == rules


@pytest.mark.parametrize("limits", LIMITS)
def test_thousands_of_small_policies_agree(limits: Limits) -> None:
    """Two thousand policies of every shape, four sheets each; a failure names the seed that makes it again."""
    for seed in range(2000):
        dice = Dice(seed)
        rules = dice.rules()
        tree = DecisionTree(rules, TABLE, limits)
        for _ in range(4):
            facts = dice.sheet()
            assert tree.decide(facts.get).rule is first_match(rules, facts.get), f"seed {seed}"


@pytest.mark.parametrize("limits", [Limits(), TINY, NONE])
@pytest.mark.parametrize("count", [40, 400])
def test_large_random_policies_agree(count: int, limits: Limits) -> None:
    """Hundreds of rules over every fact and operator, with more names, words and thresholds than tables have room for."""
    chaos = Chaos(TABLE, words=60, names=6)
    random_ = random.Random(count)
    for seed in range(4):
        rules = chaos.rules(count, seed)
        tree = DecisionTree(rules, TABLE, limits)
        for _ in range(60):
            ask = chaos.sheet(random_)
            assert tree.decide(ask).rule is first_match(rules, ask)


@pytest.mark.parametrize("family", [tenant, wild])
def test_policies_wider_than_short_masks_agree(family: Callable[[int], Policy]) -> None:
    """At thousands of rules other kinds of tables are used (rare facts by row, notes along the line of numbers)."""
    rules = family(2500)
    tree = DecisionTree(rules, BENCH_TABLE)
    random_ = random.Random(7)
    for _ in range(150):
        facts = sheet(random_, len(rules), cold=random_.random() < 0.5)
        assert tree.decide(facts.get).rule is first_match(rules, facts.get)


def state(condition: Condition, seen: Sheet) -> bool | None:
    """What the facts seen say about a condition; None where they leave it open. Written apart from the tree's own."""
    match condition:
        case FactTest(fact):
            return holds_for(condition, seen[fact]) if fact in seen else None
        case Named(_, inner):
            return state(inner, seen)
        case AllOf(parts):
            states = [state(part, seen) for part in parts]
            return False if False in states else None if None in states else True
        case AnyOf(parts):
            states = [state(part, seen) for part in parts]
            return True if True in states else None if None in states else False


def open_facts(condition: Condition, seen: Sheet) -> set[str]:
    """The unseen facts in those parts of a condition that are still open."""
    if state(condition, seen) is not None:
        return set()
    match condition:
        case FactTest(fact):
            return {fact}
        case Named(_, inner):
            return open_facts(inner, seen)
        case AllOf(parts) | AnyOf(parts):
            return {fact for part in parts for fact in open_facts(part, seen)}


def has_alternatives(condition: Condition) -> bool:
    """Whether a condition holds an `any_of`."""
    match condition:
        case FactTest():
            return False
        case Named(_, inner):
            return has_alternatives(inner)
        case AllOf(parts):
            return any(map(has_alternatives, parts))
        case AnyOf():
            return True
