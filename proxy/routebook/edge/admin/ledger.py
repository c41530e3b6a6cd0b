"""The route about the ledger's owner: what it counts at this moment."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from routebook.edge.admin.route import Asked, Reply, Role, Route
from routebook.edge.admin.service import Service, Shown


class CounterShown(Shown, frozen=True):
    """One counter of the ledger: a pot, and the slice of time that it is drawn on."""

    pot: Annotated[str, Meta(description="what is counted, whose budget it is, and for whom")]
    start: Annotated[int, Meta(description="the beginning of its slice, Unix seconds")]
    settled: Annotated[int, Meta(description="what is spent: nano-dollars, tokens or requests")]
    drawn: Annotated[int, Meta(description="what is spent, held, or granted to a worker")]


class LedgerShown(Shown, frozen=True):
    """What the owner of the ledger counts."""

    holders: Annotated[int, Meta(description="workers that it grants to")]
    counters: list[CounterShown]


async def ledger(service: Service, _: Asked) -> Reply:
    """Every counter of a window."""
    return Reply(service.ledger())


ROUTES = (
    Route("GET", "/ledger", Role.READ, "what the ledger's owner counts at this moment", ledger, {200: LedgerShown}),
)
