"""Budgets, as written in a policy."""

from __future__ import annotations

import pytest

from routebook.documents.problems import Problems
from routebook.documents.quantities import NANO, Unit
from routebook.ledger.budgets import Budget
from routebook.ledger.reading import read_budgets
from routebook.policy.conditions import ALWAYS, AllOf
from routebook.policy.facts import CostClass, FactSpec, FactTable, FactType
from tests.support.authored import codes, entries, hints, lines

TABLE = FactTable(
    (
        FactSpec("client.name", FactType.TEXT, CostClass.GIVEN, "who"),
        FactSpec("client.team", FactType.TEXT, CostClass.GIVEN, "of which team"),
        FactSpec("client.label.NAME", FactType.TEXT, CostClass.GIVEN, "a label"),
        FactSpec("tags", FactType.SET, CostClass.GIVEN, "tags"),
    )
)
SOME = AllOf((ALWAYS,))


def read(text: str) -> tuple[dict[str, Budget], Problems]:
    problems = Problems()
    return read_budgets(entries(text), TABLE, lambda node: SOME, problems), problems


@pytest.mark.parametrize(
    ("written", "limit", "unit"),
    [
        ("$500", 500 * NANO, Unit.MONEY),
        ("$0.50", NANO // 2, Unit.MONEY),
        ("20M tokens", 20_000_000, Unit.TOKENS),
        ("1k tokens", 1000, Unit.TOKENS),
        ("1000 requests", 1000, Unit.COUNT),
        ("1 request", 1, Unit.COUNT),
    ],
)
def test_a_limit_says_how_much_of_what(written: str, limit: int, unit: Unit) -> None:
    """Money, tokens or requests, each in its own integer."""
    budget = read(f"b: {{limit: {written}, window: month}}")[0]["b"]
    assert (budget.limit, budget.unit) == (limit, unit)


@pytest.mark.parametrize("written", ["500", "20M", "$0", "0 tokens", "-5 requests", "five dollars", "500 EUR"])
def test_a_limit_without_a_unit_is_no_limit(written: str) -> None:
    """A bare number could be dollars or tokens, and nothing is not a limit."""
    assert codes(read(f"b: {{limit: {written}, window: month}}")[1]) == ["ledger.bad-limit"]


def test_windows_of_the_calendar_and_rolling_ones() -> None:
    """A word is a window of the calendar, a duration one that rolls."""
    budgets, problems = read("a: {limit: $5, window: month, zone: Europe/Berlin}\nb: {limit: $5, window: 24h}")
    assert not problems.found
    assert (budgets["a"].window, budgets["a"].rolling, budgets["a"].zone) == ("month", None, "Europe/Berlin")
    assert (budgets["b"].window, budgets["b"].rolling, budgets["b"].zone) == (None, 86400.0, "UTC")


@pytest.mark.parametrize(
    ("written", "fact"),
    [
        ("client", "client.name"),
        ("team", "client.team"),
        ("client.team", "client.team"),
        ("tag", "tags"),
        ("label.tier", "client.label.tier"),
        ("client.label.tier", "client.label.tier"),
        ("model", "model"),
        ("provider", "provider"),
    ],
)
def test_a_budget_counts_for_each(written: str, fact: str) -> None:
    """Short words stand for facts; the served model and its provider are no facts but may be counted by."""
    assert read(f"b: {{limit: $5, window: day, per: {written}}}")[0]["b"].per == fact


def test_every_slip_in_budgets_is_found_at_once() -> None:
    """Each with its place; near names are suggested."""
    problems = read("""
a: {limit: $5, window: mnth, per: temm, zone: Europe/Berlni}
b: {limt: $5}
c: 5
""")[1]
    assert lines(problems) == [
        "2:24 ledger.bad-window `mnth` is not a window",
        "2:35 ledger.unknown-scope `temm` is nothing that a budget can count by",
        "2:47 policy.unknown-zone unknown time zone `Europe/Berlni`",
        "3:4 document.missing-key a budget needs `limit`",
        "3:4 document.missing-key a budget needs `window`",
        "3:5 document.unknown-key unknown key `limt` in a budget",
        "4:4 document.wrong-type expected a budget (a mapping), found `5`",
    ]
    assert hints(problems)[:3] == ["did you mean `month`?", "did you mean `team`?", "did you mean `Europe/Berlin`?"]


def test_a_budget_counts_requests_that_meet_its_condition() -> None:
    """Without `when` it counts all."""
    budgets, _ = read("a: {limit: $5, window: day, when: {tags: {any: [x]}}}\nb: {limit: $5, window: day}")
    assert budgets["a"].when is SOME and budgets["b"].when is ALWAYS
