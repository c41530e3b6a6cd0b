"""Rules that can never decide: found where it is certain, never claimed where it is not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routebook.documents.problems import Location, Problems
from routebook.documents.quantities import Unit
from routebook.policy.conditions import ALWAYS, AllOf, AnyOf, Condition, Named, holds
from routebook.policy.coverage import always_holds, covered_rules, covers
from routebook.policy.facts import CostClass, FactSpec, FactTable, FactType, Value
from routebook.policy.reading import read_condition
from routebook.policy.rules import Rule
from tests.support.authored import node

TABLE = FactTable(
    (
        FactSpec("size", FactType.NUMBER, CostClass.GIVEN, "how large", Unit.TOKENS),
        FactSpec("plan", FactType.TEXT, CostClass.GIVEN, "which plan"),
        FactSpec("tags", FactType.SET, CostClass.GIVEN, "what was said about it"),
        FactSpec("urgent", FactType.FLAG, CostClass.GIVEN, "whether it is urgent"),
    )
)


def condition(text: str) -> Condition:
    problems = Problems()
    found = read_condition(node(text), TABLE, {}, problems)
    assert not problems.found, problems.found
    return found


def rules(*texts: str) -> list[Rule[str]]:
    return [
        Rule(f"r{number}", ALWAYS if text == "always" else condition(text), "go", Location("p", number, 1))
        for number, text in enumerate(texts)
    ]


def covered(*texts: str) -> list[tuple[str, str]]:
    return [(rule.name, cover.name) for rule, cover in covered_rules(rules(*texts), TABLE)]


@pytest.mark.parametrize(
    ("wide", "narrow"),
    [
        ("{plan: free}", "{plan: free}"),
        ("{plan: [free, pro]}", "{plan: free}"),
        ("{plan: free}", "{plan: free, urgent: true}"),
        ("{plan: {prefix: fr}}", "{plan: [free, frugal]}"),
        ("{plan: {not: pro}}", "{plan: free}"),
        ("{size: {at_least: 10}}", "{size: {between: [20, 30]}}"),
        ("{size: {above: 10}}", "{size: {at_least: 10, not: 10}}"),
        ("{tags: {any: [a, b]}}", "{tags: {any: [a]}}"),
        ("{tags: {any: [a, b]}}", "{tags: {all: [a, c]}}"),
        ("{tags: {all: [a]}}", "{tags: {all: [a, b]}}"),
        ("{plan: {known: true}}", "{plan: free}"),
        ("{any_of: [{plan: free}, {urgent: true}]}", "{urgent: true, size: 3}"),
        ("{any_of: [{plan: free}, {plan: pro}]}", "{any_of: [{plan: pro}, {plan: free}]}"),
        ("{plan: [free, pro]}", "{any_of: [{plan: pro}, {plan: free}]}"),
        ("{size: {at_least: 10, missing: holds}}", "{size: {at_least: 10}}"),
    ],
)
def test_a_wider_condition_covers_a_narrower_one(wide: str, narrow: str) -> None:
    """Whatever meets the narrow one meets the wide one; the other way round nothing is claimed unless it is so."""
    assert covers(condition(wide), condition(narrow), TABLE)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("{plan: free}", "{plan: pro}"),
        ("{plan: free}", "{urgent: true}"),
        ("{plan: free, urgent: true}", "{plan: free}"),
        ("{size: {at_least: 10}}", "{size: {at_least: 9}}"),
        ("{size: {at_least: 10}}", "{size: {at_least: 10, missing: holds}}"),
        ("{plan: {known: true}}", "{plan: {prefix: a, missing: holds}}"),
        ("{plan: {known: false}}", "{plan: free}"),
        ("{tags: {all: [a, b]}}", "{tags: {any: [a, b]}}"),
        ("{any_of: [{plan: free}, {urgent: true}]}", "{size: 3}"),
        ("{plan: {glob: 'a*'}}", "{plan: {glob: '*b'}}"),
    ],
)
def test_what_does_not_cover_is_not_claimed_to(first: str, second: str) -> None:
    """A rule must not be called unreachable while some request reaches it."""
    assert not covers(condition(first), condition(second), TABLE)


def test_a_rule_behind_one_that_always_matches_is_covered_by_it() -> None:
    """Every rule after a catch-all is dead, and it is named as the reason."""
    assert covered("{plan: free}", "always", "{plan: pro}", "always") == [("r2", "r1"), ("r3", "r1")]


def test_the_first_rule_that_covers_is_named() -> None:
    """One reason for each dead rule: the rule its requests meet first."""
    assert covered("{plan: [a, b]}", "{plan: a}", "{plan: a, urgent: true}", "always") == [("r1", "r0"), ("r2", "r0")]


def test_named_conditions_and_empty_ones() -> None:
    """A name stands for what it names; an alternative of nothing holds never, a conjunction of nothing always."""
    free = condition("{plan: free}")
    assert covers(Named("cheap", free), free, TABLE) and covers(free, Named("cheap", free), TABLE)
    assert always_holds(ALWAYS) and always_holds(AnyOf((free, ALWAYS))) and always_holds(Named("all", ALWAYS))
    assert not always_holds(AnyOf(())) and not always_holds(AllOf((ALWAYS, free)))


PIECES = [
    "{plan: free}",
    "{plan: [free, pro]}",
    "{plan: {not: free}}",
    "{plan: {prefix: f, missing: holds}}",
    "{plan: {known: false}}",
    "{plan: {known: true}}",
    "{size: {at_least: 10}}",
    "{size: {below: 20}}",
    "{size: {between: [5, 15], missing: holds}}",
    "{tags: {any: [a, b]}}",
    "{tags: {all: [a]}}",
    "{tags: {none: [a]}}",
    "{tags: {all: [a, b]}}",
    "{urgent: true}",
    "{urgent: {not: true}}",
]

CONDITIONS: st.SearchStrategy[Condition] = st.recursive(
    st.sampled_from([condition(text) for text in PIECES]),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda parts: AllOf(tuple(parts))),
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: AnyOf(tuple(parts))),
    ),
    max_leaves=5,
)


def sheets() -> Iterator[dict[str, Value]]:
    """Sheets of facts around every place where the pieces turn, missing ones included."""
    for plan in (None, "free", "pro", "fig"):
        for size in (None, 4, 5, 9, 10, 15, 16, 20):
            for tags in (None, frozenset[str](), frozenset("a"), frozenset("b"), frozenset("ab")):
                for urgent in (None, True, False):
                    sheet = {"plan": plan, "size": size, "tags": tags, "urgent": urgent}
                    yield {fact: value for fact, value in sheet.items() if value is not None}


SHEETS = list(sheets())


@settings(max_examples=200, deadline=None)
@given(CONDITIONS, CONDITIONS)
def test_a_claim_is_never_wrong(wide: Condition, narrow: Condition) -> None:
    """Where one condition is said to cover another, no sheet of facts meets the second and not the first."""
    if covers(wide, narrow, TABLE):
        for sheet in SHEETS:
            assert not holds(narrow, sheet.get) or holds(wide, sheet.get), sheet
