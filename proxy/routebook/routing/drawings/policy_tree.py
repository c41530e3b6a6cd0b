"""A policy's decision tree as a sketch: what is asked, the classes of answers, who decides.

Small trees are drawn whole. Of large ones, answers that lead to alike places are one shape with their count, and what
lies too deep is folded: the shape says how much is in it.
"""

from __future__ import annotations

import fnmatch
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from routebook.policy.branching import Branch, Branching, Node
from routebook.policy.rules import Rule
from routebook.routing.drawings.sketch import Arrow, Kind, Shape, Sketch, counted, listed
from routebook.routing.outcomes import Outcome, Refuse
from routebook.routing.policy import Policy
from routebook.routing.telling.wording import outcome_in_words

MOST_SHAPES = 60
"""Shapes after which nothing more is unfolded, where no depth is asked for."""

MOST_ROWS = 6
"""Rows of a table that are shown before they are only counted."""

FEW_ENDS, FEW_QUESTIONS = 3, 3
"""Answers side by side that lead to alike places: so many are drawn each for itself."""

MOST_GROUPS = 8
"""Shapes below one question."""


@dataclass(frozen=True, slots=True)
class View:
    """What of a tree is looked at: so many questions deep (None: as deep as there is room), and only the ways to rules
    whose names match a pattern."""

    depth: int | None = None
    pattern: str | None = None
    most: int = MOST_SHAPES


def matching(policy: Policy, pattern: str | None) -> frozenset[int]:
    """The numbers of the rules whose names match a glob; all of them where there is none."""
    return frozenset(
        number for number, rule in enumerate(policy.rules) if pattern is None or fnmatch.fnmatchcase(rule.name, pattern)
    )


def draw_policy(policy: Policy, view: View = View()) -> Sketch:
    """The decision tree of a policy."""
    drawing = _Drawing(policy, view)
    drawing.draw()
    rules = counted(len(policy.rules), "rule")
    title = f"Decision tree of {rules}"
    says = [f"{title}, policy {policy.digest}.", drawing.summary()]
    if view.pattern is not None:
        says.insert(1, f"Only the ways to rules named `{view.pattern}` are drawn.")
    return Sketch(title, " ".join(says), tuple(drawing.shapes), tuple(drawing.arrows))


def end_shape(rule: Rule[Outcome] | None, *, lit: bool = False) -> Shape:
    """Where the tree ends: a rule with what it decides, or nobody."""
    if rule is None:
        return Shape(Kind.GAP, "no rule", ("the request falls through",), lit)
    kind = Kind.REFUSAL if isinstance(rule.outcome, Refuse) else Kind.ROUTE
    return Shape(kind, rule.name, (outcome_in_words(rule.outcome),), lit, (rule.name,))


def question_shape(node: Node, *, lit: bool = False) -> Shape:
    """What is asked at a node, and how many rules wait for the answer."""
    still = counted(len(node.rests), "rule")
    return Shape(Kind.QUESTION, f"{node.fact}?", (f"{still} may still decide",), lit)


@dataclass(slots=True)
class _Drawing:
    """A sketch in the making: nearest questions first."""

    policy: Policy
    view: View
    shapes: list[Shape] = field(default_factory=list)
    arrows: list[Arrow] = field(default_factory=list)
    folded: int = 0
    hidden: set[int] = field(default_factory=set)
    _drawn: dict[Node, int] = field(default_factory=dict)
    _pending: deque[tuple[Node, int, int]] = field(default_factory=deque)
    _branching: Branching[Outcome] = field(init=False)
    _wanted: frozenset[int] = field(init=False)

    def draw(self) -> None:
        """Draw from the root on, level by level."""
        self._branching = Branching(self.policy.tree, self.policy.facts)
        self._wanted = matching(self.policy, self.view.pattern)
        self._add_node(self._branching.root, 0)
        while self._pending:
            node, shape, depth = self._pending.popleft()
            limit = self.view.depth
            deep = len(self.shapes) >= self.view.most if limit is None else depth >= limit
            branches = () if deep else self._branching.branches(node)
            if branches:
                self._unfold(branches, shape, depth)
            else:
                self._fold(node, shape)

    def summary(self) -> str:
        """What is drawn and what is not."""
        questions = sum(shape.kind is Kind.QUESTION for shape in self.shapes)
        drawn = f"{counted(questions, 'question')} drawn"
        if not self.folded:
            return f"{drawn}, nothing folded."
        return f"{drawn}, {counted(self.folded, 'part')} folded, with {counted(len(self.hidden), 'rule')} in them."

    def _add(self, shape: Shape) -> int:
        self.shapes.append(shape)
        return len(self.shapes) - 1

    def _add_node(self, node: Node, depth: int) -> int:
        """The shape of a node: a question once, however many answers lead to it; an end for each."""
        if node.fact is None:
            return self._add(end_shape(self._rule(node)))
        if node not in self._drawn:
            self._drawn[node] = self._add(question_shape(node))
            self._pending.append((node, self._drawn[node], depth))
        return self._drawn[node]

    def _rule(self, node: Node) -> Rule[Outcome] | None:
        return None if node.decides is None else self.policy.rules[node.decides]

    def _fold(self, node: Node, shape: int) -> None:
        names = self._names(node.rules)
        line = f"{counted(len(node.rests), 'rule')} may still decide: {listed(names)}"
        self.shapes[shape] = Shape(Kind.FOLDED, f"{node.fact}?", (line,), rules=names)
        self._count(node.rules)

    def _count(self, rules: Sequence[int]) -> None:
        self.folded += 1
        self.hidden.update(rules)

    def _unfold(self, branches: Sequence[Branch], shape: int, depth: int) -> None:
        wanted = [branch for branch in branches if branch.node is None or self._is_wanted(branch.node)]
        others = [branch for branch in branches if branch not in wanted]
        groups = list(self._groups(wanted))
        if len(groups) > MOST_GROUPS:
            more = [branch for group in groups[MOST_GROUPS - 1 :] for branch in group]
            groups = groups[: MOST_GROUPS - 1]
        else:
            more = []
        if others:
            self._add_folded(others, shape, "any other answer")
        for group in groups:
            self._add_group(group, shape, depth)
        if more:
            self._add_folded(more, shape, f"{counted(len(more), 'more answer')}")

    def _is_wanted(self, node: Node) -> bool:
        return self.view.pattern is None or not self._wanted.isdisjoint(node.rules)

    def _groups(self, branches: Sequence[Branch]) -> Iterator[list[Branch]]:
        """Answers side by side that are drawn as one: many ends, or many that ask the same next."""
        for alike, run in groupby(branches, self._likeness):
            group = list(run)
            few = FEW_ENDS if alike is None else FEW_QUESTIONS
            if len(group) <= few or self.view.pattern is not None:
                yield from ([branch] for branch in group)
            elif alike is None:
                yield group
            else:
                yield group[:1]
                yield group[1:]

    @staticmethod
    def _likeness(branch: Branch) -> str | None:
        """What makes answers alike: what is asked next; None for those after which nothing is."""
        return "" if branch.node is None else branch.node.fact

    def _add_group(self, group: Sequence[Branch], shape: int, depth: int) -> None:
        first = group[0]
        if len(group) == 1:
            if first.node is None:
                self._add_folded(group, shape, first.words)
            else:
                self.arrows.append(Arrow(shape, self._add_node(first.node, depth + 1), first.words))
        elif first.node is not None and first.node.fact is None:
            self._add_table(group, shape)
        else:
            self._add_folded(group, shape, f"{counted(len(group), 'more answer')}")

    def _add_table(self, group: Sequence[Branch], shape: int) -> None:
        """Ends side by side as one shape: a row for each, the first few of them shown."""
        rules = dict.fromkeys(rule for branch in group if branch.node is not None for rule in branch.node.rules[:1])
        rows = [f"{branch.words} → {self._name(branch.node)}" for branch in group]
        shown = rows if len(rows) <= MOST_ROWS + 1 else rows[:MOST_ROWS]
        if len(rows) > len(shown):
            shown.append(f"… {len(rows) - len(shown):,} more")
            self._count([rule for rule in rules][len(shown) - 1 :])
        title = f"{counted(len(group), 'answer')} for {counted(len(rules), 'rule')}"
        self.arrows.append(
            Arrow(shape, self._add(Shape(Kind.TABLE, title, tuple(shown), rules=self._names(rules))), "one of")
        )

    def _names(self, rules: Iterable[int]) -> tuple[str, ...]:
        return tuple(self.policy.rules[each].name for each in rules)

    def _name(self, node: Node | None) -> str:
        rule = None if node is None else self._rule(node)
        return "no rule" if rule is None else rule.name

    def _add_folded(self, group: Sequence[Branch], shape: int, words: str) -> None:
        nodes = [branch.node for branch in group if branch.node is not None]
        rules = sorted({rule for node in nodes for rule in node.rules})
        facts = dict.fromkeys(node.fact for node in nodes if node.fact is not None)
        lines = ["in any combination"] if not nodes else []
        lines += [f"such as {listed(branch.words for branch in group)}"] if len(group) > 1 else []
        if facts:
            lines.append(f"next: {listed(f'{fact}?' for fact in facts)}")
        if rules:
            lines.insert(0, listed(self._names(rules)))
        title = f"{counted(len(rules), 'rule')} folded" if rules else "folded"
        self.arrows.append(
            Arrow(shape, self._add(Shape(Kind.FOLDED, title, tuple(lines), rules=self._names(rules))), words)
        )
        self._count(rules)
