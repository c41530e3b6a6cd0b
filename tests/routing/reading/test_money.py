"""What is said of budgets that serve nobody, or few; and that nothing is said where all is well."""

from __future__ import annotations

import pytest

from routebook.routing.reading.loading import load_sources
from tests.support.authored import codes

POLICY = """\
version: 1
providers:
  one: {dialect: openai, base_url: https://one.example/v1, accounts: [{name: a}]}
models:
  small: {provider: one, price: {input: 1, output: 2}, max_output: 16k}
  bare: {provider: one}
  embed: {provider: one, operations: [embeddings], price: {input: 1}}
budgets: {all: BUDGET}
settings: SETTINGS
rules:
  - {name: some, when: {tags: {any: [x]}}, route: ROUTE}
  - {name: last, when: {request.operation: embeddings}, route: {to: embed}}
  - {name: no, refuse: {status: 403}}
"""
BOUNDED = "{default_max_output: 1k}"
NOTHING = "{}"


def said(budget: str, route: str = "{to: small}", settings: str = NOTHING) -> list[str]:
    text = POLICY.replace("BUDGET", budget).replace("ROUTE", route).replace("SETTINGS", settings)
    result = load_sources([("policy.yaml", text)])
    assert result.policy is not None, result.problems.errors
    return codes(result.problems)


@pytest.mark.parametrize(
    ("budget", "route", "settings", "expected"),
    [
        ("{limit: $1, window: day}", "{to: [small, bare]}", NOTHING, ["unpriced-model", "unbounded-answer"]),
        ("{limit: $1, window: day}", "{to: [small, bare]}", BOUNDED, ["unpriced-model"]),
        ("{limit: $1, window: day}", "{to: [small, bare], set: {max_output: 1k}}", NOTHING, ["unpriced-model"]),
        ("{limit: $1, window: day}", "{to: requested}", BOUNDED, ["unpriced-model"]),
        ("{limit: 1M tokens, window: day}", "{to: [small, bare]}", NOTHING, ["unbounded-answer"]),
        ("{limit: $0.01, window: day}", "{to: small}", NOTHING, ["budget-too-small"]),
        ("{limit: 1k tokens, window: day}", "{to: [bare, small]}", NOTHING, ["unbounded-answer", "budget-too-small"]),
    ],
)
def test_a_budget_that_does_not_do_what_it_seems_to_is_pointed_out(
    budget: str, route: str, settings: str, expected: list[str]
) -> None:
    """Once for each model, and once for the budget."""
    assert sorted(said(budget, route, settings)) == sorted(f"warning ledger.{code}" for code in expected)


@pytest.mark.parametrize(
    ("budget", "route", "settings"),
    [
        ("{limit: $1, window: day}", "{to: small}", NOTHING),
        ("{limit: 10 requests, window: day}", "{to: [small, bare]}", NOTHING),
        ("{limit: $0.01, window: day}", "{to: small}", BOUNDED),
        ("{limit: $0.01, window: day}", "{to: small, set: {max_output: 100}}", NOTHING),
        ("{limit: $0.001, window: day, when: {request.operation: embeddings}}", "{to: [small, bare]}", NOTHING),
        ("{limit: $0.01, window: day}", "{to: embed}", NOTHING),
    ],
)
def test_a_budget_that_serves_hears_nothing(budget: str, route: str, settings: str) -> None:
    """Where answers are bounded, where no rule sends it there, where the budget does not count it, or not by price."""
    assert said(budget, route, settings) == []
