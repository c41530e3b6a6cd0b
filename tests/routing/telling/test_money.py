"""What was held and settled, in words."""

from __future__ import annotations

from typing import Any

import pytest

from routebook.routing.telling.explanation import explain_record
from routebook.routing.telling.money import amount_of, held_lines, pot_in_words, settled_lines
from routebook.routing.telling.rendering import as_text

DRAWS = [["budget/team-month/research", 0, 500_000_000, 500_000_000], ["tokens/batch/-", 0, 4_096, 900]]
REFUSED = {
    "model": "gpt-large",
    "account": "openai/main",
    "pot": "budget/team-month/research",
    "need": 2_000_000_000,
    "drawn": 499_000_000_000,
    "limit": 500_000_000_000,
    "retry_after": 600.0,
    "why": "exhausted",
}
RECORD: dict[str, Any] = {"hold": {"draws": DRAWS, "refused": [REFUSED]}}


def test_what_was_held_and_who_was_refused() -> None:
    """Each pot with its amount, and what a crash would book where that is something else."""
    assert list(held_lines(RECORD)) == [
        "held $0.50 of the budget `team-month` of research",
        "held 4,096 tokens of the budget `batch` (900 tokens should the process die)",
        (
            "gpt-large by openai/main was not allowed by the budget `team-month` of research: not enough is left; "
            "needs $2.00, $499.00 of $500.00 drawn, again after 10 min"
        ),
    ]
    assert list(held_lines({})) == []


def test_what_was_settled_and_what_went_back() -> None:
    """Against what was held at first, either way."""
    ending = {"settled": [["budget/team-month/research", 0, 125_000_000], ["tokens/batch/-", 0, 5_000]], "exceeded": 7}
    assert list(settled_lines(RECORD, ending)) == [
        "settled $0.125 of the budget `team-month` of research, $0.375 went back",
        "settled 5k tokens of the budget `batch`, 904 tokens more than was held at first",
        "the calls cost $0.000000007 more than was held for them",
    ]


def test_a_crash_says_what_was_booked() -> None:
    """Nobody knows what was used, and the text does not pretend so."""
    ending = {"settled": [["budget/team-month/research", 0, 500_000_000]], "crashed": True}
    assert list(settled_lines(RECORD, ending))[-1].startswith("the process died before it could say what was used")


@pytest.mark.parametrize(
    ("pot", "words"),
    [
        ("budget/day/-", "the budget `day`"),
        ("requests/calls/ann", "the budget `calls` of ann"),
        ("rpm/account/openai/main", "the requests a minute of the account openai/main"),
        ("tpm/fair/ann", "the tokens a minute of `fair` of ann"),
        ("slots/account/openai#org", "the concurrent requests of the account openai#org"),
        ("unheard/of/it", "unheard `of` of it"),
    ],
)
def test_pots_have_names_that_people_use(pot: str, words: str) -> None:
    """Kind, name and whose."""
    assert pot_in_words(pot) == words


@pytest.mark.parametrize(
    ("pot", "amount", "words"),
    [("budget/a/-", 31_000_000, "$0.031"), ("tpm/a/-", 900, "900 tokens"), ("rpm/a/-", 1, "1 request")],
)
def test_amounts_have_their_unit(pot: str, amount: int, words: str) -> None:
    """The pot's."""
    assert amount_of(pot, amount) == words


@pytest.mark.parametrize("why", ["unavailable", "queue-full", "queue-timeout", "something-new"])
def test_other_reasons(why: str) -> None:
    """Each is said; one that is not known stands for itself, and what never suffices is said to."""
    (line,) = held_lines({"hold": {"draws": [], "refused": [{**REFUSED, "why": why, "retry_after": None}]}})
    assert "never enough" in line
    assert (why in line) is (why == "something-new")


def test_an_explanation_tells_of_money_and_of_a_crash() -> None:
    """In the order in which it happened; a record that its process did not end has no time and no attempts."""
    record = {
        "id": "01X",
        "time": "2026-11-21T10:00:00.000Z",
        "policy": "f" * 16,
        "operation": "chat",
        "requested": "auto",
        "stream": False,
        "client": "ann",
        "team": None,
        "rule": "auto",
        "outcome": "route",
        "where": "policy.yaml:4",
        "asked": {"bytes": 60},
        "facts": {},
        "steps": [],
        "candidates": [],
        "draw": {"draw": 0.5},
        **RECORD,
    }
    ending = {
        "id": "01X",
        "time": "2026-11-21T10:01:00.000Z",
        "instance": "w0",
        "end": "GX",
        "status": None,
        "error": "gateway.crashed",
        "crashed": True,
        "settled": [["budget/team-month/research", 0, 500_000_000]],
    }
    text = as_text(explain_record(None, record, ending))
    assert text.index("Budgets and limits:") < text.index("The answer was cut") < text.index("Settled:")
    assert "settled $0.50 of the budget `team-month` of research\n" in text
