"""The first page: what goes through, what it costs, what is not as it should be."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from msgspec import Meta

from routebook.edge.admin.budgets import BudgetsShown
from routebook.edge.admin.route import Asked, Html, Reply, Role, Route, Wanted
from routebook.edge.admin.service import Service
from routebook.edge.console.charts import Bar, bars
from routebook.edge.console.layout import GUARD, page
from routebook.edge.console.spans import SPANS, Span
from routebook.edge.console.words import money, stamp
from routebook.edge.journal.records import Filters, Records
from routebook.edge.journal.tallies import BUCKET_SECONDS, Sum

ROWS = 8
"""Rows of each list."""


class OverviewWanted(Wanted, frozen=True):
    """Over how long."""

    since: Annotated[Literal["1h", "24h", "7d", "30d"], Meta(description="how far back requests are counted")] = "24h"
    live: Annotated[str | None, Meta(description="`1`: the page looks again by itself")] = None


async def overview_page(service: Service, asked: Asked) -> Reply:
    """How the service fares."""
    accounts, budgets = await service.accounts(), service.budgets()
    assert isinstance(budgets, BudgetsShown)
    return await page(service, asked, "overview", lambda: _found(service, asked.query, accounts, budgets))


async def overview_json(service: Service, asked: Asked) -> Reply:
    """The same for programs."""
    accounts, budgets = await service.accounts(), service.budgets()
    assert isinstance(budgets, BudgetsShown)
    found = await asyncio.to_thread(_found, service, asked.query, accounts, budgets)
    return Reply(
        {
            "since": asked.query.since,
            "total": _plain(found["total"]),
            "steps": [{"at": each.bucket * BUCKET_SECONDS, **_plain(each)} for each in found["steps"]],
            **{
                f"{kind}s": [{kind: each.name, **_plain(each)} for each in sums]
                for kind, sums in found["lists"].items()
            },
            "accounts": accounts,
            "budgets": [
                {
                    "budget": budget.name,
                    "scope": scope.scope,
                    "unit": budget.unit,
                    "limit": budget.limit,
                    "left": scope.left,
                }
                for budget, scope in found["near"]
            ],
            "failed": found["failed"],
            "newest": found["newest"],
        },
        headers=GUARD,
    )


def _plain(found: Sum) -> dict[str, Any]:
    return {
        "requests": found.requests,
        "failed": found.failed,
        "cost": found.cost,
        "input": found.input,
        "output": found.output,
        "seconds": round(found.seconds, 3),
    }


def _found(
    service: Service, wanted: OverviewWanted, accounts: Sequence[Mapping[str, Any]], budgets: BudgetsShown
) -> Mapping[str, Any]:
    span, now = SPANS[wanted.since], time.time()
    since = now - span.seconds
    with Records(service.state_dir) as records:
        steps = records.sums("all", since, span.step)
        lists = {
            kind: sorted(records.sums(kind, since), key=lambda each: (-each.cost, -each.requests))[:ROWS]
            for kind in ("model", "team", "client", "rule")
        }
        newest = records.select(Filters(), ROWS)
        failed = records.select(Filters(failed=True, since=since), ROWS)
    total = Sum("", 0)
    for each in steps:
        total = total.plus(each)
    near = sorted(
        ((each, scope) for each in budgets.budgets for scope in each.scopes if each.limit),
        key=lambda pair: pair[1].left / pair[0].limit,
    )
    return {
        "wanted": wanted,
        "spans": SPANS,
        "span": span,
        "total": total,
        "steps": steps,
        "ends": (stamp(since), stamp(now)),
        "requests": _bars(steps, span, now),
        "lists": lists,
        "newest": newest,
        "failed": failed,
        "uneasy": [each for each in accounts if each["state"] != "ready" or each["breakers"]],
        "accounts": accounts,
        "near": near[:5],
    }


def _bars(steps: Sequence[Sum], span: Span, now: float) -> Any:
    places = span.places(now)
    found = [Bar(0, 0, f"{stamp(bucket * BUCKET_SECONDS)}: none") for bucket in places]
    for each in steps:
        if each.bucket in places:
            words = (
                f"{stamp(each.bucket * BUCKET_SECONDS)}: {each.requests:,} requests, {each.failed:,} of them not ended "
                f"well, {money(each.cost)}"
            )
            found[places[each.bucket]] = Bar(each.requests, each.failed, words)
    return bars(found, f"Requests over {span.words}", 900, 90)


ROUTES = (
    Route(
        "GET", "/console", Role.READ, "what goes through and what it costs", overview_page, {200: Html}, OverviewWanted
    ),
    Route(
        "GET", "/console/overview.json", Role.READ, "the same for programs", overview_json, {200: dict}, OverviewWanted
    ),
)
