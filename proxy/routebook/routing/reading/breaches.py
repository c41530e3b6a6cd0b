"""Guarantees proven over every rule, candidate and fallback, or refuted by a request that breaks one.

A guarantee is *broken* where a rule decides a request for which the guarantee holds, and the rule's route could lead
there to a model that the guarantee keeps from it, on whatever hop. At run time the guarantee itself would keep the
model out; the proof asks whether the rules do what their author promised without that net.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from routebook.policy.conditions import holds
from routebook.policy.coverage import tests_of
from routebook.policy.facts import Value
from routebook.policy.proofs import Ordered, Undecided, region_of
from routebook.policy.regions import Box, Region, Work, intersect
from routebook.policy.rules import Rule
from routebook.routing.facts import GivenFacts
from routebook.routing.given import given_facts, plan_for_given
from routebook.routing.outcomes import Outcome, Route
from routebook.routing.planning import Planner
from routebook.routing.policy import Guarantee, Policy
from routebook.routing.reach import forbidden_by, may_hold
from routebook.routing.reading.examples import Example, example_of_caller, units_of
from routebook.routing.reading.reaching import Chance, Reaching
from routebook.routing.reading.who_calls import Caller, callers

MAX_WORK = 3_000_000
"""Steps of work for one guarantee."""


@dataclass(frozen=True, slots=True)
class Breach:
    """A request, the rule that decides it, and a model that the guarantee keeps from it: `explain` shows all three.

    Where the guarantee holds only because facts are missing, `unknown` are these.
    """

    guarantee: Guarantee
    rule: Rule[Outcome]
    model: str
    example: Example
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Unproven:
    """Neither proven nor refuted: for which guarantee, at which rule (None: at all)."""

    guarantee: Guarantee
    rule: Rule[Outcome] | None


class Guarding:
    """Proves the guarantees of one policy; `ordered` are its rules in a space that knows the guarantees' words."""

    def __init__(self, policy: Policy, ordered: Ordered, dead: frozenset[int]) -> None:
        self.policy = policy
        self.ordered = ordered
        self.dead = dead
        self._unguarded = Planner(replace(policy, guarantees=()))
        self._callers = callers(ordered.space, policy.clients.values())
        self._units = units_of(ordered.space)
        reaching = Reaching(ordered.space, policy.catalogue)
        self._chances = [
            tuple(reaching.chances(rule.outcome)) if isinstance(rule.outcome, Route) else () for rule in policy.rules
        ]

    def __repr__(self) -> str:
        return f"<Guarding {len(self.policy.guarantees)} guarantees of {self.policy.digest}>"

    def findings(self, guarantee: Guarantee) -> Iterator[Breach | Unproven]:
        """Every rule that may break a guarantee, each once; none where it is proven."""
        space, work = self.ordered.space, Work(MAX_WORK)
        held = region_of(space, guarantee.when, missing_holds=True)
        if held is None:
            yield Unproven(guarantee, None)
            return
        barred = {name for name, model in self.policy.catalogue.models.items() if forbidden_by(model, (guarantee,))}
        for number, rule in enumerate(self.policy.rules[: self._end(held)]):
            region = self.ordered.regions[number]
            chances = [each for each in self._chances[number] if each.model.name in barred and each.region]
            if not chances or number in self.dead:
                continue
            found = (
                Unproven(guarantee, rule)
                if region is None
                else self._at(guarantee, number, intersect(held, region), chances, work)
            )
            if found is not None:
                yield found

    def _end(self, held: Region) -> int:
        """The first rules, up to one that takes all that a guarantee speaks of."""
        barriers, ends = self.ordered.barriers, []
        for box in held:
            around = [
                each.rule
                for each in barriers.meeting(box, len(self.policy.rules))
                if all(not box.get(axis, self.ordered.space.full[axis]) & ~mask for axis, mask in each.cells)
            ]
            ends.append(min(around, default=len(self.policy.rules)))
        return min(max(ends, default=-1) + 1, len(self.policy.rules))

    def _at(
        self, guarantee: Guarantee, number: int, region: Region, chances: Sequence[Chance], work: Work
    ) -> Breach | Unproven | None:
        if not region or self.ordered.left_of(region, number, work) is None:
            return None
        undecided = False
        for chance, caller in self._ways(chances):
            for box in self._boxes(region, chance, caller, number, work):
                breach = None if isinstance(box, Undecided) else self._breach(guarantee, number, chance, caller, box)
                if breach is not None:
                    return breach
                undecided = True
        return Unproven(guarantee, self.policy.rules[number]) if undecided else None

    def _ways(self, chances: Iterable[Chance]) -> Iterator[tuple[Chance, Caller]]:
        for chance in chances:
            for caller in self._callers:
                if caller.models is None or chance.model.name in caller.models:
                    yield chance, caller

    def _boxes(
        self, region: Region, chance: Chance, caller: Caller, number: int, work: Work
    ) -> Iterator[Box | Undecided]:
        for asked in region:
            for box in intersect(intersect((asked,), chance.region), (caller.box,)):
                found = self.ordered.left_of((box,), number, work, towards=asked)
                if found is not None:
                    yield found

    def _breach(self, guarantee: Guarantee, number: int, chance: Chance, caller: Caller, box: Box) -> Breach | None:
        """The breach, where the request does what the proof says: decided by the tree, planned by the planner."""
        values = self.ordered.space.example(box)
        if values is None:
            return None
        for more in self._fillings(chance, values):
            example = example_of_caller({**values, **more}, caller, self._units)
            if example is None:
                continue
            rule, given = self.policy.rules[number], example.given
            facts = given_facts(self.policy, given)
            if self.policy.tree.decide(facts).rule is not rule or not may_hold(guarantee.when, facts):
                continue
            if self._leads(rule, chance, given):
                return Breach(guarantee, rule, chance.model.name, example, _unknown(guarantee, facts))
        return None

    def _leads(self, rule: Rule[Outcome], chance: Chance, given: Mapping[str, Value]) -> bool:
        """Whether a plan without guarantees has the model, or the rule sends it a copy."""
        assert isinstance(rule.outcome, Route)
        if chance.is_piped:
            return True
        if rule.outcome.shadow is not None and rule.outcome.shadow[0] == chance.name:
            return True
        plan = plan_for_given(self._unguarded, rule.outcome, rule.name, given)
        return any(each.name == chance.model.name for each in plan.kept)

    def _fillings(self, chance: Chance, values: Mapping[str, Value | None]) -> Iterator[dict[str, Value]]:
        """What else the request must say to reach the model, where the box leaves it open."""
        more: dict[str, Value] = {}
        operations = chance.model.operations
        if "request.operation" not in values and "chat" not in operations:
            more["request.operation"] = min(operations)
        if chance.asked and "request.model" not in values:
            more["request.model"] = chance.model.name
        yield more
        if values.get("request.max_output") is None:
            yield {**more, "request.max_output": 1}


def _unknown(guarantee: Guarantee, facts: GivenFacts) -> tuple[str, ...]:
    if holds(guarantee.when, facts):
        return ()
    asked = {test.fact for test in tests_of(guarantee.when) if test.predicate is not None}
    return tuple(sorted({fact.partition("[")[0] for fact in asked if facts(fact) is None}))
