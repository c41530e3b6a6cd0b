"""Proofs of whole policies: every planted violation is found, none that is not there, and each is shown by a request."""

from __future__ import annotations

import itertools
import random
import re
import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from routebook.cli.main import main
from routebook.documents.problems import Problem, Severity
from routebook.policy.facts import Value
from routebook.policy.given import parse_given
from routebook.policy.rules import first_match
from routebook.routing.facts import FACTS
from routebook.routing.given import given_facts, plan_for_given
from routebook.routing.outcomes import Route
from routebook.routing.planning import Planner
from routebook.routing.policy import Guarantee, Policy
from routebook.routing.reach import forbidden_by, may_hold
from routebook.routing.reading.loading import load_sources
from routebook.routing.telling.explanation import explain_given

CATALOGUE = """\
version: 1
providers:
  home: {dialect: openai, base_url: https://home.example/v1, region: eu, accounts: [{name: a}]}
  away: {dialect: openai, base_url: https://away.example/v1, region: us, accounts: [{name: a}]}
models:
  near: {provider: home, context: 8k, price: {input: 1, output: 1}}
  wide: {provider: home, context: 64k, capabilities: [tools], price: {input: 1, output: 1}}
  far: {provider: away, context: 8k, max_output: 1k, price: {input: 100, output: 1000}}
  eyes: {provider: away, context: 64k, capabilities: [vision], price: {input: 1, output: 1}}
pools:
  abroad: [far, eyes]
"""
PHI = "guarantees:\n  - {name: stays, when: {tags: {any: [phi]}}, only: {region: eu}}\n"
LAST = "  - {name: last, route: {to: [near, wide]}}\n"


def problems(text: str) -> list[Problem]:
    return list(load_sources([("policy.yaml", CATALOGUE + text)]).problems)


def found(text: str) -> list[tuple[str, str]]:
    """Codes and messages of what proofs find; a warning says so."""
    return [
        (("warning " if each.severity is Severity.WARNING else "") + each.code, each.message) for each in problems(text)
    ]


def unproven(text: str) -> Policy:
    policy = load_sources([("policy.yaml", CATALOGUE + text)], proving=False).policy
    assert policy is not None
    return policy


def request_of(problem: Problem) -> dict[str, Value]:
    """The request that a problem's command gives to `explain`."""
    assert problem.hint is not None
    command = next(part for part in problem.hint.split("`") if part.startswith("routebook explain "))
    words = shlex.split(command)[2:]
    return dict(parse_given(text, FACTS) for text in words if text != "--given")


def breaks(policy: Policy, guarantee: Guarantee, given: dict[str, Value]) -> bool:
    """Whether a request breaks a guarantee: written apart from the proof, by the oracle of the language and the planner."""
    facts = given_facts(policy, given)
    rule = first_match(policy.rules, facts)
    if rule is None or not isinstance(rule.outcome, Route) or not may_hold(guarantee.when, facts):
        return False
    plan = plan_for_given(Planner(replace(policy, guarantees=())), rule.outcome, rule.name, given)
    return any(forbidden_by(each.model, (guarantee,)) for each in plan.kept)


@pytest.mark.parametrize(
    ("rules", "rule", "model"),
    [
        ("- {name: a, route: {to: [near, far]}}", "a", "far"),
        ("- {name: a, route: {to: [near, abroad]}}", "a", "far"),
        ("- {name: a, route: {to: requested}}", "a", "far"),
        ("- {name: a, when: {request.model: abroad}, route: {to: requested}}", "a", "far"),
        (
            "- {name: a, when: {tags: {none: [phi], missing: holds}}, route: {to: far}}\n  - {name: b, route: {to: far}}",
            "b",
            "far",
        ),
        (
            "- {name: a, when: {tags: {any: [phi]}, prompt.tokens: {at_most: 8k}}, route: {to: near}}\n  - {name: b, when: {prompt.tokens: {below: 9k}}, route: {to: abroad}}",
            "b",
            "eyes",
        ),
        ("- {name: a, route: {to: [near, far], within: {cost: $0.5}}}", "a", "far"),
        ("- {name: a, route: {to: near, shadow: {to: far}}}", "a", "far"),
        ("- {name: a, route: {to: [near, far], split: {near: 99%, far: 1%}}}", "a", "far"),
    ],
)
def test_a_broken_guarantee_is_shown_by_a_request(rules: str, rule: str, model: str) -> None:
    """Whichever way leads to the model: a fallback, a pool, what is requested, a share, a copy."""
    text = f"rules:\n  {rules}\n{LAST if 'when' in rules else ''}{PHI}"
    [broken] = [each for each in problems(text) if each.code == "policy.broken-guarantee"]
    assert f"`{rule}` may lead to `{model}`" in broken.message
    policy, given = unproven(text), request_of(broken)
    decided = policy.tree.decide(given_facts(policy, given)).rule
    assert decided is not None and decided.name == rule
    assert "shadow" in rules or breaks(policy, policy.guarantees[0], given)


@pytest.mark.parametrize(
    "rules",
    [
        "- {name: a, when: {tags: {any: [phi]}}, route: {to: [near, wide]}}\n  - {name: b, route: {to: requested}}",
        "- {name: a, when: {tags: {any: [phi, other]}}, refuse: {}}\n  - {name: b, route: {to: abroad}}",
        (
            "- {name: a, when: {prompt.tokens: {below: 5k}, tags: {any: [phi]}}, route: {to: near}}\n"
            "  - {name: b, when: {prompt.tokens: {at_least: 5k}, tags: {any: [phi]}}, route: {to: wide}}\n"
            "  - {name: c, route: {to: far}}"
        ),
        "- {name: a, when: {request.needs: {any: [vision]}, tags: {any: [phi]}}, refuse: {}}\n"
        "  - {name: b, when: {request.needs: {any: [tools]}}, route: {to: [wide, far, eyes]}}\n" + LAST.rstrip(),
        "- {name: a, route: {to: [near, far], within: {region: eu}}}",
        "- {name: a, when: {prompt.tokens: {above: 10k}}, route: {to: [wide, far]}}\n" + LAST.rstrip(),
        (
            "- {name: a, when: {request.operation: chat, tags: {any: [phi]}}, route: {to: [near]}}\n"
            "  - {name: b, route: {to: [far]}}"
        ),
        (
            "- {name: a, when: {request.model: {prefix: f}}, route: {to: near}}\n"
            "  - {name: b, when: {request.model: [eyes, abroad]}, refuse: {}}\n  - {name: c, route: {to: requested}}"
        ),
    ],
)
def test_a_guarantee_that_the_rules_keep_is_proven(rules: str) -> None:
    """Also where several rules keep it together, or where no model that is forbidden could serve the request."""
    text = f"rules:\n  {rules}\n{PHI}"
    assert [each for each in found(text) if "guarantee" in each[0] or "undecided" in each[0]] == []


@pytest.mark.parametrize(
    ("clients", "broken"),
    [
        ("", True),
        ("clients: {ann: {team: interns}}\n", False),
        ("clients: {ann: {team: interns}, bob: {team: research}}\n", False),
        ("clients: {ann: {team: interns}, job: {}}\n", True),
        ("clients: {ann: {team: interns}, job: {models: [near]}}\n", False),
        (
            "clients: {ann: {team: interns}, staff: {jwt: {issuer: i, audience: a, jwks: {file: k}, claims: {name: sub, team: t}}}}\n",
            True,
        ),
    ],
)
def test_a_request_is_one_of_a_client(clients: str, broken: bool) -> None:
    """A client comes with its own team and models: no request of another kind refutes a guarantee."""
    text = (
        f"{clients}rules:\n  - {{name: theirs, when: {{client.team: interns}}, route: {{to: near}}}}\n"
        "  - {name: rest, route: {to: requested}}\n"
        "guarantees:\n  - {name: g, when: {client.team: interns}, never: {model: far}}\n"
    )
    assert ("policy.broken-guarantee" in [code for code, _ in found(text)]) is broken


def test_what_is_missing_does_not_lift_a_guarantee() -> None:
    """And the author hears that this is why."""
    text = (
        "clients: {ann: {team: interns}, job: {}}\nrules:\n  - {name: rest, route: {to: far}}\n"
        "guarantees:\n  - {name: g, when: {client.team: research}, never: {model: far}}\n"
    )
    [(_code, message)] = [each for each in found(text) if "guarantee" in each[0]]
    assert "`client.name=job`" in message and message.endswith(
        "; `client.team` is not known of it, and what is not known does not lift a guarantee"
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "budgets: {b: {limit: $5, window: day, when: {tags: {any: [x]}}}}\nrules:\n  - {name: a, when: {tags: {any: [x]}}, refuse: {}}\n"
            + LAST,
            ["warning policy.idle-budget"],
        ),
        (
            "limits: {b: {requests_per_minute: 5, when: {tags: {any: [x]}}}}\nrules:\n  - {name: a, when: {tags: {any: [x]}}, refuse: {}}\n"
            + LAST,
            ["warning policy.idle-budget"],
        ),
        ("budgets: {b: {limit: $5, window: day, when: {tags: {any: [x]}}}}\nrules:\n" + LAST, []),
        ("clients: {c: {team: t, models: [far]}}\nrules:\n" + LAST, ["warning policy.client-conflict"]),
        (
            "clients: {c: {team: t, models: [far]}}\nrules:\n  - {name: a, when: {client.team: t}, route: {to: far}}\n"
            + LAST,
            [],
        ),
        ("clients: {c: {models: [near]}}\nrules:\n" + LAST, []),
        (
            "rules:\n  - {name: a, when: {prompt.tokens: {above: 10k}}, route: {to: [near, wide]}}\n" + LAST,
            ["warning policy.unreachable-candidate"],
        ),
        ("rules:\n  - {name: a, when: {prompt.tokens: {at_least: 8k}}, route: {to: [near, wide]}}\n" + LAST, []),
        (
            "rules:\n  - {name: v, when: {request.needs: {any: [vision]}}, refuse: {}}\n  - {name: a, when: {request.needs: {any: [vision, tools]}}, route: {to: [wide, eyes]}}\n"
            + LAST,
            ["warning policy.unreachable-candidate"],
        ),
        ("clients: {c: {team: t}}\nrules:\n  - {name: a, when: {client.team: t}, route: {to: near}}\n", []),
        (
            "clients: {c: {team: t}, d: {}}\nrules:\n  - {name: a, when: {client.team: t}, route: {to: near}}\n",
            ["policy.gap"],
        ),
    ],
)
def test_what_else_is_proven(text: str, expected: list[str]) -> None:
    """Idle budgets and limits, clients without a model, models that can never serve, gaps of those who may call."""
    assert [code for code, _ in found(text)] == expected


def test_what_cannot_be_shown_is_not_passed_over() -> None:
    """Several texts to embed may be longer together than a context: facts alone cannot say so, and no proof denies it."""
    text = (
        "providers: {p: {dialect: openai, base_url: https://p.example, region: us, accounts: [{name: a}]}}\n"
        "models: {vectors: {provider: p, context: 8k, operations: [embeddings]}}\nrules:\n"
        "  - {name: a, when: {request.operation: embeddings, prompt.tokens: {above: 9k}}, route: {to: vectors}}\n"
        "  - {name: b, when: {request.operation: embeddings}, refuse: {}}\n  - {name: c, route: {to: requested}}\n"
        "guarantees: [{name: g, when: {request.operation: embeddings}, never: {region: us}}]\n"
    )
    found = list(load_sources([("policy.yaml", "version: 1\n" + text)]).problems)
    assert any(each.code == "policy.undecided" and "`g` holds at the rule `a`" in each.message for each in found)


CHOICES: dict[str, tuple[Value | None, ...]] = {
    "tags": tuple(frozenset(some) for size in range(3) for some in itertools.combinations(("phi", "x"), size)),
    "request.model": ("near", "wide", "far", "eyes", "abroad", "other", "zebra"),
    "client.team": ("a", "b", "c", None),
    "prompt.tokens": (0, 4999, 5000, 8000, 8001, 64001),
    "prompt.matches.p": (True, False),
}
"""Every request of a small world, at the edges of its intervals."""

TESTS = (
    "tags: {any: [phi]}",
    "tags: {any: [phi, x]}",
    "tags: {none: [x]}",
    "tags: {all: [phi, x]}",
    "request.model: far",
    "request.model: {glob: '*a*'}",
    "request.model: {not: [near, other]}",
    "client.team: a",
    "client.team: {not: a}",
    "client.team: {any: [b], missing: holds}",
    "client.team: {known: false}",
    "prompt.tokens: {below: 5k}",
    "prompt.tokens: {above: 8k}",
    "prompt.matches.p: true",
)
TARGETS = ("near", "wide", "far", "eyes", "abroad", "requested")


def random_policy(dice: random.Random) -> str:
    """Up to seven rules and two guarantees, among which faults are as likely as not."""
    lines = ["patterns: {p: x+}", "rules:"]
    for number in range(dice.randint(1, 6)):
        when = dict(each.split(": ", 1) for each in dice.sample(TESTS, dice.randint(1, 3)))
        tests = ", ".join(f"{fact}: {asked}" for fact, asked in when.items())
        what = (
            "refuse: {}"
            if dice.random() < 0.2
            else f"route: {{to: [{', '.join(dice.sample(TARGETS, dice.randint(1, 3)))}]}}"
        )
        lines.append(f"  - {{name: r{number}, when: {{{tests}}}, {what}}}")
    if dice.random() < 0.8:
        lines.append(f"  - {{name: last, route: {{to: {dice.choice(TARGETS)}}}}}")
    lines.append("guarantees:")
    for number in range(2):
        reach = dice.choice(("only: {region: eu}", "never: {model: [far]}", "only: {model: [near, wide, eyes]}"))
        lines.append(f"  - {{name: g{number}, when: {{{dice.choice(TESTS)}}}, {reach}}}")
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("part", range(4))
def test_every_planted_fault_is_found_and_no_other(part: int) -> None:
    """Four hundred random policies against every request of their world; a failure names its seed."""
    counted = {"broken": 0, "kept": 0, "dead": 0, "gap": 0}
    for seed in range(part * 100, part * 100 + 100):
        text = random_policy(random.Random(seed))
        said = problems(text)
        policy = unproven(text)
        requests = [
            {fact: value for fact, value in zip(CHOICES, values, strict=True) if value is not None}
            for values in itertools.product(*CHOICES.values())
        ]
        decided = [first_match(policy.rules, given_facts(policy, given)) for given in requests]
        alive = {rule.name for rule in decided if rule is not None}
        dead = {rule.name for rule in policy.rules} - alive
        told = {
            each.message.split("`")[1]
            for each in said
            if each.code in ("policy.unreachable-rule", "policy.contradiction")
        }
        assert told == dead, f"seed {seed}"
        assert (None in decided) == any(each.code == "policy.gap" for each in said), f"seed {seed}"
        assert not any(each.code == "policy.undecided" for each in said), f"seed {seed}"
        counted["dead"] += len(dead)
        counted["gap"] += None in decided
        for guarantee in policy.guarantees:
            broken = any(breaks(policy, guarantee, given) for given in requests)
            shown = [
                each
                for each in said
                if each.code == "policy.broken-guarantee" and f"`{guarantee.name}`" in each.message
            ]
            assert len(shown) == broken, f"seed {seed}, {guarantee.name}"
            assert not shown or breaks(policy, guarantee, request_of(shown[0])), f"seed {seed}, {guarantee.name}"
            counted["broken" if broken else "kept"] += 1
    assert min(counted.values()) > 10, counted


def test_explain_shows_every_counterexample_and_every_gap(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Three hundred and twenty random policies: what `check` gives as a command, decided by what `explain` does, meets no
    rule, or the rule and the model that were named, kept out by the guarantee alone; a failure names its seed."""
    counted = {"policy.gap": 0, "policy.broken-guarantee": 0}
    for seed in range(1000, 1320):
        text = random_policy(random.Random(seed))
        policy = unproven(text)
        for problem in problems(text):
            if problem.code not in counted:
                continue
            counted[problem.code] += 1
            found = explain_given(policy, request_of(problem), 0.0)
            said = re.fullmatch(r".* does not hold: `(\w+)`.* may lead to `(\w+)` for .*", problem.message)
            if said is None:
                assert problem.code == "policy.gap" and found.rule is None, f"seed {seed}"
                continue
            rule, model = said.groups()
            assert found.rule == rule, f"seed {seed}"
            [kept_out] = [each for each in found.candidates if each.model == model]
            assert kept_out.reason == "guarantee.forbids", f"seed {seed}"
            unguarded = explain_given(replace(policy, guarantees=()), request_of(problem), 0.0)
            assert any(each.model == model and each.kept for each in unguarded.candidates), f"seed {seed}"
            if counted[problem.code] % 40 == 1:
                (tmp_path / "policy.yaml").write_text(CATALOGUE + text)
                assert problem.hint is not None
                command = problem.hint.rpartition("`routebook ")[2].partition("` shows it")[0]
                assert main([*shlex.split(command), "--policy", str(tmp_path)]) == 0
                shown = capsys.readouterr().out
                assert f"The rule `{rule}` decided" in shown and f"{model}: passed over: the guarantee" in shown
    assert min(counted.values()) > 30, counted
