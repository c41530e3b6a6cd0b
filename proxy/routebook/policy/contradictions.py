"""Questions that no value can answer: `{at_least: 5, below: 3}`, `{any: [a], none: [a]}`.

What one fact is asked within one mapping is decided here, exactly for numbers and flags; for texts and sets only what
can be told from the words themselves (two patterns are taken to be compatible).
"""

from __future__ import annotations

from collections.abc import Iterator

from routebook.documents.quantities import Unit
from routebook.policy.conditions import Every, HasAll, HasAny, InIntervals, Interval, Not, OneOf, Predicate, satisfies
from routebook.policy.facts import FactSpec, FactType
from routebook.policy.number_line import stretches_of

_BOUNDS = {Unit.SCORE: Interval(0, 1), Unit.CLOCK: Interval(0, 86400, high_closed=False), Unit.DATE: Interval(1, None)}
"""Where every value of a unit lies. A share may exceed 100 %, and may be negative where a budget is overdrawn."""


def can_hold(predicate: Predicate, spec: FactSpec) -> bool:
    """Whether some value of the fact satisfies the predicate; True where it cannot be told."""
    match spec.type:
        case FactType.FLAG:
            return any(satisfies(flag, predicate) for flag in (True, False))
        case FactType.NUMBER:
            bounds = InIntervals((_BOUNDS.get(spec.unit, Interval()),))
            return not stretches_of(Every((predicate, bounds))).is_empty
        case FactType.TEXT:
            return _text_can_hold(predicate, spec)
        case FactType.SET:
            return _set_can_hold(predicate)


def _parts(predicate: Predicate) -> Iterator[Predicate]:
    if isinstance(predicate, Every):
        for each in predicate.predicates:
            yield from _parts(each)
    else:
        yield predicate


def _text_can_hold(predicate: Predicate, spec: FactSpec) -> bool:
    candidates = set(spec.words)
    for part in _parts(predicate):
        if isinstance(part, OneOf):
            candidates |= part.words
    closed = bool(spec.words) or any(isinstance(part, OneOf) for part in _parts(predicate))
    return not closed or any(satisfies(word, predicate) for word in candidates)


def _set_can_hold(predicate: Predicate) -> bool:
    barred: set[str] = set()
    for part in _parts(predicate):
        if isinstance(part, Not) and isinstance(part.predicate, HasAny):
            barred |= part.predicate.members
    for part in _parts(predicate):
        match part:
            case HasAny(members) if members <= barred:
                return False
            case HasAll(members) if members & barred:
                return False
            case _:
                pass
    return True
