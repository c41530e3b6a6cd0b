"""What rules may know of a request: each fact, what it costs, and when it is missing."""

from __future__ import annotations

import json
from typing import Any

import pytest

from routebook.catalogue.callers import Client
from routebook.documents.problems import Location
from routebook.health.measurements import Measurements
from routebook.health.verdicts import Kind, Verdict
from routebook.policy.facts import CostClass
from routebook.protocols.openai_chat.request import read_chat
from routebook.routing.facts import FACTS, GivenFacts, RequestFacts
from routebook.routing.memory import Remembered
from routebook.scoring.shipped import shipped
from tests.support.routes import NOW, facts_of, policy

ALICE = Client("alice", Location("p", 1, 1), team="core", tags=frozenset({"own"}), labels={"tier": "gold"})
WITH_PATTERN = 'patterns: {key: "sk-[a-z0-9]{4,}"}\nrules: [{name: r, route: {to: small}}]'


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("request.operation", "chat"),
        ("request.dialect", "openai-chat"),
        ("request.model", "small"),
        ("request.stream", False),
        ("request.max_output", 50),
        ("request.needs", frozenset({"tools"})),
        ("request.header.X-Env", "prod"),
        ("request.header.x-env", "prod"),
        ("request.header.x-other", None),
        ("request.metadata.job", "j1"),
        ("request.metadata.none", None),
        ("prompt.messages", 1),
        ("prompt.images", 0),
        ("prompt.tools", 1),
        ("prompt.matches.key", True),
        ("prompt.complexity", shipped().score("my key is sk-abc123").complexity),
        ("prompt.task", "short_ask"),
        ("client.name", "alice"),
        ("client.team", "core"),
        ("client.label.tier", "gold"),
        ("client.label.none", None),
        ("tags", frozenset({"own"})),
        ("budget.any.left", None),
        ("budget.any.used[amount]", None),
        ("time.of_day", 36_000),
        ("time.weekday", "fri"),
        ("time.of_day[Europe/Berlin]", 39_600),
        ("time.weekday[Pacific/Kiritimati]", "sat"),
        ("time.date", 739_576),
        ("model.small.available", True),
        ("model.small.first_token", 0.25),
        ("model.large.first_token", None),
        ("model.small.first_audio", 0.5),
        ("model.large.first_audio", None),
        ("model.nobody.available", None),
    ],
)
def test_each_fact(key: str, value: Any) -> None:
    """One request, every fact; the key as it stands in a compiled rule."""
    facts = facts_of(
        policy(WITH_PATTERN),
        ALICE,
        _Headers({"x-env": "prod"}),
        Remembered(first_tokens={"small": 0.25}, first_audios={"small": 0.5}),
        max_tokens=50,
        tools=[{"type": "function"}],
        metadata={"job": "j1"},
        messages=[{"role": "user", "content": "my key is sk-abc123"}],
    )
    assert facts(key) == value
    assert facts.seen == {key: value}


class _Headers(dict[str, str]):
    """Found without regard to case, as HTTP's are."""

    def get(self, name: str, default: Any = None, /) -> Any:
        return super().get(name.lower(), default)


def test_every_row_of_the_table_can_be_asked() -> None:
    """No fact is declared that nobody can find out (budgets where the policy has none of that name)."""
    facts = facts_of(policy(WITH_PATTERN), ALICE)
    missing = {spec.name for spec in FACTS if facts(spec.name.replace("NAME", "small")) is None}
    assert missing == {
        "request.max_output",
        "request.header.NAME",
        "request.form.NAME",
        "request.metadata.NAME",
        "prompt.matches.NAME",
        "client.label.NAME",
        "budget.NAME.left",
        "budget.NAME.used",
        "guard.NAME.found",
        "guard.NAME.verdict",
        "model.NAME.first_token",
        "model.NAME.first_audio",
    }


def test_a_fact_is_found_out_once() -> None:
    """A dear one is not paid for twice, and the answer cannot change within a decision."""
    memory = Measurements()
    facts = facts_of(policy(), memory=memory)
    assert facts("model.small.first_token") is None
    call = memory.begin(("one", "main"), "small", 0.0)
    memory.outcome(call, Verdict(Kind.GOOD, first_byte=0.5), 0.5, 0.0)
    assert memory.first_token("small") == 0.5
    assert facts("model.small.first_token") is None


def test_facts_that_are_given_touch_no_message() -> None:
    """Asking who calls, for what, with which tags, never reads the prompt."""
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "x" * 100_000}]}).encode()
    asked = read_chat(body)
    facts = RequestFacts(asked, ALICE, {}, NOW, policy(), Measurements())
    for spec in FACTS:
        if spec.cost is CostClass.GIVEN and not spec.name.startswith(("prompt.", "time.")):
            facts(spec.name.replace("NAME", "x"))
    facts("prompt.bytes"), facts("prompt.tools")
    assert not asked.was_read


@pytest.mark.parametrize("name", ["authorization", "Authorization", "COOKIE", "x-api-key", "api-key"])
def test_credentials_are_no_facts(name: str) -> None:
    """Whatever a policy asks, a secret cannot reach a rule or a record."""
    facts = facts_of(policy(), headers=_Headers({name.lower(): "secret"}))
    assert facts(f"request.header.{name}") is None


def test_tags_come_from_the_client_the_header_and_the_metadata() -> None:
    """All together, white space and empty ones left out."""
    facts = facts_of(policy(), ALICE, {"x-routebook-tags": " a, b,,a "}, metadata={"tags": "c , own"})
    assert facts("tags") == {"own", "a", "b", "c"}
    assert facts.ignored_tags == ()


def test_tags_that_a_client_may_not_set_are_ignored_and_said() -> None:
    """Its own ones stay; a request cannot free itself from them."""
    client = Client("c", Location("p", 1, 1), tags=frozenset({"phi"}), may_set_tags=frozenset({"batch"}))
    facts = facts_of(policy(), client, {"x-routebook-tags": "batch,admin"})
    assert facts("tags") == {"phi", "batch"}
    assert facts.ignored_tags == ("admin",)


def test_tags_and_texts_are_bounded() -> None:
    """They are recorded: nobody can fill the journal with them."""
    many = ",".join(f"t{number}" for number in range(1000))
    facts = facts_of(policy(), headers={"x-routebook-tags": many + "," + "x" * 300, "x-long": "y" * 300})
    tags = facts("tags")
    assert isinstance(tags, frozenset) and len(tags) == 32
    assert len(facts.ignored_tags) == 32
    assert facts("request.header.x-long") is None


def test_a_model_is_available_while_one_of_its_accounts_is() -> None:
    """All of them must rest before it is not."""
    under = policy()
    rests = {("big", "main"): (5.0, "429")}
    assert facts_of(under, memory=Remembered(rests=rests))("model.large.available") is True
    both = {**rests, ("big", "spare"): (5.0, "429")}
    assert facts_of(under, memory=Remembered(rests=both))("model.large.available") is False


def test_tokens_are_text_frames_tools_and_images() -> None:
    """A request with tools and images is larger than its text."""
    under = policy()
    bare = facts_of(under)("prompt.tokens")
    tools = facts_of(under, tools=[{"type": "function", "function": {"name": "f" * 360}}])("prompt.tokens")
    image = [{"role": "user", "content": [{"type": "text", "text": "hi"}, {"type": "image_url", "image_url": {}}]}]
    assert isinstance(bare, int) and isinstance(tools, int)
    assert bare == 4
    assert 100 <= tools - bare <= 120
    assert facts_of(under, messages=image)("prompt.tokens") == bare + 1000


def test_given_facts_are_what_was_given() -> None:
    """And what was not given is missing; both are remembered as asked."""
    facts = GivenFacts({"tags": frozenset({"a"})})
    assert (facts("tags"), facts("client.team")) == ({"a"}, None)
    assert facts.seen == {"tags": {"a"}, "client.team": None}
