"""The proofs against an oracle that knows nothing of axes and cells: z3, with texts as strings and numbers as numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from routebook.documents.quantities import Unit
from routebook.policy.axes import WHOLE
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
)
from routebook.policy.conditions import Test as FactTest
from routebook.policy.facts import FactType
from routebook.policy.proofs import Covered, Decides, Ordered
from routebook.policy.regions import Space
from tests.policy.worlds import TABLE, Dice, specification

z3 = pytest.importorskip("z3", reason="z3-solver is not installed")

RANGES = {Unit.SCORE: (0, 1), Unit.CLOCK: (0, 86399), Unit.DATE: (1, 3652059)}
PATIENCE = 3000
"""Milliseconds for one question; those that z3 does not answer are left out, and few may be."""


def formula(condition: Condition) -> Any:
    """What a condition means, missing facts included."""
    match condition:
        case Named(_, inner):
            return formula(inner)
        case AllOf(parts):
            return z3.And([formula(part) for part in parts])
        case AnyOf(parts):
            return z3.Or([formula(part) for part in parts])
        case FactTest(fact, None):
            return known(fact) if condition.known else z3.Not(known(fact))
        case FactTest(fact, predicate) if predicate is not None:
            value = z3.And(known(fact), asked(fact, predicate))
            return z3.Or(value, z3.Not(known(fact))) if condition.missing_holds else value


def known(fact: str) -> Any:
    return z3.Bool(f"known {fact}")


def asked(fact: str, predicate: Predicate) -> Any:
    match predicate:
        case Not(inner):
            return z3.Not(asked(fact, inner))
        case Every(parts):
            return z3.And([asked(fact, part) for part in parts])
        case IsFlag(value):
            return z3.Bool(fact) == value
        case OneOf(words):
            return z3.Or([z3.String(fact) == word for word in words])
        case Glob(pattern):
            return z3.InRe(z3.String(fact), expression(pattern))
        case HasAny(members):
            return z3.Or([z3.Bool(f"{fact} has {member}") for member in members])
        case HasAll(members):
            return z3.And([z3.Bool(f"{fact} has {member}") for member in members])
        case InIntervals(intervals):
            return z3.Or([between(number(fact), interval) for interval in intervals])


def expression(pattern: str) -> Any:
    any_letter = z3.AllChar(z3.ReSort(z3.StringSort()))
    tokens = [{"*": z3.Star(any_letter), "?": any_letter}.get(letter, z3.Re(letter)) for letter in pattern]
    return z3.Concat([z3.Re(""), z3.Re(""), *tokens])


def number(fact: str) -> Any:
    return z3.Int(fact) if unit(fact) in WHOLE else z3.Real(fact)


def unit(fact: str) -> Unit:
    return specification(fact).unit


def between(value: Any, interval: Interval) -> Any:
    real = z3.ToReal(value) if z3.is_int(value) else value
    parts = []
    if interval.low is not None:
        low = z3.Q(*interval.low.as_integer_ratio())
        parts.append(real >= low if interval.low_closed else real > low)
    if interval.high is not None:
        high = z3.Q(*interval.high.as_integer_ratio())
        parts.append(real <= high if interval.high_closed else real < high)
    return z3.And(parts)


def bounds(space: Space) -> list[Any]:
    """What the language says of values: no number is negative, days have so many seconds, weeks so many days."""
    found = []
    for fact in {axis.fact for axis in space.axes}:
        spec = specification(fact)
        if spec.type is FactType.NUMBER:
            low, high = RANGES.get(spec.unit, (0, None))
            found.append(number(fact) >= low)
            if high is not None:
                found.append(number(fact) <= high)
        if spec.words:
            found.append(z3.Or([z3.String(fact) == word for word in spec.words]))
    return found


def possible(parts: Sequence[Any]) -> bool | None:
    solver = z3.Solver()
    solver.set("timeout", PATIENCE)
    solver.add(*parts)
    answer = solver.check()
    return None if answer == z3.unknown else bool(answer == z3.sat)


@pytest.mark.parametrize("part", range(4))
def test_z3_agrees_about_every_rule_and_every_gap(part: int) -> None:
    """A rule decides something exactly where z3 finds a request for it; a failure names the seed."""
    answered = unanswered = 0
    for seed in range(10_000 + part * 75, 10_075 + part * 75):
        rules = Dice(seed).rules()
        whens = [rule.when for rule in rules]
        found = Ordered(Space(whens, TABLE), whens)
        always, before = bounds(found.space), list[Any]()
        for standing, when in zip(found.standings(), whens, strict=True):
            answer = possible([*always, formula(when), *before])
            before.append(z3.Not(formula(when)))
            if answer is None:
                unanswered += 1
            else:
                answered += 1
                assert answer is isinstance(standing, Decides), f"seed {seed}, rule {len(before) - 1}, {standing}"
            if isinstance(standing, Covered):
                cover = [z3.Not(formula(whens[each])) for each in standing.by]
                assert possible([*always, formula(when), *cover]) is not True, f"seed {seed}"
        answer = possible([*always, *before])
        assert answer is None or answer is (found.gap() is not None), f"seed {seed}"
    assert answered > 10 * unanswered
