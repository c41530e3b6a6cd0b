"""Proofs about ordered rules: every dead rule and every gap is found, and no other is claimed."""

from __future__ import annotations

import itertools
import random

import pytest

from routebook.documents.problems import Problems
from routebook.policy.conditions import (
    ALWAYS,
    AllOf,
    AnyOf,
    Condition,
    Glob,
    HasAny,
    InIntervals,
    Interval,
    IsFlag,
    OneOf,
    holds,
)
from routebook.policy.conditions import Test as FactTest
from routebook.policy.proofs import UNDECIDED, Contradicted, Covered, Decides, Ordered, Undecided, contradiction
from routebook.policy.reading import read_condition
from routebook.policy.regions import Space, Work
from routebook.policy.rules import Rule, first_match
from tests.policy.enumerated import sheets_of, size_of
from tests.policy.worlds import NOWHERE, TABLE, Dice
from tests.support.authored import node

MOST_SHEETS = 3000
"""Spaces up to this size are gone through whole."""


def condition(text: str) -> Condition:
    problems = Problems()
    found = read_condition(node(text), TABLE, {}, problems)
    assert not problems.found, problems.found
    return found


def ordered(*texts: str) -> Ordered:
    whens = [ALWAYS if text == "always" else condition(text) for text in texts]
    return Ordered(Space(whens, TABLE), whens)


@pytest.mark.parametrize(
    ("texts", "by"),
    [
        (["{team: a}", "{team: a}"], (0,)),
        (["{team: {any: [a, b]}}", "{team: a, stream: true}"], (0,)),
        (
            ["{stream: true}", "{stream: false, tokens: {at_least: 1}}", "{tokens: {above: 0}, stream: {known: true}}"],
            (0, 1),
        ),
        (["{tokens: {below: 10}}", "{tokens: {above: 9}}", "{tokens: {known: true}}"], (0, 1)),
        (["{tokens: {below: 10}}", "{tokens: {at_least: 10, missing: holds}}", "always"], (0, 1)),
        (["{tags: {any: [a]}}", "{tags: {none: [a]}}", "{tags: {any: [b]}}"], (0, 1)),
        (
            [
                "{tags: {none: [a], missing: holds}}",
                "{tags: {all: [a]}, stream: true}",
                "{tags: {any: [a, b]}, stream: true}",
            ],
            (0, 1),
        ),
        (["{team: {prefix: gpt-}}", "{team: {glob: 'gpt-*-mini'}}"], (0,)),
        (["{team: {glob: '*a*'}}", "{team: {glob: '*b*'}}", "{team: {glob: '*ab*', not: ab}}"], (0,)),
        (["{team: {glob: '?'}}", "{team: {glob: '??*'}}", "{team: {not: ''}}"], (0, 1)),
        (
            [
                "{weekday: {from: mon, to: fri, zone: UTC}}",
                "{weekday: {from: sat, to: sun, zone: UTC}}",
                "{weekday: {known: true, zone: UTC}}",
            ],
            (0, 1),
        ),
        (
            ["{hour: {from: '06:00', to: '22:00'}}", "{hour: {from: '22:00', to: '06:00'}}", "{hour: {known: true}}"],
            (0, 1),
        ),
        (["{any_of: [{stream: true}, {team: a}]}", "{team: a}"], (0,)),
        (["{stream: true}", "{team: a}", "{any_of: [{stream: true}, {team: a}]}"], (0, 1)),
        (
            ["{complexity: {at_most: 0.5}}", "{complexity: {above: 0.5, at_most: 1}}", "{complexity: {known: true}}"],
            (0, 1),
        ),
    ],
)
def test_a_rule_that_others_cover_is_found_with_as_few_as_cover_it(texts: list[str], by: tuple[int, ...]) -> None:
    """One rule, or several together; whole numbers have nothing between them, a missing fact is met by `missing` only."""
    assert list(ordered(*texts).standings())[-1] == Covered(by)


@pytest.mark.parametrize(
    "texts",
    [
        ["{stream: true}", "{stream: {not: true, missing: holds}, team: a}", "{team: b}"],
        ["{stream: true}", "{stream: false}", "always"],
        ["{tokens: {below: 10}}", "{tokens: {above: 10}}", "{tokens: {known: true}}"],
        ["{complexity: {at_most: 0.5}}", "{complexity: {above: 0.51}}", "{complexity: {known: true}}"],
        ["{tags: {any: [a]}}", "{tags: {none: [a]}}", "{tags: {none: [b], missing: holds}}"],
        ["{team: {glob: 'a*'}}", "{team: {glob: '*b'}}"],
        ["{team: {glob: '?'}}", "{team: {glob: '???*'}}", "{team: {not: ''}}"],
        ["{tags: {all: [a, b]}}", "{tags: {any: [a, b]}}"],
    ],
)
def test_a_rule_that_is_left_something_is_shown_what(texts: list[str]) -> None:
    """With an example that the rule does decide."""
    found = ordered(*texts)
    rules = [Rule(str(number), when, number, NOWHERE) for number, when in enumerate(found.conditions)]
    last = list(found.standings())[-1]
    assert isinstance(last, Decides)
    sheet = found.space.example(last.box)
    assert sheet is not None and first_match(rules, sheet.get) is rules[-1]


def test_conditions_that_exclude_each_other_are_named() -> None:
    """As few as are needed: those about other facts are left out."""
    text = "{all_of: [{team: a}, {tokens: {below: 5}}, {stream: true}, {tokens: {at_least: 5}}]}"
    found = ordered(text)
    [standing] = found.standings()
    assert isinstance(standing, Contradicted)
    assert [part.text for part in standing.between if isinstance(part, FactTest)] == [
        "tokens: {below: 5}",
        "tokens: {at_least: 5}",
    ]
    assert contradiction(found.space, found.conditions[0]) == standing.between


def test_an_example_speaks_of_what_matters_only() -> None:
    """A fact is named only where another value of it would lead elsewhere."""
    found = ordered("{team: a}", "{tokens: {below: 10}, stream: true}", "{tokens: {at_least: 5}}")
    last = list(found.standings())[-1]
    assert isinstance(last, Decides)
    sheet = found.space.example(last.box)
    assert sheet is not None and set(sheet) == {"team", "tokens"} and sheet["tokens"] == 10


def test_a_question_that_takes_too_much_work_is_undecided() -> None:
    """Said, never guessed: with work it is answered, without it is not."""
    rules = ["{tokens: {below: 10}}", "{tokens: {at_least: 10, missing: holds}}"]
    found = ordered(*rules)
    assert found.gap(Work(1)) is UNDECIDED and found.gap() is None
    huge = AllOf(tuple(AnyOf((stream(number), stream(number + 1))) for number in range(0, 60, 2)))
    apart = Ordered(Space([huge], TABLE), [huge])
    assert isinstance(next(apart.standings()), Undecided)


def stream(number: int) -> Condition:
    return FactTest(f"matches.p{number}", IsFlag(True), f"p{number}", NOWHERE)


def test_patterns_beyond_the_machine_are_free_choices() -> None:
    """Then more seems possible than is: nothing is called dead that is not, and no example is made up."""
    wild = [
        Glob("*" + "*".join(letters) + "*") for letters in ("abcdefgh", "hgfedcba", "badcfehg", "aabbccdd", "ddccbbaa")
    ]
    whens = [FactTest("team", each, each.pattern, NOWHERE) for each in wild]
    found = Ordered(Space(whens, TABLE), whens)
    assert all(not isinstance(each, Covered) for each in found.standings())


@pytest.mark.parametrize("part", range(4))
def test_every_dead_rule_and_every_gap_is_found_and_no_other(part: int) -> None:
    """Hundreds of small policies of every shape, gone through request by request; a failure names its seed."""
    whole = 0
    for seed in range(part * 600, part * 600 + 600):
        rules = Dice(seed).rules()
        whens = [rule.when for rule in rules]
        found = Ordered(Space(whens, TABLE), whens)
        standings, gap = list(found.standings()), found.gap()
        for rule, standing in zip(rules, standings, strict=True):
            assert not isinstance(standing, Undecided), f"seed {seed}"
            if isinstance(standing, Decides):
                sheet = found.space.example(standing.box)
                assert sheet is not None and first_match(rules, sheet.get) is rule, f"seed {seed}, {rule.name}"
        assert not isinstance(gap, Undecided)
        if gap is not None:
            sheet = found.space.example(gap)
            assert sheet is not None and first_match(rules, sheet.get) is None, f"seed {seed}"
        if size_of(found.space) > MOST_SHEETS:
            continue
        whole += 1
        deciding = {
            None if rule is None else rule.name for rule in (first_match(rules, s.get) for s in sheets_of(found.space))
        }
        alive = {rule.name for rule, standing in zip(rules, standings, strict=True) if isinstance(standing, Decides)}
        assert alive | ({None} if gap is not None else set()) == deciding, f"seed {seed}"
    assert whole > 75


def test_planted_faults_are_found_among_many_rules() -> None:
    """A rule that several cut-outs of it cover together, planted into a policy of sixty; and the same with a hole."""
    for seed in range(40):
        dice = random.Random(seed)
        cuts = sorted(dice.sample(range(1, 1000), 6))
        edges = [0, *cuts, None]
        pieces: list[Condition] = [
            tokens(Interval(low, high, high_closed=False)) for low, high in itertools.pairwise(edges)
        ]
        team = FactTest("team", OneOf(frozenset({"a", "b"})), "team: [a, b]", NOWHERE)
        cover: list[Condition] = [
            AllOf((FactTest("team", OneOf(frozenset({each})), each, NOWHERE), piece))
            for each in "ab"
            for piece in pieces
        ]
        noise: list[Condition] = [
            AllOf(
                (
                    FactTest("team", OneOf(frozenset({f"t{number}"})), "t", NOWHERE),
                    FactTest("tags", HasAny(frozenset({"x"})), "x", NOWHERE),
                )
            )
            for number in range(46)
        ]
        victim = AllOf((team, tokens(Interval(0, None))))
        rules = [*cover, *noise]
        dice.shuffle(rules)
        found = Ordered(Space([*rules, victim], TABLE), [*rules, victim])
        *others, last = found.standings()
        assert isinstance(last, Covered) and {rules[each] for each in last.by} == set(cover), f"seed {seed}"
        assert all(isinstance(each, Decides) for each in others)
        hole = cover[dice.randrange(len(cover))]
        holed = [each for each in rules if each is not hole]
        found = Ordered(Space([*rules, victim], TABLE), [*holed, victim])
        *_, last = found.standings()
        assert isinstance(last, Decides)
        assert isinstance(contained(found, last, hole), dict), f"seed {seed}"


def tokens(interval: Interval) -> Condition:
    return FactTest("tokens", InIntervals((interval,)), "tokens", NOWHERE)


def contained(found: Ordered, last: Decides, hole: Condition) -> dict[str, object] | None:
    """The example, where it lies in the hole."""
    sheet = found.space.example(last.box)
    return dict(sheet) if sheet is not None and holds(hole, sheet.get) else None
