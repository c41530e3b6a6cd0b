"""Budgets, as written in a policy."""

from __future__ import annotations

import pytest

from routebook.documents.problems import Problems
from routebook.documents.quantities import NANO, Unit
from routebook.ledger.budgets import Budget, Limit
from routebook.ledger.reading import read_budgets, read_limits
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


@pytest.mark.parametrize(
    ("written", "allowance"), [("deny", None), ("{allowance: $2}", 2 * NANO), ("{allowance: $5}", 5 * NANO)]
)
def test_a_budget_says_what_holds_without_the_store(written: str, allowance: int | None) -> None:
    """Nothing may be drawn, or so much on each host; the first where nothing is said."""
    budgets, problems = read(f"a: {{limit: $5, window: day, on_store_down: {written}}}\nb: {{limit: $5, window: day}}")
    assert not problems.found
    assert (budgets["a"].allowance, budgets["b"].allowance) == (allowance, None)


def read_some_limits(text: str) -> tuple[dict[str, Limit], Problems]:
    problems = Problems()
    return read_limits(entries(text), TABLE, lambda node: SOME, problems), problems


def test_limits_of_rates_and_of_requests_at_the_same_time() -> None:
    """Each for whom it counts, with who may wait; a queue has places and an end unless it says otherwise."""
    limits, problems = read_some_limits("""
each: {requests_per_minute: 60, tokens_per_minute: 90k, concurrent: 4, per: client, when: {tags: {any: [x]}}}
all: {concurrent: 40, queue: {places: 20, wait: 500ms}}
some: {concurrent: 40, queue: {}}
""")
    assert not problems.found
    each, everybody, others = limits["each"], limits["all"], limits["some"]
    assert (each.requests_per_minute, each.tokens_per_minute, each.concurrent) == (60, 90_000, 4)
    assert (each.per, each.when, each.places, each.wait) == ("client.name", SOME, 0, 0.0)
    assert (everybody.per, everybody.when, everybody.places, everybody.wait) == (None, ALWAYS, 20, 0.5)
    assert (others.places, others.wait) == (50, 5.0)


def test_every_slip_in_limits_is_found_at_once() -> None:
    """Each with its place; near names are suggested."""
    problems = read_some_limits("""
a: {concurent: 4, per: clint}
b: {tokens_per_minute: 1kB, queue: {places: 0}}
account: {concurrent: 1}
c: 5
""")[1]
    assert lines(problems) == [
        "2:1 ledger.no-limit `a` limits nothing",
        "2:5 document.unknown-key unknown key `concurent` in a limit",
        "2:24 ledger.unknown-scope `clint` is nothing that a limit can count by",
        "3:24 document.wrong-unit `1kB` is not a number of tokens",
        "3:45 document.out-of-range `0` is out of range",
        "4:1 document.reserved-name `account` cannot name a limit",
        "5:4 document.wrong-type expected a limit (a mapping), found `5`",
    ]
    assert hints(problems)[1:3] == ["did you mean `concurrent`?", "did you mean `client`?"]
