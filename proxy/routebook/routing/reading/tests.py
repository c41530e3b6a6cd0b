"""The `tests` section: requests given by their facts, and what the policy must decide."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from routebook.documents.names import read_reference, suggestion
from routebook.documents.nodes import Node, Scalar
from routebook.documents.problems import Location, Problems
from routebook.documents.quantities import Unit, parse_quantity
from routebook.documents.reading import FALSE, TRUE, Fields, kind_of, read_flag, read_texts
from routebook.policy.facts import FactTable, FactType, Value
from routebook.policy.reading import parse_given
from routebook.routing.policy import Expectation, PolicyTest

TEST_KEYS = {
    "name": "what the test shows, in a sentence",
    "given": "the facts of a request; those not given are missing",
    "expect": "what must come out",
}
"""The keys of one policy test, with what they mean."""

EXPECT_KEYS = {
    "rule": "the rule that decides",
    "model": "the model that is tried first",
    "refuse": "`true`, or the status with which the request is refused",
}
"""The keys of `expect`, with what they mean."""


def read_tests(
    items: Iterable[Node], table: FactTable, rules: Collection[str], models: Collection[str], problems: Problems
) -> tuple[PolicyTest, ...]:
    """The policy tests in order; `rules` and `models` are the names that they may expect."""
    tests: list[PolicyTest] = []
    first: dict[str, Location] = {}
    for item in items:
        fields = Fields.of(item, TEST_KEYS, problems, "a test", ("name", "expect"))
        if fields is None:
            continue
        name, node = fields.text("name", "") or "", fields.node("name")
        place = fields.location if node is None else node.location
        if name and name in first:
            problems.error(
                "document.duplicate-name",
                f"two tests are named `{name}`",
                place,
                related=[(first[name], "the first one")],
            )
        first.setdefault(name, place)
        given = _read_given(fields, table)
        tests.append(PolicyTest(name, given, _read_expectation(fields, rules, models), place))
    return tuple(tests)


def _read_given(fields: Fields, table: FactTable) -> dict[str, Value]:
    given: dict[str, Value] = {}
    for key, node in fields.named("given", "a mapping of facts"):
        spec = table.find(key.text)
        if spec is None:
            fields.problems.error(
                "policy.unknown-fact",
                f"unknown fact `{key.text}`",
                key.location,
                suggestion(key.text, [each.name for each in table]),
            )
            continue
        if spec.type is FactType.SET:
            text = ",".join(read_texts(node, fields.problems))
        elif isinstance(node, Scalar):
            text = node.text
        else:
            fields.problems.error("document.wrong-type", f"`{key.text}` is one value", node.location)
            continue
        try:
            name, value = parse_given(f"{key.text}={text}", table)
            given[name] = value
        except ValueError as error:
            fields.problems.error("policy.wrong-value", str(error), node.location)
    return given


def _read_expectation(fields: Fields, rules: Collection[str], models: Collection[str]) -> Expectation:
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
    rule_node, model_node = inner.node("rule"), inner.node("model")
    rule = (
        None
        if rule_node is None
        else read_reference(rule_node, rules, fields.problems, "policy.unknown-rule", "a rule of this policy")
    )
    model = (
        None
        if model_node is None
        else read_reference(model_node, models, fields.problems, "policy.unknown-model", "a model of this policy")
    )
    return Expectation(rule, model, _read_refuse(inner))


def _read_refuse(fields: Fields) -> int | bool | None:
    node = fields.node("refuse")
    if node is None:
        return None
    if isinstance(node, Scalar) and node.text in (*TRUE, *FALSE):
        return read_flag(node, fields.problems)
    status = parse_quantity(node.text, Unit.COUNT) if isinstance(node, Scalar) else None
    if status is not None and 400 <= status <= 599:
        return int(status)
    fields.problems.error(
        "document.wrong-type",
        f"expected whether it is refused, found {kind_of(node)}",
        node.location,
        "write `true`, `false`, or the status, 400 to 599",
    )
    return None
