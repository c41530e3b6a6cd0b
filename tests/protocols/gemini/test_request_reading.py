"""What is read of a client's request, and the smallest edit that sends it on."""

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
    ToolChoice,
)
from routebook.chat.parts import (
    Audio,
    Document,
    Foreign,
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
from routebook.protocols.dialects import PATHS
from routebook.protocols.errors import ProtocolError
from routebook.protocols.gemini.counting import edited_count, read_count_request
from routebook.protocols.gemini.embeddings import edited_embedding, read_embedding
from routebook.protocols.gemini.request import GeminiChat, edited
from routebook.routing.outcomes import Caps


def chat(contents: list[dict[str, Any]] | None = None, **fields: Any) -> ChatRequest:
    """The request with these fields."""
    return GeminiChat(json.dumps({"contents": contents or [], **fields}).encode(), "m").chat


def parts(*said: dict[str, Any], role: str = "user") -> tuple[Any, ...]:
    """What is read of these parts of one content."""
    return chat([{"role": role, "parts": list(said)}]).messages[0].parts


CAMEL: dict[str, Any] = {
    "contents": [
        {
            "role": "model",
            "parts": [{"functionCall": {"name": "f", "args": {"my_key": 1, "inlineData": 2}}, "thoughtSignature": "c2ln"}],
        },
        {"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {"mime_type": "x"}}}]},
        {"role": "user", "parts": [{"inlineData": {"mimeType": "image/png", "data": "+//+"}}]},
    ],
    "systemInstruction": {"parts": [{"text": "s"}]},
    "tools": [{"functionDeclarations": [{"name": "f", "parameters": {"type": "OBJECT", "properties": {"top_k": {"type": "STRING", "maxLength": "3"}}}}]}],
    "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f"]}},
    "generationConfig": {"topK": 3, "maxOutputTokens": 7, "responseMimeType": "application/json", "thinkingConfig": {"thinkingBudget": -1}},
    "cachedContent": "cachedContents/1",
    "labels": {"top_k": "v"},
}  # fmt: skip
SNAKE: dict[str, Any] = {
    "contents": [
        {
            "role": "model",
            "parts": [{"function_call": {"name": "f", "args": {"my_key": 1, "inlineData": 2}}, "thought_signature": "c2ln"}],
        },
        {"role": "user", "parts": [{"function_response": {"name": "f", "response": {"mime_type": "x"}}}]},
        {"role": "user", "parts": [{"inlineData": {"mime_type": "image/png", "data": "-__-"}}]},
    ],
    "system_instruction": {"parts": [{"text": "s"}]},
    "tools": [{"function_declarations": [{"name": "f", "parameters": {"type": "OBJECT", "properties": {"top_k": {"type": "STRING", "max_length": 3}}}}]}],
    "tool_config": {"function_calling_config": {"mode": "ANY", "allowed_function_names": ["f"]}},
    "generation_config": {"top_k": 3, "max_output_tokens": 7, "response_mime_type": "application/json", "thinking_config": {"thinking_budget": -1}},
    "cached_content": "cachedContents/1",
    "labels": {"top_k": "v"},
}  # fmt: skip


def test_both_cases_are_one_request() -> None:
    """Names of the API are read in either case, in one request too; names of the client's own stay as they are."""
    read = [GeminiChat(json.dumps(each).encode(), "m") for each in (CAMEL, SNAKE)]
    assert read[0].chat == read[1].chat
    one = read[0].chat
    assert one.messages == (
        Message(
            Role.ASSISTANT,
            (ToolCall("gemini_1", "f", '{"my_key": 1, "inlineData": 2}', signature=Signature("gemini", "c2ln")),),
        ),
        Message(Role.TOOL, (ToolResult("gemini_1", (Text('{"mime_type": "x"}'),)),)),
        Message(Role.USER, (Image(Inline("image/png", "+//+")),)),
    )
    assert json.loads(one.tools[0].parameters) == {  # type: ignore[union-attr, arg-type]
        "type": "object",
        "properties": {"top_k": {"type": "string", "maxLength": 3}},
    }
    assert (one.sampling.top_k, one.max_output, one.reasoning) == (3, 7, ReasoningWish())
    assert (one.format, one.metadata) == (AnyJson(), {"top_k": "v"})
    assert one.extras == (Extra("gemini", "cachedContent", Json('"cachedContents/1"'), matters=True),)
    assert {each.session for each in read} == {"cachedContents/1"}


@pytest.mark.parametrize(
    ("part", "read"),
    [
        ({"inlineData": {"mimeType": "audio/wav", "data": "AA=="}}, Audio(Inline("audio/wav", "AA=="))),
        (
            {"inlineData": {"mimeType": "application/pdf", "data": "AA", "displayName": "a.pdf"}},
            Document(Inline("application/pdf", "AA=="), "a.pdf"),
        ),
        (
            {"fileData": {"mimeType": "image/png", "fileUri": "https://x.test/a.png"}},
            Image(Url("https://x.test/a.png", "image/png")),
        ),
        (
            {"fileData": {"mimeType": "image/png", "fileUri": "gs://b/a"}, "mediaResolution": {"level": "MEDIA_RESOLUTION_LOW"}},
            Image(Stored("google", "image/png gs://b/a"), "low"),
        ),
        (
            {"fileData": {"mimeType": "video/mp4", "fileUri": "gs://b/a"}, "videoMetadata": {"fps": 1}},
            Foreign(
                "gemini",
                "fileData",
                Json('{"fileData":{"mimeType": "video/mp4", "fileUri": "gs://b/a"},"videoMetadata":{"fps": 1}}'),
            ),
        ),
        (
            {"fileData": {"fileUri": "https://youtu.be/x"}},
            Foreign("gemini", "fileData", Json('{"fileData":{"fileUri": "https://youtu.be/x"}}')),
        ),
        ({"executableCode": {"code": "1"}}, Foreign("gemini", "executableCode", Json('{"executableCode":{"code": "1"}}'))),
    ],
)  # fmt: skip
def test_media_are_told_apart_by_their_types(part: dict[str, Any], read: Any) -> None:
    """What no other dialect knows stays a part of this one."""
    assert parts(part) == (read,)


def test_thoughts_and_signatures_are_kept() -> None:
    """A thought, a text and a call each keep the signature that stands at them; the pieces of one text are one."""
    pieces = [
        [{"text": "Hm", "thought": True}],
        [{"text": ".", "thought": True, "thoughtSignature": "YQ=="}],
        [{"text": "One"}],
        [{"text": " two"}],
        [{"text": "", "thoughtSignature": "Yg=="}],
        [{"functionCall": {"id": "c", "name": "f"}, "thoughtSignature": "Yw=="}],
        [{"text": ""}],
    ]
    read = chat([{"role": "model", "parts": each} for each in pieces])
    assert [message.parts for message in read.messages] == [
        (
            Reasoning("Hm.", Signature("gemini", "YQ==")),
            Text("One two", signature=Signature("gemini", "Yg==")),
            ToolCall("c", "f", "{}", signature=Signature("gemini", "Yw==")),
        )
    ]


def called(*calls: tuple[str | None, str]) -> dict[str, Any]:
    """A content with calls of these ids and names."""
    return {"role": "model", "parts": [{"functionCall": {"id": each, "name": name}} for each, name in calls]}


def gave(*results: tuple[str | None, str, Any]) -> dict[str, Any]:
    """A content with results of these ids, names and responses."""
    return {
        "role": "user",
        "parts": [{"functionResponse": {"id": each, "name": name, "response": said}} for each, name, said in results],
    }


def test_results_without_ids_answer_calls_in_order() -> None:
    """Two calls of one function are told apart by their order, functions by their names, and every id is minted once."""
    results = gave((None, "g", {"output": "3"}), (None, "f", {"output": "1"}), (None, "f", {"output": "2"}))
    read = chat([called((None, "f"), (None, "f"), (None, "g")), results, called((None, "f")), gave((None, "f", {}))])
    assert [part.call_id for message in read.messages if message.role is Role.TOOL for part in message.parts] == [  # type: ignore[union-attr]
        "gemini_3",
        "gemini_1",
        "gemini_2",
        "gemini_4",
    ]
    assert [call.id for call in read.calls()] == ["gemini_1", "gemini_2", "gemini_3", "gemini_4"]


@pytest.mark.parametrize(
    ("response", "text", "is_error"),
    [
        ({"output": "a"}, "a", False),
        ({"result": "a"}, "a", False),
        ({"error": "a"}, "a", True),
        ({"output": {"b": 1}}, '{"b": 1}', False),
        ({"temp": 7}, '{"temp": 7}', False),
        ({"output": "a", "unit": "C"}, '{"output": "a", "unit": "C"}', False),
    ],
)
def test_what_a_function_gave_back(response: Any, text: str, is_error: bool) -> None:
    """A text under the usual name is that text, everything else is JSON as it came."""
    read = chat([called(("c", "f")), gave(("c", "f", response))])
    assert read.messages[1].parts == (ToolResult("c", (Text(text),), is_error),)


def test_results_and_words_of_a_user_are_apart() -> None:
    """Results stand in a message of their own, with the pictures that they hold."""
    picture = {"inlineData": {"mimeType": "image/png", "data": "AA=="}}
    result = {"functionResponse": {"id": "c", "name": "f", "response": {}, "parts": [picture]}}
    read = chat([called(("c", "f")), {"parts": [{"text": "and?"}, result]}])
    assert read.messages[1:] == (
        Message(Role.TOOL, (ToolResult("c", (Image(Inline("image/png", "AA==")),)),)),
        Message(Role.USER, (Text("and?"),)),
    )


@pytest.mark.parametrize(
    ("config", "field", "value"),
    [
        ({"thinkingConfig": {"thinkingLevel": "HIGH", "includeThoughts": True}}, "reasoning", ReasoningWish(Effort.HIGH, None, "auto")),
        ({"thinkingConfig": {"thinkingBudget": 0}}, "reasoning", ReasoningWish(Effort.NONE)),
        ({"thinkingConfig": {"thinkingBudget": 9}}, "reasoning", ReasoningWish(None, 9)),
        ({"thinkingConfig": {}}, "reasoning", None),
        ({"responseModalities": ["AUDIO"]}, "modalities", ("audio",)),
        ({"speechConfig": {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": "Kore"}}}}, "audio", AudioWish("Kore")),
        ({"responseJsonSchema": {"a": 1}}, "format", JsonSchema(Json('{"a": 1}'))),
        ({"responseMimeType": "text/plain"}, "format", None),
        ({"responseMimeType": "application/json", "responseSchema": {"type": "STRING", "enum": ["a"], "nullable": True}}, "format",
         JsonSchema(Json('{"type":["string","null"],"enum":["a",null]}'))),
        ({"responseLogprobs": True}, "logprobs", 0),
        ({"candidateCount": 2}, "choices", 2),
    ],
)  # fmt: skip
def test_settings(config: dict[str, Any], field: str, value: Any) -> None:
    """Each has its neutral form."""
    read = chat(generationConfig=config)
    assert getattr(read, field) == value
    assert read.extras == ()


@pytest.mark.parametrize(
    ("fields", "field", "matters"),
    [
        ({"safetySettings": []}, "safetySettings", False),
        ({"generationConfig": {"mediaResolution": "X"}}, "generationConfig.mediaResolution", False),
        ({"generationConfig": {"responseMimeType": "text/x.enum"}}, "generationConfig.responseMimeType", True),
        ({"generationConfig": {"speechConfig": {"languageCode": "de"}}}, "generationConfig.speechConfig", True),
        (
            {"toolConfig": {"functionCallingConfig": {"mode": "VALIDATED"}}},
            "toolConfig.functionCallingConfig.mode",
            False,
        ),
        ({"odd_field": 1}, "odd_field", False),
    ],
)
def test_what_has_no_neutral_form_is_kept(fields: dict[str, Any], field: str, matters: bool) -> None:
    """Nothing is passed over."""
    assert [(each.field, each.matters) for each in chat(**fields).extras] == [(field, matters)]


def test_tiers_have_other_names_elsewhere() -> None:
    """What Google calls `standard` is the default."""
    assert chat(service_tier="STANDARD").tier == "default"
    assert chat(serviceTier="flex").tier == "flex"


def test_tools_that_run_at_the_provider() -> None:
    """Each is one of its own, also where several stand in one object."""
    read = chat(tools=[{"functionDeclarations": [{"name": "f"}], "google_search": {}, "codeExecution": {}}])
    assert read.tools[1:] == (
        ForeignTool("gemini", "googleSearch", Json('{"googleSearch":{}}')),
        ForeignTool("gemini", "codeExecution", Json('{"codeExecution":{}}')),
    )


def test_some_tools_with_a_free_choice() -> None:
    """`VALIDATED` is the mode in which names count and a text is allowed."""
    config = {"functionCallingConfig": {"mode": "VALIDATED", "allowedFunctionNames": ["f"]}}
    assert chat(toolConfig=config).tool_choice == ToolChoice(Calling.AUTO, ("f",))


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b"{}", "contents"),
        (b'{"contents":[{"role":"system"}]}', "contents[0].role"),
        (b'{"contents":[{"parts":[{"inlineData":{"mimeType":"image/png","data":"%"}}]}]}', "contents[0].parts[0].inlineData.data"),
        (b'{"contents":[{"parts":[{"functionCall":{"name":"f","args":[]}}]}]}', "contents[0].parts[0].functionCall.args"),
        (b'{"contents":[{"parts":[{"functionResponse":{"name":"f"}}]}]}', "contents[0].parts[0].functionResponse"),
        (b'{"contents":[],"generation_config":{"top_p":"x"}}', "generationConfig.topP"),
        (b'{"contents":[],"tools":[{"functionDeclarations":[{}]}]}', "tools[0].functionDeclarations[0].name"),
    ],
)  # fmt: skip
def test_the_field_at_fault_is_named(body: bytes, param: str) -> None:
    """By its path, in the API's own case."""
    with pytest.raises(ProtocolError) as caught:
        GeminiChat(body, "m").chat  # noqa: B018
    assert (caught.value.side.value, caught.value.param) == ("client", param)


@pytest.mark.parametrize("version", ["v1", "v1beta"])
def test_paths(version: str) -> None:
    """The model stands in the path, with slashes or quoted; the form of a stream in the query."""
    body = b'{"contents":[]}'
    for path, query, stream, kind in (
        ("generateContent", "", False, "application/json"),
        ("streamGenerateContent", "alt=sse&key=k", True, "text/event-stream"),
        ("streamGenerateContent", "", True, "application/json"),
    ):
        found = PATHS.find(f"//{version}/models/pool%2Fdeep:{path}", query)
        assert found is not None
        asked = found.read(body)
        assert (asked.model, asked.stream, asked.media_type) == ("pool/deep", stream, kind)
        assert asked.is_array == (stream and not query)
    assert PATHS.find(f"/{version}/models/:generateContent") is None


@pytest.mark.parametrize("name", ["generationConfig", "generation_config"])
def test_caps_change_nothing_else(name: str) -> None:
    """The client's own bytes where nothing has to change; else one field, with everything else in it."""
    body = b'{"contents": [ ], "%b":{"max_output_tokens":50,"odd":[1, 2]}, "x":1}' % name.encode()
    asked = GeminiChat(body, "m")
    assert edited(asked, "up", True, Caps()) is body
    assert edited(asked, "up", True, Caps(max_output=50)) is body
    capped = json.loads(edited(asked, "up", True, Caps(max_output=9, temperature=0.5, reasoning_effort="low")))
    assert capped == {
        "contents": [],
        name: {"maxOutputTokens": 9, "odd": [1, 2], "temperature": 0.5, "thinkingConfig": {"thinkingLevel": "LOW"}},
        "x": 1,
    }


def test_counts() -> None:
    """Contents alone, or a whole request with system prompt and tools, whose model is the upstream's when it is sent on."""
    assert read_count_request(b'{"contents":[{"parts":[{"text":"a"}]}]}', "m").text == "a"
    inner = {"model": "models/m", "contents": [], "system_instruction": {"parts": [{"text": "s"}]}}
    body = json.dumps({"generateContentRequest": inner}).encode()
    asked = read_count_request(body, "m")
    assert asked.chat.system == (Text("s"),)
    assert asked.chat.extras == ()
    assert edited_count(asked, "m", False) is body
    sent = json.loads(edited_count(asked, "up", False))
    assert sent["generateContentRequest"]["model"] == "models/up"
    assert sent["generateContentRequest"]["systemInstruction"] == inner["system_instruction"]
    with pytest.raises(ProtocolError):
        read_count_request(b"{}", "m")


def test_embeddings() -> None:
    """One text or many; the model that each repeats is the upstream's when it is sent on."""
    one = {"model": "models/m", "content": {"parts": [{"text": "a"}, {"text": "b"}]}}
    body = json.dumps(one).encode()
    asked = read_embedding(body, "m")
    assert (asked.text, asked.messages) == ("a\nb", 1)
    assert edited_embedding(asked, "m", False) is body
    assert json.loads(edited_embedding(asked, "up", False)) == {**one, "model": "models/up"}
    many = json.dumps({"requests": [one, one]}).encode()
    batch = read_embedding(many, "m", True)
    assert (batch.text, batch.messages) == ("a\nb\na\nb", 2)
    assert edited_embedding(batch, "m", False) is many
    assert json.loads(edited_embedding(batch, "up", False)) == {"requests": [{**one, "model": "models/up"}] * 2}
    with pytest.raises(ProtocolError):
        read_embedding(b"{}", "m")


def test_the_word_for_no_signature_is_none() -> None:
    """What the vendor documents for calls of another model's says nothing about who signed them."""
    part = {"functionCall": {"id": "c", "name": "f"}, "thoughtSignature": "skip_thought_signature_validator"}
    assert chat([{"role": "model", "parts": [part]}]).messages[0].parts == (ToolCall("c", "f", "{}"),)
