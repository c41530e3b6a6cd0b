"""Policy tests: what may be given and expected, and what their author hears when they fail."""

from __future__ import annotations

import pytest

from routebook.routing.reading.loading import load_sources
from tests.support.authored import hints, lines

DIGEST = "hmac-sha256:" + "ab" * 32
POLICY = f"""\
version: 1
providers:
  one: {{dialect: openai, base_url: https://one.example/v1, accounts: [{{name: a}}]}}
models:
  large: {{provider: one, max_output: 4k}}
  small: {{provider: one}}
clients:
  web: {{keys: ["{DIGEST}"], team: shop, tags: [vip], labels: {{tier: gold}}}}
rules:
  - {{name: tagged, when: {{tags: {{any: [phi]}}}}, route: {{to: small}}}}
  - {{name: night, when: {{time.of_day: {{from: "22:00", to: "06:00", zone: Europe/Berlin}}}}, route: {{to: small}}}}
  - {{name: gold, when: {{client.team: shop, client.label.tier: gold, tags: {{any: [vip]}}}}, route: {{to: large}}}}
  - {{name: long, when: {{prompt.tokens: {{at_least: 32k}}}}, refuse: {{status: 413}}}}
  - {{name: rest, route: {{to: [small, large]}}}}
"""


def told(*tests: str) -> list[tuple[str, str | None]]:
    """What their author hears of tests, each with its hint."""
    text = "tests:\n" + "".join(f"  - {{name: t{number}, {test}}}\n" for number, test in enumerate(tests))
    problems = load_sources([("policy.yaml", POLICY), ("tests/t.yaml", text)]).problems
    both = zip(lines(problems), hints(problems), strict=True)
    return [(line, hint) for line, hint in both if "untested-rule" not in line and "not-in-force" not in line]


def faults(*tests: str) -> list[str]:
    return [line for line, _ in told(*tests)]


@pytest.mark.parametrize(
    "test",
    [
        "given: {tags: [phi, x]}, expect: {rule: tagged, model: small, refuse: false}",
        "given: {tags: phi}, expect: {rule: tagged}",
        'given: {time.of_day: "23:30"}, expect: {rule: night}',
        'given: {time.of_day: "05:59:59"}, expect: {rule: night}',
        'given: {time.of_day: "06:00"}, expect: {rule: rest}',
        "given: {prompt.tokens: 32k}, expect: {rule: long, refuse: 413}",
        "given: {prompt.tokens: 32000}, expect: {refuse: true}",
        "given: {prompt.tokens: 31999}, expect: {rule: rest, refuse: false}",
        "given: {}, expect: {rule: rest}",
        "given: {prompt.tokens: 32k, request.model: x}, expect: {refuse: 413}",
        "given: {client.name: web}, expect: {rule: gold, model: large}",
        "given: {client.name: web, client.team: other}, expect: {rule: rest}",
        "expect: {model: small}",
    ],
)
def test_a_test_that_holds_is_silent(test: str) -> None:
    """Clocks count in every zone that a rule names; a known client brings its team, labels and tags."""
    assert faults(test) == []


@pytest.mark.parametrize(
    ("test", "said"),
    [
        ("given: {tags: [x]}, expect: {rule: tagged}", "expected rule `tagged`, got `rest`"),
        ("given: {prompt.tokens: 32k}, expect: {refuse: false}", "expected no refusal, got 413 by `long`"),
        ("given: {prompt.tokens: 32k}, expect: {refuse: 403}", "expected a refusal with 403, got 413 by `long`"),
        ("given: {tags: [phi]}, expect: {refuse: true}", "expected a refusal, got a route by `tagged`"),
        ("given: {tags: [phi]}, expect: {refuse: 403}", "expected a refusal with 403, got a route by `tagged`"),
        ("given: {tags: [phi]}, expect: {model: large}", "expected model `large`, got `small` by `tagged`"),
        ("given: {prompt.tokens: 32k}, expect: {model: large}", "expected model `large`, got a refusal by `long`"),
    ],
)
def test_a_test_that_fails_says_what_came_out(test: str, said: str) -> None:
    """At the place of its name, so that an editor leads there."""
    assert faults(test) == [f"2:12 policy.test-failed the test `t0` fails: {said}"]


def test_a_model_that_was_passed_over_says_why() -> None:
    """The reason is that of the model which was expected, not of another."""
    [(said, why)] = told("given: {request.max_output: 9k}, expect: {model: large}")
    assert said.endswith("expected model `large`, got `small` by `rest`")
    assert why == "`large`: answers at most 4k tokens < 9k asked for"
    [(said, why)] = told("given: {request.needs: [vision]}, expect: {model: large}")
    assert said.endswith("expected model `large`, got none that may serve by `rest`")
    assert why == "`large`: lacks vision"


@pytest.mark.parametrize("status", ["399", "600", "4O3"])
def test_a_status_that_is_no_refusal_cannot_be_expected(status: str) -> None:
    """From 400 to 599."""
    assert faults(f"given: {{}}, expect: {{refuse: {status}}}")[0].startswith("2:44 document.wrong-type")
    assert "document" not in "".join(faults("given: {}, expect: {refuse: 400}", "given: {}, expect: {refuse: 599}"))


def test_every_difference_of_a_test_is_told() -> None:
    """A wrong rule and a wrong model are two things to mend."""
    [first, second] = faults("given: {tags: [phi]}, expect: {rule: rest, model: large}")
    assert first.endswith("expected rule `rest`, got `tagged`")
    assert second.endswith("expected model `large`, got `small` by `tagged`")


@pytest.mark.parametrize(
    ("test", "said"),
    [
        ("given: {promt.tokens: 3}, expect: {rule: rest}", "2:24 policy.unknown-fact unknown fact `promt.tokens`"),
        ("given: {prompt.tokens: 3 apples}, expect: {rule: rest}", "2:39 policy.wrong-value"),
        ("given: {prompt.tokens: [3]}, expect: {rule: rest}", "2:39 document.wrong-type"),
        ("given: {request.operation: chatt}, expect: {rule: rest}", "2:43 policy.wrong-value"),
        ("given: {}, expect: {rule: rst}", "2:42 policy.unknown-rule `rst` is not a rule of this policy"),
        ("given: {}, expect: {model: lrge}", "2:43 policy.unknown-model `lrge` is not a model of this policy"),
        ("given: {}, expect: {refuse: maybe}", "2:44 document.wrong-type"),
        ("given: {}, expect: {}", "2:35 policy.empty-test the test expects nothing"),
        ("given: {}", "2:5 document.missing-key a test needs `expect`"),
        (
            "given: {}, expct: {rule: rest}, expect: {rule: rest}",
            "2:27 document.unknown-key unknown key `expct` in a test",
        ),
    ],
)
def test_every_slip_in_a_test_has_its_place(test: str, said: str) -> None:
    """A test that is not understood never counts as passed."""
    found = faults(test)
    assert len(found) == 1 and found[0].startswith(said), found


def test_tests_that_show_the_same_and_rules_that_none_reaches() -> None:
    """Both are warnings: the policy may be served."""
    text = (
        "tests:\n  - {name: a, given: {tags: [phi]}, expect: {rule: tagged}}\n"
        "  - {name: b, given: {tags: [phi]}, expect: {rule: tagged}}\n"
    )
    result = load_sources([("policy.yaml", POLICY), ("tests/t.yaml", text)])
    assert result.policy is not None
    assert lines(result.problems) == [
        "11:12 warning policy.untested-rule no test reaches `night`, `gold`, `long`, `rest`",
        "3:12 warning policy.duplicate-test the test `b` shows what `a` shows",
    ]
    assert hints(result.problems)[1] == "take one of them out, or give it other facts"
