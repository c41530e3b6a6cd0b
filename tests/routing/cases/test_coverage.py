"""Coverage: what each case reaches, and that what is left either has a request or is proven to have none."""

from __future__ import annotations

from fractions import Fraction

from routebook.policy.rules import first_match
from routebook.routing.cases.coverage import Coverage, Figure, Tally, coverage
from routebook.routing.cases.running import Runner
from routebook.routing.cases.witnesses import NOBODY, Witness, Witnesses
from routebook.routing.given import given_facts
from routebook.routing.policy import Policy
from routebook.routing.reading.loading import load_sources
from tests.support.authored import lines
from tests.support.dice_policies import CATALOGUE

RULES = """\
rules:
  - {name: short, when: {tags: {any: [red]}, prompt.tokens: {below: 1k}}, route: {to: [near, wide]}}
  - {name: long, when: {prompt.tokens: {at_least: 1k}, tags: {any: [red]}}, route: {to: far}}
  - {name: rest, route: {to: requested}}
"""


def found(rules: str, *tests: str, more: str = "") -> Coverage:
    text = "tests:\n" + "".join(f"  - {{name: t{number}, {test}}}\n" for number, test in enumerate(tests))
    sources = [("policy.yaml", CATALOGUE + more + rules), ("tests/t.yaml", text)]
    result = load_sources(sources, proving=False)
    assert result.policy is not None, lines(result.problems)
    return measured(result.policy)


def measured(policy: Policy) -> Coverage:
    tally, runner = Tally(policy), Runner(policy)
    for case in policy.tests:
        tally.add(runner.run(case))
    return coverage(tally, Witnesses(policy))


def reached(coverage: Coverage) -> dict[str, list[int]]:
    """By rule: how many cases it decides, then how many take each of its branches; -1 for what no request can."""
    return {
        each.rule.name: [-1 if one.is_unreachable else one.cases for one in (each.decides, *each.branches)]
        for each in coverage.rules
    }


def test_a_case_reaches_what_makes_the_difference() -> None:
    """Of a rule that it comes to: all tests where it matches, the one that fails where only that one does."""
    nothing = {"short": [0, 0, 0, 0, 0], "long": [0, -1, 0, 0, 0], "rest": [0]}
    assert reached(found(RULES, "expect: {rule: rest}")) == {**nothing, "rest": [1]}
    matched = found(RULES, "given: {tags: red, prompt.tokens: 5}, expect: {rule: short}")
    assert reached(matched) == {**nothing, "short": [1, 1, 0, 1, 0]}
    missed = found(RULES, "given: {prompt.tokens: 5}, expect: {rule: rest}")
    assert reached(missed) == {**nothing, "short": [0, 0, 1, 0, 0], "rest": [1]}
    past = found(RULES, "given: {tags: red, prompt.tokens: 2k}, expect: {rule: long}")
    assert reached(past) == {"short": [0, 0, 0, 0, 1], "long": [1, -1, 1, 1, 0], "rest": [0]}


def test_a_branch_behind_rules_that_take_it_all_is_out_of_reach() -> None:
    """`long` is never asked about a short request with the tag: the rule before it has taken that."""
    whole = found(RULES, "given: {tags: red, prompt.tokens: 2k}, expect: {rule: long}")
    assert whole.of_rules == Figure(1, 3)
    assert whole.of_branches == Figure(3, 7, 1)
    assert whole.whole.percent == Fraction(400, 10)
    assert whole.of_candidates == Figure(1, 3)
    below = whole.rules[1].branches[0]
    assert below.branch is not None and below.could is NOBODY


def test_what_could_be_reached_has_a_request_that_does() -> None:
    """The request that is shown for a branch is decided as the proof says, by the oracle of the language."""
    result = load_sources([("policy.yaml", CATALOGUE + RULES)], proving=False)
    assert result.policy is not None
    policy = result.policy
    for number, rule in enumerate(measured(policy).rules):
        assert isinstance(rule.decides.could, Witness)
        given = {fact: value for fact, value in rule.decides.could.values.items() if value is not None}
        assert first_match(policy.rules, given_facts(policy, given)) is policy.rules[number]


def test_clients_send_requests_of_their_own_only() -> None:
    """A branch that no declared client can take is out of reach, though facts alone could."""
    rules = "rules:\n  - {name: a, when: {client.team: interns, tags: {any: [red]}}, route: {to: near}}\n  - {name: b, route: {to: near}}\n"
    clients = "clients:\n  ann: {team: interns, tags: [red]}\n  bob: {team: research, may_set_tags: [blue]}\n"
    anybody, declared = found(rules, "expect: {rule: b}"), found(rules, "expect: {rule: b}", more=clients)
    assert reached(anybody)["a"] == [0, 0, 0, 0, 0]
    assert reached(declared)["a"] == [0, 0, -1, 0, -1]


def test_alternatives_are_each_to_be_seen_alone() -> None:
    """A case in which both alternatives hold shows neither; one in which neither holds shows both failing."""
    rules = (
        "rules:\n  - {name: a, when: {any_of: [{tags: {any: [x]}}, {request.stream: true}]}, route: {to: near}}\n"
        "  - {name: b, route: {to: near}}\n"
    )
    both = found(rules, "given: {tags: x, request.stream: true}, expect: {rule: a}")
    assert reached(both)["a"] == [1, 0, 0, 0, 0]
    one = found(rules, "given: {tags: x, request.stream: false}, expect: {rule: a}")
    assert reached(one)["a"] == [1, 1, 0, 0, 0]
    none = found(rules, "given: {request.stream: false}, expect: {rule: b}")
    assert reached(none)["a"] == [0, 0, 1, 0, 1]


def test_all_of_nothing_is_everything() -> None:
    """A policy whose only rule asks nothing is covered by one case; a percentage never divides by nothing."""
    whole = found("rules:\n  - {name: b, route: {to: near}}\n", "expect: {rule: b}")
    assert whole.whole == Figure(1, 1)
    assert whole.of_branches.percent == 100


def test_what_no_request_lacks_is_reached_only_where_it_is_given() -> None:
    """A case that leaves open whether a stream is wanted shows nothing about streams, and no impossible request counts."""
    rules = (
        "rules:\n  - {name: a, when: {request.stream: true}, route: {to: near}}\n"
        "  - {name: b, when: {request.stream: false}, route: {to: near}}\n  - {name: c, route: {to: near}}\n"
    )
    assert reached(found(rules, "expect: {rule: c}")) == {"a": [0, 0, 0], "b": [0, 0, -1], "c": [1]}
    given = found(rules, "given: {request.stream: false}, expect: {rule: b}")
    assert reached(given) == {"a": [0, 0, 1], "b": [1, 1, -1], "c": [-1]}
