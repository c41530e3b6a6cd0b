"""Budgets and limits as declared: how much, over which time, for whom."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Final

from routebook.documents.problems import Location
from routebook.documents.quantities import Unit
from routebook.ledger.pot_names import budget_pots
from routebook.policy.conditions import ALWAYS, Condition

WINDOWS = ("minute", "hour", "day", "week", "month")
"""Calendar windows; `rolling` ones are written as a duration."""

LARGEST_SHARED: Final = 2**53
"""The largest limit that hosts can share: their store computes in doubles, which are exact up to here."""


@dataclass(frozen=True, slots=True)
class Budget:
    """A limit over a window. `limit` is nano-dollars, tokens or requests, as `unit` says (MONEY, TOKENS, COUNT).

    `per` is the fact that each has an own count for (`client.team`), None for all together. `rolling` is seconds.
    `allowance` is what each host may draw in a window while a shared store is away, in the limit's unit; None: nothing.
    `pots` is how the names of its pots begin.
    """

    name: str
    limit: int
    unit: Unit
    window: str | None
    rolling: float | None
    location: Location
    per: str | None = None
    zone: str = "UTC"
    when: Condition = ALWAYS
    allowance: int | None = None
    pots: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "pots", budget_pots(self.name, self.unit))

    @property
    def can_be_shared(self) -> bool:
        """Whether several hosts could draw on it by a store that they share."""
        return self.limit <= LARGEST_SHARED


@dataclass(frozen=True, slots=True)
class Limit:
    """How much a minute and how many at the same time; None is unlimited. `per` as of a budget.

    A request that finds it drawn waits up to `wait` seconds, where fewer than `places` others do.
    """

    name: str
    location: Location
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    concurrent: int | None = None
    per: str | None = None
    when: Condition = ALWAYS
    places: int = 0
    wait: float = 0.0


@dataclass(frozen=True, slots=True)
class Counting:
    """The budgets and limits of a policy as they are shown: without what says which requests count."""

    budgets: tuple[Budget, ...] = ()
    limits: tuple[Limit, ...] = ()

    @classmethod
    def of(cls, budgets: Iterable[Budget], limits: Iterable[Limit]) -> Counting:
        """These, without their conditions."""
        return cls(
            tuple(replace(budget, when=ALWAYS) for budget in budgets),
            tuple(replace(limit, when=ALWAYS) for limit in limits),
        )

    @property
    def unshareable(self) -> tuple[Budget, ...]:
        """The budgets that several hosts could not draw on by a store that they share."""
        return tuple(budget for budget in self.budgets if not budget.can_be_shared)


NOTHING_COUNTED: Final = Counting()
"""A policy without budgets and limits."""


class Orphans(enum.Enum):
    """What a request is settled with whose process died before its end."""

    HOLD = "hold"
    """All that was held: never too little."""
    PROMPT = "prompt"
    """Its prompt, as if nothing had been answered."""
    NOTHING = "nothing"


class Abandoned(enum.Enum):
    """What a request is settled with whose usage nobody reported, because its end was not seen."""

    ESTIMATE = "estimate"
    """Its prompt and what was answered of it, as estimated."""
    HOLD = "hold"
    """All that was held."""
