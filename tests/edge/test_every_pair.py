"""Every dialect of clients with every dialect of upstreams, whichever are registered, against the simulated upstream.

A client's request is written, and its answer read, by its own dialect's codec: what is compared stands in the neutral
form, so the same tests hold for every pair.
"""

from __future__ import annotations

import json
import re
import socket
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from routebook.chat.answer import ChatAnswer
from routebook.chat.assembling import assemble
from routebook.chat.conversation import ChatRequest, Effort, Message, ReasoningWish, Role, Tool
from routebook.chat.events import Failed, Finish, Finished, TextDelta
from routebook.chat.features import Feature, Telling
from routebook.chat.parts import Image, Inline, Json, Reasoning, Text, ToolCall, ToolResult
from routebook.edge.simulator.server import start_simulator
from routebook.protocols.carrying import Target, Way
from routebook.protocols.codec import ClientSide, Dialect, UpstreamSide
from routebook.protocols.dialects import SERVED, SPOKEN_BY, asked_in
from routebook.routing.reading.loading import load_sources
from routebook.routing.replay import decide_again, differences
from tests.support.proxy import LocalProxy, in_process
from tests.support.rawclient import Answer, RawClient, post

CLIENTS = [each for each in SERVED if each.client is not None and each.upstream is not None]
PAIRS = [pytest.param((client, word), id=f"{client.name}-{word}") for client, word in product(CLIENTS, SPOKEN_BY)]

HELLO = ChatRequest("m", (Message(Role.USER, (Text("Say hello to the world."),)),), max_output=500)
TOOLS = tuple(
    Tool(name, f"tells the {name}", Json('{"type":"object","properties":{"city":{"type":"string"},"days":{"type":"integer"}}}'))
    for name in ("weather", "time")
)  # fmt: skip
ASKING = ChatRequest(
    "m", (Message(Role.USER, (Text("The weather and the time, please."),)),), tools=TOOLS, max_output=500
)


@dataclass(frozen=True)
class Client:
    """A client of one dialect, at a proxy whose every model is of providers that speak `word`."""

    dialect: Dialect
    word: str
    proxy: LocalProxy

    @property
    def own(self) -> UpstreamSide:
        """Its dialect's way to write requests and read answers."""
        assert self.dialect.upstream is not None
        return self.dialect.upstream

    @property
    def told(self) -> ClientSide:
        """Its dialect's way to be told answers."""
        assert self.dialect.client is not None
        return self.dialect.client

    @property
    def there(self) -> UpstreamSide:
        """The dialect in which the upstream is asked."""
        found = asked_in(self.word, self.dialect.name)
        assert found is not None and found.upstream is not None
        return found.upstream

    async def ask(self, chat: ChatRequest, stream: bool, simulate: str | None = None) -> Answer:
        """Ask as an official client would, and wait for all of the answer."""
        sent = self.own.write_request(chat, Target(chat.model, max_output=1000), stream)
        headers = [*sent.headers, *([("x-simulate", simulate)] if simulate else [])]
        async with RawClient(self.proxy.url) as raw:
            return await raw.ask(post(public(self.dialect, sent.path), sent.body, headers), 20)

    async def answers(self, chat: ChatRequest, stream: bool) -> ChatAnswer:
        """The answer to a request that is served."""
        answer = await self.ask(chat, stream)
        assert answer.status == 200, answer.body
        return read_stream(self.own, answer.body) if stream else self.own.read_answer(answer.body, "seed")


def public(dialect: Dialect, path: str) -> str:
    """Where clients ask for what an upstream is asked for at this path."""
    for operation in dialect.operations:
        form = re.escape(operation.upstream_path).replace(r"\{model\}", "(?P<model>[^/:]+)")
        if found := re.fullmatch(form, path):
            model = found.groupdict().get("model", "")
            query = path.partition("?")[2]
            return operation.path.replace("{model}", model) + ("?" + query if query else "")
    raise AssertionError(f"{dialect.name} has nothing at {path}")


def read_stream(side: UpstreamSide, body: bytes) -> ChatAnswer:
    """A whole stream, which must have come to its end."""
    reader = side.reader("seed")
    events = [*reader.feed(body), *reader.end()]
    assert reader.done, body
    return assemble(events)


@pytest.fixture
async def simulated() -> AsyncIterator[str]:
    """The simulated upstream, at its full speed."""
    running = await start_simulator(socket.create_server(("127.0.0.1", 0)), pace=0)
    yield running.address
    await running.close()


def policy(*words: str) -> str:
    """One model of a provider for each of these words: `m`, `m2`, of which the requested one answers."""
    names = ["m", *(f"m{number}" for number in range(2, len(words) + 1))]
    providers = "".join(
        f'  {name}: {{dialect: {word}, base_url: "http://127.0.0.1:1/v1", accounts: [{{name: main}}]}}\n'
        for name, word in zip(names, words, strict=True)
    )
    models = "".join(
        f"  {name}: {{provider: {name}, id: up-{number}, price: {{input: 1, output: 2}}, context: 128k,\n"
        "      max_output: 8k, capabilities: [tools, vision, documents, json_schema, reasoning, logprobs]}\n"
        for number, name in enumerate(names, 1)
    )
    return f"""\
version: 1
providers:
{providers}models:
{models}rules: [{{name: all, route: {{to: requested}}}}]
settings: {{breaker: {{of: 100k, in_a_row: 100k}}}}
"""


@pytest.fixture(params=PAIRS)
def pair(request: pytest.FixtureRequest) -> tuple[Dialect, str]:
    """A dialect of clients and what a provider speaks."""
    both: tuple[Dialect, str] = request.param
    return both


@pytest.fixture
async def client(pair: tuple[Dialect, str], simulated: str, tmp_path: Path) -> AsyncIterator[Client]:
    """One client and the proxy that it asks."""
    async with in_process(tmp_path, policy(pair[1]), simulate_at=simulated) as proxy:
        yield Client(*pair, proxy)


def texts(answer: ChatAnswer) -> list[str]:
    """What was said."""
    return [part.text for part in answer.choices[0].parts if isinstance(part, Text)]


def calls(answer: ChatAnswer) -> list[ToolCall]:
    """What was called."""
    return [part for part in answer.choices[0].parts if isinstance(part, ToolCall)]


def arguments(found: Iterable[ToolCall]) -> list[tuple[str, Any]]:
    """Names and arguments of calls."""
    return [(call.name, json.loads(call.arguments)) for call in found]


async def test_text_is_the_same_whole_and_streamed(client: Client) -> None:
    """So are the reason to stop and the usage; the record has them too, and decides again as it did."""
    whole, streamed = await client.answers(HELLO, False), await client.answers(HELLO, True)
    records = await client.proxy.ended_records(lambda records: len(records) == 2)

    assert texts(whole) == texts(streamed)
    assert "Say hello to the world." in "".join(texts(whole))
    assert {each.choices[0].finish for each in (whole, streamed)} == {Finish.STOP}
    assert whole.usage is not None and whole.usage.total_output > 10
    loaded = load_sources((("policy.yaml", policy(client.word)),))
    assert loaded.policy is not None
    for record in records.values():
        assert record.ended is not None
        assert (record.ended["end"], record.ended["usage_by"], record.ended["served"]) == ("--", "measured", "up-1")
        assert record.ended["output"] == whole.usage.total_output
        assert record.decided["dialect"] == client.dialect.name
        assert differences(record.decided, decide_again(loaded.policy, record.decided)) == []
    if streamed.usage is not None:
        assert streamed.usage.total_output == whole.usage.total_output


@pytest.mark.parametrize("stream", [False, True])
async def test_tools_go_there_and_back(client: Client, stream: bool) -> None:
    """Two calls at once with names, arguments and ids of their own; their results are understood by the upstream."""
    first = await client.answers(ASKING, stream)
    found = calls(first)

    assert arguments(found) == [(name, {"city": "simulated", "days": 1}) for name in ("weather", "time")]
    assert len({call.id for call in found}) == 2
    assert first.choices[0].finish in (Finish.TOOL_CALLS, Finish.STOP)
    results = tuple(ToolResult(call.id, (Text(f"{call.name}: fine"),), name=call.name) for call in found)
    said = tuple(part for part in first.choices[0].parts if isinstance(part, Text | ToolCall | Reasoning))
    messages = (*ASKING.messages, Message(Role.ASSISTANT, said), Message(Role.TOOL, results))
    second = await client.answers(replace(ASKING, messages=messages), stream)
    assert "simulated answer" in "".join(texts(second))
    assert second.choices[0].finish is Finish.STOP


@pytest.mark.parametrize("stream", [False, True])
async def test_thoughts_come_where_both_can_tell_of_them(client: Client, stream: bool) -> None:
    """And a loop of tools goes on with them, also where the client's dialect has no place for their signatures."""
    wish = ReasoningWish(Effort.HIGH)
    if client.own.carries[Feature.EFFORT].way is Way.LOST or client.there.carries[Feature.EFFORT].way is Way.LOST:
        pytest.skip("one of them does not ask for thoughts")
    answer = await client.answers(replace(HELLO, reasoning=wish), stream)
    thoughts = "".join(part.text for part in answer.choices[0].parts if isinstance(part, Reasoning))
    if client.told.tells[Telling.REASONING].way is not Way.LOST:
        assert "simulated thought" in thoughts
    assert "simulated answer" in "".join(texts(answer))

    asking = replace(ASKING, reasoning=wish)
    first = await client.answers(asking, stream)
    said = tuple(part for part in first.choices[0].parts if isinstance(part, Text | ToolCall | Reasoning))
    results = tuple(ToolResult(call.id, (Text("fine"),), name=call.name) for call in calls(first))
    messages = (*asking.messages, Message(Role.ASSISTANT, said), Message(Role.TOOL, results))
    second = await client.answers(replace(asking, messages=messages), stream)
    assert "simulated answer" in "".join(texts(second))


async def test_images_arrive(client: Client) -> None:
    """The upstream has seen one."""
    pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
    seen = (Message(Role.USER, (Text("What is this?"), Image(Inline("image/png", pixel)))),)
    answer = await client.answers(replace(HELLO, messages=seen), False)
    assert "with 1 image" in "".join(texts(answer))


async def test_limits_end_an_answer(client: Client) -> None:
    """The most tokens are the upstream's to keep, and the client hears why the answer ends."""
    for stream in (False, True):
        answer = await client.answers(replace(HELLO, max_output=3), stream)
        assert answer.choices[0].finish is Finish.LENGTH


@pytest.mark.parametrize("status", [400, 422])
@pytest.mark.parametrize("stream", [False, True])
async def test_a_refusal_comes_in_the_clients_shape(client: Client, status: int, stream: bool) -> None:
    """With the upstream's words, whichever shape they came in."""
    answer = await client.ask(HELLO, stream, simulate=str(status))
    fault = client.own.read_fault(answer.status, answer.body)
    assert answer.status == status
    assert "simulated failure" in fault.message
    assert answer.header("x-routebook-error") == "upstream.rejected"
    assert answer.header("content-type").startswith("application/json")  # type: ignore[union-attr]


async def test_our_own_failures_come_in_the_clients_shape(client: Client) -> None:
    """What nobody could serve, and what was not understood."""
    failed = await client.ask(HELLO, False, simulate="503")
    assert failed.status in (502, 503, 504)
    assert client.own.read_fault(failed.status, failed.body).message.startswith("the model failed")
    sent = client.own.write_request(HELLO, Target("m", max_output=1000), False)
    async with RawClient(client.proxy.url) as raw:
        unread = await raw.ask(post(public(client.dialect, sent.path), b"{"))
    assert unread.status == 400
    assert "JSON" in client.own.read_fault(400, unread.body).message


@pytest.mark.parametrize("fault", ["error-event=8", "cut=3000"])
async def test_what_goes_wrong_in_a_stream_is_an_error_there(client: Client, fault: str) -> None:
    """Never an end that nobody sent: the client's own reader sees words, then an error, and the record knows whose it
    was. Every dialect has said a word by then."""
    answer = await client.ask(HELLO, True, simulate=fault)
    assert answer.status == 200
    reader = client.own.reader("seed")
    events = [*reader.feed(answer.body), *reader.end()]
    assert any(isinstance(event, TextDelta) for event in events)
    assert isinstance(events[-1], Failed)
    assert not any(isinstance(event, Finished) for event in events)
    record = await client.proxy.only_record()
    assert record.ended is not None
    assert record.ended["end"] == "UD"
    assert record.ended["error"] == ("upstream.cut" if fault.startswith("cut") else "upstream.error-event")


async def test_a_stream_that_is_cut_in_its_first_event_never_began(client: Client) -> None:
    """Nothing has been told yet, so the client hears of it as of any other failure."""
    answer = await client.ask(HELLO, True, simulate="cut=20")
    assert answer.status == 502
    assert client.own.read_fault(answer.status, answer.body).code == "upstream.cut"
    record = await client.proxy.only_record()
    assert record.ended is not None
    assert (record.ended["end"], record.ended["error"]) == ("UH", "upstream.cut")


@pytest.mark.parametrize("stream", [False, True])
async def test_another_model_takes_a_loop_of_tools_over(
    pair: tuple[Dialect, str], simulated: str, tmp_path: Path, stream: bool
) -> None:
    """What one provider signed stays away from the other, which is told what it demands all the same: twice in a loop,
    there and back."""
    word = pair[1]
    other = next(each for each in SPOKEN_BY if each != word and each != "ollama")
    wish = ReasoningWish(Effort.HIGH)
    async with in_process(tmp_path, policy(word, other), simulate_at=simulated) as proxy:
        client, messages = Client(*pair, proxy), ASKING.messages
        for model in ("m2", "m", "m2"):
            asking = replace(ASKING, model=model, reasoning=wish, messages=(*messages, *ASKING.messages))
            answer = await client.answers(asking, stream)
            said = tuple(part for part in answer.choices[0].parts if isinstance(part, Text | ToolCall | Reasoning))
            results = tuple(ToolResult(call.id, (Text("fine"),), name=call.name) for call in calls(answer))
            messages = (*asking.messages, Message(Role.ASSISTANT, said), Message(Role.TOOL, results))
            for takes_over in ("m", "m2"):
                over = await client.answers(replace(asking, model=takes_over, messages=messages), stream)
                assert "simulated answer" in "".join(texts(over))


async def test_a_client_that_is_nobody_hears_so_in_its_own_words(
    pair: tuple[Dialect, str], simulated: str, tmp_path: Path
) -> None:
    """401 in the shape that its library raises its own class for."""
    declared = policy(pair[1]) + f"clients: {{me: {{keys: ['hmac-sha256:{'0' * 64}']}}}}\n"
    async with in_process(tmp_path, declared, simulate_at=simulated) as proxy:
        own = pair[0].upstream
        assert own is not None
        answer = await Client(*pair, proxy).ask(HELLO, False)
        assert answer.status in (401, 503)
        assert "key" in own.read_fault(answer.status, answer.body).message or answer.status == 503


@pytest.mark.parametrize("dialect", CLIENTS, ids=lambda each: each.name)
async def test_models_are_listed_in_the_askers_shape(dialect: Dialect, simulated: str, tmp_path: Path) -> None:
    """At its own path, or by the header that its clients send."""
    assert dialect.client is not None
    async with in_process(tmp_path, policy("openai"), simulate_at=simulated) as proxy:
        for path in dialect.client.models:
            headers = [(name, "x") for name in dialect.client.known_by]
            async with RawClient(proxy.url) as raw:
                listed = await raw.ask(get(path, headers))
            async with RawClient(proxy.url) as raw:
                one = await raw.ask(get(f"{path}/m", headers))
            async with RawClient(proxy.url) as raw:
                none = await raw.ask(get(f"{path}/other", headers))
            assert (listed.status, listed.body) == (200, dialect.models(["m"]))
            assert (one.status, one.body) == (200, dialect.model("m"))
            assert none.status == 404
            assert dialect.upstream is not None
            assert "no model" in dialect.upstream.read_fault(404, none.body).message


def get(path: str, headers: Iterable[tuple[str, str]]) -> bytes:
    """A request for what stands at a path."""
    lines = [f"GET {path} HTTP/1.1", "Host: x", *(f"{name}: {value}" for name, value in headers), "", ""]
    return "\r\n".join(lines).encode()


COUNTING = [
    (dialect, operation) for dialect in CLIENTS for operation in dialect.operations if operation.name == "count_tokens"
]


@pytest.mark.parametrize("word", SPOKEN_BY)
@pytest.mark.parametrize(("dialect", "operation"), COUNTING)
async def test_tokens_are_counted(dialect: Dialect, operation: Any, word: str, simulated: str, tmp_path: Path) -> None:
    """By the upstream where it can, else by us, and then we say so; nobody pays for it."""
    assert dialect.upstream is not None and dialect.client is not None
    found = asked_in(word, dialect.name)
    assert found is not None and found.upstream is not None
    sent = dialect.upstream.write_request(HELLO, Target("m", max_output=1000), False)
    body = dialect.upstream.write_count(HELLO, Target("m")).body if dialect.upstream.write_count else sent.body
    async with in_process(tmp_path, policy(word), simulate_at=simulated) as proxy:
        async with RawClient(proxy.url) as raw:
            answer = await raw.ask(post(operation.path.replace("{model}", "m"), body, sent.headers))
        record = await proxy.only_record()
    assert answer.status == 200
    counts = found is dialect or found.upstream.write_count is not None
    assert answer.header("x-routebook-estimated") == (None if counts else "true")
    assert record.ended is not None
    assert record.ended["cost"] == 0


def test_every_pair_is_tried() -> None:
    """The table of dialects is the table of tests."""
    assert len(PAIRS) == len(CLIENTS) * len(SPOKEN_BY)
