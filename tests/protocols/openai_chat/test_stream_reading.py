"""Streams of the wire corpus, told as events."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from routebook.chat.assembling import assemble
from routebook.chat.events import Event, Failed, TextDelta
from routebook.protocols.errors import ProtocolError
from routebook.protocols.openai_chat.answer_reading import read_chat_answer
from routebook.protocols.openai_chat.stream_reading import ChatReader
from tests.protocols import laws

WIRE = Path(__file__).parents[2] / "corpus" / "wire" / "openai_chat"
CASES = sorted(WIRE.iterdir())
EVENTS = msgspec.json.Decoder(list[Event])


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_recorded_streams_tell_what_they_are_known_to_tell(case: Path) -> None:
    """Whole, cut and byte by byte: the events that stand in the corpus."""
    told = laws.cuts_do_not_matter(lambda: ChatReader("seed"), (case / "reply.sse").read_bytes(), [7, 99, 222, 500])
    assert told == EVENTS.decode((case / "events.json").read_bytes())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_end_is_the_protocols_own(case: Path) -> None:
    """Events and the bytes that pass unread agree about where a stream ends."""
    reader = ChatReader("seed")
    reader.feed((case / "reply.sse").read_bytes())
    assert reader.done == json.loads((case / "expected.json").read_bytes())["done"]


def test_an_answer_and_its_stream_are_the_same() -> None:
    """The chunks of a stream put together by hand are the whole answer, word for word."""
    message = {
        "role": "assistant",
        "content": "Paris",
        "reasoning_content": "Let me see.",
        "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "a", "arguments": ""}}],
    }
    usage = {"prompt_tokens": 3, "completion_tokens": 2}
    whole = {"id": "i", "model": "m", "created": 7, "choices": [{"message": message, "finish_reason": "tool_calls"}]}
    pieces = [
        {"id": "i", "model": "m", "created": 7, "choices": [{"delta": {"role": "assistant", "content": ""}}]},
        {"choices": [{"delta": {"reasoning_content": "Let me"}}]},
        {"choices": [{"delta": {"reasoning_content": " see."}}]},
        {"choices": [{"delta": {"content": "Par"}}]},
        {"choices": [{"delta": {"content": "is"}}]},
        {"choices": [{"delta": {"tool_calls": [{"index": 0, "id": "c1", "function": {"name": "a"}}]}}]},
        {"choices": [{"delta": {}, "finish_reason": "tool_calls"}]},
        {"choices": [], "usage": usage},
    ]
    stream = b"".join(b"data: %b\n\n" % json.dumps(piece).encode() for piece in pieces) + b"data: [DONE]\n\n"
    answer = read_chat_answer(json.dumps({**whole, "usage": usage}).encode(), "seed")
    assert assemble(ChatReader("seed").feed(stream)) == answer
    assert [type(part).__name__ for part in answer.choices[0].parts] == ["Reasoning", "Text", "ToolCall"]


def test_an_error_under_the_status_of_a_success_is_a_fault() -> None:
    """Some answer 200 and say in the body that they failed."""
    answer = read_chat_answer(b'{"error":{"message":"no","type":"rate_limit_error"}}', "seed")
    assert answer.fault is not None and (answer.fault.status, answer.fault.message) == (429, "no")


@pytest.mark.parametrize("body", [b"", b"[]", b"7", b'{"id":', b"<html>"])
def test_what_is_no_answer_is_an_error_of_the_upstream(body: bytes) -> None:
    """It is the upstream that is at fault."""
    with pytest.raises(ProtocolError) as caught:
        read_chat_answer(body, "seed")
    assert caught.value.side.value == "upstream"


def test_nothing_is_told_after_an_error() -> None:
    """What an upstream sends after its own error is nobody's business, but its end is its end."""
    reader = ChatReader("seed")
    chunk = b'data: {"choices":[{"delta":{"content":"a"}}]}\n\n'
    events = reader.feed(chunk + b'data: {"error":{"message":"x"}}\n\n' + chunk + b"data: [DONE]\n\n" + chunk)
    assert [type(event) for event in events if not isinstance(event, TextDelta)][-1] is Failed
    assert sum(isinstance(event, TextDelta) for event in events) == 1
    assert reader.done
    assert not reader.feed(chunk)


def test_an_event_without_end_is_an_error() -> None:
    """What is held back is bounded."""
    reader = ChatReader("seed")
    with pytest.raises(ProtocolError):
        for _ in range(10):
            reader.feed(b"x" * 1024 * 1024)
