"""Laws: any bytes give a request or ProtocolError, nothing else; an edit loses nothing that the client sent."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from routebook.catalogue.callers import ANONYMOUS
from routebook.protocols.errors import ProtocolError, Side
from routebook.protocols.openai_chat.embeddings import read_embeddings
from routebook.protocols.openai_chat.request import edited, read_chat
from routebook.routing.demand import LiveDemand
from routebook.routing.fact_table import FACTS
from routebook.routing.facts import RequestFacts
from routebook.routing.memory import BLANK
from routebook.routing.outcomes import Caps, Route
from routebook.routing.planning import Planner
from tests.support.routes import NOW, policy

UNDER = policy("patterns: {p: 'a+'}\nrules: [{name: all, route: {to: [requested, everything], pick: cheapest}}]")
PLANNER = Planner(UNDER)

TEXTS = st.text(max_size=8) | st.sampled_from(["model", "messages", "content", "image_url", "text", "\U0001f600"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
PARTS = st.fixed_dictionaries(
    {},
    optional={
        "type": JSON | st.sampled_from(["text", "image_url", "input_audio", "file", "refusal"]),
        "text": JSON,
        "refusal": JSON,
        "image_url": JSON,
    },
)
MESSAGES = st.lists(
    st.fixed_dictionaries(
        {}, optional={"role": JSON, "content": JSON | st.lists(PARTS, max_size=3), "tool_calls": JSON, "x": JSON}
    )
    | JSON,
    max_size=3,
)
FIELDS = st.fixed_dictionaries(
    {"model": JSON | st.just("small"), "messages": JSON | MESSAGES},
    optional={
        name: JSON
        for name in (
            "stream",
            "stream_options",
            "max_tokens",
            "max_completion_tokens",
            "n",
            "tools",
            "functions",
            "response_format",
            "modalities",
            "logprobs",
            "reasoning_effort",
            "metadata",
            "user",
            "safety_identifier",
            "temperature",
            "input",
            "unknown",
        )
    },
)
SOUND = st.fixed_dictionaries(
    {
        "model": st.sampled_from(["small", "large"]),
        "messages": st.lists(
            st.fixed_dictionaries({"role": st.just("user"), "content": st.text(max_size=20)}), max_size=3
        ),
    },
    optional={
        "stream": st.booleans(),
        "stream_options": st.none() | st.fixed_dictionaries({}, optional={"x": JSON}),
        "max_tokens": st.none() | st.integers(0, 10_000),
        "temperature": st.none() | st.floats(0, 2),
        "anything": JSON,
        "more": JSON,
    },
)


def walk_through(body: bytes) -> None:
    """Everything that an exchange asks of a request, and then some."""
    for read in (read_chat, read_embeddings):
        try:
            asked = read(body)
            facts = RequestFacts(asked, ANONYMOUS, {}, NOW, UNDER, BLANK)
            for spec in FACTS:
                facts(spec.name.replace("NAME", "p"))
            rule = UNDER.tree.decide(facts).rule
            assert rule is not None and isinstance(rule.outcome, Route)
            PLANNER.plan(rule.outcome, rule.name, LiveDemand(facts), facts, ANONYMOUS, BLANK, at=0.0, draw=0.5)
            _ = asked.user, asked.opening, asked.was_read, asked.text
            if read is read_chat:
                edited(read_chat(body), "other", True, Caps(max_output=5))
        except ProtocolError as error:
            assert error.side is Side.CLIENT
            assert error.status == 400


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes(body: bytes) -> None:
    """Noise is refused as such."""
    walk_through(body)


@settings(deadline=None)
@given(FIELDS, st.sampled_from([(",", ":"), (", ", ": "), (" , ", "\t:\n")]), st.booleans())
def test_any_json_in_any_field(fields: dict[str, Any], spacing: tuple[str, str], escaped: bool) -> None:
    """Fields of every wrong type, in every depth."""
    text = json.dumps(fields, separators=spacing, ensure_ascii=escaped)
    walk_through(text.encode("utf-8", "surrogatepass"))


@settings(deadline=None)
@given(FIELDS, st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=4))
def test_requests_with_bytes_changed(fields: dict[str, Any], changes: list[tuple[int, int]]) -> None:
    """Almost right is the hardest kind of wrong."""
    body = bytearray(json.dumps(fields).encode())
    for place, byte in changes:
        body[place % len(body)] = byte
    walk_through(bytes(body))


@settings(deadline=None)
@given(SOUND, st.sampled_from([(",", ":"), (", ", ": ")]), st.booleans())
def test_nothing_that_the_client_sent_is_missing_upstream(
    fields: dict[str, Any], spacing: tuple[str, str], ask_usage: bool
) -> None:
    """Law 9: but for the model's name and the wish for usage, what arrives is what was sent, in the same order."""
    body = json.dumps(fields, separators=spacing).encode()
    sent = json.loads(edited(read_chat(body), "upstream-name", ask_usage))
    expected = {**fields, "model": "upstream-name"}
    if ask_usage and fields.get("stream") is True:
        expected["stream_options"] = {**(fields.get("stream_options") or {}), "include_usage": True}
    assert sent == expected
    assert list(sent) == list(expected)


@settings(deadline=None)
@given(SOUND, st.sampled_from([(",", ":"), (", ", ": "), (" ,\n", " : ")]), st.integers(0, 5), st.integers(0, 5))
def test_a_repeated_key_never_reaches_an_upstream(
    fields: dict[str, Any], spacing: tuple[str, str], which: int, where: int
) -> None:
    """Wherever a field stands a second time, and however it is spaced."""
    comma, colon = spacing
    members = [json.dumps(key) + colon + json.dumps(value) for key, value in fields.items()]
    again = list(fields)[which % len(fields)]
    members.insert(where % (len(members) + 1), json.dumps(again) + colon + json.dumps(fields[again]))
    body = ("{" + comma.join(members) + "}").encode()
    pairs = json.loads(edited(read_chat(body), fields["model"], ask_usage=False), object_pairs_hook=list)
    assert len(pairs) == len(fields)
