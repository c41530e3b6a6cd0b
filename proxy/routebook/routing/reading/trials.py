"""A policy's own tests: requests given by their facts, decided by the compiled tree, compared with what was expected."""

from __future__ import annotations

from routebook.documents.problems import Problems
from routebook.policy.rules import Rule
from routebook.routing.given import given_facts, plan_for_given
from routebook.routing.outcomes import Outcome, Refuse
from routebook.routing.planning import Planner
from routebook.routing.policy import Policy, PolicyTest

_NAMED = 5
"""Rules that a warning names before it only counts them."""


def run_tests(policy: Policy, problems: Problems) -> None:
    """Decide every test of the policy; a difference is an error at the test's name."""
    planner = Planner(policy)
    failed = [(test, fault) for test in policy.tests for fault in faults_of(planner, test)]
    for test, fault in failed:
        problems.error("policy.test-failed", f"the test `{test.name}` fails: {fault}", test.location)
    _report_twins(policy, problems)
    if not failed:
        _report_untested(policy, problems)


def _report_twins(policy: Policy, problems: Problems) -> None:
    first: dict[object, PolicyTest] = {}
    for test in policy.tests:
        same = first.setdefault((frozenset(test.given.items()), test.expect), test)
        if same is not test:
            problems.warning(
                "policy.duplicate-test",
                f"the test `{test.name}` shows what `{same.name}` shows",
                test.location,
                "take one of them out, or give it other facts",
                [(same.location, "the first one")],
            )


def _report_untested(policy: Policy, problems: Problems) -> None:
    """Warn about rules that no test reaches; a policy without any tests has been told by nobody that it has them."""
    reached = {
        rule.name
        for test in policy.tests
        if (rule := policy.tree.decide(given_facts(policy, test.given)).rule) is not None
    }
    missed = [rule for rule in policy.rules if rule.name not in reached]
    if policy.tests and missed:
        names = ", ".join(f"`{rule.name}`" for rule in missed[:_NAMED])
        more = f" and {len(missed) - _NAMED} more" if len(missed) > _NAMED else ""
        problems.warning(
            "policy.untested-rule",
            f"no test reaches {names}{more}",
            missed[0].location,
            "add a test whose request each of them should decide",
        )


def faults_of(planner: Planner, test: PolicyTest) -> list[str]:
    """What came out otherwise than expected, one text for each difference; none where the test passes."""
    policy = planner.policy
    rule = policy.tree.decide(given_facts(policy, test.given)).rule
    faults = []
    decided = "no rule" if rule is None else f"`{rule.name}`"
    if test.expect.rule is not None and (rule is None or rule.name != test.expect.rule):
        faults.append(f"expected rule `{test.expect.rule}`, got {decided}")
    faults.extend(_refusal_faults(rule, test))
    if test.expect.model is not None and rule is not None:
        faults.extend(_model_faults(planner, rule, test, test.expect.model))
    return faults


def _model_faults(planner: Planner, rule: Rule[Outcome], test: PolicyTest, wanted: str) -> list[str]:
    if isinstance(rule.outcome, Refuse):
        return [f"expected model `{wanted}`, got a refusal by `{rule.name}`"]
    plan = plan_for_given(planner, rule.outcome, rule.name, test.given)
    first = plan.kept[0].name if plan.kept else None
    if first == wanted:
        return []
    reason = next((f"; `{wanted}`: {each.words}" for each in plan.dropped if each.name == wanted), "")
    if first is None:
        return [f"expected model `{wanted}`, `{rule.name}` leaves none" + reason]
    return [f"expected model `{wanted}`, got `{first}` by `{rule.name}`" + reason]


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
