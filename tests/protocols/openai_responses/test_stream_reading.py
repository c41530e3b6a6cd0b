"""Streams of the wire corpus, told as events."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from routebook.chat.assembling import assemble
from routebook.chat.events import Event, Failed, Finished, UsageSeen
from routebook.chat.usage import Usage
from routebook.protocols.errors import ProtocolError
from routebook.protocols.openai_responses.answer_reading import read_answer
from routebook.protocols.openai_responses.dialect import OPENAI_RESPONSES
from routebook.protocols.openai_responses.stream_reading import ResponsesReader
from tests.protocols import laws

WIRE = Path(__file__).parents[2] / "corpus" / "wire" / "openai_responses"
CASES = sorted(WIRE.iterdir())
EVENTS = msgspec.json.Decoder(list[Event])


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_recorded_streams_tell_what_they_are_known_to_tell(case: Path) -> None:
    """Whole, cut and byte by byte: the events that stand in the corpus."""
    told = laws.cuts_do_not_matter(
        lambda: ResponsesReader("seed"), (case / "reply.sse").read_bytes(), [7, 99, 222, 500]
    )
    assert told == EVENTS.decode((case / "events.json").read_bytes())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_end_is_the_protocols_own(case: Path) -> None:
    """The event with the whole answer, or one that says that there will be none; bytes that only pass agree."""
    data, expected = (case / "reply.sse").read_bytes(), json.loads((case / "expected.json").read_bytes())
    relayed = OPENAI_RESPONSES.stream(False)
    passed = relayed.feed(data) + relayed.end()
    assert relayed.done == expected["done"]
    assert data.startswith(passed)


def last_response(data: bytes) -> dict[str, Any] | None:
    """The whole answer at the end of a stream, if its items stand in it."""
    last = data.rstrip().rsplit(b"data: ", 1)[-1]
    response: Any = json.loads(last).get("response") if last.startswith(b"{") and last.endswith(b"}") else None
    done = response and response["status"] in ("completed", "incomplete")
    return response if done and response["output"] and isinstance(response["output"], list) else None


WHOLE = [case for case in CASES if last_response((case / "reply.sse").read_bytes())]


@pytest.mark.parametrize("case", WHOLE, ids=lambda case: case.name)
def test_a_stream_says_what_its_whole_answer_says(case: Path) -> None:
    """Its last event is the unary answer."""
    data = (case / "reply.sse").read_bytes()
    assert read_answer(json.dumps(last_response(data)).encode(), "seed") == assemble(ResponsesReader("seed").feed(data))


def test_an_answer_that_failed_has_a_fault() -> None:
    """With the status that its words stand for."""
    body = b'{"id":"resp_1","status":"failed","output":[],"error":{"code":"server_error","message":"sorry"}}'
    fault = read_answer(body, "seed").fault
    assert fault is not None
    assert (fault.status, fault.message, fault.code) == (500, "sorry", "server_error")


def test_an_answer_in_the_making_is_not_finished() -> None:
    """In the background, a provider answers before there is an answer."""
    answer = read_answer(b'{"id":"resp_1","status":"queued","output":[]}', "seed")
    assert (answer.id, answer.choices) == ("resp_1", ())


@pytest.mark.parametrize("body", [b"", b"[]", b"<html>", b"7"])
def test_what_is_no_answer(body: bytes) -> None:
    """It is the upstream's fault."""
    with pytest.raises(ProtocolError):
        read_answer(body, "seed")


@pytest.mark.parametrize(
    ("wire", "usage"),
    [
        ({"input_tokens": 5, "output_tokens": 3}, Usage(input=5, output=3)),
        (
            {
                "input_tokens": 10,
                "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 3},
                "output_tokens": 9,
                "output_tokens_details": {"reasoning_tokens": 5},
            },
            Usage(input=3, cached_input=4, cache_write=3, output=4, reasoning=5),
        ),
        ({"input_tokens": 5, "input_tokens_details": {"cached_tokens": 99}, "output_tokens": 0}, Usage(cached_input=5)),
        ({"input_tokens": 5, "total_tokens": 9}, Usage(input=5, output=4)),
        ({"output_tokens": 5, "total_tokens": 9}, Usage(input=4, output=5)),
        ({"total_tokens": 9}, None),
        ({"input_tokens": 5}, None),
        ({"output_tokens": 5, "output_tokens_details": {"reasoning_tokens": 5}}, None),
    ],
)
def test_usage_counts_each_token_once(wire: dict[str, Any], usage: Usage | None) -> None:
    """Parts are within their sides, and never more than those."""
    body = json.dumps({"status": "completed", "output": [], "usage": wire}).encode()
    assert read_answer(body, "seed").usage == usage


def test_nothing_follows_an_error() -> None:
    """Text after it would be taken for an answer."""
    reader = ResponsesReader("seed")
    error = b'event: error\ndata: {"type":"error","message":"m"}\n\n'
    text = b'data: {"type":"response.output_text.delta","output_index":0,"delta":"a"}\n\n'
    assert [type(each) for each in reader.feed(error + text + error)] == [Failed]


def test_text_that_a_stream_forgot_comes_with_its_end() -> None:
    """Each piece is told once, whatever is repeated."""
    reader = ResponsesReader("seed")
    told = [
        *reader.feed(b'data: {"type":"response.output_text.delta","output_index":0,"delta":"Hel"}\n\n'),
        *reader.feed(b'data: {"type":"response.output_text.done","output_index":0,"text":"Hello"}\n\n'),
        *reader.feed(
            b'data: {"type":"response.completed","response":{"usage":{"input_tokens":1,"output_tokens":1},'
            b'"output":[{"type":"message","content":[{"type":"output_text","text":"Hello there"}]}]}}\n\n'
        ),
    ]
    assert [each.text for each in told if hasattr(each, "text")] == ["Hel", "lo", " there"]
    assert [type(each) for each in told[-2:]] == [UsageSeen, Finished]


def test_an_answer_is_known_by_its_id() -> None:
    """A later request goes on from it, and must go where it is kept."""
    data = (WIRE / "text" / "reply.sse").read_bytes()
    relayed = OPENAI_RESPONSES.stream(False)
    relayed.feed(data)
    whole = OPENAI_RESPONSES.answer(json.dumps(last_response(data)).encode())
    assert relayed.id == whole.id == "resp_68af4030592c81938ec0a5fbab4a3e9f05438e46b5f69a3b"
    assert (relayed.finish_reason, relayed.model) == (whole.finish_reason, whole.model)
    assert relayed.usage == whole.usage
