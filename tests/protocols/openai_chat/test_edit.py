"""The smallest edit: what an upstream gets is what the client sent, but for what had to change."""

from __future__ import annotations

import json

import pytest

from routebook.protocols.openai_chat.embeddings import edited_embeddings, read_embeddings
from routebook.protocols.openai_chat.request import edited, read_chat
from routebook.routing.outcomes import Caps

PLAIN = b'{"model":"m","messages":[{"role":"user","content":"hi"}],"seed":18446744073709551617}'


def test_nothing_to_change_gives_the_very_bytes_back() -> None:
    """White space, order and numbers that no parser would keep: the client's own bytes."""
    for body in (PLAIN, b' {\n "messages" : [ ],  "model" : "m" , "x": 1e400 } \n'):
        assert edited(read_chat(body), "m", ask_usage=True) is body


def test_another_name_changes_that_name_alone() -> None:
    """Unknown fields, their order, and the bytes of every value survive."""
    body = b'{"z": [1,  2.50],"model":"m","messages":[{"role":"user","content":"\\u00e9"}],"big":1e400,"zz":{"a" : 1}}'
    assert edited(read_chat(body), "gpt", ask_usage=False) == (
        b'{"z":[1,  2.50],"model":"gpt","messages":[{"role":"user","content":"\\u00e9"}],"big":1e400,"zz":{"a" : 1}}'
    )


def test_a_stream_is_asked_for_its_usage_unless_it_was_already() -> None:
    """The client's other stream options stay; a vendor that takes none is not asked."""

    def asked(options: str) -> bytes:
        return b'{"model":"m","messages":[],"stream":true' + options.encode() + b"}"

    added = json.loads(edited(read_chat(asked("")), "m", ask_usage=True))
    assert added["stream_options"] == {"include_usage": True}
    kept = json.loads(edited(read_chat(asked(',"stream_options":{"x":1,"include_usage":false}')), "m", ask_usage=True))
    assert kept["stream_options"] == {"x": 1, "include_usage": True}
    already = asked(',"stream_options":{"include_usage":true}')
    assert edited(read_chat(already), "m", ask_usage=True) is already
    assert edited(read_chat(asked("")), "m", ask_usage=False) == asked("")


@pytest.mark.parametrize(
    "body",
    [
        b'{"model":"cheap","messages":[],"model":"dear"}',
        b'{"model":"dear","messages":[{"content":"a"}],"messages":[]}',
        b'{"m\\u006fdel":"cheap","messages":[],"model":"dear"}',
        b'{"model":"dear","messages":[],"max_tokens":1,"max_tokens":99999}',
        b'{ "model" : "dear" , "model" : "dear" , "messages" : [] }',
        b'{"messages":[],"x":0,"x":1,"model":"dear"}',
    ],
)
def test_a_key_that_stands_twice_is_sent_once_with_the_value_that_was_decided_on(body: bytes) -> None:
    """No upstream can be made to read another model, or another limit, than the decision saw."""
    asked = read_chat(body)
    sent = edited(asked, "dear", ask_usage=False)
    pairs = json.loads(sent, object_pairs_hook=list)
    names = [name for name, _ in pairs]
    assert len(names) == len(set(names))
    assert dict(pairs) == json.loads(body)
    assert asked.model == "dear" == dict(pairs)["model"]


def test_caps_bound_the_answer_in_the_field_the_client_uses() -> None:
    """A cap lowers what is higher and stands where nothing is said; it never raises."""
    caps = Caps(max_output=100)
    assert json.loads(edited(read_chat(PLAIN), "m", False, caps))["max_completion_tokens"] == 100
    old = read_chat(b'{"model":"m","messages":[],"max_tokens":500}')
    assert json.loads(edited(old, "m", False, caps)) == {"model": "m", "messages": [], "max_tokens": 100}
    both = read_chat(b'{"model":"m","messages":[],"max_tokens":50,"max_completion_tokens":500}')
    assert json.loads(edited(both, "m", False, caps))["max_completion_tokens"] == 100
    assert json.loads(edited(both, "m", False, caps))["max_tokens"] == 50
    low = b'{"model":"m","messages":[],"max_tokens":0}'
    assert edited(read_chat(low), "m", False, caps) is low


def test_defaults_fill_what_the_client_leaves_open() -> None:
    """Temperature and effort of a rule do not overrule what the client says."""
    caps = Caps(temperature=0.2, reasoning_effort="low")
    filled = json.loads(edited(read_chat(PLAIN), "m", False, caps))
    assert (filled["temperature"], filled["reasoning_effort"]) == (0.2, "low")
    said = b'{"model":"m","messages":[],"temperature":1,"reasoning_effort":"high"}'
    assert edited(read_chat(said), "m", False, caps) is said


def test_an_embeddings_request_changes_its_model_alone() -> None:
    """The same for vectors."""
    body = b'{"input": ["a", "b"],"model":"m","encoding_format":"base64"}'
    assert edited_embeddings(read_embeddings(body), "m") is body
    assert edited_embeddings(read_embeddings(body), "e3") == (
        b'{"input":["a", "b"],"model":"e3","encoding_format":"base64"}'
    )
