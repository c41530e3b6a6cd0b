"""A policy's own classes of task: names with conditions, tried in order before the scorer's classes.

The name of the first whose condition holds is the value of `prompt.task`. A class may not ask what is found out by classes
(`prompt.task` itself), nor what may wait for them: budgets and guards, whose own conditions may name one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from routebook.documents.problems import Location
from routebook.policy.conditions import Condition, holds
from routebook.policy.facts import Ask, FactTable
from routebook.routing.fact_table import FACTS

TASK: Final = "prompt.task"
"""The fact that classes are the values of."""


@dataclass(frozen=True, slots=True)
class OwnTask:
    """One class: its name, and when a request is of it."""

    name: str
    when: Condition
    location: Location


def own_task(tasks: Iterable[OwnTask], ask: Ask) -> str | None:
    """The first class that the request is of; None where it is of none, and the scorer's word stands."""
    return next((task.name for task in tasks if holds(task.when, ask)), None)


@lru_cache(maxsize=64)
def facts_with(names: tuple[str, ...]) -> FactTable:
    """The table of facts in which these names are values of `prompt.task` too."""
    return FACTS.with_words(TASK, names) if names else FACTS
