"""Explanations: every condition with the value it saw, the path through the tree, why earlier rules did not decide."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings

from routebook.documents.loading import load_text
from routebook.documents.nodes import Mapping
from routebook.documents.problems import Problems
from routebook.policy.conditions import ALWAYS, AllOf, AnyOf, Condition, holds
from routebook.policy.explain import (
    Account,
    RuleAccount,
    Verdict,
    account_of,
    explain,
    rule_lines,
    said,
    walk_lines,
    why_not_line,
)
from routebook.policy.facts import Value
from routebook.policy.reading import read_conditions
from routebook.policy.rules import Rule
from routebook.policy.tree import DecisionTree
from tests.policy.worlds import NOWHERE, TABLE, policies, sheets

POLICY = """
night: {hour: {from: "22:00", to: "06:00", zone: UTC}, tokens: {at_least: 32k}}
odd: {any_of: [{team: [red, blue]}, {tags: {none: [plain]}}], stream: true}
named: {all_of: [busy, {stream: true}]}
poor: {budget.m.left: {below: $5}}
busy: {any_of: [{complexity: {above: 0.5}}, {tokens: {above: 1M}}]}
"""


def policy() -> tuple[Rule[int], ...]:
    """Four rules as an author would write them, and one that catches all."""
    problems = Problems()
    root = load_text("rules.yaml", POLICY, problems).root
    assert isinstance(root, Mapping)
    found = read_conditions(root, TABLE, problems)
    assert not problems.found
    rules = [Rule(name, found[name], number, NOWHERE) for number, name in enumerate(("night", "odd", "named", "poor"))]
    return (*rules, Rule("otherwise", ALWAYS, 9, NOWHERE))


FACTS: dict[str, Value | None] = {
    "hour[UTC]": 84_600,
    "tokens": 1000,
    "team": "green",
    "tags": None,
    "stream": True,
    "complexity": 0.2,
    "budget.m.left[amount]": 6_000_000_000,
}


def accounts(facts: dict[str, Value | None], decided: str | None) -> dict[str, RuleAccount]:
    """The rules' accounts by name."""
    return {account.name: account for account in explain(policy(), facts, decided)}


def test_each_rule_says_what_kept_it_from_deciding() -> None:
    """The first failing condition with the value it saw; of alternatives, all of them."""
    lines = [why_not_line(account, TABLE) for account in explain(policy(), FACTS, "otherwise")][:4]
    assert lines == [
        "night: tokens: {at_least: 32k}: did not hold (1k)",
        "odd: team: [red, blue]: did not hold (green); tags: {none: [plain]}: did not hold: the fact is missing",
        "named: complexity: {above: 0.5}: did not hold (0.2); tokens: {above: 1M}: did not hold (1k)",
        "poor: budget.m.left: {below: $5}: did not hold ($6.00)",
    ]


def test_the_account_ends_with_the_rule_that_decides() -> None:
    """What stands after it was not looked at."""
    found = accounts({"hour[UTC]": 84_600, "tokens": 32_000}, "night")
    assert list(found) == ["night"]
    assert found["night"].decided
    assert found["night"].why_not == ()
    assert rule_lines(found["night"], TABLE) == [
        "night (world.yaml:1:1) decides",
        '  hour: {from: "22:00", to: "06:00", zone: UTC}: held (23:30)',
        "  tokens: {at_least: 32k}: held (32k)",
    ]


def test_conditions_that_were_not_asked_say_so() -> None:
    """A rule that fell early leaves its dear facts unasked; that is not the same as missing."""
    night = accounts({"hour[UTC]": 43_200}, None)["night"]
    assert [condition.verdict for condition in night.conditions] == [Verdict.FAILED, Verdict.NOT_ASKED]
    assert said(night.conditions[1], TABLE) == "not asked"


def test_joined_and_named_conditions_are_shown_with_their_parts() -> None:
    """Indented under what joins them."""
    assert rule_lines(accounts(FACTS, None)["named"], TABLE) == [
        "named (world.yaml:1:1) does not match",
        "  condition `busy`: did not hold",
        "    any of: did not hold",
        "      complexity: {above: 0.5}: did not hold (0.2)",
        "      tokens: {above: 1M}: did not hold (1k)",
        "  stream: true: held (true)",
    ]


def test_a_rule_without_conditions_matches_everything() -> None:
    """And says so."""
    assert rule_lines(accounts(FACTS, "otherwise")["otherwise"], TABLE)[1] == "  no condition: it matches every request"


def test_a_missing_fact_that_the_author_let_hold_is_held() -> None:
    """`missing: holds` is shown as held, with the value missing."""
    root = load_text("r.yaml", "it: {team: {not: red, missing: holds}}\n", Problems()).root
    assert isinstance(root, Mapping)
    account = account_of(read_conditions(root, TABLE, Problems())["it"], {"team": None})
    assert said(account, TABLE) == "held (missing)"


def test_the_path_is_told_question_by_question() -> None:
    """Each line is a question of the walk with its answer and how many rules were left."""
    decision = DecisionTree(policy(), TABLE).decide(FACTS.get)
    assert decision.rule is not None
    assert decision.rule.name == "otherwise"
    lines = walk_lines(decision.steps, 5, TABLE)
    assert lines[0] == "hour[UTC] = 23:30 -> 5 of 5 rules still stand"
    assert lines[-1] == "budget.m.left[amount] = 6000000000 -> 1 of 5 rules still stands"


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(policies(most=6), sheets())
def test_an_explanation_never_contradicts_the_decision(rules: tuple[Rule[int], ...], facts: dict[str, Value]) -> None:
    """From the steps alone: rules before the one that decided did not hold, each with a reason, and that one did."""
    decision = DecisionTree(rules, TABLE).decide(facts.get)
    seen = {step.fact: step.value for step in decision.steps}
    decided = None if decision.rule is None else decision.rule.name
    for account in explain(rules, seen, decided):
        if account.decided:
            assert account.verdict is Verdict.HELD
        else:
            assert account.verdict.is_no
            assert account.why_not or all(holds_nothing(part) for part in account.conditions)


def holds_nothing(account: Account) -> bool:
    """Whether an account holds alternatives without a single one, which only a machine would write."""
    return account.text == "any of" and not account.parts or any(map(holds_nothing, account.parts))


def test_verdicts_agree_with_the_meaning() -> None:
    """What an account calls held, holds: of nothing all hold, and none of nothing."""
    conditions: tuple[Condition, ...] = (AllOf(), AnyOf(()), policy()[1].when)
    for condition in conditions:
        assert (account_of(condition, FACTS).verdict is Verdict.HELD) is holds(condition, FACTS.get)
