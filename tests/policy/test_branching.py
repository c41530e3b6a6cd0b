"""The tree written out: whichever way it is followed, it decides as the rules read."""

from __future__ import annotations

import pytest

from routebook.documents.problems import Problems
from routebook.documents.quantities import Unit
from routebook.policy.axes import WHOLE
from routebook.policy.branching import SEVERAL, Branching, Node
from routebook.policy.facts import FactType, Value
from routebook.policy.reading import read_condition
from routebook.policy.rules import Rule, first_match
from routebook.policy.tree import DecisionTree
from tests.policy.worlds import LIMITS, NOWHERE, TABLE, Dice, specification
from tests.support.authored import node as authored


def branching(*texts: str) -> Branching[int]:
    """Rules with these conditions, and a last one without."""
    problems = Problems()
    whens = [read_condition(authored(text), TABLE, {}, problems) for text in texts]
    assert not problems.found, problems.found
    rules = [Rule(f"rule-{number}", when, number, NOWHERE) for number, when in enumerate(whens)]
    return Branching(DecisionTree(rules, TABLE), TABLE)


def words(found: Branching[int], at: Node | None = None) -> list[str]:
    """The answers at a node, the root where none is given."""
    return [branch.words for branch in found.branches(at or found.root)]


def can_be(fact: str, value: Value | None) -> bool:
    """Whether the language knows such a value: no number is negative, tokens are whole, a day is one of seven."""
    spec = specification(fact)
    if isinstance(value, str):
        return not spec.words or value in spec.words
    if value is None or spec.type is not FactType.NUMBER:
        return True
    assert isinstance(value, int | float)
    return (
        value >= 0 and (spec.unit not in WHOLE or value == int(value)) and (spec.unit is not Unit.SCORE or value <= 1)
    )


@pytest.mark.parametrize("limits", LIMITS)
def test_every_way_through_it_decides_as_the_rules_read(limits: object) -> None:
    """Random policies and requests, followed answer by answer and class by class; a failure names its seed."""
    classes = 0
    for seed in range(40):
        dice = Dice(seed)
        rules = dice.rules()
        tree = DecisionTree(rules, TABLE, limits)  # type: ignore[arg-type]  # one of LIMITS
        found = Branching(tree, TABLE)
        for _ in range(3):
            sheet = dice.sheet()
            decided = first_match(rules, sheet.get)
            asked: list[str] = []
            at = found.root
            while at.fact is not None:
                value = sheet.get(at.fact)
                asked.append(at.fact)
                after = found.after(at, value)
                branches = found.branches(at)
                if branches and branches[-1].node is not None and can_be(at.fact, value):
                    taking = [branch for branch in branches if branch.takes(value)]
                    assert [branch.node for branch in taking] == [after], f"seed {seed}"
                    classes += 1
                at = after
            expected = None if decided is None else decided.outcome
            assert at.decides == expected, f"seed {seed}"
            assert len(asked) == len(set(asked)), f"seed {seed}"
    assert classes > 150


def test_a_sheet_leads_where_it_says() -> None:
    """The answers that a node keeps are those that lead to it."""
    for seed in range(30):
        rules = Dice(seed).rules()
        found = Branching(DecisionTree(rules, TABLE), TABLE)
        level = [found.root]
        for _ in range(3):
            for at in level:
                if at.decides is not None:
                    sheet: dict[str, Value | None] = dict(at.sheet)
                    rule = first_match(rules, sheet.get)
                    assert rule is not None and rule.outcome == at.decides, f"seed {seed}"
            level = [branch.node for at in level[:20] for branch in found.branches(at) if branch.node is not None]


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["{stream: true}"], ["true", "false, missing"]),
        (["{tokens: {at_least: 8k}}"], ["at_least 8k", "below 8k, or missing"]),
        (
            ["{tokens: {above: 8k}}", "{tokens: {at_most: 2k}}"],
            ["above 8k", "at_most 2k", "above 2k, at_most 8k, or missing"],
        ),
        (["{tokens: {between: [2, 5]}}", "{tokens: 3}"], ["from 2, at_most 5", "below 2, or above 5, or missing"]),
        (["{hour: {from: '22:00', to: '06:00'}}"], ["from 22:00 to 06:00", "from 06:00, below 22:00, or missing"]),
        (["{team: a}", "{team: {prefix: b}}"], ["a", "prefix: b", "else"]),
        (["{team: {any: [a, b, c, d, e, f]}}"], ["any: [a, b, c, d, e, f]", "else"]),
        (["{weekday: [sat, sun]}"], ["sat, sun", "else"]),
        (["{weekday: {from: mon, to: fri}}", "{weekday: sat}"], ["from: mon, to: fri", "sat", "sun, missing"]),
        (["{tags: {any: [a]}}", "{tags: {all: [b, c]}}"], ["any: [a]", "all: [b, c]", "else"]),
        (["{team: {known: true}}"], ["known: true", "missing"]),
        (["{budget.m.left: {below: 10%}}"], ["below 10%", "at_least 10%, or missing"]),
    ],
)
def test_answers_are_said_in_the_words_of_the_language(texts: list[str], expected: list[str]) -> None:
    """Intervals as such, words by name, patterns as written; what is left is `else`."""
    assert words(branching(*texts)) == expected


def test_what_is_the_same_is_one_node() -> None:
    """Two answers after which the same is left of the rules lead to the same place."""
    found = branching("{team: a, stream: true}", "{team: [b, c], tokens: {above: 5}}", "{stream: true}")
    leads = {branch.words: branch.node for branch in found.branches(found.root)}
    assert len({id(node) for node in leads.values()}) == 3
    again = [branch.node for branch in found.branches(found.root)]
    assert again == list(leads.values())


def test_sets_that_can_be_combined_in_too_many_ways_are_not_all_told_apart() -> None:
    """Thirty tags in any combination: each alone, none, and one branch for several at once."""
    found = branching(*(f"{{tags: {{any: [t{number}]}}, stream: true}}" for number in range(30)))
    at = found.root if found.root.fact == "tags" else next(b.node for b in found.branches(found.root) if b.node)
    assert at is not None and at.fact == "tags"
    said = words(found, at)
    assert len(said) <= 33 and SEVERAL in said and "else" in said and "any: [t7]" in said
    several = next(branch for branch in found.branches(at) if branch.words == SEVERAL)
    assert several.node is None
    assert found.after(at, frozenset({"t1", "t2"})).rules[:2] != ()


def test_five_hundred_rules_on_one_fact_are_one_question() -> None:
    """As many classes as rules, made in one go."""
    found = branching(*(f"{{team: t{number}}}" for number in range(500)))
    ends = found.branches(found.root)
    assert len(ends) == 501 and all(branch.node is not None and branch.node.fact is None for branch in ends)
