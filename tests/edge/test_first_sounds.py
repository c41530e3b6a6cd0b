"""How soon a model is heard: measured of whatever is spoken over HTTP, and what constraints and rules make of it."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from openai import AsyncOpenAI

from routebook.edge.metrics import FIRST_AUDIO
from routebook.edge.scrape import added, as_text
from routebook.edge.simulator.server import start_simulator
from routebook.health.speeds import First
from routebook.routing.replay import decide_again, differences
from tests.support.proxy import LocalProxy, in_process

pytestmark = pytest.mark.asyncio(loop_scope="module")

POLICY = """\
version: 1
providers:
  open: {{dialect: openai, base_url: "{upstream}", accounts: [{{name: main}}]}}
  google: {{dialect: gemini, base_url: "{upstream}", accounts: [{{name: main}}]}}
models:
  speaker: {{provider: open, id: gpt-audio-1, capabilities: [audio_out], price: {{input: 1, output: 2, audio_output: 4}}}}
  singer: {{provider: google, id: gemini-tts-1, capabilities: [audio_out], voices: {{"*": Kore}}, price: {{input: 1, output: 2, audio_output: 4}}}}
  writer: {{provider: open, id: writer-1, price: {{input: 1, output: 2}}}}
  lent: {{provider: open, id: talker-0, operations: [speech], price: {{input: 1, output: 2}}}}
  slow: {{provider: open, id: "talker-1@slow=500ms", operations: [speech], price: {{input: 1, output: 2}}}}
  quick: {{provider: open, id: talker-2, operations: [speech], price: {{input: 1, output: 2}}}}
  declared: {{provider: open, id: talker-3, operations: [speech], first_audio: 2s, price: {{input: 1, output: 2}}}}
  broken: {{provider: open, id: "talker-4@400", operations: [speech], price: {{input: 1, output: 2}}}}
rules:
  - {{name: soon, when: {{request.model: soon}}, route: {{to: [slow, quick], within: {{first_audio: 400ms}}}}}}
  - {{name: never, when: {{request.model: never}}, route: {{to: [declared], within: {{first_audio: 1s}}}}}}
  - {{name: lent, when: {{request.model: both}}, route: {{to: [writer], pipeline: {{text: [writer], speech: [lent]}}}}}}
  - {{name: heard, when: {{all_of: [{{request.model: any}}, {{model.quick.first_audio: {{below: 10s}}}}]}}, route: {{to: [quick]}}}}
  - {{name: unheard, when: {{request.model: any}}, route: {{to: [declared]}}}}
  - {{name: as-asked, route: {{to: requested}}}}
"""

SPOKEN: Any = {
    "modalities": ["text", "audio"],
    "max_completion_tokens": 12,
    "messages": [{"role": "user", "content": "Say a word."}],
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def proxy(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[LocalProxy]:
    """A proxy in front of a simulated upstream, for all tests of this file."""
    simulator = await start_simulator(socket.create_server(("127.0.0.1", 0)), pace=0.001)
    folder: Path = tmp_path_factory.mktemp("sounds")
    async with in_process(folder, POLICY.format(upstream=simulator.address)) as running:
        yield running
    await simulator.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(proxy: LocalProxy) -> AsyncIterator[AsyncOpenAI]:
    """The official SDK."""
    async with AsyncOpenAI(base_url=proxy.base_url, api_key="sk-test", max_retries=0) as running:
        yield running


def measured(proxy: LocalProxy, model: str, provider: str = "open") -> tuple[float | None, float | None]:
    """How soon a model is heard: as a fact, and by its account, as constraints ask."""
    memory = proxy.gateway.memory
    speed = memory.speed((provider, "main"), model, proxy.gateway.clock.monotonic(), First.AUDIO)
    return memory.first_audio(model), None if speed is None else speed[0]


async def speak(client: AsyncOpenAI, model: str, **more: Any) -> Any:
    """A sentence, spoken."""
    format = {"response_format": "wav", **more}
    return await client.audio.speech.create(model=model, voice="alloy", input="Speech is silver.", **format)


async def latest(proxy: LocalProxy) -> Any:
    """The record of the last request."""
    records = await proxy.ended_records()
    return records[max(records)]


@pytest.mark.parametrize(("model", "provider"), [("speaker", "open"), ("singer", "google")])
@pytest.mark.parametrize("stream", [False, True])
async def test_a_spoken_chat_is_measured(
    proxy: LocalProxy, client: AsyncOpenAI, model: str, provider: str, stream: bool
) -> None:
    """Whole and streamed, relayed and translated; the record's time is from the request on, so it is no shorter."""
    format = "pcm16" if stream else "wav"
    proxy.gateway.memory._first_audio.pop(model, None)
    answer = await client.chat.completions.create(
        model=model, audio={"voice": "alloy", "format": format}, stream=stream, **SPOKEN
    )
    if stream:
        async for _ in answer:
            pass
    ended = (await latest(proxy)).ended
    fact, by_account = measured(proxy, model, provider)
    assert fact is not None and by_account is not None
    assert 0 < fact <= ended["first_audio"] <= ended["seconds"]


@pytest.mark.parametrize("more", [{"response_format": "wav"}, {"response_format": "pcm", "stream_format": "sse"}])
async def test_speech_is_measured_from_its_first_byte(
    proxy: LocalProxy, client: AsyncOpenAI, more: dict[str, Any]
) -> None:
    """As sound, and in events; the record and the metric say it too."""
    proxy.gateway.memory._first_audio.pop("lent", None)
    await speak(client, "lent", **more)
    ended = (await latest(proxy)).ended
    fact, by_account = measured(proxy, "lent")
    assert fact is not None and by_account is not None and 0 < fact <= ended["first_audio"]
    text = as_text(added([proxy.gateway.metrics.snapshot()]), []).decode()
    assert f'{FIRST_AUDIO.name}_count{{model="lent"}}' in text


async def test_a_pipeline_s_voice_is_measured_and_its_writer_is_not(proxy: LocalProxy, client: AsyncOpenAI) -> None:
    """Of two models, the one that is heard."""
    proxy.gateway.memory._first_audio.pop("lent", None)
    await client.chat.completions.create(model="both", audio={"voice": "alloy", "format": "wav"}, **SPOKEN)
    assert measured(proxy, "lent")[0] is not None
    assert measured(proxy, "writer") == (None, None)


async def test_what_is_not_heard_is_not_measured(proxy: LocalProxy, client: AsyncOpenAI) -> None:
    """An answer in words, and one that was refused."""
    await client.chat.completions.create(model="writer", messages=SPOKEN["messages"])
    with pytest.raises(Exception, match="400"):
        await speak(client, "broken")
    assert measured(proxy, "writer") == measured(proxy, "broken") == (None, None)
    assert "first_audio" not in (await latest(proxy)).ended


async def test_who_was_slow_to_speak_is_passed_over(proxy: LocalProxy, client: AsyncOpenAI) -> None:
    """By what was measured of speech; the reason stands in the record, which decides the same again."""
    for served in ("slow", "quick"):
        await speak(client, "soon")
        record = await latest(proxy)
        assert record.ended["model"] == served
        assert differences(record.decided, decide_again(proxy.gateway.policy, record.decided)) == []
    (dropped,) = (each for each in record.decided["candidates"] if each["verdict"] == "dropped")
    assert dropped["reason"] == "within.first-audio" and 0.5 <= dropped["numbers"]["first_audio"] < 30


async def test_what_is_declared_counts_until_something_was_measured(proxy: LocalProxy, client: AsyncOpenAI) -> None:
    """Two seconds are declared, one is allowed: nobody speaks. Once it was heard by another rule, that counts."""
    with pytest.raises(Exception, match="first sound after 2 s"):
        await speak(client, "never")
    assert (await latest(proxy)).decided["candidates"][0]["numbers"]["first_audio"] == 2.0
    await speak(client, "declared")
    await speak(client, "never")
    assert (await latest(proxy)).ended["model"] == "declared"


async def test_a_rule_can_ask_how_soon_a_model_is_heard(proxy: LocalProxy, client: AsyncOpenAI) -> None:
    """Missing until it was measured; what was asked stands in the record, which decides the same again."""
    proxy.gateway.memory._first_audio.pop("quick", None)
    for rule in ("unheard", "heard"):
        await speak(client, "any")
        record = await latest(proxy)
        assert record.decided["rule"] == rule
        assert differences(record.decided, decide_again(proxy.gateway.policy, record.decided)) == []
        await speak(client, "quick")
    assert record.decided["facts"]["model.quick.first_audio"] > 0
