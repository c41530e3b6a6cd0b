"""What can be told of a condition by looking at it: whether it always holds, what it asks, and what it cannot do without."""

from __future__ import annotations

from collections.abc import Iterator

from routebook.policy.conditions import AllOf, AnyOf, Condition, Named, Test


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
