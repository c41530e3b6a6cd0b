"""Outcomes in words, as `explain` says them."""

from __future__ import annotations

import pytest

from routebook.documents.quantities import NANO
from routebook.routing.outcomes import Caps, Outcome, Pick, Refuse, Reuse, Route, Split, Within
from routebook.routing.telling.wording import PICKS, outcome_in_words


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        (Route(("requested",)), "route to what was asked for"),
        (Route(("a", "b")), "route to a and b, in this order"),
        (
            Route(
                ("a",),
                Pick.CHEAPEST,
                within=Within(
                    cost=NANO // 20,
                    regions=frozenset({"us", "eu"}),
                    quality=0.5,
                    first_token=0.8,
                    labels={"tier": "gold"},
                ),
            ),
            (
                "route to a, the cheapest first, for at most $0.05, with a first token within 800 ms, with a quality of at least "
                "0.5, in eu or us, with tier gold"
            ),
        ),
        (
            Route(("a", "b", "c"), Pick.WEIGHTED, {"a": 3, "b": 1}),
            "route to a, b and c, drawn by weight, weighing a 3 and b 1",
        ),
        (
            Route(("a", "requested"), split=Split((("a", 50_000), ("requested", 950_000)))),
            (
                "route to a and what was asked for, in this order, 5 % to a and 95 % to what was asked for, "
                "each client always to the same"
            ),
        ),
        (
            Route(("a",), caps=Caps(4000, 0.5, "low")),
            "route to a, answering 4k tokens at most, at temperature 0.5, thinking with effort low",
        ),
        (
            Route(("a",), stick=1800.0, cache=Reuse(600.0)),
            (
                "route to a, each conversation staying where it is for 30 min, using an answer again for the same client "
                "for 10 min"
            ),
        ),
        (Route(("a",), cache=Reuse(60.0, shared=True)), "route to a, using an answer again for everybody for 60 s"),
        (Refuse(451, "not here", "nope"), "refuse with status 451, `nope`: not here"),
    ],
)
def test_an_outcome_in_words(outcome: Outcome, words: str) -> None:
    """One line, every term that was written, none that was not."""
    assert outcome_in_words(outcome) == words


def test_every_way_to_pick_has_words() -> None:
    """A new way cannot be forgotten."""
    assert set(PICKS) == set(Pick)
