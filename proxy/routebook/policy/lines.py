"""Rules spelled out as lines: each line a plain "all of these tests", a rule met where one of its lines is.

Alternatives multiply when they are spelled out, so a rule gets only so many lines. What does not fit stays with its
line as a *rest*: a condition that is looked at only when the line is about to win.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from routebook.policy.conditions import AllOf, AnyOf, Condition, Named, Test, test_holds
from routebook.policy.facts import Value


@dataclass(frozen=True, slots=True)
class Line:
    """One way of meeting a rule: all tests hold, and all rests do."""

    tests: tuple[Test, ...] = ()
    rests: tuple[Condition, ...] = ()

    def facts(self) -> set[str]:
        """The facts that it asks about, also in its rests."""
        return {test.fact for test in self.tests} | {fact for rest in self.rests for fact in facts_in(rest)}


def lines_of(condition: Condition, limit: int) -> list[Line]:
    """The lines of a condition, at most `limit` (which is at least 1); together they hold exactly where it does."""
    match condition:
        case Test():
            return [Line((condition,))]
        case Named(_, inner):
            return lines_of(inner, limit)
        case AllOf(parts):
            return _joined(parts, limit)
        case AnyOf(parts):
            lines: list[Line] = []
            for part in parts:
                lines += lines_of(part, limit)
            # Beside a way that asks nothing, no other way is worth a question.
            if Line() in lines:
                return [Line()]
            return lines if len(lines) <= limit else [Line(rests=(condition,))]


def _joined(parts: Sequence[Condition], limit: int) -> list[Line]:
    """Every combination of the parts' lines, as long as they fit."""
    lines = [Line()]
    for part in parts:
        ways = lines_of(part, limit)
        if len(lines) * len(ways) > limit:
            ways = [Line(rests=(part,))]
        lines = [Line(line.tests + way.tests, line.rests + way.rests) for line in lines for way in ways]
    return lines


def facts_in(condition: Condition) -> Iterator[str]:
    """The facts that a condition asks about."""
    match condition:
        case Test(fact):
            yield fact
        case AllOf(parts) | AnyOf(parts):
            for part in parts:
                yield from facts_in(part)
        case Named(_, inner):
            yield from facts_in(inner)


Verdict = bool | str
"""Whether a condition holds, or the fact to ask next in order to know."""


def verdict_on(condition: Condition, seen: Mapping[str, Value | None], dearness: Callable[[str], int]) -> Verdict:
    """What the facts seen so far say about a condition; where they do not decide it, the cheapest fact that may."""
    match condition:
        case Test(fact):
            return test_holds(condition, seen[fact]) if fact in seen else fact
        case Named(_, inner):
            return verdict_on(inner, seen, dearness)
        case AllOf(parts):
            return _verdict_on_all(parts, seen, dearness, until=False)
        case AnyOf(parts):
            return _verdict_on_all(parts, seen, dearness, until=True)


def _verdict_on_all(
    parts: Sequence[Condition], seen: Mapping[str, Value | None], dearness: Callable[[str], int], *, until: bool
) -> Verdict:
    """`until` if one part's verdict is that; otherwise the cheapest open fact, if any part is open."""
    asks: list[str] = []
    for part in parts:
        verdict = verdict_on(part, seen, dearness)
        if verdict is until:
            return until
        if isinstance(verdict, str):
            asks.append(verdict)
    return min(asks, key=dearness) if asks else not until
