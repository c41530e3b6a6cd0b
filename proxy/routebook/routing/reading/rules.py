"""The `rules` section: a name, a condition and exactly one outcome each."""

from __future__ import annotations

from collections.abc import Iterable

from routebook.documents.names import check_name
from routebook.documents.nodes import Node, Scalar
from routebook.documents.problems import Location
from routebook.documents.reading import Fields
from routebook.policy.conditions import ALWAYS, AnyOf, Condition
from routebook.policy.rules import Rule
from routebook.routing.outcomes import Outcome, Refuse
from routebook.routing.reading.outcomes import Targets, read_refusal, read_route
from routebook.routing.reading.terms import Terms

RULE_KEYS = {
    "name": "the rule's name, in records and headers",
    "when": "the conditions that must all hold (default: it always matches)",
    "route": "send the request to the first of these models that can serve it",
    "refuse": "answer with an error of your own wording",
}
"""The keys of one rule, with what they mean."""


UNCLEAR = AnyOf(())
"""The condition of a rule whose own cannot be read: it holds for nothing, so the rule covers no other."""


def read_rules(items: Iterable[Node], terms: Terms, targets: Targets) -> tuple[Rule[Outcome], ...]:
    """The rules in order. A rule whose outcome cannot be read stands as a refusal, so that the others are checked."""
    rules: list[Rule[Outcome]] = []
    first: dict[str, Location] = {}
    for item in items:
        before = len(terms.problems.found)
        fields = Fields.of(item, RULE_KEYS, terms.problems, "a rule", ("name",))
        is_clear = len(terms.problems.found) == before
        if fields is None:
            continue
        name, place = _read_name(fields)
        if name in first:
            terms.problems.error(
                "document.duplicate-name",
                f"two rules are named `{name}`",
                place,
                "records name the rule that decided; choose another name",
                [(first[name], "the first one")],
            )
        if name:
            first.setdefault(name, place)
        rules.append(Rule(name, _read_when(fields, terms, is_clear), _read_outcome(fields, name, targets), place))
    return tuple(rules)


def _read_when(fields: Fields, terms: Terms, is_clear: bool) -> Condition:
    """The rule's condition; one that cannot be read covers no other rule, so it stands as one that never holds.

    The same goes for a rule without one while its keys are not clear: `wehn` may be what the author meant.
    """
    node = fields.node("when")
    errors = len(terms.problems.found)
    condition = ALWAYS if node is None else terms.condition(node)
    if node is None and not is_clear and any(key.text not in RULE_KEYS for key, _ in fields.mapping):
        return UNCLEAR
    return condition if len(terms.problems.found) == errors else UNCLEAR


def _read_name(fields: Fields) -> tuple[str, Location]:
    node = fields.node("name")
    if isinstance(node, Scalar) and not node.is_null:
        check_name(node, fields.problems, "a rule")
        return node.text, node.location
    if node is not None:
        fields.text("name")
    return "", fields.location


def _read_outcome(fields: Fields, name: str, targets: Targets) -> Outcome:
    route, refuse = fields.node("route"), fields.node("refuse")
    if route is not None and refuse is not None:
        fields.problems.error(
            "policy.two-outcomes",
            f"{_called(name)} both routes and refuses",
            refuse.location,
            "keep one of them",
            [(route.location, "the other one")],
        )
    if route is not None:
        return read_route(route, targets, fields.problems) or Refuse()
    if refuse is not None:
        return read_refusal(refuse, fields.problems)
    fields.problems.error(
        "policy.no-outcome",
        f"{_called(name)} does not say what to do",
        fields.location,
        "add `route: {to: [...]}` or `refuse: {status: 403}`",
    )
    return Refuse()


def _called(name: str) -> str:
    return f"the rule `{name}`" if name else "this rule"
