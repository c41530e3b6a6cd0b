"""Boxes in the policy's own words: what is written reads back as the same requests."""

from __future__ import annotations

import random

import pytest

from routebook.documents.problems import Problems
from routebook.policy.box_words import EVERY_REQUEST, in_words, region_in_words
from routebook.policy.conditions import ALWAYS, Condition, holds
from routebook.policy.facts import Value
from routebook.policy.reading import read_condition
from routebook.policy.regions import Region, Space, intersect
from routebook.policy.simplifying import simplified
from routebook.routing.fact_table import FACTS
from tests.policy.celled import lies_in, sheet_at, some_cells
from tests.support.authored import node

WRITTEN = (
    "{request.stream: true}",
    "{client.team: interns}",
    "{client.team: {any: [core, 'no', 'a b', 'star*'], missing: holds}}",
    "{client.team: {not: [core, sales]}}",
    "{client.team: {known: false}}",
    "{request.model: {prefix: gpt-}}",
    "{request.model: {prefix: gpt-, not: [gpt-4, gpt-5]}}",
    "{request.model: {suffix: [-mini, -nano]}}",
    "{request.model: {glob: 'gpt-*-mini'}}",
    "{request.model: {glob: '*a*'}}",
    "{request.model: {any: [auto, gpt-4]}}",
    "{client.label.site: {prefix: eu-}}",
    "{tags: {any: [a, b]}}",
    "{tags: {all: [a, c], none: [d]}}",
    "{request.needs: {none: [tools, vision]}}",
    "{prompt.tokens: {at_least: 1k, below: 32k}}",
    "{prompt.tokens: {above: 8k, at_most: 9k}}",
    "{prompt.tokens: 12345}",
    "{prompt.bytes: {below: 64KiB}}",
    "{request.max_output: {at_least: 100, missing: holds}}",
    "{budget.month.left: {below: 10%}}",
    "{budget.day.left: {below: $5}}",
    "{budget.week.used: {above: 1M}}",
    "{model.large.first_token: {above: 800ms}}",
    "{time.of_day: {from: '22:00', to: '06:00', zone: Europe/Berlin}}",
    "{time.of_day: {at_most: '08:30:15'}}",
    "{time.of_day: {from: '23:00', to: '01:00'}, prompt.tokens: {not: {between: [5, 7]}}}",
    "{time.weekday: {from: fri, to: mon, zone: Europe/Berlin}}",
    "{time.weekday: [sat, sun]}",
    "{time.date: {from: 2026-12-24, to: 2026-12-26}}",
    "{prompt.matches.secret: true}",
    "{request.operation: [chat, embeddings]}",
    "{request.header.x-a: ''}",
)


def condition(text: str) -> Condition:
    """A condition as written."""
    problems = Problems()
    found = read_condition(node(text), FACTS, {}, problems)
    assert not problems.found, (text, [problem.message for problem in problems.found])
    return found


def read_back(words: str) -> Condition:
    """What the words of a region say."""
    return ALWAYS if words == EVERY_REQUEST else condition("{" + words + "}")


def check(space: Space, region: Region, dice: random.Random) -> None:
    """Hold the words of a region, and of each of its boxes, against requests inside and outside."""
    whole = read_back(region_in_words(space, region).when)
    boxes = [(box, read_back(in_words(space, box))) for box in region]
    for _ in range(30):
        cells = some_cells(space, dice)
        if dice.random() < 0.7:
            for number, mask in dice.choice(region).items():
                inside = [bit for bit in range(mask.bit_length()) if mask >> bit & 1 and space.full[number] >> bit & 1]
                cells[number] = dice.choice(inside)
        sheet = with_shares(sheet_at(space, cells))
        assert holds(whole, sheet.get) == lies_in(region, cells), (region_in_words(space, region).when, sheet)
        for box, words in boxes:
            assert holds(words, sheet.get) == lies_in((box,), cells), (in_words(space, box), sheet)


def with_shares(sheet: dict[str, Value | None]) -> dict[str, Value | None]:
    """An amount that is known is known as a share too: it is the same fact in another unit."""
    shares = {
        key.partition("[")[0]: None if value is None else 0.5 for key, value in sheet.items() if "[amount]" in key
    }
    return shares | sheet


@pytest.mark.parametrize("written", WRITTEN)
def test_one_condition_reads_back(written: str) -> None:
    """Each operator, beside all others, so that its values are cut where others cut them."""
    space = Space(map(condition, WRITTEN), FACTS)
    check(space, space.region(condition(written)), random.Random(1))


@pytest.mark.parametrize("seed", range(60))
def test_what_is_left_of_several_reads_back(seed: int) -> None:
    """Intersections, what others leave, and the same made shorter: any box whatever, holes in every fact."""
    dice = random.Random(seed)
    some = [condition(each) for each in dice.sample(WRITTEN, dice.randint(2, 9))]
    space = Space(some, FACTS)
    for _ in range(8):
        box = {
            number: mask
            for number, full in enumerate(space.full)
            if dice.random() < 0.5 and (mask := full & dice.getrandbits(full.bit_length()))
        }
        check(space, (box,), dice)
        region = space.region(dice.choice(some))
        check(space, simplified(space, intersect(region, (box,)) or region), dice)
        check(space, simplified(space, (*region, box)), dice)


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("{tags: {any: [b, a]}}", "tags: {any: [a, b]}"),
        ("{prompt.tokens: {at_least: 32k}}", "prompt.tokens: {at_least: 32k}"),
        ("{request.model: {prefix: gpt-, not: gpt-5}}", "request.model: {prefix: gpt-, not: gpt-5}"),
        ("{client.team: {not: [a, b]}}", "client.team: {not: [a, b]}"),
        ("{budget.month.left: {below: $5, missing: holds}}", "budget.month.left: {below: $5.00, missing: holds}"),
        (
            "{time.of_day: {from: '22:00', to: '06:00', zone: Europe/Berlin}}",
            'time.of_day: {from: "22:00", to: "06:00", zone: Europe/Berlin}',
        ),
        ("{any_of: [{client.team: a}, {request.stream: true}]}", "any_of: [{client.team: a}, {request.stream: true}]"),
    ],
)
def test_words_are_those_that_an_author_would_write(written: str, words: str) -> None:
    """The shortest form of each operator, in the fact's own unit."""
    space = Space([condition(written)], FACTS)
    assert region_in_words(space, space.region(condition(written))).when == words


def test_everything_is_every_request() -> None:
    """A rule says it by having no `when`."""
    space = Space([condition("{tags: {any: [a]}}")], FACTS)
    assert in_words(space, {}) == EVERY_REQUEST
