"""Which conditions hold wherever another one holds: how a rule is found that can never decide.

What is said here is certain; what is not said may still be so (full proofs are another matter). Two globs, for
instance, are compared by their text only.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from routebook.policy.conditions import AllOf, AnyOf, Condition, Every, HasAll, Named, Not, Predicate, Test
from routebook.policy.contradictions import can_hold
from routebook.policy.facts import FactTable
from routebook.policy.reading import tests_in
from routebook.policy.rules import Outcome, Rule

MAX_COMPARISONS = 300_000
"""Pairs of rules that are compared at most; in larger policies a rule is compared with the nearest ones before it."""

MAX_PRODUCT = 10_000
"""Tests in one condition times tests in another, up to which the two are compared."""


def covered_rules(rules: Sequence[Rule[Outcome]], table: FactTable) -> Iterator[tuple[Rule[Outcome], Rule[Outcome]]]:
    """Each rule that can never decide, with the first rule before it that holds wherever it holds."""
    reach = len(rules) if len(rules) ** 2 <= 2 * MAX_COMPARISONS else MAX_COMPARISONS // len(rules)
    asked = [frozenset(test.fact for test in needed(rule.when)) for rule in rules]
    sizes = [tests_in(rule.when) for rule in rules]
    catch_all: Rule[Outcome] | None = None
    for number, rule in enumerate(rules):
        if catch_all is not None:
            yield rule, catch_all
            continue
        facts = frozenset(test.fact for test in tests_of(rule.when))
        for before in range(max(0, number - reach), number):
            small = sizes[number] * sizes[before] <= MAX_PRODUCT
            if small and asked[before] <= facts and covers(rules[before].when, rule.when, table):
                yield rule, rules[before]
                break
        if always_holds(rule.when):
            catch_all = rule


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
                covers(wide, other, table) for other in others)
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
