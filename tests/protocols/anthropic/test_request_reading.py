"""Clients' requests, read into the neutral form."""

from __future__ import annotations

import json
from typing import Any

import pytest

from routebook.chat.conversation import (
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
    CacheMark,
    Document,
    Foreign,
    ForeignCitation,
    Image,
    Inline,
    Json,
    Plain,
    Reasoning,
    Signature,
    Stored,
    Text,
    ToolCall,
    ToolResult,
    Url,
    UrlCitation,
)
from routebook.protocols.anthropic.request import read_messages
from routebook.protocols.errors import ProtocolError


def chat(**fields: Any) -> ChatRequest:
    """The neutral form of a request with these fields."""
    body = {"model": "m", "max_tokens": 100, "messages": [{"role": "user", "content": "hi"}], **fields}
    return read_messages(json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()).chat


def parts(*blocks: Any, role: str = "user") -> tuple[Any, ...]:
    """The parts that blocks of one message make."""
    messages = chat(messages=[{"role": role, "content": list(blocks)}]).messages
    return tuple(part for message in messages for part in message.parts)


def test_system_prompts_are_text_or_blocks() -> None:
    """And system messages at the beginning belong to them."""
    marked = {"type": "text", "text": "b", "cache_control": {"type": "ephemeral"}}
    assert chat(system="a").system == (Text("a"),)
    assert chat(system=[{"type": "text", "text": "a"}, marked]).system == (Text("a"), Text("b", cache=CacheMark()))
    early = [{"role": "system", "content": "b"}, {"role": "user", "content": "hi"}, {"role": "system", "content": "c"}]
    read = chat(system="a", messages=early)
    assert read.system == (Text("a"), Text("b"))
    assert read.messages[1] == Message(Role.SYSTEM, (Text("c"),))


def test_results_of_tools_stand_by_themselves() -> None:
    """Before what the user says beside them; neighbours together."""
    read = chat(
        messages=[
            {"role": "user", "content": [
                {"type": "text", "text": "x"},
                {"type": "tool_result", "tool_use_id": "a", "content": "1"},
                {"type": "tool_result", "tool_use_id": "b", "content": [{"type": "text", "text": "2"}]},
            ]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c", "is_error": True}]},
        ]
    )  # fmt: skip
    assert read.messages == (
        Message(Role.TOOL, (ToolResult("a", (Text("1"),)), ToolResult("b", (Text("2"),)))),
        Message(Role.USER, (Text("x"),)),
        Message(Role.TOOL, (ToolResult("c", (), is_error=True),)),
    )


def test_media_of_every_source() -> None:
    """Base64 in either alphabet, addresses, files, texts."""
    png = {"type": "base64", "media_type": "image/png", "data": "-_8"}
    assert parts(
        {"type": "image", "source": png},
        {"type": "image", "source": {"type": "file", "file_id": "file_1"}, "cache_control": {"type": "ephemeral"}},
        {"type": "document", "source": {"type": "url", "url": "https://x.test/a.pdf"}, "title": "t", "context": "c"},
        {"type": "document", "source": {"type": "content", "content": "abc"}, "citations": {"enabled": True}},
        {"type": "search_result", "source": "https://x.test", "title": "t", "content": [{"type": "text", "text": "a"}]},
    ) == (
        Image(Inline("image/png", "+/8=")),
        Image(Stored("anthropic", "file_1"), cache=CacheMark()),
        Document(Url("https://x.test/a.pdf"), "t", "c"),
        Document(Plain("abc"), cite=True),
        Document(Plain("https://x.test\n\na"), "t"),
    )


def test_what_only_this_dialect_knows_is_kept_as_it_came() -> None:
    """Blocks of tomorrow, of the provider's own tools, and results that hold such."""
    found = {"type": "tool_result", "tool_use_id": "a", "content": [{"type": "tool_reference", "tool_name": "f"}]}
    made = parts(
        {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"q": 1.50}}, found, {"type": "image", "source": {"type": "moon"}}
    )  # fmt: skip
    assert [part.kind for part in made] == ["tool_result", "server_tool_use", "image"]
    assert json.loads(made[0].json) == found
    assert made[1] == Foreign("anthropic", "server_tool_use", Json(made[1].json)) and '"q":1.5' in made[1].json


def test_thoughts_keep_their_signature() -> None:
    """And what another dialect thought comes back without one."""
    assert parts(
        {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"},
        {"type": "thinking", "thinking": "", "signature": "c2ln"},
        {"type": "thinking", "thinking": "Hm.", "signature": ""},
        {"type": "thinking", "thinking": "", "signature": ""},
        {"type": "redacted_thinking", "data": "ZA=="},
        {"type": "tool_use", "id": "a", "name": "f", "input": {"n": 1e3, "s": "é"}},
        role="assistant",
    ) == (
        Reasoning("Hm.", Signature("anthropic", "c2ln")),
        Reasoning("", Signature("anthropic", "c2ln")),
        Reasoning("Hm."),
        Reasoning("", Signature("anthropic", "ZA=="), is_redacted=True),
        ToolCall("a", "f", '{"n":1000.0,"s":"é"}'),
    )


def test_citations_are_its_own_but_for_those_that_were_written_for_another() -> None:
    """What has no sealed index came from here."""
    ours = {"type": "web_search_result_location", "url": "u", "title": "t", "cited_text": "", "encrypted_index": ""}
    theirs = {**ours, "encrypted_index": "Eo8B"}
    [text] = parts({"type": "text", "text": "a", "citations": [ours, theirs]}, role="assistant")
    assert text.citations[0] == UrlCitation("u", "t")
    assert isinstance(text.citations[1], ForeignCitation) and json.loads(text.citations[1].json) == theirs


def test_settings() -> None:
    """Every field that has a neutral form."""
    read = chat(
        temperature=1,
        top_p=0.5,
        top_k=7,
        stop_sequences=["a"],
        metadata={"user_id": "u", "note": "n"},
        service_tier="standard_only",
        tools=[
            {"name": "f", "input_schema": {"type": "object"}, "cache_control": {"type": "ephemeral", "ttl": "1h"}},
            {"type": "custom", "name": "g", "description": "d", "input_schema": {}, "strict": False, "defer_loading": True},
            {"type": "web_search_20260209", "name": "web_search"},
        ],
        tool_choice={"type": "any", "disable_parallel_tool_use": False},
        output_config={"effort": "xhigh", "format": {"type": "json_schema", "schema": {"type": "object"}}, "task": {}},
        cache_control={"type": "ephemeral"},
        container={"id": "c"},
    )  # fmt: skip
    assert read.sampling == Sampling(1.0, 0.5, 7)
    assert (read.max_output, read.stop, read.user, read.tier) == (100, ("a",), "u", "default")
    assert read.tools == (
        Tool("f", parameters=Json('{"type":"object"}'), cache=CacheMark("1h")),
        Tool("g", "d", Json("{}"), False),
        ForeignTool("anthropic", "web_search_20260209", Json('{"type":"web_search_20260209","name":"web_search"}')),
    )
    assert (read.tool_choice, read.parallel_tools) == (ToolChoice(Calling.REQUIRED), True)
    assert (read.reasoning, read.format) == (ReasoningWish(Effort.XHIGH), JsonSchema(Json('{"type":"object"}')))
    assert set(read.extras) == {
        Extra("anthropic", "output_config.task", Json("{}")),
        Extra("anthropic", "metadata.note", Json('"n"')),
        Extra("anthropic", "tools[1].defer_loading", Json("true")),
        Extra("anthropic", "cache_control", Json('{"type":"ephemeral"}')),
        Extra("anthropic", "container", Json('{"id":"c"}'), matters=True),
    }


@pytest.mark.parametrize(
    ("fields", "wish"),
    [
        ({"thinking": {"type": "disabled"}}, ReasoningWish(Effort.NONE)),
        ({"thinking": {"type": "adaptive"}}, ReasoningWish()),
        ({"thinking": {"type": "adaptive", "display": "omitted"}}, ReasoningWish(summary="none")),
        ({"thinking": {"type": "enabled", "budget_tokens": 2048}}, ReasoningWish(budget=2048)),
        ({"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}}, ReasoningWish(Effort.LOW)),
        ({"output_config": {"effort": "max"}}, ReasoningWish(Effort.MAX)),
        ({"thinking": {"type": "between_tools"}}, None),
        ({"output_config": {"effort": "herculean"}}, None),
    ],
)
def test_how_to_think(fields: dict[str, Any], wish: ReasoningWish | None) -> None:
    """What has no neutral form is kept beside it."""
    read = chat(**fields)
    assert read.reasoning == wish
    assert bool(read.extras) == (wish is None)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"messages": [{"role": "tool", "content": "a"}]}, "messages[0].role"),
        ({"messages": [{"content": "a"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": [{"text": "a"}]}]}, "messages[0].content[0]"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages[0].content[0]"),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": 7}]}]}, "messages[0].content[0].text"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image", "source": {"type": "base64", "data": "é"}}]}]},
            "messages[0].content[0].source.data",
        ),
        (
            {"messages": [{"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "f", "input": "x"}]}]},
            "messages[0].content[0].input",
        ),
        ({"system": [{"type": "image", "source": {"type": "url", "url": "u"}}]}, "system[0]"),
        ({"max_tokens": "x"}, "max_tokens"),
        ({"tools": {}}, "tools"),
        ({"thinking": {}}, "thinking"),
    ],
)  # fmt: skip
def test_a_fault_names_its_field(fields: dict[str, Any], param: str) -> None:
    """As a path that the client understands."""
    with pytest.raises(ProtocolError) as caught:
        chat(**fields)
    assert caught.value.param == param
