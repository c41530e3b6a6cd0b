"""Requests in tests: where they go is told by their shape or said, and what would be turned away is a mistake with a place."""

from __future__ import annotations

import pytest

from routebook.documents.problems import Problems
from routebook.routing.policy import Policy
from routebook.routing.reading.loading import LoadResult, load_sources
from tests.support.authored import hints, lines

POLICY = """\
version: 1
providers:
  one: {dialect: openai, base_url: https://one.example/v1, accounts: [{name: a}]}
models:
  large: {provider: one}
budgets:
  month: {limit: 1M tokens, window: month}
patterns:
  secret: "BEGIN"
rules:
  - {name: rest, route: {to: [large]}}
"""
CLIENTS = """\
clients:
  web: {team: shop}
  staff: {jwt: {issuer: i, audience: a, jwks: {file: k}, claims: {name: sub}}}
"""
TALK = "messages: [{role: user, content: hello}]"


def result(test: str, policy: str = POLICY) -> LoadResult:
    text = f"tests:\n  - name: t\n    {test}\n"
    return load_sources([("policy.yaml", policy), ("tests/t.yaml", text)], proving=False)


def told(test: str, policy: str = POLICY) -> Problems:
    """What is wrong with the test itself."""
    return Problems([each for each in result(test, policy).problems if each.location.file == "tests/t.yaml"])


def policy_with(test: str) -> Policy:
    found = result(test)
    assert found.policy is not None, lines(found.problems)
    return found.policy


@pytest.mark.parametrize(
    ("request_", "path"),
    [
        (f"{{body: {{model: m, {TALK}}}}}", "/v1/chat/completions"),
        (f"{{body: {{model: m, max_tokens: 9, system: s, {TALK}}}}}", "/v1/messages"),
        (f"{{dialect: anthropic, body: {{model: m, max_tokens: 9, {TALK}}}}}", "/v1/messages"),
        (f"{{headers: {{anthropic-version: x}}, body: {{model: m, max_tokens: 9, {TALK}}}}}", "/v1/messages"),
        ("{body: {model: m, input: hello, instructions: be brief}}", "/v1/responses"),
        ("{dialect: openai-responses, body: {model: m, input: hello}}", "/v1/responses"),
        ("{body: {model: m, input: [hello, there]}}", "/v1/embeddings"),
        ("{body: {model: m, prompt: hello}}", "/v1/completions"),
        ("{path: /v1/embeddings, body: {model: m, input: hello}}", "/v1/embeddings"),
        (
            "{path: '/v1beta/models/g:countTokens?a=b', body: {contents: [{parts: [{text: hi}]}]}}",
            "/v1beta/models/g:countTokens?a=b",
        ),
        (f"{{path: /anthropic/v1/messages, body: {{model: m, max_tokens: 9, {TALK}}}}}", "/anthropic/v1/messages"),
        ('{body: \'{"model": "m", "messages": []}\'}', "/v1/chat/completions"),
    ],
)
def test_where_a_request_goes(request_: str, path: str) -> None:
    """By the path that is said, by the dialect, or by what only one API knows."""
    [case] = policy_with(f"request: {request_}\n    expect: {{rule: rest}}").tests
    assert case.request is not None
    assert case.request.path == path


@pytest.mark.parametrize(
    ("request_", "said", "hint"),
    [
        (
            "{body: {model: m, input: hello}}",
            "3:21 policy.unclear-request the body fits more than one API",
            "write `path: /v1/embeddings` or `path: /v1/responses`",
        ),
        (
            "{body: {contents: [{parts: [{text: hi}]}]}}",
            "3:21 policy.unclear-request the body does not name a model",
            "write `path: /v1beta/models/MODEL:generateContent`",
        ),
        ("{body: {modl: m}}", "3:21 policy.unclear-request the body fits no API", "say where it is sent with `path`"),
        (
            "{path: /v1/chat/completion, body: {model: m}}",
            "3:21 policy.unknown-path nothing is served at `/v1/chat/completion`",
            "did you mean `/v1/chat/completions`?",
        ),
        (
            "{body: {model: m, messages: hello}}",
            "3:42 policy.unreadable-request the request would be refused: `messages` must be a list",
            None,
        ),
        (
            f"{{body: {{model: [m], {TALK}}}}}",
            "3:29 policy.unreadable-request the request would be refused: expected `str`, got `array` in `model`",
            None,
        ),
        ('{body: \'{"model": "m", "messages": [\'}', "3:21 policy.unreadable-request the body is no JSON object", None),
        (
            "{path: /v1/chat/completions, body: '{'}",
            "3:49 policy.unreadable-request the request would be refused: the body is not JSON",
            None,
        ),
        ("{body: [m]}", "3:21 document.wrong-type expected a body (a mapping, or JSON as a text), found a list", None),
        ("{path: /v1/messages}", "3:14 document.missing-key a request needs `body`", None),
        (
            f"{{headers: {{Authorization: Bearer x}}, body: {{model: m, {TALK}}}}}",
            "3:25 policy.secret-header the header `Authorization` holds a secret",
            "a test needs no key: say `client: NAME` of the request",
        ),
        (
            f"{{headers: {{x-routebook-within: cost=5}}, body: {{model: m, {TALK}}}}}",
            "3:45 policy.unreadable-request the request would be refused: `cost` is written as `$0.05` or `$500`",
            None,
        ),
        (
            f"{{client: wb, body: {{model: m, {TALK}}}}}",
            "3:23 policy.unknown-client `wb` is not a client of this policy",
            "did you mean `web`?",
        ),
        (
            f"{{client: web/ann, body: {{model: m, {TALK}}}}}",
            "3:23 policy.unknown-client `web/ann` is not a client of this policy",
            "did you mean `web`?",
        ),
        (
            f"{{dialect: openai, body: {{model: m, {TALK}}}}}",
            "3:24 document.unknown-word `openai` is not a dialect of clients",
            "did you mean `openai-chat`?",
        ),
        (
            f"{{bdy: x, body: {{model: m, {TALK}}}}}",
            "3:15 document.unknown-key unknown key `bdy` in a request",
            "did you mean `body`?",
        ),
    ],
)
def test_every_slip_in_a_request_has_its_place(request_: str, said: str, hint: str | None) -> None:
    """As far down in the body as the field at fault."""
    problems = told(f"request: {request_}\n    expect: {{rule: rest}}", POLICY + CLIENTS)
    [line] = lines(problems)
    assert line.startswith(said)
    assert hint is None or hints(problems) == [hint]


def test_what_a_request_says_itself_is_not_given_beside_it() -> None:
    """Times, budgets and what was measured are."""
    test = f"request: {{body: {{model: m, {TALK}}}}}\n    given: {{prompt.tokens: 3}}\n    expect: {{rule: rest}}"
    assert lines(told(test)) == ["4:13 policy.given-and-sent the request itself says what `prompt.tokens` is"]
    fine = test.replace("prompt.tokens: 3", 'budget.month.left: 5%, time.of_day: "22:00", model.large.available: false')
    assert result(fine).policy is not None


@pytest.mark.parametrize(
    ("test", "said"),
    [
        ("given: {budget.mnth.left: 5%}", "3:13 policy.unknown-budget `mnth` is not a budget of this policy"),
        ("given: {model.lrge.available: true}", "3:13 policy.unknown-model `lrge` is not a model of this policy"),
        ("given: {prompt.matches.scret: true}", "3:13 policy.unknown-pattern `scret` is not a pattern of this policy"),
        ("given: {request.header.cookie: x}", "3:13 policy.secret-header the header `cookie` holds a secret"),
    ],
)
def test_what_is_given_must_be_declared(test: str, said: str) -> None:
    """A fact about a thing that the policy does not know would never be looked at."""
    assert lines(told(f"{test}\n    expect: {{rule: rest}}")) == [said]


@pytest.mark.parametrize(
    ("expect", "said"),
    [
        ("{order: [lrge]}", "3:22 policy.unknown-model `lrge` is not a model of this policy"),
        ("{dropped: {lrge: within.cost}}", "3:24 policy.unknown-model `lrge` is not a model of this policy"),
        ("{dropped: {large: within.costs}}", "3:31 document.unknown-word `within.costs` is not the code of a reason"),
        ("{dropped: {large: kept}}", "3:31 document.unknown-word `kept` is not the code of a reason"),
        ("{cost: 5}", "3:20 document.wrong-unit `5` is not an amount of money"),
        ("{cost: {}}", "3:20 policy.empty-test nothing is expected of `cost`"),
        ("{cost: {most: $5}}", "3:21 document.unknown-key unknown key `most` in `cost`"),
        ("{holds: {mnth: 5}}", "3:22 policy.unknown-budget `mnth` is not a budget of this policy"),
        ("{holds: {month: $5}}", "3:29 document.wrong-unit `$5` is not a number of tokens"),
        ("{refuse: {statu: 403}}", "3:23 document.unknown-key unknown key `statu` in `refuse`"),
        ("{refuse: {status: 200}}", "3:31 document.wrong-type expected whether it is refused, found `200`"),
    ],
)
def test_every_slip_in_what_is_expected_has_its_place(expect: str, said: str) -> None:
    """A test whose expectation is not understood never counts as passed."""
    [line] = lines(told(f"expect: {expect}"))
    assert line.startswith(said)
