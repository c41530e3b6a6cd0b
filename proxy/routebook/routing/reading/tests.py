"""The `tests` section: requests, by their facts or as clients send them, and what the policy must decide."""

from __future__ import annotations

from collections.abc import Iterable

from routebook.documents.names import suggestion
from routebook.documents.nodes import Node, Scalar
from routebook.documents.problems import Location
from routebook.documents.reading import Fields, read_texts
from routebook.policy.facts import FactType, Value
from routebook.policy.given import parse_given
from routebook.routing.cases.case import PolicyTest
from routebook.routing.cases.running import GIVEN_BESIDE
from routebook.routing.reading.expectations import Expectable, read_expectation
from routebook.routing.reading.requests import read_request
from routebook.routing.reading.terms import Terms

TEST_KEYS = {
    "name": "what the test shows, in a sentence",
    "given": "the facts of a request; those not given are missing",
    "request": "a request as a client sends it, in any dialect; `given` then says only what no request does",
    "expect": "what must come out",
    "suggested": "`true` where the program wrote the test: take the line out when you have confirmed it",
}
"""The keys of one policy test, with what they mean."""


def read_tests(items: Iterable[Node], terms: Terms, known: Expectable) -> tuple[PolicyTest, ...]:
    """The policy tests in order; `known` is what they may name."""
    tests: list[PolicyTest] = []
    first: dict[str, Location] = {}
    for item in items:
        fields = Fields.of(item, TEST_KEYS, terms.problems, "a test", ("name", "expect"))
        if fields is None:
            continue
        name, node = fields.text("name", "") or "", fields.node("name")
        place = fields.location if node is None else node.location
        if name and name in first:
            terms.problems.error(
                "document.duplicate-name",
                f"two tests are named `{name}`",
                place,
                related=[(first[name], "the first one")],
            )
        first.setdefault(name, place)
        given, request = _read_given(fields, terms), read_request(fields, terms)
        expect = read_expectation(fields, known)
        tests.append(PolicyTest(name, given, expect, place, request, fields.flag("suggested")))
    return tuple(tests)


def _read_given(fields: Fields, terms: Terms) -> dict[str, Value]:
    given: dict[str, Value] = {}
    is_sent = fields.node("request") is not None
    for key, node in fields.named("given", "a mapping of facts"):
        spec = terms.table.find(key.text)
        if spec is None:
            fields.problems.error(
                "policy.unknown-fact",
                f"unknown fact `{key.text}`",
                key.location,
                suggestion(key.text, [each.name for each in terms.table]),
            )
            continue
        if is_sent and not key.text.startswith(GIVEN_BESIDE):
            fields.problems.error(
                "policy.given-and-sent",
                f"the request itself says what `{key.text}` is",
                key.location,
                "beside a `request`, `given` holds times, budgets and what was measured of models",
            )
        terms.check_fact(key.text, key.location)
        if spec.type is FactType.SET:
            text = ",".join(read_texts(node, fields.problems))
        elif isinstance(node, Scalar):
            text = node.text
        else:
            fields.problems.error("document.wrong-type", f"`{key.text}` is one value", node.location)
            continue
        try:
            name, value = parse_given(f"{key.text}={text}", terms.table)
            given[name] = value
        except ValueError as error:
            fields.problems.error("policy.wrong-value", str(error), node.location)
    return given
