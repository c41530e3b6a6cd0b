"""The decision tree written out, node by node, as far as somebody looks: for pictures of it.

The tree that decides is walked and never built (`policy.tree`); written out whole, most would not fit anywhere. Here a
node is what is left of the rules: those that may still decide, each with the part of its conditions that is still
open. Nodes of which the same is left are one node, however they are reached. What a node asks is what the walk asks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic

from routebook.policy.answers import ELSE, Answers, Way
from routebook.policy.conditions import ALWAYS, AllOf, AnyOf, Condition, Named, Test, test_holds
from routebook.policy.coverage import tests_of
from routebook.policy.facts import FactTable, Value
from routebook.policy.regions import TooLarge, Work
from routebook.policy.rules import Outcome
from routebook.policy.tree import DecisionTree

SEVERAL = "several of these"
"""Answers that meet more than one test at once, where to tell all of them apart would be too many."""

MOST_CLASSES = 64
"""Combinations of free tests that are told apart before only those that meet one test are."""

MOST_WORK = 400_000
"""Steps of work for one node."""

Rest = tuple[int, Condition]
"""The number of a rule that may still decide, and what of its conditions is open."""


@dataclass(frozen=True, eq=False, slots=True)
class Node:
    """A place in the tree. `rests` are the rules that may still decide, in order, the last one perhaps for certain.

    `fact` is what is asked here; None where the first rule of `rests` decides, or no rule does. `sheet` are answers
    that lead here.
    """

    rests: tuple[Rest, ...]
    fact: str | None
    sheet: Mapping[str, Value | None]

    @property
    def rules(self) -> tuple[int, ...]:
        """The numbers of the rules that may still decide."""
        return tuple(number for number, _ in self.rests)

    @property
    def decides(self) -> int | None:
        """The number of the rule that decides here; None where something is asked, or no rule is left."""
        return self.rests[0][0] if self.fact is None and self.rests else None


@dataclass(frozen=True, eq=False, slots=True)
class Branch:
    """A class of answers, and where it leads: None where it is not told apart further."""

    words: str
    node: Node | None
    ways: tuple[Way, ...] = ()

    def takes(self, value: Value | None) -> bool:
        """Whether an answer belongs here, where none of the branches before it takes it."""
        return self.node is None or any(way.takes(value) for way in self.ways)


class _Unasked(Exception):
    """The walk asks for a fact of which nothing is known yet."""


@dataclass(eq=False, slots=True)
class _Class:
    way: Way
    rests: tuple[Rest, ...]
    ways: tuple[Way, ...] = ()


class Branching(Generic[Outcome]):
    """The tree of some rules, of which nodes are made when they are looked at."""

    def __init__(self, tree: DecisionTree[Outcome], table: FactTable) -> None:
        self.tree = tree
        self._table = table
        self._nodes: dict[tuple[tuple[int, int], ...], Node] = {}
        self._branches: dict[Node, tuple[Branch, ...]] = {}
        self._same: dict[Condition, Condition] = {}
        self._simpler: dict[tuple[int, tuple[tuple[int, bool], ...]], Condition | None] = {}
        self._tests: dict[int, Mapping[str, tuple[Test, ...]]] = {}
        rests: list[Rest] = []
        for number, rule in enumerate(tree.rules):
            open_ = _simplified(rule.when, {})
            if open_ is False:
                continue
            rests.append((number, self._interned(ALWAYS if open_ is True else open_)))
            if open_ is True:
                break
        self.root = self._node(tuple(rests), {})

    def __repr__(self) -> str:
        return f"<Branching of {self.tree!r}, {len(self._nodes)} nodes made>"

    def branches(self, node: Node) -> tuple[Branch, ...]:
        """The classes of answers at a node, in the order in which the first that fits is meant; none at its end."""
        if node.fact is None:
            return ()
        found = self._branches.get(node)
        if found is None:
            try:
                found = self._branched(node, node.fact)
            except (TooLarge, LookupError):
                found = ()
            self._branches[node] = found
        return found

    def after(self, node: Node, value: Value | None) -> Node:
        """Where one answer leads; the node itself at its end."""
        if node.fact is None:
            return node
        rests: list[Rest] = []
        for number, rest in node.rests:
            truth = [(test, test_holds(test, value)) for test in self._of(rest).get(node.fact, ())]
            left = self._left(rest, truth) if truth else rest
            if left is not None:
                rests.append((number, left))
            if left == ALWAYS:
                break
        return self._node(tuple(rests), {**node.sheet, node.fact: value})

    def _branched(self, node: Node, fact: str) -> tuple[Branch, ...]:
        asked = [test for _, rest in node.rests for test in self._of(rest).get(fact, ())]
        answers = Answers(fact, asked, self._table)
        classes = list(self._classes(node, fact, answers, None))
        several = answers.are_free and len(classes) > MOST_CLASSES
        if several:
            classes = list(self._classes(node, fact, answers, 1))
        branches = [
            Branch(
                answers.words(each.way),
                self._node(each.rests, {**node.sheet, fact: answers.example(each.way)}),
                each.ways or (each.way,),
            )
            for each in _joined(classes, answers)
        ]
        branches.sort(key=lambda branch: branch.words == ELSE)
        if several:
            branches.insert(-1 if branches[-1].words == ELSE else len(branches), Branch(SEVERAL, None))
        return tuple(branches)

    def _classes(self, node: Node, fact: str, answers: Answers, most: int | None) -> Iterator[_Class]:
        """Each way that tests of a fact can come out, with the rules that it leaves; where `most` is given, only those
        in which so many tests hold. A way ends where it has a rule that decides for certain."""
        work, found = Work(MOST_WORK), 0
        pending: list[tuple[Way, int, tuple[Rest, ...]]] = [(Way(), 0, ())]
        while pending:
            way, place, before = pending.pop()
            rests = list(before)
            while place < len(node.rests):
                number, rest = node.rests[place]
                work.spend(1)
                tests = self._of(rest).get(fact)
                if tests is None:
                    rests.append((number, rest))
                    place += 1
                    continue
                truth: list[tuple[Test, bool]] = []
                halved = False
                for test in tests:
                    yes, no = answers.split(way, test, work)
                    if yes is not None and no is not None:
                        pending.append((no, place, tuple(rests)))
                        if most is None or sum(holds for _, holds in yes.says) <= most:
                            pending.append((yes, place, tuple(rests)))
                        halved = True
                        break
                    truth.append((test, no is None))
                if halved:
                    break
                left = self._left(rest, truth)
                if left is not None:
                    rests.append((number, left))
                place += 1
                if left == ALWAYS:
                    place = len(node.rests)
            else:
                found += 1
                if answers.are_free and most is None and found > MOST_CLASSES + 1:
                    return
                yield _Class(way, tuple(rests))

    def _left(self, rest: Condition, truth: Sequence[tuple[Test, bool]]) -> Condition | None:
        """What is open of a condition once some of its tests are known; None where it cannot hold any more."""
        key = id(rest), tuple((id(test), holds) for test, holds in truth)
        if key not in self._simpler:
            left = _simplified(rest, dict(truth))
            self._simpler[key] = None if left is False else self._interned(ALWAYS if left is True else left)
        return self._simpler[key]

    def _interned(self, condition: Condition) -> Condition:
        """One object for equal conditions, kept for good: its identity can stand for it."""
        return self._same.setdefault(condition, condition)

    def _of(self, rest: Condition) -> Mapping[str, tuple[Test, ...]]:
        """The tests of an open condition by their fact."""
        found = self._tests.get(id(rest))
        if found is None:
            by_fact: dict[str, dict[Test, None]] = {}
            for test in tests_of(rest):
                by_fact.setdefault(test.fact, {})[test] = None
            found = self._tests[id(rest)] = {fact: tuple(tests) for fact, tests in by_fact.items()}
        return found

    def _node(self, rests: tuple[Rest, ...], sheet: Mapping[str, Value | None]) -> Node:
        key = tuple((number, id(rest)) for number, rest in rests)
        node = self._nodes.get(key)
        if node is None:
            node = self._nodes[key] = Node(rests, self._asks(rests, sheet), sheet)
        return node

    def _asks(self, rests: tuple[Rest, ...], sheet: Mapping[str, Value | None]) -> str | None:
        """What the walk asks next, once it has these answers."""
        if not rests or rests[0][1] == ALWAYS:
            return None

        def ask(fact: str) -> Value | None:
            if fact not in sheet:
                raise _Unasked(fact)
            return sheet[fact]

        try:
            self.tree.decide(ask)
        except _Unasked as unasked:
            return str(unasked.args[0])
        return None


def _joined(classes: Sequence[_Class], answers: Answers) -> list[_Class]:
    """Classes that leave the same rules as one, where words can say so."""

    def key(each: _Class) -> tuple[tuple[int, int], ...]:
        return tuple((number, id(rest)) for number, rest in each.rests)

    if not answers.are_free:
        groups: dict[tuple[tuple[int, int], ...], list[_Class]] = {}
        for each in classes:
            groups.setdefault(key(each), []).append(each)
        found = []
        for group in groups.values():
            way = answers.merged([each.way for each in group])
            found.append(group[0] if way is None else _Class(way, group[0].rests, tuple(each.way for each in group)))
        return found
    stack: list[_Class] = []
    for each in classes:
        stack.append(each)
        while len(stack) > 1 and key(stack[-1]) == key(stack[-2]):
            way = answers.merged([stack[-2].way, stack[-1].way])
            if way is None:
                break
            stack[-2:] = [_Class(way, stack[-1].rests)]
    return stack


def _simplified(condition: Condition, truth: Mapping[Test, bool]) -> Condition | bool:
    """A condition once some of its tests are known: decided, or what is open of it."""
    match condition:
        case Test():
            return truth.get(condition, condition)
        case Named(_, inner):
            return _simplified(inner, truth)
        case AllOf(parts) | AnyOf(parts):
            until = isinstance(condition, AnyOf)
            open_: dict[Condition, None] = {}
            for part in parts:
                left = _simplified(part, truth)
                if left is until:
                    return until
                if not isinstance(left, bool):
                    open_[left] = None
            if not open_:
                return not until
            if len(open_) == 1:
                return next(iter(open_))
            return AnyOf(tuple(open_)) if until else AllOf(tuple(open_))
