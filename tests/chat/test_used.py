"""Which features a request uses, what it needs, and what rules set on it."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from routebook.chat.asked_chat import AskedChat
from routebook.chat.caps import capped
from routebook.chat.conversation import (
    AnyJson,
    Calling,
    ChatRequest,
    Effort,
    Extra,
    JsonSchema,
    Message,
    ReasoningWish,
    Role,
    Sampling,
    Tool,
    ToolChoice,
)
from routebook.chat.features import FEATURES, Feature
from routebook.chat.parts import (
    Audio,
    CacheMark,
    Image,
    Inline,
    Json,
    Reasoning,
    Signature,
    Stored,
    Text,
    ToolCall,
    ToolResult,
    Url,
)
from routebook.chat.used import Use, needs_of, used

PNG = Inline("image/png", "AA==")


def user(*parts: object) -> ChatRequest:
    """A request with one message."""
    return ChatRequest("m", (Message(Role.USER, parts),))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("chat", "uses"),
    [
        (user(Text("a")), []),
        (ChatRequest("m", system=(Text("a"), Text("b"))), [("system", "system")]),
        (user(Image(PNG)), [("image_inline", "messages[0].parts[0]")]),
        (user(Text("a"), Image(Url("u"))), [("image_url", "messages[0].parts[1]")]),
        (user(Text("a", cache=CacheMark())), [("cache_mark", "messages[0].parts[0].cache")]),
        (ChatRequest("m", choices=1), []),
        (ChatRequest("m", choices=2), [("choices", "choices")]),
        (ChatRequest("m", logprobs=0), [("logprobs", "logprobs")]),
        (ChatRequest("m", sampling=Sampling(temperature=0.0)), [("temperature", "temperature")]),
        (ChatRequest("m", format=AnyJson()), [("json_object", "format")]),
        (ChatRequest("m", format=JsonSchema(Json("{}"))), [("json_schema", "format")]),
        (ChatRequest("m", tool_choice=ToolChoice(Calling.NONE)), [("tool_choice", "tool_choice")]),
        (ChatRequest("m", tool_choice=ToolChoice(Calling.REQUIRED, ("a",))), [("tool_choice_named", "tool_choice")]),
        (ChatRequest("m", tool_choice=ToolChoice(Calling.AUTO, ("a",))), [("tool_choice_some", "tool_choice")]),
        (ChatRequest("m", tool_choice=ToolChoice(Calling.REQUIRED, ("a", "b"))), [("tool_choice_some", "tool_choice")]),
        (ChatRequest("m", reasoning=ReasoningWish()), [("adaptive", "reasoning")]),
        (ChatRequest("m", reasoning=ReasoningWish(budget=9)), [("budget", "reasoning.budget")]),
        (
            ChatRequest("m", (Message(Role.TOOL, (ToolResult("c", (Image(Url("u")),), True),)),)),
            [
                ("tool_result", "messages[0].parts[0]"),
                ("tool_result_error", "messages[0].parts[0].is_error"),
                ("tool_result_image", "messages[0].parts[0].content[0]"),
                ("image_url", "messages[0].parts[0].content[0]"),
            ],
        ),
    ],
)
def test_each_use_is_named_with_its_place(chat: ChatRequest, uses: list[tuple[str, str]]) -> None:
    """Names as policies write them, places as losses show them."""
    assert [(use.feature.word, use.path) for use in used(chat)] == uses


def test_what_belongs_to_somebody_says_so() -> None:
    """Ids, signatures and foreign fields are of no use to others."""
    said = (Reasoning("a", Signature("x", "s")), Audio(Stored("y", "i")))
    chat = ChatRequest("m", (Message(Role.ASSISTANT, said),), extras=(Extra("z", "f", Json("1"), True),))
    assert [use for use in used(chat) if use.owner] == [
        Use(Feature.EXTRA, "f", "z", True),
        Use(Feature.SIGNATURE, "messages[0].parts[0].signature", "x"),
        Use(Feature.AUDIO_SAID, "messages[0].parts[1]", "y"),
    ]


def test_needs_are_the_capabilities_that_rules_know() -> None:
    """They keep a model from being chosen that cannot answer."""
    chat = ChatRequest("m", user(Image(PNG)).messages, tools=(Tool("f"),), reasoning=ReasoningWish(Effort.LOW))
    assert needs_of(chat) == {"vision", "tools", "reasoning"}
    assert needs_of(user(Text("a"))) == frozenset()


def test_every_feature_has_a_name_of_its_own() -> None:
    """A policy speaks of it by that name."""
    assert len(FEATURES) == len(Feature)
    assert all(FEATURES[feature.word] is feature for feature in Feature)


@dataclass(frozen=True)
class Caps:
    """What a rule sets."""

    max_output: int | None = None
    temperature: float | None = None
    reasoning_effort: str | None = None


def test_caps_are_caps_and_defaults_are_defaults() -> None:
    """A cap lowers what is higher; a default fills what is open."""
    chat = ChatRequest("m", max_output=100, sampling=Sampling(temperature=0.0))
    assert capped(chat, Caps(200, 1.0)) is chat
    assert capped(chat, Caps(50)).max_output == 50
    assert capped(ChatRequest("m"), Caps(50, 0.5, "low")) == ChatRequest(
        "m", max_output=50, sampling=Sampling(temperature=0.5), reasoning=ReasoningWish(Effort.LOW)
    )


class Asked(AskedChat):
    """A request in no dialect."""

    dialect = "none"
    stream = False
    model = "m"
    body = b"{}"
    chat = ChatRequest(  # type: ignore[assignment]
        "m",
        (
            Message(Role.USER, (Text("hello"), Image(PNG))),
            Message(Role.ASSISTANT, (Reasoning("hm"), ToolCall("c", "f", '{"a":1}'))),
            Message(Role.TOOL, (ToolResult("c", (Text("found"), Image(PNG))),)),
        ),
        (Text("be brief"),),
        (Tool("f", "about", Json("{}")),),
        max_output=9,
        choices=2,
        user="u",
        metadata={"k": "v"},
    )


def test_what_routing_asks_is_answered_from_the_neutral_form() -> None:
    """A dialect that reads requests has nothing more to do for rules."""
    asked = Asked()
    assert (asked.messages, asked.images, asked.tools, asked.choices) == (4, 2, 1, 2)
    assert asked.text == 'be brief\nhello\nhm\n{"a":1}\nfound'
    assert asked.opening == b"be brief\nhello\n"
    assert asked.needs == {"vision", "tools"}
    assert (asked.user, asked.metadata, asked.max_output, asked.tool_bytes) == ("u", {"k": "v"}, 9, 8)
    assert (asked.body_bytes, asked.operation, asked.counted_tokens) == (2, "chat", 0)
