"""Requests that are written for upstreams of this dialect."""

from __future__ import annotations

import json
from typing import Any

from routebook.chat.conversation import (
    Calling,
    ChatRequest,
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
    Document,
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
    ToolResult,
    Url,
)
from routebook.protocols.carrying import Target
from routebook.protocols.openai_chat.request_writing import write_request

PNG = Inline("image/png", "AA==")
UP = Target("up")


def body(chat: ChatRequest, target: Target = UP, stream: bool = False) -> dict[str, Any]:
    """What the upstream is sent."""
    written: dict[str, Any] = json.loads(write_request(chat, target, stream).body)
    return written


def said(*parts: Part, role: Role = Role.USER) -> list[dict[str, Any]]:
    """The messages that one message becomes."""
    messages: list[dict[str, Any]] = body(ChatRequest("m", (Message(role, parts),)))["messages"]
    return messages


def losses(chat: ChatRequest, target: Target = UP) -> list[tuple[str, str, Done]]:
    """What is lost on the way."""
    return [(loss.feature, loss.path, loss.done) for loss in write_request(chat, target, False).losses]


def test_a_plain_request_is_plain() -> None:
    """Text as text, nothing that was not asked for."""
    chat = ChatRequest("m", (Message(Role.USER, (Text("hi"),)),), (Text("brief"),))
    assert body(chat) == {
        "model": "up",
        "messages": [{"role": "system", "content": "brief"}, {"role": "user", "content": "hi"}],
    }
    assert write_request(chat, UP, False).path == "/chat/completions"


def test_a_stream_is_asked_for_its_usage_where_that_may_be_asked() -> None:
    """Some upstreams refuse the field."""
    assert body(ChatRequest("m"), stream=True)["stream_options"] == {"include_usage": True}
    quiet = body(ChatRequest("m"), Target("up", ask_usage=False), stream=True)
    assert quiet == {"model": "up", "messages": [], "stream": True}


def test_results_are_one_message_each_and_their_images_follow() -> None:
    """A tool's message takes text alone, and nothing may stand between results."""
    results = (ToolResult("c1", (Text("a"), Image(PNG)), True), ToolResult("c2", ()))
    assert said(*results, role=Role.TOOL) == [
        {"role": "tool", "tool_call_id": "c1", "content": "a"},
        {"role": "tool", "tool_call_id": "c2", "content": ""},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "what c1 gave back:"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}},
            ],
        },
    ]


def test_an_assistant_that_only_calls_says_nothing() -> None:
    """Its content is null; one that says nothing at all says an empty text."""
    (message,) = said(ToolCall("c", "f", '{"a":1}', signature=Signature("gemini", "s")), role=Role.ASSISTANT)
    assert message == {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}],
    }
    assert said(role=Role.ASSISTANT) == [{"role": "assistant", "content": ""}]


def test_thoughts_are_sent_back_where_a_policy_says_so() -> None:
    """Some upstreams want them in `reasoning_content`, others refuse it."""
    chat = ChatRequest("m", (Message(Role.ASSISTANT, (Reasoning("hm", Signature("x", "s")), Text("a"))),))
    assert body(chat)["messages"] == [{"role": "assistant", "content": "a"}]
    assert [each[::2] for each in losses(chat)] == [("reasoning_said", Done.DROPPED), ("signature", Done.DROPPED)]
    target = Target("up", verdicts={Feature.REASONING_SAID: Done.EMULATED})
    assert body(chat, target)["messages"][0]["reasoning_content"] == "hm"
    assert losses(chat, target)[0][2] is Done.EMULATED


def test_documents_arrive_as_files_or_as_text() -> None:
    """A file has a name, whether or not it was given one."""
    (message,) = said(Document(PNG), Document(Plain("words"), "a.txt"), Document(Stored("openai", "file-1")))
    assert message["content"] == [
        {"type": "file", "file": {"filename": "document", "file_data": "data:image/png;base64,AA=="}},
        {"type": "text", "text": "a.txt:\nwords"},
        {"type": "file", "file": {"file_id": "file-1"}},
    ]


def test_what_cannot_be_carried_is_a_loss() -> None:
    """Content is refused, advice is dropped."""
    parts = (Image(Stored("gemini", "x")), Document(Url("u")), Audio(Inline("audio/flac", "AA==")))
    chat = ChatRequest("m", (Message(Role.USER, parts),), sampling=Sampling(top_k=3), reasoning=ReasoningWish(budget=9))
    assert losses(chat) == [
        ("top_k", "top_k", Done.DROPPED),
        ("budget", "reasoning.budget", Done.DROPPED),
        ("image_stored", "messages[0].parts[0]", Done.REFUSED),
        ("document_url", "messages[0].parts[1]", Done.REFUSED),
        ("audio_inline", "messages[0].parts[2]", Done.REFUSED),
    ]


def test_what_a_model_lacks_is_not_sent() -> None:
    """The dialect would carry it."""
    chat = ChatRequest("m", sampling=Sampling(temperature=0.5, seed=1), stop=("x",))
    target = Target("up", lacks=frozenset({Feature.TEMPERATURE, Feature.STOP}))
    assert body(chat, target) == {"model": "up", "messages": [], "seed": 1}
    assert [each[0] for each in losses(chat, target)] == ["stop", "temperature"]


def test_tools_are_chosen_by_name_in_every_form() -> None:
    """One is named, several are allowed."""
    tools = (Tool("f", "about", Json('{"type": "object"}'), True), Tool("g"))

    def choice(*names: str) -> Any:
        return body(ChatRequest("m", tools=tools, tool_choice=ToolChoice(Calling.REQUIRED, names)))["tool_choice"]

    assert choice() == "required"
    assert choice("f") == {"type": "function", "function": {"name": "f"}}
    assert choice("f", "g")["allowed_tools"]["mode"] == "required"
    assert body(ChatRequest("m", tools=tools))["tools"][0]["function"] == {
        "name": "f",
        "description": "about",
        "parameters": {"type": "object"},
        "strict": True,
    }


def test_a_schema_goes_as_it_came() -> None:
    """With a name, which this dialect wants."""
    sent = write_request(ChatRequest("m", format=JsonSchema(Json('{"z": 1,  "a": 2}'))), UP, False)
    assert b'"json_schema":{"name":"answer","schema":{"z": 1,  "a": 2}}' in sent.body
