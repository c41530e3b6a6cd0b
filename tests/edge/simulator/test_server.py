"""The simulated upstream: what a policy is tried against must behave like the real thing, also when it fails."""

from __future__ import annotations

import asyncio
import json
import socket
import sys
import time
from collections.abc import AsyncIterator
from typing import Any

import openai
import pytest

from routebook.edge.simulator.faults import WORDS, Fault, UnknownFault, fault_of, parse_fault
from routebook.edge.simulator.server import Simulator, start_simulator
from tests.support.processes import plain_environment, run_command
from tests.support.rawclient import Answer, RawClient, post

HELLO = [{"role": "user", "content": "Say hello."}]


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    """A simulator that loses no time."""
    running = await start_simulator(socket.create_server(("127.0.0.1", 0)), pace=0.0005)
    yield running
    await running.close()


@pytest.fixture
async def client(simulator: Simulator) -> AsyncIterator[openai.AsyncOpenAI]:
    """The official SDK, pointed at the simulator, without retries of its own."""
    async with openai.AsyncOpenAI(base_url=simulator.address, api_key="unused", max_retries=0) as sdk:
        yield sdk


async def ask(
    simulator: Simulator, path: str = "/v1/chat/completions", *, header: str | None = None, **body: Any
) -> Answer:
    """One request with exactly this body."""
    headers = [("x-simulate", header)] if header else []
    async with RawClient(simulator.address) as raw:
        return await raw.ask(post(path, body, headers))


async def test_a_stream_says_what_a_whole_answer_says(client: openai.AsyncOpenAI) -> None:
    """Streamed and whole, the same question has the same text, and it speaks of the question."""
    whole = await client.chat.completions.create(model="m", messages=HELLO)
    stream = await client.chat.completions.create(model="m", messages=HELLO, stream=True)
    text = "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

    assert text == whole.choices[0].message.content
    assert "Say hello." in text
    assert whole.choices[0].finish_reason == "stop"


async def test_usage_comes_in_a_stream_only_when_asked_for(client: openai.AsyncOpenAI) -> None:
    """`include_usage` adds one last chunk without choices, and `usage: null` to all others."""
    plain = [chunk async for chunk in await client.chat.completions.create(model="m", messages=HELLO, stream=True)]
    asked = [
        chunk
        async for chunk in await client.chat.completions.create(
            model="m", messages=HELLO, stream=True, stream_options={"include_usage": True}
        )
    ]

    assert all(chunk.choices for chunk in plain)
    assert asked[-1].choices == []
    assert asked[-1].usage is not None
    assert asked[-1].usage.completion_tokens == sum(bool(c.choices and c.choices[0].delta.content) for c in asked)
    assert all(chunk.usage is None for chunk in asked[:-1])


async def test_tools_are_called_with_arguments_of_their_schema(client: openai.AsyncOpenAI) -> None:
    """A tool that is demanded is called, whole and in fragments alike; an answer to its result is text again."""
    tool: Any = {
        "type": "function",
        "function": {
            "name": "weather",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}},
        },
    }
    whole = await client.chat.completions.create(model="m", messages=HELLO, tools=[tool], tool_choice="required")
    async with client.chat.completions.stream(
        model="m", messages=HELLO, tools=[tool], tool_choice="required"
    ) as stream:
        streamed = await stream.get_final_completion()
    call = whole.choices[0].message.tool_calls[0]  # type: ignore[index]
    after: Any = [
        *HELLO,
        {"role": "assistant", "tool_calls": [call.model_dump()]},
        {"role": "tool", "tool_call_id": call.id, "content": "sunny"},
    ]
    final = await client.chat.completions.create(model="m", messages=after, tools=[tool])

    assert whole.choices[0].finish_reason == "tool_calls"
    assert json.loads(call.function.arguments) == {"city": "simulated", "days": 1}  # type: ignore[union-attr]
    assert streamed.choices[0].message.tool_calls[0].function.arguments == call.function.arguments  # type: ignore[index,union-attr]
    assert final.choices[0].message.content


async def test_limits_of_the_answer_are_kept(client: openai.AsyncOpenAI) -> None:
    """The most tokens, stop sequences and a JSON schema are obeyed, and the reason of the end says so."""
    short = await client.chat.completions.create(model="m", messages=HELLO, max_completion_tokens=3)
    stopped = await client.chat.completions.create(model="m", messages=HELLO, stop="simulated")
    schema: Any = {
        "type": "json_schema",
        "json_schema": {
            "name": "x",
            "schema": {
                "type": "object",
                "properties": {"ok": {"type": "boolean"}, "tags": {"type": "array", "items": {"enum": ["a"]}}},
            },
        },
    }
    shaped = await client.chat.completions.create(model="m", messages=HELLO, response_format=schema)

    assert (short.choices[0].message.content, short.choices[0].finish_reason) == ("This is a", "length")
    assert short.usage is not None
    assert short.usage.completion_tokens == 3
    assert "simulated" not in (stopped.choices[0].message.content or "")
    assert json.loads(shaped.choices[0].message.content or "") == {"ok": True, "tags": ["a"]}


async def test_embeddings_depend_on_the_text(client: openai.AsyncOpenAI) -> None:
    """The same text has the same vector of length one, in both encodings; another text has another."""
    packed = await client.embeddings.create(model="e", input=["one", "two"])
    plain = await client.embeddings.create(model="e", input="one", encoding_format="float", dimensions=256)

    assert packed.data[0].embedding == pytest.approx(plain.data[0].embedding, abs=1e-6)
    assert packed.data[0].embedding != packed.data[1].embedding
    assert sum(number**2 for number in plain.data[0].embedding) == pytest.approx(1.0)


async def test_embeddings_come_in_the_shape_of_the_question(simulator: Simulator) -> None:
    """Google's API asks for one or for many, and has other names for the same numbers."""
    one, two = ({"content": {"parts": [{"text": text}]}, "outputDimensionality": 3} for text in ("one", "two"))
    single = await ask(simulator, "/v1beta/models/e:embedContent", **one)
    many = await ask(simulator, "/v1beta/models/e:batchEmbedContents", requests=[one, two])
    plain = await ask(simulator, "/v1/embeddings", model="e", input="one", dimensions=3)
    empty = await ask(simulator, "/v1beta/models/e:embedContent", content={"parts": []})

    numbers = plain.json()["data"][0]["embedding"]
    assert single.json() == {"embedding": {"values": numbers}}
    assert [each["values"] == numbers for each in many.json()["embeddings"]] == [True, False]
    assert empty.status == 400


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"messages": HELLO}, "model"),
        ({"model": "m"}, "messages"),
        ({"model": "m", "messages": []}, "messages"),
        ({"model": "m", "messages": [{"role": "wizard", "content": "x"}]}, "messages[0].role"),
        ({"model": "m", "messages": [{"role": "user"}]}, "messages[0].content"),
        ({"model": "m", "messages": [{"role": "tool", "content": "x"}]}, "messages[0].tool_call_id"),
        ({"model": "m", "messages": HELLO, "temperature": 3}, "temperature"),
        ({"model": "m", "messages": HELLO, "max_tokens": 0}, "max_tokens"),
        ({"model": "m", "messages": HELLO, "stream": "yes"}, "stream"),
        ({"model": "m", "messages": HELLO, "stream_options": {"include_usage": True}}, "stream_options"),
        ({"model": "m", "messages": HELLO, "tools": [{"type": "function"}]}, "tools[0].function.name"),
        ({"model": "m", "messages": HELLO, "tool_choice": "auto"}, "tool_choice"),
    ],
)
async def test_a_wrong_request_is_refused_like_by_the_real_one(
    simulator: Simulator, body: dict[str, Any], param: str
) -> None:
    """A request that the API would refuse is a 400 that names the parameter, never an answer."""
    answer = await ask(simulator, **body)

    assert answer.status == 400
    assert answer.json()["error"]["param"] == param


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"[" * 100_000, b"\xff", b"null"])
async def test_what_is_no_request_is_refused(simulator: Simulator, body: bytes) -> None:
    """Bytes that are no JSON object are a 400 as well."""
    async with RawClient(simulator.address) as raw:
        answer = await raw.ask(post("/v1/chat/completions", body))
    assert answer.status == 400


async def test_a_failure_on_demand_with_its_header(simulator: Simulator) -> None:
    """A status with Retry-After can be asked for in the model's name, in a header and in the metadata."""
    named = await ask(simulator, model="m@429,retry-after=7", messages=HELLO)
    by_header = await ask(simulator, model="m", messages=HELLO, header="500")
    by_metadata = await ask(simulator, model="m", messages=HELLO, metadata={"simulate": "503"})

    assert (named.status, named.header("retry-after")) == (429, "7")
    assert named.json()["error"]["code"] == "rate_limit_exceeded"
    assert (by_header.status, by_metadata.status) == (500, 503)


async def test_a_cut_drops_the_connection_at_the_byte(simulator: Simulator) -> None:
    """`cut=N` sends exactly N bytes of the body and never its end, streamed and whole."""
    for stream in (True, False):
        answer = await ask(simulator, model="m@cut=300", messages=HELLO, stream=stream)
        assert len(answer.body) == 300
        assert not answer.whole


async def test_a_stall_and_a_hang_say_nothing_more(simulator: Simulator) -> None:
    """`stall=N` falls silent after N events with the connection open; `hang` before the first byte."""
    async with RawClient(simulator.address) as raw:
        await raw.send(post("/v1/chat/completions", {"model": "m@stall=2", "messages": HELLO, "stream": True}))
        await raw.head()
        received = b"".join([await raw.chunk() or b"", await raw.chunk() or b""])
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(raw.chunk(), 0.1)
    async with RawClient(simulator.address) as raw:
        await raw.send(post("/v1/chat/completions", {"model": "m@hang", "messages": HELLO}))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(raw.head(), 0.1)

    assert received.count(b"data: ") == 2


async def test_an_error_event_ends_a_stream(simulator: Simulator, client: openai.AsyncOpenAI) -> None:
    """`error-event=N` sends N events, then an error that the SDK raises, and no `[DONE]`."""
    answer = await ask(simulator, model="m@error-event=1", messages=HELLO, stream=True)
    with pytest.raises(openai.APIError, match="simulated problem"):
        async for _ in await client.chat.completions.create(model="m@error-event=1", messages=HELLO, stream=True):
            pass

    assert answer.body.count(b"data: ") == 2
    assert b"[DONE]" not in answer.body


async def test_slow_is_before_the_first_byte(simulator: Simulator) -> None:
    """`slow=DURATION` delays the head by that time."""
    began = time.monotonic()
    await ask(simulator, model="m@slow=150ms,tokens=1", messages=HELLO)
    assert time.monotonic() - began >= 0.15


async def test_garbage_is_no_json(simulator: Simulator) -> None:
    """`garbage` answers 200 with something that nobody can read."""
    answer = await ask(simulator, model="m@garbage", messages=HELLO)
    with pytest.raises(json.JSONDecodeError):
        answer.json()


async def test_a_chance_is_taken_in_its_share_of_requests(simulator: Simulator) -> None:
    """`chance=50%` fails some of many requests and not all, the same ones for the same seed."""

    async def statuses() -> list[int]:
        again = await start_simulator(socket.create_server(("127.0.0.1", 0)), pace=0, seed=7)
        seen = [(await ask(again, model="m@500,chance=50%,tokens=1", messages=HELLO)).status for _ in range(24)]
        await again.close()
        return seen

    first = await statuses()
    assert set(first) == {200, 500}
    assert first == await statuses()


async def test_an_unknown_fault_is_named(simulator: Simulator) -> None:
    """A misspelt fault is a 400 that says what there is, not an answer without a fault."""
    answer = await ask(simulator, model="m", messages=HELLO, header="explode")
    assert answer.status == 400
    assert "`explode` is no fault" in answer.json()["error"]["message"]


def test_faults_add_up_and_later_places_overrule() -> None:
    """Model, header and metadata add to each other; what is said later counts."""
    assert fault_of("m@429,slow=1s", "slow=2s", {"simulate": "503 retry-after=1"}) == Fault(
        status=503, slow=2.0, retry_after="1"
    )
    assert fault_of("plain", None, {}) == Fault()


def test_every_documented_word_is_understood() -> None:
    """The table of words that the documentation is made of names what the reader reads."""
    examples = {
        "400..599": "418",
        "SECONDS": "2",
        "DURATION": "5ms",
        "COUNT": "3",
        "BYTES": "64",
        "EVENTS": "2",
        "SHARE": "10%",
    }
    for word in WORDS:
        name, _, kind = word.partition("=")
        written = f"{name}={examples[kind]}" if kind else examples.get(name, name)
        assert parse_fault(written) != Fault(), word


@pytest.mark.parametrize("words", ["600", "429x", "slow", "slow=3", "cut=-1", "hang=1", "chance=2"])
def test_words_that_are_no_fault(words: str) -> None:
    """What is not a fault is refused, never guessed."""
    with pytest.raises(UnknownFault):
        parse_fault(words)


def test_the_command_refuses_what_it_cannot_read() -> None:
    """`routebook simulate` with a wrong address or pace is a usage error."""
    assert run_command("simulate", "--listen", "nowhere").returncode == 2
    assert run_command("simulate", "--pace", "fast").returncode == 2


async def test_the_command_serves_until_terminated() -> None:
    """`routebook simulate` prints its address, answers there, and ends cleanly on SIGTERM."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "routebook",
        "simulate",
        "--listen",
        "127.0.0.1:0",
        "--pace",
        "1ms",
        stdout=asyncio.subprocess.PIPE,
        env=plain_environment(),
    )
    try:
        assert process.stdout is not None
        line = await asyncio.wait_for(process.stdout.readline(), 30)
        async with RawClient(line.decode().split()[-1]) as raw:
            answer = await raw.ask(post("/v1/chat/completions", {"model": "m", "messages": HELLO}))
    finally:
        process.terminate()
        code = await asyncio.wait_for(process.wait(), 10)

    assert answer.status == 200
    assert code == 0
