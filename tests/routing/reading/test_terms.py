"""What rules may speak of: the facts there are, and the names that the policy declares."""

from __future__ import annotations

import pytest

from routebook.routing.reading.loading import load_sources
from tests.support.authored import codes, hints, lines

POLICY = """\
version: 1
providers:
  one: {dialect: openai, base_url: https://one.example/v1, accounts: [{name: a}]}
models:
  large: {provider: one, price: {input: 1, output: 2}, max_output: 4k}
patterns: {secret: "BEGIN KEY"}
budgets: {month: {limit: $5, window: month}}
conditions:
  cheap: {budget.month.left: {below: 10%}}
rules:
  - {name: some, when: CONDITION, route: {to: large}}
  - {name: all, route: {to: requested}}
"""


def faults(condition: str) -> tuple[list[str], list[str | None]]:
    problems = load_sources([("policy.yaml", POLICY.replace("CONDITION", condition))]).problems
    problems.found = problems.errors
    return lines(problems), hints(problems)


@pytest.mark.parametrize(
    "condition",
    [
        "{prompt.matches.secret: true}",
        "{budget.month.left: {below: 10%}}",
        "{budget.month.used: {at_least: $3}}",
        "{model.large.available: true}",
        "{model.large.first_token: {above: 2s}}",
        "cheap",
        "{request.header.x-team: shop}",
        "{client.label.tier: gold}",
    ],
)
def test_names_that_are_declared_may_be_asked_about(condition: str) -> None:
    """Patterns, budgets and models of the policy, headers and labels of any name."""
    assert faults(condition) == ([], [])


@pytest.mark.parametrize(
    ("condition", "expected", "hint"),
    [
        (
            "{prompt.matches.secrt: true}",
            "11:25 policy.unknown-pattern `secrt` is not a pattern of this policy",
            "did you mean `secret`?",
        ),
        (
            "{budget.moth.left: {below: 10%}}",
            "11:25 policy.unknown-budget `moth` is not a budget of this policy",
            "did you mean `month`?",
        ),
        (
            "{model.lrge.available: true}",
            "11:25 policy.unknown-model `lrge` is not a model of this policy",
            "did you mean `large`?",
        ),
        ("chaep", "11:24 policy.unknown-condition unknown condition `chaep`", "did you mean `cheap`?"),
        (
            "{any_of: [cheap, {model.x.available: true}]}",
            "11:42 policy.unknown-model `x` is not a model of this policy",
            "there is `large`",
        ),
    ],
)
def test_names_that_are_not_declared_are_problems(condition: str, expected: str, hint: str) -> None:
    """With the place of the fact that names them, also under `any_of`."""
    assert faults(condition) == ([expected], [hint])


@pytest.mark.parametrize("header", ["authorization", "Authorization", "cookie", "x-api-key"])
def test_no_rule_asks_for_a_secret(header: str) -> None:
    """What is asked is recorded, so headers that hold credentials cannot be asked for."""
    [line], _ = faults(f"{{request.header.{header}: x}}")
    assert "policy.secret-header" in line


def test_a_slip_in_a_named_condition_is_reported_where_it_stands() -> None:
    """Once, however many rules use it."""
    text = POLICY.replace("budget.month.left: {", "budget.mnth.left: {").replace("CONDITION", "cheap")
    problems = load_sources([("policy.yaml", text)]).problems
    assert [(problem.code, problem.location.line) for problem in problems.errors] == [("policy.unknown-budget", 9)]


def test_patterns_are_re2() -> None:
    """What RE2 cannot do in linear time is refused; what matches everything is pointed out."""
    text = POLICY.replace("CONDITION", "cheap").replace(
        'secret: "BEGIN KEY"', r'a: "(?=x)", b: "(x", c: "(x)\\1", d: "x*", e: [x]'
    )
    problems = load_sources([("policy.yaml", text)]).problems
    assert [code for code in codes(problems) if "not-in-force" not in code] == [
        "policy.bad-pattern",
        "policy.bad-pattern",
        "policy.bad-pattern",
        "warning policy.loose-pattern",
        "document.wrong-type",
    ]


def test_clients_and_teams_that_nobody_is_are_pointed_out() -> None:
    """Only where the policy declares clients: without, callers may come from anywhere."""
    condition = "{any_of: [{client.name: [web, wbe]}, {client.team: shpo}, {client.team: {not: x}}]}"
    clients = f"clients: {{web: {{keys: ['hmac-sha256:{'ab' * 32}'], team: shop}}}}\n"
    text = POLICY.replace("CONDITION", condition)
    assert not load_sources([("policy.yaml", text)]).problems.errors
    problems = load_sources([("policy.yaml", text), ("clients.yaml", clients)]).problems
    found = [(each.code, each.location.column, each.hint) for each in problems if each.code != "policy.not-in-force"]
    assert found == [
        ("policy.unknown-client", 35, "did you mean `web`?"),
        ("policy.unknown-team", 62, "did you mean `shop`?"),
    ]


def test_what_only_tokens_tell_is_not_pointed_out() -> None:
    """Any bearer of a client whose tokens name them may call, and be of any team where a claim says so."""
    condition = "{any_of: [{client.name: [staff/ann, staf/ann, staff]}, {client.team: shpo}]}"
    jwt = "issuer: i, audience: a, jwks: {file: keys.json}, claims: {name: sub}"
    text = POLICY.replace("CONDITION", condition)

    def found(terms: str) -> list[str]:
        clients = f"clients: {{staff: {{team: shop, jwt: {{{terms}}}}}}}"
        problems = load_sources([("policy.yaml", text), ("clients.yaml", clients)]).problems
        return [problem.message for problem in problems if problem.code != "policy.not-in-force"]

    stranger, team = "`staf/ann` is not a client of this policy", "`shpo` is not a team of this policy"
    assert found(jwt) == [stranger, team]
    assert found(jwt.replace("name: sub", "name: sub, team: t")) == [stranger]
    assert found(jwt.replace("name: sub", "team: t")) == ["`staff/ann` is not a client of this policy", stranger][::-1]
