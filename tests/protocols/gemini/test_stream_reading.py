"""Streams of the wire corpus, told as events and passed on as bytes; and what is read of whole answers."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from routebook.chat.assembling import assemble
from routebook.chat.events import Event, Failed, UsageSeen
from routebook.chat.usage import Usage
from routebook.protocols.errors import ProtocolError
from routebook.protocols.gemini.answer_reading import read_chat_answer
from routebook.protocols.gemini.faults import read_error_code, read_fault
from routebook.protocols.gemini.relaying import GeminiRelayed
from routebook.protocols.gemini.stream_reading import GeminiReader, seconds_of
from routebook.protocols.gemini.usage import WireUsage, usage_of, write_usage
from tests.protocols import laws

WIRE = Path(__file__).parents[2] / "corpus" / "wire" / "gemini"
CASES = sorted(WIRE.iterdir())
EVENTS = msgspec.json.Decoder(list[Event])
BY_NAME = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


@BY_NAME
def test_recorded_streams_tell_what_they_are_known_to_tell(case: Path) -> None:
    """Whole, cut and byte by byte: the events that stand in the corpus."""
    told = laws.cuts_do_not_matter(lambda: GeminiReader("seed"), (case / "reply.sse").read_bytes(), [7, 99, 222, 500])
    assert told == EVENTS.decode((case / "events.json").read_bytes())


@BY_NAME
@pytest.mark.parametrize("size", [1, 7, 100_000])
def test_what_passes_are_the_same_bytes(case: Path, size: int) -> None:
    """Whole chunks, as they came, in either form; half of one is held back for ever. The record sees all of it."""
    data = (case / "reply.sse").read_bytes()
    relayed = GeminiRelayed()
    pieces = [relayed.feed(data[at : at + size]) for at in range(0, len(data), size)]
    passed = b"".join([*pieces, relayed.end()])
    assert data.startswith(passed)
    assert relayed.done == json.loads((case / "expected.json").read_bytes())["done"]
    assert not relayed.done or data.strip() == passed.strip()
    events = EVENTS.decode((case / "events.json").read_bytes())
    assert relayed.saw_error == any(isinstance(event, Failed) for event in events)
    assert relayed.usage == next((event.usage for event in reversed(events) if isinstance(event, UsageSeen)), None)


@pytest.mark.parametrize("name", ["text", "parallel-calls-without-ids", "grounded", "code-that-ran", "picture"])
def test_an_answer_and_its_stream_are_the_same(name: str) -> None:
    """All parts of all chunks in one body say what the stream says, ids that nobody gave among it."""
    data = (WIRE / name / "reply.sse").read_bytes()
    chunks = [json.loads(line[6:]) for line in data.split(b"\r\n") if line.startswith(b"data: ")]
    whole = {**chunks[-1], "candidates": [dict(chunks[-1]["candidates"][0])]}
    parts = [part for chunk in chunks for part in chunk["candidates"][0]["content"]["parts"]]
    whole["candidates"][0]["content"] = {"parts": parts, "role": "model"}
    answer = read_chat_answer(json.dumps(whole).encode(), "seed")
    assert assemble([*(reader := GeminiReader("seed")).feed(data), *reader.end()]) == answer


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b'{"error":{"code":429,"message":"no","status":"RESOURCE_EXHAUSTED"}}', 429, "RESOURCE_EXHAUSTED"),
        (b'{"candidates":[{"finishReason":"MISSING_THOUGHT_SIGNATURE"}]}', 400, "MISSING_THOUGHT_SIGNATURE"),
        (b'{"candidates":[{"finishReason":"OTHER"}]}', 502, "OTHER"),
        (b'{"candidates":[{"content":{"parts":[{"functionCall":{"partialArgs":[{}]}}]}}]}', 502, "partial_call"),
    ],
)
def test_an_error_under_the_status_of_a_success_is_a_fault(body: bytes, status: int, code: str) -> None:
    """Whether it is called an error, or a reason to stop that is one."""
    fault = read_chat_answer(body, "seed").fault
    assert fault is not None
    assert (fault.status, fault.code) == (status, code)


@pytest.mark.parametrize("body", [b"", b"[]", b"7", b'{"candidates":', b"<html>"])
def test_what_is_no_answer_is_an_error_of_the_upstream(body: bytes) -> None:
    """It is the upstream that is at fault."""
    with pytest.raises(ProtocolError) as caught:
        read_chat_answer(body, "seed")
    assert caught.value.side.value == "upstream"


def test_faults_say_what_google_says() -> None:
    """The reason before the status, the field at fault, and how long to wait; in an array too."""
    details = [
        {"@type": "type.googleapis.com/google.rpc.Help", "links": []},
        {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID", "domain": "googleapis.com"},
        {"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": [{"field": "contents[0]"}]},
        {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "1.5s"},
    ]
    error = {"error": {"code": 400, "message": "no", "status": "INVALID_ARGUMENT", "details": details}}
    for body in (json.dumps(error).encode(), json.dumps([error]).encode()):
        fault = read_fault(429, body)
        assert (fault.status, fault.message, fault.code) == (429, "no", "API_KEY_INVALID")
        assert (fault.param, fault.retry_after) == ("contents[0]", 1.5)
        assert read_fault(0, body).status == 400
        assert read_error_code(body) == "API_KEY_INVALID"
    assert read_fault(0, b'{"error":{"status":"UNAVAILABLE"}}').status == 503
    assert read_fault(502, b"<html>").message == "the upstream failed without saying why"
    assert read_error_code(b"<html>") is None


@pytest.mark.parametrize(
    ("wire", "usage"),
    [
        ({"promptTokenCount": 10, "cachedContentTokenCount": 4, "candidatesTokenCount": 3}, Usage(6, 4, output=3)),
        ({"promptTokenCount": 10, "thoughtsTokenCount": 5, "totalTokenCount": 18}, Usage(10, output=3, reasoning=5)),
        (
            {"promptTokenCount": 10, "toolUsePromptTokenCount": 7, "candidatesTokenCount": 1, "totalTokenCount": 18},
            Usage(17, output=1),
        ),
        (
            {"promptTokenCount": 17, "toolUsePromptTokenCount": 7, "candidatesTokenCount": 1, "totalTokenCount": 18},
            Usage(17, output=1),
        ),
        ({"promptTokenCount": 5, "cachedContentTokenCount": 9, "totalTokenCount": 5}, Usage(0, 5)),
        ({"candidatesTokenCount": 3, "thoughtsTokenCount": 4, "totalTokenCount": 18}, Usage(11, output=3, reasoning=4)),
        ({"promptTokenCount": 5, "thoughtsTokenCount": 9}, None),
        ({"candidatesTokenCount": 5}, None),
        ({"totalTokenCount": 5}, None),
        (
            {
                "promptTokenCount": 30,
                "cachedContentTokenCount": 10,
                "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 5}, {"modality": "AUDIO", "tokenCount": 25}],
                "cacheTokensDetails": [{"modality": "AUDIO", "tokenCount": 10}],
                "candidatesTokenCount": 8,
                "candidatesTokensDetails": [{"modality": "AUDIO", "tokenCount": 6}],
            },
            Usage(5, 10, audio_input=15, output=2, audio_output=6),
        ),
        ({}, None),
    ],
)
def test_every_token_is_counted_once(wire: dict[str, object], usage: Usage | None) -> None:
    """However the upstream counts thoughts, tools and sound, no token is paid for twice or never."""
    assert usage_of(msgspec.convert(wire, WireUsage)) == usage


def test_what_is_written_of_usage_adds_up() -> None:
    """The total is the sum, and reading gives the same kinds; what was written to a cache is part of the prompt."""
    usage = Usage(5, 4, 0, 3, 2, 9, 1)
    written = write_usage(usage)
    assert written["totalTokenCount"] == 24
    assert usage_of(msgspec.convert(written, WireUsage)) == usage
    assert write_usage(Usage(1, 2, 4))["promptTokenCount"] == 7


@pytest.mark.parametrize(
    ("moment", "seconds"),
    [("2026-11-21T10:00:00.123456Z", 1795255200), ("2026-11-21T10:00:00", 1795255200), ("never", None), (None, None)],
)
def test_moments_are_in_no_zone_but_their_own(moment: str | None, seconds: int | None) -> None:
    """A moment without a zone is in UTC, wherever this runs."""
    assert seconds_of(moment) == seconds
