"""Worlds for tests of the policy room: a small table of facts, and builders of random policies and sheets of facts.

Not a copy of the product's table: this room knows no models and no budgets, only facts that somebody declares.
"""

from __future__ import annotations

import random

from hypothesis import strategies as st

from routebook.documents.problems import Location
from routebook.documents.quantities import Unit
from routebook.policy.conditions import (
    AllOf,
    AnyOf,
    Condition,
    Every,
    Glob,
    HasAll,
    HasAny,
    InIntervals,
    Interval,
    IsFlag,
    Named,
    Not,
    OneOf,
    Predicate,
    Test,
)
from routebook.policy.facts import CostClass, FactSpec, FactTable, FactType, Value
from routebook.policy.rules import Rule
from routebook.policy.tables import Limits

NOWHERE = Location("world.yaml", 1, 1)

TABLE = FactTable(
    (
        FactSpec("stream", FactType.FLAG, CostClass.GIVEN, "whether a stream is wanted"),
        FactSpec("team", FactType.TEXT, CostClass.GIVEN, "who asks"),
        FactSpec("label.NAME", FactType.TEXT, CostClass.GIVEN, "what the asker is called"),
        FactSpec("tags", FactType.SET, CostClass.GIVEN, "what the request is marked with"),
        FactSpec("bytes", FactType.NUMBER, CostClass.GIVEN, "how large it is", Unit.BYTES),
        FactSpec(
            "weekday",
            FactType.TEXT,
            CostClass.GIVEN,
            "the day",
            words=("mon", "tue", "wed", "thu", "fri", "sat", "sun"),
            zoned=True,
        ),
        FactSpec("hour", FactType.NUMBER, CostClass.GIVEN, "the time of day", Unit.CLOCK, zoned=True),
        FactSpec("day", FactType.NUMBER, CostClass.GIVEN, "the date", Unit.DATE, zoned=True),
        FactSpec("tokens", FactType.NUMBER, CostClass.SCANNED, "how long it is", Unit.TOKENS),
        FactSpec("matches.NAME", FactType.FLAG, CostClass.SCANNED, "whether a pattern is found"),
        FactSpec("complexity", FactType.NUMBER, CostClass.SCORED, "how hard it is", Unit.SCORE),
        FactSpec(
            "budget.NAME.left",
            FactType.NUMBER,
            CostClass.ASKED,
            "what is left",
            Unit.SHARE,
            units=(Unit.MONEY, Unit.TOKENS),
        ),
    )
)
"""Facts of every type and every cost class."""

KEYS = (
    "stream",
    "team",
    "label.a",
    "label.b",
    "tags",
    "bytes",
    "weekday[UTC]",
    "tokens",
    "matches.x",
    "matches.y",
    "complexity",
    "budget.m.left",
    "budget.m.left[amount]",
)
"""The keys that random policies ask about."""

WORDS = ("a", "ab", "abc", "b", "ba", "cab", "gpt-4", "gpt-4o", "")
MEMBERS = ("a", "b", "c", "d")
NUMBERS = (0, 1, 2, 3, 4.5, 5, 2**60, 2**60 + 1, 0.1, -3)
PATTERNS = ("a*", "*b", "*a*", "a?c", "gpt-*", "g*4*", "*", "ab", "?", "a*b*c", "**", "*-4", "ab*", "*?")

TINY = Limits(stride=3, tries=1, clauses=1, few=1, wide=2, masks=2, kept=2, lines=2)
NONE = Limits(stride=1000, tries=0, clauses=0, few=0, wide=0, masks=0, kept=0, lines=1)
FEW = Limits(stride=2, tries=2, clauses=2, few=100, wide=0, masks=3, kept=1, lines=3)
LIMITS = (Limits(), TINY, NONE, FEW)
"""Roomy tables, tiny ones, none at all, and only the row-by-row kind."""


def specification(key: str) -> FactSpec:
    """The row of a key that surely exists."""
    spec = TABLE.find(key)
    assert spec is not None
    return spec


def _intervals() -> st.SearchStrategy[Predicate]:
    bound = st.none() | st.sampled_from(NUMBERS)
    interval = st.builds(Interval, bound, bound, st.booleans(), st.booleans())
    return st.builds(InIntervals, st.lists(interval, max_size=3).map(tuple))


def _atoms(kind: FactType) -> st.SearchStrategy[Predicate]:
    match kind:
        case FactType.FLAG:
            return st.builds(IsFlag, st.booleans())
        case FactType.TEXT:
            words = st.frozensets(st.sampled_from(WORDS), max_size=3)
            return st.builds(OneOf, words) | st.builds(Glob, st.sampled_from(PATTERNS))
        case FactType.NUMBER:
            return _intervals()
        case FactType.SET:
            members = st.frozensets(st.sampled_from(MEMBERS), max_size=3)
            return st.builds(HasAny, members) | st.builds(HasAll, members)


def predicates(kind: FactType) -> st.SearchStrategy[Predicate]:
    """Predicates on a fact of a type, negated and joined at will."""
    return st.recursive(
        _atoms(kind),
        lambda inner: st.builds(Not, inner) | st.builds(Every, st.lists(inner, max_size=3).map(tuple)),
        max_leaves=4,
    )


@st.composite
def tests(draw: st.DrawFn) -> Test:
    """One test of one fact, for its value or for being known."""
    key = draw(st.sampled_from(KEYS))
    if draw(st.integers(0, 7)) == 0:
        known = draw(st.booleans())
        return Test(key, None, f"{key}: {{known: {known}}}", NOWHERE, known=known)
    predicate = draw(predicates(specification(key).type))
    return Test(key, predicate, f"{key}: {predicate}", NOWHERE, missing_holds=draw(st.integers(0, 4)) == 0)


def conditions() -> st.SearchStrategy[Condition]:
    """Any condition, nested at will."""
    return st.recursive(
        tests(),
        lambda inner: (
            st.builds(AllOf, st.lists(inner, max_size=4).map(tuple))
            | st.builds(AnyOf, st.lists(inner, max_size=4).map(tuple))
            | st.builds(Named, st.just("a-name"), inner)
        ),
        max_leaves=8,
    )


def policies(most: int = 12) -> st.SearchStrategy[tuple[Rule[int], ...]]:
    """Ordered rules, each with its number as outcome."""
    return st.lists(conditions(), max_size=most).map(
        lambda whens: tuple(Rule(f"rule-{number}", when, number, NOWHERE) for number, when in enumerate(whens))
    )


def values(key: str) -> st.SearchStrategy[Value]:
    """Known values of a fact, those that rules mention as well as others."""
    match specification(key).type:
        case FactType.FLAG:
            return st.booleans()
        case FactType.TEXT:
            return st.sampled_from(WORDS) | st.text("abcgpt-4?*\n", max_size=6)
        case FactType.NUMBER:
            return (
                st.sampled_from(NUMBERS) | st.integers(-10, 10) | st.integers(2**60 - 2, 2**60 + 3) | st.floats(-10, 10)
            )
        case FactType.SET:
            return st.frozensets(st.sampled_from((*MEMBERS, "other")))


def sheets() -> st.SearchStrategy[dict[str, Value]]:
    """Sheets of facts; a fact that is left out is missing."""
    return st.fixed_dictionaries({}, optional={key: values(key) for key in KEYS})


class Dice:
    """Random policies and sheets without Hypothesis: no shrinking, but a hundred times as many in the same time."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def rules(self) -> tuple[Rule[int], ...]:
        """Up to ten rules."""
        count = self._random.randint(1, 10)
        return tuple(Rule(f"rule-{number}", self.condition(3), number, NOWHERE) for number in range(count))

    def condition(self, depth: int) -> Condition:
        """Any condition, at most so deep."""
        kind = self._random.random()
        if depth == 0 or kind < 0.35:
            return self._test()
        parts = tuple(self.condition(depth - 1) for _ in range(self._random.randint(0 if kind > 0.97 else 1, 4)))
        if kind < 0.7:
            return AllOf(parts)
        return AnyOf(parts) if kind < 0.95 else Named("a-name", AllOf(parts))

    def sheet(self) -> dict[str, Value]:
        """A sheet of facts, one in six missing."""
        return {key: self._value(specification(key).type) for key in KEYS if self._random.random() > 1 / 6}

    def _test(self) -> Test:
        key = self._random.choice(KEYS)
        if self._random.random() < 0.1:
            return Test(key, None, key, NOWHERE, known=self._random.random() < 0.5)
        predicate = self._predicate(specification(key).type, 2)
        return Test(key, predicate, key, NOWHERE, missing_holds=self._random.random() < 0.2)

    def _predicate(self, kind: FactType, depth: int) -> Predicate:
        shape = self._random.random()
        if depth and shape < 0.25:
            return Not(self._predicate(kind, depth - 1))
        if depth and shape < 0.45:
            return Every(tuple(self._predicate(kind, depth - 1) for _ in range(self._random.randint(0, 3))))
        match kind:
            case FactType.FLAG:
                return IsFlag(shape < 0.7)
            case FactType.TEXT:
                return OneOf(self._some(WORDS)) if shape < 0.7 else Glob(self._random.choice(PATTERNS))
            case FactType.NUMBER:
                return InIntervals(tuple(self._interval() for _ in range(self._random.randint(0, 2))))
            case FactType.SET:
                return HasAny(self._some(MEMBERS)) if shape < 0.7 else HasAll(self._some(MEMBERS))

    def _interval(self) -> Interval:
        low, high = self._random.choice((None, *NUMBERS)), self._random.choice((None, *NUMBERS))
        return Interval(low, high, self._random.random() < 0.5, self._random.random() < 0.5)

    def _some(self, words: tuple[str, ...]) -> frozenset[str]:
        return frozenset(self._random.sample(words, self._random.randint(0, 3)))

    def _value(self, kind: FactType) -> Value:
        match kind:
            case FactType.FLAG:
                return self._random.random() < 0.5
            case FactType.TEXT:
                return self._random.choice((*WORDS, "abba", "gpt-5", "a*", "x"))
            case FactType.NUMBER:
                return self._random.choice((*NUMBERS, 6, 2.5, -10, 2**60 + 2))
            case FactType.SET:
                return self._some((*MEMBERS, "other"))
