"""Thoughts that Anthropic's upstreams want back, in loops of tools with clients that cannot hold them."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from routebook.chat.assembling import assemble
from routebook.chat.remembering import Remembering, recalled
from routebook.protocols.anthropic.dialect import ANTHROPIC
from routebook.protocols.anthropic.request import read_messages
from routebook.protocols.carrying import Target
from routebook.protocols.codec import ReplyTo
from routebook.protocols.openai_chat.dialect import OPENAI_CHAT
from routebook.protocols.openai_chat.request import read_chat
from tests.protocols.anthropic.test_stream_reading import WIRE

TARGET = Target("up", max_output=8000)
TOOLS = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}]


def test_a_client_of_chat_completions_is_spared_them() -> None:
    """What it cannot hold is put back before the call that it belongs to, word for word."""
    assert ANTHROPIC.upstream is not None and OPENAI_CHAT.client is not None
    first: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "Weather?"}], "tools": TOOLS}
    reply = (WIRE / "thinking-then-a-call" / "reply.sse").read_bytes()
    events = ANTHROPIC.upstream.reader("seed").feed(reply)
    remembering = Remembering()
    remembering.take(events)
    answer = OPENAI_CHAT.client.write_answer(assemble(events), ReplyTo(read_chat(json.dumps(first).encode()), "x"))
    said = json.loads(answer.body)["choices"][0]["message"]
    assert "signature" not in answer.body.decode()

    call = said["tool_calls"][0]["id"]
    again = {**first, "messages": [*first["messages"], said, {"role": "tool", "tool_call_id": call, "content": "rain"}]}
    chat = recalled(read_chat(json.dumps(again).encode()).chat, remembering.memories().get)
    sent = json.loads(ANTHROPIC.upstream.write_request(chat, TARGET, True).body)
    assert sent["messages"][1]["content"][0] == {
        "type": "thinking",
        "thinking": "Let me see.",
        "signature": "EqQBCgIYAhIM1gbcDa9GJwZA2b3hGgxBdjrkzLoky3dl1pk=",
    }
    assert [block["type"] for block in sent["messages"][1]["content"]] == ["thinking", "text", "tool_use"]
    assert sent["messages"][2]["content"][0]["tool_use_id"] == call


@pytest.mark.parametrize("name", ["thinking-then-a-call", "redacted-thinking", "thinking-not-shown"])
def test_a_client_of_messages_holds_them_itself(name: str) -> None:
    """What the SDK sends back of an answer that was translated arrives as the upstream wrote it."""
    assert ANTHROPIC.upstream is not None and ANTHROPIC.client is not None
    first = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "Weather?"}]}
    answer = assemble(ANTHROPIC.upstream.reader("seed").feed((WIRE / name / "reply.sse").read_bytes()))
    body = ANTHROPIC.client.write_answer(answer, ReplyTo(read_messages(json.dumps(first).encode()), "x")).body
    said = {"role": "assistant", "content": json.loads(body)["content"]}
    again = read_messages(msgspec.json.encode({**first, "messages": [*first["messages"], said]}))
    assert again.chat.messages[1].parts == answer.choices[0].parts
    sent = json.loads(ANTHROPIC.upstream.write_request(again.chat, TARGET, False).body)
    assert sent["messages"][1]["content"] == said["content"]
