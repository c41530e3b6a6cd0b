"""Budgets burning down: what is left of each, how it went, and when it is over at this pace; and limits as they stand."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from routebook.documents.quantities import Unit
from routebook.edge.admin.budgets import BudgetShown, BudgetsShown, ScopeShown
from routebook.edge.admin.route import Asked, Csv, Html, Reply, Role, Route, Wanted
from routebook.edge.admin.service import Service
from routebook.edge.console.burning import Burn, burn_down, picture
from routebook.edge.console.layout import GUARD, page
from routebook.edge.console.tables import table
from routebook.edge.journal.records import Records
from routebook.edge.journal.tallies import BUCKET_SECONDS
from routebook.ledger.pot_names import ALL, budget_pots

MOST_SCOPES: Final = 12
"""Scopes of one budget that are shown, those that have least left first."""

MOST_PICTURES: Final = 6
"""Scopes of one budget that are drawn."""

COLUMNS: Final = (
    "budget",
    "unit",
    "limit",
    "scope",
    "settled",
    "held",
    "left",
    "pace",
    "over",
    "empty_at",
    "left_at_end",
)
"""Of the table for spreadsheets."""

MOST_STEPS: Final = 500
"""Into how many steps the time that has passed is cut at most, about a point of the picture each."""


class BudgetsWanted(Wanted, frozen=True):
    """Which budgets."""

    budget: Annotated[str | None, Meta(description="only this one, with all of its scopes")] = None
    live: Annotated[str | None, Meta(description="`1`: the page looks again by itself")] = None


@dataclass(frozen=True, slots=True)
class ScopeSeen:
    """One scope of a budget with how it burns."""

    scope: ScopeShown
    name: str
    burn: Burn
    picture: Any


@dataclass(frozen=True, slots=True)
class BudgetSeen:
    """A budget with those who draw on it most; `more` of them are not shown."""

    budget: BudgetShown
    scopes: Sequence[ScopeSeen]
    more: int


async def budgets_page(service: Service, asked: Asked) -> Reply:
    """Every budget and limit."""
    shown = _standing(service)
    return await page(service, asked, "budgets", lambda: _found(service, asked.query, shown))


async def budgets_json(service: Service, asked: Asked) -> Reply:
    """How they stand, with the forecast, for programs."""
    shown = _standing(service)
    found = await asyncio.to_thread(_found, service, asked.query, shown)
    forecasts = [
        {"budget": each.budget.name, "scope": scope.scope.scope, **msgspec.to_builtins(scope.burn.forecast)}
        for each in found["budgets"]
        for scope in each.scopes
    ]
    return Reply({"standing": msgspec.to_builtins(shown), "forecasts": forecasts}, headers=GUARD)


async def budgets_csv(service: Service, asked: Asked) -> Reply:
    """Each scope of each budget, with its forecast, for spreadsheets."""
    found = await asyncio.to_thread(_found, service, asked.query, _standing(service))
    rows = [
        {
            "budget": each.budget.name,
            "unit": each.budget.unit,
            "limit": each.budget.limit,
            **msgspec.to_builtins(scope.scope),
            **msgspec.to_builtins(scope.burn.forecast),
        }
        for each in found["budgets"]
        for scope in each.scopes
    ]
    return table("budgets", COLUMNS, rows)


def _standing(service: Service) -> BudgetsShown:
    shown = service.budgets()
    assert isinstance(shown, BudgetsShown)
    return shown


def _found(service: Service, wanted: BudgetsWanted, shown: BudgetsShown) -> Mapping[str, Any]:
    now = time.time()
    chosen = [each for each in shown.budgets if wanted.budget in (None, "", each.name)]
    with Records(service.state_dir) as records:
        seen = [_seen(records, each, now, everybody=bool(wanted.budget)) for each in chosen]
    return {"budgets": seen, "shown": shown, "wanted": wanted, "limits": [] if wanted.budget else shown.limits}


def _seen(records: Records, budget: BudgetShown, now: float, *, everybody: bool) -> BudgetSeen:
    scopes = sorted(budget.scopes, key=lambda scope: scope.left)
    most = len(scopes) if everybody else MOST_SCOPES
    found = []
    for place, scope in enumerate(scopes[:most]):
        drawn = everybody or place < MOST_PICTURES
        burn = _burn(records, budget, scope, now)
        name = "everybody" if scope.scope == ALL else scope.scope
        found.append(ScopeSeen(scope, name, burn, picture(burn, f"{budget.name}, {name}") if drawn else None))
    return BudgetSeen(budget, found, max(0, len(scopes) - most))


def _burn(records: Records, budget: BudgetShown, scope: ScopeShown, now: float) -> Burn:
    pot = budget_pots(budget.name, Unit[budget.unit.upper()]) + scope.scope
    # no finer than can be seen, and than the pace, taken over a quarter of that time, can tell
    step = max(1, int((now - budget.start) / BUCKET_SECONDS / MOST_STEPS))
    sums = records.sums("pot", budget.start, step, pot)
    spent = [(max(float(each.bucket * BUCKET_SECONDS), float(budget.start)), each.cost) for each in sums]
    return burn_down(budget, scope, spent, now, step * BUCKET_SECONDS)


ROUTES = (
    Route(
        "GET",
        "/console/budgets",
        Role.READ,
        "budgets burning down, with a forecast, and limits",
        budgets_page,
        {200: Html},
        BudgetsWanted,
    ),
    Route(
        "GET",
        "/console/budgets.json",
        Role.READ,
        "how budgets and limits stand, and when they are over at this pace",
        budgets_json,
        {200: dict},
        BudgetsWanted,
    ),
    Route(
        "GET",
        "/console/budgets.csv",
        Role.READ,
        "each scope of each budget, for spreadsheets",
        budgets_csv,
        {200: Csv},
        BudgetsWanted,
    ),
)
