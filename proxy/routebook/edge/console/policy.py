"""The policy in force: its rules with what real traffic made of them, its tree, its files."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal

from msgspec import Meta

from routebook.edge.admin.refusals import Refused
from routebook.edge.admin.route import Asked, Html, Reply, Role, Route, Wanted
from routebook.edge.admin.service import Service
from routebook.edge.console.charts import Bar, bars
from routebook.edge.console.layout import GUARD, page
from routebook.edge.console.shelf import SHELF
from routebook.edge.console.spans import SPANS, Span
from routebook.edge.journal.records import Records
from routebook.edge.journal.tallies import Sum, moment_of_id
from routebook.routing.drawings.policy_tree import View, draw_policy, matching
from routebook.routing.drawings.svg import as_svg
from routebook.routing.outcomes import Refuse
from routebook.routing.policy import Policy
from routebook.routing.telling.wording import outcome_in_words


class PolicyWanted(Wanted, frozen=True):
    """What of the policy is looked at."""

    since: Annotated[Literal["1h", "24h", "7d", "30d"], Meta(description="how far back requests are counted")] = "24h"
    rule: Annotated[str | None, Meta(description="only the ways to rules whose names match, as `night-*`")] = None
    depth: Annotated[
        Annotated[int, Meta(ge=1, le=50)] | None,
        Meta(description="questions after one another that are drawn (default: as fits)"),
    ] = None
    live: Annotated[str | None, Meta(description="`1`: the page looks again by itself")] = None


@dataclass(frozen=True, slots=True)
class Covered:
    """A rule and what it decided: how many requests, how many of them ended badly, for how much, and when last."""

    rule: str
    where: str
    decides: str
    refuses: bool
    requests: int
    failed: int
    cost: int
    last: str | None
    steps: tuple[int, ...] = ()

    @property
    def picture(self) -> Any:
        """When it decided: a bar for each part of the time."""
        found = [Bar(each, 0, f"{each:,} requests") for each in self.steps]
        return bars(found, f"{self.requests:,} requests over time", 150, 22)


async def policy_page(service: Service, asked: Asked) -> Reply:
    """Rules, coverage and tree."""
    return await page(service, asked, "policy", lambda: _found(service, asked.query))


async def policy_json(service: Service, asked: Asked) -> Reply:
    """The coverage for programs."""
    wanted: PolicyWanted = asked.query
    digest, policy = _in_force(service)
    rules, others = await asyncio.to_thread(covered, service, policy, SPANS[wanted.since])
    return Reply(
        {
            "digest": digest,
            "since": wanted.since,
            "rules": [asdict(each) for each in rules],
            "not_in_this_policy": [{"rule": each.name, "requests": each.requests} for each in others],
        },
        headers=GUARD,
    )


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
        "picture": tree(service.state_dir, digest, wanted.rule or None, wanted.depth),
    }


@lru_cache(maxsize=32)
def tree(state_dir: Path, digest: str, pattern: str | None, depth: int | None) -> str | None:
    """The decision tree of a policy that is kept, to stand in a page; None where no rule's name matches. The same for the
    same policy, so it is drawn once."""
    policy = SHELF.take(state_dir, digest)
    if policy is None or not matching(policy, pattern):
        return None
    return as_svg(draw_policy(policy, View(depth, pattern)), within="tree-")


def covered(service: Service, policy: Policy, span: Span) -> tuple[list[Covered], list[Sum]]:
    """The rules of a policy in order, with what they decided in a span; and the sums of rules that it does not have."""
    since = time.time() - span.seconds
    with Records(service.state_dir) as records:
        steps = records.sums("rule", since, span.step)
    sums: dict[str, Sum] = {}
    places = span.places(time.time())
    by_rule: dict[str, list[int]] = {}
    for each in steps:
        sums[each.name] = sums[each.name].plus(each) if each.name in sums else each
        if each.bucket in places:
            by_rule.setdefault(each.name, [0] * len(places))[places[each.bucket]] += each.requests
    found = []
    for rule in policy.rules:
        own = sums.pop(rule.name, Sum(rule.name, 0))
        found.append(
            Covered(
                rule.name,
                f"{rule.location.file}:{rule.location.line}",
                outcome_in_words(rule.outcome),
                isinstance(rule.outcome, Refuse),
                own.requests,
                own.failed,
                own.cost,
                own.last or None,
                tuple(by_rule.get(rule.name, [0] * len(places))),
            )
        )
    return found, sorted(sums.values(), key=lambda each: -each.requests)


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
