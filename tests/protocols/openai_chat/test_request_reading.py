"""Requests of clients, read into the neutral form."""

from __future__ import annotations

import json
from typing import Any

import pytest

from routebook.chat.conversation import (
    AnyJson,
    AudioWish,
    Calling,
    ChatRequest,
    Effort,
    Extra,
    ForeignTool,
    JsonSchema,
    Message,
    ReasoningWish,
    Role,
    Sampling,
    Tool,
    ToolChoice,
)
from routebook.chat.parts import (
    Audio,
    CacheMark,
    Document,
    Foreign,
    Image,
    Inline,
    Json,
    Reasoning,
    Refusal,
    Stored,
    Text,
    ToolCall,
    ToolKind,
    ToolResult,
    Url,
)
from routebook.protocols.errors import ProtocolError
from routebook.protocols.openai_chat.request import OpenAIChat


def read(messages: list[dict[str, Any]] | None = None, **fields: Any) -> ChatRequest:
    """A request with these messages and fields."""
    return OpenAIChat(json.dumps({"model": "m", "messages": messages or [], **fields}).encode()).chat


def parts(*content: dict[str, Any], role: str = "user") -> tuple[Any, ...]:
    """What one message with these parts says."""
    return read([{"role": "user", "content": "a"}, {"role": role, "content": list(content)}]).messages[1].parts


def test_system_prompts_at_the_beginning_are_the_system() -> None:
    """Under either name, as text or in parts; later ones keep their place."""
    chat = read(
        [
            {"role": "system", "content": "a"},
            {"role": "developer", "content": [{"type": "text", "text": "b"}, {"type": "text", "text": "c"}]},
            {"role": "user", "content": "hi"},
            {"role": "developer", "content": "d"},
        ]
    )
    assert chat.system == (Text("a"), Text("b"), Text("c"))
    assert chat.messages == (Message(Role.USER, (Text("hi"),)), Message(Role.SYSTEM, (Text("d"),)))


@pytest.mark.parametrize(
    ("part", "read_as"),
    [
        ({"type": "text", "text": "a"}, Text("a")),
        (
            {"type": "text", "text": "a", "prompt_cache_breakpoint": {"mode": "explicit", "ttl": "30m"}},
            Text("a", cache=CacheMark("30m")),
        ),
        ({"type": "image_url", "image_url": {"url": "https://x.test/a.png"}}, Image(Url("https://x.test/a.png"))),
        ({"type": "image_url", "image_url": "https://x.test/a.png"}, Image(Url("https://x.test/a.png"))),
        (
            {"type": "image_url", "image_url": {"url": "data:image/PNG;base64,-_8", "detail": "low"}},
            Image(Inline("image/png", "+/8="), "low"),
        ),
        (
            {"type": "input_audio", "input_audio": {"data": "AAE=", "format": "mp3"}},
            Audio(Inline("audio/mpeg", "AAE=")),
        ),
        (
            {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,AAE="}},
            Document(Inline("application/pdf", "AAE="), "a.pdf"),
        ),
        ({"type": "file", "file": {"file_data": "AAE="}}, Document(Inline("application/pdf", "AAE="))),
        ({"type": "file", "file": {"file_id": "file-1"}}, Document(Stored("openai", "file-1"))),
        ({"type": "new", "x": 1}, Foreign("openai-chat", "new", Json('{"type": "new", "x": 1}'))),
    ],
)
def test_parts_are_read(part: dict[str, Any], read_as: Any) -> None:
    """Each with all that hangs on it; new ones are kept as they came."""
    assert parts(part) == (read_as,)


def test_an_assistant_says_things_in_one_order() -> None:
    """Thoughts, words, refusal, sound, calls."""
    message = {
        "role": "assistant",
        "name": "bot",
        "content": [{"type": "text", "text": "a"}, {"type": "refusal", "refusal": "b"}],
        "refusal": "c",
        "audio": {"id": "audio_1"},
        "reasoning_content": "hm",
        "tool_calls": [
            {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{"}},
            {"id": "c2", "type": "custom", "custom": {"name": "g", "input": "free"}},
        ],
    }
    assert read([message]).messages == (
        Message(
            Role.ASSISTANT,
            (
                Reasoning("hm"),
                Text("a"),
                Refusal("b"),
                Refusal("c"),
                Audio(Stored("openai", "audio_1")),
                ToolCall("c1", "f", "{"),
                ToolCall("c2", "g", "free", ToolKind.CUSTOM),
            ),
            "bot",
        ),
    )


def test_results_that_follow_each_other_are_one_message() -> None:
    """And those of functions find the call that they belong to."""
    chat = read(
        [
            {"role": "tool", "tool_call_id": "c1", "content": "a"},
            {"role": "tool", "tool_call_id": "c2", "content": [{"type": "text", "text": "b"}]},
            {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}},
            {"role": "function", "name": "f", "content": "c"},
        ]
    )
    results, call, answer = chat.messages
    assert results.parts == (ToolResult("c1", (Text("a"),)), ToolResult("c2", (Text("b"),)))
    assert isinstance(call.parts[0], ToolCall) and isinstance(answer.parts[0], ToolResult)
    assert answer.parts[0] == ToolResult(call.parts[0].id, (Text("c"),), name="f")


def test_fields_of_a_message_that_nobody_knows_are_kept() -> None:
    """With their place; what an answer brings along asks for nothing."""
    chat = read([{"role": "user", "content": "a", "odd": 1}, {"role": "assistant", "content": "b", "annotations": []}])
    assert chat.extras == (Extra("openai-chat", "messages[0].odd", Json("1")),)


@pytest.mark.parametrize(
    ("fields", "read_as"),
    [
        ({"temperature": 0, "top_p": 0.5, "seed": 7}, {"sampling": Sampling(0.0, 0.5, seed=7)}),
        ({"top_k": 5, "logit_bias": {"1": -100}}, {"sampling": Sampling(top_k=5, logit_bias={"1": -100.0})}),
        ({"frequency_penalty": 1, "presence_penalty": -1}, {"sampling": Sampling(None, None, None, 1.0, -1.0)}),
        ({"max_tokens": 5, "max_completion_tokens": 9}, {"max_output": 9}),
        ({"stop": "x"}, {"stop": ("x",)}),
        ({"stop": ["x", "y"]}, {"stop": ("x", "y")}),
        ({"stop": None, "n": None, "user": None}, {}),
        ({"n": 2}, {"choices": 2}),
        ({"logprobs": True}, {"logprobs": 0}),
        ({"logprobs": True, "top_logprobs": 3}, {"logprobs": 3}),
        ({"logprobs": False, "top_logprobs": 3}, {}),
        ({"reasoning_effort": "none"}, {"reasoning": ReasoningWish(Effort.NONE)}),
        ({"reasoning_effort": "odd"}, {"extras": (Extra("openai-chat", "reasoning_effort", Json('"odd"')),)}),
        ({"response_format": {"type": "text"}}, {}),
        ({"response_format": {"type": "json_object"}}, {"format": AnyJson()}),
        (
            {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": "n", "schema": {"a": 1}, "strict": True},
                }
            },
            {"format": JsonSchema(Json('{"a": 1}'), "n", None, True)},
        ),
        (
            {"response_format": {"type": "grammar"}},
            {"extras": (Extra("openai-chat", "response_format", Json('{"type": "grammar"}'), True),)},
        ),
        ({"modalities": ["text", "audio"]}, {"modalities": ("text", "audio")}),
        ({"audio": {"voice": {"id": "v"}, "format": "wav"}}, {"audio": AudioWish("v", "wav")}),
        (
            {"user": "a", "safety_identifier": "b"},
            {"user": "b", "extras": (Extra("openai-chat", "user", Json('"a"')),)},
        ),
        (
            {"metadata": {"a": "x", "b": 1}},
            {"metadata": {"a": "x"}, "extras": (Extra("openai-chat", "metadata.b", Json("1")),)},
        ),
        (
            {"service_tier": "flex", "store": True, "prompt_cache_key": "k", "verbosity": "low"},
            {"tier": "flex", "store": True, "cache_key": "k", "verbosity": "low"},
        ),
        ({"web_search_options": {}}, {"extras": (Extra("openai-chat", "web_search_options", Json("{}"), True),)}),
        ({"prediction": 1}, {"extras": (Extra("openai-chat", "prediction", Json("1")),)}),
        ({"parallel_tool_calls": False}, {"parallel_tools": False}),
        ({"tool_choice": "required"}, {"tool_choice": ToolChoice(Calling.REQUIRED)}),
        (
            {"tool_choice": {"type": "function", "function": {"name": "f"}}},
            {"tool_choice": ToolChoice(Calling.REQUIRED, ("f",))},
        ),
        (
            {
                "tool_choice": {
                    "type": "allowed_tools",
                    "allowed_tools": {
                        "mode": "auto",
                        "tools": [
                            {"type": "function", "function": {"name": "f"}},
                            {"type": "custom", "custom": {"name": "g"}},
                        ],
                    },
                }
            },
            {"tool_choice": ToolChoice(Calling.AUTO, ("f", "g"))},
        ),
        ({"tool_choice": "odd"}, {"extras": (Extra("openai-chat", "tool_choice", Json('"odd"'), True),)}),
        ({"function_call": {"name": "f"}}, {"tool_choice": ToolChoice(Calling.REQUIRED, ("f",))}),
        ({"functions": [{"name": "f"}]}, {"tools": (Tool("f"),)}),
        (
            {"tools": [{"type": "function", "function": {"name": "f", "parameters": {"a": 1}, "strict": False}}]},
            {"tools": (Tool("f", None, Json('{"a": 1}'), False),)},
        ),
        (
            {"tools": [{"type": "custom", "custom": {"name": "f", "format": {"type": "text"}}}]},
            {"tools": (Tool("f", kind=ToolKind.CUSTOM, grammar=Json('{"type": "text"}')),)},
        ),
        ({"tools": [{"type": "odd"}]}, {"tools": (ForeignTool("openai-chat", "odd", Json('{"type": "odd"}')),)}),
    ],
    ids=str,
)
def test_fields_are_read(fields: dict[str, Any], read_as: dict[str, Any]) -> None:
    """Every one of them; what has no neutral form is an extra, and matters where it changes the answer."""
    assert read(**fields) == ChatRequest("m", **read_as)


@pytest.mark.parametrize(
    ("messages", "param"),
    [
        ([{"content": "a"}], "messages[0].role"),
        ([{"role": "king", "content": "a"}], "messages[0].role"),
        ([{"role": "user", "content": 7}], "messages[0].content"),
        ([{"role": "user", "content": [{"type": "text"}]}], "messages[0].content[0]"),
        ([{"role": "user", "content": [{"type": "file", "file": {}}]}], "messages[0].content[0].file"),
        (
            [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:x"}}]}],
            "messages[0].content[0].image_url",
        ),
        (
            [{"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "?", "format": "wav"}}]}],
            "messages[0].content[0].input_audio.data",
        ),
        ([{"role": "tool", "content": "a"}], "messages[0].tool_call_id"),
        ([{"role": "assistant", "tool_calls": [{"id": "c"}]}], "messages[0].tool_calls[0]"),
    ],
)
def test_the_field_at_fault_is_named(messages: list[dict[str, Any]], param: str) -> None:
    """As a path that the client's author can follow."""
    with pytest.raises(ProtocolError) as caught:
        read(messages)
    assert caught.value.param == param
    assert caught.value.side.value == "client"
