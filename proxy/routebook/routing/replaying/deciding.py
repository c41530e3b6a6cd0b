"""One recorded decision again, under a policy that is proposed: where the request would go now, and where it went.

What the record remembers of accounts, budgets and limits holds again: whoever was passed over then, is now. Of a model
that nobody looked at then, nothing of that kind is known; it is taken as ready, able to carry the request and never
measured, and the answer says that it rests on this.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import NamedTuple

from routebook.catalogue.models import Model
from routebook.policy.rules import Rule
from routebook.routing.candidates import Plan
from routebook.routing.demand import KnownDemand
from routebook.routing.outcomes import REQUESTED, UNCONSTRAINED, Outcome, Pick, Route, Within
from routebook.routing.own_tasks import own_task
from routebook.routing.pipelines import is_heard
from routebook.routing.policy import Policy
from routebook.routing.recorded import Recorded, conversation_of, demand_of, keyless_of, memory_of, within_of
from routebook.routing.replay import Replayer
from routebook.routing.replaying.between import Between
from routebook.routing.replaying.knowing import NotRecorded, RecordedFacts
from routebook.routing.sizes import BYTES, COUNTED, IMAGE_TOKENS, Size, tokens_by_bytes
from routebook.scoring.judged import classed

ROUTED, REFUSED, NOBODY, NO_RULE, SHUT_OUT = "route", "refuse", "nobody", "none", "unknown client"
"""What becomes of a request: it goes to a model, is refused by a rule, meets no candidate that may serve it, meets no
rule, or its client is not let in."""


class Destination(NamedTuple):
    """Where a request goes: what becomes of it, by which rule, and to which model first."""

    outcome: str
    rule: str | None = None
    model: str | None = None

    @property
    def goes_to(self) -> tuple[str, str | None]:
        """What its client notices: the outcome and the model."""
        return self.outcome, self.model


class Redecided(NamedTuple):
    """Where a request went and where it would go now. `fallbacks_differ`: others, or in another order, stand behind the
    first model. `assumed`: the first model was not looked at then."""

    then: Destination
    now: Destination
    fallbacks_differ: bool = False
    assumed: bool = False

    @property
    def moves(self) -> bool:
        """Whether its client would get something else: another model, a refusal, an answer instead of a refusal."""
        return self.then.goes_to != self.now.goes_to


PolicyOf = Callable[[str], Policy | None]
"""The policy of a digest, None where it is not at hand."""


class Redeciding:
    """Decides recorded requests again under one proposed policy."""

    def __init__(self, proposed: Policy, policy_of: PolicyOf) -> None:
        self.proposed = proposed
        self._policy_of = policy_of
        self._replayer = Replayer(proposed)
        self._between: dict[str, Between] = {}

    def __repr__(self) -> str:
        return f"<Redeciding under {self.proposed.digest}>"

    def between(self, digest: str) -> Between:
        """What records of a policy can vouch for."""
        found = self._between.get(digest)
        if found is None:
            found = self._between[digest] = Between(self._policy_of(digest), self.proposed)
        return found

    def decide(self, record: Recorded) -> Redecided:
        """Where the request would go; raises NotRecorded where that depends on what the record does not hold."""
        between = self.between(record.policy)
        passed_over = _passed_over(record)
        then = _recorded(record, passed_over)
        try:
            caller = between.caller(record.client or "")
        except KeyError as unknown:
            raise NotRecorded(unknown.args[0]) from None
        if caller.client is None:
            return Redecided(then, Destination(SHUT_OUT))
        facts = RecordedFacts(record, between, caller)
        rule = self.proposed.tree.decide(facts).rule
        if rule is None:
            return Redecided(then, Destination(NO_RULE))
        if not isinstance(rule.outcome, Route):
            return Redecided(then, Destination(REFUSED, rule.name))
        if caller.is_kept and between.plans_as_before(record.rule, rule.name):
            return Redecided(then, then._replace(rule=rule.name))
        demand = self._demand(record, rule.outcome)
        self._check(record, rule, between, demand)
        if rule.outcome.judges and demand.known_judged is not None and not between.tasks_alike:
            own = own_task(self.proposed.tasks, facts)
            demand = replace(demand, known_judged=classed(demand.known_judged, own))
        plan = self._replayer.planner(keyless_of(record)).plan(
            rule.outcome,
            rule.name,
            demand,
            facts,
            caller.client,
            memory_of(record),
            at=0.0,
            draw=0.0 if record.draw is None else record.draw.draw,
            asked_within=within_of(record),
            conversation=conversation_of(record),
        )
        return _compared(record, then, rule.name, plan, passed_over)

    def _demand(self, record: Recorded, route: Route) -> KnownDemand:
        """What the request demands; sizes that were not worked out then follow from its bytes, where they do."""
        demand, asked = demand_of(record), record.asked
        if asked.texts is None and record.operation == "embeddings":
            if asked.messages is None:
                raise NotRecorded("prompt.messages")
            demand = replace(demand, texts=asked.messages)
        if asked.most_tokens is None:
            images = 0
            if record.operation == "chat" and "vision" in asked.needs:
                if asked.images is None:
                    raise NotRecorded("prompt.images")
                images = asked.images
            demand = replace(demand, most_tokens=asked.bytes + images * IMAGE_TOKENS)
        if asked.tokens_by not in COUNTED:
            if self._asks_closely(demand, route, within_of(record)):
                raise NotRecorded("prompt.tokens")
            demand = replace(demand, known_size=Size(tokens_by_bytes(asked.bytes), BYTES))
        return demand

    def _asks_closely(self, demand: KnownDemand, route: Route, asked_within: Within) -> bool:
        """Whether the plan depends on the prompt's tokens more closely than its bytes tell."""
        if route.within.cost is not None or asked_within.cost is not None:
            return True
        if route.weighs_cost:
            return True
        if demand.texts > 1:
            return False
        cap, wanted = route.caps.max_output, demand.max_output
        answer = wanted if cap is None else cap if wanted is None else min(wanted, cap)
        room = demand.most_tokens + (answer or 0)
        return any(model.context is not None and room > model.context for model in self._models(route, demand.model))

    def _models(self, route: Route, requested: str) -> Iterator[Model]:
        """The models that a route names."""
        catalogue = self.proposed.catalogue
        for name in route.to:
            asked = requested if name == REQUESTED else name
            pool = catalogue.pools.get(asked)
            for each in (asked,) if pool is None else pool.models:
                if each in catalogue.models:
                    yield catalogue.models[each]

    def _check(self, record: Recorded, rule: Rule[Outcome], between: Between, demand: KnownDemand) -> None:
        """Raise NotRecorded where the route depends on what only a record of a route like it holds."""
        route, before = rule.outcome, between.route_of(record.rule)
        assert isinstance(route, Route)
        if route.split is not None:
            dealt_alike = before is not None and before.split is not None and before.split.by == route.split.by
            if demand.point is None or record.rule != rule.name or not dealt_alike:
                raise NotRecorded(f"the request's place in the split of `{rule.name}`")
        if route.pick is Pick.LEAST_BUSY and (before is None or before.pick is not Pick.LEAST_BUSY):
            raise NotRecorded("how many calls of each account were running")
        if route.judges and demand.known_judged is None and record.operation != "embeddings":
            rated = {each.name: each.quality for each in self._models(route, demand.model)}
            if len(rated) > 1 and any(quality is not None for quality in rated.values()):
                raise NotRecorded("prompt.complexity")
        if route.pick is Pick.FASTEST or any(
            within.first_token is not None for within in (route.within, within_of(record))
        ):
            measured = _measured(record, before)
            for model in self._models(route, demand.model):
                if model.name not in measured:
                    raise NotRecorded(f"model.{model.name}.first_token")
        limits = route.within, within_of(record)
        if is_heard(record.operation, demand.needs) and any(each.first_audio is not None for each in limits):
            known = _sounded(record, before)
            for model in self._models(route, demand.model):
                if model.name not in known:
                    raise NotRecorded(f"model.{model.name}.first_audio")


def _sounded(record: Recorded, before: Route | None) -> set[str]:
    """The models of which it is known whether, and how soon, they were heard."""
    known = set() if record.memory is None else set(record.memory.first_audio)
    limits = within_of(record), UNCONSTRAINED if before is None else before.within
    return known if all(each.first_audio is None for each in limits) else known | _looked_at(record)


def _measured(record: Recorded, before: Route | None) -> set[str]:
    """The models of which it is known whether, and how fast, they were measured."""
    known = set() if record.memory is None else set(record.memory.first_token)
    asked = record.asked.within is not None or (
        before is not None and (before.pick is Pick.FASTEST or before.within != UNCONSTRAINED)
    )
    if asked:
        known |= _looked_at(record)
    return known


def _looked_at(record: Recorded) -> set[str]:
    """The models that were compared by what was measured."""
    return {
        each.model
        for each in record.candidates
        if each.verdict == "kept" or each.reason.startswith(("within.", "account.", "breaker."))
    }


def _passed_over(record: Recorded) -> frozenset[tuple[str, str | None]]:
    """Candidates that were kept and not called, because a budget, a limit or a rest kept them from it."""
    hold = record.hold
    if not record.barred and (hold is None or not hold.refused):
        return _NONE
    refused = [] if hold is None else hold.refused
    return frozenset((each.model, each.account) for each in (*record.barred, *refused))


_NONE: frozenset[tuple[str, str | None]] = frozenset()


def _recorded(record: Recorded, passed_over: frozenset[tuple[str, str | None]]) -> Destination:
    if record.outcome != ROUTED:
        return Destination(record.outcome, record.rule)
    for each in record.candidates:
        if each.verdict == "kept" and (each.model, each.account) not in passed_over:
            return Destination(ROUTED, record.rule, each.model)
    return Destination(NOBODY, record.rule)


def _compared(
    record: Recorded, then: Destination, rule: str, plan: Plan, passed_over: frozenset[tuple[str, str | None]]
) -> Redecided:
    left = [each for each in plan.kept if (each.name, each.path) not in passed_over]
    if not left:
        return Redecided(then, Destination(NOBODY, rule))
    first = left[0]
    order = [each.name for each in plan.kept]
    return Redecided(
        then,
        Destination(ROUTED, rule, first.name),
        order != [each.model for each in record.candidates if each.verdict == "kept"],
        not any((each.model, each.account) == (first.name, first.path) for each in record.candidates),
    )
