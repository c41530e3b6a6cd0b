"""What the simulated upstream refuses, as the vendors do: each refusal in the vendor's own shape, with the field at fault."""

from __future__ import annotations

import json
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routebook.edge.simulator.server import start_simulator
from routebook.protocols.dialects import DIALECTS
from routebook.protocols.errors import ProtocolError
from tests.protocols.conversations import ANY_WORDS
from tests.support.rawclient import Answer, RawClient, post

OLD, NEW = [("anthropic-version", "2023-06-01")], [("anthropic-version", "2026-10-21")]
HI = {"role": "user", "content": "Hello?"}
TOOL = {"name": "f", "input_schema": {"type": "object"}}
USES = {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "f", "input": {}}]}
RESULT = {"type": "tool_result", "tool_use_id": "t1", "content": "fine"}
ASKS = {"type": "text", "text": "So?"}
GIVES = {"role": "user", "content": [RESULT]}
THOUGHT = {"type": "thinking", "thinking": "hm", "signature": "c2VhbGVkIGJ5IG0="}
BUDGET = {"thinking": {"type": "enabled", "budget_tokens": 1024}, "max_tokens": 2000}


@pytest.fixture
async def simulated() -> AsyncIterator[str]:
    """The simulated upstream, at its full speed."""
    running = await start_simulator(socket.create_server(("127.0.0.1", 0)), pace=0)
    yield running.address
    await running.close()


async def ask(address: str, path: str, body: Any, headers: Any = ()) -> Answer:
    """One request."""
    async with RawClient(address) as raw:
        return await raw.ask(post(path, body, headers), 20)


def messages(*said: Any, **more: Any) -> dict[str, Any]:
    """A Messages request."""
    return {"model": "m", "max_tokens": 99, "messages": list(said), "tools": [TOOL], **more}


@pytest.mark.parametrize(
    ("body", "headers", "param"),
    [
        (messages(HI), [], "anthropic-version"),
        (messages(HI), [("anthropic-version", "2024-01-01")], "anthropic-version"),
        ({"model": "m", "messages": [HI]}, OLD, "max_tokens"),
        (messages(HI, max_tokens=0), OLD, "max_tokens"),
        (messages(HI, temperature=1.5), OLD, "temperature"),
        (messages(HI, temperature=0.5), NEW, "temperature"),
        (messages(HI, top_k=5), NEW, "top_k"),
        (messages(), OLD, "messages"),
        (messages({"role": "assistant", "content": "Hi."}, HI), OLD, "messages[0].role"),
        (messages(HI, {"role": "assistant", "content": []}, HI), OLD, "messages[1].content"),
        (messages({"role": "user", "content": [{"type": "text", "text": " \n"}]}), OLD, "messages[0].content[0].text"),
        (messages(HI, USES, HI), OLD, "messages[1].content[0]"),
        (messages(HI, USES, {"role": "user", "content": [{"type": "text", "text": "a"}, RESULT]}), OLD,
         "messages[2].content[1]"),
        (messages(HI, USES, {"role": "user", "content": [{**RESULT, "tool_use_id": "t2"}]}), OLD,
         "messages[1].content[0]"),
        (messages(HI, USES, GIVES, {"role": "assistant", "content": "So."}, GIVES), OLD,
         "messages[4].content[0].tool_use_id"),
        (messages(HI, {"role": "assistant", "content": USES["content"] * 2}, GIVES), OLD, "messages[1].content[1].id"),
        (messages(HI, USES, GIVES, **BUDGET), OLD, "messages[1].content[0]"),
        (messages(HI, {"role": "assistant", "content": [{**THOUGHT, "signature": "b3RoZXI="}]}, HI), OLD,
         "messages[1].parts[0].signature"),
        (messages(HI, {"role": "assistant", "content": [{"type": "thinking", "thinking": "hm", "signature": ""}]}, HI),
         OLD, "messages[1].content[0].signature"),
        (messages(HI, thinking={"type": "enabled", "budget_tokens": 1024}), OLD, "thinking.budget_tokens"),
        (messages(HI, **BUDGET, temperature=0.5), OLD, "thinking"),
        (messages(HI, **BUDGET, tool_choice={"type": "any"}), OLD, "tool_choice"),
        (messages(HI, tools=[], tool_choice={"type": "auto"}), OLD, "tool_choice"),
        (messages(HI, tools=[TOOL, TOOL]), OLD, "tools[1].name"),
        (messages(HI, tools=[{"name": "f", "input_schema": {"type": "array"}}]), OLD, "tools[0].input_schema"),
    ],
)  # fmt: skip
async def test_what_anthropic_refuses(simulated: str, body: Any, headers: Any, param: str) -> None:
    """In its shape, with the place among the details."""
    answer = await ask(simulated, "/v1/messages", body, headers)
    assert answer.status == 400
    said = answer.json()
    assert (said["type"], said["error"]["type"]) == ("error", "invalid_request_error")
    assert said["error"]["details"]["param"] == param


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (messages(HI, HI, USES, GIVES, HI), OLD),
        (messages(HI, {"role": "assistant", "content": "a"}, USES, {"role": "user", "content": [RESULT, ASKS]}), NEW),
        (messages(HI, {"role": "assistant", "content": [THOUGHT, *USES["content"]]}, GIVES, **BUDGET), OLD),
        (messages(HI, USES, GIVES, thinking={"type": "adaptive"}), NEW),
        (messages(HI, {"role": "assistant", "content": "It is"}), OLD),
        (messages(HI, temperature=1, top_k=3), OLD),
    ],
)  # fmt: skip
async def test_what_anthropic_takes(simulated: str, body: Any, headers: Any) -> None:
    """Neighbours of one side are one turn; thoughts stand before calls where there is a budget for them."""
    answer = await ask(simulated, "/v1/messages", body, headers)
    assert answer.status == 200, answer.body


SAYS = {"role": "user", "parts": [{"text": "Hello?"}]}
CALL = {"functionCall": {"id": "c1", "name": "f", "args": {}}, "thoughtSignature": "c2VhbGVkIGJ5IG0="}
BARE = {"functionCall": {"id": "c2", "name": "f", "args": {}}}
BACK = {"functionResponse": {"id": "c1", "name": "f", "response": {}}}
AGAIN = {"functionResponse": {"id": "c2", "name": "f", "response": {}}}


def model(*parts: Any) -> dict[str, Any]:
    """What the model said."""
    return {"role": "model", "parts": list(parts)}


def gave(*parts: Any) -> dict[str, Any]:
    """What functions gave back."""
    return {"role": "user", "parts": list(parts)}


@pytest.mark.parametrize(
    ("contents", "param"),
    [
        ([], "contents"),
        ([{"role": "user", "parts": []}], "contents[0].parts"),
        ([{"role": "system", "parts": [{"text": "a"}]}], None),
        ([SAYS, model(BARE), gave(AGAIN)], "contents[1].parts"),
        ([SAYS, model(CALL), gave(BACK), model(BARE), gave(AGAIN)], "contents[3].parts"),
        ([SAYS, model(CALL, BARE), gave(BACK)], "contents[2].parts"),
        ([SAYS, model(CALL), SAYS], "contents[2].parts"),
        ([SAYS, gave(BACK)], "contents[1].parts"),
        ([SAYS, model(CALL), gave({"functionResponse": {"id": "c1", "response": {}}})], None),
        ([SAYS, model(CALL), gave({"functionResponse": {"id": "c9", "name": "f", "response": {}}})], "contents[2].parts"),
        ([SAYS, model({**CALL, "thoughtSignature": "b3RoZXI="}), gave(BACK)], "messages[1].parts[0].signature"),
    ],
)  # fmt: skip
async def test_what_google_refuses(simulated: str, contents: Any, param: str | None) -> None:
    """In its shape, with the place among the violations."""
    answer = await ask(simulated, "/v1beta/models/m:generateContent", {"contents": contents})
    assert answer.status == 400
    error = answer.json()["error"]
    assert (error["code"], error["status"]) == (400, "INVALID_ARGUMENT")
    if param is not None:
        violations = [each for each in error["details"] if each["@type"].endswith("BadRequest")]
        assert violations[0]["fieldViolations"][0]["field"] == param


@pytest.mark.parametrize(
    "contents",
    [
        [SAYS, model(CALL, BARE), gave(BACK, AGAIN)],
        [SAYS, model(CALL), gave(BACK), model(CALL), gave(BACK)],
        [SAYS, model(BARE), gave(AGAIN), model({"text": "So."}), SAYS],
        [SAYS, model({**BARE, "thoughtSignature": "skip_thought_signature_validator"}), gave(AGAIN)],
        [SAYS, model({"function_call": CALL["functionCall"], "thought_signature": CALL["thoughtSignature"]}), gave(BACK)],
    ],
)  # fmt: skip
async def test_what_google_takes(simulated: str, contents: Any) -> None:
    """The first of parallel calls alone is signed, and none before the user spoke last."""
    answer = await ask(simulated, "/v1beta/models/m:generateContent", {"contents": contents})
    assert answer.status == 200, answer.body


FUNCTION = {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"}
OUTPUT = {"type": "function_call_output", "call_id": "c1", "output": "fine"}
SEALED = {"type": "reasoning", "id": "rs_1", "summary": []}
ANSWERED = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "So."}]}


@pytest.mark.parametrize(
    ("given", "param", "code"),
    [
        ({"input": []}, "input", None),
        ({"input": [HI, OUTPUT]}, "input", None),
        ({"input": [HI, OUTPUT, FUNCTION]}, "input", None),
        ({"input": [HI, FUNCTION]}, "input", None),
        ({"input": [HI, SEALED]}, "input", None),
        ({"input": [HI, SEALED, HI]}, "input", None),
        ({"input": [{**FUNCTION, "id": "msg_1"}, OUTPUT]}, "input[0].id", None),
        ({"input": [{**ANSWERED, "content": [{"type": "input_text", "text": "a"}]}]}, "input[0].content[0].type", None),
        ({"input": "a", "previous_response_id": "resp_9"}, "previous_response_id", "previous_response_not_found"),
        ({"input": "a", "temperature": 3}, "temperature", None),
        ({"input": "a", "tool_choice": "required"}, "tool_choice", None),
    ],
)
async def test_what_openai_refuses_of_responses(simulated: str, given: Any, param: str, code: str | None) -> None:
    """In its shape."""
    answer = await ask(simulated, "/v1/responses", {"model": "m", **given})
    assert answer.status == 400
    error = answer.json()["error"]
    assert (error["type"], error["param"]) == ("invalid_request_error", param)
    assert code is None or error["code"] == code


@pytest.mark.parametrize("stream", [False, True])
async def test_what_was_answered_can_be_gone_on_from(simulated: str, stream: bool) -> None:
    """By its id, whole or streamed; unless it was not to be kept."""
    tools = [{"type": "function", "name": "weather", "parameters": {"type": "object"}}]
    asked = {"model": "m", "input": "The weather, please.", "tools": tools, "stream": stream}
    for store, status in ((None, 200), (True, 200), (False, 400)):
        first = await ask(simulated, "/v1/responses", {**asked, "store": store, "user": str(store)})
        said = json.loads(first.body.split(b"data: ")[-1])["response"] if stream else first.json()
        [call] = [item for item in said["output"] if item["type"] == "function_call"]
        goes_on = {**asked, "input": [{**OUTPUT, "call_id": call["call_id"]}], "previous_response_id": said["id"]}
        second = await ask(simulated, "/v1/responses", goes_on)
        assert second.status == status, second.body


DEMANDING = [
    (dialect, operation)
    for dialect in DIALECTS.values()
    for operation in dialect.operations
    if operation.demands is not None
]
FIELDS = st.sampled_from(
    ["role", "content", "type", "text", "id", "name", "input", "tool_use_id", "signature", "messages", "contents",
     "parts", "functionCall", "functionResponse", "thinking", "budget_tokens", "tools", "tool_choice", "call_id",
     "generationConfig", "input_schema", "max_tokens", "previous_response_id", "model"]
)  # fmt: skip
VALUES = st.recursive(
    st.none() | st.integers() | ANY_WORDS | FIELDS | st.sampled_from(["user", "assistant", "tool_use", "enabled"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(FIELDS, inner, max_size=5),
    max_leaves=15,
)


@settings(deadline=None)
@given(st.sampled_from(DEMANDING), st.dictionaries(FIELDS, VALUES, max_size=6), VALUES)
def test_any_request_is_refused_in_words(what: Any, fields: dict[str, Any], said: Any) -> None:
    """Whatever a client sends, it is taken, or there is a ProtocolError."""
    _, operation = what
    whole = {"model": "m", "max_tokens": 9, "messages": said, "contents": said, "input": said, **fields}
    values = {"model": "m"} if "{model}" in operation.path else {}
    try:
        asked = operation.read(json.dumps(whole).encode(), **operation.given, **values)
        operation.demands(asked, {"anthropic-version": "2023-06-01"}, lambda identity: False)
    except ProtocolError:
        return
