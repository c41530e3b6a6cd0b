"""Sound that is written down: forms that are routed by their fields while their file goes through, and what that costs."""

from __future__ import annotations

import asyncio
import io
import json
import socket
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import openai
import pytest
from openai import AsyncAzureOpenAI, AsyncOpenAI

from routebook.edge.simulator.server import start_simulator
from routebook.edge.simulator.sound import tone
from routebook.sound.wav import wav_head, wav_of
from tests.edge.test_chat_in_sound import decisions
from tests.support.proxy import LocalProxy, in_process

SECONDS = 3
FILE = wav_of(tone(0, SECONDS * 1000))

POLICY = """\
version: 1
providers:
  simulated: {{dialect: openai, base_url: "{upstream}", accounts: [{{name: main}}]}}
  other: {{dialect: openai, base_url: "{other}", accounts: [{{name: main}}]}}
models:
  by-minute: {{provider: simulated, id: whisper-1, operations: [transcription, translation], price: {{minute: 0.006}}}}
  by-token: {{provider: simulated, id: gpt-4o-transcribe, operations: [transcription], max_output: 2k,
             price: {{input: 2.5, audio_input: 6, output: 10}}}}
  broken: {{provider: simulated, id: "gpt-4o-transcribe@500", operations: [transcription], max_output: 2k,
           price: {{input: 2.5, audio_input: 6, output: 10}}}}
  cut-30: {{provider: simulated, id: "gpt-4o-transcribe@cut=30", operations: [transcription], max_output: 2k,
           price: {{audio_input: 6, input: 2, output: 10}}}}
  cut-400: {{provider: simulated, id: "gpt-4o-transcribe@cut=400", operations: [transcription], max_output: 2k,
            price: {{audio_input: 6, input: 2, output: 10}}}}
  elsewhere: {{provider: other, id: whisper-2, operations: [transcription], price: {{minute: 0.006}}}}
  chatter: {{provider: simulated, id: chatter-1, price: {{input: 1, output: 2}}}}
budgets:
  sound: {{limit: $1, window: day}}
rules:
  - {{name: german, when: {{request.form.language: de}}, route: {{to: [by-minute]}}}}
  - {{name: auto, when: {{request.operation: transcription, request.model: auto}}, route: {{to: [chatter, broken, by-token]}}}}
  - {{name: as-asked, route: {{to: requested}}}}
settings:
  forms: {{memory: 256KiB, disk: 2MiB}}
  max_body: 64MiB
{more}
"""


@pytest.fixture
async def other() -> AsyncIterator[Other]:
    """An upstream that is seen at work."""
    async with Other() as running:
        yield running


@pytest.fixture
async def proxy(tmp_path: Path, other: Other) -> AsyncIterator[LocalProxy]:
    """A proxy in front of a simulated upstream, and of one that is seen at work."""
    simulator = await start_simulator(socket.create_server(("127.0.0.1", 0)), pace=0.001)
    policy = POLICY.format(upstream=simulator.address, other=other.address, more="")
    async with in_process(tmp_path, policy) as running:
        yield running
    await simulator.close()


@pytest.fixture
async def client(proxy: LocalProxy) -> AsyncIterator[AsyncOpenAI]:
    """The official SDK, which puts the fields before the file."""
    async with AsyncOpenAI(base_url=proxy.base_url, api_key="sk-test", max_retries=0) as running:
        yield running


class Other:
    """An upstream that notes what arrives and when, and answers when it is told to."""

    def __init__(self, takes: int | None = None, status: int = 200) -> None:
        self.head = b""
        self.body = b""
        self.begun = asyncio.Event()
        self.may_read = asyncio.Event()
        self.may_read.set()
        self.takes = takes
        self.status = status
        self.calls = 0
        self.address = ""
        self._server: asyncio.Server | None = None
        self._serving: set[asyncio.Task[Any]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.address = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/v1"
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        if self._serving:
            _, hanging = await asyncio.wait(self._serving, timeout=10)
            assert not hanging

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        self.calls += 1
        self.body = b""
        self.head = await reader.readuntil(b"\r\n\r\n")
        length = int(self.head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        most = length if self.takes is None else self.takes
        while len(self.body) < most:
            await self.may_read.wait()
            chunk = b""
            with suppress(ConnectionError):
                chunk = await reader.read(64 * 1024)
            if not chunk:
                writer.close()
                return
            self.body += chunk
            self.begun.set()
        said = json.dumps({"text": "so it is", "usage": {"type": "duration", "seconds": 4}}).encode()
        reason = b"OK" if self.status == 200 else b"Busy"
        about = b"HTTP/1.1 %d %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        with suppress(ConnectionError):
            writer.write(about % (self.status, reason, len(said)) + said)
            await writer.drain()
            while await reader.read(64 * 1024):
                pass
        writer.close()


def form(*parts: tuple[str, str | bytes], boundary: str = "xYzZY") -> bytes:
    """A form with these parts in their order; bytes are a file."""
    written = b""
    for name, value in parts:
        about = '; filename="a.wav"\r\nContent-Type: audio/wav' if isinstance(value, bytes) else ""
        data = value if isinstance(value, bytes) else value.encode()
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"{about}\r\n\r\n'
        written += head.encode() + data + b"\r\n"
    return written + f"--{boundary}--\r\n".encode()


class Sender:
    """A client that sends a form piece by piece."""

    def __init__(self, proxy: LocalProxy, path: str = "/v1/audio/transcriptions") -> None:
        self._port = int(proxy.base_url.rpartition(":")[2].removesuffix("/v1"))
        self._path = path
        self.reader: asyncio.StreamReader
        self.writer: asyncio.StreamWriter

    async def __aenter__(self) -> Self:
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self._port)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.writer.transport.abort()

    def begin(self, length: int | None) -> None:
        """The head; without a length the body comes in chunks."""
        framing = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
        head = (
            f"POST {self._path} HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=xYzZY\r\n{framing}"
        )
        self.writer.write(f"{head}\r\n\r\n".encode())

    async def send(self, data: bytes, chunked: bool = False) -> None:
        """Some of the body."""
        self.writer.write(b"%x\r\n%b\r\n" % (len(data), data) if chunked else data)
        await self.writer.drain()

    async def answer(self) -> tuple[int, Any]:
        """Status and JSON."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        return int(head.split()[1]), json.loads(await self.reader.readexactly(length))


async def test_who_is_paid_by_the_minute(proxy: LocalProxy, client: AsyncOpenAI) -> None:
    """E4: seconds as the upstream counts them, at the price of a minute."""
    answer = await client.audio.transcriptions.create(model="by-minute", file=("a.wav", FILE), language="en")
    assert answer.text == f"{SECONDS * 1000} milliseconds of simulated sound were heard by whisper-1 (en)."
    [record] = await decisions(proxy)
    assert record.decided["operation"] == "transcription" and record.decided["asked"]["most_ms"] == SECONDS * 1000
    assert record.ended["usage"] == {"heard_ms": SECONDS * 1000} and record.ended["usage_by"] == "measured"
    assert record.ended["cost_parts"] == {"heard_ms": 6_000_000 * SECONDS // 60}
    assert record.ended["settled"][0][2] == 6_000_000 * SECONDS // 60
    assert record.decided["hold"]["draws"][0][2] == 6_000_000 * SECONDS // 60
    assert record.ended["form"]["held"] == "memory"


async def test_who_is_paid_by_the_token(proxy: LocalProxy, client: AsyncOpenAI) -> None:
    """Sound and words at prices of their own; who chats only, and who fails, is passed over."""
    answer = await client.audio.transcriptions.create(model="auto", file=("a.wav", FILE), prompt="two words")
    assert "gpt-4o-transcribe" in answer.text
    [record] = await decisions(proxy)
    assert [each["model"] for each in record.ended["attempts"]] == ["broken", "by-token"]
    assert record.decided["candidates"][-1]["reason"] == "model.operation"
    words = len(answer.text.split())
    assert record.ended["usage"] == {"input": 2, "audio_input": SECONDS * 10, "output": words}
    assert record.ended["cost"] == 2 * 2_500 + SECONDS * 10 * 6_000 + words * 10_000


async def test_events(proxy: LocalProxy, client: AsyncOpenAI) -> None:
    """E4: words as they are found, and what was used in the last event."""
    said, done = "", None
    async for event in await client.audio.transcriptions.create(model="by-token", file=("a.wav", FILE), stream=True):
        said += event.delta if event.type == "transcript.text.delta" else ""
        done = event if event.type == "transcript.text.done" else done
    assert done is not None and done.text == said and "gpt-4o-transcribe" in said
    [record] = await decisions(proxy)
    assert record.decided["stream"] and record.ended["usage_by"] == "measured"
    assert record.ended["usage"]["audio_input"] == SECONDS * 10


@pytest.mark.parametrize("cut", [30, 400])
async def test_events_that_break_off(proxy: LocalProxy, client: AsyncOpenAI, cut: int) -> None:
    """Told as an error, and estimated by the sound's own length."""
    with pytest.raises(openai.APIError):
        stream = await client.audio.transcriptions.create(model=f"cut-{cut}", file=("a.wav", FILE), stream=True)
        async for _ in stream:
            pass
    [record] = await decisions(proxy)
    if cut == 400:
        assert record.ended["usage"]["audio_input"] == SECONDS * 10 and record.ended["usage_by"] == "estimated"
    assert record.ended["cost"] >= SECONDS * 10 * 6_000 and record.ended["error"] == "upstream.cut"


@pytest.mark.parametrize("format", ["json", "text", "srt", "vtt", "verbose_json"])
async def test_formats_pass_as_they_are(proxy: LocalProxy, client: AsyncOpenAI, format: Any) -> None:
    """Those that say nothing of what was used are counted by their last subtitle, or by the file's own head."""
    answer = await client.audio.transcriptions.with_raw_response.create(
        model="by-minute", file=("a.wav", FILE), response_format=format
    )
    text = answer.http_response.text
    assert {"srt": "00:00:02,000 --> 00:00:03,000", "vtt": "WEBVTT"}.get(format, "milliseconds") in text
    [record] = await decisions(proxy)
    assert record.ended["usage"] == {"heard_ms": SECONDS * 1000}
    assert record.ended["usage_by"] == ("estimated" if format == "text" else "measured")


@pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")
async def test_translations_and_azures_paths(proxy: LocalProxy, client: AsyncOpenAI) -> None:
    """An operation of its own; the deployment in the path is the model, whose name the upstream is told in the form."""
    said = await client.audio.translations.create(model="by-minute", file=("a.wav", FILE))
    assert said.text.endswith("whisper-1 (en).")
    with pytest.raises(openai.APIStatusError):
        await client.audio.translations.create(model="by-token", file=("a.wav", FILE))
    root = proxy.base_url.removesuffix("/v1")
    async with AsyncAzureOpenAI(azure_endpoint=root, api_key="x", api_version="2026-01-01", max_retries=0) as azure:
        answer = await azure.audio.transcriptions.create(model="by-minute", file=("a.wav", FILE))
        assert "whisper-1" in answer.text
    body = form(("response_format", "json"), ("file", FILE))
    async with Sender(proxy, "/openai/deployments/by-minute/audio/transcriptions?api-version=x") as sender:
        sender.begin(len(body))
        await sender.send(body)
        status, answer = await sender.answer()
    assert status == 200 and "whisper-1" in answer["text"]
    assert [each.decided["operation"] for each in await decisions(proxy)] == [
        "translation", "translation", "transcription", "transcription",
    ]  # fmt: skip


async def test_a_field_behind_the_file_decides_as_well(proxy: LocalProxy) -> None:
    """What clients in browsers and of `curl` send: the file first, kept on disk meanwhile, then the model."""
    body = form(("file", wav_of(tone(0, 10_000))), ("model", "auto"), ("language", "de"))
    async with Sender(proxy) as sender:
        sender.begin(None)
        for at in range(0, len(body), 100_000):
            await sender.send(body[at : at + 100_000], chunked=True)
        await sender.send(b"", chunked=True)
        status, answer = await sender.answer()
    assert (status, answer["text"]) == (200, "10000 milliseconds of simulated sound were heard by whisper-1 (de).")
    [record] = await decisions(proxy)
    assert record.decided["rule"] == "german" and record.decided["facts"]["request.form.language"] == "de"
    assert record.ended["form"] == {"bytes": len(body), "held": "disk", "streamed": False}


async def test_a_file_goes_through_while_it_comes(proxy: LocalProxy, other: Other) -> None:
    """The upstream has the beginning before the client has sent the rest, with the model's name in its place; and whoever
    sends faster than the upstream takes is made to wait."""
    sound = wav_head(50_000_000) + bytes(50_000_000)
    body = form(("model", "elsewhere"), ("language", "en"), ("file", sound))
    async with Sender(proxy) as sender:
        sender.begin(len(body))
        await sender.send(body[:300_000])
        await asyncio.wait_for(other.begun.wait(), 10)
        other.may_read.clear()
        rest = asyncio.ensure_future(sender.send(body[300_000:]))
        await asyncio.sleep(0.3)
        assert not rest.done() and len(other.body) < 10_000_000
        other.may_read.set()
        await rest
        status, answer = await sender.answer()
    assert (status, answer["text"]) == (200, "so it is")
    assert other.body == body.replace(b"elsewhere", b"whisper-2", 1)
    [record] = await decisions(proxy)
    assert record.ended["form"] == {"bytes": len(body), "held": "nowhere", "streamed": True}
    assert record.ended["usage"] == {"heard_ms": 4_000}


@pytest.mark.parametrize("size", [100_000, 50_000_000])
async def test_only_what_was_kept_is_sent_again(tmp_path: Path, size: int) -> None:
    """An upstream that refuses early: a small form goes to the next model, of a large one the refusal is told."""
    sound = wav_head(size) + bytes(size)
    more = "  retries: {attempts: 3}"
    async with Other(takes=1_000_000 if size > 1_000_000 else 50_000, status=503) as busy, Other() as free:
        policy = POLICY.format(upstream=free.address, other=busy.address, more=more)
        policy = policy.replace("to: [chatter, broken, by-token]", "to: [elsewhere, by-minute]")
        async with in_process(tmp_path, policy) as proxy:
            body = form(("model", "auto"), ("language", "en"), ("file", sound))
            async with Sender(proxy) as sender:
                sender.begin(len(body))
                sending = asyncio.ensure_future(sender.send(body))
                status, answer = await sender.answer()
                await asyncio.wait([sending])
                sending.exception()
            [record] = await decisions(proxy)
            if size == 100_000:
                assert (status, free.body) == (200, body.replace(b"auto", b"whisper-1", 1))
                assert [each["model"] for each in record.ended["attempts"]] == ["elsewhere", "by-minute"]
            else:
                assert (status, free.calls) == (502, 0) and answer["error"]["code"] == "upstream.failed"
                assert [each["model"] for each in record.ended["attempts"]] == ["elsewhere"]
                assert record.ended["form"]["held"] == "nowhere"


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (form(("file", FILE)), 400, "`model` must be a text"),
        (form(("model", "by-minute")), 400, "`file` must be a file"),
        (form(("model", "by-minute"), ("file", FILE), ("model", "by-token")), 400, "stands twice"),
        (form(("model", "by-minute"), ("file", FILE))[:-10], 400, "ends before"),
        (b"--other\r\n\r\n", 400, "does not begin"),
        (form(("file", wav_head(3_000_000) + bytes(3_000_000)), ("model", "by-minute")), 400, "before `file`"),
        (form(("model", "by-minute"), ("file", FILE), ("more", "x" * 300_000)), 400, "too large"),
    ],
)
async def test_forms_that_are_none(proxy: LocalProxy, body: bytes, status: int, words: str) -> None:
    """Each is told, in the words of the API, and recorded."""
    async with Sender(proxy) as sender:
        sender.begin(len(body))
        await sender.send(body)
        got, answer = await sender.answer()
    assert got == status and words in answer["error"]["message"]


async def test_who_leaves_in_the_middle_of_a_file(proxy: LocalProxy, other: Other) -> None:
    """The upstream is let go of, and the record says who left."""
    sound = wav_head(4_000_000) + bytes(4_000_000)
    body = form(("model", "elsewhere"), ("language", "en"), ("file", sound))
    async with Sender(proxy) as sender:
        sender.begin(len(body))
        await sender.send(body[:1_000_000])
        await asyncio.wait_for(other.begun.wait(), 10)
    [record] = await decisions(proxy)
    assert record.ended["error"] == "client.gone" and record.ended["form"]["streamed"]


async def test_a_budget_that_a_long_file_would_exceed(proxy: LocalProxy, client: AsyncOpenAI) -> None:
    """Held by what the file lasts at most: three hours of it cost more than the budget has."""
    file = io.BytesIO(wav_head(10_800 * 48_000)[:44] + bytes(200_000))
    short = await client.audio.transcriptions.create(model="by-minute", file=("a.wav", file), language="en")
    assert short.text.startswith("4")
    coded = b"OggS" + bytes(7_900_000)
    with pytest.raises(openai.RateLimitError, match="more than the whole budget"):
        await client.audio.transcriptions.create(model="by-minute", file=("a.ogg", coded), language="en")
