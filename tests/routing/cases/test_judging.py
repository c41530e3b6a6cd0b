"""Cases judged: whatever can be expected, of facts and of requests as clients send them; what differs says why."""

from __future__ import annotations

import json
import pickle

import pytest

from routebook.routing.cases.judging import judge
from routebook.routing.cases.running import Runner
from routebook.routing.policy import Policy
from routebook.routing.reading.loading import load_sources
from tests.support.authored import lines

POLICY = """\
version: 1
providers:
  one: {dialect: openai, base_url: https://one.example/v1, region: us, accounts: [{name: a}, {name: b}]}
  two: {dialect: anthropic, base_url: https://two.example, region: eu, accounts: [{name: a}]}
models:
  large: {provider: one, price: {input: 10, output: 20}, context: 8k, max_output: 4k}
  small: {provider: one, price: {input: 1, output: 2}, capabilities: [tools, vision]}
  claude: {provider: two, price: {input: 1, output: 2}, capabilities: [tools, vision]}
clients:
  web: {keys: ["hmac-sha256:abababababababababababababababababababababababababababababababab"], team: shop, models: [small, claude]}
  staff: {jwt: {issuer: i, audience: a, jwks: {file: k}, claims: {name: sub, team: team}}}
budgets:
  month: {limit: $100, window: month}
  tokens: {limit: 1M tokens, window: day, per: client.name, when: {tags: {any: [batch]}}}
  night: {limit: 10 requests, window: day, when: {time.of_day: {from: "22:00", to: "06:00", zone: Europe/Berlin}}}
patterns:
  secret: "BEGIN [A-Z]+"
rules:
  - {name: secrets, when: {prompt.matches.secret: true}, refuse: {status: 451, code: secret}}
  - {name: app, when: {request.header.x-app: web, request.dialect: anthropic}, route: {to: [claude, small]}}
  - {name: shop, when: {client.team: shop}, route: {to: [large, small]}}
  - {name: poor, when: {any_of: [{budget.month.left: {below: 10%}}, {tags: {any: [thrifty]}}]}, route: {to: small}}
  - {name: down, when: {model.large.available: false}, route: {to: [large, small]}}
  - {name: slow, when: {model.large.first_token: {above: 2s}}, route: {to: [large, small], pick: fastest, within: {first_token: 3s}}}
  - {name: long, when: {prompt.tokens: {at_least: 2k}}, route: {to: [large, small, claude], within: {cost: $0.03}}}
  - {name: rest, route: {to: [large, small, claude]}}
"""


def loaded(*tests: str) -> Policy:
    text = "tests:\n" + "".join(f"  - {{name: t{number}, {test}}}\n" for number, test in enumerate(tests))
    result = load_sources([("policy.yaml", POLICY), ("tests/t.yaml", text)], proving=False)
    assert result.policy is not None, lines(result.problems)
    return result.policy


def faults(test: str) -> list[str]:
    """What is otherwise than expected, with why."""
    policy = loaded(test)
    [verdict] = [judge(Runner(policy), case) for case in policy.tests]
    return [fault.words + (f" ({fault.why})" if fault.why else "") for fault in verdict.faults]


TALK = "messages: [{role: user, content: hello}]"


@pytest.mark.parametrize(
    "test",
    [
        "given: {prompt.tokens: 100}, expect: {order: [large, small, claude], cost: {at_least: $0.081, at_most: $0.081}}",
        "given: {prompt.tokens: 2k}, expect: {order: [small, claude], dropped: {large: within.cost}}",
        "given: {prompt.tokens: 9k}, expect: {dropped: {large: [model.context, within.cost]}}",
        "given: {model.large.available: false}, expect: {rule: down, order: [small], dropped: {large: account.out}}",
        "given: {model.large.first_token: 2500ms, model.small.first_token: 1s}, expect: {rule: slow, order: [small, large]}",
        "given: {model.large.first_token: 4s, prompt.tokens: 10}, expect: {dropped: {large: within.first-token}}",
        "given: {model.large.first_token: 4s, model.small.first_token: 1s}, expect: {rule: slow, order: [small]}",
        "given: {client.name: web}, expect: {rule: shop, order: [small], dropped: {large: client.not-allowed}}",
        "given: {prompt.tokens: 1k, request.max_output: 100}, expect: {holds: {month: {at_least: $0.012, at_most: $0.012}}}",
        "given: {prompt.tokens: 1k, request.max_output: 100}, expect: {holds: {tokens: 0, night: 0}}",
        (
            "given: {prompt.tokens: 1k, request.max_output: 100, tags: [batch]},"
            " expect: {holds: {tokens: {at_least: 1100, at_most: 1100}}}"
        ),
        'given: {time.of_day: "23:00"}, expect: {holds: {night: {at_least: 1, at_most: 1}}}',
        "given: {prompt.matches.secret: true}, expect: {refuse: {status: 451, code: secret}}",
        "given: {prompt.matches.secret: true}, expect: {refuse: {code: secret}}",
        f"request: {{body: {{model: x, {TALK}}}}}, expect: {{rule: rest, model: large}}",
        "request: {body: {model: x, messages: [{role: user, content: BEGIN RSA}]}}, expect: {rule: secrets, refuse: true}",
        f"request: {{client: web, body: {{model: x, {TALK}}}}}, expect: {{rule: shop, order: [small]}}",
        f"request: {{client: staff/ann, body: {{model: x, {TALK}}}}}, expect: {{rule: rest}}",
        f"request: {{headers: {{X-Routebook-Tags: thrifty}}, body: {{model: x, {TALK}}}}}, expect: {{rule: poor}}",
        f"request: {{body: {{model: x, metadata: {{tags: thrifty}}, {TALK}}}}}, expect: {{rule: poor}}",
        f"request: {{body: {{model: x, {TALK}}}}}, given: {{budget.month.left: 5%}}, expect: {{rule: poor}}",
        f"request: {{body: {{model: x, {TALK}}}}}, given: {{model.large.available: false}}, expect: {{rule: down, model: small}}",
        (
            f"request: {{headers: {{x-app: web}}, dialect: anthropic, body: {{model: x, max_tokens: 10, {TALK}}}}},"
            " expect: {rule: app, order: [claude, small]}"
        ),
        (
            f"request: {{headers: {{x-app: web}}, body: {{model: x, max_tokens: 10, system: be brief, {TALK}}}}},"
            " expect: {rule: app}"
        ),
        (
            f"request: {{headers: {{x-routebook-within: cost=$0.01}}, body: {{model: x, max_tokens: 100, {TALK}}}}},"
            " expect: {rule: rest, cost: $0.01}"
        ),
        (
            f"request: {{headers: {{x-routebook-within: region=eu}}, body: {{model: x, {TALK}}}}},"
            " expect: {order: [claude], dropped: {large: within.region, small: within.region}}"
        ),
        (
            "request: {path: '/v1beta/models/gem:generateContent', body: {contents: [{role: user, parts: [{text: hi}]}]}},"
            " expect: {rule: rest}"
        ),
        "request: {body: {model: x, input: [{role: user, content: BEGIN RSA}]}}, expect: {rule: secrets}",
        "request: {path: /v1/responses, body: {model: x, input: BEGIN RSA}}, expect: {rule: secrets}",
    ],
)
def test_what_is_as_expected_has_no_fault(test: str) -> None:
    """Costs and holds by the planner and the ledger that serve; requests by the dialects' own readers."""
    assert faults(test) == []


@pytest.mark.parametrize(
    ("test", "said"),
    [
        (
            "given: {prompt.tokens: 1999}, expect: {rule: long}",
            ["expected rule `long`, got `rest` (long: prompt.tokens: {at_least: 2k}: did not hold (1999))"],
        ),
        (
            "given: {}, expect: {rule: poor}",
            [
                "expected rule `poor`, got `rest` (poor: budget.month.left: {below: 10%}: did not hold: "
                + "the fact is missing; tags: {any: [thrifty]}: did not hold ([]))"
            ],
        ),
        (
            "given: {tags: [thrifty], prompt.tokens: 2k}, expect: {rule: long}",
            [
                "expected rule `long`, got `poor` (`poor` stands before it and matches: tags: {any: [thrifty]} ([thrifty]))"
            ],
        ),
        (
            "given: {prompt.tokens: 100}, expect: {order: [small, large]}",
            ["expected the order `small`, `large`, got `large`, `small`, `claude` by `rest`"],
        ),
        (
            "given: {prompt.tokens: 9k}, expect: {order: [large, small, claude]}",
            [
                "expected the order `large`, `small`, `claude`, got `small`, `claude` by `long`"
                + " (`large`: context 8k < prompt 9k)"
            ],
        ),
        (
            "given: {prompt.tokens: 9k}, expect: {dropped: {large: within.cost}}",
            [
                "expected `large` dropped for `within.cost`, got it dropped for `model.context` by `long`"
                + " (`large`: context 8k < prompt 9k)"
            ],
        ),
        (
            "given: {}, expect: {dropped: {large: model.context}}",
            ["expected `large` dropped for `model.context`, got it kept by `rest`"],
        ),
        (
            "given: {tags: [thrifty]}, expect: {dropped: {large: model.context}}",
            ["expected `large` dropped for `model.context`, got it nowhere in the route by `poor`"],
        ),
        (
            "given: {prompt.tokens: 100}, expect: {cost: $0.05}",
            ["expected a cost of at most $0.05, got $0.081 of `large` by `rest`"],
        ),
        (
            "given: {request.needs: [audio_in]}, expect: {cost: $0.05, holds: {month: $1}, model: small}",
            [
                "expected model `small`, got none that may serve by `rest` (`small`: lacks audio_in)",
                "expected a cost of at most $0.05, got none that may serve by `rest`",
                "expected at most $1.00 held of `month`, got nobody who may be paid by `rest`",
            ],
        ),
        (
            "given: {prompt.tokens: 1k, request.max_output: 100}, expect: {holds: {month: $0.01}}",
            ["expected at most $0.01 held of `month`, got $0.012 by `rest`"],
        ),
        (
            "given: {prompt.matches.secret: true}, expect: {refuse: {status: 451, code: secrets}, order: []}",
            [
                "expected the code `secrets`, got `secret` by `secrets`",
                "expected a route with `order`, got a refusal by `secrets`",
            ],
        ),
        (
            "given: {}, expect: {refuse: {status: 451, code: secret}}",
            ["expected a refusal with 451, got a route by `rest`"],
        ),
        (
            f"request: {{body: {{model: x, {TALK}}}}}, expect: {{rule: long}}",
            ["expected rule `long`, got `rest` (long: prompt.tokens: {at_least: 2k}: did not hold (5))"],
        ),
    ],
)
def test_what_differs_says_what_was_expected_what_came_and_why(test: str, said: list[str]) -> None:
    """One text for each thing that differs, in the order of the keys; the reason names conditions with their values."""
    assert faults(test) == said


def test_a_request_and_its_facts_are_decided_alike() -> None:
    """What a dialect's reader finds in a body is what a test of these facts would give."""
    body = {"model": "x", "max_tokens": 50, "messages": [{"role": "user", "content": "hello " * 3000}]}
    text = json.dumps(json.dumps(body))
    policy = loaded(
        f"request: {{body: {text}}}, expect: {{rule: long}}",
        "given: {request.model: x, request.max_output: 50, prompt.tokens: 3k}, expect: {rule: long}",
    )
    sent, given = (judge(Runner(policy), case) for case in policy.tests)
    assert sent.faults == given.faults == ()
    assert sent.came.plan is not None and given.came.plan is not None
    assert [each.path for each in sent.came.plan.kept] == [each.path for each in given.came.plan.kept]


def test_a_policy_with_such_tests_goes_from_process_to_process() -> None:
    """A reload reads it in a process of its own, which hands it over."""
    policy = loaded(f"request: {{client: web, body: {{model: x, {TALK}}}}}, expect: {{rule: shop, order: [small]}}")
    again = pickle.loads(pickle.dumps(policy))
    assert again.tests == policy.tests
    [verdict] = [judge(Runner(again), case) for case in again.tests]
    assert verdict.faults == ()
