"""Deciding again from a record: the same policy, facts, memory and draw must give the same decision."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from routebook.catalogue.callers import client_named
from routebook.policy.facts import Value
from routebook.policy.rules import Decision
from routebook.routing.candidates import Plan
from routebook.routing.facts import FACTS, GivenFacts
from routebook.routing.memory import AccountKey
from routebook.routing.outcomes import Outcome, Route
from routebook.routing.pipelines import SPOKEN_NEED, text_route
from routebook.routing.planning import Planner
from routebook.routing.policy import Policy
from routebook.routing.recorded import (
    Considered,
    Recorded,
    conversation_of,
    demand_of,
    keyless_of,
    memory_of,
    recorded_of,
    value_of,
    within_of,
)
from routebook.routing.shadowing import shadow_route


@dataclass(frozen=True, slots=True)
class Again:
    """A decision made again: `plan` is None where no route was decided."""

    decision: Decision[Outcome]
    plan: Plan | None


class Replayer:
    """Decides records of one policy again. Planners are kept: there is one for each set of accounts without a key."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self._planners: dict[frozenset[AccountKey], Planner] = {}

    def __repr__(self) -> str:
        return f"<Replayer of {self.policy.digest}>"

    def planner(self, keyless: frozenset[AccountKey]) -> Planner:
        """The planner where these accounts have no key."""
        found = self._planners.get(keyless)
        if found is None:
            found = self._planners[keyless] = Planner(self.policy, keyless)
        return found

    def decide(self, record: Recorded) -> Again:
        """The decision of a record's first line, made again from what it holds; facts that it does not hold count as
        missing."""
        facts = GivenFacts(_facts(record))
        decision = self.policy.tree.decide(facts)
        rule = decision.rule
        if rule is None or not isinstance(rule.outcome, Route) or record.draw is None:
            return Again(decision, None)
        route = rule.outcome if record.shadow is None else shadow_route(rule.outcome)
        demand = demand_of(record)
        if record.pipeline is not None and route is not None:
            route, demand = text_route(route), replace(demand, needs=demand.needs - {SPOKEN_NEED}, stream=True)
        if route is None:
            return Again(decision, None)
        plan = self.planner(keyless_of(record)).plan(
            route,
            rule.name,
            demand,
            facts,
            client_named(self.policy.clients, record.client or ""),
            memory_of(record),
            at=0.0,
            draw=record.draw.draw,
            asked_within=within_of(record),
            conversation=conversation_of(record),
        )
        return Again(decision, plan)


def decide_again(policy: Policy, record: Mapping[str, Any]) -> Again:
    """The decision of a record's first line, made again under its own policy."""
    return Replayer(policy).decide(recorded_of(record))


def differences(record: Mapping[str, Any] | Recorded, again: Again) -> list[str]:
    """What came out otherwise than recorded, one sentence each; none where it is the same decision."""
    then, found = recorded_of(record), []
    rule = None if again.decision.rule is None else again.decision.rule.name
    if rule != then.rule:
        found.append(f"rule `{then.rule}` was recorded, `{rule}` decides")
    for verdict in ("kept", "dropped"):
        was = [_of_record(line) for line in then.candidates if line.verdict == verdict]
        now = list(_of_plan(again.plan, verdict))
        if was != now:
            found.append(f"{verdict} candidates were recorded as {_in_words(was)}, now they are {_in_words(now)}")
    return found


def recorded_facts(record: Mapping[str, Any]) -> dict[str, Value]:
    """The facts of a record in the types that rules expect; missing ones are left out."""
    return _facts(recorded_of(record))


def _facts(record: Recorded) -> dict[str, Value]:
    return {
        key: value
        for key, written in record.facts.items()
        if (value := value_of(written)) is not None and FACTS.find(key) is not None
    }


_Line = tuple[str, str | None, str, int | None, int | None]
"""A candidate as two decisions are compared: model, account, reason, cost at most, likely cost."""


def _of_record(line: Considered) -> _Line:
    return line.model, line.account, line.reason, line.cost, line.expected_cost


def _of_plan(plan: Plan | None, verdict: str) -> Iterator[_Line]:
    if plan is None:
        return
    if verdict == "kept":
        for kept in plan.kept:
            yield kept.name, kept.path, kept.reason, kept.estimated_cost, kept.expected_cost
    else:
        for dropped in plan.dropped:
            yield dropped.name, dropped.account, dropped.reason, None, None


def _in_words(lines: list[_Line]) -> str:
    return ", ".join(map(_said, lines)) or "none"


def _said(line: _Line) -> str:
    model, account, reason, cost, likely = line
    beside = "" if likely is None else f", likely {likely}"
    return f"{model} ({account or 'any account'}: {reason}, {cost}{beside})"
