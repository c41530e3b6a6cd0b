"""The ordered rules, and what an ordered list of rules means."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

from routebook.documents.problems import Location
from routebook.policy.conditions import Condition, holds
from routebook.policy.facts import Ask, Value

Outcome = TypeVar("Outcome")
"""What a rule decides; opaque on this floor."""


@dataclass(frozen=True, slots=True)
class Rule(Generic[Outcome]):
    """One rule: a name, a condition and what it decides."""

    name: str
    when: Condition
    outcome: Outcome
    location: Location


class Step(NamedTuple):
    """One question of the walk: the fact, the answer (None: missing), and how many rules still stood after it."""

    fact: str
    value: Value | None
    standing: int


class Decision(Generic[Outcome]):
    """Which rule decides (None: no rule matches), and the questions that were asked to find it, in order."""

    __slots__ = ("_steps", "rule")

    def __init__(self, rule: Rule[Outcome] | None, steps: tuple[Step, ...] = ()) -> None:
        self.rule = rule
        self._steps = steps

    @property
    def steps(self) -> tuple[Step, ...]:
        """The questions of the walk in the order in which they were asked, each fact once."""
        return self._steps

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Decision):
            return NotImplemented
        return self.rule == other.rule and self.steps == other.steps

    def __hash__(self) -> int:
        return hash((None if self.rule is None else self.rule.name, self.steps))

    def __repr__(self) -> str:
        walk = ", ".join(f"{step.fact} = {step.value!r} ({step.standing} stand)" for step in self.steps)
        return f"<Decision: {'no rule' if self.rule is None else self.rule.name}; {walk or 'nothing asked'}>"


def first_match(rules: Sequence[Rule[Outcome]], ask: Ask) -> Rule[Outcome] | None:
    """The meaning of a policy: the first rule whose conditions all hold decides.

    This is the oracle that the decision tree must agree with, for every policy and every sheet of facts.
    """
    for rule in rules:
        if holds(rule.when, ask):
            return rule
    return None
