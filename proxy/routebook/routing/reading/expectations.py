"""What a test expects: the rule, who serves or why not, and what that may cost."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from routebook.documents.names import read_reference
from routebook.documents.nodes import Mapping as MappingNode
from routebook.documents.nodes import Node, Scalar
from routebook.documents.problems import Problems
from routebook.documents.quantities import Unit, parse_quantity
from routebook.documents.reading import (
    FALSE,
    TRUE,
    Fields,
    kind_of,
    read_flag,
    read_list,
    read_quantity,
    read_text,
    read_word,
)
from routebook.routing.cases.case import Bound, Expectation
from routebook.routing.reasons import REASONS

EXPECT_KEYS = {
    "rule": "the rule that decides",
    "model": "the model that is tried first",
    "refuse": "`true`, `false`, or the status with which the request is refused, perhaps with the code",
    "order": "all models that may serve, in the order in which they are tried",
    "dropped": "models that may not serve, each with the code of the reason",
    "cost": "what the model that is tried first costs at most",
    "holds": "what is held of budgets, by their names, while it serves",
}
"""The keys of `expect`, with what they mean."""

REFUSE_KEYS = {"status": "the status, 400 to 599", "code": "the code that the client is told"}
"""The keys of `refuse` where it is more than a status."""

BOUND_KEYS = {"at_most": "the amount or less", "at_least": "the amount or more"}
"""The keys of a bound; an amount alone is the most."""

DROPS = tuple(code for code in REASONS if not code.startswith("kept"))
"""Codes of reasons for which a model may be dropped."""


@dataclass(frozen=True, slots=True)
class Expectable:
    """What tests of a policy may name: its rules and models, and its budgets with their units."""

    rules: Collection[str]
    models: Collection[str]
    budgets: Mapping[str, Unit]
    budget_names: Collection[str]
    """With those that could not be read."""


def read_expectation(fields: Fields, known: Expectable) -> Expectation:
    """The `expect` of a test; a problem where it expects nothing."""
    node = fields.node("expect")
    inner = None if node is None else Fields.of(node, EXPECT_KEYS, fields.problems, "`expect`")
    if node is None or inner is None:
        return Expectation()
    if not inner.mapping.entries:
        fields.problems.error(
            "policy.empty-test",
            "the test expects nothing",
            node.location,
            "say which `rule` decides, which `model` is tried first, or `refuse: true`",
        )
    rule_node = inner.node("rule")
    rule = (
        None
        if rule_node is None
        else read_reference(rule_node, known.rules, fields.problems, "policy.unknown-rule", "a rule of this policy")
    )
    refuse, code = _read_refuse(inner)
    model_node, order_node, cost_node = inner.node("model"), inner.node("order"), inner.node("cost")
    return Expectation(
        rule,
        None if model_node is None else _read_model(model_node, known, fields.problems),
        refuse,
        code,
        None if order_node is None else _read_order(order_node, known, fields.problems),
        tuple(_read_dropped(inner, known)),
        None if cost_node is None else _read_bound(cost_node, Unit.MONEY, fields.problems, "`cost`"),
        tuple(_read_holds(inner, known)),
    )


def _read_model(node: Node, known: Expectable, problems: Problems) -> str | None:
    return read_reference(node, known.models, problems, "policy.unknown-model", "a model of this policy")


def _read_order(node: Node, known: Expectable, problems: Problems) -> tuple[str, ...]:
    names = [_read_model(item, known, problems) for item in read_list(node, problems, "a list of models")]
    return tuple(name for name in names if name is not None)


def _read_dropped(fields: Fields, known: Expectable) -> Iterator[tuple[str, frozenset[str]]]:
    for key, node in fields.named("dropped", "a mapping of models to the codes of reasons"):
        name = _read_model(key, known, fields.problems)
        items = read_list(node, fields.problems, "the code of a reason, or several")
        codes = [read_word(item, DROPS, fields.problems, "the code of a reason") for item in items]
        if name is not None and codes:
            yield name, frozenset(code for code in codes if code is not None)


def _read_holds(fields: Fields, known: Expectable) -> Iterator[tuple[str, Bound]]:
    for key, node in fields.named("holds", "a mapping of budgets to amounts"):
        name = read_reference(
            key, known.budget_names, fields.problems, "policy.unknown-budget", "a budget of this policy"
        )
        unit = known.budgets.get(name or "")
        bound = None if unit is None else _read_bound(node, unit, fields.problems, f"what is held of `{name}`")
        if name is not None and bound is not None:
            yield name, bound


def _read_bound(node: Node, unit: Unit, problems: Problems, what: str) -> Bound | None:
    if not isinstance(node, MappingNode):
        amount = read_quantity(node, unit, problems)
        return None if amount is None else Bound(at_most=int(amount))
    fields = Fields.of(node, BOUND_KEYS, problems, what)
    if fields is None:
        return None
    if not node.entries:
        problems.error("policy.empty-test", f"nothing is expected of {what}", node.location, "write `at_most: AMOUNT`")
    least, most = fields.quantity("at_least", unit), fields.quantity("at_most", unit)
    return Bound(None if most is None else int(most), None if least is None else int(least))


def _read_refuse(fields: Fields) -> tuple[int | bool | None, str | None]:
    node = fields.node("refuse")
    if node is None:
        return None, None
    if not isinstance(node, MappingNode):
        return _read_status(node, fields.problems), None
    inner = Fields.of(node, REFUSE_KEYS, fields.problems, "`refuse`")
    if inner is None:
        return None, None
    status_node, code_node = inner.node("status"), inner.node("code")
    status = True if status_node is None else _read_status(status_node, fields.problems)
    return status, None if code_node is None else read_text(code_node, fields.problems, "a code")


def _read_status(node: Node, problems: Problems) -> int | bool | None:
    if isinstance(node, Scalar) and node.text in (*TRUE, *FALSE):
        return read_flag(node, problems)
    status = parse_quantity(node.text, Unit.COUNT) if isinstance(node, Scalar) else None
    if status is not None and 400 <= status <= 599:
        return int(status)
    problems.error(
        "document.wrong-type",
        f"expected whether it is refused, found {kind_of(node)}",
        node.location,
        "write `true`, `false`, or the status, 400 to 599",
    )
    return None
