"""The policy's own tests, run when it loads: what fails, what shows the same twice, what no test reaches."""

from __future__ import annotations

from routebook.documents.problems import Problems
from routebook.routing.cases.case import PolicyTest
from routebook.routing.cases.judging import Verdicted, judge
from routebook.routing.cases.running import Runner
from routebook.routing.policy import Policy

_NAMED = 5
"""Rules that a warning names before it only counts them."""


def run_tests(policy: Policy, problems: Problems) -> None:
    """Decide every test of the policy; a difference is an error at the test's name."""
    runner = Runner(policy)
    verdicts = [judge(runner, test) for test in policy.tests]
    report_failures(verdicts, problems)
    _report_twins(policy, problems)
    if not any(verdict.faults for verdict in verdicts):
        _report_untested(policy, verdicts, problems)


def report_failures(verdicts: list[Verdicted], problems: Problems) -> None:
    """Every difference of every test as an error of its own."""
    for verdict in verdicts:
        for fault in verdict.faults:
            problems.error(
                "policy.test-failed",
                f"the test `{verdict.case.name}` fails: {fault.words}",
                verdict.case.location,
                fault.why or None,
            )


def _report_twins(policy: Policy, problems: Problems) -> None:
    first: dict[object, PolicyTest] = {}
    for test in policy.tests:
        same = first.setdefault(test.says, test)
        if same is not test:
            problems.warning(
                "policy.duplicate-test",
                f"the test `{test.name}` shows what `{same.name}` shows",
                test.location,
                "take one of them out, or give it other facts",
                [(same.location, "the first one")],
            )


def _report_untested(policy: Policy, verdicts: list[Verdicted], problems: Problems) -> None:
    """Warn about rules that no test reaches; a policy without any tests has been told by nobody that it has them."""
    reached = {verdict.came.rule.name for verdict in verdicts if verdict.came.rule is not None}
    missed = [rule for rule in policy.rules if rule.name not in reached]
    if policy.tests and missed:
        names = ", ".join(f"`{rule.name}`" for rule in missed[:_NAMED])
        more = f" and {len(missed) - _NAMED} more" if len(missed) > _NAMED else ""
        problems.warning(
            "policy.untested-rule",
            f"no test reaches {names}{more}",
            missed[0].location,
            "add a test whose request each of them should decide; `routebook test --suggest` writes some",
        )
