"""What `diff` prints and what `replay` counts are the same thing: no recorded request moves outside the regions."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from routebook.documents.problems import Problems
from routebook.policy.box_words import EVERY_REQUEST
from routebook.policy.conditions import ALWAYS, Condition, holds
from routebook.policy.facts import Ask
from routebook.policy.reading import read_condition
from routebook.routing.comparing.regions import Comparison, Moved, compare
from routebook.routing.fact_table import FACTS
from routebook.routing.policy import Policy
from routebook.routing.replaying.deciding import Redecided, Redeciding
from routebook.routing.replaying.knowing import NotRecorded
from tests.support.authored import node
from tests.support.recording import CATALOGUE, MORE, ROUTES, WHENS, recorded, some_facts, some_request
from tests.support.routes import policy

thorough = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))

Rule = tuple[str, str]
"""A rule as written: its condition and its outcome."""


def rules() -> st.SearchStrategy[list[Rule]]:
    """Up to six rules with one to three conditions each, some of them alternatives."""
    test = st.sampled_from(WHENS)
    together = st.lists(test, min_size=1, max_size=3, unique_by=lambda each: each.partition(":")[0]).map(", ".join)
    either = st.lists(test, min_size=2, max_size=3).map(
        lambda some: f"any_of: [{', '.join(f'{{{each}}}' for each in some)}]"
    )
    outcome = st.sampled_from([f"route: {{{route}}}" for route in ROUTES] + ["refuse: {status: 403}"])
    return st.lists(st.tuples(together | either, outcome), max_size=6)


def edits() -> st.SearchStrategy[list[tuple[str, int, Rule]]]:
    """What somebody changes: rules that go, come, change places or change."""
    what = st.sampled_from(("remove", "insert", "move", "when", "outcome"))
    return st.lists(st.tuples(what, st.integers(0, 6), rules().filter(bool).map(lambda some: some[0])), max_size=3)


def edited(old: list[Rule], changes: list[tuple[str, int, Rule]]) -> list[Rule]:
    """The rules after these edits."""
    new = list(old)
    for what, place, other in changes:
        at = place % len(new) if new else 0
        if what == "insert" or not new:
            new.insert(at, other)
        elif what == "remove":
            new.pop(at)
        elif what == "move":
            new.insert(place % len(new), new.pop(at))
        else:
            new[at] = (other[0], new[at][1]) if what == "when" else (new[at][0], other[1])
    return new


def compiled(
    some: Sequence[Rule], catalogue: str = CATALOGUE, layout: str = " ", names: Sequence[int] | None = None
) -> Policy:
    """A policy of these rules, called by their numbers, and a last one for all."""
    numbers = range(len(some)) if names is None else names
    written = [
        f"{{name: r{number},{layout}when: {{{when}}},{layout}{outcome}}}"
        for number, (when, outcome) in zip(numbers, some, strict=True)
    ]
    written.append(f"{{name: last,{layout}route: {{to: [requested, small]}}}}")
    return policy(f"{MORE}\nrules: [{f',{layout}'.join(written)}]", catalogue)


def read(words: str) -> Condition:
    """A printed region as a condition."""
    problems = Problems()
    found = ALWAYS if words == EVERY_REQUEST else read_condition(node("{" + words + "}"), FACTS, {}, problems)
    assert not problems.found, (words, [problem.message for problem in problems.found])
    return found


def holding(found: Comparison, ask: Ask) -> list[Moved]:
    """The regions that a request lies in, as they are printed."""
    return [moved for moved in found.moved if holds(read(moved.said.when), ask)]


def replays(served: Policy, proposed: Policy, seed: int, count: int = 12) -> list[tuple[Redecided, Ask]]:
    """Random requests that one policy decided, decided again under the other, with what they answer."""
    dice = random.Random(seed)
    redeciding = Redeciding(proposed, {served.digest: served}.get)
    found = []
    for _ in range(count):
        request = some_request(dice)
        record = recorded(served, some_facts(dice, served, request), request)
        try:
            found.append((redeciding.decide(record), some_facts(dice, served, request)))
        except NotRecorded:
            continue
    return found


@thorough
@given(rules(), edits(), st.integers(0, 10**9))
def test_no_recorded_request_moves_outside_the_regions_that_diff_prints(
    old: list[Rule], changes: list[tuple[str, int, Rule]], seed: int
) -> None:
    """Whoever goes to another model, or is decided by other rules to another end, meets the printed conditions of that
    pair of rules; whoever meets an exact one is decided by that pair."""
    served, proposed = compiled(old), compiled(edited(old, changes))
    found = compare(served, proposed)
    assert not found.altered
    for again, ask in replays(served, proposed, seed):
        pair = again.then.rule, again.now.rule
        regions = holding(found, ask)
        pairs = [(moved.old and moved.old.name, moved.new and moved.new.name) for moved in regions]
        assert not again.moves or pair in pairs, (again, [moved.where for moved in found.moved])
        for moved, between in zip(regions, pairs, strict=True):
            assert not moved.exact or between == pair, (moved.where, again)


@thorough
@given(rules(), st.integers(0, 10**9))
def test_another_layout_and_another_order_of_rules_that_cannot_meet_are_no_difference(
    old: list[Rule], seed: int
) -> None:
    """Neither prints anything, and no recorded request moves."""
    dice = random.Random(seed)
    served = compiled(old)
    relaid = compiled(old, layout=" # so it was decided\n   ")
    order = list(range(len(old)))
    clash = {
        frozenset((one, other))
        for one in order
        for other in order[:one]
        if compare(compiled([old[one], old[other]]), compiled([old[other], old[one]], names=[1, 0])).moved
    }
    for _ in range(8):
        place = dice.randrange(max(1, len(order) - 1))
        if len(order) > 1 and frozenset(order[place : place + 2]) not in clash:
            order[place], order[place + 1] = order[place + 1], order[place]
    reordered = compiled([old[number] for number in order], names=order)
    assert compare(served, relaid).is_empty and served.digest != relaid.digest
    assert compare(served, reordered).is_empty
    assert not any(again.moves for again, _ in replays(served, reordered, seed))


@pytest.mark.parametrize("seed", range(20))
def test_what_moves_for_another_reason_is_listed_outside_the_rules(seed: int) -> None:
    """A price moves requests although every rule is what it was: then there is no region, and the price is listed."""
    dice = random.Random(seed)
    some = [(dice.choice(WHENS), f"route: {{{dice.choice(ROUTES)}}}") for _ in range(3)]
    served = compiled(some)
    proposed = compiled(some, CATALOGUE.replace("input: 2.50, output: 10", "input: 0.10, output: 0.20"))
    found = compare(served, proposed)
    assert not found.moved
    (model,) = found.altered
    assert (model.kind, model.name) == ("model", "large")
    assert ("price.output", "$10.00", "$0.20") in [(each.name, each.before, each.after) for each in model.fields]
