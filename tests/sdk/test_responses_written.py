"""What the official SDK makes of answers that are written for clients of Responses, whoever gave them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from routebook.chat.assembling import assemble
from routebook.chat.conversation import Role
from routebook.chat.events import (
    ArgumentsDelta,
    CitationSeen,
    Event,
    Failed,
    Finish,
    Finished,
    ImageSeen,
    LogprobsSeen,
    ReasoningDelta,
    RefusalDelta,
    SignatureSeen,
    Started,
    TextDelta,
    TokenLogprob,
    ToolCallEnded,
    ToolCallStarted,
    UsageSeen,
)
from routebook.chat.faults import Fault
from routebook.chat.parts import Image, Inline, Reasoning, Signature, Text, ToolCall, ToolKind, ToolResult, UrlCitation
from routebook.chat.usage import Usage
from routebook.protocols.codec import ReplyTo
from routebook.protocols.openai_errors import error_body
from routebook.protocols.openai_responses.answer_writing import write_answer
from routebook.protocols.openai_responses.counting import write_count_answer
from routebook.protocols.openai_responses.request import OpenAIResponses
from routebook.protocols.openai_responses.stream_writing import ResponsesWriter
from tests.sdk.conftest import Talk
from tests.support.upstream import Close, Play, Say, Upstream, head, reply

Call = Callable[..., dict[str, Any]]

TOOL = {"type": "function", "name": "weather", "parameters": {"type": "object"}, "strict": False}
ASKED = {"model": "any", "input": "How is the weather in Perth?", "instructions": "Be brief.", "tools": [TOOL]}
REPLY = ReplyTo(OpenAIResponses(json.dumps(ASKED).encode()), "01J", 1_763_719_200)
SEAL = Signature("anthropic", "RXJyb3I=+/")

CALLED: list[Event] = [
    Started("msg_01", "claude-x", None),
    ReasoningDelta("Two places", 0),
    ReasoningDelta(" are named Perth.", 0),
    SignatureSeen(SEAL, 0),
    TextDelta("I ask ", 1),
    TextDelta("twice – 東京.", 1),
    CitationSeen(UrlCitation("https://x.test/", "Perth", 0, 5), 1),
    ToolCallStarted("toolu_1", "weather", 2),
    ToolCallStarted("toolu_2", "weather", 3),
    ArgumentsDelta('{"place":', 2),
    ArgumentsDelta('{"place":"Perth, ', 3),
    ArgumentsDelta('"Perth"}', 2),
    ToolCallEnded(2),
    ArgumentsDelta('Scotland"}', 3),
    ToolCallEnded(3),
    Finished(Finish.TOOL_CALLS, said="tool_use"),
    UsageSeen(Usage(input=10, cached_input=5, cache_write=1, output=20, reasoning=7)),
]
OTHERS: dict[str, list[Event]] = {
    "a refusal": [Started(), RefusalDelta("I will"), RefusalDelta(" not."), Finished(Finish.STOP)],
    "nothing": [Started(), Finished(Finish.STOP)],
    "a call without a beginning": [
        ToolCallStarted("c", "f", kind=ToolKind.CUSTOM),
        ArgumentsDelta("x"),
        ToolCallEnded(),
    ],
    "probable text": [
        TextDelta("a"),
        LogprobsSeen((TokenLogprob("a", -0.5, None, (TokenLogprob("b", -1.5),)),)),
        Finished(Finish.STOP),
    ],
    "a picture": [TextDelta("see"), ImageSeen(Image(Inline("image/png", "AAEC")), 1), Finished(Finish.STOP)],
    "a sealed thought": [SignatureSeen(SEAL, 0, is_redacted=True), TextDelta("so", 1), Finished(Finish.STOP)],
}


def streamed(events: Sequence[Event]) -> bytes:
    """The events as a client of a stream gets them, one by one."""
    writer = ResponsesWriter(REPLY)
    return b"".join([*(writer.write([event]) for event in events), writer.keep_alive(), writer.end()])


def sent(stream: bytes) -> Play:
    """A stream as an answer that ends with its connection."""
    return [Say(head(200, [("Content-Type", "text/event-stream"), ("Connection", "close")]) + stream, 97), Close()]


def unparsed(dump: Any) -> Any:
    """What the helper adds when it parses is no part of the answer."""
    if isinstance(dump, dict):
        return {key: unparsed(each) for key, each in dump.items() if key not in ("parsed", "parsed_arguments")}
    return [unparsed(each) for each in dump] if isinstance(dump, list) else dump


async def test_the_helper_ends_with_what_a_whole_answer_says(talk: Talk, call: Call) -> None:
    """Unary, raw events, helper: one and the same answer, in every version of the SDK."""
    kinds = "responses", "responses_stream", "responses_helper"
    said = [CALLED, *OTHERS.values()]
    async with Upstream() as upstream:
        for events in said:
            upstream.will(reply(write_answer(assemble(events), REPLY).body))
            upstream.will(sent(streamed(events)))
            upstream.will(sent(streamed(events)))
        results = iter(await talk(upstream.url, *(call(kind, **ASKED) for _ in said for kind in kinds)))
    for whole, raw, helped in zip(results, results, results, strict=True):
        assert helped["text"] == whole["text"] == raw["text"]
        assert unparsed(helped["dump"]) == unparsed(whole["dump"])
        assert raw["events"][-1]["response"] == whole["dump"]
        assert [event["sequence_number"] for event in raw["events"]] == list(range(len(raw["events"])))


async def test_calls_thoughts_and_usage_arrive(talk: Talk, call: Call) -> None:
    """What the SDK's own objects say of an answer with everything."""
    async with Upstream() as upstream:
        upstream.will(sent(streamed(CALLED)))
        [helped] = await talk(upstream.url, call("responses_helper", **ASKED))
    answer = helped["dump"]
    thought, message, *calls = answer["output"]
    assert thought["summary"] == [{"text": "Two places are named Perth.", "type": "summary_text"}]
    assert message["content"][0]["text"] == "I ask twice – 東京."
    assert message["content"][0]["annotations"][0]["url"] == "https://x.test/"
    assert [each["call_id"] for each in calls] == ["toolu_1", "toolu_2"]
    assert [json.loads(each["arguments"])["place"] for each in calls] == ["Perth", "Perth, Scotland"]
    assert (answer["status"], answer["model"], answer["instructions"]) == ("completed", "claude-x", "Be brief.")
    assert answer["usage"]["input_tokens"] == 16
    assert answer["usage"]["input_tokens_details"]["cached_tokens"] == 5
    assert (answer["usage"]["output_tokens"], answer["usage"]["total_tokens"]) == (27, 43)
    assert answer["usage"]["output_tokens_details"] == {"reasoning_tokens": 7}


async def test_what_the_client_returns_has_every_signature(talk: Talk, call: Call) -> None:
    """The next turn of a loop of tools: thoughts under the seal of whoever thought them, and results after their calls."""
    results = [{"type": "function_call_output", "call_id": f"toolu_{each}", "output": "sunny"} for each in (1, 2)]
    async with Upstream() as upstream:
        upstream.will(reply(write_answer(assemble(CALLED), REPLY).body))
        upstream.will(reply(write_answer(assemble(OTHERS["nothing"]), REPLY).body))
        [first] = await talk(upstream.url, call("responses", **ASKED))
        history = [{"role": "user", "content": "weather?"}, *first["dump"]["output"], *results]
        await talk(upstream.url, call("responses", **{**ASKED, "input": history}))
        user, said, back = OpenAIResponses(upstream.requests[1].body).chat.messages
    assert user.role is Role.USER
    assert said.role is Role.ASSISTANT
    thought, text, *calls = said.parts
    assert thought == Reasoning("Two places are named Perth.", SEAL)
    assert isinstance(text, Text) and text.citations == (UrlCitation("https://x.test/", "Perth", 0, 5),)
    assert [each.id for each in calls if isinstance(each, ToolCall)] == ["toolu_1", "toolu_2"]
    assert [each.call_id for each in back.parts if isinstance(each, ToolResult)] == ["toolu_1", "toolu_2"]


async def test_what_is_cut_is_incomplete(talk: Talk, call: Call) -> None:
    """With the vendor's word for the reason, on the answer and on the item that was cut."""
    words = {
        Finish.LENGTH: "max_output_tokens",
        Finish.CONTEXT_FULL: "max_output_tokens",
        Finish.FILTERED: "content_filter",
        Finish.REFUSED: "content_filter",
    }
    async with Upstream() as upstream:
        for finish in words:
            upstream.will(sent(streamed([Started(), TextDelta("Once upon"), Finished(finish)])))
        results = await talk(upstream.url, *(call("responses_stream", **ASKED) for _ in words))
    for word, result in zip(words.values(), results, strict=True):
        last = result["events"][-1]
        assert last["type"] == "response.incomplete"
        assert last["response"]["incomplete_details"] == {"reason": word}
        assert last["response"]["output"][0]["status"] == "incomplete"


async def test_an_error_in_a_stream_is_raised(talk: Talk, call: Call) -> None:
    """By the SDK's own exception, with code and kind: no client takes a cut answer for a whole one."""
    fault = Fault(529, "overloaded", "overloaded_error")
    begun: list[list[Event]] = [[], [Started(), TextDelta("Once")]]
    kinds = "responses_stream", "responses_helper"
    async with Upstream() as upstream:
        for events in begun * 2:
            upstream.will(sent(streamed([*events, Failed(fault)])))
        results = await talk(upstream.url, *(call(kind, **ASKED) for kind in kinds for _ in begun))
    assert [each["text"] for each in results[:2]] == ["", "Once"]
    for failed in results:
        assert failed["error"] == "APIError"
        assert (failed["message"], failed["code"], failed["type"]) == ("overloaded", "overloaded_error", "server_error")


async def test_refusals_are_the_sdks_exceptions(talk: Talk, call: Call) -> None:
    """Each status is its own class."""
    names = {
        400: "BadRequestError",
        401: "AuthenticationError",
        403: "PermissionDeniedError",
        404: "NotFoundError",
        422: "UnprocessableEntityError",
        429: "RateLimitError",
        500: "InternalServerError",
        503: "InternalServerError",
    }
    async with Upstream() as upstream:
        for status in names:
            upstream.will(reply(error_body(status, "no", code="some_code", param="input"), status))
        results = await talk(upstream.url, *(call("responses", **ASKED) for _ in names))
    assert [(each["error"], each["code"]) for each in results] == [(name, "some_code") for name in names.values()]


async def test_a_count_arrives(talk: Talk, call: Call) -> None:
    """Clients ask before they send."""
    async with Upstream() as upstream:
        upstream.will(reply(write_count_answer(42)))
        [counted] = await talk(upstream.url, call("responses_count", model="any", input="Hello"))
        assert upstream.requests[0].target == "/v1/responses/input_tokens"
    assert counted["dump"] == {"input_tokens": 42, "object": "response.input_tokens"}
