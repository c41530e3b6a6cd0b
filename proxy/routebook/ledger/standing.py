"""How budgets stand: what is settled and held in the window of each scope, and what is left."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from routebook.ledger.budgets import Budget
from routebook.ledger.claims import Counter
from routebook.ledger.pot_names import ALL
from routebook.ledger.windows import Slice, slice_of


@dataclass(frozen=True, slots=True)
class Standing:
    """One scope of a budget in the window that counts now. Amounts are in the budget's unit; `exceeded` is by how much
    settlements were more than was held for them."""

    scope: str
    settled: int
    held: int
    left: int
    exceeded: int


@dataclass(frozen=True, slots=True)
class BudgetStanding:
    """A budget with everybody who has drawn on it in the window that counts now."""

    budget: Budget
    window: Slice
    scopes: tuple[Standing, ...]

    @property
    def exceeded(self) -> int:
        """By how much settlements of all scopes exceeded what was held, in the budget's unit."""
        return sum(each.exceeded for each in self.scopes)


def standings(
    budgets: Iterable[Budget],
    settled: Mapping[Counter, int],
    held: Mapping[Counter, int],
    exceeded: Mapping[Counter, int],
    now: float,
) -> Iterator[BudgetStanding]:
    """How each budget stands at `now` (seconds since 1970)."""
    for budget in budgets:
        window = slice_of(budget, now)
        prefix = budget.pots
        sums = [_sums(counters, prefix, window.first) for counters in (settled, held, exceeded)]
        scopes = sorted({scope for part in sums for scope in part} | ({ALL} if budget.per is None else set()))
        yield BudgetStanding(budget, window, tuple(_standing(budget, scope, *sums) for scope in scopes))


def _standing(
    budget: Budget, scope: str, settled: Mapping[str, int], held: Mapping[str, int], exceeded: Mapping[str, int]
) -> Standing:
    drawn = settled.get(scope, 0), held.get(scope, 0)
    return Standing(scope, *drawn, budget.limit - sum(drawn), exceeded.get(scope, 0))


def _sums(counters: Mapping[Counter, int], prefix: str, first: int) -> dict[str, int]:
    """What counts in a window, by scope."""
    sums: dict[str, int] = {}
    for (pot, start), amount in counters.items():
        if start >= first and pot.startswith(prefix):
            scope = pot[len(prefix) :]
            sums[scope] = sums.get(scope, 0) + amount
    return sums
