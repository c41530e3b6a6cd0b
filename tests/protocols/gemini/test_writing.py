"""What is written for upstreams and for clients where values, and not the tables, decide."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from routebook.chat.answer import ChatAnswer, Choice
from routebook.chat.conversation import (
    AudioWish,
    Calling,
    ChatRequest,
    Effort,
    Message,
    ReasoningWish,
    Role,
    ToolChoice,
)
from routebook.chat.events import (
    ArgumentsDelta,
    AudioDelta,
    AudioSeen,
    Event,
    Finish,
    Finished,
    LogprobsSeen,
    Started,
    TextDelta,
    TokenLogprob,
    ToolCallEnded,
    ToolCallStarted,
    TranscriptDelta,
)
from routebook.chat.features import Feature
from routebook.chat.loss import Done
from routebook.chat.parts import Foreign, Image, Json, Signature, Text, ToolCall, ToolKind, ToolResult, Url
from routebook.chat.remembering import Remembering, recalled
from routebook.protocols.carrying import Target
from routebook.protocols.codec import ReplyTo, Sent
from routebook.protocols.errors import ProtocolError
from routebook.protocols.gemini.answer_writing import write_chat_answer
from routebook.protocols.gemini.counting import read_count, write_count_request
from routebook.protocols.gemini.errors import error_event
from routebook.protocols.gemini.message_writing import UNSIGNED
from routebook.protocols.gemini.request import GeminiChat
from routebook.protocols.gemini.request_writing import write_request
from routebook.protocols.gemini.stream_reading import GeminiReader
from routebook.protocols.gemini.stream_writing import GeminiWriter

WIRE = Path(__file__).parents[2] / "corpus" / "wire" / "gemini"
SSE = ReplyTo(GeminiChat(b'{"contents":[]}', "m", True, "sse"), "seed")
ARRAY = ReplyTo(GeminiChat(b'{"contents":[]}', "m", True), "seed")


def sent(chat: ChatRequest, **target: Any) -> tuple[dict[str, Any], Sent]:
    """The body of a request and all that was sent."""
    written = write_request(chat, Target("m", **target), False)
    return json.loads(written.body), written


def said(*parts: Any, role: Role = Role.ASSISTANT) -> ChatRequest:
    """A conversation of one message."""
    return ChatRequest("m", (Message(role, parts),))


def chunks(events: Iterable[Event], reply: ReplyTo = SSE) -> list[dict[str, Any]]:
    """The chunks of a stream."""
    writer = GeminiWriter(reply)
    stream = b"".join([*(writer.write([event]) for event in events), writer.end()])
    if reply is ARRAY:
        return list(json.loads(stream))
    return [json.loads(each.removeprefix(b"data: ")) for each in stream.split(b"\n\n")[:-1]]


def test_paths_name_the_model() -> None:
    """After the base URL; a stream is asked for as events."""
    assert write_request(said(Text("a")), Target("m"), False).path == "/models/m:generateContent"
    assert write_request(said(Text("a")), Target("a b"), True).path == "/models/a%20b:streamGenerateContent?alt=sse"
    assert write_request(said(Text("a")), Target("tunedModels/x"), False).path == "/tunedModels/x:generateContent"


@pytest.mark.parametrize(
    ("text", "response"),
    [
        ("warm", {"output": "warm"}),
        ('{"temp":7}', {"temp": 7}),
        ('{"output":"x"}', {"output": '{"output":"x"}'}),
        ("[1]", {"output": "[1]"}),
        ("", {}),
    ],
)
def test_results_are_objects(text: str, response: Any) -> None:
    """An object is sent as it is, unless it looks like what stands around a text."""
    result = ToolResult("c", (Text(text),) if text else ())
    conversation = (Message(Role.ASSISTANT, (ToolCall("c", "f", ""),)), Message(Role.TOOL, (result,)))
    body, _ = sent(ChatRequest("m", conversation))
    assert body["contents"][1]["parts"] == [{"functionResponse": {"id": "c", "name": "f", "response": response}}]


def test_a_result_without_its_call_is_a_loss() -> None:
    """A function's name is needed, and nobody knows it."""
    _, written = sent(said(ToolResult("c", (Text("a"),)), role=Role.TOOL))
    assert [(loss.feature, loss.path, loss.done) for loss in written.losses] == [
        ("tool_result", "messages[0].parts[0]", Done.REFUSED)
    ]


def test_arguments_that_are_no_object() -> None:
    """They are refused, or stand under `input` where the policy says so."""
    chat = said(ToolCall("c", "f", "{broken"))
    body, written = sent(chat)
    assert (body["contents"], written.losses[0].done) == ([], Done.REFUSED)
    body, written = sent(chat, verdicts={Feature.TOOL_CALL: Done.EMULATED})
    assert body["contents"][0]["parts"][0]["functionCall"]["args"] == {"input": "{broken"}
    assert written.losses[0].done is Done.EMULATED


def test_calls_of_another_model_carry_what_google_documents() -> None:
    """Where the policy emulates signatures, the first call of a turn has one; a known one stays."""
    other, own = Signature("anthropic", "x"), Signature("gemini", "c2ln")
    emulated = {"verdicts": {Feature.SIGNATURE: Done.EMULATED}}
    for signature, sealed in (
        (other, "skip_thought_signature_validator"),
        (own, "c2ln"),
        (None, "skip_thought_signature_validator"),
    ):
        body, _ = sent(said(ToolCall("a", "f", "{}", signature=signature), ToolCall("b", "f", "{}")), **emulated)
        assert [part.get("thoughtSignature") for part in body["contents"][0]["parts"]] == [sealed, None]
    dropped = {"verdicts": {Feature.SIGNATURE: Done.DROPPED}}
    body, written = sent(said(ToolCall("a", "f", "{}", signature=other)), **dropped)
    assert "thoughtSignature" not in body["contents"][0]["parts"][0]
    assert [loss.feature for loss in written.losses] == ["signature"]


@pytest.mark.parametrize(
    ("model", "seals"),
    [("gemini-3-flash", [None, UNSIGNED]), ("tuned-by-us", [None, UNSIGNED]), ("gemini-2.5-pro", [None, None])],
)
def test_calls_since_the_user_spoke_are_signed_where_the_model_demands_it(model: str, seals: list[str | None]) -> None:
    """A loop that another model began would be refused; models before version 3 do without, and so do earlier turns."""
    call, result = ToolCall("a", "f", "{}"), Message(Role.TOOL, (ToolResult("a", (Text("1"),)),))
    asks, calls = Message(Role.USER, (Text("Hello"),)), Message(Role.ASSISTANT, (call,))
    chat = ChatRequest("m", (asks, calls, result, asks, calls, result))
    written = write_request(chat, Target(model), False)
    parts = [part for content in json.loads(written.body)["contents"] for part in content["parts"]]
    assert [part.get("thoughtSignature") for part in parts if "functionCall" in part] == seals
    noted = [(loss.feature, loss.path, loss.done) for loss in written.losses]
    assert noted == ([("signature", "messages[4].parts[0].signature", Done.EMULATED)] if any(seals) else [])


def test_urls_are_fetched_where_the_policy_says_so() -> None:
    """Otherwise they are refused."""
    chat = said(Image(Url("https://x.test/a")), role=Role.USER)
    assert sent(chat)[1].losses[0].done is Done.REFUSED
    body, _ = sent(chat, verdicts={Feature.IMAGE_URL: Done.EMULATED})
    assert body["contents"][0]["parts"] == [{"fileData": {"fileUri": "https://x.test/a"}}]


@pytest.mark.parametrize(
    ("wish", "written"),
    [
        (ReasoningWish(Effort.NONE), {"thinkingBudget": 0}),
        (ReasoningWish(Effort.MAX, summary="none"), {"thinkingLevel": "XHIGH", "includeThoughts": False}),
        (ReasoningWish(Effort.LOW, summary="detailed"), {"thinkingLevel": "LOW", "includeThoughts": True}),
        (ReasoningWish(None, 99), {"thinkingBudget": 99}),
        (ReasoningWish(), {"thinkingBudget": -1}),
    ],
)
def test_thinking(wish: ReasoningWish, written: Any) -> None:
    """Efforts are levels."""
    body, _ = sent(ChatRequest("m", reasoning=wish))
    assert body["generationConfig"]["thinkingConfig"] == written


def test_what_depends_on_values_is_reported() -> None:
    """More stop sequences than there may be, one call at a time, and a format of sound that does not come."""
    chat = ChatRequest(
        "m", stop=tuple("abcdef"), parallel_tools=False, audio=AudioWish("Kore", "mp3"), modalities=("text", "audio")
    )
    body, written = sent(chat)
    assert [loss.path for loss in written.losses] == ["parallel_tools", "stop", "audio.format"]
    assert body["generationConfig"]["responseModalities"] == ["AUDIO"]
    assert not sent(ChatRequest("m", parallel_tools=True, stop=("a",), audio=AudioWish("Kore", "pcm16")))[1].losses


@pytest.mark.parametrize(
    ("tier", "written"), [("default", "standard"), ("auto", "unspecified"), ("priority", "priority"), ("scale", None)]
)
def test_tiers_are_said_in_googles_words(tier: str, written: str | None) -> None:
    """One that Google has not is dropped, and reported."""
    body, all_of_it = sent(ChatRequest("m", tier=tier))
    assert body.get("serviceTier") == written
    assert [loss.feature for loss in all_of_it.losses] == ([] if written else ["tier"])


def test_signatures_come_back_with_their_calls() -> None:
    """A client that cannot hold them brings its calls' ids: what was kept under these makes the turn legal again."""
    remembering, reader = Remembering(), GeminiReader("seed")
    events = reader.feed((WIRE / "parallel-calls-without-ids" / "reply.sse").read_bytes())
    remembering.take(events)
    ids = [event.id for event in events if isinstance(event, ToolCallStarted)]
    calls = tuple(ToolCall(each, name, "{}") for each, name in zip(ids, ("weather", "now"), strict=True))
    results = tuple(ToolResult(each, (Text("x"),)) for each in ids)
    chat = ChatRequest("m", (Message(Role.ASSISTANT, calls), Message(Role.TOOL, results)))
    body, _ = sent(recalled(chat, remembering.memories().get))
    assert [part.get("thoughtSignature") for part in body["contents"][0]["parts"]] == ["RXZlcnkgc2VhbA==", None]
    assert [part["functionResponse"]["name"] for part in body["contents"][1]["parts"]] == ["weather", "now"]


def test_names_count_in_modes_that_take_them() -> None:
    """A free choice among some is `VALIDATED`."""
    body, _ = sent(ChatRequest("m", tool_choice=ToolChoice(Calling.AUTO, ("f", "g"))))
    assert body["toolConfig"]["functionCallingConfig"] == {"mode": "VALIDATED", "allowedFunctionNames": ["f", "g"]}


def test_own_parts_go_back_as_they_came() -> None:
    """Code that ran at the provider is part of the conversation."""
    ran = Foreign("gemini", "executableCode", Json('{"executableCode":{"code": "1"}}'))
    body, _ = sent(said(ran))
    assert body["contents"][0]["parts"] == [{"executableCode": {"code": "1"}}]


def test_counting_asks_for_everything() -> None:
    """System prompt and tools are counted too."""
    written = write_count_request(ChatRequest("m", system=(Text("s"),)), Target("up"))
    assert written.path == "/models/up:countTokens"
    whole = json.loads(written.body)["generateContentRequest"]
    assert (whole["model"], whole["systemInstruction"]) == ("models/up", {"parts": [{"text": "s"}]})
    assert read_count(b'{"totalTokens":31,"promptTokensDetails":[]}') == 31
    with pytest.raises(ProtocolError):
        read_count(b"{}")


INTERLEAVED: list[Event] = [
    Started("r", "up", 0),
    TextDelta("a"),
    ToolCallStarted("c1", "f", 1),
    ToolCallStarted("c2", "g", 2),
    ArgumentsDelta('{"x":', 1),
    ArgumentsDelta("{}", 2),
    ArgumentsDelta("1}", 1),
    ToolCallEnded(2),
    ToolCallEnded(1),
    Finished(Finish.TOOL_CALLS),
]


@pytest.mark.parametrize("reply", [SSE, ARRAY], ids=["events", "array"])
def test_calls_come_whole_and_in_order(reply: ReplyTo) -> None:
    """However they were streamed: a client of this dialect cannot put calls together. The first comes with the vendor's
    word for a signature that nobody has: it would be refused without one, should the client come back to its own."""
    parts = [chunk["candidates"][0]["content"]["parts"] for chunk in chunks(INTERLEAVED, reply)]
    waived = {"thoughtSignature": "skip_thought_signature_validator"}
    assert parts == [
        [{"text": "a"}],
        [{"functionCall": {"id": "c1", "name": "f", "args": {"x": 1}}, **waived}],
        [{"functionCall": {"id": "c2", "name": "g", "args": {}}}],
        [{"text": ""}],
    ]


def broken(finish: Finish | None) -> list[Event]:
    """A call whose arguments end in the middle."""
    begun: list[Event] = [TextDelta("a"), ToolCallStarted("c", "f", 1), ArgumentsDelta('{"x', 1), ToolCallEnded(1)]
    return begun if finish is None else [*begun, Finished(finish)]


@pytest.mark.parametrize("reply", [SSE, ARRAY], ids=["events", "array"])
@pytest.mark.parametrize("finish", [Finish.TOOL_CALLS, None])
def test_half_a_call_is_an_error(reply: ReplyTo, finish: Finish | None) -> None:
    """Nobody could execute it, and nobody is to take the answer for whole."""
    assert chunks(broken(finish), reply)[-1]["error"]["code"] == 502


def test_a_call_that_was_cut_is_left_out() -> None:
    """The most tokens were reached in it, and the answer says so."""
    writer = GeminiWriter(SSE)
    stream = writer.write(broken(Finish.LENGTH)) + writer.end()
    assert b'"finishReason":"MAX_TOKENS"' in stream
    assert b"functionCall" not in stream
    assert [loss.feature for loss in writer.losses] == ["tool_call"]


def test_half_a_call_in_a_whole_answer() -> None:
    """The same truth: an error, or left out where it was cut."""
    call = ToolCall("c", "f", '{"x')
    with pytest.raises(ProtocolError) as caught:
        write_chat_answer(ChatAnswer(choices=(Choice((call,), Finish.TOOL_CALLS),)), SSE)
    assert caught.value.side.value == "upstream"
    cut = write_chat_answer(ChatAnswer(choices=(Choice((call,), Finish.LENGTH),)), SSE)
    assert b"functionCall" not in cut.body
    assert [loss.feature for loss in cut.losses] == ["tool_call"]


def test_free_text_stands_under_a_name() -> None:
    """A function takes an object."""
    call = ToolCall("c", "f", "SELECT 1", ToolKind.CUSTOM)
    body = json.loads(write_chat_answer(ChatAnswer(choices=(Choice((call,), Finish.TOOL_CALLS),)), SSE).body)
    assert body["candidates"][0]["content"]["parts"][0]["functionCall"]["args"] == {"input": "SELECT 1"}


def test_sound_without_its_transcript() -> None:
    """Pieces of sound with their type; the transcript is reported once."""
    writer = GeminiWriter(SSE)
    stream = writer.write(
        [AudioSeen(0, 0, "audio/L16;rate=24000"), TranscriptDelta("a"), TranscriptDelta("b"), AudioDelta("AAEC")]
    )
    assert b'{"inlineData":{"mimeType":"audio/L16;rate=24000","data":"AAEC"}}' in stream
    assert [loss.feature for loss in writer.losses] == ["audio"]


def test_every_chunk_has_a_part() -> None:
    """The SDK's chats forget an answer in whose stream a chunk has none."""
    told = chunks([TextDelta("a"), LogprobsSeen((TokenLogprob("a", -0.5),)), Finished(Finish.STOP)])
    assert all(chunk["candidates"][0]["content"]["parts"] for chunk in told)
    assert told[1]["candidates"][0]["logprobsResult"] == {"chosenCandidates": [{"token": "a", "logProbability": -0.5}]}


def test_nothing_is_sent_to_keep_a_stream_alive() -> None:
    """A comment ends Google's Python client with an error; between elements of an array, white space is free."""
    assert GeminiWriter(SSE).keep_alive() == b""
    writer = GeminiWriter(ARRAY)
    assert writer.keep_alive() == b""
    begun = writer.write([TextDelta("a")])
    assert json.loads(begun + writer.keep_alive() + writer.end())[1]["candidates"][0]["finishReason"] == "STOP"
    assert writer.keep_alive() == b""


def test_an_error_ends_a_stream_that_passes() -> None:
    """In either form what came before it stays readable."""
    assert error_event(502, "cut", code="stream_cut").endswith(b"\n\n")
    assert json.loads(b'[{"a":1}' + error_event(502, "cut", is_array=True))[1]["error"]["status"] == "UNAVAILABLE"
