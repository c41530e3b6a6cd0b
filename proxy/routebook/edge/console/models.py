"""Models and accounts: what each serves and costs, how it stands, and for those who may operate, leaving an account alone."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from msgspec import Meta

from routebook.catalogue.models import Model
from routebook.edge.admin.accounts import DAY
from routebook.edge.admin.refusals import Refused
from routebook.edge.admin.route import Asked, Csv, Html, Reply, Role, Route, Wanted
from routebook.edge.admin.service import Service
from routebook.edge.console.charts import Bar, bars
from routebook.edge.console.layout import GUARD, page
from routebook.edge.console.shelf import SHELF
from routebook.edge.console.spans import SPANS
from routebook.edge.console.tables import table
from routebook.edge.journal.records import Records
from routebook.edge.journal.tallies import Sum


class ModelsWanted(Wanted, frozen=True):
    """Over how long."""

    since: Annotated[Literal["1h", "24h", "7d", "30d"], Meta(description="how far back requests are counted")] = "24h"
    live: Annotated[str | None, Meta(description="`1`: the page looks again by itself")] = None


class RestingWanted(Wanted, frozen=True):
    """How long an account is to be left alone."""

    seconds: Annotated[float, Meta(gt=0, le=DAY, description="for how long")] = 600.0


@dataclass(frozen=True, slots=True)
class ModelSeen:
    """A model, None where the policy in force does not have it, and what it served."""

    name: str
    model: Model | None
    sum: Sum
    steps: Sequence[int]

    @property
    def picture(self) -> Any:
        """When it served."""
        return bars(
            [Bar(each, 0, f"{each:,} requests") for each in self.steps], f"{self.sum.requests:,} requests", 150, 22
        )


async def models_page(service: Service, asked: Asked) -> Reply:
    """Every model and account."""
    accounts = await service.accounts()
    return await page(service, asked, "models", lambda: _found(service, asked.query, accounts))


async def models_json(service: Service, asked: Asked) -> Reply:
    """The same for programs."""
    accounts = await service.accounts()
    found = await asyncio.to_thread(_found, service, asked.query, accounts)
    spent = [
        {"requests": own.requests, "cost": own.cost} if own is not None else {"requests": 0, "cost": 0}
        for own in found["of_account"]
    ]
    told = [{**each, "spent": own} for each, own in zip(accounts, spent, strict=True)]
    return Reply({"accounts": told, "models": _rows(found["models"])}, headers=GUARD)


async def models_csv(service: Service, asked: Asked) -> Reply:
    """The models for spreadsheets."""
    rows = _rows((await asyncio.to_thread(_found, service, asked.query, ()))["models"])
    return table("models", ("model", "declared", "requests", "failed", "cost", "input", "output", "seconds"), rows)


def _rows(models: Sequence[ModelSeen]) -> list[dict[str, Any]]:
    return [
        {
            "model": each.name,
            "declared": each.model is not None,
            "requests": each.sum.requests,
            "failed": each.sum.failed,
            "cost": each.sum.cost,
            "input": each.sum.input,
            "output": each.sum.output,
            "seconds": round(each.sum.seconds, 3),
        }
        for each in models
    ]


def _found(service: Service, wanted: ModelsWanted, accounts: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    span, now = SPANS[wanted.since], time.time()
    policy = SHELF.take(service.state_dir, service.describe().digest)
    declared = {} if policy is None else policy.catalogue.models
    places = span.places(now)
    with Records(service.state_dir) as records:
        found = records.sums("model", now - span.seconds, span.step)
        spent = {each.name: each for each in records.sums("account", now - span.seconds)}
    sums: dict[str, Sum] = {}
    steps: dict[str, list[int]] = {}
    for each in found:
        sums[each.name] = sums[each.name].plus(each) if each.name in sums else each
        if each.bucket in places:
            steps.setdefault(each.name, [0] * len(places))[places[each.bucket]] += each.requests
    names = sorted({*declared, *sums}, key=lambda name: (-sums.get(name, Sum(name, 0)).requests, name))
    models = [
        ModelSeen(name, declared.get(name), sums.get(name, Sum(name, 0)), steps.get(name, [0] * len(places)))
        for name in names
    ]
    # an account that stands there several times, with a rest for each of its buckets, spent what it spent once
    of_account = [spent.pop(f"{each['provider']}/{each['account']}", None) for each in accounts]
    return {
        "models": models,
        "accounts": accounts,
        "of_account": of_account,
        "wanted": wanted,
        "span": span,
        "spans": SPANS,
    }


async def rest(service: Service, asked: Asked) -> Reply:
    """Leave an account alone for a while."""
    wanted: RestingWanted = asked.body
    return await _told(service, asked, "rest", wanted.seconds)


async def admit(service: Service, asked: Asked) -> Reply:
    """Let an account back in."""
    return await _told(service, asked, "admit", None)


async def _told(service: Service, asked: Asked, does: str, seconds: float | None) -> Reply:
    if not await service.tell_account(asked.names["provider"], asked.names["account"], does, seconds):
        raise Refused("admin.unknown-account", "the policy has no such account")
    return Reply(Html(b""), 303, {**GUARD, "Location": "/console/models"})


ROUTES = (
    Route(
        "GET",
        "/console/models",
        Role.READ,
        "models and accounts: what they serve, cost, and how they stand",
        models_page,
        {200: Html},
        ModelsWanted,
    ),
    Route("GET", "/console/models.json", Role.READ, "the same for programs", models_json, {200: dict}, ModelsWanted),
    Route("GET", "/console/models.csv", Role.READ, "the models for spreadsheets", models_csv, {200: Csv}, ModelsWanted),
    Route(
        "POST",
        "/console/models/{provider}/{account}/rest",
        Role.OPERATE,
        "leaves an account alone, as `POST /accounts/{provider}/{account}/rest`",
        rest,
        {303: Html},
        form=RestingWanted,
    ),
    Route(
        "POST",
        "/console/models/{provider}/{account}/admit",
        Role.OPERATE,
        "lets an account back in, as `POST /accounts/{provider}/{account}/admit`",
        admit,
        {303: Html},
    ),
)
