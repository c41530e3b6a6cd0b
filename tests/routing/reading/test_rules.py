"""Rules and their outcomes, as written in a policy."""

from __future__ import annotations

import pytest

from routebook.documents.problems import Severity
from routebook.documents.quantities import NANO
from routebook.routing.outcomes import Caps, Outcome, Pick, Refuse, Reuse, Route, Split, Within
from routebook.routing.reading.loading import LoadResult, load_sources
from tests.support.authored import codes, lines

CATALOGUE = """\
version: 1
providers:
  one: {dialect: openai, base_url: https://one.example/v1, region: eu, accounts: [{name: a}, {name: b, weight: 3}]}
  two: {dialect: openai, base_url: https://two.example/v1, accounts: [{name: a}]}
models:
  large: {provider: one}
  small: {provider: two}
  micro: {provider: two}
pools:
  little: [small, micro]
"""


def load(rules: str) -> LoadResult:
    return load_sources([("catalogue.yaml", CATALOGUE), ("policy.yaml", rules)])


def outcome(text: str) -> Outcome:
    result = load(f"rules:\n  - name: only\n    {text}\n")
    assert result.policy is not None, lines(result.problems)
    return result.policy.rules[0].outcome


def faults(text: str) -> list[str]:
    """What is wrong with the outcome of one rule; the rule's third line is the outcome."""
    return lines(load(f"rules:\n  - name: only\n    {text}\n").problems)


def test_a_route_in_full() -> None:
    """Every term arrives, in the program's units."""
    assert outcome(
        "route: {to: [large, little], pick: weighted, weights: {large: 3, little: 1}, "
        "within: {cost: $0.05, first_token: 800ms, quality: 0.5, region: [eu, us], labels: {tier: gold}}, "
        "split: {large: 95%, little: 5%, by: conversation}, set: {max_output: 4k, temperature: 0.5, reasoning_effort: low}}"
    ) == Route(
        ("large", "little"),
        Pick.WEIGHTED,
        {"large": 3, "little": 1},
        Within(NANO // 20, 0.8, 0.5, frozenset({"eu", "us"}), {"tier": "gold"}),
        Split((("large", 950_000), ("little", 50_000)), "conversation"),
        caps=Caps(4000, 0.5, "low"),
    )


def test_the_shortest_route_and_the_shortest_refusal() -> None:
    """One word is a list of one; a refusal needs no words at all."""
    assert outcome("route: {to: requested}") == Route(("requested",))
    assert outcome("refuse: {}") == outcome("refuse:  ") == Refuse(403, "refused by policy", "refused_by_policy")
    assert outcome('refuse: {status: 451, message: "not here", code: nope}') == Refuse(451, "not here", "nope")


def test_shares_of_a_split_may_name_models_of_a_pool_and_what_was_requested() -> None:
    """A share is a million parts, however it is written."""
    route = outcome("route: {to: [little, requested], split: {micro: 33.3333%, requested: 66.6667%}}")
    assert isinstance(route, Route)
    assert route.split == Split((("micro", 333_333), ("requested", 666_667)))


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("route: {to: [lage]}", ["3:18 policy.unknown-model `lage` is not a model or pool of this policy"]),
        ("route: {to: []}", ["3:17 policy.empty-route the route leads nowhere"]),
        ("route: {pick: cheapest}", ["3:12 document.missing-key `route` needs `to`"]),
        ("route: {to: [large, large]}", ["3:25 document.listed-twice `large` stands twice in this route"]),
        ("route: {to: large, pick: cheep}", ["3:30 document.unknown-word `cheep` is not a way to pick"]),
        ("route: {to: small, pick: weighted}", ["3:30 policy.no-weights `pick: weighted` has no weights to go by"]),
        (
            "route: {to: large, weights: {large: 3}}",
            ["3:24 policy.unused-weights `weights` mean nothing with `pick: in_order`"],
        ),
        (
            "route: {to: large, pick: weighted, weights: {small: 3}}",
            ["3:50 policy.not-in-route `small` has a weight but is not in `to`"],
        ),
        ("route: {to: large, pick: weighted, weights: {large: 0}}", ["3:40 policy.bad-weights all weights are 0"]),
        ("route: {to: large, split: {large: 90%}}", ["3:31 policy.bad-split the shares add up to 90 %, not to 100 %"]),
        ("route: {to: large, split: {large: 90}}", ["3:39 document.wrong-unit `90` is not a share"]),
        (
            "route: {to: large, split: {small: 100%}}",
            ["3:32 policy.not-in-route `small` has a share but is not in `to`"],
        ),
        (
            "route: {to: large, split: {large: 100%, by: moon}}",
            ["3:49 document.unknown-word `moon` is not something a split can go by"],
        ),
        ("route: {to: large, within: {cost: 5}}", ["3:39 document.wrong-unit `5` is not an amount of money"]),
        ("route: {to: large, within: {quality: 1.5}}", ["3:42 document.out-of-range `1.5` is out of range"]),
        ("route: {to: large, cache: 1ms}", ["3:31 document.out-of-range `1ms` is out of range"]),
        ("route: {to: large, cache: {shared: true}}", ["3:31 document.missing-key `cache` needs `for`"]),
        (
            "route: {to: large, cache: {for: 31d, share: true}}",
            [
                "3:37 document.out-of-range `31d` is out of range",
                "3:42 document.unknown-key unknown key `share` in `cache`",
            ],
        ),
        (
            "route: {to: large, cache: [1m]}",
            ["3:31 document.wrong-type expected a duration such as `300ms`, `2s`, `5m`, `1h` or `7d`, found a list"],
        ),
        ("route: {to: large, set: {temperature: 3}}", ["3:43 document.out-of-range `3` is out of range"]),
        (
            "route: {to: large, set: {reasoning_effort: hard}}",
            ["3:48 document.unknown-word `hard` is not a reasoning effort"],
        ),
        (
            "route: {to: large, shadow: {to: smal}}",
            ["3:37 policy.unknown-model `smal` is not a model or pool of this policy"],
        ),
        ("refuse: {status: 200}", ["3:22 document.out-of-range `200` is out of range"]),
        ("refuse: {mesage: no}", ["3:14 document.unknown-key unknown key `mesage` in `refuse`"]),
        ("route: {to: large}\n    refuse: {}", ["4:13 policy.two-outcomes the rule `only` both routes and refuses"]),
        (
            "when: {tags: {any: [a]}}",
            [
                "2:5 policy.no-outcome the rule `only` does not say what to do",
                "2:11 policy.gap a request with no `tags` falls through the last rule `only`",
            ],
        ),
    ],
)
def test_every_slip_in_an_outcome_has_its_place(written: str, expected: list[str]) -> None:
    """Line and column of the word that is wrong, and nothing said twice."""
    assert faults(written) == expected


def test_a_copy_goes_to_one_model_for_a_share_of_the_requests() -> None:
    """All of them, where no share is named."""
    for written, share in (("", 1_000_000), (", share: 5%", 50_000)):
        route = outcome(f"route: {{to: large, shadow: {{to: small{written}}}}}")
        assert isinstance(route, Route) and route.shadow == ("small", share)


def test_what_stays_for_a_while() -> None:
    """Durations are seconds; a weight of nothing is allowed as long as another has some."""
    route = outcome("route: {to: [large, small], stick: 1h, cache: 5m, pick: weighted, weights: {large: 0, small: 1}}")
    assert isinstance(route, Route)
    assert (route.stick, route.cache, route.weights) == (3600.0, Reuse(300.0), {"large": 0, "small": 1})


@pytest.mark.parametrize(
    ("written", "reuse"),
    [
        ("10m", Reuse(600.0)),
        ("{for: 10m}", Reuse(600.0)),
        ("{for: 1h, shared: true}", Reuse(3600.0, shared=True)),
        ("{for: 1h, shared: false}", Reuse(3600.0)),
    ],
)
def test_how_long_and_for_whom_answers_are_kept(written: str, reuse: Reuse) -> None:
    """For one client alone unless the rule says otherwise."""
    route = outcome(f"route: {{to: large, cache: {written}}}")
    assert isinstance(route, Route) and route.cache == reuse


def test_account_weights_are_weights_too() -> None:
    """`pick: weighted` over a provider whose accounts differ in weight has something to go by."""
    assert outcome("route: {to: large, pick: weighted}") == Route(("large",), Pick.WEIGHTED)


def test_a_name_whose_models_all_stand_before_it_adds_nothing() -> None:
    """It may stay, but its author should hear that it is never reached."""
    result = load("rules:\n  - {name: only, route: {to: [little, micro, large]}}\n")
    assert result.policy is not None
    assert [(problem.code, problem.severity) for problem in result.problems] == [
        ("policy.unreachable-candidate", Severity.WARNING)
    ]
    again = load("rules:\n  - {name: only, route: {to: [micro, small, little]}}\n")
    assert codes(again.problems) == ["warning policy.unreachable-candidate"]


def test_rules_keep_their_order_and_their_names_are_unique() -> None:
    """Both places of a name given twice are shown."""
    result = load(
        "rules:\n  - {name: a, when: {tags: {any: [x]}}, route: {to: large}}\n  - {name: a, route: {to: small}}\n"
    )
    assert codes(result.problems) == ["document.duplicate-name"]
    [problem] = result.problems.errors
    assert (problem.location.line, problem.related[0][0].line) == (3, 2)


def test_a_rule_that_cannot_be_read_covers_no_other() -> None:
    """A mistake in one condition must not make the rules after it look dead."""
    result = load(
        "rules:\n  - {name: a, when: {tagz: {any: [x]}}, route: {to: large}}\n  - {name: b, route: {to: small}}\n"
    )
    assert codes(result.problems) == ["policy.unknown-fact"]
