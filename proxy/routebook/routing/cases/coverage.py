"""How much of the rules all cases together reach: which rules decide, which branches are taken, who may serve."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from routebook.catalogue.reading_models import expand
from routebook.policy.branches import Branch, branches_of, weighing
from routebook.policy.facts import Ask, Value
from routebook.policy.rules import Rule
from routebook.routing.cases.running import Came
from routebook.routing.cases.witnesses import NOBODY, Nobody, Witness, Witnesses
from routebook.routing.outcomes import REQUESTED, Outcome, Route
from routebook.routing.policy import Policy

Target = tuple[int, int | None]
"""The number of a rule, and of one of its branches; None: that the rule decides."""


class Tally:
    """Counts how often each rule decided, each branch was taken and each candidate was kept."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.branches = [branches_of(rule.when, policy.facts) for rule in policy.rules]
        self.counts: dict[Target, int] = {}
        self.kept: dict[tuple[str, str], int] = {}
        self._weighings = [weighing(rule.when) for rule in policy.rules]
        self._numbers = {rule.name: number for number, rule in enumerate(policy.rules)}
        self._by_leaf = [_by_leaf(each) for each in self.branches]

    def __repr__(self) -> str:
        return f"<Tally of {len(self.counts)} targets of {self.policy.digest}>"

    def targets(self, number: int) -> Iterator[Target]:
        """All that can be reached of one rule: its branches, and that it decides."""
        yield from ((number, branch) for branch in range(len(self.branches[number])))
        yield number, None

    def reached(self, came: Came) -> Iterator[Target]:
        """What one case reaches: of every rule that it comes to, the branches that make the difference."""
        if came.fault is not None:
            return
        ask = _Recalled(came.ask).__getitem__
        for number, weigh in enumerate(self._weighings):
            verdict, leaves = weigh(ask)
            if leaves:
                yield from self._taken(number, leaves, ask)
            if verdict:
                yield number, None
                return

    def reaches(self, came: Came, target: Target) -> bool:
        """Whether one case reaches this."""
        number, _ = target
        decided = len(self.policy.rules) if came.rule is None else self._numbers[came.rule.name]
        if came.fault is not None or decided < number:
            return False
        verdict, leaves = self._weighings[number](came.ask)
        return (verdict and target == (number, None)) or target in self._taken(number, leaves, came.ask)

    def _taken(self, number: int, leaves: Sequence[int], ask: Ask) -> Iterator[Target]:
        for leaf in leaves:
            for branch, each in self._by_leaf[number][leaf]:
                if each.takes(ask(each.test.fact)):
                    yield number, branch

    def add(self, came: Came) -> None:
        """Count one case."""
        for target in self.reached(came):
            self.counts[target] = self.counts.get(target, 0) + 1
        if came.plan is None or came.rule is None:
            return
        for name in {each.name for each in came.plan.kept}:
            key = came.rule.name, name
            self.kept[key] = self.kept.get(key, 0) + 1


class _Recalled(dict[str, "Value | None"]):
    """Facts that are asked for again by every rule."""

    def __init__(self, ask: Ask) -> None:
        super().__init__()
        self._ask = ask

    def __missing__(self, key: str) -> Value | None:
        value = self[key] = self._ask(key)
        return value


def _by_leaf(branches: Sequence[Branch]) -> Mapping[int, list[tuple[int, Branch]]]:
    found: dict[int, list[tuple[int, Branch]]] = {}
    for number, branch in enumerate(branches):
        found.setdefault(branch.leaf, []).append((number, branch))
    return found


@dataclass(frozen=True, slots=True)
class Reached:
    """One rule's branch, or that it decides (`branch` None): by how many cases, and where by none, whether it could be.

    `could` is a request that would, or why none can be shown; None where cases reach it, or nobody asked.
    """

    branch: Branch | None
    cases: int
    could: Witness | Nobody | None = None

    @property
    def is_unreachable(self) -> bool:
        """Whether it is proven that no request can reach it."""
        return self.could is NOBODY


@dataclass(frozen=True, slots=True)
class RuleCoverage:
    """One rule: that it decides, its branches, and by how many cases each model of its route was kept."""

    rule: Rule[Outcome]
    decides: Reached
    branches: tuple[Reached, ...]
    candidates: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Figure:
    """How many of how many; what no request can reach is not counted."""

    reached: int
    of: int
    unreachable: int = 0

    def __add__(self, other: Figure) -> Figure:
        return Figure(self.reached + other.reached, self.of + other.of, self.unreachable + other.unreachable)

    @property
    def percent(self) -> Fraction:
        """The share, exactly; all of nothing is everything."""
        return Fraction(100 * self.reached, self.of) if self.of else Fraction(100)


@dataclass(frozen=True, slots=True)
class Coverage:
    """What the cases of a policy reach."""

    rules: tuple[RuleCoverage, ...]

    @property
    def of_rules(self) -> Figure:
        """Rules that decide some case."""
        return _figure([each.decides for each in self.rules])

    @property
    def of_branches(self) -> Figure:
        """Branches that some case takes."""
        return _figure([branch for each in self.rules for branch in each.branches])

    @property
    def of_candidates(self) -> Figure:
        """Models of routes that some case keeps."""
        counts = [count for each in self.rules for _, count in each.candidates]
        return Figure(sum(count > 0 for count in counts), len(counts))

    @property
    def whole(self) -> Figure:
        """Rules and branches together: what a minimum is asked of."""
        return self.of_rules + self.of_branches


def _figure(found: Sequence[Reached]) -> Figure:
    unreachable = sum(each.is_unreachable for each in found)
    return Figure(sum(each.cases > 0 for each in found), len(found) - unreachable, unreachable)


def coverage(tally: Tally, witnesses: Witnesses) -> Coverage:
    """What was reached, and of everything else whether it could be."""
    return Coverage(tuple(_of_rule(tally, witnesses, number, rule) for number, rule in enumerate(tally.policy.rules)))


def _of_rule(tally: Tally, witnesses: Witnesses, number: int, rule: Rule[Outcome]) -> RuleCoverage:
    def reached(target: Target) -> Reached:
        branch = None if target[1] is None else tally.branches[number][target[1]]
        cases = tally.counts.get(target, 0)
        return Reached(branch, cases, None if cases else witnesses.of(number, branch))

    *branches, decides = map(reached, tally.targets(number))
    route, catalogue = rule.outcome, tally.policy.catalogue
    names = [name for name in route.to if name != REQUESTED] if isinstance(route, Route) else []
    models = [name for name in expand(names, catalogue.pools) if name in catalogue.models]
    candidates = tuple((name, tally.kept.get((rule.name, name), 0)) for name in models)
    return RuleCoverage(rule, decides, tuple(branches), candidates)
