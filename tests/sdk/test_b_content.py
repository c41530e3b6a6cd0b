"""The official SDKs and what an exchange holds: tools, pictures, thoughts, schemas, and what cannot be carried."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from routebook.chat.events import (
    ArgumentsDelta,
    Event,
    Finish,
    Finished,
    Started,
    ToolCallEnded,
    ToolCallStarted,
    UsageSeen,
)
from routebook.chat.usage import Usage
from tests.sdk.conftest import PAIRS
from tests.sdk.house import CROSSED, KINDS, OWN, UPSTREAMS, Client, House, opened
from tests.sdk.processes import Processes
from tests.sdk.speaking import says
from tests.sdk.words.asking import PIXEL, Answer, Ask, End, How, Results, Tool, User
from tests.support.proxy import in_process, small_policy
from tests.support.rawclient import RawClient, post
from tests.support.upstream import Upstream

pytestmark = pytest.mark.asyncio(loop_scope="module")

HELLO = User("Say hello to the world.")
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
    "required": ["city", "days"],
    "additionalProperties": False,
}
TOOLS = (Tool("weather", SCHEMA), Tool("time", SCHEMA))
ONE = User("The weather, please.")
BOTH = User("The weather and the time, please.")
GIVEN = {"city": "simulated", "days": 1}

each_way = pytest.mark.parametrize("how", list(How), ids=lambda how: how.value)


@pytest.fixture(params=PAIRS)
def pair(request: pytest.FixtureRequest, house: House) -> tuple[Client, str]:
    """A client, and the model of an upstream."""
    name, word = request.param
    return house.client(name), word


def results(answer: Answer) -> Results:
    """What the tools give."""
    return Results([(call, f"{call.name}: fine") for call in answer.calls])


def named(answer: Answer) -> list[tuple[str, Any]]:
    """Names and arguments of calls, in order."""
    return [(call.name, call.arguments) for call in answer.calls]


@each_way
async def test_b1_one_call_goes_there_and_back(pair: tuple[Client, str], how: How) -> None:
    """Its name, its arguments as an object, the reason to stop; then its result is understood."""
    client, word = pair
    ask = Ask((ONE,), word, tools=TOOLS)
    first = await client.ask(ask, how)
    second = await client.ask(Ask((ONE, first.said, results(first)), word, tools=TOOLS), how)

    assert named(first) == [("weather", GIVEN)]
    assert first.end is End.CALLS
    assert "simulated answer" in second.text
    assert second.end is End.STOP
    assert last_results(client, word) == ["weather: fine"]


@each_way
async def test_b2_two_calls_at_once_go_there_and_back(pair: tuple[Client, str], how: How) -> None:
    """In order, with ids of their own; both results stand in the upstream's history, each with its call."""
    client, word = pair
    first = await client.ask(Ask((BOTH,), word, tools=TOOLS, system="Be kind."), how)
    turns = (BOTH, first.said, results(first))
    second = await client.ask(Ask(turns, word, tools=TOOLS, system="Be kind."), how)

    assert named(first) == [("weather", GIVEN), ("time", GIVEN)]
    ids = [call.id for call in first.calls]
    assert len(set(ids)) == 2 and all(ids)
    assert first.end is End.CALLS
    assert "simulated answer" in second.text
    assert last_results(client, word) == ["weather: fine", "time: fine"]


@pytest.mark.parametrize("case", ["text", "thoughts", "calls", "schema"])
async def test_b3_helpers_end_with_the_whole_answer(pair: tuple[Client, str], case: str) -> None:
    """What the SDK's own helper puts together of a stream is what an answer that is not streamed says."""
    client, word = pair
    ask = {
        "text": Ask((HELLO,), word),
        "thoughts": Ask((HELLO,), word, thinks=True),
        "calls": Ask((BOTH,), word, tools=TOOLS),
        "schema": Ask((HELLO,), word, schema=SCHEMA),
    }[case]
    whole, helped = await client.ask(ask), await client.ask(ask, How.HELPER)

    assert (helped.text, helped.end) == (whole.text, whole.end)
    if client.name == "chat-js":  # of a field that it does not know, this helper keeps the last piece
        assert whole.thoughts.endswith(helped.thoughts)
    else:
        assert helped.thoughts == whole.thoughts
    assert bool(whole.thoughts) is (case == "thoughts")
    assert (helped.used, helped.model) == (whole.used, whole.model)
    assert named(helped) == named(whole)
    assert bool(whole.calls) is (case == "calls")
    if case == "schema":
        assert json.loads(helped.text) == GIVEN


CITY = 'Zürich, 東京 \N{WAVING HAND SIGN} "quoted" \\ and\nmore'
WRITTEN = json.dumps({"city": CITY, "days": 7}, ensure_ascii=False)


@pytest.mark.parametrize("word", UPSTREAMS)
@pytest.mark.parametrize("name", KINDS)
async def test_b4_arguments_may_be_cut_anywhere(tmp_path: Path, processes: Processes, name: str, word: str) -> None:
    """Told one character at a time, in bytes that arrive one by one, the arguments of two calls are what they were."""
    kind = KINDS[name]
    async with Upstream(says([*in_pieces()], piece=1)) as upstream:
        policy = small_policy(upstream.url).replace("dialect: openai", f"dialect: {word}")
        async with in_process(tmp_path, policy) as proxy:
            given = kind.words.given(Ask((BOTH,), "small", tools=TOOLS), How.STREAM)
            made = {"base_url": kind.words.base(proxy.url)}
            result = await processes[kind.sdk].do(kind.words.operation(How.STREAM), made, given)
    assert "error" not in result, result
    answer = kind.words.answer(result, How.STREAM)
    assert named(answer) == [("weather", json.loads(WRITTEN)), ("time", json.loads(WRITTEN))]


def in_pieces() -> Iterator[Event]:
    """Two calls whose arguments come a character at a time."""
    yield Started(None, "m-1", 1_760_000_000)
    for number, name in enumerate(("weather", "time")):
        yield ToolCallStarted(f"call_{number}", name, number)
        yield from (ArgumentsDelta(character, number) for character in WRITTEN)
        yield ToolCallEnded(number)
    yield Finished(Finish.TOOL_CALLS)
    yield UsageSeen(Usage(input=7, output=9))


PICTURE = base64.b64encode(base64.b64decode(PIXEL) + b"\xfb\xff\xfe\xbe" * 3).decode()
"""With characters that the URL-safe alphabet, which one of the SDKs sends, writes otherwise."""


async def test_b5_a_picture_arrives_byte_for_byte(pair: tuple[Client, str]) -> None:
    """Whichever alphabet the SDK writes it in, the upstream gets its own."""
    client, word = pair
    answer = await client.ask(Ask((User("What is this?", PICTURE),), word))
    sent = picture_in(client.house.tap.requests[-1].json(), word)

    assert "with 1 image" in answer.text
    assert base64.b64decode(sent.replace("-", "+").replace("_", "/")) == base64.b64decode(PICTURE)
    if word != OWN[client.family]:
        assert sent == PICTURE


def picture_in(body: Mapping[str, Any], word: str) -> str:
    """The base64 of the picture in a request to an upstream."""
    match word:
        case "openai":
            [found] = [part["image_url"]["url"] for part in body["messages"][-1]["content"] if "image_url" in part]
        case "openai-responses":
            [found] = [part["image_url"] for part in body["input"][-1]["content"] if "image_url" in part]
        case "anthropic":
            [found] = [part["source"]["data"] for part in body["messages"][-1]["content"] if part["type"] == "image"]
        case _:
            [found] = [part["inlineData"]["data"] for part in body["contents"][-1]["parts"] if "inlineData" in part]
    return str(found).removeprefix("data:image/png;base64,")


CAMEL = {
    "contents": [{"role": "user", "parts": [{"text": "Hi"}, {"inlineData": {"mimeType": "image/png", "data": PIXEL}}]}],
    "systemInstruction": {"parts": [{"text": "Be kind."}]},
    "generationConfig": {"maxOutputTokens": 50, "topP": 0.5, "stopSequences": []},
    "toolConfig": {"functionCallingConfig": {"mode": "AUTO"}},
    "tools": [{"functionDeclarations": [{"name": "weather", "parametersJsonSchema": SCHEMA}]}],
}
SNAKE = {
    "contents": [
        {"role": "user", "parts": [{"text": "Hi"}, {"inline_data": {"mime_type": "image/png", "data": PIXEL}}]}
    ],
    "system_instruction": {"parts": [{"text": "Be kind."}]},
    "generation_config": {"max_output_tokens": 50, "top_p": 0.5, "stop_sequences": []},
    "tool_config": {"function_calling_config": {"mode": "AUTO"}},
    "tools": [{"function_declarations": [{"name": "weather", "parameters_json_schema": SCHEMA}]}],
}


@pytest.mark.parametrize("word", [word for word in UPSTREAMS if word != "gemini"])
async def test_b6_both_spellings_of_a_gemini_request_are_one_request(house: House, word: str) -> None:
    """What goes upstream is the same, byte for byte."""
    bodies = []
    for body in (CAMEL, SNAKE):
        async with RawClient(house.proxy.url) as raw:
            answer = await raw.ask(post(f"/v1beta/models/{word}:generateContent", body))
        assert answer.status == 200, answer.body
        bodies.append(house.tap.requests[-1].body)
    assert bodies[0] == bodies[1]


@each_way
async def test_b7_an_answer_keeps_to_a_schema(pair: tuple[Client, str], how: How) -> None:
    """The upstream is told the schema that the client has given."""
    client, word = pair
    answer = await client.ask(Ask((HELLO,), word, schema=SCHEMA), how)

    assert json.loads(answer.text) == GIVEN
    assert schema_in(client.house.tap.requests[-1].json(), word) == SCHEMA


def schema_in(body: Mapping[str, Any], word: str) -> Any:
    """The schema of the answer in a request to an upstream."""
    match word:
        case "openai":
            return body["response_format"]["json_schema"]["schema"]
        case "openai-responses":
            return body["text"]["format"]["schema"]
        case "anthropic":
            return body["output_config"]["format"]["schema"]
        case _:
            return body["generationConfig"]["responseJsonSchema"]


@pytest.mark.parametrize("word", ["openai", "gemini", "ollama"])
async def test_b7_json_of_no_schema_is_refused_or_emulated(tmp_path: Path, processes: Processes, word: str) -> None:
    """Anthropic knows none: the client hears so, unless the policy says that it is to be asked for in words."""
    wanted = {"chat": {"response_format": {"type": "json_object"}}, "google": {"responseMimeType": "application/json"}}
    for settings in ("", ", losses: {json_object: emulated}"):
        async with opened(tmp_path / str(bool(settings)), processes, settings=settings) as house:
            for name in ("chat-3", "google-3", "chat-js", "google-js"):
                client = house.client(name)
                ask = Ask((HELLO,), "anthropic", extra=wanted[client.family])
                if settings:
                    assert "hello" in (await client.ask(ask)).text
                    assert "json_object" in client.last["headers"]["x-routebook-losses"]
                    assert "JSON" in house.tap.requests[-1].body.decode()
                    continue
                await is_refused(client, ask, "json_object")
                assert json.loads((await client.ask(Ask((HELLO,), word, extra=wanted[client.family]))).text)


WISHES: dict[str, dict[str, dict[str, Any]]] = {
    "stop": {
        "chat": {"stop": ["zebra"]},
        "anthropic": {"stop_sequences": ["zebra"]},
        "google": {"stopSequences": ["zebra"]},
    },
    "choices": {"chat": {"n": 2}, "google": {"candidateCount": 2}},
    "logprobs": {
        "chat": {"logprobs": True, "top_logprobs": 2},
        "responses": {"top_logprobs": 2, "include": ["message.output_text.logprobs"]},
        "google": {"responseLogprobs": True, "logprobs": 2},
    },
    "seed": {"chat": {"seed": 7}, "google": {"seed": 7}},
}
"""What can be wished, as each family of clients says it."""

VERDICTS: dict[str, dict[str, str | None]] = {
    "stop": {"openai": "stop", "openai-responses": None, "anthropic": "stop_sequences", "gemini": "stopSequences"},
    "choices": {"openai": "n", "openai-responses": None, "anthropic": None, "gemini": "candidateCount"},
    "logprobs": {"openai": "logprobs", "openai-responses": "top_logprobs", "anthropic": None, "gemini": "logprobs"},
    "seed": {"openai": "seed", "openai-responses": None, "anthropic": None, "gemini": "seed"},
}
"""Under which name it arrives at which upstream; None where that has no place for it."""

ADVISORY = {"seed"}
"""What an answer is right without: it is left out where it cannot be carried, and the client is told."""


CAN_WISH = [
    pytest.param(name, word, wish, id=f"{name}-on-{word}-{wish}")
    for name, word, wish in product(KINDS, CROSSED, WISHES)
    if name.rpartition("-")[0] in WISHES[wish]
]


@pytest.mark.parametrize(("name", "word", "wish"), CAN_WISH)
async def test_b8_what_cannot_be_carried_is_refused_or_left_out(house: House, name: str, word: str, wish: str) -> None:
    """A wish arrives, or the client hears that it does not: before the call, or beside the answer."""
    client = house.client(name)
    ask, arrives = Ask((HELLO,), word, extra=WISHES[wish][client.family]), VERDICTS[wish][word]
    if arrives is None and wish not in ADVISORY:
        await is_refused(client, ask, wish)
        return
    answer = await client.ask(ask)
    sent = {name for name, _ in members(client.house.tap.requests[-1].json())}
    losses = client.last["headers"].get("x-routebook-losses", "")
    assert "simulated answer" in answer.text
    assert (wish in losses) is (arrives is None)
    assert "seed" not in sent if arrives is None else arrives in sent
    if wish == "choices":
        dump = client.last["dump"]
        assert len(dump["choices" if client.family == "chat" else "candidates"]) == 2


@pytest.mark.parametrize("word", CROSSED)
@pytest.mark.parametrize("name", ["anthropic-0", "anthropic-2", "anthropic-js"])
async def test_b8_a_budget_of_thoughts_arrives_where_thoughts_have_one(house: House, name: str, word: str) -> None:
    """OpenAI measures them in efforts: there the model does as it likes, and the client is told."""
    client = house.client(name)
    wish = {"max_tokens": 3000, "thinking": {"type": "enabled", "budget_tokens": 1500}}
    answer = await client.ask(Ask((HELLO,), word, extra=wish))
    arrives = word in ("anthropic", "gemini")
    sent = dict(members(house.tap.requests[-1].json()))

    assert "simulated answer" in answer.text
    assert (1500 in sent.values()) is arrives
    assert ("budget" in client.last["headers"].get("x-routebook-losses", "")) is not arrives


async def is_refused(client: Client, ask: Ask, what: str) -> None:
    """The client raises its own error for a wrong request, which names what cannot be carried; nobody was asked."""
    before = len(client.house.tap.requests)
    refused = await client.try_to(ask)
    classes = {"google": "ClientError"}
    expected = "ApiError" if client.name == "google-js" else classes.get(client.family, "BadRequestError")
    assert (refused["error"], refused["own"], refused["status"]) == (expected, True, 400), refused
    assert what in refused["message"]
    assert len(client.house.tap.requests) == before


def members(value: Any) -> Iterator[tuple[str, Any]]:
    """Every name with its value, however deep."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield name, inner
            yield from members(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from members(inner)


SEALS = {"openai-responses": "encrypted_content", "anthropic": "signature", "gemini": "thoughtSignature"}
"""Where an upstream wants back what it signed."""


def seal_of(word: str) -> str:
    """What the simulated model of an upstream signs with."""
    return base64.b64encode(f"sealed by {word}-9".encode()).decode()


@each_way
async def test_b9_a_loop_of_tools_goes_on_with_its_thoughts(pair: tuple[Client, str], how: How) -> None:
    """The thoughts are shown, and what the upstream signed comes back with the results, also from clients that have no
    place for it."""
    client, word = pair
    ask = Ask((BOTH,), word, tools=TOOLS, thinks=True)
    first = await client.ask(ask, how)
    second = await client.ask(Ask((BOTH, first.said, results(first)), word, tools=TOOLS, thinks=True), how)
    sent = [*members(client.house.tap.requests[-1].json())]

    assert "simulated thought" in first.thoughts or client.name == "chat-js"
    assert named(first) == [("weather", GIVEN), ("time", GIVEN)]
    assert "simulated answer" in second.text
    if word in SEALS:
        assert (SEALS[word], seal_of(word)) in sent
    more = await client.ask(
        Ask((BOTH, first.said, results(first), second.said, HELLO), word, tools=TOOLS, thinks=True), how
    )
    assert "hello" in more.text


async def test_b10_another_model_gets_no_signature_of_the_one_before(pair: tuple[Client, str]) -> None:
    """In the middle of a conversation the next model is another one, of another provider; then it is the first again."""
    client, word = pair
    other = CROSSED[(CROSSED.index(word) + 1) % len(CROSSED)]
    first = await client.ask(Ask((BOTH,), word, tools=TOOLS, thinks=True))
    turns = (BOTH, first.said, results(first))
    second = await client.ask(Ask(turns, other, tools=TOOLS, thinks=True))
    asked = client.house.tap.requests[-1].body.decode()
    again = await client.ask(Ask((*turns, second.said, ONE), word, tools=TOOLS, thinks=True))

    assert "simulated answer" in second.text
    assert seal_of(word) not in asked
    assert "fine" in asked
    assert named(again) == [("weather", GIVEN)]
    assert seal_of(other) not in client.house.tap.requests[-1].body.decode()


@pytest.mark.parametrize("word", ["anthropic", "gemini"])
@pytest.mark.parametrize("name", KINDS)
async def test_b10_a_model_of_the_same_provider_gets_what_it_can_read(house: House, name: str, word: str) -> None:
    """What one model signed, another cannot read. A client of the same dialect is relayed, and hears what the provider
    says of it; for all others it is left out."""
    client = house.client(name)
    first = await client.ask(Ask((BOTH,), word, tools=TOOLS, thinks=True))
    switched = Ask((BOTH, first.said, results(first)), f"{word}-other", tools=TOOLS, thinks=True)
    if OWN[client.family] == word:
        result = await client.try_to(switched)
        assert result["own"] and result["status"] == 400
        assert "signature" in result["message"]
        return
    second = await client.ask(switched)
    assert "simulated answer" in second.text
    assert seal_of(word) not in house.tap.requests[-1].body.decode()


def last_results(client: Client, word: str) -> list[str]:
    """What the results of tools are in the request that an upstream got last, in order."""
    body = client.house.tap.requests[-1].json()
    match word:
        case "openai":
            return [each["content"] for each in body["messages"] if each["role"] == "tool"]
        case "openai-responses":
            return [each["output"] for each in body["input"] if each.get("type") == "function_call_output"]
        case "anthropic":
            return [words_of(each["content"]) for each in body["messages"][-1]["content"]]
        case _:
            return [str(only(part["functionResponse"]["response"])) for part in body["contents"][-1]["parts"]]


def words_of(content: Any) -> str:
    """Text, whether it stands in blocks or by itself."""
    return content if isinstance(content, str) else "".join(block["text"] for block in content)


def only(found: Mapping[str, Any]) -> Any:
    """The one value of a mapping."""
    [value] = found.values()
    return value
