"""From a route to a plan: each check, alone, with its numbers."""

from __future__ import annotations

from typing import Any

import pytest

from routebook.catalogue.callers import Client
from routebook.documents.problems import Location
from routebook.protocols.openai_chat.embeddings import read_embeddings
from routebook.protocols.openai_chat.request import read_chat
from routebook.routing.facts import RequestFacts
from routebook.routing.memory import BLANK, Remembered
from routebook.routing.outcomes import Within
from tests.support.routes import NOW, facts_of, names, plan, policy, reasons

HERE = Location("policy.yaml", 1, 1)


def test_a_pool_becomes_its_models_in_order_each_by_all_its_accounts() -> None:
    """Every candidate that may serve stands in the plan, with what it costs at most."""
    found = plan(policy())
    assert names(found) == ["large", "small", "house"]
    assert {each.path for each in found.kept} == {"big/main", "big/spare", "home/none"}
    assert len(found.kept) == 5
    assert not found.dropped


def test_a_model_that_is_named_twice_stands_once() -> None:
    """By its own name and by a pool's: the first place counts."""
    assert names(plan(policy("rules: [{name: r, route: {to: [small, everything, pricey]}}]"))) == [
        "small",
        "large",
        "house",
    ]


@pytest.mark.parametrize(
    ("asked_for", "kept"), [("large", ["large"]), ("everything", ["large", "small", "house"]), ("nobody", [])]
)
def test_requested_is_the_model_or_pool_that_the_client_names(asked_for: str, kept: list[str]) -> None:
    """And where it names none, that is said."""
    found = plan(under := policy("rules: [{name: r, route: {to: requested}}]"), facts_of(under, model=asked_for))
    assert names(found) == kept
    assert reasons(found) == ({} if kept else {"nobody": "no model or pool of this policy has that name"})


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"tools": [{"type": "function"}]}, {"house": "lacks tools"}),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]},
            {"small": "lacks vision", "house": "lacks vision"},
        ),
        (
            {"max_tokens": 20_000},
            {"large": "answers at most 16k tokens < 20k asked for", "house": "context 8k < prompt 4 + answer 20k"},
        ),
        (
            {"messages": [{"role": "user", "content": "lorem ipsum " * 80_000}]},
            {"large": "context 128k < prompt ", "house": "context 8k < prompt "},
        ),
    ],
)
def test_what_a_request_asks_of_a_model(fields: dict[str, Any], words: dict[str, str]) -> None:
    """Capabilities, the length of the answer, the length of the prompt: with both numbers."""
    under = policy()
    said = reasons(plan(under, facts_of(under, **fields)))
    assert said.keys() == words.keys()
    for name, expected in words.items():
        head = expected.partition("prompt")[0]
        assert said[name].startswith(head), said


def test_a_short_prompt_is_never_counted() -> None:
    """A prompt whose bytes would fit even at a token a byte surely fits; the record says how its size is known."""
    found = plan(under := policy(), facts := facts_of(under))
    assert found.size is not None and found.size.by == "bytes"
    assert "prompt.tokens" not in facts.seen


@pytest.mark.usefixtures("nobody_counts")
def test_a_prompt_that_may_not_fit_comes_last_and_says_so() -> None:
    """The estimate may be off by its margin: nobody is refused for that, but a roomier model comes first."""
    under = policy()
    found = plan(under, facts_of(under, messages=[{"role": "user", "content": "lorem ipsum dolor " * 30_000}]))
    assert names(found) == ["small", "large"]
    assert found.kept[-1].reason == "kept.tight"
    assert found.kept[-1].words.startswith("the prompt may not fit: context 128k, prompt about ")


def test_operations_are_served_by_those_that_declare_them() -> None:
    """A chat never goes to a model for vectors, nor the other way round."""
    under = policy("rules: [{name: r, route: {to: [vectors, small]}}]")
    assert reasons(plan(under)) == {"vectors": "does not serve chat, only embeddings"}
    asked = read_embeddings(b'{"model":"vectors","input":["' + b"a" * 9000 + b'","b"]}')
    facts = RequestFacts(asked, facts_of(under).client, {}, NOW, under, BLANK)
    assert names(plan(under, facts)) == ["vectors"]


def test_a_dialect_that_would_lose_what_matters_is_left_out() -> None:
    """Said, not tried; what it carries is served by it."""
    under = policy(
        "rules: [{name: r, route: {to: [claude, small]}}]",
        """
version: 1
providers: {a: {dialect: anthropic, base_url: "https://a.example", accounts: [{name: n}]},
            b: {dialect: openai, base_url: "https://b.example/v1", accounts: [{name: n}]}}
models: {claude: {provider: a}, small: {provider: b}}
""",
    )
    assert reasons(plan(under)) == {}
    several = read_chat(b'{"model":"auto","messages":[{"role":"user","content":"hi"}],"n":2}')
    facts = RequestFacts(several, facts_of(under).client, {}, NOW, under, BLANK)
    assert reasons(plan(under, facts)) == {"claude": "its provider speaks anthropic, which cannot carry choices"}


def test_a_client_uses_what_it_may_use() -> None:
    """Whatever the rule says."""
    under = policy()
    client = Client("bob", HERE, models=("small",))
    assert reasons(plan(under, facts_of(under, client))) == {
        "large": "the client `bob` may not use it",
        "house": "the client `bob` may not use it",
    }


GUARDED = """
rules: [{name: all, route: {to: everything}}]
guarantees:
  - {name: eu-only, when: {tags: {any: [phi]}}, only: {region: eu}}
  - {name: no-large-for-interns, when: {client.team: interns}, never: {model: [large]}}
"""


@pytest.mark.parametrize(
    ("team", "tags", "kept"),
    [
        ("core", "", ["large", "small", "house"]),
        ("core", "phi", ["house"]),
        ("interns", "", ["small", "house"]),
        ("interns", "phi", ["house"]),
        (None, "", ["small", "house"]),
    ],
)
def test_guarantees_hold_for_every_candidate(team: str | None, tags: str, kept: list[str]) -> None:
    """All that hold apply together; one whose fact is missing applies (the caller's team is not known: row five)."""
    under = policy(GUARDED)
    found = plan(under, facts_of(under, Client("c", HERE, team=team), {"x-routebook-tags": tags}))
    assert names(found) == kept
    assert all(each.reason == "guarantee.forbids" for each in found.dropped)


@pytest.mark.parametrize(
    ("within", "words"),
    [
        (Within(cost=2_000_000), {"large": "costs at most $0.01001, limit $0.002 of the client"}),
        (Within(quality=0.8), {"small": "quality 0.7 < 0.8 of the client", "house": "quality 0.6 < 0.8 of the client"}),
        (
            Within(regions=frozenset({"eu"})),
            {"large": "region us, not eu of the client", "small": "region us, not eu of the client"},
        ),
    ],
)
def test_a_client_can_narrow_the_route(within: Within, words: dict[str, str]) -> None:
    """Its constraints drop candidates, and are named as its own."""
    under = policy()
    assert reasons(plan(under, facts_of(under, max_tokens=1000), within=within)) == words


def test_a_rule_narrows_by_cost_region_labels_and_quality() -> None:
    """The constraints of `within`, each with its numbers."""

    def dropped(within: str) -> dict[str, str]:
        under = policy(f"rules: [{{name: r, route: {{to: [everything, unpriced], within: {within}}}}}]")
        return reasons(plan(under, facts_of(under, max_tokens=1000)))

    assert dropped("{cost: $0.002}") == {
        "large": "costs at most $0.01001, limit $0.002",
        "unpriced": "its price is not known, limit $0.002",
    }
    assert dropped("{region: us}") == {"house": "region eu, not us", "unpriced": "region eu, not us"}
    assert dropped("{labels: {tier: gold}}") == {
        "house": "label tier is bronze, not gold",
        "unpriced": "label tier is not declared, not gold",
    }
    assert dropped("{quality: 0.8}")["unpriced"] == "its quality is not declared, 0.8 is asked"


def test_first_token_is_judged_by_what_was_measured() -> None:
    """What was never measured is not ruled out: it could otherwise never be measured."""
    under = policy("rules: [{name: r, route: {to: everything, within: {first_token: 500ms}}}]")
    memory = Remembered(first_tokens={"large": 0.85, "small": 0.3})
    found = plan(under, memory=memory)
    assert reasons(found) == {"large": "first token after 850 ms, limit 500 ms"}
    assert names(found) == ["small", "house"]


def test_accounts_that_rest_or_have_no_key_are_passed_over() -> None:
    """Each with its reason; the others of the same model go on."""
    found = plan(policy(), keyless=(("big", "spare"),), memory=Remembered(rests={("home", "none"): (12.0, "429")}))
    assert {each.path for each in found.kept} == {"big/main"}
    assert reasons(found) == {"big/spare": "its key is not set", "home/none": "account cooling down for 12 s after 429"}


def test_cost_at_most_is_tokens_times_price() -> None:
    """By hand: 17 tokens of 62 bytes, and 1,000 of answer twice, at 2.50 and 10 dollars a million."""
    under = policy("rules: [{name: r, route: {to: large}}]")
    facts = facts_of(under, max_tokens=1000, n=2)
    candidate = plan(under, facts).kept[0]
    prompt = round(facts.asked.body_bytes / 3.6)
    assert candidate.estimated_cost == prompt * 2_500 + 2 * 1000 * 10_000


def test_an_unlimited_answer_costs_as_the_settings_assume() -> None:
    """Up to what the model can answer at all."""
    under = policy("settings: {default_max_output: 2k}\nrules: [{name: r, route: {to: [large, unpriced]}}]")
    large, unpriced = plan(under).kept[0], plan(under).kept[-1]
    assert large.estimated_cost is not None and 20_000_000 < large.estimated_cost < 20_100_000
    assert unpriced.estimated_cost is None


def test_a_cap_of_the_rule_counts_before_the_limits_of_models() -> None:
    """A client that asks for more than a model can say is served where the rule cuts its answer short."""
    under = policy("rules: [{name: r, route: {to: large, set: {max_output: 1k}}}]")
    found = plan(under, facts_of(under, max_tokens=50_000))
    assert names(found) == ["large"]
    assert found.kept[0].estimated_cost is not None and found.kept[0].estimated_cost < 10_100_000
