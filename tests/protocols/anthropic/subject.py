"""Messages as a subject of the laws of dialects."""

from __future__ import annotations

import dataclasses
import json

from hypothesis import strategies as st
from msgspec.structs import replace

from routebook.chat.answer import ChatAnswer
from routebook.chat.conversation import ChatRequest
from routebook.chat.events import Finish
from routebook.chat.features import Feature
from routebook.protocols.anthropic.dialect import ANTHROPIC
from routebook.protocols.anthropic.request import AnthropicMessages
from routebook.protocols.carrying import Target
from routebook.protocols.codec import Sent
from tests.protocols import laws


def read(sent: Sent) -> ChatRequest:
    """What an upstream that speaks this dialect makes of a request."""
    return AnthropicMessages(sent.body).chat


class Subject(laws.Subject):
    """Answers of this dialect do not say when they were made."""

    def answers(self) -> st.SearchStrategy[ChatAnswer]:
        """Answers that it can say."""
        return super().answers().map(lambda answer: replace(answer, created=None))


def sse(kind: str, **fields: object) -> bytes:
    """One event as the vendor sends it."""
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n".encode()


PIECES = st.sampled_from(
    [
        sse("message_start", message={"id": "m", "model": "c", "usage": {"input_tokens": 3, "output_tokens": 1}}),
        sse("message_start", message={"id": 7, "content": [{"type": "text", "text": "a"}, 7], "usage": []}),
        sse("content_block_start", index=0, content_block={"type": "text", "text": ""}),
        sse("content_block_start", index=0, content_block={"type": "tool_use", "id": "a", "name": "f", "input": {}}),
        sse("content_block_start", index=1, content_block={"type": "tool_use", "input": {"a": 1}}),
        sse("content_block_start", index=1, content_block={"type": "redacted_thinking", "data": 7}),
        sse("content_block_start", index=2, content_block={"type": "server_tool_use", "id": "s", "input": {}}),
        sse("content_block_start", index=2, content_block=7),
        sse("content_block_delta", index=0, delta={"type": "text_delta", "text": "a"}),
        sse("content_block_delta", index=1, delta={"type": "input_json_delta", "partial_json": '{"a'}),
        sse("content_block_delta", index=2, delta={"type": "input_json_delta", "partial_json": "{}"}),
        sse("content_block_delta", index=0, delta={"type": "thinking_delta", "thinking": "a"}),
        sse("content_block_delta", index=0, delta={"type": "signature_delta", "signature": "s"}),
        sse("content_block_delta", index=0, delta={"type": "citations_delta", "citation": {"type": "char_location"}}),
        sse("content_block_delta", index="x", delta={"type": "tomorrow", "text": 7}),
        sse("content_block_stop", index=0),
        sse("content_block_stop", index=-9),
        sse("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 7, "input_tokens": "x"}),
        sse("message_delta", delta={"stop_reason": "error"}),
        sse("message_delta", delta={"stop_reason": "refusal", "stop_details": {"explanation": "no"}}),
        sse("message_stop"),
        sse("ping"),
        sse("error", error={"type": "overloaded_error", "message": "x"}),
        sse("tomorrow", a=1),
        b'data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"\\ud83d"}}\n\n',
        b"data: 7\n\n",
        b"data: {\n\n",
        b"event: error\ndata: {}\n\n",
        b": x\n\n",
        b"\xff\n\n",
        b"data: ",
    ]
)
WORDS = [
    "role", "content", "type", "text", "tool_use", "tool_result", "tool_use_id", "input", "name", "id", "source",
    "data", "url", "media_type", "citations", "title", "thinking", "signature", "system", "tools", "tool_choice",
    "output_config", "format", "schema", "effort", "budget_tokens", "metadata", "user_id", "cache_control",
    "message", "delta", "content_block", "index", "usage", "input_tokens", "output_tokens_details", "stop_reason",
    "stop_details", "explanation", "error", "details", "error_code", "service_tier", "stop_sequences", "display",
]  # fmt: skip
TYPES = st.sampled_from(
    ["user", "assistant", "system", "text", "image", "document", "tool_use", "tool_result", "thinking", "enabled",
     "redacted_thinking", "search_result", "base64", "content", "json_schema", "auto", "tool", "adaptive", "high",
     "message_start", "content_block_start", "content_block_delta", "text_delta", "input_json_delta", "error"]
)  # fmt: skip
FIELDS = ("system", "tools", "tool_choice", "thinking", "output_config", "metadata", "container")
FRAMES = [
    b"%b",
    b"data: %b\n\n",
    b'{"model":"m","max_tokens":9,"messages":[%b]}',
    b'{"model":"m","max_tokens":9,"messages":[{"role":"user","content":[%b]}]}',
    *(b'{"model":"m","max_tokens":9,"messages":[],"' + field.encode() + b'":%b}' for field in FIELDS),
    b'{"content":[%b]}',
]

SUBJECT = Subject(
    ANTHROPIC,
    read,
    AnthropicMessages(b'{"model":"m","messages":[],"max_tokens":9,"stream":true}'),
    owner="anthropic",
    required=frozenset({Feature.MAX_OUTPUT}),
    has_turns=True,
    parts=frozenset({"reasoning", "signature", "text", "calls"}),
    finishes=frozenset(Finish) - {Finish.FILTERED},
    most_choices=1,
    # That several calls are allowed is not said, for it is the rule; that they are not stands in a choice of tools.
    unlike=frozenset({Feature.PARALLEL_TOOLS}),
    odd_streams=st.lists(PIECES, max_size=8).map(b"".join),
    odd_bodies=laws.in_words(WORDS, FRAMES, TYPES),
    statuses=(400, 401, 402, 403, 404, 409, 413, 429, 500, 503, 504, 529),
)

NEWER = dataclasses.replace(SUBJECT, variant="-newer", target=Target("m", "2026-10-21", 4096))
"""The same in the newer version, which takes less."""
