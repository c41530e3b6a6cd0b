"""Streams of the wire corpus, told as events, and read along while they pass."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from routebook.chat.assembling import assemble
from routebook.chat.events import Event, Failed, TextDelta
from routebook.protocols.anthropic.answer_reading import read_count, read_message
from routebook.protocols.anthropic.dialect import ANTHROPIC
from routebook.protocols.anthropic.stream_reading import MessagesReader
from routebook.protocols.errors import ProtocolError, Side
from tests.protocols import laws
from tests.protocols.anthropic.subject import sse

WIRE = Path(__file__).parents[2] / "corpus" / "wire" / "anthropic"
CASES = sorted(WIRE.iterdir())
EVENTS = msgspec.json.Decoder(list[Event])


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_recorded_streams_tell_what_they_are_known_to_tell(case: Path) -> None:
    """Whole, cut and byte by byte: the events that stand in the corpus."""
    told = laws.cuts_do_not_matter(lambda: MessagesReader("seed"), (case / "reply.sse").read_bytes(), [7, 99, 222, 500])
    assert told == EVENTS.decode((case / "events.json").read_bytes())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_is_relayed_is_read_along(case: Path) -> None:
    """To a client of the same dialect every byte of whole events passes, and the record knows what it needs."""
    reply, expected = (case / "reply.sse").read_bytes(), json.loads((case / "expected.json").read_bytes())
    relayed = ANTHROPIC.stream(False)
    passed = b"".join(relayed.feed(reply[at : at + 7]) for at in range(0, len(reply), 7)) + relayed.end()
    # What was relayed with the end mark itself still belongs to it; after it nothing does.
    assert reply.startswith(passed)
    assert (relayed.usage and relayed.usage.parts()) == expected["usage"]
    assert (relayed.finish_reason, relayed.model) == (expected["finish"], expected["model"])
    assert (relayed.error_code, relayed.done) == (expected["error"], expected["done"])
    assert relayed.saw_error == (expected["error"] is not None)


def test_an_answer_and_its_stream_are_the_same() -> None:
    """The events of a stream put together by hand are the whole answer, word for word."""
    blocks = [
        {"type": "thinking", "thinking": "Let me see.", "signature": "c2ln"},
        {"type": "redacted_thinking", "data": "ZGF0YQ=="},
        {"type": "text", "text": "One moment."},
        {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"a": 1}},
        {"type": "hologram", "data": "x"},
    ]
    usage = {"input_tokens": 3, "cache_read_input_tokens": 2, "output_tokens": 9}
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "usage": usage}
    whole = {**message, "content": blocks, "stop_reason": "tool_use", "stop_sequence": None}
    stream = b"".join(
        [
            sse("message_start", message={**message, "content": [], "usage": {**usage, "output_tokens": 1}}),
            sse("content_block_start", index=0, content_block={"type": "thinking", "thinking": "", "signature": ""}),
            sse("content_block_delta", index=0, delta={"type": "thinking_delta", "thinking": "Let me see."}),
            sse("content_block_delta", index=0, delta={"type": "signature_delta", "signature": "c2ln"}),
            sse("content_block_stop", index=0),
            sse("content_block_start", index=1, content_block=blocks[1]),
            sse("content_block_stop", index=1),
            sse("content_block_start", index=2, content_block={"type": "text", "text": ""}),
            sse("content_block_delta", index=2, delta={"type": "text_delta", "text": "One moment."}),
            sse("content_block_stop", index=2),
            sse("content_block_start", index=3, content_block={**blocks[3], "input": {}}),
            sse("content_block_delta", index=3, delta={"type": "input_json_delta", "partial_json": '{"a":1}'}),
            sse("content_block_stop", index=3),
            sse("content_block_start", index=4, content_block=blocks[4]),
            sse("content_block_stop", index=4),
            sse("message_delta", delta={"stop_reason": "tool_use"}, usage={"output_tokens": 9}),
            sse("message_stop"),
        ]
    )
    answer = read_message(json.dumps(whole).encode(), "seed")
    assert assemble(MessagesReader("seed").feed(stream)) == answer
    assert [type(part).__name__ for part in answer.choices[0].parts] == [
        "Reasoning", "Reasoning", "Text", "ToolCall", "Foreign",
    ]  # fmt: skip


def test_an_error_under_the_status_of_a_success_is_a_fault() -> None:
    """Some answer 200 and say in the body that they failed."""
    answer = read_message(b'{"type":"error","error":{"type":"rate_limit_error","message":"no"}}', "seed")
    assert answer.fault is not None and (answer.fault.status, answer.fault.message) == (429, "no")


def test_a_model_that_failed_is_a_fault() -> None:
    """Whole and streamed."""
    answer = read_message(b'{"content":[{"type":"text","text":"a"}],"stop_reason":"error"}', "seed")
    assert answer.fault is not None and answer.fault.status == 502
    events = MessagesReader("s").feed(sse("message_delta", delta={"stop_reason": "error"}) + sse("message_stop"))
    assert isinstance(events[-1], Failed)


@pytest.mark.parametrize("body", [b"", b"[]", b"7", b'{"id":', b"<html>"])
def test_what_is_no_answer_is_an_error_of_the_upstream(body: bytes) -> None:
    """It is the upstream that is at fault, also where it was to count."""
    for read in (lambda: read_message(body, "seed"), lambda: read_count(body)):
        with pytest.raises(ProtocolError) as caught:
            read()
        assert caught.value.side is Side.UPSTREAM


def test_counted_tokens_are_a_number() -> None:
    """Anything else is no count."""
    assert read_count(b'{"input_tokens":2095,"more":1}') == 2095
    for body in (b"{}", b'{"input_tokens":null}', b'{"input_tokens":-1}', b'{"input_tokens":[]}'):
        with pytest.raises(ProtocolError):
            read_count(body)


def test_nothing_is_told_after_an_error() -> None:
    """What an upstream sends after its own error is nobody's business."""
    reader = MessagesReader("seed")
    piece = sse("content_block_delta", index=0, delta={"type": "text_delta", "text": "a"})
    events = reader.feed(
        piece + sse("error", error={"type": "api_error", "message": "x"}) + piece + sse("message_stop")
    )
    assert [type(event) for event in events] == [TextDelta, Failed]
    assert not reader.done


def test_blocks_are_bounded() -> None:
    """An answer of endlessly many blocks is none."""
    reader = MessagesReader("seed")
    begin = sse("content_block_start", index=0, content_block={"type": "text", "text": "a"})
    assert len(reader.feed(begin * 5000)) == 4096


def test_an_event_without_end_is_an_error() -> None:
    """What is held back is bounded."""
    reader = MessagesReader("seed")
    with pytest.raises(ProtocolError):
        for _ in range(10):
            reader.feed(b"x" * 1024 * 1024)
