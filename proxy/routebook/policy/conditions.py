"""Conditions as values, and what they mean.

A condition is a test of one fact, or several conditions joined. `holds` is the meaning in full; the decision tree must
agree with it for every sheet of facts (a property test says so).

What is missing: a test of a missing fact does not hold, and neither does its negation, unless the author wrote
`missing: holds`; `known: false` is the one test that holds because a fact is missing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from routebook.documents.problems import Location
from routebook.documents.quantities import Unit
from routebook.policy.facts import Ask, Value


@dataclass(frozen=True, slots=True)
class Interval:
    """A stretch of numbers; None is unbounded."""

    low: int | float | None = None
    high: int | float | None = None
    low_closed: bool = True
    high_closed: bool = True

    def contains(self, number: float) -> bool:
        """Whether a number lies within."""
        if self.low is not None and (number < self.low or (number == self.low and not self.low_closed)):
            return False
        return self.high is None or number < self.high or (number == self.high and self.high_closed)


@dataclass(frozen=True, slots=True)
class IsFlag:
    """The flag has this value."""

    value: bool


@dataclass(frozen=True, slots=True)
class OneOf:
    """The text is one of these."""

    words: frozenset[str]


@dataclass(frozen=True, slots=True)
class Glob:
    """The text matches a pattern in which `*` stands for any run of characters and `?` for any one."""

    pattern: str


@dataclass(frozen=True, slots=True)
class InIntervals:
    """The number lies in one of these stretches."""

    intervals: tuple[Interval, ...]


@dataclass(frozen=True, slots=True)
class HasAny:
    """The set has at least one of these members."""

    members: frozenset[str]


@dataclass(frozen=True, slots=True)
class HasAll:
    """The set has all of these members."""

    members: frozenset[str]


@dataclass(frozen=True, slots=True)
class Not:
    """The value is known and the predicate does not hold for it."""

    predicate: Predicate


@dataclass(frozen=True, slots=True)
class Every:
    """All predicates hold for the value."""

    predicates: tuple[Predicate, ...]


Predicate = IsFlag | OneOf | Glob | InIntervals | HasAny | HasAll | Not | Every
"""What may be said of a known value. `prefix` and `suffix` are globs; `none` is the negation of HasAny."""


@dataclass(frozen=True, slots=True)
class Test:
    """One fact put to a question. `text` is the condition as its author wrote it, for explanations.

    `predicate` is None for `known: true|false`, where `known` says which. `unit` is what the author's numbers were
    written in, where the fact takes several (`budget.NAME.left` in `%` or `$`).
    """

    fact: str
    predicate: Predicate | None
    text: str
    location: Location
    missing_holds: bool = False
    known: bool = True
    unit: Unit | None = None


@dataclass(frozen=True, slots=True)
class AllOf:
    """All of the conditions hold; with none, it always holds."""

    conditions: tuple[Condition, ...] = ()


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one of the conditions holds."""

    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Named:
    """A condition from the `conditions` section, by name."""

    name: str
    condition: Condition


Condition = Test | AllOf | AnyOf | Named

ALWAYS = AllOf()
"""The condition that every request meets."""


def holds(condition: Condition, ask: Ask) -> bool:
    """Whether a condition holds for the facts that `ask` knows: the meaning of the language."""
    match condition:
        case Test():
            return test_holds(condition, ask(condition.fact))
        case AllOf(conditions):
            return not conditions or all(holds(each, ask) for each in conditions)
        case AnyOf(conditions):
            return any(holds(each, ask) for each in conditions)
        case Named(_, inner):
            return holds(inner, ask)


def test_holds(test: Test, value: Value | None) -> bool:
    """Whether one test holds for the value of its fact (None: missing)."""
    if test.predicate is None:
        return (value is not None) == test.known
    if value is None:
        return test.missing_holds
    return satisfies(value, test.predicate)


def satisfies(value: Value, predicate: Predicate) -> bool:
    """Whether a predicate holds for a known value of the right type."""
    match predicate:
        case IsFlag(flag):
            return value is flag
        case OneOf(words):
            return value in words
        case Glob(pattern):
            return isinstance(value, str) and glob_regex(pattern).match(value) is not None
        case InIntervals(intervals):
            return isinstance(value, int | float) and any(interval.contains(value) for interval in intervals)
        case HasAny(members):
            return isinstance(value, frozenset) and not members.isdisjoint(value)
        case HasAll(members):
            return isinstance(value, frozenset) and members <= value
        case Not(inner):
            return not satisfies(value, inner)
        case Every(predicates):
            return all(satisfies(value, each) for each in predicates)


@lru_cache(maxsize=16384)
def glob_regex(pattern: str) -> re.Pattern[str]:
    """A glob as an anchored regular expression; only `*` and `?` are special.

    Each stretch between two `*` is taken where it is first found, and for good (an atomic group): so matching takes
    time linear in the text, also for `*a*a*a*b` on a long text of `a`.
    """
    head, *rest = (re.escape(part).replace(r"\?", ".") for part in pattern.split("*"))
    if not rest:
        return re.compile(head + r"\Z", re.DOTALL)
    between = "".join(f"(?>.*?{part})" for part in rest[:-1] if part)
    return re.compile(f"{head}{between}.*{rest[-1]}\\Z", re.DOTALL)
