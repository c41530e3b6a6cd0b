"""Streams on their way: translated, and relayed in dialects that have no faster way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routebook.chat.events import (
    ArgumentsDelta,
    Event,
    Failed,
    Finish,
    Finished,
    ReasoningDelta,
    SignatureSeen,
    Started,
    TextDelta,
    ToolCallEnded,
    ToolCallStarted,
)
from routebook.chat.faults import Fault
from routebook.chat.parts import Reasoning, Signature
from routebook.chat.remembering import Memory
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

REPLY = ReplyTo(ASKED, "seed", 7)


class Scripted:
    """A reader that tells these events, a list each time it is fed; `done` after the last of them."""

    def __init__(self, told: Sequence[Sequence[Event]], done: bool = True) -> None:
        self._told = list(told)
        self._ends = done
        self.done = False

    def feed(self, chunk: bytes) -> Sequence[Event]:
        """The next list, whatever was fed."""
        events = self._told.pop(0)
        self.done = self._ends and not self._told
        return events

    def end(self) -> Sequence[Event]:
        """Nothing more."""
        return ()


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


def test_what_has_to_be_kept_is_given_away_at_the_end() -> None:
    """Signatures belong to the first call of their answer; an answer without any leaves nothing."""
    kept: list[Mapping[str, Memory]] = []
    sealed = [
        Started("a", "m"),
        ReasoningDelta("hm", 0),
        SignatureSeen(Signature("x", "seal"), 0),
        ToolCallStarted("call_1", "f", 1),
        ArgumentsDelta("{}", 1),
        ToolCallEnded(1),
        Finished(Finish.TOOL_CALLS),
    ]
    stream = Translated(Scripted([sealed]), ChatWriter(REPLY), kept.append)
    stream.feed(b"0")
    assert kept == [{"call_1": Memory((Reasoning("hm", Signature("x", "seal")),))}]
    plain = Translated(
        Scripted([[Started("a", "m"), TextDelta("x"), Finished(Finish.STOP)]]), ChatWriter(REPLY), kept.append
    )
    plain.feed(b"0")
    assert len(kept) == 1


def test_a_failure_of_ours_is_told_once() -> None:
    """In the writer's own words; where the upstream has told an error, the client knows."""
    stream = Translated(Scripted([[Started("a", "m")]], done=False), ChatWriter(REPLY))
    stream.feed(b"0")
    assert b'"code":"upstream.cut"' in stream.fail(Fault(502, "it broke off", "upstream.cut"))
    failed = Translated(Scripted([[Started("a", "m"), Failed(Fault(500, "x"))]], done=False), ChatWriter(REPLY))
    failed.feed(b"0")
    assert failed.fail(Fault(502, "it broke off", "upstream.cut")) == b""
