"""Responses as a subject of the laws of dialects."""

from __future__ import annotations

import json

from hypothesis import strategies as st
from msgspec.structs import replace

from routebook.chat.conversation import ChatRequest, Tool
from routebook.chat.events import Finish
from routebook.chat.features import Feature
from routebook.protocols.codec import Sent
from routebook.protocols.openai_responses.dialect import OPENAI_RESPONSES
from routebook.protocols.openai_responses.request import OpenAIResponses
from tests.protocols import laws
from tests.protocols.conversations import ALL_PARTS


def read(sent: Sent) -> ChatRequest:
    """What an upstream that speaks this dialect makes of a request; what is said aloud for its sake is passed over."""
    chat = OpenAIResponses(sent.body).chat
    tools = tuple(replace(tool, strict=None) if isinstance(tool, Tool) else tool for tool in chat.tools)
    return replace(chat, store=None, tools=tools)


class Subject(laws.Subject):
    """Requests of this dialect are always written with a word on whether they are kept."""

    def exact_chats(self) -> st.SearchStrategy[ChatRequest]:
        """Requests that say nothing of it."""
        return super().exact_chats().map(lambda chat: replace(chat, store=None))


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
WORDS = [
    "role", "content", "type", "text", "input", "output", "item", "response", "delta", "output_index", "tools", "name",
    "call_id", "arguments", "summary", "encrypted_content", "error", "usage", "logprobs", "image_url", "file_data",
    "reasoning", "format", "include", "tool_choice", "status", "annotations", "id",
]  # fmt: skip
TYPES = st.sampled_from(
    ["message", "function_call", "function_call_output", "custom_tool_call", "reasoning", "item_reference", "input_text",
     "input_image", "input_file", "output_text", "refusal", "image_generation_call", "json_schema", "allowed_tools",
     "response.completed", "response.output_item.done", "response.output_text.delta", "error", "user", "assistant"]
)  # fmt: skip

SUBJECT = Subject(
    OPENAI_RESPONSES,
    read,
    OpenAIResponses(b'{"model":"m","input":"","stream":true}'),
    owner="openai",
    parts=ALL_PARTS - {"audio", "logprobs"},
    finishes=frozenset({Finish.STOP, Finish.LENGTH, Finish.TOOL_CALLS, Finish.FILTERED}),
    most_choices=1,
    # `strict: false` and `detail: auto` are written where nothing was said: test_request_writing says what they are.
    unlike=frozenset({Feature.TOOLS_STRICT, Feature.IMAGE_DETAIL}),
    odd_streams=st.lists(PIECES, max_size=8).map(b"".join),
    odd_bodies=laws.in_words(
        WORDS, [b"%b", b"data: %b\n\n", b'{"model":"m","input":[%b]}', b'{"model":"m","input":"a","%k":%b}'], TYPES
    ),
)
