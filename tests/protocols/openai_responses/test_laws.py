"""Responses under the laws of dialects."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from routebook.chat.answer import ChatAnswer
from routebook.chat.conversation import ChatRequest, Tool
from routebook.chat.events import Finish
from routebook.chat.faults import Fault
from routebook.chat.features import Feature
from routebook.protocols.codec import Sent
from routebook.protocols.openai_responses.dialect import OPENAI_RESPONSES
from routebook.protocols.openai_responses.request import OpenAIResponses
from tests.protocols import laws
from tests.protocols.conversations import ALL_PARTS, ANY_WORDS, chats


def read(sent: Sent) -> ChatRequest:
    """What an upstream that speaks this dialect makes of a request; what is said aloud for its sake is passed over."""
    chat = OpenAIResponses(sent.body).chat
    tools = tuple(replace(tool, strict=None) if isinstance(tool, Tool) else tool for tool in chat.tools)
    return replace(chat, store=None, tools=tools)


SUBJECT = laws.Subject(
    OPENAI_RESPONSES,
    read,
    OpenAIResponses(b'{"model":"m","input":"","stream":true}'),
    owner="openai",
    parts=ALL_PARTS - {"audio", "logprobs"},
    finishes=frozenset({Finish.STOP, Finish.LENGTH, Finish.TOOL_CALLS, Finish.FILTERED}),
    most_choices=1,
    # `strict: false` and `detail: auto` are written where nothing was said: test_request_writing says what they are.
    unlike=frozenset({Feature.TOOLS_STRICT, Feature.IMAGE_DETAIL}),
)

SEALED = frozenset({Feature.REASONING_SAID, Feature.SIGNATURE, Feature.TOOL_CALL, Feature.TOOL_RESULT, Feature.REFUSAL})
CUTS = st.lists(st.integers(0, 10_000), max_size=8)


def event(**data: object) -> bytes:
    """One event of a stream."""
    return f"event: {data.get('type')}\ndata: {json.dumps(data)}\n\n".encode()


ADDED = "response.output_item.added"
DONE = "response.output_item.done"
CALL = {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "f"}
PIECES = st.sampled_from(
    [
        event(type="response.created", response={"id": "r", "model": "m", "created_at": 7.5}),
        event(type=ADDED, output_index=0, item={"type": "message", "id": "msg_1", "content": []}),
        event(type="response.output_text.delta", item_id="msg_1", output_index=0, content_index=0, delta="a"),
        event(type="response.output_text.delta", item_id="msg_1", delta="b", logprobs=[{"token": "b", "logprob": -1}]),
        event(type="response.output_text.done", output_index=0, content_index=0, text="abc", logprobs=[{}, {}]),
        event(type="response.refusal.delta", output_index=0, content_index=1, delta="no"),
        event(type="response.reasoning_summary_text.delta", output_index=1, summary_index=0, delta="hm"),
        event(type="response.reasoning_text.delta", output_index=1, content_index=9999999, delta="hm"),
        event(type=DONE, output_index=1, item={"type": "reasoning", "id": "rs_1", "encrypted_content": "x"}),
        event(type=ADDED, output_index=2, item=CALL),
        event(type="response.function_call_arguments.delta", output_index=2, delta='{"a"'),
        event(type="response.function_call_arguments.delta", item_id="fc_2", delta="{"),
        event(type=DONE, output_index=2, item={**CALL, "arguments": '{"a":1}'}),
        event(type=DONE, output_index=3, item={"type": "web_search_call", "id": "ws_1", "odd": [1]}),
        event(type=DONE, output_index=4, item={"type": "image_generation_call", "result": "AA=="}),
        event(type=DONE, output_index=-1, item={"type": "message", "content": "x"}),
        event(type=DONE, output_index=5, item={"type": 7, "content": [{"type": "odd"}, 7]}),
        event(type="response.output_text.annotation.added", output_index=0, content_index=0, annotation={}),
        event(type="response.output_text.delta", delta="\ud83d"),
        event(type="response.completed", response={"status": "completed", "output": [CALL, 7], "usage": {}}),
        event(type="response.incomplete", response={"incomplete_details": {"reason": "max_output_tokens"}}),
        event(type="response.failed", response={"error": {"message": "m", "code": "rate_limit_exceeded"}}),
        event(type="error", message="m", code="server_error"),
        event(type="keepalive", sequence_number=3),
        event(type="response.completed", response=7),
        b"data: 7\n\n",
        b"data: {\n\n",
        b'data: {"error":"x"}\n\n',
        b"event: error\ndata: {}\n\n",
        b": x\n\n",
        b"data: [DONE]\n\n",
        b"\xff\n\n",
        b"data: ",
    ]
)


@settings(deadline=None)
@given(SUBJECT.exact_chats())
def test_requests_survive(chat: ChatRequest) -> None:
    """What is written to an upstream says what the client said, but for what the losses name."""
    laws.requests_survive(SUBJECT, replace(chat, store=None))


@settings(deadline=None)
@given(SUBJECT.marked_chats())
def test_nothing_is_missing(chat: ChatRequest) -> None:
    """No word of a client is passed over in silence."""
    laws.nothing_is_missing(SUBJECT, chat)


@settings(deadline=None)
@given(SUBJECT.answers())
def test_answers_survive(answer: ChatAnswer) -> None:
    """Whole and streamed, an answer says the same."""
    laws.answers_survive(SUBJECT, answer)


@settings(deadline=None)
@given(st.data(), SUBJECT.answers())
def test_pieces_do_not_matter(data: st.DataObject, answer: ChatAnswer) -> None:
    """A text cut anywhere is the same text."""
    laws.pieces_do_not_matter(SUBJECT, data.draw(laws.in_pieces(answer)), answer)


@settings(deadline=None)
@given(st.lists(PIECES, max_size=8).map(b"".join), CUTS)
def test_cuts_do_not_matter(data: bytes, places: list[int]) -> None:
    """However the network cuts a stream, odd or not, it tells the same."""
    laws.cuts_do_not_matter(lambda: SUBJECT.upstream.reader("seed"), data, places)


@settings(deadline=None)
@given(SUBJECT.answers(), st.integers(1, 10_000))
def test_a_cut_stream_is_not_done(answer: ChatAnswer, short: int) -> None:
    """What ends before the event with the whole answer has been cut."""
    stream = laws.written(SUBJECT, laws.events_of(answer))
    laws.a_cut_stream_is_not_done(SUBJECT, stream, len(stream) - 2 - short % (len(stream) - 2))


@settings(deadline=None)
@given(st.binary(max_size=200) | st.lists(PIECES, max_size=3).map(b"".join))
def test_any_bytes_are_read(data: bytes) -> None:
    """Nothing but ProtocolError ever comes out of a reader."""
    laws.any_bytes_are_read(SUBJECT, data)


WORDS = st.sampled_from(
    ["role", "content", "type", "text", "input", "output", "item", "response", "delta", "output_index", "tools", "name",
     "call_id", "arguments", "summary", "encrypted_content", "error", "usage", "logprobs", "image_url", "file_data",
     "reasoning", "format", "include", "tool_choice", "status", "annotations", "id"]
)  # fmt: skip
TYPES = st.sampled_from(
    ["message", "function_call", "function_call_output", "custom_tool_call", "reasoning", "item_reference", "input_text",
     "input_image", "input_file", "output_text", "refusal", "image_generation_call", "json_schema", "allowed_tools",
     "response.completed", "response.output_item.done", "response.output_text.delta", "error", "user", "assistant"]
)  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | ANY_WORDS | TYPES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=12,
)


@settings(deadline=None)
@given(JSON, WORDS)
def test_any_json_is_read(value: object, field: str) -> None:
    """Nor does any JSON in the dialect's own words surprise them."""
    data = json.dumps(value).encode()
    laws.any_bytes_are_read(SUBJECT, data)
    laws.any_bytes_are_read(SUBJECT, b"data: " + data + b"\n\n")
    laws.any_bytes_are_read(SUBJECT, b'{"model":"m","input":[' + data + b"]}")
    laws.any_bytes_are_read(SUBJECT, b'{"model":"m","input":"a","' + field.encode() + b'":' + data + b"}")


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500, 503, 529])
def test_errors_survive(status: int) -> None:
    """An error in a stream keeps its kind."""
    laws.errors_survive(SUBJECT, Fault(status, "too much", "some_code"))


@settings(deadline=None)
@given(chats(ANY_WORDS, SEALED, "openai-responses", "openai"))
def test_sealed_thoughts_survive(chat: ChatRequest) -> None:
    """Thoughts come back under their own seal, to the letter; the others are reported."""
    laws.requests_survive(SUBJECT, chat)
