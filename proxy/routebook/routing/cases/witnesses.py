"""A request that comes to a rule and takes one of its branches, or the proof that there is none."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from routebook.documents.quantities import Unit
from routebook.policy.axes import Aspect
from routebook.policy.branches import Branch, nearest, region_of_branch
from routebook.policy.coverage import tests_of
from routebook.policy.facts import Value
from routebook.policy.proofs import Ordered, Undecided
from routebook.policy.regions import Region, Space, TooLarge, Work, intersect
from routebook.routing.facts import FACTS
from routebook.routing.policy import Policy
from routebook.routing.reading.examples import units_of
from routebook.routing.reading.who_calls import Caller, callers, words_of_clients


@dataclass(frozen=True, slots=True)
class Witness:
    """Facts of a request (None: missing) and who sends it. `alternatives` are values of facts that it leaves open and that
    every real request has. `is_guessed`: patterns leave open whether it is one; whoever takes it must see for himself."""

    values: dict[str, Value | None]
    caller: Caller
    alternatives: dict[str, Value | None]
    is_guessed: bool = False


class Nobody:
    """Why no request is shown."""

    def __init__(self, why: str) -> None:
        self.why = why

    def __repr__(self) -> str:
        return f"<Nobody: {self.why}>"


NOBODY = Nobody("no request can")
"""Proven: there is none."""

UNDECIDED = Nobody("it would take too much work to find out")
UNWRITTEN = Nobody("no text was found that its patterns, and no others, match")


class Witnesses:
    """Finds requests under one policy."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        conditions = [rule.when for rule in policy.rules]
        asked = {test.fact for condition in conditions for test in tests_of(condition)}
        words = {fact: found for fact, found in words_of_clients(policy.clients.values()).items() if fact in asked}
        self.space = Space(conditions, policy.facts, words)
        self.units = units_of(self.space)
        self._ordered = Ordered(self.space, conditions)
        self._callers = callers(self.space, policy.clients.values())
        self._always = self._facts_of_all()

    def __repr__(self) -> str:
        return f"<Witnesses of {self._ordered!r}>"

    def of(self, number: int, branch: Branch | None) -> Witness | Nobody:
        """A request that comes to the rule of this number and takes the branch (None: that it decides)."""
        region = self._region(number, branch)
        return UNDECIDED if region is None else self._in(region, number)

    def at_turns(self, number: int, branch: Branch) -> Iterator[Witness]:
        """Requests that take a stretch of a number line at its very ends, where there are such."""
        region = self._region(number, branch)
        fact = branch.test.fact
        for place, after in ((branch.begin, True), (branch.end, False)):
            if place is None or region is None:
                continue
            before, behind = self.space.around(fact, place)
            beside = behind if after else before
            value = nearest(place, beside, self._unit(branch), after=after)
            cell = self.space.between(fact, *((place, beside) if after else (beside, place)))
            if value is None or not all(cell.values()):
                continue
            found = self._in(intersect(region, (cell,)), number)
            if isinstance(found, Witness):
                yield replace(found, values={**found.values, fact: value})

    def _unit(self, branch: Branch) -> Unit:
        spec = FACTS.find(branch.test.fact)
        return branch.test.unit or (Unit.COUNT if spec is None else spec.unit)

    def _region(self, number: int, branch: Branch | None) -> Region | None:
        if branch is None:
            return self._ordered.regions[number]
        try:
            return region_of_branch(self.space, self.policy.rules[number].when, branch, Work())
        except TooLarge:
            return None

    def _in(self, region: Region, number: int) -> Witness | Nobody:
        """A request of a region that comes to the rule, from somebody who may call."""
        whole = self._ordered.left_of(region, number)
        if whole is None:
            return NOBODY
        work, is_open = Work(), isinstance(whole, Undecided)
        for caller in self._callers:
            found = self._ordered.left_of(intersect(region, (caller.box,)), number, work) if caller.box else whole
            if isinstance(found, Undecided):
                is_open = True
            elif found is not None:
                values = self.space.example(found)
                if values is not None:
                    return Witness(values, caller, self._always)
                return Witness(self.space.guess(found), caller, self._always, is_guessed=True)
        return UNDECIDED if is_open else NOBODY

    def _facts_of_all(self) -> dict[str, Value | None]:
        """A value of each fact that is asked for and that every request has."""
        found: dict[str, Value | None] = {}
        for axis in self.space.axes:
            spec = FACTS.find(axis.fact)
            if axis.aspect is Aspect.VALUE and spec is not None and not spec.may_be_missing and axis.full:
                found[axis.fact] = axis.values[(axis.full & -axis.full).bit_length() - 1]
        return found
