"""Where two lists of rules decide otherwise: every request that moves lies in a region of its pair of rules, and where a
region is exact, every request in it moves."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

import pytest

from routebook.policy.conditions import ALWAYS, AllOf, HasAny, IsFlag, OneOf
from routebook.policy.conditions import Test as FactTest
from routebook.policy.differing import Change, Differing
from routebook.policy.proofs import region_of
from routebook.policy.regions import EVERYTHING, Region, Space, Work
from routebook.policy.rules import Rule, first_match
from routebook.policy.simplifying import simplified
from tests.policy.celled import Cells, lies_in, sheet_at, some_cells
from tests.policy.worlds import NOWHERE, TABLE, Dice

Rules = Sequence[Rule[int]]

OUTCOMES = 3
"""So many things that rules decide: some rules decide alike."""


def coloured(rules: Rules, dice: random.Random) -> list[Rule[int]]:
    """The same rules with a few outcomes."""
    return [replace(rule, outcome=dice.randrange(OUTCOMES)) for rule in rules]


def edited(rules: Rules, dice: random.Random, seed: int) -> list[Rule[int]]:
    """The same rules after an afternoon of edits."""
    found = list(rules)
    for number in range(dice.randint(1, 3)):
        place = dice.randrange(len(found)) if found else 0
        match dice.randrange(5):
            case 0 if found:
                found.pop(place)
            case 1:
                when = Dice(seed * 7 + number + 1_000_000).condition(2)
                found.insert(place, Rule(f"new-{number}", when, dice.randrange(OUTCOMES), NOWHERE))
            case 2 if found:
                found[place] = replace(found[place], outcome=dice.randrange(OUTCOMES))
            case 3 if found:
                found[place] = replace(found[place], when=Dice(seed * 7 + number + 2_000_000).condition(2))
            case _ if found:
                found.insert(dice.randrange(len(found)), found.pop(place))
    return found


def differing(old: Rules, new: Rules) -> Differing:
    """The two compared by their outcomes."""

    def apart(before: int | None, after: int | None) -> Region:
        was = None if before is None else old[before].outcome
        now = None if after is None else new[after].outcome
        return () if was == now else EVERYTHING

    space = Space([rule.when for rule in (*old, *new)], TABLE)
    return Differing(space, [rule.when for rule in old], [rule.when for rule in new], apart)


def deciders(old: Rules, new: Rules, found: Differing, cells: Cells) -> tuple[Rule[int] | None, Rule[int] | None]:
    """The rules that decide a request."""
    sheet = sheet_at(found.space, cells)
    return first_match(old, sheet.get), first_match(new, sheet.get)


def check(old: Rules, new: Rules, changes: Sequence[Change], found: Differing, cells: Cells) -> bool:
    """Hold one request against the regions; whether it moves."""
    was, now = deciders(old, new, found, cells)
    moves = (was and was.outcome) != (now and now.outcome)
    holding = [change for change in changes if lies_in(change.region, cells)]
    pair = (None if was is None else list(old).index(was), None if now is None else list(new).index(now))
    assert not moves or pair in [(change.old, change.new) for change in holding], (pair, cells)
    for change in holding:
        assert not change.exact or pair == (change.old, change.new), (pair, change)
    return moves


@pytest.mark.parametrize("part", range(4))
def test_what_moves_lies_in_a_region_and_what_lies_in_an_exact_one_moves(part: int) -> None:
    """Hundreds of random pairs of policies; a failure names its cells."""
    moving = exact = inexact = 0
    for seed in range(part * 100, part * 100 + 100):
        dice = random.Random(seed)
        old = coloured(Dice(seed).rules(), dice)
        new = edited(old, dice, seed) if dice.random() < 0.8 else coloured(Dice(seed + 500_000).rules(), dice)
        found = differing(old, new)
        changes = list(found.changes())
        for _ in range(60):
            moving += check(old, new, changes, found, some_cells(found.space, dice))
        for change in changes:
            exact += change.exact
            inexact += not change.exact
            if change.example is not None:
                cells = some_cells(found.space, dice)
                for number, mask in change.example.items():
                    cells[number] = (mask & -mask).bit_length() - 1
                assert check(old, new, changes, found, cells), f"seed {seed}: an example that does not move"
    assert moving > 100 and exact > 5 * inexact


@pytest.mark.parametrize("seed", range(150))
def test_nothing_changes_where_rules_that_cannot_both_match_change_places(seed: int) -> None:
    """Nor where they decide alike: the same requests go to the same ends."""
    dice = random.Random(seed)
    old = [*coloured(Dice(seed).rules(), dice), Rule("last", ALWAYS, 0, NOWHERE)]
    new = list(old)
    space = Space([rule.when for rule in old], TABLE)
    for _ in range(6):
        place = dice.randrange(len(new) - 1)
        one, other = new[place], new[place + 1]
        if one.outcome == other.outcome or region_of(space, AllOf((one.when, other.when))) == ():
            new[place], new[place + 1] = other, one
    assert list(differing(old, new).changes()) == []


def team(*names: str) -> FactTest:
    return FactTest("team", OneOf(frozenset(names)), f"team: {names}", NOWHERE)


def rules(*pairs: tuple[object, int]) -> list[Rule[int]]:
    return [Rule(f"rule-{number}", when, outcome, NOWHERE) for number, (when, outcome) in enumerate(pairs)]  # type: ignore[arg-type]


def test_a_rule_in_front_takes_from_those_behind_it() -> None:
    """Each of them is a change, with what it loses and nothing else."""
    stream = FactTest("stream", IsFlag(True), "stream: true", NOWHERE)
    old = rules((team("a"), 1), (team("b"), 2), (ALWAYS, 0))
    found = list(differing(old, rules((stream, 2), *[(rule.when, rule.outcome) for rule in old])).changes())
    assert [(change.old, change.new, change.exact) for change in found] == [(0, 0, True), (2, 0, True)]
    assert all(len(change.region) == 1 for change in found)


def test_a_region_is_said_in_few_boxes() -> None:
    """Pieces that lie side by side are one, and what another box holds anyway is not said again."""
    tags = FactTest("tags", HasAny(frozenset("ab")), "tags", NOWHERE)
    space = Space([team("a", "b"), team("c"), tags], TABLE)
    pieces = [
        {**dict(box), **dict(other)}
        for box in (*space.region(team("a")), *space.region(team("b")))
        for other in space.region(tags)
    ]
    assert len(simplified(space, tuple(pieces))) == 2
    assert simplified(space, (*space.region(team("a")), {})) == ({},)


@pytest.mark.parametrize("seed", range(60))
def test_a_shorter_region_holds_the_same_requests(seed: int) -> None:
    """With any budget of work."""
    dice = random.Random(seed)
    conditions = [rule.when for rule in Dice(seed).rules()]
    space = Space(conditions, TABLE)
    region = tuple(box for condition in conditions[:3] for box in space.region(condition))
    for work in (None, Work(5), Work(100)):
        short = simplified(space, region, work)
        assert len(short) <= len(region)
        for _ in range(40):
            cells = some_cells(space, dice)
            assert lies_in(short, cells) == lies_in(region, cells)
