"""What routing learns of a chat request, and what it costs to learn it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from routebook.protocols.errors import ProtocolError, Side
from routebook.protocols.openai_chat.request import OpenAIChat, read_chat

IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}


def body(**fields: Any) -> bytes:
    """A request that any upstream would take, with fields added or replaced."""
    return json.dumps({"model": "m", "messages": [{"role": "user", "content": "hi"}], **fields}).encode()


def chat(**fields: Any) -> OpenAIChat:
    """The request read."""
    return read_chat(body(**fields))


def test_the_simplest_request() -> None:
    """What a request does not say has the value that the vendor documents, or is missing."""
    asked = chat()
    assert (asked.operation, asked.dialect, asked.model, asked.stream) == ("chat", "openai-chat", "m", False)
    assert (asked.max_output, asked.user, asked.metadata, asked.choices) == (None, None, {}, 1)
    assert (asked.messages, asked.images, asked.tools, asked.needs, asked.text) == (1, 0, 0, frozenset(), "hi")
    assert asked.body_bytes == len(body())
    assert not asked.wants_usage


def test_reading_looks_into_no_message_until_somebody_asks() -> None:
    """A long prompt costs one pass; its messages are read for the first question about them."""
    asked = chat()
    assert not asked.was_read
    assert asked.needs == frozenset()
    assert not asked.was_read
    assert asked.messages == 1
    assert asked.was_read


@pytest.mark.parametrize(
    ("fields", "needs"),
    [
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, {"tools"}),
        ({"functions": [{"name": "f"}]}, {"tools"}),
        ({"tools": []}, set()),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}, IMAGE]}]}, {"vision"}),
        ({"messages": [{"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]}]}, {"audio_in"}),
        ({"messages": [{"role": "user", "content": [{"type": "file", "file": {"file_id": "f"}}]}]}, {"documents"}),
        ({"response_format": {"type": "json_schema", "json_schema": {}}}, {"json_schema"}),
        ({"response_format": {"type": "json_object"}}, set()),
        ({"modalities": ["text", "audio"]}, {"audio_out"}),
        ({"logprobs": True}, {"logprobs"}),
        ({"logprobs": False}, set()),
        ({"reasoning_effort": "high"}, {"reasoning"}),
        ({"reasoning_effort": "none"}, set()),
        ({"reasoning_effort": None, "tools": None, "modalities": None}, set()),
    ],
)
def test_what_a_request_cannot_do_without(fields: dict[str, Any], needs: set[str]) -> None:
    """Each capability is needed for what asks for it, and for nothing else."""
    assert chat(**fields).needs == needs


def test_parts_are_found_however_the_json_is_spaced_or_escaped() -> None:
    """A client cannot hide an image by white space, or by escaping the names of keys."""
    spaced = b'{"model":"m","messages":[{"content"\n:\n[{"type":"image_url"}]}]}'
    escaped = b'{"model":"m","messages":[{"c\\u006fntent":[{"t\\u0079pe":"image\\u005furl"}]}]}'
    assert read_chat(spaced).needs == {"vision"}
    assert read_chat(escaped).needs == {"vision"}
    assert read_chat(escaped).images == 1


def test_brackets_in_a_text_are_no_parts() -> None:
    """A prompt full of code asks for no capability."""
    asked = chat(messages=[{"role": "user", "content": "a[0] = [1, 2]; x = {'k': [3]}" * 40}])
    assert asked.needs == frozenset()
    assert asked.images == 0


def test_all_text_of_a_conversation_is_there_for_patterns() -> None:
    """System prompts, parts, refusals, results and arguments of tools: whatever a model would read."""
    asked = chat(
        messages=[
            {"role": "system", "content": "be brief"},
            {"role": "user", "content": [{"type": "text", "text": "look"}, IMAGE]},
            {"role": "assistant", "content": None, "tool_calls": [{"function": {"name": "f", "arguments": '{"a":1}'}}]},
            {"role": "tool", "content": "found"},
            {"role": "assistant", "content": [{"type": "refusal", "refusal": "no"}]},
        ]
    )
    assert asked.text == 'be brief\nlook\n{"a":1}\nfound\nno'
    assert (asked.messages, asked.images) == (5, 1)


@pytest.mark.parametrize(
    ("fields", "most"),
    [
        ({"max_tokens": 5}, 5),
        ({"max_completion_tokens": 7}, 7),
        ({"max_tokens": 5, "max_completion_tokens": 7}, 7),
        ({"max_tokens": 9, "max_completion_tokens": 7}, 9),
        ({"max_tokens": None}, None),
        ({"max_tokens": 0}, 0),
    ],
)
def test_the_longest_answer_is_the_larger_of_the_two_fields(fields: dict[str, Any], most: int | None) -> None:
    """A cost at most is counted with what an upstream might take, whichever field it reads."""
    assert chat(**fields).max_output == most


def test_metadata_user_and_stream_options() -> None:
    """Texts of the metadata are kept; other values are not made up into texts."""
    asked = chat(
        metadata={"a": "b", "n": 1, "x": None},
        user="u",
        safety_identifier="s",
        stream=True,
        stream_options={"include_usage": True},
    )
    assert asked.metadata == {"a": "b"}
    assert asked.user == "s"
    assert asked.stream and asked.wants_usage


@pytest.mark.parametrize(
    ("raw", "param"),
    [
        (b"", None),
        (b"{", None),
        (b"[]", None),
        (b"null", None),
        (b"\xff", None),
        (b'{"model":"m"}', "messages"),
        (b'{"messages":[]}', "model"),
        (b'{"model":"","messages":[]}', "model"),
        (b'{"model":1,"messages":[]}', "model"),
        (b'{"model":null,"messages":[]}', "model"),
        (b'{"model":"m","messages":{}}', "messages"),
        (b'{"model":"m","messages":null}', "messages"),
        (b'{"model":"\xff","messages":[]}', None),
        (b'{"model":"\\ud800","messages":[]}', None),
        (b'{"model":"m","messages":[],"stream":"yes"}', "stream"),
        (b'{"model":"' + b"m" * 257 + b'","messages":[]}', "model"),
        (b'\xef\xbb\xbf{"model":"m","messages":[]}', None),
        (b'{"model":"m","messages":' + b"[" * 100_000 + b"]" * 100_000 + b"}", None),
        (b'{"model":"m","messages":[]} {"model":"n"}', None),
    ],
)
def test_what_is_no_request_is_refused_with_the_field_at_fault(raw: bytes, param: str | None) -> None:
    """Nothing but ProtocolError leaves the reader, on the client's side, without a word of the body."""
    with pytest.raises(ProtocolError) as caught:
        read_chat(raw)
    assert caught.value.side is Side.CLIENT
    assert caught.value.status == 400
    if param is not None:
        assert caught.value.param == param


@pytest.mark.parametrize(
    ("fields", "attribute", "param"),
    [
        ({"messages": [1]}, "messages", "messages[0]"),
        ({"messages": [{"content": 5}]}, "text", "messages[0].content"),
        ({"messages": [{"content": "a"}, {"content": [{"text": 5}]}]}, "text", "messages[1].content[0].text"),
        ({"max_tokens": -1}, "max_output", "max_tokens"),
        ({"max_tokens": 1.5}, "max_output", "max_tokens"),
        ({"max_tokens": 10**30}, "max_output", "max_tokens"),
        ({"n": "two"}, "choices", "n"),
        ({"tools": {}}, "needs", "tools"),
        ({"modalities": [1]}, "needs", "modalities[0]"),
        ({"metadata": "x"}, "metadata", "metadata"),
        ({"user": 5}, "user", "user"),
        ({"stream_options": {"include_usage": "yes"}}, "wants_usage", "include_usage"),
    ],
)
def test_a_field_is_judged_when_it_is_asked_for(fields: dict[str, Any], attribute: str, param: str) -> None:
    """A fault in a field is told with its place, and only where somebody needs the field."""
    asked = chat(**fields)
    with pytest.raises(ProtocolError) as caught:
        getattr(asked, attribute)
    assert caught.value.param == param


def test_no_error_quotes_what_the_client_sent() -> None:
    """Errors are logged; a prompt must not be."""
    with pytest.raises(ProtocolError) as caught:
        _ = chat(messages=[{"content": {"secret": "hunter2"}}]).text
    assert "hunter2" not in repr(caught.value)


@pytest.mark.parametrize(
    ("messages", "opening"),
    [
        ([], b""),
        ([{"role": "user", "content": "hi"}], b'"hi"'),
        (
            [{"role": "system", "content": "a"}, {"role": "developer"}, {"role": "user", "content": "hi"}],
            b'"a"null"hi"',
        ),
        ([{"role": "system", "content": "a"}, {"role": "assistant", "content": "b"}], b'"a"'),
        ([{"role": 7, "content": "a"}, {"role": "user", "content": [1]}], b'"a"[1]'),
    ],
)
def test_a_conversation_opens_with_everything_to_the_first_words_of_its_user(
    messages: list[dict[str, object]], opening: bytes
) -> None:
    """What follows changes with every turn, what stands before may be the same in all conversations."""
    later = [{"role": "assistant", "content": "c"}, {"role": "user", "content": "d"}]
    for more in ([], later if any(each["role"] == "user" for each in messages) else []):
        body = json.dumps({"model": "m", "messages": [*messages, *more]}, separators=(",", ":"))
        assert read_chat(body.encode()).opening == opening


def test_a_client_may_say_what_shares_a_prompt_cache() -> None:
    """That is the name of a conversation; most clients give none."""
    said = b'{"model":"m","messages":[],"prompt_cache_key":"k"}'
    assert read_chat(said).session == "k" and read_chat(b'{"model":"m","messages":[]}').session is None
