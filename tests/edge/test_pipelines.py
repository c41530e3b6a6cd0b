"""Spoken answers of a model that writes and one that speaks: the shape, the sound, the money and the record."""

from __future__ import annotations

import asyncio
import base64
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import openai
import pytest
from google import genai
from google.genai import types
from openai import AsyncOpenAI

from routebook.edge.simulator.server import start_simulator
from routebook.routing.reading.loading import load_sources
from routebook.routing.replay import decide_again, differences
from tests.edge.sessions.test_talking import hertz
from tests.edge.test_chat_in_sound import decisions, file_of
from tests.support.proxy import LocalProxy, in_process

POLICY = """\
version: 1
providers:
  open: {{dialect: openai, base_url: "{upstream}", region: us, accounts: [{{name: main}}]}}
  claude: {{dialect: anthropic, base_url: "{root}", region: eu, accounts: [{{name: main}}]}}
models:
  gpt-audio: {{provider: open, id: gpt-audio-1, capabilities: [audio_in, audio_out], max_output: 4k,
              price: {{input: 2.5, output: 10, audio_input: 32, audio_output: 64}}}}
  writer: {{provider: open, id: writer-1, max_output: 4k, price: {{input: 1, output: 2}}}}
  thinker: {{provider: claude, id: thinker-1, max_output: 4k, price: {{input: 3, output: 15}}}}
  mute: {{provider: open, id: "writer-2@500", max_output: 4k, price: {{input: 1, output: 2}}}}
  voice: {{provider: open, id: tts-1, operations: [speech], price: {{characters: 15}}, voices: {{Kore: coral}}}}
  hoarse: {{provider: open, id: "tts-1@503", operations: [speech], price: {{characters: 15}}}}
  cut: {{provider: open, id: "tts-1@cut=6000", operations: [speech], price: {{characters: 15}}}}
budgets:
  day: {{limit: $10, window: day}}
  purse: {{limit: "$0.0105", window: day, when: {{request.model: poor}}}}
rules:
  - {{name: native, when: {{request.model: native}}, route: {{to: [gpt-audio], pipeline: {{text: writer, speech: voice}}}}}}
  - {{name: foreign, when: {{request.model: foreign}}, route: {{to: [thinker], pipeline: {{text: [thinker], speech: [voice]}}}}}}
  - {{name: second, when: {{request.model: second}}, route: {{to: [writer],
     pipeline: {{text: [mute, writer], speech: [hoarse, voice], voice: alloy}}}}}}
  - {{name: breaks, when: {{request.model: breaks}}, route: {{to: [writer], pipeline: {{text: [writer], speech: [cut]}}}}}}
  - {{name: none, when: {{request.model: none}}, route: {{to: [writer]}}}}
  - {{name: other, route: {{to: [writer], pipeline: {{text: [writer], speech: [voice]}}}}}}
"""

ASKED: Any = {"messages": [{"role": "user", "content": "Speak."}], "modalities": ["text", "audio"]}


@pytest.fixture
async def proxy(tmp_path: Path) -> AsyncIterator[LocalProxy]:
    """A proxy in front of a simulated upstream of several dialects."""
    simulator = await start_simulator(socket.create_server(("127.0.0.1", 0)), pace=0.001)
    policy = POLICY.format(upstream=simulator.address, root=simulator.address.removesuffix("/v1"))
    async with in_process(tmp_path, policy) as running:
        yield running
    await simulator.close()


@pytest.fixture
async def client(proxy: LocalProxy) -> AsyncIterator[AsyncOpenAI]:
    """OpenAI's SDK."""
    async with AsyncOpenAI(base_url=proxy.base_url, api_key="sk-test", max_retries=0) as running:
        yield running


async def streamed(client: AsyncOpenAI, model: str) -> tuple[bytes, str, Any, list[str]]:
    """The samples, the words, the usage, and in which order both came."""
    stream: Any = await client.chat.completions.create(
        model=model, audio={"voice": "alloy", "format": "pcm16"}, stream=True,
        stream_options={"include_usage": True}, **ASKED,
    )  # fmt: skip
    data, words, usage, order = "", "", None, []
    async for chunk in stream:
        usage = chunk.usage or usage
        for choice in chunk.choices:
            audio: Any = choice.delta.to_dict().get("audio") or {}
            data += audio.get("data", "")
            words += audio.get("transcript", "")
            order += [kind for kind in ("transcript", "data") if audio.get(kind)]
            order += ["end"] if choice.finish_reason else []
    return base64.b64decode(data, validate=True), words, usage, order


def is_spoken(samples: bytes, milliseconds: int) -> bool:
    """Whether it is a tone of 440 Hz in each of its pieces."""
    return len(samples) == milliseconds * 48 and abs(hertz(samples[:4800]) - 440) < 2


async def test_who_can_speak_alone_does(proxy: LocalProxy, client: AsyncOpenAI) -> None:
    """A pipeline is for when nobody of the route can; when its sound began is recorded as of any other."""
    await streamed(client, "native")
    await client.chat.completions.create(model="native", audio={"voice": "alloy", "format": "wav"}, **ASKED)
    for record in await decisions(proxy):
        assert record.ended["model"] == "gpt-audio" and "speech" not in record.ended
        assert record.ended["first_audio"] >= record.ended["first_token"]


@pytest.mark.parametrize("model", ["other", "foreign"])
async def test_a_stream_is_spoken_sentence_by_sentence(proxy: LocalProxy, client: AsyncOpenAI, model: str) -> None:
    """The shape of a model that speaks, whatever the writer's dialect; two attempts, both paid, decided again alike."""
    samples, words, usage, order = await streamed(client, model)
    assert words.startswith("This is a simulated answer") and words.rstrip().endswith("same answer.")
    assert order.index("data") < len(order) - 1 - order[::-1].index("transcript") and order[-1] == "end"
    [record] = await decisions(proxy)
    ended = record.ended
    assert is_spoken(samples, ended["speech"]["milliseconds"])
    assert usage.completion_tokens_details.audio_tokens == -(-ended["speech"]["milliseconds"] // 50)
    writer = "writer" if model == "other" else "thinker"
    assert [each["model"] for each in ended["attempts"]] == [writer, "voice"]
    assert ended["model"] == writer and ended["end"] == "--" and ended["usage_by"] == "measured"
    assert ended["speech"]["sentences"] == order.count("transcript") == 3
    assert ended["speech"]["characters"] == len(words)
    assert ended["speech"]["cost"] == ended["cost_parts"]["speech_characters"] == len(words) * 15_000
    assert ended["cost"] == sum(ended["cost_parts"].values()) == ended["settled"][0][2]
    assert ended["first_audio"] == ended["speech"]["first_audio"] < ended["seconds"]
    assert record.decided["pipeline"]["native"][0]["reason"] == ("model.lacks" if model == "other" else "model.loses")
    assert record.decided["pipeline"]["speech"][0]["model"] == "voice"
    policy = load_sources(proxy.gateway.serving.policy.sources).policy
    assert policy is not None
    assert differences(record.decided, decide_again(policy, record.decided)) == []


async def test_a_whole_answer_is_a_file(proxy: LocalProxy, client: AsyncOpenAI) -> None:
    """The writer is read as a stream all the same; who fails of either half is passed over."""
    answer = await client.chat.completions.create(model="second", audio={"voice": "ash", "format": "wav"}, **ASKED)
    audio = answer.choices[0].message.audio
    assert audio is not None and answer.choices[0].message.content is None
    milliseconds, samples = file_of(audio.data)
    [record] = await decisions(proxy)
    assert is_spoken(samples, milliseconds) and milliseconds == record.ended["speech"]["milliseconds"]
    assert audio.transcript.startswith("This is a simulated answer")
    assert [each["model"] for each in record.ended["attempts"]] == ["mute", "writer", "voice"]


async def test_googles_client_hears_it_too(proxy: LocalProxy) -> None:
    """The same answer in its own dialect."""
    address = proxy.base_url.removesuffix("/v1")
    google = genai.Client(api_key="x", http_options=types.HttpOptions(base_url=address))
    config = types.GenerateContentConfig(response_modalities=["AUDIO"])
    answer = await asyncio.to_thread(google.models.generate_content, model="other", contents="Speak.", config=config)
    assert answer.parts is not None and answer.parts[0].inline_data is not None
    data = answer.parts[0].inline_data.data
    [record] = await decisions(proxy)
    assert data is not None and is_spoken(data, record.ended["speech"]["milliseconds"])


async def test_a_voice_that_breaks_is_told(proxy: LocalProxy, client: AsyncOpenAI) -> None:
    """After the first sound nobody else may speak: the client reads an error, and what was heard is paid."""
    with pytest.raises(openai.APIError):
        await streamed(client, "breaks")
    [record] = await decisions(proxy)
    assert record.ended["error"] == "upstream.cut" and record.ended["speech"]["code"] == "upstream.cut"
    assert record.ended["speech"]["cost"] > 0
    with pytest.raises(openai.APIStatusError):
        await client.chat.completions.create(model="breaks", audio={"voice": "ash", "format": "wav"}, **ASKED)


async def test_a_budget_ends_it_between_two_sentences(proxy: LocalProxy, client: AsyncOpenAI) -> None:
    """What the writer may cost is held, and then each sentence."""
    with pytest.raises(openai.APIError, match="purse"):
        await streamed(client, "poor")
    [record] = await decisions(proxy)
    assert record.ended["error"] == "budget.exhausted" and 0 < record.ended["speech"]["sentences"] < 3


async def test_only_a_rule_that_says_so_has_one(proxy: LocalProxy, client: AsyncOpenAI) -> None:
    """And a format that somebody would have to code is refused before anybody is asked."""
    with pytest.raises(openai.APIStatusError, match="audio_out"):
        await client.chat.completions.create(model="none", audio={"voice": "ash", "format": "wav"}, **ASKED)
    with pytest.raises(openai.BadRequestError, match="`mp3` needs a transcoder"):
        await client.chat.completions.create(model="other", audio={"voice": "ash", "format": "mp3"}, **ASKED)
    assert all(each.ended["cost"] == 0 for each in await decisions(proxy))


async def test_who_leaves_ends_both(proxy: LocalProxy, client: AsyncOpenAI) -> None:
    """The record is complete, and says who left."""
    stream: Any = await client.chat.completions.create(
        model="other", audio={"voice": "alloy", "format": "pcm16"}, stream=True, **ASKED
    )
    async for _ in stream:
        break
    await stream.close()
    [record] = await decisions(proxy)
    assert record.ended["end"] in ("CD", "--")
