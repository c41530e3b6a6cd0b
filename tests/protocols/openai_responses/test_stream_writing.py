"""Streams for clients of Responses: the vendor's order, to the letter."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from routebook.chat.events import (
    ArgumentsDelta,
    AudioDelta,
    CitationSeen,
    Event,
    Failed,
    Finish,
    Finished,
    ForeignSeen,
    ImageSeen,
    LogprobsSeen,
    ReasoningDelta,
    RefusalDelta,
    SignatureSeen,
    Started,
    TextDelta,
    TierSeen,
    TokenLogprob,
    ToolCallEnded,
    ToolCallStarted,
    UsageSeen,
)
from routebook.chat.faults import Fault
from routebook.chat.parts import Foreign, ForeignCitation, Image, Inline, Json, Signature, ToolKind, Url, UrlCitation
from routebook.chat.usage import Usage
from routebook.protocols.codec import ReplyTo
from routebook.protocols.openai_responses.errors import error_event
from routebook.protocols.openai_responses.request import OpenAIResponses
from routebook.protocols.openai_responses.stream_writing import ResponsesWriter
from routebook.protocols.sse import fields, spans

ASKED = OpenAIResponses(b'{"model":"m","input":"a","temperature":0.5,"metadata":{"k":"v"},"store":true}')
TOKEN = TokenLogprob("a", -0.5, None, (TokenLogprob("é", -1.5),))


def writer() -> ResponsesWriter:
    """A writer for one request."""
    return ResponsesWriter(ReplyTo(ASKED, "01J", 1_763_719_200, "shown"))


def read(stream: bytes) -> list[dict[str, Any]]:
    """The data of a stream's events; names before them are those in them."""
    pairs = [fields(event) for event in spans(stream)]
    told = [json.loads(data) for _, data in pairs if data is not None]
    assert [name for name, _ in pairs] == [each["type"] for each in told]
    assert [each["sequence_number"] for each in told] == list(range(len(told)))
    return told


def written(*events: Event) -> list[dict[str, Any]]:
    """What a client is told of these events."""
    writing = writer()
    return read(writing.write(events) + writing.end())


def kinds(*events: Event) -> list[str]:
    """The names of the events between the beginning and the end."""
    names = [each["type"].removeprefix("response.") for each in written(*events)]
    assert names[:2] == ["created", "in_progress"]
    return names[2:-1]


def test_the_order_of_a_text() -> None:
    """Item, part, pieces, and back."""
    assert kinds(Started(), TextDelta("a"), TextDelta("b"), CitationSeen(UrlCitation("u"))) == [
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.delta",
        "output_text.annotation.added",
        "output_text.done",
        "content_part.done",
        "output_item.done",
    ]


def test_the_order_of_everything_else() -> None:
    """Thoughts, refusals, calls of both kinds: one item ends before the next begins."""
    assert kinds(
        ReasoningDelta("a", 0),
        SignatureSeen(Signature("anthropic", "s"), 0),
        RefusalDelta("b", 1),
        ToolCallStarted("c1", "f", 2),
        ToolCallStarted("c2", "g", 3, kind=ToolKind.CUSTOM),
        ArgumentsDelta("x", 3),
        ArgumentsDelta("{}", 2),
        ToolCallEnded(3),
        ToolCallEnded(2),
        Finished(Finish.TOOL_CALLS),
    ) == [
        "output_item.added",
        "reasoning_summary_part.added",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.done",
        "reasoning_summary_part.done",
        "output_item.done",
        "output_item.added",
        "content_part.added",
        "refusal.delta",
        "refusal.done",
        "content_part.done",
        "output_item.done",
        "output_item.added",
        "function_call_arguments.delta",
        "function_call_arguments.done",
        "output_item.done",
        "output_item.added",
        "custom_tool_call_input.delta",
        "custom_tool_call_input.done",
        "output_item.done",
    ]


def test_items_are_the_same_wherever_they_stand() -> None:
    """Ids and places agree from the beginning of an item to the whole answer."""
    told = written(
        Started("resp_1", "served", 7),
        ReasoningDelta("Hm.", 0),
        TextDelta("a", 1),
        ToolCallStarted("c1", "f", 2),
        ArgumentsDelta("{}", 2),
        ToolCallEnded(2),
        TierSeen("flex"),
        UsageSeen(Usage(input=1, cached_input=2, output=3)),
        Finished(Finish.TOOL_CALLS),
    )
    done = [each["item"] for each in told if each["type"] == "response.output_item.done"]
    added = [each for each in told if each["type"] == "response.output_item.added"]
    response = told[-1]["response"]
    assert response["output"] == done
    assert [each["item"]["id"] for each in added] == [item["id"] for item in done]
    assert [item["id"] for item in done] == ["rs_rb_01J_0", "msg_rb_01J_1", "fc_rb_01J_2"]
    assert [each["output_index"] for each in added] == [0, 1, 2]
    assert {each["response"]["id"] for each in told if "response" in each} == {"resp_1"}
    assert (response["model"], response["created_at"], response["status"]) == ("shown", 7, "completed")
    assert (response["service_tier"], response["usage"]["total_tokens"]) == ("flex", 6)
    assert (response["temperature"], response["metadata"], response["store"]) == (0.5, {"k": "v"}, False)
    assert told[0]["response"]["usage"] is None


def test_a_stream_without_anything_is_a_whole_answer() -> None:
    """Upstreams may say nothing at all."""
    assert [each["type"] for each in written()] == ["response.created", "response.in_progress", "response.completed"]
    assert written()[0]["response"]["id"] == "resp_01J"


def test_an_error_says_what_there_was_and_then_is_raised() -> None:
    """The answer as far as it came, and the event that clients raise; nothing follows."""
    writing = writer()
    stream = writing.write([TextDelta("Once"), Failed(Fault(429, "slow down", "rate_limit_exceeded", retry_after=3))])
    assert writing.write([TextDelta("more")]) == writing.end() == b""
    *_, failed, error = read(stream)
    assert (failed["type"], failed["response"]["status"]) == ("response.failed", "failed")
    assert failed["response"]["error"]["code"] == "rate_limit_exceeded"
    assert failed["response"]["output"][0]["content"][0]["text"] == "Once"
    assert failed["response"]["output"][0]["status"] == "incomplete"
    assert (error["code"], error["message"], error["error"]["type"]) == (
        "rate_limit_exceeded",
        "slow down",
        "rate_limit_error",
    )


def test_an_error_that_comes_first_stands_alone() -> None:
    """There is no answer that it could be the end of."""
    [error] = read(writer().write([Failed(Fault(500, "no"))]))
    assert error == read(error_event(500, "no"))[0]


def test_probabilities_stand_with_their_piece() -> None:
    """The UTF-8 form of a token may not be missing here."""
    told = written(TextDelta("a"), LogprobsSeen((TOKEN,)), Finished(Finish.STOP))
    [delta] = [each for each in told if each["type"] == "response.output_text.delta"]
    token = {"token": "a", "bytes": [97], "logprob": -0.5}
    assert delta["logprobs"] == [{**token, "top_logprobs": [{"token": "é", "bytes": [195, 169], "logprob": -1.5}]}]
    assert told[-1]["response"]["output"][0]["content"][0]["logprobs"] == delta["logprobs"]


def test_probabilities_that_come_late_stand_in_the_whole_answer() -> None:
    """Some upstreams tell of them at the very end."""
    writing = writer()
    stream = writing.write([TextDelta("a"), ToolCallStarted("c", "f", 1), ToolCallEnded(1)])
    stream += writing.write([LogprobsSeen((TOKEN,))]) + writing.end()
    assert len(read(stream)[-1]["response"]["output"][0]["content"][0]["logprobs"]) == 1


@pytest.mark.parametrize(
    ("events", "feature"),
    [
        ([AudioDelta("AA==")], "audio"),
        ([ImageSeen(Image(Url("https://x.test/i")))], "image"),
        ([ForeignSeen(Foreign("anthropic", "odd", Json("{}")))], "foreign_part"),
        ([TextDelta("a"), SignatureSeen(Signature("gemini", "s"))], "signature"),
        ([ToolCallStarted("c", "f"), SignatureSeen(Signature("gemini", "s"))], "signature"),
        ([TextDelta("a"), CitationSeen(ForeignCitation("anthropic", Json("{}")))], "citation"),
        ([TextDelta("a"), CitationSeen(UrlCitation("u", quote="q"))], "citation"),
        ([TextDelta("a"), TextDelta("b", choice=1)], "choices"),
        ([LogprobsSeen((TOKEN,), of_refusal=True)], "logprobs"),
        ([LogprobsSeen((TOKEN,))], "logprobs"),
        ([Finished(Finish.PAUSED)], "pause"),
        ([Finished(Finish.STOP_SEQUENCE, stop_sequence="x")], "stop_sequence"),
    ],
)
def test_what_cannot_be_said_is_reported_once(events: Sequence[Event], feature: str) -> None:
    """And the answer is whole all the same."""
    writing = writer()
    stream = writing.write([*events, *events[-1:]]) + writing.end()
    assert [loss.feature for loss in writing.losses] == [feature]
    assert read(stream)[-1]["type"] == "response.completed"


def test_items_of_this_dialect_pass_as_they_came() -> None:
    """A picture is what the vendor's own tool would have drawn."""
    part = Foreign("openai-responses", "web_search_call", Json('{"type":"web_search_call","id":"ws_1"}'))
    told = written(ForeignSeen(part), ImageSeen(Image(Inline("image/webp", "AA==")), 1))
    search, picture = told[-1]["response"]["output"]
    assert search == {"type": "web_search_call", "id": "ws_1"}
    assert (picture["type"], picture["result"], picture["output_format"]) == ("image_generation_call", "AA==", "webp")


def test_keep_alives_are_comments() -> None:
    """Every client of this dialect passes them over."""
    assert writer().keep_alive().startswith(b":")
