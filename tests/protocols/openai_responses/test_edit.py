"""What is changed in a request that goes to an upstream of the same dialect: as little as can be."""

from __future__ import annotations

import json
from typing import Any

import pytest

from routebook.protocols.errors import ProtocolError
from routebook.protocols.openai_responses.request import OpenAIResponses, edited, read_count_request
from routebook.routing.outcomes import Caps


def asked(**fields: Any) -> OpenAIResponses:
    """A request with these fields."""
    return OpenAIResponses(json.dumps({"model": "m", "input": "a", **fields}).encode())


def sent(request: OpenAIResponses, caps: Caps | None = None) -> dict[str, Any]:
    """What an upstream is sent."""
    body: dict[str, Any] = json.loads(edited(request, "up", True, caps))
    return body


def test_nothing_changes_that_need_not() -> None:
    """Unknown fields and their white space go through."""
    request = asked(next_years_field={"a": [1, 2.50]})
    assert edited(request, "m", True, Caps()) is request.body
    assert sent(request) == {**json.loads(request.body), "model": "up"}


def test_caps_are_set_where_they_say_more_than_the_client() -> None:
    """The least of both for a limit, the client's word for a default."""
    caps = Caps(max_output=10, temperature=0.5, reasoning_effort="low")
    plain = sent(asked(reasoning={"summary": "auto"}), caps)
    assert (plain["max_output_tokens"], plain["temperature"]) == (10, 0.5)
    assert plain["reasoning"] == {"summary": "auto", "effort": "low"}
    given = {"max_output_tokens": 5, "temperature": 0.1, "reasoning": {"effort": "high"}}
    said = sent(asked(**given), caps)
    assert {name: said[name] for name in given} == given


def test_what_was_made_here_does_not_reach_a_provider() -> None:
    """After a switch of models: seals that it cannot open, ids that it never gave. All else stays as it is."""
    known = [
        {"role": "user", "content": "a"},
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "x"},
        {"type": "function_call_output", "call_id": "c_rb_", "output": "rs_rb_ is a word"},
    ]
    made = [
        {"type": "reasoning", "id": "rs_rb_01J_0", "summary": [], "encrypted_content": "routebook:anthropic:x"},
        {"type": "reasoning", "id": "rs_rb_01J_1", "summary": [{"type": "summary_text", "text": "a"}]},
        {"type": "reasoning", "id": "rs_rb_01J_1", "summary": [], "encrypted_content": "a provider's own"},
        {"type": "message", "id": "msg_rb_01J_2", "role": "assistant", "content": []},
        {"type": "function_call", "id": "fc_rb_01J_3", "call_id": "c1", "name": "f", "arguments": "{}"},
    ]
    assert sent(asked(input=[*known, *made]))["input"] == [
        *known,
        {"type": "reasoning", "summary": [], "encrypted_content": "a provider's own"},
        {"type": "message", "role": "assistant", "content": []},
        {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
    ]


@pytest.mark.parametrize("given", ["_rb_", [{"role": "user", "content": "_rb_"}], ["_rb_"]])
def test_a_word_that_looks_like_an_id_changes_nothing(given: Any) -> None:
    """Nor does an input that only the upstream can complain about."""
    request = asked(input=given)
    assert edited(request, "m", True) is request.body


def test_a_request_to_count_is_only_renamed() -> None:
    """It has no answer that a cap could be set on."""
    request = read_count_request(b'{"model":"m","input":"a"}')
    assert request.operation == "count_tokens"
    assert edited(request, "m", True, Caps(max_output=3)) is request.body
    assert read_count_request(b'{"model":"m"}').chat.messages == ()


@pytest.mark.parametrize(
    ("fields", "session"),
    [
        ({}, None),
        ({"prompt_cache_key": "k"}, "k"),
        ({"conversation": "conv_1", "prompt_cache_key": "k"}, "conv_1"),
        ({"conversation": {"id": "conv_1"}}, "conv_1"),
        ({"previous_response_id": "resp_1", "prompt_cache_key": "k"}, "resp_1"),
    ],
)
def test_what_a_conversation_is_known_by(fields: dict[str, Any], session: str | None) -> None:
    """State that a provider keeps is with that provider: affinity is part of being right."""
    assert asked(**fields).session == session


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b"{}", "model"),
        (b'{"model":"m"}', "input"),
        (b'{"model":"m","input":null}', "input"),
        (b'{"model":"m","input":{}}', "input"),
    ],
)
def test_what_is_no_request(body: bytes, param: str) -> None:
    """The envelope is read at once."""
    with pytest.raises(ProtocolError) as caught:
        OpenAIResponses(body)
    assert caught.value.param == param


def test_a_state_stands_for_the_input() -> None:
    """The provider has it."""
    assert OpenAIResponses(b'{"model":"m","previous_response_id":"resp_1"}').chat.messages == ()


def test_what_routing_asks() -> None:
    """Sizes, needs and the words of the prompt."""
    request = asked(
        instructions="Be brief.",
        input=[{"role": "user", "content": [{"type": "input_image", "image_url": "https://x.test/i"}]}],
        tools=[{"type": "function", "name": "f", "parameters": {}}],
        max_output_tokens=7,
        user="u",
        metadata={"a": "b"},
    )
    assert (request.messages, request.images, request.tools, request.max_output) == (2, 1, 1, 7)
    assert request.needs == {"vision", "tools"}
    assert (request.text, request.user, request.metadata, request.choices) == ("Be brief.", "u", {"a": "b"}, 1)
