"""Requests to upstreams that speak Responses."""

from __future__ import annotations

import json
from typing import Any

import pytest

from routebook.chat.conversation import (
    Calling,
    ChatRequest,
    Effort,
    Extra,
    JsonSchema,
    Message,
    ReasoningWish,
    Role,
    Tool,
    ToolChoice,
)
from routebook.chat.features import Feature
from routebook.chat.loss import Done
from routebook.chat.parts import (
    Document,
    Foreign,
    Image,
    Inline,
    Json,
    Part,
    Plain,
    Reasoning,
    Signature,
    Stored,
    Text,
    ToolCall,
    ToolKind,
    ToolResult,
    Url,
)
from routebook.protocols.carrying import Target
from routebook.protocols.codec import Sent
from routebook.protocols.openai_chat.request import OpenAIChat
from routebook.protocols.openai_chat.request_writing import write_request as write_for_chat
from routebook.protocols.openai_responses.counting import read_count_answer, write_count_answer
from routebook.protocols.openai_responses.request import OpenAIResponses
from routebook.protocols.openai_responses.request_writing import write_count, write_request

DIALECT = "openai-responses"
UP = Target("up")


def sent(target: Target = UP, stream: bool = False, **fields: Any) -> Sent:
    """A request with these fields, written."""
    return write_request(ChatRequest("m", **fields), target, stream)


def body(target: Target = UP, **fields: Any) -> dict[str, Any]:
    """Its body."""
    written: dict[str, Any] = json.loads(sent(target, **fields).body)
    return written


def items(role: Role, *parts: Part) -> list[Any]:
    """The items that one message makes."""
    return list(body(messages=(Message(role, parts),))["input"])


def test_the_least_request() -> None:
    """A lone text is a mere text; and nothing is kept that nobody asked to keep."""
    request = sent(messages=(Message(Role.USER, (Text("Hello"),)),), system=(Text("Be brief."),), stream=True)
    assert request.path == "/responses"
    assert json.loads(request.body) == {
        "model": "up",
        "instructions": "Be brief.",
        "input": [{"type": "message", "role": "user", "content": "Hello"}],
        "store": False,
        "stream": True,
    }
    assert body(store=True)["store"] is True


def test_several_system_prompts_stay_apart() -> None:
    """Instructions are one text."""
    written = body(system=(Text("a"), Text("b")))
    assert "instructions" not in written
    parts = [{"type": "input_text", "text": each} for each in "ab"]
    assert written["input"] == [{"type": "message", "role": "system", "content": parts}]


def test_a_turn_is_written_in_its_order() -> None:
    """Thoughts before what they led to, results under the kind of their call."""
    chat = (
        Message(
            Role.ASSISTANT,
            (
                Reasoning("Hm.", Signature(DIALECT, '["rs_1","x"]')),
                Text("I ask."),
                ToolCall("c1", "f", "{}"),
                ToolCall("c2", "g", "words", ToolKind.CUSTOM),
            ),
        ),
        Message(
            Role.TOOL,
            (ToolResult("c1", (Text("fine"),)), ToolResult("c2", (Text("see"), Image(Url("https://x.test/i"))))),
        ),
    )
    written = body(messages=chat)
    shown = [{"type": "summary_text", "text": "Hm."}]
    assert written["input"] == [
        {"type": "reasoning", "summary": shown, "id": "rs_1", "encrypted_content": "x"},
        {"type": "message", "role": "assistant", "content": "I ask."},
        {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
        {"type": "custom_tool_call", "call_id": "c2", "name": "g", "input": "words"},
        {"type": "function_call_output", "call_id": "c1", "output": "fine"},
        {
            "type": "custom_tool_call_output",
            "call_id": "c2",
            "output": [
                {"type": "input_text", "text": "see"},
                {"type": "input_image", "detail": "auto", "image_url": "https://x.test/i"},
            ],
        },
    ]
    assert written["include"] == ["reasoning.encrypted_content"]


@pytest.mark.parametrize("signature", [None, Signature("anthropic", "x")])
def test_thoughts_of_others_stay_behind_and_are_reported(signature: Signature | None) -> None:
    """A model switch in the middle of a conversation: no provider takes thoughts that it cannot open."""
    chat: dict[str, Any] = {"messages": (Message(Role.ASSISTANT, (Reasoning("Hm.", signature), Text("So."))),)}
    request = sent(**chat)
    assert b"Hm." not in request.body
    assert {(loss.feature, loss.done) for loss in request.losses} >= {("reasoning_said", Done.DROPPED)}
    emulated = sent(Target("up", verdicts={Feature.REASONING_SAID: Done.EMULATED}), **chat)
    content = [{"type": "reasoning_text", "text": "Hm."}]
    assert json.loads(emulated.body)["input"][0] == {"type": "reasoning", "summary": [], "content": content}
    assert ("reasoning_said", Done.EMULATED) in {(loss.feature, loss.done) for loss in emulated.losses}


@pytest.mark.parametrize(
    ("part", "written"),
    [
        (
            Image(Inline("image/png", "AA=="), "low"),
            {"type": "input_image", "detail": "low", "image_url": "data:image/png;base64,AA=="},
        ),
        (Image(Stored("openai", "file_1")), {"type": "input_image", "detail": "auto", "file_id": "file_1"}),
        (
            Document(Inline("application/pdf", "AA==")),
            {"type": "input_file", "filename": "document", "file_data": "data:application/pdf;base64,AA=="},
        ),
        (Document(Url("https://x.test/a")), {"type": "input_file", "file_url": "https://x.test/a"}),
        (Document(Stored("openai", "file_1"), "a"), {"type": "input_file", "filename": "a", "file_id": "file_1"}),
        (Foreign(DIALECT, "odd", Json('{"type":"odd"}')), {"type": "odd"}),
    ],
)
def test_parts(part: Part, written: dict[str, Any]) -> None:
    """Each kind of content."""
    assert items(Role.USER, part) == [{"type": "message", "role": "user", "content": [written]}]


def test_a_document_that_is_text_follows_its_name() -> None:
    """As for the vendor's other dialect."""
    assert items(Role.USER, Document(Plain("b"), "a"))[0]["content"] == "a:\nb"


def test_whole_items_stand_between_messages() -> None:
    """What a user's message holds before and after stays in its place."""
    item = Foreign(DIALECT, "item:computer_call_output", Json('{"type":"computer_call_output"}'))
    kinds = [each["type"] for each in items(Role.USER, Text("a"), item, Text("b"))]
    assert kinds == ["message", "computer_call_output", "message"]


def test_tools_say_whether_they_are_strict() -> None:
    """Without a word of it this API keeps strictly to a schema, and refuses most that were not written for that."""
    tools = (Tool("f", "d", Json('{"type":"object"}')), Tool("g", strict=True), Tool("h", kind=ToolKind.CUSTOM))
    written = body(tools=tools, tool_choice=ToolChoice(Calling.REQUIRED, ("h",)))
    assert written["tools"] == [
        {"type": "function", "name": "f", "description": "d", "parameters": {"type": "object"}, "strict": False},
        {"type": "function", "name": "g", "parameters": None, "strict": True},
        {"type": "custom", "name": "h"},
    ]
    assert written["tool_choice"] == {"type": "custom", "name": "h"}
    some = body(tools=tools, tool_choice=ToolChoice(Calling.AUTO, ("f", "h")))["tool_choice"]
    named = [{"type": "function", "name": "f"}, {"type": "custom", "name": "h"}]
    assert some == {"type": "allowed_tools", "mode": "auto", "tools": named}


def test_a_grammar_survives_the_way_from_the_vendors_one_dialect_to_the_other_and_back() -> None:
    """They write it one level apart."""
    format = {"type": "grammar", "syntax": "regex", "definition": "a+"}
    asked = {"model": "m", "input": "a", "tools": [{"type": "custom", "name": "g", "format": format}]}
    chat = OpenAIResponses(json.dumps(asked).encode()).chat
    there = write_for_chat(chat, Target("up"), False).body
    assert json.loads(there)["tools"][0]["custom"]["format"] == {
        "type": "grammar",
        "grammar": {"syntax": "regex", "definition": "a+"},
    }
    back = json.loads(write_request(OpenAIChat(there).chat, Target("up"), False).body)
    assert back["tools"][0]["format"] == format


def test_what_is_asked_of_the_answer() -> None:
    """Format, verbosity, probabilities, thinking."""
    written = body(
        format=JsonSchema(Json('{"type":"object"}'), "n", "d", True),
        verbosity="low",
        logprobs=2,
        reasoning=ReasoningWish(Effort.LOW, None, "auto"),
        max_output=9,
        user="u",
        tier="flex",
        cache_key="k",
        parallel_tools=False,
        metadata={"a": "b"},
        extras=(Extra(DIALECT, "truncation", Json('"auto"')), Extra("anthropic", "container", Json('"c"'))),
    )
    schema = {"type": "json_schema", "name": "n", "schema": {"type": "object"}, "description": "d", "strict": True}
    assert written["text"] == {"format": schema, "verbosity": "low"}
    assert written["include"] == ["message.output_text.logprobs", "reasoning.encrypted_content"]
    assert (written["top_logprobs"], written["reasoning"]) == (2, {"effort": "low", "summary": "auto"})
    assert (written["max_output_tokens"], written["safety_identifier"], written["service_tier"]) == (9, "u", "flex")
    assert (written["prompt_cache_key"], written["parallel_tool_calls"], written["metadata"]) == (
        "k",
        False,
        {"a": "b"},
    )
    assert written["truncation"] == "auto"
    assert "container" not in written


def test_a_model_that_does_not_think_is_not_asked_for_sealed_thoughts() -> None:
    """It would refuse."""
    assert "include" not in body(reasoning=ReasoningWish(Effort.NONE))
    assert "include" not in body(Target("up", lacks=frozenset({Feature.EFFORT})), reasoning=ReasoningWish(Effort.LOW))


@pytest.mark.parametrize(
    "field",
    [{"previous_response_id": "resp_1"}, {"conversation": "conv_1"}, {"background": True}, {"prompt": {"id": "p"}}],
)
def test_state_that_a_provider_keeps_is_refused_elsewhere(field: dict[str, Any]) -> None:
    """Before the call, with the name of the field."""
    asked = OpenAIResponses(json.dumps({"model": "m", "input": "a", **field}).encode())
    losses = write_for_chat(asked.chat, Target("up"), False).losses
    assert [(loss.path, loss.done) for loss in losses if loss.done is Done.REFUSED] == [
        (next(iter(field)), Done.REFUSED)
    ]


def test_what_is_counted_is_what_goes_in() -> None:
    """System prompt and tools with it; nothing that only steers the answer."""
    chat = ChatRequest(
        "m",
        (Message(Role.USER, (Text("a"),)),),
        (Text("s"),),
        (Tool("f"),),
        max_output=9,
        metadata={"a": "b"},
        reasoning=ReasoningWish(Effort.LOW),
    )
    request = write_count(chat, Target("up"))
    assert request.path == "/responses/input_tokens"
    assert json.loads(request.body).keys() == {"model", "input", "instructions", "tools", "reasoning"}
    assert read_count_answer(write_count_answer(17)) == 17
