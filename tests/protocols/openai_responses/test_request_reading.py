"""Requests of clients that speak Responses, read into the neutral form."""

from __future__ import annotations

import json
from typing import Any

import pytest

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
    Part,
    Reasoning,
    Refusal,
    Signature,
    Stored,
    Text,
    ToolCall,
    ToolKind,
    ToolResult,
    Url,
    UrlCitation,
)
from routebook.protocols.errors import ProtocolError
from routebook.protocols.openai_responses.input_reading import ITEM
from routebook.protocols.openai_responses.request import OpenAIResponses

DIALECT = "openai-responses"
TOOL = {"type": "function", "name": "f", "parameters": {"type": "object"}}


def read(**fields: Any) -> ChatRequest:
    """The request that these fields make."""
    return OpenAIResponses(json.dumps({"model": "m", "input": [], **fields}, separators=(",", ":")).encode()).chat


def items(*given: Any) -> list[Message]:
    """The messages that these items make."""
    return list(read(input=given).messages)


def user(*parts: Any) -> list[Part]:
    """The parts that a user's content makes."""
    [message] = items({"role": "user", "content": parts})
    return list(message.parts)


def test_a_text_is_a_message_and_instructions_are_the_system_prompt() -> None:
    """The shortest request there is."""
    chat = read(input="Hello", instructions="Be brief.")
    assert chat == ChatRequest("m", (Message(Role.USER, (Text("Hello"),)),), (Text("Be brief."),))


def test_leading_system_items_join_the_instructions_and_later_ones_are_messages() -> None:
    """`developer` is a name for the same."""
    chat = read(
        instructions="One.",
        input=[
            {"role": "developer", "content": "Two."},
            {"type": "message", "role": "system", "content": [{"type": "input_text", "text": "Three."}]},
            {"role": "user", "content": "Hello"},
            {"role": "developer", "content": "Four."},
        ],
    )
    assert [text.text for text in chat.system] == ["One.", "Two.", "Three."]
    assert chat.messages[1] == Message(Role.SYSTEM, (Text("Four."),))


def test_the_items_of_a_turn_are_one_message() -> None:
    """Thoughts, text and calls of one answer; results together, whatever they are results of."""
    messages = items(
        {
            "type": "reasoning",
            "id": "rs_1",
            "summary": [{"type": "summary_text", "text": "Hm."}],
            "encrypted_content": "x",
        },
        {
            "type": "message",
            "id": "msg_1",
            "role": "assistant",
            "status": "completed",
            "content": [
                {
                    "type": "output_text",
                    "text": "I ask.",
                    "annotations": [{"type": "url_citation", "url": "u", "title": ""}],
                },
                {"type": "refusal", "refusal": "No."},
            ],
        },
        {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "f", "arguments": "{}"},
        {"type": "custom_tool_call", "id": "ctc_1", "call_id": "c2", "name": "g", "input": "words"},
        {"type": "function_call_output", "call_id": "c1", "output": "fine"},
        {
            "type": "custom_tool_call_output",
            "call_id": "c2",
            "output": [{"type": "input_text", "text": "see"}, {"type": "input_image", "image_url": "https://x.test/i"}],
        },
    )
    assert messages == [
        Message(
            Role.ASSISTANT,
            (
                Reasoning("Hm.", Signature(DIALECT, '["rs_1","x"]')),
                Text("I ask.", (UrlCitation("u", ""),)),
                Refusal("No."),
                ToolCall("c1", "f", "{}"),
                ToolCall("c2", "g", "words", ToolKind.CUSTOM),
            ),
        ),
        Message(
            Role.TOOL,
            (ToolResult("c1", (Text("fine"),)), ToolResult("c2", (Text("see"), Image(Url("https://x.test/i"))))),
        ),
    ]


def test_what_an_assistant_says_after_it_has_spoken_is_another_message() -> None:
    """So two answers in a row stay two; what it says beside a call belongs to the call, whose result follows."""
    thought = {"type": "reasoning", "id": "rs", "summary": [{"type": "summary_text", "text": "Hm."}]}
    first, second = ({"role": "assistant", "content": each} for each in ("One.", "Two."))
    call = {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"}
    result = {"type": "function_call_output", "call_id": "c1", "output": "fine"}
    hm, one, two = Reasoning("Hm.", Signature(DIALECT, '["rs",null]')), Text("One."), Text("Two.")
    said = [message.parts for message in items(first, second)]
    assert said == [(one,), (two,)]
    said = [message.parts for message in items(thought, first, thought, second)]
    assert said == [(hm, one), (hm, two)]
    said = [message.parts for message in items(thought, first, call, thought, second, result, first)]
    assert said == [(hm, one, ToolCall("c1", "f", "{}"), hm, two), (ToolResult("c1", (Text("fine"),)),), (one,)]


@pytest.mark.parametrize(
    ("part", "read"),
    [
        ({"type": "input_text", "text": "a"}, Text("a")),
        (
            {"type": "input_text", "text": "a", "prompt_cache_breakpoint": {"mode": "explicit", "ttl": "12h"}},
            Text("a", cache=CacheMark("12h")),
        ),
        (
            {"type": "input_image", "image_url": "data:image/png;base64,AA==", "detail": "low"},
            Image(Inline("image/png", "AA=="), "low"),
        ),
        ({"type": "input_image", "image_url": "https://x.test/i", "detail": "auto"}, Image(Url("https://x.test/i"))),
        ({"type": "input_image", "file_id": "file_1", "detail": "auto"}, Image(Stored("openai", "file_1"))),
        (
            {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,AA=="},
            Document(Inline("application/pdf", "AA=="), "a.pdf"),
        ),
        ({"type": "input_file", "file_data": "AA"}, Document(Inline("application/pdf", "AA=="))),
        ({"type": "input_file", "file_url": "https://x.test/a"}, Document(Url("https://x.test/a"))),
        ({"type": "input_file", "file_id": "file_1"}, Document(Stored("openai", "file_1"))),
        (
            {"type": "input_audio", "input_audio": {"data": "AA==", "format": "mp3"}},
            Audio(Inline("audio/mpeg", "AA==")),
        ),
        ({"type": "hologram", "x": 1}, Foreign(DIALECT, "hologram", Json('{"type":"hologram","x":1}'))),
    ],
)
def test_parts(part: dict[str, Any], read: Part) -> None:
    """Each kind of content; what this dialect alone knows is kept as it came."""
    assert user(part) == [read]


@pytest.mark.parametrize(
    ("item", "role"),
    [
        ({"type": "web_search_call", "id": "ws_1", "status": "completed"}, Role.ASSISTANT),
        ({"type": "mcp_call", "id": "m", "name": "n", "arguments": "", "server_label": "s"}, Role.ASSISTANT),
        ({"type": "computer_call_output", "call_id": "c", "output": {}}, Role.USER),
        ({"type": "mcp_approval_response", "approval_request_id": "a", "approve": True}, Role.USER),
        ({"type": "item_reference", "id": "msg_1"}, Role.ASSISTANT),
    ],
)
def test_items_of_the_providers_own_tools_are_kept_as_they_came(item: dict[str, Any], role: Role) -> None:
    """No other dialect knows them: they are refused there, and told apart from parts of messages here."""
    json_text = Json(json.dumps(item, separators=(",", ":")))
    assert items(item) == [Message(role, (Foreign(DIALECT, ITEM + item["type"], json_text),))]


def test_an_item_without_a_type_is_a_message_or_a_reference() -> None:
    """Both may leave it out."""
    message, reference = items({"role": "user", "content": "a"}, {"id": "msg_1"})
    assert message == Message(Role.USER, (Text("a"),))
    assert isinstance(reference.parts[0], Foreign) and reference.parts[0].kind == f"{ITEM}item_reference"


def test_pictures_that_were_drawn_are_pictures_that_were_said() -> None:
    """Others can look at them."""
    [message] = items({"type": "image_generation_call", "id": "ig_1", "result": "AA==", "output_format": "webp"})
    assert message == Message(Role.ASSISTANT, (Image(Inline("image/webp", "AA==")),))


@pytest.mark.parametrize(
    ("item", "thought"),
    [
        ({"summary": [], "encrypted_content": "x"}, Reasoning("", Signature(DIALECT, "x"), is_redacted=True)),
        ({"id": "rs_1", "summary": []}, Reasoning("", Signature(DIALECT, '["rs_1",null]'), is_redacted=True)),
        ({"id": "rs_rb_x_0", "summary": [{"type": "summary_text", "text": "a"}]}, Reasoning("a")),
        (
            {
                "id": "rs_rb_x_0",
                "summary": [{"type": "summary_text", "text": "a"}],
                "encrypted_content": "routebook:anthropic:E:q=",
            },
            Reasoning("a", Signature("anthropic", "E:q=")),
        ),
        (
            {
                "content": [{"type": "reasoning_text", "text": "a"}, {"type": "reasoning_text", "text": "b"}],
                "summary": [],
            },
            Reasoning("a\n\nb"),
        ),
    ],
    ids=["sealed", "kept by the provider", "made here", "sealed by another", "in plain words"],
)
def test_thoughts(item: dict[str, Any], thought: Reasoning) -> None:
    """Whose they are shows the seal; an id that was made here refers to nothing."""
    assert items({"type": "reasoning", **item}) == [Message(Role.ASSISTANT, (thought,))]


def test_tools() -> None:
    """Functions, free text with a grammar in the form that the vendor's dialects share, and what runs at the provider."""
    grammar = {"type": "grammar", "syntax": "lark", "definition": "start: x"}
    chat = read(
        tools=[
            {**TOOL, "description": "d", "strict": True},
            {"type": "custom", "name": "g", "format": grammar},
            {"type": "web_search", "filters": {"allowed_domains": ["x.test"]}},
        ]
    )
    shared = {"type": "grammar", "grammar": {"syntax": "lark", "definition": "start: x"}}
    assert chat.tools == (
        Tool("f", "d", Json('{"type":"object"}'), True),
        Tool("g", kind=ToolKind.CUSTOM, grammar=Json(json.dumps(shared, separators=(",", ":")))),
        ForeignTool(DIALECT, "web_search", Json('{"type":"web_search","filters":{"allowed_domains":["x.test"]}}')),
    )


@pytest.mark.parametrize(
    ("given", "choice"),
    [
        ("required", ToolChoice(Calling.REQUIRED)),
        ({"type": "function", "name": "f"}, ToolChoice(Calling.REQUIRED, ("f",))),
        ({"type": "custom", "name": "g"}, ToolChoice(Calling.REQUIRED, ("g",))),
        (
            {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "f"}]},
            ToolChoice(Calling.AUTO, ("f",)),
        ),
    ],
)
def test_tool_choices(given: Any, choice: ToolChoice) -> None:
    """Whether, and which."""
    assert read(tools=[TOOL], tool_choice=given).tool_choice == choice


@pytest.mark.parametrize(
    "given",
    [
        {"type": "web_search_preview"},
        {"type": "mcp", "server_label": "s"},
        {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "mcp", "server_label": "s"}]},
        "sometimes",
    ],
)
def test_choices_that_only_this_dialect_has_matter(given: Any) -> None:
    """A request without them means something else."""
    [extra] = read(tool_choice=given).extras
    assert (extra.field, extra.matters) == ("tool_choice", True)


def test_settings() -> None:
    """Every field that others have too."""
    chat = read(
        text={"format": {"type": "json_schema", "name": "n", "schema": {}, "strict": True}, "verbosity": "low"},
        reasoning={"effort": "high", "summary": "auto"},
        include=["reasoning.encrypted_content", "message.output_text.logprobs"],
        top_logprobs=3,
        max_output_tokens=50,
        parallel_tool_calls=False,
        safety_identifier="u",
        metadata={"a": "b"},
        service_tier="flex",
        store=False,
        prompt_cache_key="k",
        truncation="disabled",
        background=False,
        temperature=0.5,
        top_p=0.25,
        stream=True,
        stream_options={"include_obfuscation": False},
    )
    assert chat.format == JsonSchema(Json("{}"), "n", None, True)
    assert chat.reasoning == ReasoningWish(Effort.HIGH, None, "auto")
    assert (chat.logprobs, chat.max_output, chat.parallel_tools) == (3, 50, False)
    assert (chat.user, chat.metadata, chat.tier, chat.store) == ("u", {"a": "b"}, "flex", False)
    assert (chat.cache_key, chat.verbosity) == ("k", "low")
    assert (chat.sampling.temperature, chat.sampling.top_p) == (0.5, 0.25)
    assert chat.extras == ()
    assert read(text={"format": {"type": "json_object"}}).format == AnyJson()
    assert read(text={"format": {"type": "text"}}).format is None


@pytest.mark.parametrize(
    ("field", "value", "matters"),
    [
        ("previous_response_id", "resp_1", True),
        ("conversation", {"id": "conv_1"}, True),
        ("background", True, True),
        ("prompt", {"id": "pmpt_1"}, True),
        ("context_management", [{"type": "compaction"}], True),
        ("truncation", "auto", False),
        ("max_tool_calls", 3, False),
        ("prompt_cache_retention", "24h", False),
        ("next_years_field", {"a": 1}, False),
    ],
)
def test_what_only_this_dialect_has(field: str, value: Any, matters: bool) -> None:
    """State that a provider keeps cannot be done without; hints can."""
    text = Json(json.dumps(value, separators=(",", ":")))
    assert read(**{field: value}).extras == (Extra(DIALECT, field, text, matters),)


@pytest.mark.parametrize(
    ("fields", "names"),
    [
        ({"reasoning": {"effort": "enormous", "context": "all_turns"}}, {"reasoning.effort", "reasoning.context"}),
        ({"text": {"pace": 1}}, {"text.pace"}),
        ({"metadata": {"n": 1}}, {"metadata.n"}),
        ({"include": ["file_search_call.results"]}, {"include"}),
        ({"input": [{"role": "assistant", "content": "a", "phase": "commentary"}]}, {"input[0].phase"}),
    ],
)
def test_what_is_said_within_fields_is_noted_too(fields: dict[str, Any], names: set[str]) -> None:
    """Nothing is passed over."""
    assert {extra.field for extra in read(**fields).extras} == names


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"input": [{"role": "narrator", "content": "a"}]}, "input[0].role"),
        ({"input": [{"type": "function_call", "name": "f", "arguments": ""}]}, "input[0].call_id"),
        ({"input": [{"type": "function_call_output", "output": ""}]}, "input[0].call_id"),
        ({"input": [{"role": "user", "content": [{"type": "input_image"}]}]}, "input[0].content[0]"),
        ({"input": [{"role": "user", "content": [{"type": "input_file"}]}]}, "input[0].content[0]"),
        (
            {"input": [{"role": "user", "content": [{"type": "input_file", "file_data": "data:x"}]}]},
            "input[0].content[0].file_data",
        ),
        ({"input": [{"role": "user", "content": 7}]}, "input[0].content"),
        ({"input": [7]}, "input[0]"),
        ({"max_output_tokens": "many"}, "max_output_tokens"),
        ({"tools": [{"name": "f"}]}, "tools[0]"),
    ],
)
def test_what_cannot_be_read_names_its_field(fields: dict[str, Any], param: str) -> None:
    """The client is told where it went wrong."""
    with pytest.raises(ProtocolError) as caught:
        read(**fields)
    assert caught.value.param == param
