"""Classes of task that a policy defines itself, in what is proven, compared and covered: they are words of `prompt.task`."""

from __future__ import annotations

from routebook.documents.problems import Problem
from routebook.policy.given import parse_given
from routebook.policy.rules import first_match
from routebook.routing.cases.coverage import Tally, coverage
from routebook.routing.cases.running import Runner
from routebook.routing.cases.witnesses import Witnesses
from routebook.routing.given import given_facts
from routebook.routing.policy import Policy
from routebook.routing.reading.loading import load_sources

CATALOGUE = """\
version: 1
providers:
  home: {dialect: openai, base_url: https://home.example/v1, region: eu, accounts: [{name: a}]}
  away: {dialect: openai, base_url: https://away.example/v1, region: us, accounts: [{name: a}]}
models:
  near: {provider: home, context: 8k, price: {input: 1, output: 1}}
  far: {provider: away, context: 8k, price: {input: 1, output: 1}}
patterns: {clause: "(?i)indemnif"}
settings: {router: {tasks: {contracts: {prompt.matches.clause: true}, late: {tags: {any: [legal]}}}}}
"""
STAYS = "guarantees:\n  - {name: stays, when: {prompt.task: contracts}, only: {region: eu}}\n"
ALL_FAR = "  - {name: rest, route: {to: [far]}}\n"
NEAR = "  - {name: near, when: {prompt.task: %s}, route: {to: [near]}}\n"


def loaded(rules: str, before: str = "", tests: str = "") -> tuple[Policy | None, list[Problem]]:
    """The policy and what is wrong with it, proofs included."""
    files = [("policy.yaml", CATALOGUE + before + "rules:\n" + rules)]
    result = load_sources([*files, ("tests/t.yaml", tests)] if tests else files)
    return result.policy, list(result.problems)


def test_a_guarantee_about_a_class_is_proven_or_broken_by_it() -> None:
    """Broken where a request of the class may leave, and shown by one; kept where a rule keeps the class."""
    _, [broken] = loaded(ALL_FAR, STAYS)
    assert broken.code == "policy.broken-guarantee" and "prompt.task=contracts" in broken.message
    assert loaded(NEAR % "contracts" + ALL_FAR, STAYS)[1] == []
    assert loaded(NEAR % "[late, contracts]" + ALL_FAR, STAYS)[1] == []
    _, [other] = loaded(NEAR % "late" + ALL_FAR, STAYS)
    assert other.code == "policy.broken-guarantee"


def test_a_rule_behind_its_own_class_is_unreachable_and_the_scorers_classes_stay() -> None:
    """Each word is one value: what took it leaves nothing of it, and everything else."""
    _, [never] = loaded(NEAR % "contracts" + NEAR.replace("near,", "again,") % "contracts" + ALL_FAR)
    assert (never.code, "`again`" in never.message) == ("policy.unreachable-rule", True)
    assert loaded(NEAR % "contracts" + NEAR.replace("near,", "again,") % "late" + ALL_FAR)[1] == []
    assert loaded(NEAR % "contracts" + NEAR.replace("near,", "again,") % "short_ask" + ALL_FAR)[1] == []


def test_a_word_that_is_no_class_is_an_error_that_knows_the_policys_own() -> None:
    """With the nearest of them."""
    _, [unknown] = loaded(NEAR % "contract" + ALL_FAR)
    assert unknown.code == "document.unknown-word" and "`contracts`" in str(unknown.hint)


def test_a_request_that_is_given_its_class_is_decided_by_it() -> None:
    """As `explain --given` and test cases do."""
    policy, problems = loaded(NEAR % "contracts" + ALL_FAR)
    assert policy is not None and problems == []
    for task, rule in (("contracts", "near"), ("late", "rest"), ("short_ask", "rest")):
        given = dict([parse_given(f"prompt.task={task}", policy.facts)])
        assert first_match(policy.rules, given_facts(policy, given)).name == rule  # type: ignore[union-attr]


def test_cases_of_a_class_count_in_coverage() -> None:
    """A rule about it is reached by a case of it, and by no other."""
    tests = "tests:\n  - {name: one, given: {prompt.task: %s}, expect: {rule: %s}}\n"
    for task, rule, reached in (("contracts", "near", [1, 0]), ("late", "rest", [0, 1])):
        policy, problems = loaded(NEAR % "contracts" + ALL_FAR, tests=tests % (task, rule))
        assert policy is not None and [each.code for each in problems] == ["policy.untested-rule"]
        tally, runner = Tally(policy), Runner(policy)
        for case in policy.tests:
            tally.add(runner.run(case))
        found = coverage(tally, Witnesses(policy))
        assert [each.decides.cases for each in found.rules] == reached
        assert not any(one.is_unreachable for each in found.rules for one in (each.decides, *each.branches))
