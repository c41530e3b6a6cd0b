"""Deciding again from a record: the same policy, facts, memory and draw must give the same decision."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from routebook.catalogue.callers import client_named
from routebook.policy.facts import FactType, Value
from routebook.policy.rules import Decision
from routebook.routing.affinity import recorded_conversation
from routebook.routing.candidates import Plan
from routebook.routing.demand import KnownDemand, Size
from routebook.routing.facts import FACTS, GivenFacts
from routebook.routing.memory import Remembered
from routebook.routing.outcomes import UNCONSTRAINED, Outcome, Route, Within
from routebook.routing.planning import Planner
from routebook.routing.policy import Policy
from routebook.scoring.judged import Judged


@dataclass(frozen=True, slots=True)
class Again:
    """A decision made again: `plan` is None where no route was decided."""

    decision: Decision[Outcome]
    plan: Plan | None


def decide_again(policy: Policy, record: Mapping[str, Any]) -> Again:
    """The decision of a record's first line, made again under a policy: its own, or another to compare with.

    Under another policy, facts that its rules ask and the record does not hold count as missing.
    """
    facts = GivenFacts(recorded_facts(record))
    decision = policy.tree.decide(facts)
    outcome = None if decision.rule is None else decision.rule.outcome
    if decision.rule is None or not isinstance(outcome, Route):
        return Again(decision, None)
    planner = Planner(policy, [(provider, account) for provider, account in record.get("keyless", ())])
    plan = planner.plan(
        outcome,
        decision.rule.name,
        _demand(record),
        facts,
        client_named(policy.clients, record["client"]),
        _memory(record),
        at=0.0,
        draw=record["draw"]["draw"],
        asked_within=_within(record),
        conversation=recorded_conversation(record.get("stick")),
    )
    return Again(decision, plan)


def differences(record: Mapping[str, Any], again: Again) -> list[str]:
    """What came out otherwise than recorded, one sentence each; none where it is the same decision."""
    found = []
    rule = None if again.decision.rule is None else again.decision.rule.name
    if rule != record["rule"]:
        found.append(f"rule `{record['rule']}` was recorded, `{rule}` decides")
    for verdict in ("kept", "dropped"):
        was = [_summary(line) for line in record["candidates"] if line["verdict"] == verdict]
        now = list(_summaries(again.plan, verdict))
        if was != now:
            found.append(
                f"{verdict} candidates were recorded as {', '.join(was) or 'none'}, "
                f"now they are {', '.join(now) or 'none'}"
            )
    return found


def recorded_facts(record: Mapping[str, Any]) -> dict[str, Value]:
    """The facts of a record in the types that rules expect; missing ones are left out."""
    facts: dict[str, Value] = {}
    for key, value in record["facts"].items():
        spec = FACTS.find(key)
        if spec is not None and value is not None:
            facts[key] = frozenset(value) if spec.type is FactType.SET else value
    return facts


def _demand(record: Mapping[str, Any]) -> KnownDemand:
    asked = record["asked"]
    return KnownDemand(
        operation=record["operation"],
        model=record["requested"],
        needs=frozenset(asked["needs"]),
        max_output=asked["max_output"],
        choices=asked["choices"],
        texts=asked.get("texts", 1),
        most_tokens=asked.get("most_tokens", 0),
        known_size=Size(asked.get("tokens", 0), asked.get("tokens_by", "given")),
        point=record["draw"].get("point"),
        dialect=record["dialect"],
        lost={
            line["model"]: line["numbers"]["lost"] for line in record["candidates"] if line["reason"] == "model.loses"
        },
        conversation=record["draw"].get("conversation"),
        known_judged=msgspec.convert(asked["judged"], Judged) if "judged" in asked else None,
    )


def _memory(record: Mapping[str, Any]) -> Remembered:
    memory = record.get("memory", {})
    return Remembered(
        rests={
            (provider, account): (seconds, because) for provider, account, seconds, because in memory.get("resting", ())
        },
        first_tokens=memory.get("first_token", {}),
        running={(provider, account): running for provider, account, running in memory.get("in_flight", ())},
        bars={
            ((provider, account), model): (code, seconds, because)
            for provider, account, model, code, seconds, because in memory.get("barred", ())
        },
        turns=memory.get("turns", {}),
    )


def _within(record: Mapping[str, Any]) -> Within:
    said = record["asked"].get("within")
    if said is None:
        return UNCONSTRAINED
    regions = said["regions"]
    return Within(said["cost"], said["first_token"], said["quality"], None if regions is None else frozenset(regions))


def _summary(line: Mapping[str, Any]) -> str:
    return f"{line['model']} ({line['account'] or 'any account'}: {line['reason']}, {line.get('cost')})"


def _summaries(plan: Plan | None, verdict: str) -> Iterator[str]:
    if plan is None:
        return
    if verdict == "kept":
        for kept in plan.kept:
            yield f"{kept.name} ({kept.path}: {kept.reason}, {kept.estimated_cost})"
    else:
        for dropped in plan.dropped:
            yield f"{dropped.name} ({dropped.account or 'any account'}: {dropped.reason}, None)"
