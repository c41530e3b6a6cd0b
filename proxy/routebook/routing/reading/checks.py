"""What holds of a policy as a whole: every request meets a rule, every rule can be met, every route can serve."""

from __future__ import annotations

from collections.abc import Sequence

from routebook.catalogue.models import Catalogue
from routebook.documents.problems import Problems
from routebook.policy.coverage import always_holds, covered_rules
from routebook.policy.facts import FactTable
from routebook.policy.rules import Rule
from routebook.routing.facts import FACTS
from routebook.routing.outcomes import Outcome
from routebook.routing.reading.in_force import report_not_in_force
from routebook.routing.reading.rules import UNCLEAR
from routebook.routing.reading.sections import Sections
from routebook.routing.reading.serving import report_routes_to_nowhere


def check_policy(sections: Sections, rules: Sequence[Rule[Outcome]], catalogue: Catalogue) -> None:
    """Add the problems of the policy as a whole to the sections' problems."""
    problems = sections.problems
    if sections.whole and not sections.items["rules"]:
        problems.error(
            "policy.no-rules",
            "the policy has no rules",
            sections.places.get("rules", sections.start),
            "the shortest policy ends with `- {name: everything-else, route: {to: requested}}`",
        )
    _check_gap(rules, problems)
    _check_covered(rules, FACTS, problems)
    report_routes_to_nowhere(rules, catalogue, problems)
    report_not_in_force(sections, rules, catalogue)


def _check_gap(rules: Sequence[Rule[Outcome]], problems: Problems) -> None:
    if rules and rules[-1].when != UNCLEAR and not any(always_holds(rule.when) for rule in rules):
        last = rules[-1]
        problems.error(
            "policy.gap",
            f"a request that meets no condition falls through the last rule `{last.name}`",
            last.location,
            "add a last rule without `when`, such as `- {name: everything-else, route: {to: requested}}`",
        )


def _check_covered(rules: Sequence[Rule[Outcome]], table: FactTable, problems: Problems) -> None:
    for rule, cover in covered_rules(rules, table):
        whole = always_holds(cover.when)
        problems.error(
            "policy.unreachable-rule",
            f"the rule `{rule.name}` can never decide",
            rule.location,
            f"`{cover.name}` before it matches {'every request' if whole else 'whatever this one matches'}",
            [(cover.location, "the rule that covers it")],
        )
