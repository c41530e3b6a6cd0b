"""Cases for what no case reaches yet: found by proof, at the ends of stretches, and decided before they are shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from routebook.documents.problems import Location
from routebook.policy.branches import Branch, Way
from routebook.policy.coverage import tests_of
from routebook.policy.facts import Value
from routebook.policy.saying import say_value
from routebook.routing.cases.case import Expectation, PolicyTest
from routebook.routing.cases.coverage import Tally, Target
from routebook.routing.cases.running import Came, Runner
from routebook.routing.cases.witnesses import UNDECIDED, UNWRITTEN, Nobody, Witness, Witnesses
from routebook.routing.facts import FACTS
from routebook.routing.outcomes import Pick, Refuse, Route
from routebook.routing.reading.examples import Example, example_of_caller

Progress = Callable[[str, int, int], None]
"""Told what is being done, how much of it is, and of how much."""

_NOWHERE = Location("", 1, 1)


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A case that the policy passes as it is, and the request's facts as arguments, from which it can be written."""

    case: PolicyTest
    example: Example


@dataclass(frozen=True, slots=True)
class Left:
    """What no case could be found for, and why: a branch of a rule (None: that the rule decides)."""

    rule: str
    branch: Branch | None
    why: Nobody


def suggest(
    runner: Runner, tally: Tally, witnesses: Witnesses, progress: Progress | None = None
) -> Iterator[Suggestion | Left]:
    """Cases for whatever the tally lacks, in the order of the rules; each is counted, so that the next ones are new.

    What is left comes last: facts that a case does not give are missing, so one may reach what no real request could.
    """
    suggesting = _Suggesting(runner, tally, witnesses)
    rules = runner.policy.rules
    for number in range(len(rules)):
        yield from suggesting.of_rule(number)
        if progress is not None:
            progress("rules", number + 1, len(rules))
    yield from (left for target, left in suggesting.left if target not in tally.counts)


class _Suggesting:
    """The search over one policy."""

    def __init__(self, runner: Runner, tally: Tally, witnesses: Witnesses) -> None:
        self.runner = runner
        self.tally = tally
        self.witnesses = witnesses
        self.left: list[tuple[Target, Left]] = []
        self.names = {case.name for case in runner.policy.tests}

    def of_rule(self, number: int) -> Iterator[Suggestion]:
        """Stretches first: their ends are the best places to look at all else as well."""
        branches = self.tally.branches[number]
        targets = sorted(
            self.tally.targets(number), key=lambda target: target[1] is None or not branches[target[1]].is_stretch
        )
        for target in targets:
            if target not in self.tally.counts:
                yield from self._of_target(target)

    def _of_target(self, target: Target) -> Iterator[Suggestion]:
        number, which = target
        branch = None if which is None else self.tally.branches[number][which]
        if branch is not None and branch.is_stretch:
            for witness in self.witnesses.at_turns(number, branch):
                yield from self._tried(witness, target, branch)
        if target in self.tally.counts:
            return
        found = self.witnesses.of(number, branch)
        if isinstance(found, Witness):
            yield from self._tried(found, target, branch)
        if target not in self.tally.counts:
            why = found if isinstance(found, Nobody) else UNWRITTEN if found.is_guessed else UNDECIDED
            self.left.append((target, Left(self.runner.policy.rules[number].name, branch, why)))

    def _tried(self, witness: Witness, target: Target, branch: Branch | None) -> Iterator[Suggestion]:
        """The case, where it does decide what it is meant to; with more facts where those alone do not."""
        for values in (witness.values, {**witness.alternatives, **witness.values}):
            example = example_of_caller(values, witness.caller, self.witnesses.units)
            if example is None or (came := self._reaching(example, target)) is None:
                continue
            shorter = self._shortened(example, target, came)
            came = self._reaching(shorter, target) or came
            self.tally.add(came)
            given = dict(shorter.given)
            name = self._name(target[0], branch, given, values)
            yield Suggestion(PolicyTest(name, given, expectation(came), _NOWHERE, is_suggested=True), shorter)
            return

    def _reaching(self, example: Example, target: Target) -> Came | None:
        """What comes of a request, where it reaches the target."""
        came = self.runner.run(PolicyTest("", dict(example.given), Expectation(), _NOWHERE))
        return came if self.tally.reaches(came, target) else None

    def _shortened(self, example: Example, target: Target, came: Came) -> Example:
        """Without facts that the rule does not ask and without which the same comes out."""
        rule = self.runner.policy.rules[target[0]]
        asked = {test.fact for test in tests_of(rule.when)}
        for fact in [fact for fact in example.given if fact not in asked]:
            shorter = example.without(fact)
            found = self._reaching(shorter, target)
            if found is not None and found.rule is came.rule:
                example = shorter
        return example

    def _name(
        self, number: int, branch: Branch | None, given: Mapping[str, Value], values: Mapping[str, Value | None]
    ) -> str:
        rule = self.runner.policy.rules[number].name
        name = rule if branch is None else f"{'not ' if branch.way is Way.FAILED else ''}{rule}"
        if branch is not None:
            fact = branch.test.fact
            unit = branch.test.unit
            name += f": {fact.partition('[amount]')[0]} is {say_value(fact, given.get(fact, values.get(fact)), FACTS, unit)}"
        unique, count = name, 1
        while unique in self.names:
            count += 1
            unique = f"{name} ({count})"
        self.names.add(unique)
        return unique


def expectation(came: Came) -> Expectation:
    """What comes out, as a case would expect it; no model where chance has a say in which is tried first."""
    rule = came.rule
    if rule is None:
        return Expectation()
    match rule.outcome:
        case Refuse(status):
            return Expectation(rule.name, refuse=status)
        case Route() as route:
            by_chance = route.split is not None or route.pick is Pick.WEIGHTED
            kept = () if came.plan is None else came.plan.kept
            return Expectation(rule.name, kept[0].name if kept and not by_chance else None)
