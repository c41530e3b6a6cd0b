"""Savings: what the same traffic would have cost on each single model, beside what was paid."""

from __future__ import annotations

import time
from typing import Annotated, Any, Literal

from msgspec import Meta

from routebook.edge.admin.route import Asked, Html, Reply, Role, Route, Wanted
from routebook.edge.admin.service import Service
from routebook.edge.console.charts import meter
from routebook.edge.console.layout import GUARD, page
from routebook.edge.console.spans import SPANS
from routebook.edge.console.workbench import Work, workbench

FRESH = 600.0
"""Seconds after which the records are counted again."""


class SavingsWanted(Wanted, frozen=True):
    """Which traffic."""

    since: Annotated[Literal["1h", "24h", "7d", "30d"], Meta(description="how far back")] = "24h"
    by: Annotated[Literal["", "day", "team", "rule"], Meta(description="each by itself")] = ""


async def savings_page(service: Service, asked: Asked) -> Reply:
    """The savings, or that they are being counted."""
    wanted: SavingsWanted = asked.query
    work = await _counted(service, wanted)
    values = {"work": work, "wanted": wanted, "spans": SPANS, "span": SPANS[wanted.since], "live": not work.is_done}
    return await page(service, asked, "savings", lambda: {**values, "meter": meter, "dearest": _dearest(work)})


async def savings_json(service: Service, asked: Asked) -> Reply:
    """The same for programs; 202 while they are being counted."""
    work = await _counted(service, asked.query)
    if work.result is None:
        return Reply({"counting": work.failed is None, "why": work.failed}, 202, GUARD)
    return Reply(dict(work.result), headers=GUARD)


async def _counted(service: Service, wanted: SavingsWanted) -> Work:
    order = {
        "task": "savings",
        "state_dir": str(service.state_dir),
        "digest": service.describe().digest,
        "since": (time.time() - SPANS[wanted.since].seconds) // FRESH * FRESH,
        "by": wanted.by or None,
    }
    return await workbench().ask(order)


def _dearest(work: Work) -> int:
    """The largest sum of all, for the length of bars."""
    parts: list[Any] = [] if work.result is None else work.result.get("parts", [])
    return max((each["cost"] for part in parts for each in part["models"].values()), default=0)


ROUTES = (
    Route(
        "GET",
        "/console/savings",
        Role.READ,
        "what the same traffic would have cost on each model alone",
        savings_page,
        {200: Html},
        SavingsWanted,
    ),
    Route(
        "GET",
        "/console/savings.json",
        Role.READ,
        "the same for programs; 202 while it is being counted, or where that failed",
        savings_json,
        {200: dict, 202: dict},
        SavingsWanted,
    ),
)
