"""Reading conditions: what can be said, what it means, and what an author hears about what cannot."""

from __future__ import annotations

import pytest

from routebook.documents.loading import load_text
from routebook.documents.nodes import Mapping
from routebook.documents.problems import Problems
from routebook.policy.conditions import ALWAYS, AllOf, AnyOf, Condition, Named, holds
from routebook.policy.facts import Value
from routebook.policy.reading import read_condition, read_conditions, written
from routebook.policy.rules import Rule
from routebook.policy.tree import DecisionTree
from tests.policy.worlds import LIMITS, NOWHERE, TABLE

NOON, NIGHT = 12 * 3600, 23 * 3600


def section(text: str) -> tuple[dict[str, Condition], Problems]:
    """The conditions of a YAML mapping by name, and the problems that were found."""
    problems = Problems()
    document = load_text("policy.yaml", text, problems)
    assert isinstance(document.root, Mapping)
    assert not problems.found
    return read_conditions(document.root, TABLE, problems), problems


def condition(text: str) -> Condition:
    """One condition that has no problem."""
    found, problems = section(f"it: {text}")
    assert not problems.found, [problem.message for problem in problems]
    return found["it"]


def problems_of(text: str) -> list[tuple[str, str, str | None]]:
    """The code, message and hint of every problem of one condition."""
    _, problems = section(f"it: {text}")
    return [(problem.code, problem.message, problem.hint) for problem in problems]


HOLDS: list[tuple[str, dict[str, Value], bool]] = [
    ("{stream: true}", {"stream": True}, True),
    ("{stream: true}", {"stream": False}, False),
    ("{stream: {not: true}}", {"stream": False}, True),
    ("{stream: {not: true}}", {}, False),
    ("{stream: {not: true, missing: holds}}", {}, True),
    ("{team: red}", {"team": "red"}, True),
    ("{team: NO}", {"team": "NO"}, True),
    ("{team: 017}", {"team": "017"}, True),
    ("{team: [red, blue]}", {"team": "blue"}, True),
    ("{team: [red, blue]}", {"team": "green"}, False),
    ("{team: {not: [red, blue]}}", {"team": "green"}, True),
    ("{team: {not: red}}", {}, False),
    ("{team: {any: [red], missing: holds}}", {}, True),
    ("{team: {prefix: re}}", {"team": "red"}, True),
    ("{team: {prefix: [gr, bl]}}", {"team": "blue"}, True),
    ("{team: {prefix: [gr, bl]}}", {"team": "red"}, False),
    ("{team: {suffix: ed, not: red}}", {"team": "red"}, False),
    ("{team: {suffix: ed, not: red}}", {"team": "bed"}, True),
    ('{team: {glob: "r?d*"}}', {"team": "rod-2"}, True),
    ('{team: {glob: "r?d*"}}', {"team": "rd"}, False),
    ("{team: {not: {prefix: re}}}", {"team": "red"}, False),
    ("{team: {not: {prefix: re}}}", {"team": "blue"}, True),
    ("{team: {known: true}}", {"team": ""}, True),
    ("{team: {known: false}}", {}, True),
    ("{team: {known: true, not: red}}", {"team": "red"}, False),
    ("{label.floor: third}", {"label.floor": "third"}, True),
    ("{tags: {any: [a, b]}}", {"tags": frozenset("b")}, True),
    ("{tags: {any: a}}", {"tags": frozenset("a")}, True),
    ("{tags: {all: [a, b]}}", {"tags": frozenset("b")}, False),
    ("{tags: {all: [a, b]}}", {"tags": frozenset("abc")}, True),
    ("{tags: {none: [a, b]}}", {"tags": frozenset("c")}, True),
    ("{tags: {none: [a, b]}}", {"tags": frozenset()}, True),
    ("{tags: {none: [a, b]}}", {}, False),
    ("{tags: {none: [a, b], missing: holds}}", {}, True),
    ("{tags: {any: [a], none: [b]}}", {"tags": frozenset("ab")}, False),
    ("{tags: {not: {all: [a, b]}}}", {"tags": frozenset("a")}, True),
    ("{tokens: 32k}", {"tokens": 32000}, True),
    ("{tokens: [1, 2]}", {"tokens": 2}, True),
    ("{tokens: {at_least: 32k}}", {"tokens": 32000}, True),
    ("{tokens: {above: 32k}}", {"tokens": 32000}, False),
    ("{tokens: {at_most: 2M}}", {"tokens": 2_000_000}, True),
    ("{tokens: {below: 2M}}", {"tokens": 2_000_000}, False),
    ("{tokens: {between: [1k, 2k]}}", {"tokens": 2000}, True),
    ("{tokens: {not: {between: [1k, 2k]}}}", {"tokens": 2000}, False),
    ("{tokens: {at_least: 1k, below: 2k}}", {"tokens": 1999}, True),
    ("{tokens: {not: 5}}", {"tokens": 5}, False),
    ("{bytes: {above: 64KiB}}", {"bytes": 65537}, True),
    ("{complexity: {at_least: 0.4}}", {"complexity": 0.4}, True),
    ("{budget.month.left: {below: 10%}}", {"budget.month.left": 0.05}, True),
    ("{budget.month.left: {below: $5}}", {"budget.month.left[amount]": 4_000_000_000}, True),
    ("{budget.month.left: {below: $5, above: 0%}}", {"budget.month.left[amount]": 1, "budget.month.left": 0.01}, True),
    ('{hour: {from: "09:00", to: "17:00"}}', {"hour": NOON}, True),
    ('{hour: {from: "09:00", to: "12:00"}}', {"hour": NOON}, False),
    ('{hour: {from: "12:00", to: "13:00"}}', {"hour": NOON}, True),
    ('{hour: {from: "22:00", to: "06:00", zone: Europe/Berlin}}', {"hour[Europe/Berlin]": NIGHT}, True),
    ('{hour: {from: "22:00", to: "06:00", zone: Europe/Berlin}}', {"hour[Europe/Berlin]": 6 * 3600}, False),
    ('{hour: {from: "22:00", to: "06:00", zone: Europe/Berlin}}', {"hour[Europe/Berlin]": 6 * 3600 - 1}, True),
    ("{hour: {from: 22:00, to: 06:00}}", {"hour": NIGHT}, True),
    ('{hour: {from: "22:00"}}', {"hour": NIGHT}, True),
    ('{hour: {to: "24:00"}}', {"hour": 86399}, True),
    ('{hour: {from: "22:00", to: "06:00", zone: UTC, missing: holds}}', {}, True),
    ("{weekday: [sat, sun]}", {"weekday": "sun"}, True),
    ("{weekday: {from: mon, to: fri}}", {"weekday": "sat"}, False),
    ("{weekday: {from: fri, to: mon, zone: UTC}}", {"weekday[UTC]": "sun"}, True),
    ("{weekday: {not: [sat, sun], zone: UTC}}", {"weekday[UTC]": "wed"}, True),
    ("{day: {from: 2026-12-24, to: 2026-12-26}}", {"day": 739976}, True),
    ("{day: {from: 2026-12-24, to: 2026-12-26}}", {"day": 739977}, False),
    ("{day: {from: 2026-12-24}}", {"day": 999999}, True),
    ("{stream: true, team: red}", {"stream": True, "team": "blue"}, False),
    ("{any_of: [{stream: true}, {team: red}]}", {"stream": False, "team": "red"}, True),
    ("{any_of: [{stream: true}, {team: red}]}", {"team": "red"}, True),
    ("{all_of: [{stream: true}, {team: red}]}", {"team": "red"}, False),
    ("{any_of: [{all_of: [{stream: true}, {team: red}]}, {team: blue}], bytes: 1}", {"team": "blue", "bytes": 1}, True),
]


@pytest.mark.parametrize(("text", "facts", "expected"), HOLDS)
def test_what_is_written_is_what_is_meant(text: str, facts: dict[str, Value], expected: bool) -> None:
    """Every operator on every type of fact, with values at its edges, and with the fact missing."""
    assert holds(condition(text), facts.get) is expected


@pytest.mark.parametrize(("text", "facts", "expected"), HOLDS)
def test_what_is_meant_is_what_the_tree_decides(text: str, facts: dict[str, Value], expected: bool) -> None:
    """Each of them compiled, with roomy tables, tiny ones and none."""
    rule = Rule("it", condition(text), 0, NOWHERE)
    for limits in LIMITS:
        assert (DecisionTree([rule], TABLE, limits).decide(facts.get).rule is rule) is expected


WRONG: list[tuple[str, str, str]] = [
    ("{teem: red}", "policy.unknown-fact", "unknown fact `teem`"),
    ("{below: 5}", "policy.unknown-fact", "unknown fact `below`"),
    ("{'hour[UTC]': 5}", "policy.unknown-fact", "unknown fact `hour[UTC]`"),
    ("{tokens: {atleast: 5}}", "policy.unknown-operator", "unknown operator `atleast`"),
    ("{team: {at_least: 5}}", "policy.wrong-operator", "`at_least` cannot be asked of `team`, a text"),
    ("{tokens: {prefix: a}}", "policy.wrong-operator", "`prefix` cannot be asked of `tokens`, a number"),
    ("{tokens: {from: 5}}", "policy.wrong-operator", "`from` cannot be asked of `tokens`, a number"),
    ("{stream: {any: [true]}}", "policy.wrong-operator", "`any` cannot be asked of `stream`, a flag"),
    ("{tags: batch}", "policy.wrong-operator", "`tags` is a set, found `batch`"),
    ("{tags: [batch]}", "policy.wrong-operator", "`tags` is a set, found a list"),
    ("{tags: {not: [batch]}}", "policy.wrong-operator", "`tags` is a set, found a list"),
    ("{tags: {}}", "policy.empty-question", "nothing is asked of `tags`"),
    ("{tags: }", "policy.wrong-operator", "`tags` is a set, found nothing"),
    ("{team: }", "policy.empty-question", "nothing is asked of `team`"),
    ("{team: {missing: holds}}", "policy.empty-question", "nothing is asked of `team`"),
    ("{team: {missing: fails, not: a}}", "document.unknown-word", "`missing` can only say `holds`"),
    (
        "{team: {known: true, missing: holds}}",
        "policy.contradiction",
        "`known` and `missing: holds` exclude each other",
    ),
    ("{team: {known: false, not: red}}", "policy.contradiction", "a missing `team` has no value to ask about"),
    ("{team: {not: {missing: holds}}}", "policy.wrong-operator", "`missing` does not belong under `not`"),
    ("{team: []}", "policy.empty-list", "an empty list holds for nothing"),
    ("{team: [{a: b}]}", "document.wrong-type", "expected a list of texts, found a mapping"),
    ("{team: {prefix: 'a*'}}", "policy.wrong-operator", "`a*` is not plain text"),
    ("{stream: [true, false]}", "policy.wrong-operator", "`stream` is a flag and takes one value"),
    ("{stream: yes}", "document.wrong-type", "expected `true` or `false`, found `yes`"),
    ("{weekday: sunday}", "document.unknown-word", "`sunday` is not a value of `weekday`"),
    ("{hour: {from: '9', to: '10:00'}}", "document.wrong-unit", "`9` is not a time of day"),
    (
        "{hour: {from: '10:00', to: '10:00'}}",
        "policy.contradiction",
        "`from` and `to` are the same time, which is never",
    ),
    ("{hour: {from: '10:00', zone: Europe/Berlim}}", "policy.unknown-zone", "unknown time zone `Europe/Berlim`"),
    ("{hour: {zone: UTC}}", "policy.empty-question", "nothing is asked of `hour`"),
    (
        "{day: {from: 2026-12-24, to: 2026-12-20}}",
        "policy.contradiction",
        "`day: {from: 2026-12-24, to: 2026-12-20}` can never hold",
    ),
    ("{tokens: {between: [5]}}", "policy.wrong-operator", "`between` takes two values, found 1"),
    (
        "{tokens: {between: [9, 5]}}",
        "policy.contradiction",
        "no number lies between `9` and `5`: the first is the larger",
    ),
    ("{tokens: {at_least: 5, below: 3}}", "policy.contradiction", "`tokens: {at_least: 5, below: 3}` can never hold"),
    ("{tokens: {at_least: 5, below: 5}}", "policy.contradiction", "`tokens: {at_least: 5, below: 5}` can never hold"),
    ("{complexity: {above: 1}}", "policy.contradiction", "`complexity: {above: 1}` can never hold"),
    ("{team: {any: [a, b], not: [a, b]}}", "policy.contradiction", "`team: {any: [a, b], not: [a, b]}` can never hold"),
    ("{team: {any: [abc], prefix: b}}", "policy.contradiction", "`team: {any: [abc], prefix: b}` can never hold"),
    ("{weekday: {prefix: x}}", "policy.contradiction", "`weekday: {prefix: x}` can never hold"),
    ("{tags: {any: [a], none: [a, b]}}", "policy.contradiction", "`tags: {any: [a], none: [a, b]}` can never hold"),
    ("{tags: {all: [a, c], none: [a]}}", "policy.contradiction", "`tags: {all: [a, c], none: [a]}` can never hold"),
    ("{budget.m.left: [5%, $5]}", "policy.mixed-units", "one list mixes a share and amounts"),
    ("{budget.m.left: {between: [5%, $5]}}", "policy.mixed-units", "`between` mixes a share and an amount"),
    ("{budget.m.left: {not: {above: 5%, below: $5}}}", "policy.mixed-units", "one `not` mixes a share and an amount"),
    ("{budget.m.left: lots}", "document.wrong-unit", "`lots` is no quantity of `budget.m.left`"),
    ("{}", "policy.empty-condition", "an empty condition asks nothing"),
    ("", "document.wrong-type", "expected a condition, found nothing"),
    ("[{stream: true}]", "document.wrong-type", "expected a condition, found a list"),
    (
        "{any_of: {stream: true}}",
        "document.wrong-type",
        "expected a list of conditions under `any_of`, found a mapping",
    ),
    ("{any_of: []}", "policy.empty-list", "`any_of` needs at least one condition"),
    ("{all_of: [elsewhere]}", "policy.unknown-condition", "unknown condition `elsewhere`"),
    ("it", "policy.circular-condition", "the condition `it` rests on itself: `it` -> `it`"),
]


@pytest.mark.parametrize(("text", "code", "message"), WRONG)
def test_what_cannot_be_said_is_one_problem(text: str, code: str, message: str) -> None:
    """Each fault has its own stable code and one message in the author's words, and nothing else is reported."""
    found = problems_of(text)
    assert [(each[0], each[1]) for each in found] == [
        (code, message.replace("budget.m.left", "budget.NAME.left") if code == "document.wrong-unit" else message)
    ]


HINTS = [
    ("{teem: red}", "did you mean `team`?"),
    ("{budgets.month.left: 5%}", "did you mean `budget.month.left`?"),
    ("{below: 5}", "an operator stands under its fact: `{FACT: {below: ...}}`"),
    (
        "{'hour[UTC]': 5}",
        "the zone stands beside the question: `time.of_day: {from: ..., to: ..., zone: Europe/Berlin}`",
    ),
    ("{it: }", "a named condition stands in a list: `all_of: [it, ...]`"),
    ("stream", "to ask about the fact, write `{stream: ...}`"),
    ("{tokens: {atleast: 5}}", "did you mean `at_least`?"),
    ("{tags: batch}", "ask a set with `any`, `all` or `none`: `{any: [batch]}`"),
    ("{tags: {not: [batch]}}", "write `none: [...]` for a set that has none of these"),
    ("{hour: {from: '10:00', zone: Europe/Berlim}}", "did you mean `Europe/Berlin`?"),
    ("{hour: {from: '9'}}", 'did you mean `"9:00"`?'),
    ("{hour: {from: nine}}", 'write it as `"22:00"`'),
    ("{tokens: '< 5k'}", "write `{below: 5k}`"),
]


@pytest.mark.parametrize(("text", "hint"), HINTS)
def test_a_problem_says_what_to_do(text: str, hint: str) -> None:
    """Near names are suggested; a thing in the wrong place is told its right one."""
    assert problems_of(text)[0][2] == hint


def test_all_problems_are_found_at_once_each_at_its_place() -> None:
    """Three faults in one condition are three problems with their own lines and columns."""
    _, problems = section("it:\n  teem: red\n  tokens: {atleast: 5}\n  stream: maybe\n")
    assert [(problem.location.line, problem.location.column) for problem in problems] == [(2, 3), (3, 12), (4, 11)]


def test_names_may_be_used_before_they_are_defined() -> None:
    """Conditions refer to each other in any order; the name stays visible in the condition."""
    found, problems = section("busy: {all_of: [streaming, {tokens: {above: 1k}}]}\nstreaming: {stream: true}\n")
    assert not problems.found
    busy = found["busy"]
    assert isinstance(busy, AllOf)
    assert busy.conditions[0] == Named("streaming", found["streaming"])
    assert holds(busy, {"stream": True, "tokens": 1001}.get)


def test_a_name_stands_for_a_rule_s_whole_condition() -> None:
    """`when: NAME` reads as the named condition."""
    problems = Problems()
    named, _ = section("streaming: {stream: true}\n")
    root = load_text("policy.yaml", "when: streaming\n", problems).root
    assert isinstance(root, Mapping)
    node = root.get("when")
    assert node is not None
    assert read_condition(node, TABLE, named, problems) == Named("streaming", named["streaming"])
    assert not problems.found


def test_a_circle_of_names_is_told_with_its_members() -> None:
    """Conditions that rest on each other are one problem, naming the circle; reading goes on."""
    found, problems = section("a: {all_of: [b]}\nb: {any_of: [c]}\nc: {all_of: [a]}\nd: {stream: true}\n")
    assert [problem.code for problem in problems] == ["policy.circular-condition"]
    assert problems.found[0].message == "the condition `a` rests on itself: `a` -> `b` -> `c` -> `a`"
    assert found["d"] != ALWAYS


def test_names_that_double_at_each_level_are_bounded() -> None:
    """Forty short lines that stand for a billion tests are refused in no time."""
    lines = ["c0: {stream: true}"] + [f"c{n}: {{any_of: [c{n - 1}, c{n - 1}]}}" for n in range(1, 40)]
    _, problems = section("\n".join(lines) + "\n")
    assert {problem.code for problem in problems} == {"policy.condition-too-large"}


def test_names_that_lead_on_and_on_are_bounded() -> None:
    """A thousand conditions, each resting on the next, are refused, not a stack overflow."""
    lines = [f"c{n}: {{all_of: [c{n + 1}]}}" for n in range(1000)] + ["c1000: {stream: true}"]
    _, problems = section("\n".join(lines) + "\n")
    assert {problem.code for problem in problems} == {"policy.condition-too-large"}


def test_conditions_that_nest_through_names_are_bounded() -> None:
    """Names may not be used to nest deeper than one document could."""
    deep = "{all_of: [" * 30 + "%s" + "]}" * 30
    lines = ["c0: {stream: true}"] + [f"c{n}: {deep % f'c{n - 1}'}" for n in range(1, 4)]
    _, problems = section("\n".join(lines) + "\n")
    assert [problem.message for problem in problems] == ["the condition nests more than 64 deep"]


def test_a_test_keeps_what_its_author_wrote() -> None:
    """Explanations show the condition as it was written, on one line."""
    both = condition('{tokens: {at_least: 32k}, hour: {from: "22:00", to: "06:00", zone: UTC}}')
    assert isinstance(both, AllOf)
    assert [getattr(test, "text", None) for test in both.conditions] == [
        "tokens: {at_least: 32k}",
        'hour: {from: "22:00", to: "06:00", zone: UTC}',
    ]


def test_alternatives_and_joints_keep_their_shape() -> None:
    """`any_of` beside a fact is one of several conditions that all hold."""
    read = condition("{stream: true, any_of: [{team: a}, {team: b}]}")
    assert isinstance(read, AllOf)
    assert isinstance(read.conditions[1], AnyOf)


def test_written_nodes_are_one_line() -> None:
    """Whatever layout the author chose, the text of a condition is one line of flow style."""
    problems = Problems()
    root = load_text("p.yaml", "a:\n  - b: 'x y'\n    c: [1, 2]\n", problems).root
    assert root is not None
    assert written(root) == '{a: [{b: "x y", c: [1, 2]}]}'
