"""The policy in force: its rules with what real traffic made of them, its tree, its files."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Annotated, Any, Literal

from msgspec import Meta

from routebook.edge.admin.refusals import Refused
from routebook.edge.admin.route import Asked, Csv, Html, Reply, Role, Route, Wanted
from routebook.edge.admin.service import Service
from routebook.edge.console.coverage import Covered, covered, tree
from routebook.edge.console.layout import GUARD, page
from routebook.edge.console.shelf import SHELF
from routebook.edge.console.spans import SPANS
from routebook.edge.console.tables import table
from routebook.edge.journal.tallies import Sum, moment_of_id
from routebook.routing.policy import Policy


class PolicyWanted(Wanted, frozen=True):
    """What of the policy is looked at."""

    since: Annotated[Literal["1h", "24h", "7d", "30d"], Meta(description="how far back requests are counted")] = "24h"
    rule: Annotated[str | None, Meta(description="only the ways to rules whose names match, as `night-*`")] = None
    depth: Annotated[
        Annotated[int, Meta(ge=1, le=50)] | None,
        Meta(description="questions after one another that are drawn (default: as fits)"),
    ] = None
    live: Annotated[str | None, Meta(description="`1`: the page looks again by itself")] = None


async def policy_page(service: Service, asked: Asked) -> Reply:
    """Rules, coverage and tree."""
    return await page(service, asked, "policy", lambda: _found(service, asked.query))


async def policy_json(service: Service, asked: Asked) -> Reply:
    """The coverage for programs."""
    wanted: PolicyWanted = asked.query
    digest, (rules, others) = await _coverage(service, wanted)
    return Reply(
        {
            "digest": digest,
            "since": wanted.since,
            "rules": [asdict(each) for each in rules],
            "not_in_this_policy": [{"rule": each.name, "requests": each.requests} for each in others],
        },
        headers=GUARD,
    )


async def policy_csv(service: Service, asked: Asked) -> Reply:
    """The coverage for spreadsheets."""
    _, (rules, _) = await _coverage(service, asked.query)
    return table(
        "rules", ("rule", "where", "decides", "requests", "failed", "cost", "last"), [asdict(each) for each in rules]
    )


async def _coverage(service: Service, wanted: PolicyWanted) -> tuple[str, tuple[list[Covered], list[Sum]]]:
    digest, policy = _in_force(service)
    return digest, await asyncio.to_thread(covered, service, policy, SPANS[wanted.since])


async def source_page(service: Service, asked: Asked) -> Reply:
    """The files, each rule with its count."""
    return await page(service, asked, "source", lambda: _sources(service, asked.query))


def _in_force(service: Service) -> tuple[str, Policy]:
    digest = service.describe().digest
    policy = SHELF.take(service.state_dir, digest)
    if policy is None:
        raise Refused("admin.unknown-record", "the policy in force is not kept in the state directory")
    return digest, policy


def _found(service: Service, wanted: PolicyWanted) -> Mapping[str, Any]:
    digest, policy = _in_force(service)
    span = SPANS[wanted.since]
    rules, others = covered(service, policy, span)
    return {
        "digest": digest,
        "policy": policy,
        "rules": rules,
        "others": others,
        "total": sum(each.requests for each in rules),
        "last_at": moment_of_id,
        "never": sum(not each.requests for each in rules),
        "span": span,
        "spans": SPANS,
        "wanted": wanted,
        "picture": tree(service.state_dir, digest, wanted.rule or None, wanted.depth, rules, span),
    }


def _sources(service: Service, wanted: PolicyWanted) -> Mapping[str, Any]:
    digest, policy = _in_force(service)
    rules, _ = covered(service, policy, SPANS[wanted.since])
    at = {each.where: each for each in rules}
    return {
        "digest": digest,
        "wanted": wanted,
        "spans": SPANS,
        "files": [(name, lines_of(text), name) for name, text in policy.sources],
        "at": at,
    }


def lines_of(text: str) -> Sequence[str]:
    """The lines of a file, as editors count them."""
    return text.removesuffix("\n").split("\n")


ROUTES = (
    Route(
        "GET",
        "/console/policy",
        Role.READ,
        "the rules with what traffic made of them, and the tree",
        policy_page,
        {200: Html},
        PolicyWanted,
    ),
    Route(
        "GET",
        "/console/policy.json",
        Role.READ,
        "how often each rule decided, and when last",
        policy_json,
        {200: dict},
        PolicyWanted,
    ),
    Route("GET", "/console/policy.csv", Role.READ, "the same for spreadsheets", policy_csv, {200: Csv}, PolicyWanted),
    Route(
        "GET",
        "/console/policy/files",
        Role.READ,
        "the policy's files, each rule with its count",
        source_page,
        {200: Html},
        PolicyWanted,
    ),
)
