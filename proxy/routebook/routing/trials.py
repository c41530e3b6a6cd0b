"""A policy's own tests: requests given by their facts, decided by the compiled tree, compared with what was expected."""

from __future__ import annotations

from routebook.documents.problems import Problems
from routebook.policy.rules import Rule
from routebook.routing.facts import GivenFacts
from routebook.routing.outcomes import Outcome, Refuse
from routebook.routing.policy import Policy, PolicyTest


def run_tests(policy: Policy, problems: Problems) -> None:
    """Decide every test of the policy; a difference is an error at the test's name."""
    for test in policy.tests:
        for fault in faults_of(policy, test):
            problems.error("policy.test-failed", f"the test `{test.name}` fails: {fault}", test.location)


def faults_of(policy: Policy, test: PolicyTest) -> list[str]:
    """What came out otherwise than expected, one text for each difference; none where the test passes."""
    rule = policy.tree.decide(GivenFacts(test.given)).rule
    faults = []
    decided = "no rule" if rule is None else f"`{rule.name}`"
    if test.expect.rule is not None and (rule is None or rule.name != test.expect.rule):
        faults.append(f"expected rule `{test.expect.rule}`, got {decided}")
    faults.extend(_refusal_faults(rule, test))
    return faults


def _refusal_faults(rule: Rule[Outcome] | None, test: PolicyTest) -> list[str]:
    wanted = test.expect.refuse
    if wanted is None or rule is None:
        return []
    refused = rule.outcome.status if isinstance(rule.outcome, Refuse) else None
    if wanted is False and refused is not None:
        return [f"expected no refusal, got {refused} by `{rule.name}`"]
    if wanted is True and refused is None:
        return [f"expected a refusal, `{rule.name}` routes"]
    if wanted not in (True, False) and refused != wanted:
        return [f"expected a refusal with {wanted}, got {refused or 'a route'} by `{rule.name}`"]
    return []
