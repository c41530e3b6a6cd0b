"""Suggested cases: they pass, they reach all that can be reached, and what they leave out no request reaches."""

from __future__ import annotations

import random

import pytest

from routebook.policy.branches import Branch
from routebook.policy.facts import Value
from routebook.routing.cases.case import Expectation, PolicyTest
from routebook.routing.cases.coverage import Coverage, Tally, coverage
from routebook.routing.cases.judging import judge
from routebook.routing.cases.running import Runner
from routebook.routing.cases.suggesting import Left, Suggestion, suggest
from routebook.routing.cases.witnesses import NOBODY, Witnesses
from routebook.routing.cases.writing import as_yaml
from routebook.routing.policy import Policy
from routebook.routing.reading.loading import load_sources
from tests.policy.enumerated import sheets_of, size_of
from tests.support.authored import lines
from tests.support.dice_policies import Policies


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
