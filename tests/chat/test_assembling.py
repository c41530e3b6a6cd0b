"""Answers out of events, and back."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from routebook.chat.answer import ChatAnswer, Choice
from routebook.chat.assembling import assemble, events_of, joined
from routebook.chat.events import (
    ArgumentsDelta,
    AudioDelta,
    AudioSeen,
    Failed,
    Finish,
    Finished,
    ReasoningDelta,
    SignatureSeen,
    Started,
    TextDelta,
    ToolCallEnded,
    ToolCallStarted,
    UsageSeen,
)
from routebook.chat.faults import Fault
from routebook.chat.parts import Audio, Inline, Reasoning, Signature, Text, ToolCall
from routebook.chat.usage import Usage
from tests.protocols import laws
from tests.protocols.conversations import answers


@settings(deadline=None)
@given(answers())
def test_an_answer_is_the_sum_of_its_events(answer: ChatAnswer) -> None:
    """Unary and streaming are one truth."""
    assert assemble(events_of(answer)) == answer


@settings(deadline=None)
@given(st.data(), answers())
def test_pieces_add_up(data: st.DataObject, answer: ChatAnswer) -> None:
    """However small the pieces of a text are."""
    assert assemble(data.draw(laws.in_pieces(answer))) == answer


def test_blocks_grow_side_by_side() -> None:
    """Parallel calls may come interleaved; parts stand in the order of their numbers."""
    events = [
        Started("i", "m"),
        ToolCallStarted("c2", "b", 2),
        ToolCallStarted("c1", "a", 1),
        ArgumentsDelta('{"y"', 2),
        ArgumentsDelta('{"x"', 1),
        ArgumentsDelta(":1}", 1),
        ArgumentsDelta(":2}", 2),
        ToolCallEnded(1),
        ToolCallEnded(2),
        TextDelta("so", 0),
        Finished(Finish.TOOL_CALLS),
    ]
    parts = assemble(events).choices[0].parts
    assert parts == (Text("so"), ToolCall("c1", "a", '{"x":1}'), ToolCall("c2", "b", '{"y":2}'))


def test_a_signature_belongs_to_its_block() -> None:
    """Alone it is reasoning that nobody may read."""
    sealed = Signature("x", "s")
    events = [
        ReasoningDelta("hm", 0),
        SignatureSeen(sealed, 0),
        SignatureSeen(sealed, 1, is_redacted=True),
        ToolCallStarted("c", "f", 2),
        SignatureSeen(sealed, 2),
    ]
    thought, redacted, call = assemble(events).choices[0].parts
    assert (thought, redacted) == (Reasoning("hm", sealed), Reasoning("", sealed, True))
    assert isinstance(call, ToolCall) and call.signature == sealed


def test_what_came_before_an_error_is_kept() -> None:
    """So that it can be counted, and shown where somebody wants it."""
    answer = assemble([Started("i", "m"), TextDelta("Par"), UsageSeen(Usage(3, output=1)), Failed(Fault(503, "gone"))])
    assert answer == ChatAnswer("i", "m", None, (Choice((Text("Par"),)),), Usage(3, output=1), None, Fault(503, "gone"))


def test_the_last_usage_holds() -> None:
    """Some count up with every piece."""
    assert assemble([UsageSeen(Usage(output=1)), UsageSeen(Usage(output=2))]).usage == Usage(output=2)


def test_a_choice_that_never_came_is_empty() -> None:
    """Numbers keep their meaning."""
    assert assemble([TextDelta("b", 0, 1)]).choices == (Choice(), Choice((Text("b"),)))


def test_sound_is_joined_whether_its_pieces_are_padded_or_not() -> None:
    """Each piece is base64 by itself."""
    events = [AudioSeen(id="a"), AudioDelta("AAE="), AudioDelta("AgM="), AudioSeen(expires_at=9)]
    assert assemble(events).choices[0].parts == (
        Audio(Inline("audio/L16;codec=pcm;rate=24000", "AAECAw=="), None, "a", 9),
    )
    assert joined(["AAEC", "AwQ="]) == "AAECAwQ="
    assert joined(["A=", "B"]) == "A=B"
