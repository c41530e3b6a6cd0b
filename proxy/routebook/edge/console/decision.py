"""One decision: what was asked, the way through the tree, every condition with what it saw, who was considered, what it
was held to cost and did, what was tried and when.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Annotated, Any

from msgspec import Meta

from routebook.edge.admin.decisions import DecisionRecord
from routebook.edge.admin.refusals import Refused
from routebook.edge.admin.route import Asked, Html, Reply, Role, Route, Wanted
from routebook.edge.admin.service import Service
from routebook.edge.console.layout import GUARD, link, page
from routebook.edge.console.shelf import SHELF
from routebook.edge.console.timeline import timeline
from routebook.edge.journal.records import Record, find_record
from routebook.policy.explain import Account, said, why_not_line
from routebook.policy.saying import say_value
from routebook.routing.drawings.one_way import draw_way
from routebook.routing.drawings.svg import as_svg
from routebook.routing.facts import FACTS
from routebook.routing.replay import recorded_facts
from routebook.routing.telling.explanation import Explanation, explain_record
from routebook.routing.telling.money import held_lines, settled_lines
from routebook.routing.telling.rendering import story
from routebook.routing.telling.why_not import WhyNot, facts_of_record, why_not

_NOT_THERE = "no record has this id; perhaps it is older than `serve --keep-days`"


class DecisionWanted(Wanted, frozen=True):
    """What else is asked of a decision."""

    model: Annotated[str | None, Meta(description="a model: why it was not chosen, and what would choose it")] = None


async def decision_page(service: Service, asked: Asked) -> Reply:
    """One record, explained."""
    return await page(service, asked, "decision", lambda: _found(service, asked))


async def decision_json(service: Service, asked: Asked) -> Reply:
    """One record, as the journal holds it."""
    record = await asyncio.to_thread(find_record, service.state_dir, asked.names["id"])
    if record is None:
        raise Refused("admin.unknown-record", _NOT_THERE)
    return Reply(DecisionRecord(record.decided, record.ended), headers=GUARD)


def _found(service: Service, asked: Asked) -> Mapping[str, Any]:
    record = find_record(service.state_dir, asked.names["id"])
    if record is None or record.decided is None:
        raise Refused("admin.unknown-record", _NOT_THERE)
    decided, ended = record.decided, record.ended
    found = explain_record(SHELF.take(service.state_dir, decided["policy"]), decided, ended)
    return {
        "id": decided["id"],
        "decided": decided,
        "end": ended,
        "found": found,
        "story": story(found)[1:],
        "picture": picture(found),
        "own": next((rule for rule in found.rules if rule.decided), None),
        "others": [why_not_line(rule, FACTS) for rule in found.rules if not rule.decided],
        "said": condition_said,
        "say": lambda fact, value: say_value(fact, value, FACTS),
        "facts": [(fact, say_value(fact, value, FACTS)) for fact, value in recorded_facts(decided).items()],
        "missing": [fact for fact, value in decided["facts"].items() if value is None],
        "held": list(held_lines(decided)),
        "settled": [] if ended is None else list(settled_lines(decided, ended)),
        "attempts": timeline(ended),
        "whole": json.dumps({"decided": decided, "ended": ended}, indent=2, ensure_ascii=False),
        "models": [] if found.policy is None else sorted(found.policy.catalogue.models),
        "asked_model": asked.query.model or "",
        "why_not": _why_not(found, record, asked.query.model),
        "what_if": _what_if(found),
    }


def picture(found: Explanation) -> str | None:
    """The tree with its way lit, to stand in a page; None where there is nothing to draw."""
    sketch = draw_way(found)
    return None if sketch is None else as_svg(sketch, within="way-")


def condition_said(account: Account) -> tuple[str, str, str]:
    """What became of a condition: a class for its colour, a sign, words."""
    kind, sign = {
        "held": ("good", "✓"),
        "did not hold": ("bad", "✕"),
        "did not hold: the fact is missing": ("bad", "?"),
        "not asked": ("quiet", "–"),
    }[account.verdict.value]
    return kind, sign, said(account, FACTS)


def _why_not(found: Explanation, record: Record, model: str | None) -> WhyNot | None:
    if not model or found.policy is None or record.decided is None:
        return None
    if model not in found.policy.catalogue.models:
        raise Refused("admin.bad-request", f"`{model}` is no model of the policy that decided")
    return why_not(found.policy, found, facts_of_record(record.decided, found.seen), model)


def _what_if(found: Explanation) -> str | None:
    """The page that tries such a request again with other facts."""
    if found.record is None or found.policy is None:
        return None
    known = {**facts_of_record(found.record, found.seen)}
    lines = [f"{fact}={written(fact, value)}" for fact, value in sorted(known.items()) if FACTS.find(fact) is not None]
    return link("/console/what-if", given="\n".join(lines))


def written(fact: str, value: Any) -> str:
    """A fact's value as `--given` takes it."""
    return ",".join(sorted(value)) if isinstance(value, frozenset) else say_value(fact, value, FACTS)


ROUTES = (
    Route(
        "GET",
        "/console/decisions/{id}.json",
        Role.READ,
        "one record, whole, as `GET /decisions/{id}` has it",
        decision_json,
        {200: DecisionRecord},
    ),
    Route(
        "GET",
        "/console/decisions/{id}",
        Role.READ,
        "one decision: its way through the tree, its candidates, money and attempts",
        decision_page,
        {200: Html},
        DecisionWanted,
    ),
)
