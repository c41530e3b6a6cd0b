"""Decisions as they come: rows that match, newest first, as a page, as JSON and as a table for spreadsheets."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from routebook.edge.admin.decisions import MOST, DecisionRow, Decisions, DecisionsWanted, filters_of
from routebook.edge.admin.route import Asked, Csv, Html, Reply, Role, Route
from routebook.edge.admin.service import Service
from routebook.edge.console.layout import GUARD, link, page
from routebook.edge.console.tables import table
from routebook.edge.journal.records import SHOWN, Records

NAMED_SECONDS: Final = 7 * 86_400.0
"""For how long back names are offered in the filters."""

MOST_NAMES: Final = 200
"""Names that a filter offers."""


class PageWanted(DecisionsWanted, frozen=True):
    """The filters of a page; `live` has it look again by itself."""

    limit: Annotated[int, Meta(ge=1, le=MOST, description=f"at most so many, up to {MOST} (default: 50)")] = 50
    live: Annotated[str | None, Meta(description="`1`: the page looks again by itself")] = None


@dataclass(frozen=True, slots=True)
class Chosen:
    """A filter that is set: its name and value, and the address without it."""

    name: str
    value: str
    without: str


async def decisions_page(service: Service, asked: Asked) -> Reply:
    """Recorded decisions."""
    return await page(service, asked, "decisions", lambda: _found(service, asked))


async def decisions_json(service: Service, asked: Asked) -> Reply:
    """The same rows for programs."""
    rows, following = await asyncio.to_thread(_rows, service, asked.query)
    return Reply(Decisions([msgspec.convert(row, DecisionRow, strict=False) for row in rows], following), headers=GUARD)


async def decisions_csv(service: Service, asked: Asked) -> Reply:
    """The same rows for spreadsheets."""
    rows, _ = await asyncio.to_thread(_rows, service, asked.query)
    return table("decisions", SHOWN, rows)


def _rows(service: Service, wanted: PageWanted) -> tuple[list[dict[str, Any]], str | None]:
    with Records(service.state_dir) as records:
        return select(records, _cleaned(wanted))


def _cleaned(wanted: PageWanted) -> PageWanted:
    """What is asked without the fields that a form left empty."""
    return msgspec.structs.replace(
        wanted, **{name: None for name, value in msgspec.structs.asdict(wanted).items() if value == ""}
    )


def select(records: Records, wanted: PageWanted) -> tuple[list[dict[str, Any]], str | None]:
    """The rows, and `before` of the next page; raises Refused for what cannot be read."""
    rows = records.select(filters_of(wanted, time.time()), wanted.limit + 1)
    return rows[: wanted.limit], rows[wanted.limit - 1]["id"] if len(rows) > wanted.limit else None


def _found(service: Service, asked: Asked) -> Mapping[str, Any]:
    wanted = _cleaned(asked.query)
    with Records(service.state_dir) as records:
        rows, following = select(records, wanted)
        since = time.time() - NAMED_SECONDS
        names = {
            kind: sorted({each.name for each in records.sums(kind, since)})[:MOST_NAMES]
            for kind in ("rule", "model", "client", "team")
        }
        empty = not rows and not records.any()
    set_ = {name: value for name, value in msgspec.structs.asdict(wanted).items() if value not in (None, False)}
    for beside in ("limit", "live", "before"):
        set_.pop(beside, None)
    everything = {**set_, "limit": None if wanted.limit == PageWanted().limit else wanted.limit, "live": wanted.live}
    chosen = [
        Chosen(name, "" if value is True else str(value), link("/console/decisions", **{**everything, name: None}))
        for name, value in set_.items()
    ]
    return {
        "rows": rows,
        "wanted": wanted,
        "chosen": chosen,
        "names": names,
        "is_empty": empty,
        "newest": link("/console/decisions", **everything),
        "older": following and link("/console/decisions", **{**everything, "live": None, "before": following}),
        "stop": link("/console/decisions", **{**everything, "live": None}),
        "watch": link("/console/decisions", **{**everything, "live": "1"}),
        "as_json": link("/console/decisions.json", **{**everything, "live": None, "before": wanted.before}),
        "as_csv": link("/console/decisions.csv", **{**everything, "live": None, "before": wanted.before}),
        "filtered": lambda **changes: link("/console/decisions", **{**everything, **changes}),
    }


ROUTES = (
    Route("GET", "/console/decisions", Role.READ, "decisions as they come", decisions_page, {200: Html}, PageWanted),
    Route(
        "GET",
        "/console/decisions.json",
        Role.READ,
        "the same for programs, as `GET /decisions` has it",
        decisions_json,
        {200: Decisions},
        PageWanted,
    ),
    Route(
        "GET", "/console/decisions.csv", Role.READ, "the same for spreadsheets", decisions_csv, {200: Csv}, PageWanted
    ),
)
