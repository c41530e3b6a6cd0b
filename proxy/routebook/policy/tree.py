"""The compiled form of an ordered list of rules: a decision tree that is walked, not built."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic

from routebook.policy.facts import Ask, FactTable, Value
from routebook.policy.rules import Decision, Outcome, Rule, Step, first_match


class DecisionTree(Generic[Outcome]):
    """Decides as `rules.first_match` means, in time that hardly grows with the number of rules. Can be pickled."""

    def __init__(self, rules: Sequence[Rule[Outcome]], facts: FactTable) -> None:
        self.rules = tuple(rules)

    def decide(self, ask: Ask) -> Decision[Outcome]:
        """The first rule whose conditions all hold, with the questions that were asked."""
        seen: dict[str, Value | None] = {}

        def once(fact: str) -> Value | None:
            if fact not in seen:
                seen[fact] = ask(fact)
            return seen[fact]

        rule = first_match(self.rules, once)
        return Decision(rule, tuple(Step(fact, value, len(self.rules)) for fact, value in seen.items()))
