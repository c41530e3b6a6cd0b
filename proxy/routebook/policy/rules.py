"""The ordered rules, and what an ordered list of rules means."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

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


@dataclass(frozen=True, slots=True)
class Step:
    """One question of the walk: the fact, the answer (None: missing), and how many rules still stood after it."""

    fact: str
    value: Value | None
    standing: int


@dataclass(frozen=True, slots=True)
class Decision(Generic[Outcome]):
    """Which rule decides (None: no rule matches), and the questions that were asked to find it, in order."""

    rule: Rule[Outcome] | None
    steps: tuple[Step, ...]


def first_match(rules: Sequence[Rule[Outcome]], ask: Ask) -> Rule[Outcome] | None:
    """The meaning of a policy: the first rule whose conditions all hold decides.

    This is the oracle that the decision tree must agree with, for every policy and every sheet of facts.
    """
    for rule in rules:
        if holds(rule.when, ask):
            return rule
    return None
