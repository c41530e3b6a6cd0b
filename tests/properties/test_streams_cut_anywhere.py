"""Law: any cut of the bytes gives the same as one piece. And: any bytes give a result or ProtocolError, nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from routebook.protocols.openai_chat.stream import StreamReader
from routebook.protocols.sse import Splitter

WIRE = Path(__file__).parents[1] / "corpus" / "wire" / "openai_chat"
CASES = sorted(WIRE.iterdir())


def seen(reader: StreamReader) -> tuple[Any, ...]:
    """Everything that a reader says of its stream."""
    return (
        reader.usage,
        reader.finish_reason,
        reader.model,
        reader.saw_error,
        reader.error_code,
        reader.done,
        reader.events,
        reader.estimated_output,
    )


def read(pieces: list[bytes], hide_usage: bool) -> tuple[bytes, tuple[Any, ...]]:
    """What comes out of a stream fed in these pieces, and what is known then."""
    reader = StreamReader(hide_usage)
    return b"".join(reader.feed(piece) for piece in pieces), seen(reader)


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """The data in pieces."""
    at = sorted({place % (len(data) + 1) for place in places})
    return [data[start:end] for start, end in zip([0, *at], [*at, len(data)], strict=True)]


PARTS = st.sampled_from(
    [
        b"data: ",
        b"data:",
        b"\n",
        b"\r\n",
        b"\r",
        b"\n\n",
        b": x",
        b"event: error",
        b"event: e",
        b"[DONE]",
        b"data: [DONE]",
        b"id: 7",
        b"x",
        b"",
        b"\xff",
        b'{"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":null}],"usage":null}',
        b'{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":1}}',
        b'{"error":{"code":"c"}}',
        b'"usage"',
        b'{"model":"m","choices":[{"finish_reason":"stop"}]}',
        b'{"usage" : {"prompt_tokens":1}}',
        b"\xef\xbb\xbf",
    ]
)
PLAIN = b'data: {"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":null}],"usage":null}\n\n'
EVENTS = st.sampled_from(
    [
        PLAIN,
        PLAIN * 3,
        PLAIN * 6,
        b": ping\n\n",
        b"data: [DONE]\n\n",
        b"data: [DONE]\n",
        b'data: {"error":{"code":"c"}}\n\n',
        b"\n",
        b'data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":1}}\n\n',
        PLAIN.replace(b"\n", b"\r\n"),
        b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n',
        b"id: 1\n" + PLAIN,
    ]
)
STREAMS = st.lists(PARTS, max_size=30).map(b"".join) | st.lists(EVENTS, max_size=12).map(b"".join)
CUTS = st.lists(st.integers(0, 10_000), max_size=12)


_WORD = b'data: {"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":null}],"usage":null}\n\n'
_HALF_AN_END = _WORD * 2 + b"data: [DONE]\n"


@settings(deadline=None)
@given(STREAMS, CUTS, st.booleans())
@example(_HALF_AN_END, [len(_WORD)], False)
def test_any_cut_gives_the_same_bytes_and_the_same_knowledge(data: bytes, places: list[int], hide: bool) -> None:
    """However the network cuts a stream, the client gets the same bytes and the record the same numbers."""
    whole = read([data], hide)
    assert read(cut(data, places), hide) == whole
    assert read([data[at : at + 1] for at in range(len(data))], hide) == whole


@settings(deadline=None)
@given(STREAMS, CUTS)
def test_what_is_passed_on_is_the_beginning_of_what_came(data: bytes, places: list[int]) -> None:
    """Nothing is added, changed or put in another order; what is missing is the unfinished end alone."""
    splitter = Splitter()
    sent = b"".join(splitter.feed(piece) for piece in cut(data, places))
    assert sent + splitter.held == data


@settings(deadline=None)
@given(st.binary(max_size=400), CUTS)
def test_any_bytes_are_read_without_an_error(data: bytes, places: list[int]) -> None:
    """An upstream may send anything."""
    read(cut(data, places), hide_usage=True)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_recorded_streams_one_byte_at_a_time(case: Path) -> None:
    """Each case of the wire corpus: what the client gets and what the record says, whole and byte by byte."""
    data = (case / "reply.sse").read_bytes()
    expected = json.loads((case / "expected.json").read_text("utf-8"))
    sent = (case / "sent.sse").read_bytes() if (case / "sent.sse").exists() else data
    for pieces in ([data], [data[at : at + 1] for at in range(len(data))]):
        reader = StreamReader(hide_usage=(case / "sent.sse").exists())
        assert b"".join(reader.feed(piece) for piece in pieces) == sent
        known = {
            "usage": None if reader.usage is None else reader.usage.parts(),
            "finish": reader.finish_reason,
            "model": reader.model,
            "error": reader.error_code if reader.saw_error else None,
            "done": reader.done,
            "events": reader.events,
        }
        assert known == expected
