"""The smallest change of facts after which a model would be chosen, found among the regions that proofs work with.

A request is a point among the cells of all facts. Each rule that may lead to the model has its boxes; from the point to
a box, some facts must change, and perhaps some more so that no rule before it takes the request. The fewest are looked
for. Whatever is found is decided again: what is told is what happens.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from routebook.documents.problems import Problems
from routebook.policy.axes import WHOLE, Aspect, Axis
from routebook.policy.conditions import Glob, Test, satisfies, test_holds
from routebook.policy.coverage import tests_of
from routebook.policy.facts import Value
from routebook.policy.proofs import Undecided, region_of
from routebook.policy.regions import Box, Region, TooLarge, Work, intersect, meet, subtract
from routebook.routing.candidates import Dropped, Plan
from routebook.routing.facts import FACTS
from routebook.routing.given import client_of, given_facts, plan_for_given
from routebook.routing.outcomes import Route
from routebook.routing.planning import Planner
from routebook.routing.policy import Policy
from routebook.routing.reach import forbidden_by
from routebook.routing.reading.examples import Example, units_of, written_example
from routebook.routing.reading.proving import Proving
from routebook.routing.reading.reaching import Reaching
from routebook.routing.reading.who_calls import Caller, callers

MOST_BOXES = 60
"""Boxes of one rule that are looked at, the nearest first."""

MOST_MORE = 2
"""Facts beyond those that must change that may change so that no rule before takes the request."""

MOST_WORDS = 8
"""Other words that are tried for a text."""

MOST_WORK = 400_000

Given = Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Change:
    """Facts that would have to be otherwise: fact, what it was, what it would be (None: missing). `rule` would decide
    then, and the model would stand at `place` (1: it is chosen). `example` is the whole request."""

    facts: tuple[tuple[str, Value | None, Value | None], ...]
    rule: str
    place: int
    example: Example | None


def _rank(change: Change) -> tuple[bool, int, int]:
    """The smaller, the better: chosen before considered, few changes before many."""
    return change.place != 1, len(change.facts), change.place


def outcome_for(policy: Policy, given: Given, model: str) -> tuple[str | None, int, Dropped | None]:
    """What becomes of a request with every account ready: the rule that decides, the model's place among the
    candidates (0: none), and why it was dropped."""
    rule = policy.tree.decide(given_facts(policy, given)).rule
    if rule is None or not isinstance(rule.outcome, Route):
        return (None if rule is None else rule.name), 0, None
    plan = plan_for_given(Planner(policy), rule.outcome, rule.name, given)
    return rule.name, place_of(plan, model), next((each for each in plan.dropped if each.name == model), None)


def place_of(plan: Plan, model: str) -> int:
    """A model's place among the candidates of a plan, from 1 on; 0 where it is none."""
    names = list(dict.fromkeys(each.name for each in plan.kept))
    return names.index(model) + 1 if model in names else 0


class Nearest:
    """Looks for the smallest change of one request under one policy."""

    def __init__(self, policy: Policy, given: Given, model: str) -> None:
        self.policy = policy
        self.given = dict(given)
        self.model = model
        proving = Proving(
            policy.rules, policy.catalogue, tuple(policy.clients.values()), policy.guarantees, (), Problems()
        )
        self._space, self._ordered = proving.space, proving.ordered
        self._reaching = Reaching(self._space, policy.catalogue)
        self._facts = given_facts(policy, given)
        self._work = Work(MOST_WORK)
        conditions = [*(rule.when for rule in policy.rules), *(each.when for each in policy.guarantees)]
        self._tests: dict[str, dict[Test, None]] = {}
        for condition in conditions:
            for test in tests_of(condition):
                self._tests.setdefault(test.fact, {})[test] = None
        self._point = {number: self._cell(axis) for number, axis in enumerate(self._space.axes)}

    def __repr__(self) -> str:
        return f"<Nearest way to {self.model} under {self.policy.digest}>"

    def change(self) -> Change | None:
        """The smallest change that chooses the model; where there is none, the smallest that makes it a candidate."""
        best = self._tried({})
        try:
            for changes in self._ways():
                if best is not None and best.place == 1 and len(changes) > len(best.facts):
                    break
                found = self._tried(changes)
                if found is not None and (best is None or _rank(found) < _rank(best)):
                    best = found
        except TooLarge:
            pass
        return best

    def _ways(self) -> Iterator[dict[str, Value | None]]:
        """Changes of facts that lead to a rule which may lead to the model: the fewest facts first."""
        found: list[tuple[int, int, int, dict[str, Value | None]]] = []
        for number, rule in enumerate(self.policy.rules):
            if not isinstance(rule.outcome, Route):
                continue
            chances = [each for each in self._reaching.chances(rule.outcome) if each.model.name == self.model]
            reachable = tuple(box for each in chances for box in each.region)
            own = self._ordered.regions[number]
            if own is None or not reachable:
                continue
            for caller, point in self._points():
                for box in self._boxes(intersect(own, reachable), point):
                    for facts in self._from(point, box, number):
                        changes = facts if caller is None else {**facts, **caller.brings}
                        found.append((len(changes), caller is not None, number, changes))
        for _, _, _, changes in sorted(found, key=lambda each: each[:3]):
            yield changes

    def _points(self) -> Iterator[tuple[Caller | None, Box]]:
        """Where the request is, and where it would be from another client that may use the model."""
        client = client_of(self.policy, self.given)
        if client.models is None or self.model in client.models:
            yield None, self._point
        for caller in callers(self._space, self.policy.clients.values()) if self.policy.clients else ():
            if caller.models is None or self.model in caller.models:
                moved = dict(self._point)
                for axis, mask in caller.box.items():
                    moved[axis] = moved[axis] & mask or mask
                yield caller, moved

    def _boxes(self, region: Region, point: Box) -> Sequence[Box]:
        """The nearest boxes of a region, without what guarantees keep from the model."""
        model = self.policy.catalogue.models[self.model]
        barred = [
            box
            for guarantee in forbidden_by(model, self.policy.guarantees)
            for box in region_of(self._space, guarantee.when, missing_holds=True) or ()
        ]
        left = subtract(self._space, region[:MOST_BOXES], barred, self._work)
        return sorted(left, key=lambda box: len(self._outside(point, box)))[:MOST_BOXES]

    def _outside(self, point: Box, box: Box) -> set[str]:
        """The facts that must change on the way from a point to a box."""
        return {self._space.axes[axis].fact for axis, mask in box.items() if not mask & point[axis]}

    def _from(self, point: Box, box: Box, number: int) -> Iterator[dict[str, Value | None]]:
        """The changes from a point to a box of a rule that no rule before it matches."""
        needed = self._outside(point, box)
        if any(not self._may_change(fact) for fact in needed):
            return
        found = list(self._reached(point, box, needed, number))
        yield from found
        if found:
            return
        near = self._pinned(point, box, needed)
        before = () if near is None else self._ordered.barriers.meeting(near, number)
        facts = {self._space.axes[axis].fact for barrier in before for axis, _ in barrier.cells} - needed
        others = sorted(fact for fact in facts if self._may_change(fact))
        for more in range(1, MOST_MORE + 1):
            for extra in itertools.combinations(others, more):
                found += self._reached(point, box, {*needed, *extra}, number)
            yield from found
            if found:
                return

    def _may_change(self, fact: str) -> bool:
        """Whether a fact can be another for the same client: who it is and what it brings cannot, where it is declared."""
        return not (self.policy.clients and fact.startswith("client."))

    def _pinned(self, point: Box, box: Box, free: set[str]) -> Box | None:
        """A box, with every fact but the free ones held where it is."""
        held = {number: mask for number, mask in point.items() if self._space.axes[number].fact not in free}
        return meet(box, held)

    def _reached(self, point: Box, box: Box, free: set[str], number: int) -> Iterator[dict[str, Value | None]]:
        """The values of the free facts that lead to a rule; where a text may be this or that, with each of a few."""
        pinned = self._pinned(point, box, free)
        found = None if pinned is None else self._ordered.left_of((pinned,), number, self._work)
        if found is None or isinstance(found, Undecided):
            return
        changes = {fact: self._value(fact, found, point) for fact in sorted(free)}
        yield changes
        for axis, mask in found.items():
            fact, values = self._space.axes[axis].fact, self._space.axes[axis].values
            if fact in free and isinstance(changes[fact], str):
                others = (value for bit, value in enumerate(values) if mask >> bit & 1 and value != changes[fact])
                yield from ({**changes, fact: value} for value in itertools.islice(others, MOST_WORDS))

    def _value(self, fact: str, box: Box, point: Box) -> Value | None:
        """A value of a fact in a box, the nearest to what it was."""
        was = self._facts(fact)
        held = set(was) if isinstance(was, frozenset) else set[str]()
        known = True
        for number, axis in enumerate(self._space.axes):
            if axis.fact != fact:
                continue
            mask = box.get(number, point[number] or axis.full)
            match axis.aspect:
                case Aspect.VALUE:
                    return _nearest(axis, mask, was)
                case Aspect.KNOWN:
                    known = bool(mask & 1)
                case Aspect.MEMBER if mask == 1:
                    held.add(axis.name)
                case Aspect.MEMBER if mask == 2:
                    held.discard(axis.name)
        return frozenset(held) if known else None

    def _cell(self, axis: Axis) -> int:
        """The cells of an axis that the request lies in."""
        value = self._facts(axis.fact)
        match axis.aspect:
            case Aspect.KNOWN:
                return 2 if value is None else 1
            case Aspect.MEMBER:
                return 1 if isinstance(value, frozenset) and axis.name in value else 2
            case Aspect.PATTERN:
                return 1 if value is not None and satisfies(value, Glob(axis.name)) else 2
        if value is None or value in axis.values:
            same = [bit for bit, each in enumerate(axis.values) if each == value and axis.full >> bit & 1]
            if same:
                return 1 << same[0]
        tests = self._tests.get(axis.fact, {})
        told = {test: test_holds(test, value) for test in tests}
        mask = sum(
            1 << bit
            for bit, each in enumerate(axis.values)
            if axis.full >> bit & 1 and all(test_holds(test, each) is holds for test, holds in told.items())
        )
        others = next(iter(self._space.unnamed(axis.fact).values()), 0)
        return mask & others or mask or axis.full

    def _tried(self, changes: Mapping[str, Value | None]) -> Change | None:
        """The change, where the request then leads to the model; with what the model itself asks for beside it."""
        changes = {fact: value for fact, value in changes.items() if value != self._facts(fact)}
        for _ in range(3):
            given = {**self.given, **changes}
            known = {fact: value for fact, value in given.items() if value is not None}
            rule, place, dropped = outcome_for(self.policy, known, self.model)
            if rule is not None and place:
                facts = tuple((fact, self._facts(fact), value) for fact, value in changes.items())
                return Change(facts, rule, place, written_example(known, units_of(self._space)))
            more = None if dropped is None else self._remedy(dropped, known)
            if more is None or more.items() <= changes.items():
                return None
            changes = {**changes, **more}
        return None

    def _remedy(self, dropped: Dropped, given: Given) -> dict[str, Value | None] | None:
        """What of the request to change for a model that was dropped, where that is plain."""
        numbers = dropped.numbers
        match dropped.reason:
            case "model.context":
                room = numbers["context"] - (numbers.get("max_output") or 0)
                return {"prompt.tokens": room} if room > 0 else None
            case "model.max-output":
                return {"request.max_output": numbers["max_output"]}
            case "model.lacks":
                needs = given.get("request.needs")
                return {"request.needs": needs - set(numbers["lacks"])} if isinstance(needs, frozenset) else None
            case "model.operation" if len(numbers["serves"]) == 1:
                return {"request.operation": numbers["serves"][0]}
            case "within.cost":
                return self._cheaper(given)
        return None

    def _cheaper(self, given: Given) -> dict[str, Value | None] | None:
        """The longest answer to ask for, at most, so that the model costs no more than it may."""
        low, high = 0, self.policy.settings.default_max_output
        asked = given.get("request.max_output")
        high = int(asked) if isinstance(asked, int | float) else high
        while low < high:
            middle = (low + high + 1) // 2
            if outcome_for(self.policy, {**given, "request.max_output": middle}, self.model)[1]:
                low = middle
            else:
                high = middle - 1
        return {"request.max_output": low} if low else None


def _nearest(axis: Axis, mask: int, was: Value | None) -> Value | None:
    """A value of one of the cells: of numbers the nearest to what it was, of others the first."""
    cells = [bit for bit in range(len(axis.values)) if mask >> bit & 1 and axis.full >> bit & 1]
    values = [axis.values[bit] for bit in cells]
    known = [value for value in values if value is not None]
    if not known or not isinstance(was, int | float) or isinstance(was, bool):
        return known[0] if known else None
    if was in known:
        return was
    unit = axis.unit or (spec.unit if (spec := FACTS.find(axis.fact)) is not None else None)
    if unit in WHOLE:
        known += [
            number if after else int(number) - 1
            for bit in cells
            if bit < len(axis.places)
            for number, after in [axis.places[bit]]
        ]
    numbers = [value for value in known if isinstance(value, int | float)]
    return min(numbers, key=lambda value: abs(value - was))
