"""Requests that are written for Anthropic's upstreams: exactly what they take, and what is said of the rest."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec.structs import replace

from routebook.chat.conversation import (
    AnyJson,
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
from routebook.chat.features import Feature
from routebook.chat.loss import Done
from routebook.chat.parts import (
    Audio,
    CacheMark,
    Document,
    Foreign,
    Image,
    Inline,
    Json,
    Part,
    Reasoning,
    Refusal,
    Signature,
    Stored,
    Text,
    ToolCall,
    ToolKind,
    ToolResult,
    UrlCitation,
)
from routebook.protocols.anthropic.request_writing import write_count, write_request
from routebook.protocols.carrying import Target

TARGET = Target("up", max_output=8000)
EMULATING = {feature: Done.EMULATED for feature in Feature}

SEAL = Signature("anthropic", "c2ln")
TOOL = Tool("f", "d", Json('{"type":"object"}'))


def user(*parts: Part) -> Message:
    """What a user said."""
    return Message(Role.USER, parts)


def said(*parts: Part) -> Message:
    """What the assistant said."""
    return Message(Role.ASSISTANT, parts)


def results(*parts: Part) -> Message:
    """What tools gave back."""
    return Message(Role.TOOL, parts)


HI = user(Text("hi"))


def sent(
    *messages: Message, target: Target = TARGET, most: int | None = 100, **fields: Any
) -> tuple[dict[str, Any], dict[str, Done]]:
    """The body, and what was done with what is lost, by its path."""
    chat = ChatRequest("m", messages or (HI,), max_output=most, **fields)
    written = write_request(chat, target, False)
    return json.loads(written.body), {loss.path: loss.done for loss in written.losses}


def turns(*messages: Message, **given: Any) -> list[dict[str, Any]]:
    """The turns of the body."""
    written: list[dict[str, Any]] = sent(*messages, **given)[0]["messages"]
    return written


def versioned(version: str, **more: Any) -> Target:
    """A target that speaks this version."""
    return Target("up", version, 8000, **more)


def test_the_least_request() -> None:
    """Nothing but what must be there; the version stands in a header."""
    written = write_request(ChatRequest("m", (HI,), max_output=9), TARGET, True)
    assert (written.path, written.headers) == ("/messages", (("anthropic-version", "2023-06-01"),))
    assert json.loads(written.body) == {
        "model": "up",
        "max_tokens": 9,
        "messages": [{"role": "user", "content": "hi"}],
        "stream": True,
    }
    assert not written.losses


def test_tokens_are_counted_over_everything_and_nothing_else_is_asked() -> None:
    """System prompts, tools and thoughts are part of the prompt; the most tokens and the sampling are not."""
    chat = ChatRequest(
        "m",
        (HI,),
        (Text("s"),),
        (TOOL,),
        sampling=Sampling(temperature=0.5),
        reasoning=ReasoningWish(Effort.HIGH),
        stop=("x",),
        user="u",
    )
    written = write_count(chat, versioned("2026-10-21"))
    assert (written.path, written.headers) == ("/messages/count_tokens", (("anthropic-version", "2026-10-21"),))
    assert set(json.loads(written.body)) == {"model", "messages", "system", "tools", "thinking", "output_config"}


def test_the_most_tokens_are_always_said() -> None:
    """Those of the model, or few enough for every model; the client is told."""
    body, losses = sent(most=None)
    assert (body["max_tokens"], losses) == (8000, {"max_output": Done.EMULATED})
    assert sent(most=None, target=Target("up"))[0]["max_tokens"] == 4096


def test_turns_alternate_and_results_come_first() -> None:
    """All results of parallel calls stand at the front of the next user's turn, whatever else was said between."""
    written = turns(
        HI,
        user(Text("there")),
        said(Text("I look."), ToolCall("a", "f", '{"x": 1}')),
        said(ToolCall("b", "f", "")),
        results(ToolResult("a", (Text("1"),))),
        user(Text("and")),
        results(ToolResult("b", (Text("2"), Image(Inline("image/png", "AAEC"))), is_error=True)),
        said(Text("Done.")),
    )
    assert [turn["role"] for turn in written] == ["user", "assistant", "user", "assistant"]
    assert written[0]["content"] == [{"type": "text", "text": "hi"}, {"type": "text", "text": "there"}]
    assert written[1]["content"] == [
        {"type": "text", "text": "I look."},
        {"type": "tool_use", "id": "a", "name": "f", "input": {"x": 1}},
        {"type": "tool_use", "id": "b", "name": "f", "input": {}},
    ]
    assert written[2]["content"] == [
        {"type": "tool_result", "tool_use_id": "a", "content": [{"type": "text", "text": "1"}]},
        {
            "type": "tool_result",
            "tool_use_id": "b",
            "content": [
                {"type": "text", "text": "2"},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAEC"}},
            ],
            "is_error": True,
        },
        {"type": "text", "text": "and"},
    ]


def test_turns_alternate_where_one_between_them_is_lost() -> None:
    """What only a message said that cannot be written leaves its neighbours next to each other."""
    written = turns(HI, said(Text("One.")), user(Audio(Inline("audio/wav", "AA=="))), said(Text("Two.")), HI)
    assert [turn["role"] for turn in written] == ["user", "assistant", "user"]
    assert [block["text"] for block in written[1]["content"]] == ["One.", "Two."]


def test_ids_of_calls_are_such_as_are_taken_and_each_is_there_once() -> None:
    """Foreign letters and repeated ids, as some upstreams give them, are renamed with their results, always alike."""
    given = (
        HI,
        said(ToolCall("call.1", "f", "{}"), ToolCall("", "f", "{}")),
        results(ToolResult("call.1"), ToolResult("")),
        said(ToolCall("call.1", "f", "{}")),
        results(ToolResult("call.1")),
    )
    written = turns(*given)
    calls = [block["id"] for turn in written[1::2] for block in turn["content"]]
    answers = [block["tool_use_id"] for turn in written[2::2] for block in turn["content"]]
    assert calls == answers == ["call_2e_1", "call", "call_2e_1_2"]
    assert turns(*given) == written


def test_arguments_that_are_no_object_are_told_as_such() -> None:
    """A model may have written anything, and a custom tool takes text."""
    [_, turn] = turns(
        HI, said(ToolCall("a", "f", '{"x":'), ToolCall("b", "f", "7"), ToolCall("c", "g", "text", ToolKind.CUSTOM))
    )
    assert [block["input"] for block in turn["content"]] == [
        {"INVALID_JSON": '{"x":'},
        {"INVALID_JSON": "7"},
        {"input": "text"},
    ]


def test_texts_of_white_space_alone_are_left_out() -> None:
    """They are refused; where a message has nothing else, whether it is, is the upstream's business."""
    body, losses = sent(HI, said(Text("\n\n"), ToolCall("a", "f", "{}")), results(ToolResult("a", (Text("1"),))))
    assert [block["type"] for block in body["messages"][1]["content"]] == ["tool_use"]
    assert losses == {"messages[1].parts[0]": Done.DROPPED}
    assert turns(user(Text(" ")))[0]["content"] == " "


def test_a_system_prompt_in_the_middle_is_a_marked_text() -> None:
    """And reported, or left out where the policy says so."""
    later = Message(Role.SYSTEM, (Text("Be brief."),))
    body, losses = sent(HI, said(Text("a")), later, user(Text("b")))
    assert body["messages"][2]["content"] == [
        {"type": "text", "text": "system: Be brief."},
        {"type": "text", "text": "b"},
    ]
    assert losses == {"messages[2]": Done.EMULATED}
    dropping = Target("up", verdicts={Feature.SYSTEM_LATER: Done.DROPPED})
    body, losses = sent(HI, said(Text("a")), later, user(Text("b")), target=dropping)
    assert (body["messages"][2]["content"], losses) == ("b", {"messages[2]": Done.DROPPED})


def test_thoughts_go_back_with_their_signature_or_not_at_all() -> None:
    """Those of other dialects are reported; the policy may want them as text."""
    thoughts = (
        Reasoning("Hm.", SEAL),
        Reasoning("", Signature("anthropic", "ZA=="), is_redacted=True),
        Reasoning("Mine.", Signature("gemini", "x")),
        Reasoning("Unsigned."),
        Text("a"),
    )
    body, losses = sent(HI, said(*thoughts))
    assert body["messages"][1]["content"] == [
        {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"},
        {"type": "redacted_thinking", "data": "ZA=="},
        {"type": "text", "text": "a"},
    ]
    assert losses == {
        "messages[1].parts[2].signature": Done.DROPPED,
        "messages[1].parts[2]": Done.DROPPED,
        "messages[1].parts[3]": Done.DROPPED,
    }
    emulating = Target("up", verdicts={Feature.REASONING_SAID: Done.EMULATED})
    texts = [block.get("text") for block in turns(HI, said(*thoughts), target=emulating)[1]["content"]]
    assert texts[2:] == ["Mine.", "Unsigned.", "a"]


def test_no_more_than_four_marks_are_written() -> None:
    """The last ones: they reach furthest."""
    mark = CacheMark("24h")
    body, losses = sent(
        user(*(Text(str(number), cache=CacheMark("1h")) for number in range(3))),
        system=(Text("s", cache=mark), Text("t", cache=mark)),
        tools=(replace(TOOL, cache=mark),),
    )
    assert "cache_control" not in body["tools"][0] and "cache_control" not in body["system"][0]
    assert body["system"][1]["cache_control"] == {"type": "ephemeral"}
    assert all(block["cache_control"] == {"type": "ephemeral", "ttl": "1h"} for block in body["messages"][0]["content"])
    assert losses == {"tools[0].cache": Done.DROPPED, "system[0].cache": Done.DROPPED}


def test_media_that_are_not_taken_are_refused() -> None:
    """Images of other kinds and documents that are neither PDF nor text; what is text becomes it."""
    body, losses = sent(
        user(
            Image(Inline("image/bmp", "AAEC")),
            Document(Inline("application/msword", "AAEC")),
            Document(Inline("text/markdown", "IyBBw6k="), "a.md"),
            Document(Inline("text/plain", "//8=")),
            Document(Stored("openai", "file-1")),
            Document(Stored("anthropic", "file_1")),
            Image(Inline("image/webp", "AAEC"), detail="high"),
        )
    )
    assert body["messages"][0]["content"] == [
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "# Aé"}, "title": "a.md"},
        {"type": "document", "source": {"type": "file", "file_id": "file_1"}},
        {"type": "image", "source": {"type": "base64", "media_type": "image/webp", "data": "AAEC"}},
    ]
    assert losses == {
        "messages[0].parts[0]": Done.REFUSED,
        "messages[0].parts[1]": Done.REFUSED,
        "messages[0].parts[3]": Done.REFUSED,
        "messages[0].parts[4]": Done.REFUSED,
        "messages[0].parts[6].detail": Done.DROPPED,
    }


@pytest.mark.parametrize("version", ["2023-06-01", "2026-10-21"])
def test_the_newer_version_takes_sampling_and_documents_of_the_assistant_away(version: str) -> None:
    """What it would refuse never arrives there, and is reported."""
    cited = Text("b", (UrlCitation("https://x.test"),))
    body, losses = sent(
        HI,
        said(Document(Inline("application/pdf", "AAEC")), Text("a")),
        user(cited),
        target=versioned(version, verdicts={Feature.DOCUMENT_SAID: Done.DROPPED}),
        sampling=Sampling(temperature=1.0, top_p=0.9, top_k=7),
    )
    gone = {"temperature", "top_p", "top_k"}
    if version == "2023-06-01":
        assert gone <= body.keys() and len(body["messages"][1]["content"]) == 2
        assert losses == {"messages[2].parts[0].citations": Done.DROPPED}
    else:
        assert not gone & body.keys() and body["messages"][1]["content"] == "a"
        assert losses == dict.fromkeys([*gone, "messages[1].parts[0]", "messages[2].parts[0].citations"], Done.DROPPED)


def test_a_temperature_is_one_at_most() -> None:
    """Other vendors count to two."""
    assert sent(sampling=Sampling(temperature=1.5)) == (sent()[0], {"temperature": Done.DROPPED})
    body, _ = sent(sampling=Sampling(temperature=1.5), target=Target("up", verdicts=EMULATING))
    assert body["temperature"] == 1.0


@pytest.mark.parametrize(
    ("wish", "thinking", "effort"),
    [
        (ReasoningWish(), {"type": "adaptive"}, None),
        (ReasoningWish(Effort.NONE), {"type": "disabled"}, None),
        (ReasoningWish(Effort.MINIMAL), {"type": "adaptive"}, "low"),
        (ReasoningWish(Effort.XHIGH), {"type": "adaptive"}, "xhigh"),
        (ReasoningWish(budget=2000), {"type": "enabled", "budget_tokens": 2000}, None),
        (ReasoningWish(Effort.HIGH, summary="none"), {"type": "adaptive", "display": "omitted"}, "high"),
        (ReasoningWish(summary="detailed"), {"type": "adaptive", "display": "summarized"}, None),
    ],
)
def test_how_to_think(wish: ReasoningWish, thinking: dict[str, Any], effort: str | None) -> None:
    """Efforts, budgets, and whether thoughts are shown."""
    body, losses = sent(most=4000, reasoning=wish)
    assert (body["thinking"], body.get("output_config", {}).get("effort"), losses) == (thinking, effort, {})


@pytest.mark.parametrize("budget", [1023, 4000, 9999])
def test_a_budget_fits_the_answer(budget: int) -> None:
    """Where it does not the model thinks as it likes, or as much as fits where the policy says so."""
    body, losses = sent(most=4000, reasoning=ReasoningWish(budget=budget))
    assert (body["thinking"], losses) == ({"type": "adaptive"}, {"reasoning.budget": Done.DROPPED})
    body, _ = sent(most=4000, reasoning=ReasoningWish(budget=budget), target=Target("up", verdicts=EMULATING))
    assert body["thinking"] == {"type": "enabled", "budget_tokens": min(max(budget, 1024), 3999)}


def test_an_effort_may_stand_for_a_budget() -> None:
    """For models that know no efforts, where the policy says so."""
    lacks = frozenset({Feature.EFFORT, Feature.ADAPTIVE})
    wish = ReasoningWish(Effort.MEDIUM)
    body, losses = sent(most=20_000, reasoning=wish, target=Target("up", lacks=lacks))
    assert "thinking" not in body and losses == {"reasoning.effort": Done.DROPPED}
    emulating = Target("up", lacks=lacks, verdicts=EMULATING)
    body, losses = sent(most=20_000, reasoning=wish, target=emulating)
    assert body["thinking"] == {"type": "enabled", "budget_tokens": 8192}
    assert sent(most=2000, reasoning=wish, target=emulating)[0]["thinking"]["budget_tokens"] == 1999
    assert "thinking" not in sent(most=1000, reasoning=wish, target=emulating)[0]


def test_a_model_that_thinks_takes_no_sampling() -> None:
    """It would refuse the request."""
    body, losses = sent(most=4000, reasoning=ReasoningWish(), sampling=Sampling(temperature=0.5, top_k=3))
    assert not {"temperature", "top_k"} & body.keys()
    assert losses == {"temperature": Done.DROPPED, "top_k": Done.DROPPED}


def test_a_model_that_is_forced_to_call_tools_does_not_think_before() -> None:
    """What is asked of its tools goes before how much it thinks."""
    forced = ToolChoice(Calling.REQUIRED)
    body, losses = sent(
        most=4000, reasoning=ReasoningWish(budget=2000, summary="auto"), tools=(TOOL,), tool_choice=forced
    )
    assert "thinking" not in body and body["tool_choice"] == {"type": "any"}
    assert losses == {"reasoning.budget": Done.DROPPED, "reasoning.summary": Done.DROPPED}


@pytest.mark.parametrize("thought", [Reasoning("Hm.", SEAL), Reasoning("Hm."), None])
def test_a_budget_demands_the_thoughts_before_the_last_calls(thought: Reasoning | None) -> None:
    """In the midst of a loop of tools that another model began, there are none."""
    before = () if thought is None else (thought,)
    conversation = (HI, said(*before, ToolCall("a", "f", "{}")), results(ToolResult("a")), user(Text("go on")))
    body, losses = sent(*conversation, most=4000, reasoning=ReasoningWish(budget=2000), tools=(TOOL,))
    signed = thought is not None and thought.signature is not None
    assert body["thinking"]["type"] == ("enabled" if signed else "adaptive")
    assert ("reasoning.budget" in losses) == (not signed)


@pytest.mark.parametrize(
    ("choice", "parallel", "written"),
    [
        (None, None, None),
        (None, True, None),
        (None, False, {"type": "auto", "disable_parallel_tool_use": True}),
        (ToolChoice(Calling.AUTO), None, {"type": "auto"}),
        (ToolChoice(Calling.NONE), False, {"type": "none"}),
        (ToolChoice(Calling.REQUIRED), False, {"type": "any", "disable_parallel_tool_use": True}),
        (ToolChoice(Calling.REQUIRED, ("f",)), None, {"type": "tool", "name": "f"}),
    ],
)
def test_how_tools_are_called(choice: ToolChoice | None, parallel: bool | None, written: dict[str, Any] | None) -> None:
    """Each way, and one call at a time."""
    body, losses = sent(tools=(TOOL,), tool_choice=choice, parallel_tools=parallel)
    assert (body.get("tool_choice"), losses) == (written, {})


def test_a_choice_of_some_tools_leaves_the_others_out() -> None:
    """And says so of each."""
    other = Tool("g")
    body, losses = sent(tools=(other, TOOL, replace(other, name="h")), tool_choice=ToolChoice(Calling.AUTO, ("f", "h")))
    assert [tool["name"] for tool in body["tools"]] == ["f", "h"]
    assert (body["tool_choice"], losses["tools[0]"], losses["tool_choice"]) == (
        {"type": "auto"}, Done.EMULATED, Done.EMULATED,
    )  # fmt: skip


def test_without_tools_nothing_is_chosen() -> None:
    """A choice alone would be refused."""
    body, losses = sent(tool_choice=ToolChoice(Calling.AUTO), parallel_tools=False)
    assert "tool_choice" not in body and losses == {"tool_choice": Done.DROPPED}


def test_schemas_of_tools_are_objects() -> None:
    """As they came where they say so."""
    tools = (Tool("a"), Tool("b", parameters=Json('{"properties":{"x":{}}}')), TOOL, Tool("c", kind=ToolKind.CUSTOM))
    body, losses = sent(tools=tools)
    assert [tool["input_schema"] for tool in body["tools"]] == [
        {"type": "object", "properties": {}},
        {"type": "object", "properties": {"x": {}}},
        {"type": "object"},
    ]
    assert losses == {"tools[3]": Done.REFUSED}


def test_answers_in_json() -> None:
    """After a schema, without its name; any JSON only where the policy wants it asked for in words."""
    body, losses = sent(format=JsonSchema(Json('{"type":"object"}'), "answer", strict=True))
    assert body["output_config"] == {"format": {"type": "json_schema", "schema": {"type": "object"}}} and not losses
    assert sent(format=AnyJson())[1] == {"format": Done.REFUSED}
    body, losses = sent(format=AnyJson(), target=Target("up", verdicts=EMULATING), system=(Text("s"),))
    assert "JSON" in body["system"][1]["text"] and losses["format"] is Done.EMULATED


def test_other_settings() -> None:
    """Carried as they are, under another name, or not at all."""
    body, losses = sent(user="u", tier="default", stop=("a", "\n"), modalities=("text",), metadata={"a": "b"})
    assert (body["metadata"], body["service_tier"], body["stop_sequences"]) == (
        {"user_id": "u"},
        "standard_only",
        ["a"],
    )
    assert losses == {"stop[1]": Done.REFUSED, "metadata": Done.DROPPED}
    assert sent(modalities=("text", "audio"))[1] == {"modalities": Done.REFUSED}
    assert sent(tier="priority")[1] == {"tier": Done.DROPPED}
    refused = {"choices": Done.REFUSED, "logprobs": Done.REFUSED}
    assert sent(choices=2, logprobs=0)[1] == refused


def test_what_is_its_own_is_written_as_it_came() -> None:
    """Fields, also within others, blocks and tools; those of other dialects are not."""
    body, losses = sent(
        user(Foreign("anthropic", "odd", Json('{"type":"odd"}')), Text("a")),
        said(Refusal("No."), Foreign("gemini", "x", Json("{}"))),
        tools=(ForeignTool("anthropic", "web", Json('{"type":"web"}')), ForeignTool("openai", "x", Json("{}"))),
        user="u",
        extras=(
            Extra("anthropic", "container", Json('"c"'), matters=True),
            Extra("anthropic", "output_config.task", Json("{}")),
            Extra("anthropic", "metadata.note", Json("1")),
            Extra("anthropic", "tools[0].defer_loading", Json("true")),
            Extra("openai-chat", "web_search_options", Json("{}"), matters=True),
        ),
    )
    assert body["messages"][0]["content"][0] == {"type": "odd"}
    assert body["messages"][1]["content"] == "No."
    assert (body["tools"], body["container"]) == ([{"type": "web"}], "c")
    assert (body["output_config"], body["metadata"]) == ({"task": {}}, {"user_id": "u", "note": 1})
    assert losses == {
        "messages[1].parts[1]": Done.REFUSED,
        "tools[1]": Done.REFUSED,
        "tools[0].defer_loading": Done.DROPPED,
        "web_search_options": Done.REFUSED,
    }
