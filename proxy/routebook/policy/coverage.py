"""Which conditions hold wherever another one holds: how a rule is found that can never decide.

What is said here is certain; what is not said may still be so (full proofs are another matter). Two globs, for
instance, are compared by their text only.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

from routebook.policy.conditions import (
    AllOf,
    AnyOf,
    Condition,
    Every,
    HasAll,
    HasAny,
    IsFlag,
    Named,
    Not,
    OneOf,
    Predicate,
    Test,
)
from routebook.policy.contradictions import can_hold
from routebook.policy.facts import FactTable
from routebook.policy.rules import Outcome, Rule

MAX_COMPARISONS = 50_000
"""Pairs of rules that are compared at most, about a second's work; the earliest rules come first."""

MAX_PRODUCT = 10_000
"""Tests in one condition times tests in another, up to which the two are compared."""


def covered_rules(rules: Sequence[Rule[Outcome]], table: FactTable) -> Iterator[tuple[Rule[Outcome], Rule[Outcome]]]:
    """Each rule that can never decide, with a rule before it that holds wherever it holds.

    A rule that repeats another or stands behind a catch-all is always found. Others are found by comparing, as far as
    `MAX_COMPARISONS` goes: in large policies with the first few rules that ask for the same words.
    """
    most = max(4, MAX_COMPARISONS // max(1, len(rules)))
    earlier = _Earlier()
    catch_all: Rule[Outcome] | None = None
    same: dict[object, Rule[Outcome]] = {}
    for number, rule in enumerate(rules):
        meaning = _meaning(rule.when)
        cover = same.setdefault(meaning, rule)
        if cover is rule and catch_all is None:
            near = (rules[before] for before in earlier.candidates(rule.when, most))
            cover = next((each for each in near if covers(each.when, rule.when, table)), rule)
        if catch_all is not None or cover is not rule:
            yield rule, catch_all or cover
        elif always_holds(rule.when):
            catch_all = rule
        earlier.add(number, rule.when)


class _Earlier:
    """The rules seen so far, found by the words that they ask for: a rule can only cover one that names such a word."""

    def __init__(self) -> None:
        self._by_word: dict[tuple[str, object], list[int]] = {}
        self._others: list[int] = []
        self._asked: list[frozenset[str]] = []
        self._sizes: list[int] = []

    def add(self, number: int, condition: Condition) -> None:
        """Remember a rule by its number under the words of one of its tests, or among the others."""
        tests = list(needed(condition))
        self._asked.append(frozenset(test.fact for test in tests))
        self._sizes.append(sum(1 for _ in tests_of(condition)))
        words = min((found for test in tests if (found := _words(test))), key=len, default=())
        for word in words:
            self._by_word.setdefault(word, []).append(number)
        if not words:
            self._others.append(number)

    def candidates(self, condition: Condition, most: int) -> list[int]:
        """The first rules that may cover a condition, in order; at most so many."""
        tests = list(tests_of(condition))
        facts = frozenset(test.fact for test in tests)
        lists = [self._others, *(self._by_word.get(word, []) for test in tests for word in _words(test))]
        numbers = sorted({number for each in lists for number in each[: most * _SIFTED]})
        fitting = (
            number
            for number in numbers
            if self._asked[number] <= facts and self._sizes[number] * len(tests) <= MAX_PRODUCT
        )
        return list(islice(fitting, most))


_SIFTED = 20
"""Rules looked at for each that is compared: most ask for facts that the other does not."""


def _words(test: Test) -> tuple[tuple[str, object], ...]:
    return () if test.predicate is None else tuple((test.fact, word) for word in _words_in(test.predicate))


def _words_in(predicate: Predicate) -> Iterator[object]:
    match predicate:
        case OneOf(words) | HasAny(words) | HasAll(words):
            yield from words
        case IsFlag(value):
            yield value
        case Every(parts):
            for part in parts:
                yield from _words_in(part)
        case _:
            return


def _meaning(condition: Condition) -> object:
    """A condition without its place and wording: two that mean the same for this reason are equal."""
    match condition:
        case Test():
            return condition.fact, condition.predicate, condition.missing_holds, condition.known
        case AllOf(parts):
            return "all", frozenset(map(_meaning, parts))
        case AnyOf(parts):
            return "any", frozenset(map(_meaning, parts))
        case Named(_, inner):
            return _meaning(inner)


def covers(wide: Condition, narrow: Condition, table: FactTable) -> bool:
    """Whether `wide` certainly holds wherever `narrow` does, missing facts included."""
    match wide, narrow:
        case Named(_, inner), _:
            return covers(inner, narrow, table)
        case AllOf(parts), _:
            return all(covers(part, narrow, table) for part in parts)
        case _, Named(_, inner):
            return covers(wide, inner, table)
        case _, AnyOf(parts):
            return all(covers(wide, part, table) for part in parts)
        case AnyOf(parts), AllOf(others):
            return any(covers(part, narrow, table) for part in parts) or any(
                covers(wide, other, table) for other in others
            )
        case AnyOf(parts), _:
            return any(covers(part, narrow, table) for part in parts)
        case Test(), AllOf(parts):
            return any(covers(wide, part, table) for part in parts)
        case Test(), Test():
            return _test_covers(wide, narrow, table)
        case _:
            return False


def always_holds(condition: Condition) -> bool:
    """Whether a condition plainly holds for every request, whatever is missing."""
    match condition:
        case AllOf(parts):
            return all(always_holds(part) for part in parts)
        case AnyOf(parts):
            return any(always_holds(part) for part in parts)
        case Named(_, inner):
            return always_holds(inner)
        case Test():
            return False


def tests_of(condition: Condition) -> Iterator[Test]:
    """Every test in a condition, named ones spelled out."""
    match condition:
        case Test():
            yield condition
        case AllOf(parts) | AnyOf(parts):
            for part in parts:
                yield from tests_of(part)
        case Named(_, inner):
            yield from tests_of(inner)


def needed(condition: Condition) -> Iterator[Test]:
    """The tests that must hold for the condition to hold: those under no alternative."""
    match condition:
        case Test():
            yield condition
        case AllOf(parts):
            for part in parts:
                yield from needed(part)
        case Named(_, inner):
            yield from needed(inner)
        case AnyOf():
            return


def _test_covers(wide: Test, narrow: Test, table: FactTable) -> bool:
    if wide.fact != narrow.fact:
        return False
    if narrow.predicate is None:
        return wide.predicate is None and wide.known == narrow.known
    if wide.predicate is None:
        return wide.known and not narrow.missing_holds
    if narrow.missing_holds and not wide.missing_holds:
        return False
    return _implies(narrow.predicate, wide.predicate, narrow.fact, table)


def _implies(narrow: Predicate, wide: Predicate, fact: str, table: FactTable) -> bool:
    if narrow == wide:
        return True
    if isinstance(narrow, HasAll) and isinstance(wide, HasAll):
        return wide.members <= narrow.members
    spec = table.find(fact)
    return spec is not None and not can_hold(Every((narrow, Not(wide))), spec)
