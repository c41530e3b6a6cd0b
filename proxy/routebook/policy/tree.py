"""The compiled form of an ordered list of rules: a decision tree that is walked, not built."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic

from routebook.policy.facts import Ask, FactTable
from routebook.policy.rules import Decision, Outcome, Rule


class DecisionTree(Generic[Outcome]):
    """Decides as `rules.first_match` means, in time that hardly grows with the number of rules. Can be pickled."""

    def __init__(self, rules: Sequence[Rule[Outcome]], facts: FactTable) -> None:
        self.rules = tuple(rules)

    def decide(self, ask: Ask) -> Decision[Outcome]:
        """The first rule whose conditions all hold, with the questions that were asked."""
        raise AssertionError("to be compiled")
