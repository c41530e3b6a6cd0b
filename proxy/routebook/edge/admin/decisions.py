"""Routes about recorded decisions: the rows that match, newest first, and one record whole.

Records are read on a thread, from index and journal as they stand, so what is answered is never older than the question.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from routebook.documents.quantities import EXAMPLES, NOUNS, Unit, parse_quantity
from routebook.edge.admin.refusals import Refused
from routebook.edge.admin.route import Asked, Reply, Role, Route, Wanted
from routebook.edge.admin.service import Service, Shown
from routebook.edge.journal.records import Filters, Records, find_record, read_since, status_range

MOST = 1000
"""Rows of one answer; `before` leads on."""


class DecisionsWanted(Wanted, frozen=True):
    """Filters, as `routebook decisions` has them; all of those given must hold."""

    since: Annotated[str | None, Meta(description="not older than `15m`, `2h`, `3d`, or an ISO date and time")] = None
    until: Annotated[str | None, Meta(description="older than that")] = None
    client: Annotated[str | None, Meta(description="only this client's")] = None
    team: Annotated[str | None, Meta(description="only this team's")] = None
    rule: Annotated[str | None, Meta(description="only what this rule decided")] = None
    requested: Annotated[str | None, Meta(description="only what asked for this model")] = None
    model: Annotated[str | None, Meta(description="only what this model answered")] = None
    status: Annotated[str | None, Meta(description="only this status: `429`, or a class such as `5xx`")] = None
    end: Annotated[str | None, Meta(description="only this end code, such as `UD`; `ok` stands for `--`")] = None
    failed: Annotated[bool, Meta(description="only what did not end well")] = False
    costs: Annotated[str | None, Meta(description="only what cost at least this, such as `$0.05`")] = None
    took: Annotated[str | None, Meta(description="only what took at least this, such as `10s`")] = None
    digest: Annotated[str | None, Meta(description="only what the policy with this digest decided")] = None
    before: Annotated[str | None, Meta(description="only older ones than this id: the next page")] = None
    limit: Annotated[int, Meta(ge=1, le=MOST, description=f"at most so many, up to {MOST} (default: 20)")] = 20


class DecisionRow(Shown, frozen=True):
    """What a list says of a record. The fields of its end are null while the request runs."""

    id: Annotated[str, Meta(description="the record's id, as in `x-routebook-decision`")]
    time: str | float | None
    client: str | None
    team: str | None
    rule: str | None
    requested: Annotated[str | None, Meta(description="the model that the client named")]
    operation: str | None
    stream: bool | None
    digest: Annotated[str | None, Meta(description="the policy that decided")]
    status: int | None
    end: Annotated[str | None, Meta(description="who ended it, in which phase; `--` is a normal end")]
    model: Annotated[str | None, Meta(description="the model that answered")]
    cost: Annotated[int | None, Meta(description="nano-dollars")]
    input: Annotated[int | None, Meta(description="tokens in")]
    output: Annotated[int | None, Meta(description="tokens out")]
    seconds: float | None
    instance: Annotated[str | None, Meta(description="the process that decided")]


class Decisions(Shown, frozen=True):
    """Rows of the newest records that match, newest first."""

    decisions: list[DecisionRow]
    next: Annotated[str | None, Meta(description="`before` of the next page; null where this is the last")]


class DecisionRecord(Shown, frozen=True):
    """One record: its two lines as the journal holds them (`routebook schema record`)."""

    decided: dict[str, Any] | None
    ended: Annotated[dict[str, Any] | None, Meta(description="null while the request runs")]


async def decisions(service: Service, asked: Asked) -> Reply:
    """The rows that match."""
    wanted: DecisionsWanted = asked.query
    filters = filters_of(wanted, time.time())
    # one more than wanted tells whether there is a next page
    rows = await asyncio.to_thread(_select, service.state_dir, filters, wanted.limit + 1)
    shown = [msgspec.convert(row, DecisionRow, strict=False) for row in rows[: wanted.limit]]
    return Reply(Decisions(shown, shown[-1].id if len(rows) > wanted.limit else None))


async def decision(service: Service, asked: Asked) -> Reply:
    """One record."""
    record = await asyncio.to_thread(find_record, service.state_dir, asked.names["id"])
    if record is None:
        raise Refused("admin.unknown-record", "no record has this id; perhaps it is older than `serve --keep-days`")
    return Reply(DecisionRecord(record.decided, record.ended))


def filters_of(wanted: DecisionsWanted, now: float) -> Filters:
    """What is asked of the records at a moment (Unix seconds); raises Refused."""
    try:
        since, until = (None if text is None else read_since(text, now) for text in (wanted.since, wanted.until))
        if wanted.status is not None:
            status_range(wanted.status)
    except ValueError as error:
        raise Refused("admin.bad-request", str(error)) from error
    end = "--" if wanted.end == "ok" else wanted.end
    costs = _quantity("costs", wanted.costs, Unit.MONEY)
    return Filters(
        since,
        wanted.client,
        wanted.rule,
        wanted.model,
        wanted.status,
        end,
        wanted.before,
        wanted.failed,
        wanted.team,
        wanted.requested,
        wanted.digest,
        until,
        None if costs is None else int(costs),
        _quantity("took", wanted.took, Unit.DURATION),
    )


def _quantity(name: str, text: str | None, unit: Unit) -> float | None:
    if text is None:
        return None
    found = parse_quantity(text, unit)
    if found is None:
        raise Refused("admin.bad-request", f"`{name}`: expected {NOUNS[unit]} such as {EXAMPLES[unit]}")
    return found


def _select(state_dir: Path, filters: Filters, limit: int) -> list[dict[str, Any]]:
    with Records(state_dir) as records:
        return records.select(filters, limit)


ROUTES = (
    Route(
        "GET", "/decisions", Role.READ, "recorded decisions, newest first", decisions, {200: Decisions}, DecisionsWanted
    ),
    Route("GET", "/decisions/{id}", Role.READ, "one record, whole", decision, {200: DecisionRecord}),
)
