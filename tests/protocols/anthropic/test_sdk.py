"""What Anthropic's own SDK makes of what is written for its clients, over a real connection."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import anthropic
import pytest
from aiohttp import web
from anthropic import AsyncAnthropic
from anthropic.lib.streaming._messages import accumulate_event
from anthropic.types import Message, RawMessageStreamEvent
from hypothesis import given, settings
from pydantic import TypeAdapter

from routebook.chat.answer import ChatAnswer, Choice
from routebook.chat.assembling import events_of
from routebook.chat.conversation import Effort, JsonSchema, Role, ToolChoice
from routebook.chat.events import (
    ArgumentsDelta,
    Event,
    Failed,
    Finish,
    Finished,
    Started,
    ToolCallEnded,
    ToolCallStarted,
)
from routebook.chat.faults import Fault
from routebook.chat.parts import (
    Document,
    Foreign,
    Image,
    Json,
    Plain,
    Reasoning,
    Refusal,
    Signature,
    Text,
    ToolCall,
    ToolResult,
    Url,
    UrlCitation,
)
from routebook.chat.usage import Usage
from routebook.protocols.anthropic.answer_writing import write_count, write_message
from routebook.protocols.anthropic.errors import error_body, model_body, models_body
from routebook.protocols.anthropic.request import AnthropicMessages, read_count_request, read_messages
from routebook.protocols.anthropic.stream_writing import PING, MessagesWriter
from routebook.protocols.codec import ReplyTo
from tests.protocols.anthropic.subject import SUBJECT

ASKED = AnthropicMessages(b'{"model":"asked","messages":[],"max_tokens":9,"stream":true}')
REPLY = ReplyTo(ASKED, "x1")
HELLO: Any = [{"role": "user", "content": "Say hello."}]


class Upstream:
    """A server that answers everything with the same bytes, and keeps what it was asked."""

    def __init__(self) -> None:
        self.status, self.body, self.kind = 200, b"", "application/json"
        self.headers: dict[str, str] = {}
        self.asked: list[tuple[str, dict[str, str], bytes]] = []
        self.url = ""

    async def answer(self, request: web.Request) -> web.Response:
        """What was said to be answered."""
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.asked.append((request.path_qs, headers, await request.read()))
        return web.Response(status=self.status, body=self.body, content_type=self.kind, headers=self.headers)

    def will(self, body: bytes, status: int = 200, kind: str = "application/json", **headers: str) -> None:
        """What is to be answered from now on."""
        self.body, self.status, self.kind, self.headers = body, status, kind, headers


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    """A server on a free port."""
    serving = Upstream()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", serving.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    serving.url = f"http://{host}:{port}"
    yield serving
    await runner.cleanup()


@pytest.fixture
async def client(upstream: Upstream) -> AsyncIterator[AsyncAnthropic]:
    """The SDK, pointed at it."""
    async with AsyncAnthropic(base_url=upstream.url, api_key="k", max_retries=0) as made:
        yield made


def stream_of(events: list[Event], reply: ReplyTo = REPLY) -> bytes:
    """The whole stream that these events make, with pings between them."""
    writer = MessagesWriter(reply)
    return b"".join([*(writer.write([event]) + PING for event in events), writer.end()])


ANSWERS = {
    "text": Choice((Text("Hello, 世界 👋"),), Finish.STOP),
    "thoughts-and-calls": Choice(
        (
            Reasoning("Let me see.", Signature("anthropic", "c2ln")),
            Reasoning("", Signature("anthropic", "ZGF0YQ=="), is_redacted=True),
            Text("I look it up."),
            ToolCall("toolu_1", "weather", '{"city":"Zürich","days":[1,2]}'),
            ToolCall("toolu_2", "now", "{}"),
        ),
        Finish.TOOL_CALLS,
    ),
    "thoughts-not-shown": Choice((Reasoning("", Signature("anthropic", "c2ln")), Text("a")), Finish.STOP),
    "thoughts-of-another": Choice((Reasoning("Hm."), Text("a")), Finish.STOP),
    "cut": Choice((Text("Once upon a"),), Finish.LENGTH),
    "stop-sequence": Choice((Text("1, 2"),), Finish.STOP_SEQUENCE, ", 3"),
    "cited": Choice((Text("It is.", (UrlCitation("https://x.test/", "X", quote="it is"),)),), Finish.STOP),
    "refused": Choice((Refusal("I will not."),), Finish.STOP),
    "server-tool": Choice(
        (
            Foreign(
                "anthropic",
                "server_tool_use",
                Json('{"type":"server_tool_use","id":"srvtoolu_1","name":"web_search","input":{"query":"a"}}'),
            ),
            Text("Found."),
        ),
        Finish.PAUSED,
    ),
    "nothing": Choice((), Finish.STOP),
}
USAGE = Usage(7, 20, 5, 0, 11, 4)


@pytest.mark.parametrize("name", ANSWERS)
async def test_whole_and_streamed_are_the_same_object(name: str, client: AsyncAnthropic, upstream: Upstream) -> None:
    """`create` and the streaming helper end with the same message, block for block."""
    answer = ChatAnswer("msg_1", "served-1", None, (ANSWERS[name],), USAGE)
    upstream.will(write_message(answer, REPLY).body)
    whole = await client.messages.create(model="m", max_tokens=9, messages=HELLO)
    upstream.will(stream_of(list(events_of(answer))), kind="text/event-stream")
    async with client.messages.stream(model="m", max_tokens=9, messages=HELLO) as streaming:
        final = await streaming.get_final_message()

    assert _dump(final) == _dump(whole)
    assert (whole.id, whole.model, whole.role, whole.type) == ("msg_1", "served-1", "assistant", "message")
    assert whole.usage.input_tokens == 7 and whole.usage.cache_read_input_tokens == 20
    assert whole.usage.cache_creation_input_tokens == 5 and whole.usage.output_tokens == 15
    assert whole.usage.output_tokens_details is not None and whole.usage.output_tokens_details.thinking_tokens == 4


async def test_blocks_are_of_the_sdks_own_classes(client: AsyncAnthropic, upstream: Upstream) -> None:
    """Thoughts keep their signature, calls their input as an object."""
    answer = ChatAnswer("msg_1", "served-1", None, (ANSWERS["thoughts-and-calls"],), USAGE)
    upstream.will(stream_of(list(events_of(answer))), kind="text/event-stream")
    async with client.messages.stream(model="m", max_tokens=9, messages=HELLO) as streaming:
        kinds = [event.type async for event in streaming]
        final = await streaming.get_final_message()

    thought, hidden, text, call, empty = final.content
    assert thought.type == "thinking" and (thought.thinking, thought.signature) == ("Let me see.", "c2ln")
    assert hidden.type == "redacted_thinking" and hidden.data == "ZGF0YQ=="
    assert text.type == "text" and text.text == "I look it up."
    assert call.type == "tool_use" and (call.id, call.name) == ("toolu_1", "weather")
    assert call.input == {"city": "Zürich", "days": [1, 2]}
    assert empty.type == "tool_use" and empty.input == {}
    assert final.stop_reason == "tool_use"
    assert {"text", "thinking", "signature", "input_json"} <= set(kinds)


async def test_calls_that_grow_together_come_one_after_the_other(client: AsyncAnthropic, upstream: Upstream) -> None:
    """Two calls whose arguments are interleaved at their upstream, in fragments."""
    events: list[Event] = [
        Started("a", "m"),
        ToolCallStarted("c1", "f", 0),
        ToolCallStarted("c2", "g", 1),
        ArgumentsDelta('{"a":"', 0),
        ArgumentsDelta('{"b":', 1),
        ArgumentsDelta('é"}', 0),
        ArgumentsDelta("2}", 1),
        ToolCallEnded(0),
        ToolCallEnded(1),
        Finished(Finish.STOP),
    ]
    upstream.will(stream_of(events), kind="text/event-stream")
    async with client.messages.stream(model="m", max_tokens=9, messages=HELLO) as streaming:
        final = await streaming.get_final_message()
    assert [(block.id, block.name, block.input) for block in final.content if block.type == "tool_use"] == [
        ("c1", "f", {"a": "é"}),
        ("c2", "g", {"b": 2}),
    ]
    assert final.stop_reason == "tool_use"


EVENTS: TypeAdapter[Any] = TypeAdapter(RawMessageStreamEvent)


@settings(deadline=None)
@given(SUBJECT.answers())
def test_the_sdk_puts_any_stream_together_as_the_whole_answer(answer: ChatAnswer) -> None:
    """What its accumulator makes of the stream is what stands in the body."""
    snapshot: Any = None
    buffers: dict[int, bytes] = {}
    writer = MessagesWriter(REPLY)
    stream = b"".join([*(writer.write([event]) for event in events_of(answer)), writer.end()])
    for frame in stream.decode().removesuffix("\n\n").split("\n\n"):
        name, data = frame.split("\n", 1)
        event = EVENTS.validate_json(data.removeprefix("data: "))
        assert name == f"event: {event.type}"
        snapshot = accumulate_event(event=event, current_snapshot=snapshot, json_bufs=buffers)
    whole = Message.model_validate_json(write_message(answer, REPLY).body)
    assert _dump(snapshot) == _dump(whole)


CLASSES = {
    400: anthropic.BadRequestError,
    401: anthropic.AuthenticationError,
    403: anthropic.PermissionDeniedError,
    404: anthropic.NotFoundError,
    409: anthropic.ConflictError,
    413: anthropic.APIStatusError,
    429: anthropic.RateLimitError,
    500: anthropic.InternalServerError,
    503: anthropic.APIStatusError,
    504: anthropic.APIStatusError,
    529: anthropic.APIStatusError,
}
TYPES = {400: "invalid_request_error", 401: "authentication_error", 403: "permission_error", 404: "not_found_error",
         409: "conflict_error", 413: "request_too_large", 429: "rate_limit_error", 500: "api_error",
         503: "overloaded_error", 504: "timeout_error", 529: "overloaded_error"}  # fmt: skip


@pytest.mark.parametrize("status", CLASSES)
async def test_refusals_are_the_sdks_own_exceptions(status: int, client: AsyncAnthropic, upstream: Upstream) -> None:
    """By status, with type, message, code and the id of the request."""
    upstream.will(error_body(status, "it is so", code="limit.reached"), status, **{"request-id": "req_1"})
    with pytest.raises(CLASSES[status]) as caught:
        await client.messages.create(model="m", max_tokens=9, messages=HELLO)
    error = caught.value
    assert (error.status_code, error.type, error.api_message) == (status, TYPES[status], "it is so")
    assert (error.error_code, error.request_id) == ("limit.reached", "req_1")


async def test_an_error_in_a_stream_is_raised(client: AsyncAnthropic, upstream: Upstream) -> None:
    """In the midst of the text, with the type that its status stands for."""
    told = [*events_of(ChatAnswer("a", "m", None, (Choice((Text("abc"),)),))), Failed(Fault(529, "too busy", "busy"))]
    upstream.will(stream_of(told), kind="text/event-stream")
    with pytest.raises(anthropic.APIStatusError) as caught:
        async with client.messages.stream(model="m", max_tokens=9, messages=HELLO) as streaming:
            await streaming.get_final_message()
    assert (caught.value.type, caught.value.api_message, caught.value.error_code) == (
        "overloaded_error",
        "too busy",
        "busy",
    )


async def test_models_are_listed(client: AsyncAnthropic, upstream: Upstream) -> None:
    """As one page of the SDK's own objects."""
    upstream.will(models_body(["small", "large"], 1_763_719_200))
    listed = [model async for model in client.models.list()]
    assert [(model.type, model.id, model.display_name, model.lifecycle) for model in listed] == [
        ("model", "small", "small", "active"),
        ("model", "large", "large", "active"),
    ]
    assert listed[0].created_at.timestamp() == 1_763_719_200
    upstream.will(models_body([]))
    assert [model async for model in client.models.list()] == []
    upstream.will(model_body("small"))
    assert (await client.models.retrieve("small")).id == "small"


async def test_tokens_are_counted(client: AsyncAnthropic, upstream: Upstream) -> None:
    """What the SDK asks is read, and it understands the answer."""
    upstream.will(write_count(42))
    counted = await client.messages.count_tokens(model="m", messages=HELLO, system="Be brief.")
    assert counted.input_tokens == 42
    path, _, body = upstream.asked[0]
    asked = read_count_request(body)
    assert path == "/v1/messages/count_tokens"
    assert (asked.operation, asked.model, asked.chat.system) == ("count_tokens", "m", (Text("Be brief."),))


async def test_what_the_sdk_sends_is_read(client: AsyncAnthropic, upstream: Upstream) -> None:
    """Everything that a request can say arrives in the neutral form."""
    upstream.will(write_message(ChatAnswer("a", "m", None, (ANSWERS["text"],), USAGE), REPLY).body)
    messages: Any = [
        {
            "role": "user",
            "content": [
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAEC"}},
                {
                    "type": "document",
                    "source": {"type": "text", "media_type": "text/plain", "data": "abc"},
                    "title": "t",
                },
                {"type": "image", "source": {"type": "url", "url": "https://x.test/a.png"}},
                {"type": "text", "text": "What is this?", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
            ],
        },
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"},
                {"type": "redacted_thinking", "data": "ZGF0YQ=="},
                {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {"at": "é"}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "toolu_1", "content": "a cat", "is_error": True},
                {"type": "text", "text": "Well?"},
            ],
        },
        {"role": "system", "content": "Be brief."},
    ]
    await client.messages.create(
        model="m",
        max_tokens=2048,
        messages=messages,
        system=[{"type": "text", "text": "You see."}],
        tools=[{"name": "look", "description": "d", "input_schema": {"type": "object"}, "strict": True}],
        tool_choice={"type": "tool", "name": "look", "disable_parallel_tool_use": True},
        thinking={"type": "adaptive", "display": "omitted"},
        output_config={"effort": "high", "format": {"type": "json_schema", "schema": {"type": "object"}}},
        stop_sequences=["END"],
        metadata={"user_id": "u1"},
        service_tier="standard_only",
    )
    path, headers, body = upstream.asked[0]
    chat = read_messages(body).chat
    assert (path, headers["anthropic-version"], headers["authorization"]) == ("/v1/messages", "2026-10-21", "Bearer k")
    assert [message.role for message in chat.messages] == [
        Role.USER, Role.ASSISTANT, Role.TOOL, Role.USER, Role.SYSTEM,
    ]  # fmt: skip
    image, document, linked, text = chat.messages[0].parts
    assert isinstance(image, Image) and isinstance(document, Document) and isinstance(linked, Image)
    assert (document.source, document.name, linked.source) == (Plain("abc"), "t", Url("https://x.test/a.png"))
    assert isinstance(text, Text) and text.cache is not None and text.cache.ttl == "1h"
    assert chat.messages[1].parts == (
        Reasoning("Hm.", Signature("anthropic", "c2ln")),
        Reasoning("", Signature("anthropic", "ZGF0YQ=="), is_redacted=True),
        ToolCall("toolu_1", "look", '{"at":"é"}'),
    )
    assert chat.messages[2].parts == (ToolResult("toolu_1", (Text("a cat"),), is_error=True),)
    assert chat.reasoning is not None and (chat.reasoning.effort, chat.reasoning.summary) == (Effort.HIGH, "none")
    assert isinstance(chat.format, JsonSchema) and json.loads(chat.format.schema) == {"type": "object"}
    assert isinstance(chat.tool_choice, ToolChoice) and chat.tool_choice.names == ("look",)
    assert (chat.parallel_tools, chat.stop, chat.user, chat.tier) == (False, ("END",), "u1", "default")
    assert not chat.extras


def _dump(message: Any) -> dict[str, Any]:
    """A message as plain values, without what only the helper adds."""
    dumped: dict[str, Any] = message.to_dict()
    dumped["content"] = [{k: v for k, v in block.items() if v is not None} for block in dumped["content"]]
    return {key: value for key, value in dumped.items() if value is not None}
