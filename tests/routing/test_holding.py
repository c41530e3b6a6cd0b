"""What calls hold, and what they have used of that when they are over."""

from __future__ import annotations

import pytest

from routebook.chat.usage import Usage
from routebook.documents.quantities import Unit
from routebook.ledger.claims import Claim, Kind
from routebook.ledger.cost import Cost
from routebook.ledger.draws import Need
from routebook.routing.holding import Held, Sums, uses_of
from routebook.routing.meter import NOTHING, Metered

MONEY = Need(Claim("budget/day/-", Kind.WINDOW, 500, 30, start=60), Unit.MONEY, 20)
REQUESTS = Need(Claim("rpm/all/-", Kind.RATE, 60, 1), Unit.COUNT)
TOKENS = Need(Claim("tpm/all/-", Kind.RATE, 90_000, 1200), Unit.TOKENS)
SLOT = Need(Claim("slots/all/-", Kind.SLOTS, 4, 1), None)
ACCOUNT = Need(Claim("rpm/account/openai/main", Kind.RATE, 60, 1), Unit.COUNT, by_call=True)
NEEDS = (MONEY, REQUESTS, TOKENS, SLOT, ACCOUNT)
HELD = Held(NEEDS, tuple(need.claim.counter for need in NEEDS))

USAGE = Usage(input=100, output=200)
PRICED = Metered(USAGE, Cost({"input": 4, "output": 6}), "measured")


@pytest.mark.parametrize(
    ("metered", "was_sent", "counts", "used"),
    [
        (PRICED, True, True, [10, 1, 300, 1, 1]),
        (Metered(USAGE, Cost({"input": 4}, ("output",)), "measured"), True, True, [30, 1, 300, 1, 1]),
        (Metered(USAGE, Cost({"input": 40}, ("output",)), "measured"), True, True, [40, 1, 300, 1, 1]),
        (Metered(USAGE, Cost({"held": 30}), "held"), True, True, [30, 1, 1200, 1, 1]),
        (NOTHING, True, False, [0, 0, 0, 0, 1]),
        (NOTHING, False, False, [0, 0, 0, 0, 0]),
    ],
)
def test_each_need_is_settled_in_its_own_unit(metered: Metered, was_sent: bool, counts: bool, used: list[int]) -> None:
    """With what was used; with no less than was held where a price is missing, and with what was held where the policy
    books that. A request that nobody answered counts for an account alone, and only where it was sent."""
    uses = uses_of(HELD, metered, was_sent, counts)
    assert [amount for *_, amount in uses] == used
    assert [(counter, need) for counter, need, _ in uses] == list(zip(HELD.counters, NEEDS, strict=True))


def test_a_record_says_what_is_held_and_used_of_windows_alone() -> None:
    """Of calls that run what they hold, of others what they used: added up by counter."""
    sums = Sums()
    sums.add_held(HELD)
    assert sums.with_orphans() == [["budget/day/-", 60, 30, 20]]
    sums.add_used(uses_of(HELD, PRICED, True, True))
    sums.add_held(HELD)
    assert sums.with_orphans() == [["budget/day/-", 60, 70, 50]]
    assert sums.plain() == [["budget/day/-", 60, 70]]
