"""Streams that are written for Anthropic's clients: the exact bytes, in the vendor's order."""

from __future__ import annotations

import json
from typing import Any

import pytest

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
    RefusalDelta,
    SignatureSeen,
    Started,
    TextDelta,
    TierSeen,
    ToolCallStarted,
    UsageSeen,
)
from routebook.chat.faults import Fault
from routebook.chat.parts import (
    Audio,
    Foreign,
    ForeignCitation,
    Image,
    Inline,
    Json,
    Reasoning,
    Refusal,
    Signature,
    Text,
    ToolCall,
    ToolKind,
    UrlCitation,
)
from routebook.chat.usage import Usage
from routebook.protocols.anthropic.answer_writing import write_message
from routebook.protocols.anthropic.request import AnthropicMessages
from routebook.protocols.anthropic.stream_writing import MessagesWriter
from routebook.protocols.codec import ReplyTo

ASKED = AnthropicMessages(b'{"model":"asked","messages":[],"max_tokens":9,"stream":true}')
BEGUN = Started("msg_1", "served-1")


def written(*batches: list[Event], model: str | None = None) -> tuple[list[tuple[str, Any]], MessagesWriter]:
    """The events of the stream that these batches make, and who wrote them."""
    writer = MessagesWriter(ReplyTo(ASKED, "x1", 5, model))
    stream = b"".join([*(writer.write(batch) for batch in batches), writer.end()]).decode()
    frames = []
    for frame in stream.removesuffix("\n\n").split("\n\n"):
        name, data = frame.split("\n")
        frames.append((name.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
        assert frames[-1][0] == frames[-1][1]["type"]
    return frames, writer


def test_the_exact_order() -> None:
    """Every event of an answer with thoughts, text and a call, to the byte."""
    writer = MessagesWriter(ReplyTo(ASKED, "x1"))
    events: list[Event] = [
        BEGUN,
        UsageSeen(Usage(7, 2, 1)),
        ReasoningDelta("Hm."),
        SignatureSeen(Signature("anthropic", "c2ln")),
        TextDelta("é", 1),
        ToolCallStarted("t1", "f", 2),
        ArgumentsDelta('{"a":1}', 2),
        Finished(Finish.TOOL_CALLS),
        UsageSeen(Usage(7, 2, 1, 0, 5, 3)),
        TierSeen("priority"),
    ]
    assert (writer.write(events) + writer.end()).decode() == (
        'event: message_start\ndata: {"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant",'
        '"model":"served-1","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":7,'
        '"cache_creation_input_tokens":1,"cache_read_input_tokens":2,"output_tokens":0}}}\n\n'
        'event: content_block_start\ndata: {"type":"content_block_start","index":0,"content_block":{"type":"thinking",'
        '"thinking":"","signature":""}}\n\n'
        'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta",'
        '"thinking":"Hm."}}\n\n'
        'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"signature_delta",'
        '"signature":"c2ln"}}\n\n'
        'event: content_block_stop\ndata: {"type":"content_block_stop","index":0}\n\n'
        'event: content_block_start\ndata: {"type":"content_block_start","index":1,"content_block":{"type":"text",'
        '"text":""}}\n\n'
        'event: content_block_delta\ndata: {"type":"content_block_delta","index":1,"delta":{"type":"text_delta",'
        '"text":"é"}}\n\n'
        'event: content_block_stop\ndata: {"type":"content_block_stop","index":1}\n\n'
        'event: content_block_start\ndata: {"type":"content_block_start","index":2,"content_block":{"type":"tool_use",'
        '"id":"t1","name":"f","input":{}}}\n\n'
        'event: content_block_delta\ndata: {"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta",'
        '"partial_json":"{\\"a\\":1}"}}\n\n'
        'event: content_block_stop\ndata: {"type":"content_block_stop","index":2}\n\n'
        'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"tool_use","stop_sequence":null,'
        '"stop_details":null},"usage":{"input_tokens":7,"cache_creation_input_tokens":1,"cache_read_input_tokens":2,'
        '"output_tokens":8,"output_tokens_details":{"thinking_tokens":3},"service_tier":"priority"}}\n\n'
        'event: message_stop\ndata: {"type":"message_stop"}\n\n'
    )


@pytest.mark.parametrize("events", [[], [BEGUN], [Finished(Finish.STOP)], [UsageSeen(Usage(1))]])
def test_an_answer_without_content_is_a_whole_stream(events: list[Event]) -> None:
    """It begins, gives its reason and ends, however little its upstream told."""
    frames, _ = written(events)
    assert [name for name, _ in frames] == ["message_start", "message_delta", "message_stop"]
    assert frames[1][1]["delta"]["stop_reason"] == "end_turn"


def test_what_the_upstream_leaves_out_is_made_up() -> None:
    """An id out of the reply's, the model asked for; or the name that is to be shown."""
    message = written([Started(), TextDelta("a")])[0][0][1]["message"]
    assert (message["id"], message["model"]) == ("msg_x1", "asked")
    assert written([BEGUN], model="alias")[0][0][1]["message"]["model"] == "alias"


def test_an_error_ends_the_stream() -> None:
    """With the type that its status stands for; nothing follows."""
    writer = MessagesWriter(ReplyTo(ASKED, "x1"))
    stream = writer.write([BEGUN, TextDelta("a"), Failed(Fault(429, "slow down", "tokens", "x"))])
    assert stream.endswith(
        b'event: error\ndata: {"type":"error","error":{"type":"rate_limit_error","message":"slow down",'
        b'"details":{"error_code":"tokens","param":"x"}}}\n\n'
    )
    assert writer.write([TextDelta("b")]) == writer.end() == b""


def test_a_ping_keeps_it_alive() -> None:
    """It may come anywhere."""
    assert MessagesWriter(ReplyTo(ASKED, "x")).keep_alive() == b'event: ping\ndata: {"type":"ping"}\n\n'


PARTS: Any = {
    "free-text": (ToolCall("a", "f", "x", ToolKind.CUSTOM), [], [("tool_use", {"input": "x"})]),
    "sealed-by-another": (Reasoning("Hm.", Signature("gemini", "s")), ["signature"], [("thinking", "Hm.")]),
    "sealed-alone-by-another": (Reasoning("", Signature("gemini", "s"), True), ["signature"], []),
    "signed-call": (ToolCall("a", "f", "{}", signature=Signature("gemini", "s")), ["signature"], [("tool_use", {})]),
    "sound": (Audio(Inline("audio/wav", "AAEC"), "Hello"), ["audio"], [("text", "Hello")]),
    "image": (Image(Inline("image/png", "AAEC")), ["image"], []),
    "foreign": (Foreign("gemini", "code", Json("{}")), ["foreign"], []),
    "refusal": (Refusal("No."), [], [("text", "No.")]),
    "foreign-citation": (Text("a", (ForeignCitation("gemini", Json("{}")),)), ["citation"], [("text", "a")]),
    "citation": (Text("a", (UrlCitation("u"),)), [], [("text", "a")]),
}


@pytest.mark.parametrize("name", PARTS)
def test_what_cannot_be_said_is_reported_alike(name: str) -> None:
    """Whole and streamed, the same losses and the same blocks."""
    part, losses, blocks = PARTS[name]
    answer = ChatAnswer("a", "m", None, (Choice((part,), Finish.STOP), Choice((Text("second"),))), Usage())
    whole = write_message(answer, ReplyTo(ASKED, "x"))
    frames, writer = written(list(events_of(answer)))
    assert sorted(loss.feature for loss in whole.losses) == sorted(loss.feature for loss in writer.losses)
    assert sorted(loss.feature for loss in whole.losses) == sorted(["choices", *losses])
    content = json.loads(whole.body)["content"]
    key = {"tool_use": "input", "text": "text", "thinking": "thinking"}
    assert [(block["type"], block[key[block["type"]]]) for block in content] == blocks
    started = [data["content_block"]["type"] for event, data in frames if event == "content_block_start"]
    assert started == [kind for kind, _ in blocks]
    assert frames[-2][1]["delta"]["stop_reason"] == json.loads(whole.body)["stop_reason"]


def test_a_refusal_is_said_and_told() -> None:
    """As text for people, as a reason for programs."""
    frames, _ = written([BEGUN, RefusalDelta("I will"), RefusalDelta(" not."), Finished(Finish.STOP)])
    assert frames[-2][1]["delta"] == {
        "stop_reason": "refusal",
        "stop_sequence": None,
        "stop_details": {"type": "refusal", "category": None, "explanation": "I will not."},
    }


def test_a_citation_after_its_text_belongs_to_a_block_of_text() -> None:
    """Its own while that is open, a new one where calls came between."""
    cited = CitationSeen(UrlCitation("u", "t", 0, 1, "q"))
    frames, _ = written([BEGUN, TextDelta("a"), cited])
    assert frames[3][1]["delta"]["citation"] == {
        "type": "web_search_result_location", "url": "u", "title": "t", "cited_text": "q", "encrypted_index": "",
    }  # fmt: skip
    frames, _ = written([BEGUN, TextDelta("a"), ToolCallStarted("t", "f", 1)], [cited, Finished(Finish.TOOL_CALLS)])
    assert [name for name, _ in frames].count("content_block_start") == 3


def test_parts_of_its_own_are_whole_in_their_beginning() -> None:
    """As the provider's tools at work are told."""
    block = Foreign("anthropic", "odd", Json('{"type":"odd","a":1.50}'))
    frames, _ = written([BEGUN, ForeignSeen(block), ForeignSeen(block, 1)])
    assert [data["content_block"] for name, data in frames if name == "content_block_start"] == [
        {"type": "odd", "a": 1.5}
    ] * 2
    assert [data["index"] for name, data in frames if name == "content_block_stop"] == [0, 1]
