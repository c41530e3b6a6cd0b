"""What a client may say to narrow its own request."""

from __future__ import annotations

import pytest

from routebook.routing.constraints import read_within
from routebook.routing.outcomes import UNCONSTRAINED, Within


@pytest.mark.parametrize(
    ("text", "within"),
    [
        (None, UNCONSTRAINED),
        ("", UNCONSTRAINED),
        ("cost=$0.01", Within(cost=10_000_000)),
        (" cost = $0.01 , first_token = 300ms ", Within(cost=10_000_000, first_token=0.3)),
        ("quality=0.7,region=eu|ch", Within(quality=0.7, regions=frozenset({"eu", "ch"}))),
    ],
)
def test_constraints_in_the_units_of_the_language(text: str | None, within: Within) -> None:
    """As rules write them."""
    assert read_within(text) == within


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("cost", "a constraint is one of"),
        ("price=$1", "a constraint is one of"),
        ("cost=", "a constraint is one of"),
        ("cost=0.01", "`cost` is written as `$0.05` or `$500`"),
        ("cost=$1,cost=$2", "`cost` is said twice"),
        ("first_token=300", "`first_token` is written as"),
        ("quality=good", "`quality` is written as"),
        ("cost=-$1", "`cost` is written as"),
        (",", "a constraint is one of"),
        ("x" * 501, "more than 500"),
    ],
)
def test_what_is_not_understood_is_refused(text: str, words: str) -> None:
    """A constraint that were passed over would be a promise broken."""
    with pytest.raises(ValueError, match=".") as caught:
        read_within(text)
    assert words in str(caught.value)
