"""Messages requests: what routing sees of them, and the smallest edit that sends them on."""

from __future__ import annotations

import json
from typing import Any

import pytest

from routebook.protocols.anthropic.request import AnthropicCount, AnthropicMessages, edited, read_messages
from routebook.protocols.errors import ProtocolError
from routebook.routing.outcomes import Caps


def asked(version: str | None = None, **fields: Any) -> AnthropicMessages:
    """A request with these fields beside those that it must have."""
    body = {"model": "m", "max_tokens": 100, "messages": [{"role": "user", "content": "hi"}], **fields}
    return read_messages(json.dumps(body).encode(), version=version)


def changed(request: AnthropicMessages, **caps: Any) -> dict[str, Any]:
    """The fields that caps set or change."""
    sent = json.loads(edited(request, "m", True, Caps(**caps)))
    before = json.loads(request.body)
    return {key: value for key, value in sent.items() if before.get(key) != value}


def test_what_routing_asks_is_answered() -> None:
    """Counts, needs and texts, over system prompts, tools and results of tools."""
    image = {"type": "image", "source": {"type": "url", "url": "https://x.test/a.png"}}
    request = asked(
        stream=True,
        system="Be brief.",
        tools=[{"name": "f", "description": "abc", "input_schema": {"type": "object"}}],
        metadata={"user_id": "u1"},
        container="container_1",
        messages=[
            {"role": "user", "content": [{"type": "text", "text": "look"}, image]},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "f", "input": {}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a", "content": [image]}]},
        ],
    )
    assert (request.operation, request.dialect, request.model, request.stream) == ("chat", "anthropic", "m", True)
    assert (request.max_output, request.choices, request.messages, request.images, request.tools) == (100, 1, 4, 2, 1)
    assert (request.user, request.session) == ("u1", "container_1")
    assert request.needs == {"vision", "tools"}
    assert request.text == "Be brief.\nlook\n{}"
    assert request.opening == b"Be brief.\nlook\n"
    assert bytes(request.prompt).startswith(b'[{"role": "user"')
    assert request.tool_bytes > 6


@pytest.mark.parametrize(
    ("thinking", "needs"),
    [
        ({"type": "adaptive"}, {"reasoning"}),
        ({"type": "enabled", "budget_tokens": 1024}, {"reasoning"}),
        ({"type": "disabled"}, set()),
    ],
)
def test_only_thinking_needs_a_model_that_thinks(thinking: dict[str, Any], needs: set[str]) -> None:
    """To be asked not to think is no need."""
    assert asked(thinking=thinking).needs == needs


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b'{"model":"m","messages":[]}', "max_tokens"),
        (b'{"model":"m","messages":[],"max_tokens":null}', "max_tokens"),
        (b'{"model":"m","max_tokens":9}', "messages"),
        (b'{"model":"m","messages":"a","max_tokens":9}', "messages"),
        (b'{"messages":[],"max_tokens":9}', "model"),
        (b'{"model":"m","messages":[],"max_tokens":9,"stream":1}', "stream"),
        (b"{", None),
    ],
)
def test_what_every_request_must_have(body: bytes, param: str | None) -> None:
    """The most tokens of the answer among it; the fault names the field."""
    with pytest.raises(ProtocolError) as caught:
        read_messages(body)
    assert (caught.value.status, caught.value.param) == (400, param)


def test_to_count_needs_no_most_tokens() -> None:
    """It asks for no answer."""
    counting = AnthropicCount(b'{"model":"m","messages":[]}')
    assert (counting.operation, counting.max_output, counting.stream) == ("count_tokens", None, False)
    assert edited(counting, "m", True, Caps(max_output=5, temperature=0.5)) is counting.body
    assert edited(counting, "up", True) == b'{"model":"up","messages":[]}'


def test_the_smallest_edit_keeps_every_other_byte() -> None:
    """Unknown fields, numbers as they were written, the order of keys."""
    body = b'{"x":1.50,"model":"m","messages":[{"role":"user","content":"\\u00e9"}],"max_tokens":9,"stream":true}'
    request = read_messages(body)
    assert edited(request, "m", True, Caps()) is body
    assert edited(request, "up", True) == body.replace(b'"m"', b'"up"')


def test_an_answer_is_capped_and_its_thoughts_with_it() -> None:
    """A budget stays below the most tokens, and where none fits nothing is thought."""
    assert changed(asked(max_tokens=9), max_output=10) == {}
    assert changed(asked(max_tokens=11), max_output=10) == {"max_tokens": 10}
    thinking = {"type": "enabled", "budget_tokens": 4000, "display": "omitted"}
    assert changed(asked(max_tokens=9000, thinking=thinking), max_output=5000) == {"max_tokens": 5000}
    assert changed(asked(max_tokens=9000, thinking=thinking), max_output=3000) == {
        "max_tokens": 3000,
        "thinking": {"type": "enabled", "budget_tokens": 2999, "display": "omitted"},
    }
    assert changed(asked(max_tokens=9000, thinking=thinking), max_output=1024) == {
        "max_tokens": 1024,
        "thinking": {"type": "disabled"},
    }


def test_a_temperature_is_set_where_it_can_be() -> None:
    """Not where the client set one, thinks, or speaks the version that has none."""
    assert changed(asked(), temperature=0.5) == {"temperature": 0.5}
    assert changed(asked(version="2023-06-01"), temperature=0.5) == {"temperature": 0.5}
    assert changed(asked(thinking={"type": "disabled"}), temperature=0.5) == {"temperature": 0.5}
    assert changed(asked(temperature=1), temperature=0.5) == {}
    assert changed(asked(thinking={"type": "adaptive"}), temperature=0.5) == {}
    assert changed(asked(version="2026-10-21"), temperature=0.5) == {}


def test_an_effort_is_set_where_the_client_leaves_it_open() -> None:
    """Beside what else is asked of the output."""
    format = {"type": "json_schema", "schema": {"type": "object"}}
    assert changed(asked(output_config={"format": format}), reasoning_effort="high") == {
        "thinking": {"type": "adaptive"},
        "output_config": {"format": format, "effort": "high"},
    }
    assert changed(asked(), reasoning_effort="minimal")["output_config"] == {"effort": "low"}
    assert changed(asked(), reasoning_effort="none") == {"thinking": {"type": "disabled"}}
    assert changed(asked(thinking={"type": "disabled"}), reasoning_effort="high") == {}
    assert changed(asked(output_config={"effort": "low"}), reasoning_effort="high") == {}


def test_thoughts_that_nobody_signed_do_not_reach_the_vendor() -> None:
    """A model of another dialect had them, in the same conversation: the API refuses them. All else stays as it is."""
    text, call = {"type": "text", "text": "so"}, {"type": "tool_use", "id": "a", "name": "f", "input": {"x": 1.50}}
    signed = {"type": "thinking", "thinking": "hm", "signature": "s"}
    unsigned = [{"type": "thinking", "thinking": "hm", "signature": ""}, {"type": "thinking", "thinking": "hm"}]
    messages = [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": [*unsigned, signed, text, call], "next_years": 1},
        {"role": "assistant", "content": unsigned},
    ]
    sent = json.loads(edited(asked(messages=messages), "m", True))["messages"]
    assert sent == [messages[0], {**messages[1], "content": [signed, text, call]}, messages[2]]
    for content in ([signed, text], "thinking", ["thinking"], [{"type": "thinking", "thinking": 1, "signature": 7}]):
        request = asked(messages=[{"role": "assistant", "content": content}], thinking={"type": "adaptive"})
        assert edited(request, "m", True) is request.body
