"""What holds of a policy as a whole: gaps, rules that cannot decide, routes that cannot serve, what is not in force."""

from __future__ import annotations

import subprocess
import sys

import pytest

from routebook.documents.problems import Problem, Severity
from routebook.routing.reading.loading import load_sources
from tests.support.authored import codes

CATALOGUE = """\
version: 1
providers:
  one: {dialect: openai, base_url: https://one.example/v1, accounts: [{name: a}]}
  far: {dialect: gemini, base_url: https://far.example, accounts: [{name: a}]}
models:
  large: {provider: one, context: 100k, capabilities: [tools]}
  seeing: {provider: one, context: 10k, capabilities: [vision]}
  embed: {provider: one, operations: [embeddings]}
"""
LAST = "  - {name: last, route: {to: requested}}\n"


def problems(rules: str, more: str = "") -> list[Problem]:
    return list(load_sources([("policy.yaml", f"{more}rules:\n{rules}"), ("z.yaml", CATALOGUE)]).problems)


def errors(rules: str) -> list[tuple[str, int, str | None]]:
    return [
        (problem.code, problem.location.line, problem.hint)
        for problem in problems(rules)
        if problem.severity is Severity.ERROR
    ]


def test_a_policy_decides_every_request() -> None:
    """A last rule with a condition leaves a gap; the author hears how to close it."""
    [(code, line, hint)] = errors("  - {name: some, when: {tags: {any: [x]}}, route: {to: large}}\n")
    assert (code, line) == ("policy.gap", 2)
    assert hint is not None and "- {name: everything-else, route: {to: requested}}" in hint
    assert errors(LAST) == []


def test_rules_that_can_never_decide_are_shown_with_the_rule_that_covers_them() -> None:
    """With the reason, and both places."""
    found = [
        problem
        for problem in problems(
            "  - {name: wide, when: {prompt.tokens: {at_least: 10k}}, route: {to: large}}\n"
            "  - {name: narrow, when: {prompt.tokens: {at_least: 20k}, tags: {any: [x]}}, route: {to: large}}\n"
            + LAST
            + "  - {name: late, route: {to: large}}\n"
        )
        if problem.code == "policy.unreachable-rule"
    ]
    assert [(each.location.line, each.hint, each.related[0][0].line) for each in found] == [
        (3, "`wide` before it matches whatever this one matches", 2),
        (5, "`last` before it matches every request", 4),
    ]


@pytest.mark.parametrize(
    ("when", "to", "reason"),
    [
        (
            "request.operation: embeddings",
            "[large, seeing]",
            "`large` serves `chat`, not `embeddings`; `seeing` serves `chat`, not `embeddings`",
        ),
        ("request.needs: {all: [vision]}", "[large]", "`large` lacks `vision`"),
        ("request.needs: {any: [vision]}", "[large]", "`large` lacks `vision`"),
        (
            "prompt.tokens: {at_least: 50k}",
            "[seeing]",
            "`seeing` has a context of 10000 tokens, the prompt has at least 50000",
        ),
        (
            "prompt.tokens: {at_least: 5k, below: 20k}, all_of: [{request.operation: embeddings}]",
            "[large]",
            "`large` serves `chat`, not `embeddings`",
        ),
    ],
)
def test_a_route_that_cannot_serve_its_own_rule_is_an_error(when: str, to: str, reason: str) -> None:
    """No request that the rule matches could ever be served; each candidate says why, with numbers."""
    assert errors(f"  - {{name: some, when: {{{when}}}, route: {{to: {to}}}}}\n{LAST}") == [
        ("policy.route-to-nowhere", 2, reason)
    ]


@pytest.mark.parametrize(
    ("when", "to"),
    [
        ("request.operation: embeddings", "[large, embed]"),
        ("request.operation: [chat, embeddings]", "[large]"),
        ("request.needs: {any: [vision, tools]}", "[large]"),
        ("prompt.tokens: {at_least: 50k}", "[seeing, large]"),
        ("prompt.tokens: {at_least: 50k, missing: holds}", "[seeing]"),
        ("prompt.tokens: {at_least: 10k}", "[seeing]"),
        ("any_of: [{request.needs: {all: [vision]}}, {tags: {any: [x]}}]", "[large]"),
        ("request.operation: embeddings", "requested"),
    ],
)
def test_a_route_that_may_serve_is_left_alone(when: str, to: str) -> None:
    """One candidate is enough, and alternatives demand nothing."""
    assert errors(f"  - {{name: some, when: {{{when}}}, route: {{to: {to}}}}}\n{LAST}") == []


def test_what_is_not_in_force_is_said_once_each() -> None:
    """At its first place, with what does not happen."""
    found = problems(
        "  - {name: some, when: {tags: {any: [x]}}, route: {to: large, stick: 1h, cache: 5m}}\n"
        "  - {name: last, route: {to: large, stick: 2h, shadow: {to: embed}}}\n",
        f"settings: {{record: {{content: true}}}}\nclients: {{web: {{keys: ['hmac-sha256:{'ab' * 32}']}}}}\n",
    )
    assert [(each.message.split(" not in force")[0], each.location.line) for each in found] == [
        ("`settings.record` is", 1)
    ]
    assert codes_of(found) == {"policy.not-in-force"}


def codes_of(found: list[Problem]) -> set[str]:
    return {problem.code for problem in found}


def test_a_policy_that_uses_none_of_it_hears_nothing() -> None:
    """No warning without a reason."""
    result = load_sources(
        [
            (
                "policy.yaml",
                CATALOGUE.replace(
                    "  far: {dialect: gemini, base_url: https://far.example, accounts: [{name: a}]}\n", ""
                )
                + f"rules:\n{LAST}",
            )
        ]
    )
    assert result.policy is not None and codes(result.problems) == []


def told_without(library: str, text: str) -> str:
    """Codes and hints of a policy that is read by a process of its own, which cannot find a library."""
    program = (
        f"import sys; sys.modules['{library}'] = None\n"
        "from routebook.routing.reading.loading import load_sources\n"
        "for problem in load_sources([('policy.yaml', sys.argv[1])]).problems: print(problem.code, problem.hint)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, text], check=False, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_tokens_without_their_library_are_an_error() -> None:
    """Not at the first token, but where the policy is read."""
    clients = "clients: {staff: {jwt: {issuer: i, audience: a, jwks: {file: keys.json}}}}"
    text = f"version: 1\n{clients}\nrules:\n{LAST}"
    assert told_without("joserfc", text) == "catalogue.no-jwt `pip install 'routebook[jwt]'`\n"
    assert not load_sources([("policy.yaml", text)]).problems.found


SESSIONS = """\
version: 1
providers:
  open: {dialect: openai, base_url: https://open.example, accounts: [{name: a}]}
  google: {dialect: gemini, base_url: https://google.example, accounts: [{name: a}]}
models:
  one: {provider: open, operations: [realtime], max_output: 4k, price: {input: 1, output: 1}}
  two: {provider: google, operations: [realtime], max_output: 4k, price: {input: 1, output: 1}}
pools: {voices: [one, two]}
rules:
  - {name: voices, when: {request.operation: realtime}, route: {to: TO}}
"""


def test_sessions_that_cross_without_their_library_are_a_warning() -> None:
    """Where a route has models of both APIs, so that everybody crosses to some of them."""
    text = SESSIONS + LAST
    for to, is_told in (("[voices]", True), ("[one, two]", True), ("[one]", False), ("[two]", False)):
        told = told_without("soxr", text.replace("TO", to))
        assert told == ("catalogue.no-voice `pip install 'routebook[voice]'`\n" if is_told else ""), to
        assert not load_sources([("policy.yaml", text.replace("TO", to))]).problems.found
