"""Streams that are written for OpenAI's clients: the exact bytes, and what the official SDK makes of them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from routebook.chat.answer import ChatAnswer, Choice
from routebook.chat.assembling import events_of
from routebook.chat.events import (
    ArgumentsDelta,
    CitationSeen,
    Event,
    Failed,
    Finish,
    Finished,
    ForeignSeen,
    ReasoningDelta,
    SignatureSeen,
    Started,
    TextDelta,
    TierSeen,
    ToolCallEnded,
    ToolCallStarted,
    UsageSeen,
)
from routebook.chat.faults import Fault
from routebook.chat.loss import Done, Loss
from routebook.chat.parts import Foreign, Json, Signature, Text, ToolCall, UrlCitation
from routebook.chat.usage import Usage
from routebook.protocols.codec import ReplyTo
from routebook.protocols.openai_chat.answer_writing import write_chat_answer
from routebook.protocols.openai_chat.request import OpenAIChat
from routebook.protocols.openai_chat.stream_writing import ChatWriter
from tests.protocols.conversations import ALL_PARTS, answers

PLAIN = OpenAIChat(b'{"model":"asked","messages":[],"stream":true}')
WITH_USAGE = OpenAIChat(b'{"model":"asked","messages":[],"stream":true,"stream_options":{"include_usage":true}}')
FUNCTIONS = OpenAIChat(b'{"model":"asked","messages":[],"stream":true,"functions":[{"name":"f"}]}')

BEGUN = Started("chatcmpl-1", "served-1", 7)


def stream(*events: Event, asked: Any = PLAIN, model: str | None = None) -> bytes:
    """The whole stream that these events make."""
    writer = ChatWriter(ReplyTo(asked, "x1", 5, model))
    return b"".join([*(writer.write([event]) for event in events), writer.end()])


def chunks(data: bytes) -> list[dict[str, Any]]:
    """The chunks of a stream; the end mark is checked and left out."""
    *lines, done, empty = data.decode().split("\n\n")
    assert (done, empty) == ("data: [DONE]", "")
    return [json.loads(line.removeprefix("data: ")) for line in lines]


def test_a_text_is_written_byte_for_byte_as_openai_writes_it() -> None:
    """The role first, then the text, then the reason to stop, then the end."""
    head = b'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":7,"model":"served-1","choices":['
    assert stream(BEGUN, TextDelta("Pa"), TextDelta("ris\n"), Finished(Finish.STOP), UsageSeen(Usage(1))) == (
        head
        + b'{"index":0,"delta":{"role":"assistant","content":"","refusal":null},"logprobs":null,"finish_reason":null}]}\n\n'
        + head
        + b'{"index":0,"delta":{"content":"Pa"},"logprobs":null,"finish_reason":null}]}\n\n'
        + head
        + b'{"index":0,"delta":{"content":"ris\\n"},"logprobs":null,"finish_reason":null}]}\n\n'
        + head
        + b'{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}]}\n\n'
        + b"data: [DONE]\n\n"
    )


def test_usage_comes_last_and_only_where_it_was_asked_for() -> None:
    """In a chunk without choices; all others say null. It counts as OpenAI counts."""
    events = (UsageSeen(Usage(input=5, cached_input=3, output=2, reasoning=4)), BEGUN, Finished(Finish.STOP))
    assert all("usage" not in chunk for chunk in chunks(stream(*events)))
    *others, last = chunks(stream(*events, asked=WITH_USAGE))
    assert all(chunk["usage"] is None for chunk in others)
    assert last["choices"] == []
    assert {key: last["usage"][key] for key in ("prompt_tokens", "completion_tokens", "total_tokens")} == {
        "prompt_tokens": 8,
        "completion_tokens": 6,
        "total_tokens": 14,
    }
    assert last["usage"]["completion_tokens_details"]["reasoning_tokens"] == 4


def test_calls_are_numbered_as_they_begin() -> None:
    """Whatever stood before them; id and name once, then fragments by number."""
    events = (
        BEGUN,
        ReasoningDelta("hm", 0),
        TextDelta("so", 1),
        ToolCallStarted("c1", "a", 2),
        ToolCallStarted("c2", "b", 5),
        ArgumentsDelta('{"y":', 5),
        ArgumentsDelta("{}", 2),
        ToolCallEnded(2),
        ArgumentsDelta("1}", 5),
        ToolCallEnded(5),
        Finished(Finish.TOOL_CALLS),
    )
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks(stream(*events))]
    assert deltas[1:-1] == [
        {"reasoning_content": "hm"},
        {"content": "so"},
        {"tool_calls": [{"index": 0, "id": "c1", "type": "function", "function": {"name": "a", "arguments": ""}}]},
        {"tool_calls": [{"index": 1, "id": "c2", "type": "function", "function": {"name": "b", "arguments": ""}}]},
        {"tool_calls": [{"index": 1, "function": {"arguments": '{"y":'}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": "{}"}}]},
        {"tool_calls": [{"index": 1, "function": {"arguments": "1}"}}]},
    ]
    assert chunks(stream(*events))[-1]["choices"][0]["finish_reason"] == "tool_calls"


def test_a_client_of_functions_hears_of_functions() -> None:
    """In its own words; a second call has no place, which is a loss."""
    events = [BEGUN, ToolCallStarted("c1", "f", 0), ArgumentsDelta("{}", 0), ToolCallStarted("c2", "f", 1)]
    events += [ArgumentsDelta("{}", 1), Finished(Finish.TOOL_CALLS)]
    writer = ChatWriter(ReplyTo(FUNCTIONS, "x"))
    deltas = [chunk["choices"][0] for chunk in chunks(writer.write(events) + writer.end())]
    assert [each["delta"] for each in deltas[1:-1]] == [
        {"function_call": {"name": "f", "arguments": ""}},
        {"function_call": {"arguments": "{}"}},
    ]
    assert deltas[-1]["finish_reason"] == "function_call"
    assert [loss.feature for loss in writer.losses] == ["tool_call"]


def test_what_is_not_known_is_made_of_the_request() -> None:
    """An id, a time, a name; and the name may be one that the policy shows."""
    (first, *_) = chunks(stream(Started(), Finished(Finish.STOP)))
    assert (first["id"], first["created"], first["model"]) == ("chatcmpl-x1", 5, "asked")
    (first, *_) = chunks(stream(BEGUN, Finished(Finish.STOP), model="alias"))
    assert first["model"] == "alias"


def test_each_choice_has_its_role_and_its_end() -> None:
    """A choice that nobody ended has stopped."""
    events = (BEGUN, TextDelta("a", 0, 0), TextDelta("b", 0, 1), Finished(Finish.LENGTH, 1))
    told = [(each["choices"][0]["index"], each["choices"][0]["finish_reason"]) for each in chunks(stream(*events))]
    assert told == [(0, None), (0, None), (1, None), (1, None), (1, "length"), (0, "stop")]


def test_an_error_ends_the_stream_without_an_end_mark() -> None:
    """So that no client takes it for a whole answer."""
    data = stream(BEGUN, TextDelta("a"), Failed(Fault(529, "overloaded", "overloaded_error")), TextDelta("b"))
    assert data.endswith(
        b'data: {"error":{"message":"overloaded","type":"server_error","param":null,"code":"overloaded_error"}}\n\n'
    )
    assert b"[DONE]" not in data and b'"b"' not in data


def test_what_cannot_be_said_is_a_loss() -> None:
    """Signatures and foreign parts; citations only where they are foreign too."""
    events: list[Event] = [
        TextDelta("ab", 0),
        TextDelta("cd", 1),
        CitationSeen(UrlCitation("https://x.test/", None, 0, 1), 1),
        SignatureSeen(Signature("x", "s"), 0),
        ForeignSeen(Foreign("x", "odd", Json("{}")), 2),
        Finished(Finish.PAUSED),
    ]
    writer = ChatWriter(ReplyTo(PLAIN, "x"))
    written = chunks(writer.write([BEGUN, *events]) + writer.end())
    cited = [chunk["choices"][0]["delta"]["annotations"] for chunk in written if "annotations" in str(chunk)]
    assert cited[0][0]["url_citation"] == {"start_index": 2, "end_index": 3, "title": "", "url": "https://x.test/"}
    assert [(loss.feature, loss.path, loss.done) for loss in writer.losses] == [
        ("signature", "choices[0].parts[0]", Done.DROPPED),
        ("foreign_part", "choices[0].parts[2]", Done.DROPPED),
        ("pause", "choices[0]", Done.DROPPED),
    ]


def test_the_tier_is_told_as_soon_as_it_is_known() -> None:
    """In every chunk from then on, the one with usage included."""
    written = chunks(stream(BEGUN, TierSeen("flex"), Finished(Finish.STOP), UsageSeen(Usage(1)), asked=WITH_USAGE))
    assert ["service_tier" in chunk for chunk in written] == [False, True, True]


def test_keep_alives_are_comments() -> None:
    """No client of this dialect sees them."""
    assert ChatWriter(ReplyTo(PLAIN, "x")).keep_alive().startswith(b":")


@settings(deadline=None, max_examples=50)
@given(answers(ALL_PARTS - {"signature", "custom"}, frozenset({Finish.STOP, Finish.TOOL_CALLS, Finish.LENGTH})))
def test_the_official_sdk_ends_up_with_the_whole_answer(answer: ChatAnswer) -> None:
    """Its helper puts the chunks together: the same texts, calls and counts as in the whole answer."""
    state = ChatCompletionStreamState()
    for chunk in chunks(stream(*events_of(answer), asked=WITH_USAGE)):
        state.handle_chunk(ChatCompletionChunk.model_validate(chunk))
    final = state.current_completion_snapshot
    whole = ChatCompletion.model_validate_json(write_chat_answer(answer, ReplyTo(WITH_USAGE, "x1", 5)).body)
    assert (final.id, final.model, final.created) == (whole.id, whole.model, whole.created)
    assert final.usage == whole.usage
    for one, other in zip(final.choices, whole.choices, strict=True):
        assert (one.message.content or None) == (other.message.content or None)
        assert one.message.refusal == other.message.refusal
        assert one.finish_reason == other.finish_reason
        calls = [(call.id, call.function.name, call.function.arguments) for call in one.message.tool_calls or ()]
        assert calls == [
            (call.id, call.function.name, call.function.arguments)  # type: ignore[union-attr]
            for call in other.message.tool_calls or ()
        ]


@pytest.mark.parametrize(("asked", "field"), [(PLAIN, "tool_calls"), (FUNCTIONS, "function_call")])
def test_a_whole_answer_speaks_as_its_client_does(asked: Any, field: str) -> None:
    """Of tools, or of functions."""

    choice = Choice((Text("a"), ToolCall("c", "f", "{}"), ToolCall("d", "f", "{}")), Finish.TOOL_CALLS)
    written = write_chat_answer(ChatAnswer(choices=(choice,)), ReplyTo(asked, "x", 3))
    body = json.loads(written.body)
    assert (body["id"], body["created"], body["model"]) == ("chatcmpl-x", 3, "asked")
    assert body["choices"][0]["finish_reason"] == field
    assert field in body["choices"][0]["message"]
    assert [loss.feature for loss in written.losses] == (["tool_call"] if asked is FUNCTIONS else [])
    assert all(isinstance(loss, Loss) for loss in written.losses)
