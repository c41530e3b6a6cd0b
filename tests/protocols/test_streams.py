"""Streams on their way: translated, and relayed in dialects that have no faster way."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routebook.chat.usage import Usage
from routebook.protocols.codec import ReplyTo
from routebook.protocols.openai_chat.request import OpenAIChat
from routebook.protocols.openai_chat.stream_reading import ChatReader
from routebook.protocols.openai_chat.stream_writing import ChatWriter
from routebook.protocols.streams import Relayed, Translated
from tests.protocols import laws

WIRE = Path(__file__).parents[1] / "corpus" / "wire" / "openai_chat"
CASES = sorted(WIRE.iterdir())
ASKED = OpenAIChat(b'{"model":"m","messages":[],"stream":true}')


def translated() -> Translated:
    """From the dialect to itself, by way of the neutral form."""
    return Translated(ChatReader("seed"), ChatWriter(ReplyTo(ASKED, "seed", 7)))


@settings(deadline=None)
@given(st.sampled_from(CASES), st.lists(st.integers(0, 5000), max_size=8))
def test_any_cut_is_translated_into_the_same_bytes(case: Path, places: list[int]) -> None:
    """And what is known of the stream is the same."""
    data = (case / "reply.sse").read_bytes()
    whole, pieces = translated(), translated()
    sent = whole.feed(data) + whole.end()
    assert b"".join(pieces.feed(piece) for piece in laws.cut(data, places)) + pieces.end() == sent
    for one, other in ((whole.usage, pieces.usage), (whole.events, pieces.events), (whole.done, pieces.done)):
        assert one == other


def test_what_is_known_of_a_stream_is_what_the_record_needs() -> None:
    """Usage, reason to stop, model, and the end."""
    stream = translated()
    stream.feed((WIRE / "parallel-tool-calls" / "reply.sse").read_bytes())
    assert stream.usage == Usage(input=16, cached_input=64, output=32, reasoning=12)
    assert (stream.finish_reason, stream.model, stream.done) == ("tool_calls", "gpt-5.6-2026-10-01", True)
    assert not stream.saw_error
    assert stream.estimated_output >= 4
    assert stream.keep_alive() == b": keep-alive\n\n"
    assert stream.losses == ()


def test_an_error_is_seen_and_told() -> None:
    """In the client's own form, and nothing after it."""
    stream = translated()
    sent = stream.feed((WIRE / "error-midway" / "reply.sse").read_bytes())
    assert (stream.saw_error, stream.error_code) == (True, "server_error")
    assert sent.endswith(b'"code":"server_error"}}\n\n')


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_is_relayed_is_not_touched(case: Path) -> None:
    """Whole events, byte for byte, while they are read along."""
    data = (case / "reply.sse").read_bytes()
    stream = Relayed(ChatReader("seed"))
    sent = b"".join(stream.feed(data[at : at + 7]) for at in range(0, len(data), 7)) + stream.end()
    assert data.startswith(sent)
    assert len(sent) == len(data) or not stream.done or case.name == "done-without-empty-line"
