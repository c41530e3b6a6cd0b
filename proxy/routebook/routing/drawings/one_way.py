"""The way of one request through the decision tree as a sketch: lit what it met, beside it where it did not go.

Where the way ends there are the candidates of the rule, each with its reason, and what became of those who were called.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from routebook.policy.branching import Branch, Branching, Node
from routebook.policy.explain import rule_lines
from routebook.policy.facts import Value
from routebook.policy.saying import say_value
from routebook.routing.drawings.policy_tree import end_shape, question_shape
from routebook.routing.drawings.sketch import Arrow, Kind, Shape, Sketch, counted, listed
from routebook.routing.endings import end_in_words
from routebook.routing.facts import FACTS
from routebook.routing.policy import Policy
from routebook.routing.reasons import dollars
from routebook.routing.telling.explanation import CandidateExplained, Explanation
from routebook.routing.telling.money import refusal_in_words

MOST_RULES = 1_000
"""Rules that may still decide beyond which the answers beside the way are not told apart."""

FEW_BESIDE = 3
"""Answers beside the way that are each drawn for itself."""

FEW_DROPPED = 4
"""Dropped candidates that are each drawn for itself."""


def draw_way(found: Explanation, *, candidates: bool = True) -> Sketch | None:
    """The way that an explained request took; None where its policy is not known, or nothing was decided."""
    if found.policy is None:
        return None
    drawing = _Drawing(found.policy, found.seen)
    end = drawing.draw(found.rule)
    if candidates:
        drawing.add_conditions(found, end)
        drawing.add_candidates(found, end)
    title = f"No rule decided{_of(found)}" if found.rule is None else f"The rule {found.rule} decided{_of(found)}"
    says = [f"{title}: {found.outcome}."]
    says += [f"{fact} was {say_value(fact, value, FACTS)}." for fact, value in found.seen.items()]
    says += [f"{note}." for note in found.notes]
    return Sketch(title, " ".join(says), tuple(drawing.shapes), tuple(drawing.arrows))


def _of(found: Explanation) -> str:
    return "" if found.record is None else f" about {found.record['id']}"


@dataclass(slots=True)
class _Drawing:
    policy: Policy
    seen: Mapping[str, Value | None]
    shapes: list[Shape] = field(default_factory=list)
    arrows: list[Arrow] = field(default_factory=list)

    def draw(self, decided: str | None) -> int:
        """Draw the way from the root to where it ends; the number of the last shape."""
        branching = Branching(self.policy.tree, self.policy.facts)
        node = branching.root
        at = self._add_node(node)
        while node.fact is not None and node.fact in self.seen:
            value = self.seen[node.fact]
            after = branching.after(node, value)
            if len(node.rests) <= MOST_RULES:
                self._add_beside(self._beside(branching.branches(node), after, value), at)
            else:
                self._join(at, Shape(Kind.FOLDED, "other answers"), "else", lit=False)
            words = f"{say_value(node.fact, value, FACTS, _unit(node))}"
            node = after
            at = self._join(at, self._shape(node), words, lit=True)
        if node.fact is not None:
            rule = next((rule for rule in self.policy.rules if rule.name == decided), None)
            at = self._join(at, end_shape(rule, lit=True), "as recorded", lit=True)
        return at

    @staticmethod
    def _beside(branches: Sequence[Branch], after: Node, value: Value | None) -> list[Branch]:
        """The answers that the request did not give."""
        taken = next((branch for branch in branches if branch.node is after and branch.takes(value)), None)
        return [branch for branch in branches if branch is not taken]

    def _shape(self, node: Node) -> Shape:
        if node.fact is not None:
            return question_shape(node, lit=True)
        return end_shape(None if node.decides is None else self.policy.rules[node.decides], lit=True)

    def _add_node(self, node: Node) -> int:
        self.shapes.append(self._shape(node))
        return len(self.shapes) - 1

    def _join(self, source: int, shape: Shape, words: str, *, lit: bool) -> int:
        self.shapes.append(shape)
        self.arrows.append(Arrow(source, len(self.shapes) - 1, words, lit))
        return len(self.shapes) - 1

    def _add_beside(self, branches: Sequence[Branch], at: int) -> None:
        if len(branches) <= FEW_BESIDE:
            for branch in branches:
                self._join(at, self._unlit(branch.node), branch.words, lit=False)
            return
        rows = [f"{branch.words} → {self._unlit(branch.node).title}" for branch in branches[:FEW_BESIDE]]
        more = len(branches) - len(rows)
        shape = Shape(Kind.TABLE, counted(len(branches), "other answer"), (*rows, f"… {more:,} more"))
        self._join(at, shape, "else", lit=False)

    def _unlit(self, node: Node | None) -> Shape:
        if node is None:
            return Shape(Kind.FOLDED, "not told apart")
        if node.fact is None:
            return Shape(Kind.FOLDED, "no rule" if node.decides is None else self.policy.rules[node.decides].name)
        names = listed((self.policy.rules[each].name for each in node.rules), 2)
        return Shape(Kind.FOLDED, f"{node.fact}?", (names,))

    def add_conditions(self, found: Explanation, at: int) -> None:
        """Why the rule matched, in its own box: each condition with the value it saw."""
        own = next((rule for rule in found.rules if rule.decided), None)
        if own is not None:
            shape = self.shapes[at]
            self.shapes[at] = replace(
                shape, lines=(*shape.lines, *(line.strip() for line in rule_lines(own, FACTS)[1:]))
            )

    def add_candidates(self, found: Explanation, at: int) -> None:
        """The rule's candidates: those kept in their order, then those dropped, many of them as one."""
        ending = found.ending
        attempts = () if ending is None else ending.get("attempts", ())
        refused = () if found.record is None else (found.record.get("hold") or {}).get("refused", ())
        served = _served(found)
        place = 0
        for each in found.candidates:
            if not each.kept:
                continue
            place += 1
            lit = (each.model, each.account) == served
            lines = [*_lines(each), *_refusals(each, refused), *_attempts(each, attempts)]
            if lit and ending is not None:
                lines.append(f"answered with status {ending['status']}: {end_in_words(ending['end'])}")
            self._join(at, Shape(Kind.KEPT, each.model, tuple(lines), lit), f"{place}.", lit=lit)
        dropped = [each for each in found.candidates if not each.kept]
        if len(dropped) <= FEW_DROPPED:
            for each in dropped:
                self._join(at, Shape(Kind.DROPPED, each.model, tuple(_lines(each))), "passed over", lit=False)
        else:
            rows = tuple(f"{each.model}: {each.words}" for each in dropped)
            self._join(at, Shape(Kind.TABLE, counted(len(dropped), "candidate"), rows), "passed over", lit=False)


def _unit(node: Node) -> Any:
    """What the rules' numbers are written in, where they ask for the node's fact in another unit than usual."""
    from routebook.policy.coverage import tests_of

    return next((test.unit for _, rest in node.rests for test in tests_of(rest) if test.fact == node.fact), None)


def _served(found: Explanation) -> tuple[str | None, str | None] | None:
    """Who answered; of a request that was never sent, who would be asked first."""
    if found.ending is not None:
        return found.ending.get("model"), found.ending.get("account")
    first = next((each for each in found.candidates if each.kept), None)
    return None if first is None or found.record is not None else (first.model, first.account)


def _lines(each: CandidateExplained) -> list[str]:
    lines = [f"by {each.account}"] if each.account else []
    cost = f", costs at most {dollars(each.cost)}" if each.kept and each.cost is not None else ""
    return [*lines, f"{each.words}{cost}"]


def _refusals(each: CandidateExplained, refused: Sequence[Mapping[str, Any]]) -> list[str]:
    return [
        refusal_in_words(line)
        for line in refused
        if line["model"] == each.model and line.get("account") in (None, each.account)
    ]


def _attempts(each: CandidateExplained, attempts: Sequence[Mapping[str, Any]]) -> list[str]:
    lines = []
    for number, attempt in enumerate(attempts, 1):
        if (attempt["model"], attempt["account"]) == (each.model, each.account):
            status = f"status {attempt['status']}" if attempt.get("status") is not None else "no answer"
            code = f" ({attempt['code']})" if attempt.get("code") else ""
            then = f", then {attempt['next']}" if attempt.get("next") else ""
            lines.append(f"call {number}: {status}{code}{then}")
    return lines
