"""Blocks one after the other, and speakers in turn."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from routebook.chat.assembling import assemble
from routebook.chat.conversation import ChatRequest, Message, Role
from routebook.chat.events import (
    ArgumentsDelta,
    Event,
    Finish,
    Finished,
    ReasoningDelta,
    Started,
    TextDelta,
    ToolCallEnded,
    ToolCallStarted,
    UsageSeen,
)
from routebook.chat.parts import Text, ToolCall, ToolResult
from routebook.chat.sequence import InSequence
from routebook.chat.turns import in_turns
from routebook.chat.usage import Usage


def put(*events: Event) -> list[Event]:
    """The events in sequence, each put by itself."""
    sequence = InSequence()
    return [*(told for event in events for told in sequence.put([event])), *sequence.end()]


def test_what_is_in_sequence_passes() -> None:
    """At once, and as it is."""
    events = [
        Started("i"),
        ReasoningDelta("hm", 0),
        TextDelta("a", 1),
        ToolCallStarted("c", "f", 2),
        ArgumentsDelta("{}", 2),
        ToolCallEnded(2),
        UsageSeen(Usage(1)),
        Finished(Finish.TOOL_CALLS),
    ]
    assert put(*events) == events


def test_a_call_waits_for_the_call_before() -> None:
    """As long as that is open; then all that waited comes at once."""
    first = [ToolCallStarted("c1", "a", 0), ToolCallStarted("c2", "b", 1), ArgumentsDelta("2", 1)]
    sequence = InSequence()
    assert list(sequence.put(first)) == first[:1]
    assert list(sequence.put([ArgumentsDelta("1", 0)])) == [ArgumentsDelta("1", 0)]
    assert list(sequence.put([ToolCallEnded(0)])) == [ToolCallEnded(0), *first[1:]]
    assert list(sequence.put([ArgumentsDelta("2", 1), ToolCallEnded(1)])) == [ArgumentsDelta("2", 1), ToolCallEnded(1)]


def test_a_text_that_goes_on_after_another_block_is_a_new_block() -> None:
    """Nothing can be added to what was told before."""
    told = put(TextDelta("a", 0), ReasoningDelta("b", 1), TextDelta("c", 0))
    assert told == [TextDelta("a", 0), ReasoningDelta("b", 1), TextDelta("c", 2)]


def test_what_was_never_ended_is_told_at_the_end() -> None:
    """A stream may have been cut."""
    told = put(ToolCallStarted("c1", "a", 0), TextDelta("x", 1), Finished(Finish.LENGTH))
    assert told == [ToolCallStarted("c1", "a", 0), TextDelta("x", 1), Finished(Finish.LENGTH)]


@st.composite
def interleaved(draw: Any) -> list[Event]:
    """Calls that begin in order and grow side by side."""
    lines = [
        [
            ToolCallStarted(f"c{call}", "f", call),
            *(ArgumentsDelta(f"{call}{piece}", call) for piece in range(draw(st.integers(0, 3)))),
            ToolCallEnded(call),
        ]
        for call in range(draw(st.integers(1, 4)))
    ]
    events: list[Event] = []
    begun = 1
    while any(lines):
        open_lines = [line for line in lines[:begun] if line] or [line for line in lines if line][:1]
        line = draw(st.sampled_from(open_lines))
        begun = max(begun, lines.index(line) + 1 + draw(st.integers(0, 1)))
        if isinstance(line[0], ToolCallStarted) and any(
            isinstance(each[0], ToolCallStarted) for each in lines[: lines.index(line)] if each
        ):
            continue
        events.append(line.pop(0))
    return events


@settings(deadline=None)
@given(interleaved())
def test_calls_side_by_side_become_calls_in_a_row(events: list[Event]) -> None:
    """The answer is the same; each block is told in one go."""
    told = put(*events)
    assert assemble(told) == assemble(events)
    blocks = [block for block, _ in groupby(told, key=lambda event: getattr(event, "block", None))]
    assert blocks == sorted(set(blocks))


def test_neighbours_of_one_side_are_put_together() -> None:
    """Results of tools at the front, system prompts as a user's marked words."""
    chat = ChatRequest(
        "m",
        (
            Message(Role.USER, (Text("a"),)),
            Message(Role.USER, (Text("b"),)),
            Message(Role.ASSISTANT, (ToolCall("c", "f", "{}"),)),
            Message(Role.SYSTEM, (Text("be brief"),)),
            Message(Role.TOOL, (ToolResult("c"),)),
            Message(Role.USER, (Text("d"),)),
            Message(Role.ASSISTANT, ()),
        ),
    )
    assert in_turns(chat) == (
        Message(Role.USER, (Text("a"), Text("b"))),
        Message(Role.ASSISTANT, (ToolCall("c", "f", "{}"),)),
        Message(Role.USER, (ToolResult("c"), Text("system: be brief"), Text("d"))),
    )
