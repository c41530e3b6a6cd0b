"""The compiled form of an ordered list of rules: a decision tree that is walked, not built.

A node of the tree is *which lines still stand*, as the bits of one integer; an edge is a class of answers, with the
lines that stand for it; a step down is `&`. The walk looks at the front runner, the first line that stands, and asks
the cheapest fact that it still depends on. So a fact is asked only where the first rule that may yet match depends on
it, and a dear one only when the cheaper ones have left that rule standing.

INVARIANT: a bit is cleared only where its line is known not to hold. Lines that a bounded table may have left standing
wrongly are in doubt: they are tried in full before anything more is asked for them, and before they win. Where a rule
can be met in several ways, nothing is asked for one of them while another is certain.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Generic

from routebook.policy.compiling import Compiled, compile_rules
from routebook.policy.conditions import test_holds
from routebook.policy.facts import Ask, FactTable, Value
from routebook.policy.lines import Line, Verdict, verdict_on
from routebook.policy.rules import Decision, Outcome, Rule, Step
from routebook.policy.tables import Limits

LIMITS = Limits()
"""How large the tables of a policy may grow."""

_Lookup = tuple[Callable[[Value | None], int | None], Callable[[Value], int]]
"""How an answer becomes a set of lines: what is ready, and what works out the others."""


class DecisionTree(Generic[Outcome]):
    """Decides as `rules.first_match` means, in time that hardly grows with the number of rules. Can be pickled."""

    def __init__(self, rules: Sequence[Rule[Outcome]], facts: FactTable, limits: Limits = LIMITS) -> None:
        self.rules = tuple(rules)
        self._prepare(compile_rules(self.rules, facts, limits))

    def _prepare(self, compiled: Compiled) -> None:
        self._compiled = compiled
        self._facts_at = compiled.facts_at
        self._lookups: dict[str, _Lookup] = {
            fact: (table.ready.get, table.answer) for fact, table in compiled.tables.items()
        }

    def __getstate__(self) -> tuple[tuple[Rule[Outcome], ...], Compiled]:
        return self.rules, self._compiled

    def __setstate__(self, state: tuple[tuple[Rule[Outcome], ...], Compiled]) -> None:
        self.rules, compiled = state
        self._prepare(compiled)

    def __repr__(self) -> str:
        compiled = self._compiled
        return (
            f"<DecisionTree: {len(self.rules)} rules in {len(compiled.rule_at) - 1} lines over "
            f"{len(compiled.dearness)} facts, {compiled.facts_at.count(None)} lines want a closer look>"
        )

    def decide(self, ask: Ask) -> Decision[Outcome]:
        """The first rule whose conditions all hold, with the questions that were asked. Asks each fact at most once."""
        facts_at, lookups = self._facts_at, self._lookups
        standing = self._compiled.everything
        seen: dict[str, Value | None] = {}
        trail: list[int] = []
        while standing:
            front = standing.bit_length()
            facts = facts_at[front]
            if facts is None:
                verdict = self._look(front, seen)
                if verdict is True:
                    break
                if verdict is False:
                    standing ^= 1 << front - 1
                    if trail:
                        trail[-1] = standing
                    continue
                fact = verdict
            else:
                for fact in facts:
                    if fact not in seen:
                        break
                else:
                    break
            value = seen[fact] = ask(fact)
            lookup = lookups.get(fact)
            if lookup is not None:
                lines = lookup[0](value)
                standing &= lookup[1](value) if lines is None else lines  # type: ignore[arg-type]  # None is ready
            trail.append(standing)
        rule = self.rules[self._compiled.rule_at[standing.bit_length()]] if standing else None
        return _Walked(rule, seen, trail, self._compiled)

    def _look(self, front: int, seen: Mapping[str, Value | None]) -> Verdict:
        """Whether the front runner holds, or its rule does in another way; else, what to ask for it."""
        lines = self._compiled.lines
        verdict = self._try(lines[front], seen)
        if isinstance(verdict, str):
            others = self._compiled.others.get(front, ())
            if any(self._try(lines[other], seen) is True for other in others):
                return True
        return verdict

    def _try(self, line: Line, seen: Mapping[str, Value | None]) -> Verdict:
        """Whether a line holds for what has been seen; where that does not decide it, the cheapest fact that may."""
        dearness = self._compiled.dearness.__getitem__
        asks: list[str] = []
        for test in line.tests:
            if test.fact not in seen:
                asks.append(test.fact)
            elif not test_holds(test, seen[test.fact]):
                return False
        for rest in line.rests:
            verdict = verdict_on(rest, seen, dearness)
            if verdict is False:
                return False
            if isinstance(verdict, str):
                asks.append(verdict)
        return min(asks, key=dearness) if asks else True


_step: Callable[[tuple[str, Value | None, int]], Step] = partial(tuple.__new__, Step)
"""Half the time of `Step(...)`: there are several in every decision."""


class _Walked(Decision[Outcome]):
    """A decision that spells out its steps when they are first looked at."""

    __slots__ = ("_compiled", "_seen", "_trail")

    def __init__(
        self, rule: Rule[Outcome] | None, seen: dict[str, Value | None], trail: list[int], compiled: Compiled
    ) -> None:
        self.rule = rule
        self._steps = ()
        self._seen = seen
        self._trail = trail
        self._compiled = compiled

    @property
    def steps(self) -> tuple[Step, ...]:
        """The questions of the walk in the order in which they were asked, each fact once."""
        if self._trail:
            seen, trail = self._seen, self._trail
            self._steps = tuple(map(_step, zip(seen, seen.values(), _counts(trail, self._compiled))))
            self._trail = []
        return self._steps


def _counts(trail: list[int], compiled: Compiled) -> Iterable[int]:
    """How many rules have a line that stands, in each set of lines.

    Where rules have several lines: adding a rule's lower bits, all ones, to those that stand carries into its top bit
    if any of them does.
    """
    tops = compiled.tops
    if tops is None:
        return map(int.bit_count, trail)
    lower = compiled.everything ^ tops
    return [((((standing & lower) + lower) | standing) & tops).bit_count() for standing in trail]
