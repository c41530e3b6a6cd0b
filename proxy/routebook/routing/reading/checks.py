"""What holds of a policy as a whole: it has rules, every route can serve, what is declared is in force."""

from __future__ import annotations

from collections.abc import Sequence

from routebook.catalogue.models import Catalogue
from routebook.policy.rules import Rule
from routebook.routing.outcomes import Outcome
from routebook.routing.reading.in_force import report_no_resampling, report_not_in_force
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
    report_routes_to_nowhere(rules, catalogue, problems)
    report_not_in_force(sections, rules)
    report_no_resampling(rules, catalogue, problems)
