"""Budgets and limits, and how they stand: the shapes that the route and `routebook budgets` answer with, made of the
owner's figures or of the journal's.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from msgspec import Meta

from routebook.edge.admin.route import Asked, Reply, Role, Route
from routebook.edge.admin.service import Service, Shown
from routebook.edge.ledger.owner import Figures
from routebook.ledger.budgets import Counting, Limit
from routebook.ledger.pot_names import pot_named
from routebook.ledger.standing import BudgetStanding, standings

Source = Literal["owner", "journal"]
"""Whose figures they are: the running service's own, or what books and journal come to."""


class ScopeShown(Shown, frozen=True):
    """A budget as one of those stands that have drawn on it, in the budget's unit."""

    scope: Annotated[str, Meta(description="who draws; `-` stands for everybody together")]
    settled: Annotated[int, Meta(description="spent")]
    held: Annotated[int, Meta(description="held for requests that run, or granted to a worker")]
    left: Annotated[int, Meta(description="of the limit; less than nothing where more was used than was held")]
    exceeded: Annotated[int, Meta(description="by how much requests used more than was held for them")]


class BudgetShown(Shown, frozen=True):
    """A budget in the window that counts now. Amounts are nano-dollars, tokens or requests."""

    name: str
    unit: Annotated[str, Meta(description="`money`, `tokens` or `count`")]
    limit: int
    window: Annotated[str | None, Meta(description="of the calendar; null where it is a rolling one")]
    rolling: Annotated[float | None, Meta(description="seconds; null where it is one of the calendar")]
    zone: str
    per: Annotated[str | None, Meta(description="what each has a count of its own for")]
    allowance: Annotated[int | None, Meta(description="what each host may draw while a shared store is away")]
    start: Annotated[int, Meta(description="since when what is spent counts, Unix seconds")]
    ends: Annotated[int, Meta(description="when the window ends, or moves on")]
    scopes: list[ScopeShown]

    @classmethod
    def of(cls, each: BudgetStanding) -> BudgetShown:
        """A budget and how it stands."""
        budget = each.budget
        return cls(
            budget.name,
            budget.unit.name.lower(),
            budget.limit,
            budget.window,
            budget.rolling,
            budget.zone,
            budget.per,
            budget.allowance,
            each.window.first,
            each.window.ends,
            [ScopeShown(one.scope, one.settled, one.held, one.left, one.exceeded) for one in each.scopes],
        )

    @property
    def exceeded(self) -> int:
        """By how much requests of all scopes used more than was held for them."""
        return sum(scope.exceeded for scope in self.scopes)


class LimitScopeShown(Shown, frozen=True):
    """What is drawn of a limit at this moment by one of those who draw on it; null where it does not limit that."""

    scope: str
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    concurrent: int | None = None
    waiting: Annotated[int, Meta(description="requests in its queue")] = 0


class LimitShown(Shown, frozen=True):
    """A limit as it is declared; null is unlimited."""

    name: str
    per: str | None
    requests_per_minute: int | None
    tokens_per_minute: int | None
    concurrent: int | None
    wait: Annotated[float, Meta(description="seconds that a request may wait in its queue")]
    places: Annotated[int, Meta(description="how many may wait")]
    scopes: Annotated[list[LimitScopeShown], Meta(description="who draws on it now; only the owner knows")]


class OverspendShown(Shown, frozen=True):
    """By how much budgets may be overspent, and were in the windows that count now."""

    bound: Annotated[int, Meta(description="while no request costs more than was held for it")]
    counted: Annotated[dict[str, int], Meta(description="by budget: what requests cost beyond that")]


class BudgetsShown(Shown, frozen=True):
    """Every budget and limit, and how it stands."""

    version: Literal[1]
    running: Annotated[bool, Meta(description="whether a service runs")]
    figures: Annotated[Source, Meta(description="the running owner's own, or what books and journal come to")]
    budgets: list[BudgetShown]
    limits: list[LimitShown]
    overspend: OverspendShown


def told(counting: Counting, figures: Figures, running: bool, source: Source) -> BudgetsShown:
    """How these budgets and limits stand by these figures."""
    found = standings(counting.budgets, figures.settled, figures.held, figures.exceeded, figures.now)
    budgets = [BudgetShown.of(each) for each in found]
    return BudgetsShown(
        version=1,
        running=running,
        figures=source,
        budgets=budgets,
        limits=[_limit(limit, figures) for limit in counting.limits],
        overspend=OverspendShown(0, {each.name: each.exceeded for each in budgets}),
    )


def _limit(limit: Limit, figures: Figures) -> LimitShown:
    return LimitShown(
        limit.name,
        limit.per,
        limit.requests_per_minute,
        limit.tokens_per_minute,
        limit.concurrent,
        limit.wait,
        limit.places,
        list(_scopes(limit, figures)),
    )


def _scopes(limit: Limit, figures: Figures) -> Iterator[LimitScopeShown]:
    """Who draws on a limit at the moment, or waits for it."""
    drawn: dict[str, dict[str, int]] = {}
    for pot in {**figures.levels, **figures.waiting}:
        kind, name, scope = pot_named(pot)
        if name == limit.name and kind in ("rpm", "tpm", "slots"):
            parts = drawn.setdefault(scope, {"waiting": 0})
            parts[kind] = figures.levels.get(pot, 0)
            parts["waiting"] += figures.waiting.get(pot, 0)
    for scope, parts in sorted(drawn.items()):
        yield LimitScopeShown(
            scope,
            None if limit.requests_per_minute is None else parts.get("rpm", 0),
            None if limit.tokens_per_minute is None else parts.get("tpm", 0),
            None if limit.concurrent is None else parts.get("slots", 0),
            parts["waiting"],
        )


async def budgets(service: Service, _: Asked) -> Reply:
    """Every budget and limit of the policy in force."""
    return Reply(service.budgets())


ROUTES = (
    Route(
        "GET",
        "/budgets",
        Role.READ,
        "what is settled, held and left of every budget, and drawn of every limit",
        budgets,
        {200: BudgetsShown},
    ),
)
