"""Routes about accounts: how they stand and fare; leaving one alone, letting one back in."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta

from routebook.edge.admin.refusals import Refused
from routebook.edge.admin.route import Asked, Reply, Role, Route, Wanted
from routebook.edge.admin.service import Service, Shown

DAY = 86_400.0
"""Seconds that an account can be left alone for at most."""


class RestWanted(Wanted, frozen=True):
    """How long an account is to be left alone."""

    seconds: Annotated[float, Meta(gt=0, le=DAY, description="for how long (default: a day)")] = DAY


class AccountsShown(Shown, frozen=True):
    """Every account of the policy's providers, all workers together."""

    accounts: Annotated[
        list[dict[str, Any]],
        Meta(description="state, why and until when; calls in flight, failed, and their times; breakers not closed"),
    ]


async def accounts(service: Service, _: Asked) -> Reply:
    """How every account stands."""
    return Reply(AccountsShown(await service.accounts()))


async def rest_account(service: Service, asked: Asked) -> Reply:
    """Leave an account alone."""
    wanted: RestWanted = asked.query
    return await _told(service, asked, "rest", wanted.seconds)


async def admit_account(service: Service, asked: Asked) -> Reply:
    """Let an account back in."""
    return await _told(service, asked, "admit", None)


async def _told(service: Service, asked: Asked, does: str, seconds: float | None) -> Reply:
    if not await service.tell_account(asked.names["provider"], asked.names["account"], does, seconds):
        raise Refused("admin.unknown-account", "the policy has no such account")
    return Reply(AccountsShown(await service.accounts()))


ROUTES = (
    Route("GET", "/accounts", Role.READ, "how every account stands and fares", accounts, {200: AccountsShown}),
    Route(
        "POST",
        "/accounts/{provider}/{account}/rest",
        Role.OPERATE,
        "leaves an account alone, for so long or until it is let back in",
        rest_account,
        {200: AccountsShown},
        RestWanted,
    ),
    Route(
        "POST",
        "/accounts/{provider}/{account}/admit",
        Role.OPERATE,
        "lets an account back in, with its bucket and its breakers",
        admit_account,
        {200: AccountsShown},
    ),
)
