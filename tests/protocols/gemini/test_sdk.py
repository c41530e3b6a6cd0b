"""Google's own SDK for Python as the judge of what is written for its users, and of what is read of them."""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Iterable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from google import genai
from google.genai import errors, types
from hypothesis import given, settings
from pydantic import BaseModel

from routebook.chat.answer import ChatAnswer, Choice
from routebook.chat.assembling import events_of
from routebook.chat.conversation import Calling, ChatRequest, ForeignTool, JsonSchema, Role, Tool, ToolChoice
from routebook.chat.events import Event, Failed, Finish
from routebook.chat.faults import Fault
from routebook.chat.parts import Image, Inline, Json, Reasoning, Signature, Text, ToolCall, ToolResult, UrlCitation
from routebook.chat.usage import Usage
from routebook.protocols.codec import ReplyTo
from routebook.protocols.dialects import PATHS
from routebook.protocols.gemini.answer_writing import write_chat_answer
from routebook.protocols.gemini.counting import write_count
from routebook.protocols.gemini.errors import error_body, model_body, models_body
from routebook.protocols.gemini.request import GeminiChat
from routebook.protocols.gemini.request_writing import write_request
from routebook.protocols.gemini.stream_writing import GeminiWriter
from tests.protocols import laws
from tests.protocols.gemini.subject import SUBJECT

Script = list[tuple[int, str, bytes]]

SEAL = base64.b64encode(b"sealed \xff").decode()
ANSWER = ChatAnswer(
    "r1",
    "gemini-9",
    None,
    (
        Choice(
            (
                Reasoning("Let me see."),
                Text("Grüße 🦊", (UrlCitation("https://x.test/", "X", 0, 5),)),
                ToolCall("c1", "weather", '{"city":"Paris"}', signature=Signature("gemini", SEAL)),
                ToolCall("c2", "weather", '{"city":"Köln"}'),
            ),
            Finish.TOOL_CALLS,
        ),
    ),
    Usage(input=10, cached_input=4, output=7, reasoning=3),
)


class Served:
    """A server that answers with what it was told, and remembers what it was asked."""

    def __init__(self) -> None:
        self.script: Script = []
        self.asked: list[tuple[str, bytes]] = []
        self.port = 0

    def answers(self, body: bytes, status: int = 200, kind: str = "application/json") -> None:
        """One more answer."""
        self.script.append((status, kind, body))

    def streams(self, events: Iterable[Event]) -> None:
        """One more answer, as the writer streams it."""
        writer = GeminiWriter(ReplyTo(GeminiChat(b'{"contents":[]}', "m", True, "sse"), "seed"))
        self.answers(writer.write(events) + writer.end(), kind="text/event-stream")

    def read(self, number: int = -1) -> Any:
        """One of the requests, as our client side reads it."""
        path, body = self.asked[number]
        plain, _, query = path.partition("?")
        found = PATHS.find(plain, query)
        assert found is not None, path
        return found.read(body)


@pytest.fixture
def served() -> Iterator[Served]:
    """The server; its address is `served.url`."""
    told = Served()

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            told.asked.append((self.path, body))
            status, kind, reply = told.script.pop(0)
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(reply)))
            self.end_headers()
            self.wfile.write(reply)

        do_GET = do_POST = _answer

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        told.port = server.server_address[1]
        yield told
        server.shutdown()
        thread.join()


@pytest.fixture
def client(served: Any) -> Iterator[genai.Client]:
    """The SDK, which knows nothing of this but a base URL."""
    with genai.Client(
        api_key="k", vertexai=False, http_options=types.HttpOptions(base_url=f"http://127.0.0.1:{served.port}")
    ) as made:
        yield made


def test_a_whole_answer(served: Served, client: genai.Client) -> None:
    """Every part comes out as the SDK's own object."""
    served.answers(write_chat_answer(ANSWER, ReplyTo(GeminiChat(b'{"contents":[]}', "m"), "seed")).body)
    said = client.models.generate_content(model="gemini-9", contents="hi")
    _is_the_answer([said])


def test_a_stream(served: Served, client: genai.Client) -> None:
    """The chunks say the same, in pieces."""
    served.streams(events_of(ANSWER))
    _is_the_answer(list(client.models.generate_content_stream(model="gemini-9", contents="hi")))
    assert served.asked[0][0].endswith("/models/gemini-9:streamGenerateContent?alt=sse")


def _is_the_answer(chunks: list[types.GenerateContentResponse]) -> None:
    parts = [part for each in chunks for part in each.candidates[0].content.parts or ()]
    assert "".join(part.text for part in parts if part.thought and part.text) == "Let me see."
    assert "".join(part.text for part in parts if not part.thought and part.text) == "Grüße 🦊"
    calls = [part for part in parts if part.function_call]
    assert [(each.function_call.id, each.function_call.name, each.function_call.args) for each in calls] == [
        ("c1", "weather", {"city": "Paris"}),
        ("c2", "weather", {"city": "Köln"}),
    ]
    assert [each.thought_signature for each in calls] == [b"sealed \xff", None]
    last = chunks[-1]
    assert last.candidates[0].finish_reason is types.FinishReason.STOP
    assert last.candidates[0].citation_metadata.citations[0].end_index == 7
    assert (last.model_version, last.response_id) == ("gemini-9", "r1")
    usage = last.usage_metadata
    assert (usage.prompt_token_count, usage.cached_content_token_count) == (14, 4)
    assert (usage.candidates_token_count, usage.thoughts_token_count, usage.total_token_count) == (7, 3, 24)


@pytest.mark.parametrize(
    ("status", "kind"), [(429, errors.ClientError), (400, errors.ClientError), (529, errors.ServerError)]
)
def test_an_error_in_a_stream(served: Served, client: genai.Client, status: int, kind: type[errors.APIError]) -> None:
    """What went wrong after the first byte is an exception, and no quiet end."""
    served.streams([*list(events_of(ANSWER))[:3], Failed(Fault(status, "too much", "slow_down", retry_after=2))])
    chunks = client.models.generate_content_stream(model="m", contents="hi")
    assert next(chunks).candidates[0].content.parts[0].thought
    with pytest.raises(kind) as caught:
        list(chunks)
    assert caught.value.code == (503 if status == 529 else status)
    assert caught.value.message == "too much"


@pytest.mark.parametrize("status", [400, 401, 403, 404, 408, 413, 429, 500, 502, 503, 504, 529])
def test_a_refusal(served: Served, client: genai.Client, status: int) -> None:
    """Every status is the SDK's own exception, with Google's word."""
    kind = errors.ClientError if status < 500 else errors.ServerError
    served.answers(error_body(status, "no", code="limit.reached", param="contents", retry_after=7.5), min(status, 504))
    with pytest.raises(kind) as caught:
        client.models.generate_content(model="m", contents="hi")
    assert (caught.value.message, caught.value.code) == ("no", min(status, 504))
    assert caught.value.status.isupper()
    assert caught.value.details["error"]["details"][-1]["retryDelay"] == "7.5s"


def test_models_and_counts(served: Served, client: genai.Client) -> None:
    """Lists page, a model has its name, and a count is a count."""
    served.answers(models_body(["fast", "pool/deep"]))
    served.answers(model_body("pool/deep"))
    served.answers(write_count(31))
    assert [each.name for each in client.models.list(config={"query_base": True})] == [
        "models/fast",
        "models/pool/deep",
    ]
    assert client.models.get(model="pool/deep").display_name == "pool/deep"
    assert client.models.count_tokens(model="pool/deep", contents="hi").total_tokens == 31
    asked = served.read()
    assert (asked.operation, asked.model, asked.text) == ("count_tokens", "pool/deep", "hi")


def test_a_loop_of_tools_keeps_its_signatures(served: Served, client: genai.Client) -> None:
    """What the SDK's chat sends back is what was streamed to it: thoughts, calls, their signatures and their ids."""
    served.streams(events_of(ANSWER))
    served.streams(events_of(ChatAnswer(choices=(Choice((Text("warm"),), Finish.STOP),))))
    chat = client.chats.create(model="m")
    list(chat.send_message_stream("hi"))
    results = [
        types.Part(function_response=types.FunctionResponse(id=each, name="weather", response={"output": each}))
        for each in ("c1", "c2")
    ]
    assert "".join(each.text or "" for each in chat.send_message_stream(results)) == "warm"
    said, answered = served.read().chat.messages[1:3]
    calls = [part for part in said.parts if isinstance(part, ToolCall)]
    assert [(each.id, each.signature is not None) for each in calls] == [("c1", True), ("c2", False)]
    assert base64.urlsafe_b64decode(calls[0].signature.data) == b"sealed \xff"
    assert answered.role is Role.TOOL
    assert answered.parts == (ToolResult("c1", (Text("c1"),)), ToolResult("c2", (Text("c2"),)))


def weather(city: str) -> str:
    """The weather in a city."""
    return f"sunny in {city}"


def test_functions_that_the_sdk_calls_itself(served: Served, client: genai.Client) -> None:
    """It calls Python functions and sends back what they return."""
    served.answers(write_chat_answer(ANSWER, ReplyTo(GeminiChat(b'{"contents":[]}', "m"), "seed")).body)
    done = ChatAnswer(choices=(Choice((Text("done"),), Finish.STOP),))
    served.answers(write_chat_answer(done, ReplyTo(GeminiChat(b'{"contents":[]}', "m"), "seed")).body)
    said = client.models.generate_content(model="m", contents="hi", config=types.GenerateContentConfig(tools=[weather]))
    assert said.text == "done"
    asked = served.read().chat
    assert asked.messages[-1].parts == (
        ToolResult("c1", (Text("sunny in Paris"),)),
        ToolResult("c2", (Text("sunny in Köln"),)),
    )
    assert (asked.tools[0].name, asked.tools[0].description) == ("weather", "The weather in a city.")
    assert json.loads(asked.tools[0].parameters)["properties"]["city"] == {"type": "string"}


class Fox(BaseModel):
    """A fox."""

    name: str
    age: int | None = None


def test_what_the_sdk_can_ask(served: Served, client: genai.Client) -> None:
    """Fields in mixed case, bytes in the alphabet of URLs, schemas: everything is read, and nothing is left over."""
    served.answers(b"{}")
    client.models.generate_content(
        model="models/m",
        contents=[
            types.Content(role="user", parts=[types.Part.from_bytes(data=b"\xfb\xff\xfe", mime_type="image/png")])
        ],
        config=types.GenerateContentConfig(
            system_instruction="be brief",
            temperature=0.5,
            top_k=4,
            max_output_tokens=9,
            candidate_count=2,
            stop_sequences=["x"],
            response_logprobs=True,
            logprobs=3,
            response_mime_type="application/json",
            response_schema=Fox,
            thinking_config=types.ThinkingConfig(include_thoughts=True, thinking_budget=512),
            tools=[
                types.Tool(
                    function_declarations=[
                        types.FunctionDeclaration(name="f", parameters_json_schema={"type": "object", "my_key": 1})
                    ]
                ),
                types.Tool(google_search=types.GoogleSearch()),
            ],
            tool_config=types.ToolConfig(
                function_calling_config=types.FunctionCallingConfig(mode="ANY", allowed_function_names=["f"])
            ),
        ),
    )
    chat: ChatRequest = served.read().chat
    assert chat.model == "m"
    assert chat.messages[0].parts == (Image(Inline("image/png", "+//+")),)
    assert chat.system == (Text("be brief"),)
    assert (chat.sampling.temperature, chat.sampling.top_k, chat.max_output, chat.choices) == (0.5, 4, 9, 2)
    assert (chat.stop, chat.logprobs) == (("x",), 3)
    assert isinstance(chat.format, JsonSchema)
    schema = json.loads(chat.format.schema)
    assert schema["properties"] == {
        "name": {"title": "Name", "type": "string"},
        "age": {"title": "Age", "type": ["integer", "null"]},
    }
    assert chat.reasoning is not None
    assert (chat.reasoning.budget, chat.reasoning.summary) == (512, "auto")
    search, function = chat.tools
    assert search == ForeignTool("gemini", "googleSearch", Json('{"googleSearch":{}}'))
    assert isinstance(function, Tool)
    assert json.loads(function.parameters or "") == {"type": "object", "my_key": 1}
    assert chat.tool_choice == ToolChoice(Calling.REQUIRED, ("f",))
    assert chat.extras == ()


@settings(deadline=None, max_examples=60)
@given(SUBJECT.exact_chats())
def test_requests_are_what_the_sdk_knows(chat: ChatRequest) -> None:
    """What goes to an upstream has no field and no value that Google's own types do not have."""
    written = write_request(chat, laws.TARGET, False).body
    body = json.loads(re.sub(rb'"thoughtSignature":"(\\.|[^"\\])*"', b'"thoughtSignature":"c2ln"', written))
    body.pop("odd_field", None)
    for content in [*body.pop("contents"), *([body.pop("systemInstruction")] if "systemInstruction" in body else [])]:
        types.Content.model_validate(content)
    config = body.pop("generationConfig", {})
    config |= {name: body.pop(name) for name in ("tools", "toolConfig", "serviceTier", "store") if name in body}
    types.GenerateContentConfig.model_validate(config)
    assert body == {}
