"""What a call draws on while it runs, and what it has used of that when it is over."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from routebook.documents.quantities import Unit
from routebook.ledger.claims import Claim, Counter, Kind
from routebook.routing.meter import Metered


class Need(msgspec.Struct, frozen=True, gc=False):
    """One pot that a call draws on: the claim, the unit it is counted in (None: requests at the same time, which are never
    spent), and what is booked of it should the process die that made the call. `by_call`: every call counts (an account's quota), not only the one
    that was answered."""

    claim: Claim
    unit: Unit | None
    orphan: int = 0
    by_call: bool = False


class Held(msgspec.Struct, frozen=True, gc=False):
    """What is held for one call, and the counters that it is held under, in the order of the needs."""

    needs: tuple[Need, ...] = ()
    counters: tuple[Counter, ...] = ()

    def draws(self) -> Iterator[tuple[Counter, Need]]:
        """Each need with the counter that it is held under."""
        return zip(self.counters, self.needs, strict=True)


NOT_HELD = Held()
"""The hold of a call that draws on nothing."""


def uses_of(held: Held, metered: Metered, was_sent: bool, counts: bool) -> list[tuple[Counter, Need, int]]:
    """How much of each need a call has used. Where a price was missing its money is what was held: never less; and so is
    everything where the policy books what was held."""
    uses: list[tuple[Counter, Need, int]] = []
    money, unpriced = metered.cost.total, metered.cost.unpriced
    tokens = metered.usage.total_input + metered.usage.total_output
    for counter, need in held.draws():
        match need.unit:
            case Unit.MONEY | Unit.TOKENS if metered.by == "held":
                used = need.claim.amount
            case Unit.MONEY:
                used = max(money, need.claim.amount) if unpriced else money
            case Unit.TOKENS:
                used = tokens
            case _:
                used = need.claim.amount if (was_sent if need.by_call else counts) else 0
        uses.append((counter, need, used))
    return uses


class Sums:
    """Amounts by counter, of windows only: what a record says is held or settled."""

    __slots__ = ("_amounts",)

    def __init__(self) -> None:
        self._amounts: dict[Counter, list[int]] = {}

    def add(self, counter: Counter, need: Need, amount: int, orphan: int) -> None:
        """Count an amount, and what of it is booked should the process die."""
        if need.claim.kind is not Kind.WINDOW:
            return
        sums = self._amounts.setdefault(counter, [0, 0])
        sums[0] += amount
        sums[1] += orphan

    def with_orphans(self) -> list[list[str | int]]:
        """`[pot, start, amount, orphan]` each, as the first line of a record has it."""
        return [[pot, start, amount, orphan] for (pot, start), (amount, orphan) in self._amounts.items()]

    def plain(self) -> list[list[str | int]]:
        """`[pot, start, amount]` each, as the second line has it."""
        return [[pot, start, amount] for (pot, start), (amount, _) in self._amounts.items()]


def claims_of(needs: Iterable[Need]) -> tuple[Claim, ...]:
    """The claims alone."""
    return tuple(need.claim for need in needs)
