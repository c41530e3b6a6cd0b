"""Which models a guarantee speaks of, and when it holds."""

from __future__ import annotations

import pytest

from routebook.documents.problems import Location
from routebook.policy.conditions import AllOf, AnyOf, Condition, HasAny, Named, Not, OneOf, holds
from routebook.policy.conditions import Test as Ask
from routebook.routing.facts import GivenFacts
from routebook.routing.policy import Reach
from routebook.routing.reach import label_of, may_hold, reaches
from tests.support.routes import policy

PLACE = Location("p", 1, 1)
ALL = ["large", "small", "house", "unpriced", "vectors"]


@pytest.mark.parametrize(
    ("reach", "models"),
    [
        (Reach(), ALL),
        (Reach(models=frozenset({"large"})), ["large"]),
        (Reach(providers=frozenset({"home"})), ["house", "unpriced"]),
        (Reach(regions=frozenset({"eu"})), ["house", "unpriced"]),
        (Reach(labels={"tier": frozenset({"gold"})}), ["large", "small", "vectors"]),
        (Reach(labels={"tier": frozenset({"gold", "bronze"})}), ["large", "small", "house", "vectors"]),
        (Reach(capabilities=frozenset({"tools", "vision"})), ["large"]),
        (Reach(price_at_most=1_000_000_000), ["small", "house", "vectors"]),
        (Reach(regions=frozenset({"us"}), capabilities=frozenset({"tools"})), ["large", "small"]),
    ],
)
def test_what_a_model_declares_decides_whether_it_is_meant(reach: Reach, models: list[str]) -> None:
    """All attributes that are given must match; a model without a price is not known to be cheap."""
    assert [model.name for model in policy().catalogue.models.values() if reaches(reach, model)] == models


def test_a_models_own_label_stands_before_its_providers() -> None:
    """As for every default."""
    models = policy().catalogue.models
    assert [label_of(models[name], "tier") for name in ("large", "house", "unpriced")] == ["gold", "bronze", None]


def asks(fact: str, word: str, negated: bool = False, missing: bool = False) -> Condition:
    """A test of a text."""
    found = OneOf(frozenset({word}))
    return Ask(fact, Not(found) if negated else found, "", PLACE, missing)


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (asks("client.team", "x"), True),
        (asks("client.team", "x", negated=True), True),
        (AllOf((asks("client.team", "x"), asks("client.name", "bob"))), True),
        (AllOf((asks("client.team", "x"), asks("client.name", "eve"))), False),
        (AnyOf((asks("client.team", "x"), asks("client.name", "eve"))), True),
        (AnyOf((asks("client.name", "eve"),)), False),
        (Named("n", asks("client.team", "x")), True),
        (Ask("client.team", None, "", PLACE, known=True), False),
        (Ask("client.team", None, "", PLACE, known=False), True),
        (Ask("tags", HasAny(frozenset({"a"})), "", PLACE), False),
        (AllOf(()), True),
    ],
)
def test_a_guarantee_applies_where_a_fact_is_missing(condition: Condition, expected: bool) -> None:
    """The team is not known here; the name and the tags are. What is not known must not lift a guarantee."""
    assert may_hold(condition, GivenFacts({"client.name": "bob", "tags": frozenset({"b"})})) is expected


def test_where_every_fact_is_known_it_means_the_same_as_in_a_rule() -> None:
    """Only what is missing makes a difference."""
    given = GivenFacts({"client.team": "x", "client.name": "bob"})
    for condition in (asks("client.team", "x"), asks("client.team", "y"), asks("client.team", "x", negated=True)):
        assert may_hold(condition, given) is holds(condition, given)
