"""What a call draws on while it runs, and what it has used of that when it is over."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from routebook.documents.quantities import Unit
from routebook.ledger.claims import Claim, Counter, Kind
from routebook.ledger.draws import Need
from routebook.routing.meter import Metered

_WINDOW: Final = Kind.WINDOW
_MONEY, _TOKENS = Unit.MONEY, Unit.TOKENS


Uses = list[tuple[Counter, Need, int]]
"""What was drawn on, and how much of that was used."""


class Held(msgspec.Struct, frozen=True, gc=False):
    """What is held for one call, and the counters that it is held under, in the order of the needs."""

    needs: tuple[Need, ...] = ()
    counters: tuple[Counter, ...] = ()


NOT_HELD = Held()
"""The hold of a call that draws on nothing."""


def uses_of(held: Held, metered: Metered, was_sent: bool, counts: bool) -> Uses:
    """How much of each need a call has used. Where a price was missing its money is what was held: never less; and so is
    everything where the policy books what was held."""
    uses: Uses = []
    money, unpriced = metered.cost.total, metered.cost.unpriced
    tokens = metered.usage.total_input + metered.usage.total_output
    books_hold = metered.by == "held"
    for counter, need in zip(held.counters, held.needs, strict=True):
        unit = need.unit
        if unit is _TOKENS:
            used = need.claim.amount if books_hold else tokens
        elif unit is _MONEY:
            used = need.claim.amount if books_hold else max(money, need.claim.amount) if unpriced else money
        else:
            used = need.claim.amount if (was_sent if need.by_call else counts) else 0
        uses.append((counter, need, used))
    return uses


def is_of_window(use: tuple[Counter, Need, int]) -> bool:
    """Whether it draws on a window, of which what is given back is somebody else's at once."""
    return use[1].claim.kind is _WINDOW


def frees_window(use: tuple[Counter, Need, int]) -> bool:
    """Whether less was used of a window than was held."""
    return is_of_window(use) and use[2] < use[1].claim.amount


class Sums:
    """Amounts by counter, of windows only: what a record says is held or settled."""

    __slots__ = ("_amounts",)

    def __init__(self) -> None:
        self._amounts: dict[Counter, list[int]] = {}

    def add_held(self, held: Held) -> None:
        """Count what is held for a call, and what of it is booked should the process die."""
        amounts = self._amounts
        for counter, need in zip(held.counters, held.needs, strict=True):
            claim = need.claim
            if claim.kind is _WINDOW:
                sums = amounts.get(counter)
                if sums is None:
                    amounts[counter] = [claim.amount, need.orphan]
                else:
                    sums[0] += claim.amount
                    sums[1] += need.orphan

    def add_used(self, uses: Iterable[tuple[Counter, Need, int]]) -> None:
        """Count what a call has used, which is booked whatever happens."""
        amounts = self._amounts
        for counter, need, used in uses:
            if need.claim.kind is _WINDOW:
                sums = amounts.get(counter)
                if sums is None:
                    amounts[counter] = [used, used]
                else:
                    sums[0] += used
                    sums[1] += used

    def with_orphans(self) -> list[list[str | int]]:
        """`[pot, start, amount, orphan]` each, as the first line of a record has it."""
        return [[pot, start, amount, orphan] for (pot, start), (amount, orphan) in self._amounts.items()]

    def plain(self) -> list[list[str | int]]:
        """`[pot, start, amount]` each, as the second line has it."""
        return [[pot, start, amount] for (pot, start), (amount, _) in self._amounts.items()]


def claims_of(needs: Iterable[Need]) -> tuple[Claim, ...]:
    """The claims alone."""
    return tuple([need.claim for need in needs])
