"""From ordered rules to what the walk needs: lines with their bits, a table per fact, the order of asking.

Memory is planned before it is used: what all ready sets of lines may take together is shared out among the tables, so
no policy, however wild, compiles to more than a known amount. Tables that get less are coarser, never wrong.
"""

from __future__ import annotations

import gc
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from routebook.policy.facts import CostClass, FactSpec, FactTable, FactType
from routebook.policy.lines import Line, facts_in, lines_of
from routebook.policy.masks import mask_of
from routebook.policy.rules import Outcome, Rule
from routebook.policy.tables import Limits, Row, Table, row_of, table_for

MASK_BYTES = 24 * 1024 * 1024
"""What all ready sets of lines of one policy may take together; remembered answers may take half as much again."""

LINES_PER_RULE = 4
"""How many lines a rule may have on average (in a policy large enough for it to matter): longer sets are slower."""


@dataclass(slots=True)
class Compiled:
    """What the walk needs. Lists by *front* are indexed by the `bit_length()` of a set: its first line; 0 means none.

    `rule_at`: the rule's number by front. `facts_at`: the facts that the line asks about, cheapest first; None where
    the line wants a closer look, because it is in doubt or because its rule may be met in another way, too. `lines`:
    those lines, and the other ways. `others`: the fronts of the ways that follow. `tops`: the first line of every rule,
    None where each rule is one line. `dearness`: facts ranked by what they cost, and by how much an answer tells.
    """

    everything: int
    rule_at: list[int]
    facts_at: list[tuple[str, ...] | None]
    tops: int | None
    tables: dict[str, Table]
    lines: dict[int, Line]
    others: dict[int, range]
    dearness: dict[str, int]


def compile_rules(rules: Sequence[Rule[Outcome]], facts: FactTable, limits: Limits) -> Compiled:
    """Compile rules over the facts of a table."""
    with _no_collection():
        return _compile(rules, _Specs(facts), limits)


@contextmanager
def _no_collection() -> Iterator[None]:
    """Let the garbage collector rest: nothing that is compiled is garbage, and looking for it doubles the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _compile(rules: Sequence[Rule[Outcome]], specs: _Specs, limits: Limits) -> Compiled:
    lines = _lines(rules, specs, limits)
    width = len(lines)
    rows = _rows(lines, width)
    dearness = _dearness(lines, rows, specs)
    shares = _shares(limits, rows, width)
    tables = {fact: table_for(specs[fact].type, asking, width, shares[fact]) for fact, asking in rows.items()}
    fronts = list(reversed(lines))
    doubtful = {bit + 1 for table in tables.values() for bit in table.doubtful}
    doubtful |= {front for front, (_, line) in enumerate(fronts, start=1) if line.rests}
    others = _others([rule for rule, _ in fronts])
    looked_at = doubtful | set(others) | {front for ways in others.values() for front in ways}
    orders: dict[frozenset[str], tuple[str, ...]] = {}
    facts_at: list[tuple[str, ...] | None] = [()]
    for front, (_, line) in enumerate(fronts, start=1):
        asked = frozenset(test.fact for test in line.tests)
        if asked not in orders:
            orders[asked] = tuple(sorted(asked, key=dearness.__getitem__))
        facts_at.append(None if front in doubtful or front in others else orders[asked])
    rule_at = [-1, *(rule for rule, _ in fronts)]
    tops = (
        mask_of(
            (front - 1 for front in range(1, width + 1) if rule_at[front] not in rule_at[front + 1 : front + 2]), width
        )
        if others
        else None
    )
    return Compiled(
        (1 << width) - 1,
        rule_at,
        facts_at,
        tops,
        tables,
        {front: fronts[front - 1][1] for front in looked_at},
        others,
        dearness,
    )


def _others(rule_below: Sequence[int]) -> dict[int, range]:
    """For each line that is not its rule's last one, the fronts of the lines after it; lines are given last first."""
    others: dict[int, range] = {}
    first = 1
    for front, rule in enumerate(rule_below, start=1):
        if rule != rule_below[first - 1]:
            first = front
        elif front > first:
            others[front] = range(first, front)
    return others


class _Specs(dict[str, FactSpec]):
    """The rows of the table of facts by key, each looked up once."""

    def __init__(self, facts: FactTable) -> None:
        super().__init__()
        self._facts = facts

    def __missing__(self, key: str) -> FactSpec:
        spec = self._facts.find(key)
        if spec is None:
            raise ValueError(f"unknown fact `{key}`")
        self[key] = spec
        return spec


def _lines(rules: Sequence[Rule[Outcome]], specs: _Specs, limits: Limits) -> list[tuple[int, Line]]:
    """All lines in order, with the number of their rule; within a rule, those that ask no dear fact come first."""
    most = max(4096, LINES_PER_RULE * len(rules))
    per_rule = limits.lines
    while True:
        lines = [
            (number, line)
            for number, rule in enumerate(rules)
            for line in _by_cost(lines_of(rule.when, per_rule), specs)
        ]
        if len(lines) <= most or per_rule == 1:
            return lines
        per_rule = max(1, per_rule // 2)


def _by_cost(lines: list[Line], specs: _Specs) -> list[Line]:
    if len(lines) == 1:
        return lines
    return sorted(lines, key=lambda line: max((specs[fact].cost for fact in line.facts()), default=CostClass.GIVEN))


def _rows(lines: Iterable[tuple[int, Line]], width: int) -> dict[str, list[Row]]:
    """What is asked of each fact, line by line."""
    rows: dict[str, list[Row]] = defaultdict(list)
    for place, (_, line) in enumerate(lines):
        tests = line.tests
        if len({test.fact for test in tests}) == len(tests):
            for test in tests:
                rows[test.fact].append(row_of(width - 1 - place, (test,)))
        else:
            for fact in dict.fromkeys(test.fact for test in tests):
                rows[fact].append(row_of(width - 1 - place, [test for test in tests if test.fact == fact]))
    return dict(rows)


def _dearness(lines: Iterable[tuple[int, Line]], rows: Mapping[str, Sequence[Row]], specs: _Specs) -> dict[str, int]:
    """The rank of every fact: first by cost class, then those whose answer tells most lines apart."""
    asked = dict.fromkeys(rows)
    for _, line in lines:
        for rest in line.rests:
            asked.update(dict.fromkeys(facts_in(rest)))

    def rank(fact: str) -> tuple[int, int, str]:
        telling = len(rows.get(fact, ())) * (1 if specs[fact].type is FactType.FLAG else 2)
        return specs[fact].cost, -telling, fact

    return {fact: place for place, fact in enumerate(sorted(asked, key=rank))}


def _shares(limits: Limits, rows: Mapping[str, Sequence[Row]], width: int) -> dict[str, Limits]:
    """The limits of every table: each has room for ready masks by the number of its rows."""
    # An integer of n bits takes 4 bytes for every 30 of them, and 28 for itself.
    masks = MASK_BYTES // (width // 30 * 4 + 32)
    asked = sum(map(len, rows.values())) or 1
    shares = {fact: masks * len(asking) // asked for fact, asking in rows.items()}
    return {
        fact: replace(limits, masks=min(limits.masks, share), kept=min(limits.kept, share // 2))
        for fact, share in shares.items()
    }
