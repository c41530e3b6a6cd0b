"""Suggested cases: they pass, they reach all that can be reached, and what they leave out no request reaches."""

from __future__ import annotations

import json
import random

import pytest

from routebook.documents.loading import load_text
from routebook.documents.problems import Problems
from routebook.documents.schema import as_data, faults
from routebook.policy.axes import Aspect
from routebook.policy.branches import Branch
from routebook.policy.facts import Value
from routebook.routing.cases.case import Expectation, PolicyTest
from routebook.routing.cases.coverage import Coverage, Tally, coverage
from routebook.routing.cases.judging import judge
from routebook.routing.cases.running import Runner
from routebook.routing.cases.suggesting import Left, Suggestion, suggest
from routebook.routing.cases.witnesses import NOBODY, UNDECIDED, UNWRITTEN, Witnesses
from routebook.routing.cases.writing import as_yaml
from routebook.routing.facts import FACTS
from routebook.routing.policy import Policy
from routebook.routing.reading.loading import load_sources
from routebook.routing.reading.published import policy_test_schema
from tests.policy.enumerated import sheets_of, size_of
from tests.support.authored import lines
from tests.support.dice_policies import CATALOGUE, Policies


def loaded(*texts: str) -> Policy:
    """The policy in some texts; those after the first are files of tests."""
    named = [("policy.yaml", texts[0]), *((f"tests/{n}.yaml", text) for n, text in enumerate(texts[1:]))]
    result = load_sources(named, proving=False)
    assert result.policy is not None, lines(result.problems)
    return result.policy


def reached(policy: Policy) -> Coverage:
    tally, runner = Tally(policy), Runner(policy)
    for case in policy.tests:
        tally.add(runner.run(case))
    return coverage(tally, Witnesses(policy))


def suggested(policy: Policy) -> tuple[list[Suggestion], list[Left]]:
    tally, runner = Tally(policy), Runner(policy)
    for case in policy.tests:
        tally.add(runner.run(case))
    found = list(suggest(runner, tally, Witnesses(policy)))
    return [each for each in found if isinstance(each, Suggestion)], [each for each in found if isinstance(each, Left)]


@pytest.mark.parametrize("seed", range(60))
def test_what_is_suggested_reaches_all_that_a_request_can(seed: int) -> None:
    """Written, read again and run, every case passes; nothing but what is proven out of reach is left."""
    text = Policies(seed).policy()
    policy = loaded(text)
    cases, left = suggested(policy)
    assert [each for each in left if each.why is not NOBODY] == []
    again = loaded(text, as_yaml(cases))
    runner = Runner(again)
    assert [(each.case.name, each.faults) for case in again.tests if (each := judge(runner, case)).faults] == []
    assert all(case.is_suggested for case in again.tests) and len(again.tests) == len(cases)
    found = reached(again)
    assert found.whole.percent == 100
    assert found.whole.unreachable == len(left)
    more, still = suggested(again)
    assert more == []
    assert [(each.rule, each.branch) for each in still] == [(each.rule, each.branch) for each in left]


def target_of(policy: Policy, tally: Tally, left: Left) -> tuple[int, int | None]:
    number = [rule.name for rule in policy.rules].index(left.rule)
    branches: tuple[Branch, ...] = tally.branches[number]
    return number, None if left.branch is None else branches.index(left.branch)


@pytest.mark.parametrize("seed", range(1000, 1040))
def test_what_is_left_out_no_request_reaches(seed: int) -> None:
    """By brute force over everything that small policies can tell apart: nothing is said to be out of reach that is not."""
    dice, policies = random.Random(seed), Policies(seed)
    tried = 0
    while tried < 3:
        text = policies.policy(most=3).replace("clients:\n", "")
        if "interns, tags" in text:
            continue
        policy = loaded(text)
        space = Witnesses(policy).space
        if size_of(space) > 3000:
            continue
        tried += 1
        tally, runner = Tally(policy), Runner(policy)
        _, left = suggested(policy)
        wanted = {target_of(policy, tally, each) for each in left}
        sheets = list(sheets_of(space))
        for sheet in dice.sample(sheets, min(len(sheets), 1500)):
            given: dict[str, Value] = {fact: value for fact, value in sheet.items() if value is not None}
            came = runner.run(PolicyTest("", given, Expectation(), policy.rules[0].location))
            assert not wanted & set(tally.reached(came)), given


def test_more_patterns_than_can_be_told_apart() -> None:
    """Where proofs give a pattern up, a text of it is tried; what is not found is named, and never called out of reach."""
    dice = random.Random(5)
    globs = [f"*{dice.choice('abcdefgh')}{number}*{dice.choice('abcdefgh')}*z{number}*" for number in range(40)]
    rules = "".join(
        f"  - {{name: r{number}, when: {{request.model: {{glob: '{glob}'}}}}, route: {{to: near}}}}\n"
        for number, glob in enumerate(globs)
    )
    policy = loaded(CATALOGUE + "rules:\n" + rules + "  - {name: rest, route: {to: near}}\n")
    assert Witnesses(policy).space.axes[-1].aspect is Aspect.PATTERN
    cases, left = suggested(policy)
    assert not [each for each in left if each.why not in (UNWRITTEN, UNDECIDED)]
    again = loaded(policy.sources[0][1], as_yaml(cases))
    assert reached(again).of_rules.percent == 100
    assert reached(again).of_branches.percent > 50


def test_a_share_and_an_amount_of_one_budget_are_written_apart() -> None:
    """Both have one name, and a mapping has each key once."""
    policy = loaded(
        CATALOGUE
        + "rules:\n  - {name: a, when: {all_of: [{budget.month.left: {below: 10%}}, {budget.month.left: {above: $5}}]},"
        + " route: {to: near}}\n  - {name: rest, route: {to: near}}\n"
    )
    cases, left = suggested(policy)
    text = as_yaml(cases)
    assert not left and '{budget.month.left: 0%, "budget.month.left[amount]": "$5.00"}' in text
    assert not list(faults(policy_test_schema(FACTS), as_data(load_text("t.yaml", text, Problems()).root)))
    assert reached(loaded(policy.sources[0][1], text)).whole.percent == 100


@pytest.mark.parametrize(
    "word",
    ["true", "NO", "~", "a: b", "- a", "#x", "1_000", "x y", " ", "a,b", "é\u200b", "'", '"', "{", "0x1", "*a", "a\\b"],
)
def test_a_text_is_read_as_it_was_written(word: str) -> None:
    """Whatever YAML would make of it."""
    quoted = json.dumps(word)
    policy = loaded(
        CATALOGUE
        + f"rules:\n  - {{name: a, when: {{request.header.x-app: {quoted}}}, route: {{to: near}}}}\n"
        + f"  - {{name: b, when: {{request.model: {{not: {quoted}}}}}, route: {{to: near}}}}\n"
        + "  - {name: rest, route: {to: near}}\n"
    )
    cases, left = suggested(policy)
    if left:
        assert word.strip() != word  # facts given by hand have no spaces around them
        return
    assert reached(loaded(policy.sources[0][1], as_yaml(cases))).whole.percent == 100


def test_thresholds_are_met_on_both_sides() -> None:
    """Just below, at, at, and just above: the two ends of what a rule takes, and of what is beside it."""
    policy = loaded(
        CATALOGUE
        + "rules:\n  - {name: a, when: {prompt.tokens: {between: [1k, 4k]}}, route: {to: near}}\n"
        + "  - {name: rest, route: {to: near}}\n"
    )
    cases, left = suggested(policy)
    assert not left
    assert [(each.case.given["prompt.tokens"], each.case.expect.rule) for each in cases] == [
        (999, "rest"),
        (1000, "a"),
        (4000, "a"),
        (4001, "rest"),
    ]
